"""MMEngine's Runner with what makes a run safe to kill and easy to read."""

import copy
import logging
import os
import os.path as osp
import re
from pathlib import Path

import torch
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as MMEngineRunner

from projects.core.engine.distributed import distributed_model, has_own_step
from projects.core.errors import UserError
from projects.core.weights import load_weights, read_weights
from projects.registry import RUNNERS

# pages that belong into the log file, not before the eyes of who waits
FILE_ONLY = (
    '"FileClient"',
    '"HardDiskBackend"',
    '\n' + '-' * 60,
    'Auto resumed from',
    'Checkpoints will be saved to',
    'Config:\n',
    'Distributed training is not used',
    'Exp name:',
    'Hooks will be executed',
    'Load checkpoint from',
    'paramwise_options',
)


@RUNNERS.register_module()
class Runner(MMEngineRunner):
    """The runner of MMAtlas.

    Beyond MMEngine's: a checkpoint appears under its name only when whole;
    one of another architecture is refused; several processes run on a CPU;
    augmentation is seeded batch by batch; the screen shows the run alone, the
    log file everything.
    """

    def setup_env(self, env_cfg: dict) -> None:
        if (
            self.distributed
            and not torch.cuda.is_available()
            and (not torch.distributed.is_initialized())
        ):
            torch.distributed.init_process_group('gloo')
        super().setup_env(env_cfg)

    def register_default_hooks(self, hooks=None) -> None:
        super().register_default_hooks(hooks)
        self.register_hook(dict(type='projects.ResumeHook'))
        self.register_hook(dict(type='projects.RateHook'))

    def dump_config(self) -> None:
        """Nothing yet: a run that is refused must not replace a config."""

    def load_or_resume(self) -> None:
        super().load_or_resume()
        if self._train_loop is not None:
            super().dump_config()

    def build_logger(self, *args, **kwargs) -> logging.Logger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(
                    lambda record: not str(record.msg).startswith(FILE_ONLY)
                )
        return logger

    def build_model(self, model):
        model = super().build_model(model)
        # before it is wrapped: DDP lays out the gradients as the weights are then
        if any(
            isinstance(hook, dict) and hook['type'] == 'projects.ChannelsLastHook'
            for hook in self.cfg.get('custom_hooks') or []
        ):
            model.to(memory_format=torch.channels_last)
        return model

    def wrap_model(self, model_wrapper_cfg, model):
        if (
            self.distributed
            and model_wrapper_cfg is None
            and (has_own_step(model) or not torch.cuda.is_available())
        ):
            return distributed_model(
                model.to(get_device()), self.cfg.get('find_unused_parameters', False)
            )
        return super().wrap_model(model_wrapper_cfg, model)

    def build_train_loop(self, loop):
        data = self._train_dataloader
        if (
            not isinstance(loop, BaseLoop)
            and isinstance(data, dict)
            and isinstance(data.get('sampler'), dict)
        ):
            sampler = dict(type='projects.SeededSampler', sampler=data['sampler'])
            self._train_dataloader = {**data, 'sampler': sampler}
        return super().build_train_loop(loop)

    @staticmethod
    def build_dataloader(dataloader, seed=None, diff_rank_seed=False):
        if isinstance(dataloader, dict):
            dataloader = copy.copy(dataloader)  # MMEngine copies it deeply
            # its own function seeds workers alike in each epoch
            dataloader.setdefault('worker_init_fn', dict(type='projects.seed_worker'))
            if not dataloader.get('num_workers'):
                # torch refuses workers that stay where there are none
                dataloader.pop('persistent_workers', None)
        return MMEngineRunner.build_dataloader(dataloader, seed, diff_rank_seed)

    def scale_lr(self, optim_wrapper, auto_scale_lr=None) -> None:
        """Learning rates times total batch / ``base_batch_size``.

        The total batch counts processes and accumulated steps. Of several
        optimizers each is scaled; one without a learning rate is left alone.

        Raises:
            UserError: If ``base_batch_size`` is not stated.
        """
        if not auto_scale_lr or not auto_scale_lr.get('enable'):
            return
        base = auto_scale_lr.get('base_batch_size')
        if not base:
            raise UserError(
                'auto_scale_lr: state the base_batch_size that the learning rate is '
                'meant for, or enable=False'
            )
        loader = self.train_dataloader
        # a batch sampler of its own has the size
        size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)
        if size is None:
            self.logger.warning('lr is not scaled: the batches have no one size')
            return
        several = isinstance(optim_wrapper, OptimWrapperDict)
        wrappers = optim_wrapper.items() if several else [('', optim_wrapper)]
        for name, wrapper in wrappers:
            total = size * self.world_size * wrapper._accumulative_counts
            label = f'{name} lr'.lstrip()
            groups = list(wrapper.optimizer.param_groups)
            if wrapper.base_param_settings is not None:
                groups.append(wrapper.base_param_settings)  # in the log
            groups = [group for group in groups if 'lr' in group]
            if not groups:
                self.logger.info(f'{label}: this optimizer has none to scale')
                continue
            lr = wrapper.optimizer.defaults.get('lr', groups[0]['lr'])
            self.logger.info(f'{label} {lr:g} x {total}/{base} = {lr * total / base:g}')
            for group in groups:
                group['lr'] *= total / base

    def build_param_scheduler(self, scheduler):
        try:
            return super().build_param_scheduler(scheduler)
        except TypeError as error:
            if 'has no len()' not in str(error):
                raise
            raise UserError(
                'param_scheduler: mmengine asks for the length of the training data, '
                f'and {type(self.train_dataloader.dataset).__name__} has none; give '
                'it a __len__, the samples of a pass, or use param_scheduler=[]'
            ) from error

    def save_checkpoint(self, out_dir, filename, *args, meta=None, **kwargs) -> None:
        # written aside and renamed: a kill leaves the old file or the new
        partial = f'{filename}.partial'
        meta = dict(meta or {})
        dataset = self.train_dataloader.dataset
        while not hasattr(dataset, 'cat_ids') and (
            hasattr(dataset, 'dataset') or hasattr(dataset, 'datasets')
        ):
            dataset = (
                dataset.dataset if hasattr(dataset, 'dataset') else dataset.datasets[0]
            )  # inside a wrapper
        if hasattr(dataset, 'cat_ids'):  # for COCO results of tools/infer.py
            meta['cat_ids'] = list(dataset.cat_ids)
        super().save_checkpoint(out_dir, partial, *args, meta=meta, **kwargs)
        if is_main_process():
            os.replace(osp.join(out_dir, partial), osp.join(out_dir, filename))

    def load_checkpoint(
        self, filename, map_location='cpu', strict=True, revise_keys=()
    ) -> dict:
        """Load weights; every one of the model must be in the file.

        Under ``load_from`` a head of other shapes is left out and named.

        Args:
            filename: A file, or a name of published weights.
            map_location: Device of the tensors.
            strict: False to load whatever fits, as mmengine does by default;
                what was left out is in the log.
            revise_keys: Pairs of a regular expression and what takes its place
                in the names of the file's weights, one after the other.

        Raises:
            UserError: If the file cannot be read or is of another model.
        """
        checkpoint = read_weights(filename, map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        for pattern, replacement in revise_keys:
            checkpoint['state_dict'] = {
                re.sub(pattern, replacement, k): v
                for k, v in checkpoint['state_dict'].items()
            }
        model = self.model.module if is_model_wrapper(self.model) else self.model
        fine_tuning = self._train_loop is not None and not self._resume
        report = load_weights(
            model, checkpoint['state_dict'], filename, fine_tuning, strict
        )
        self._has_loaded = True
        self.logger.info(report)
        return checkpoint

    def resume(self, filename, *args, **kwargs) -> None:
        super().resume(filename, *args, **kwargs)
        infos = self.message_hub.runtime_info
        for key in [k for k in infos if k.startswith('best_ckpt')]:
            best = infos[key]
            if not osp.isfile(best):
                # killed between the old best and the new one, or moved
                self.logger.warning(
                    f'the best checkpoint {best} is gone; the '
                    'next validation counts as the best'
                )
                self.message_hub.pop_info(key)
                self.message_hub.pop_info(key.replace('ckpt', 'score', 1))


def newest_checkpoint(work_dir: str) -> str | None:
    """Path of the last whole checkpoint of a run, None without one."""
    numbered = [
        (int(p.stem.rpartition('_')[2]), str(p))
        for kind in ('epoch', 'iter')
        for p in Path(work_dir).glob(f'{kind}_*.pth')
        if p.stem.rpartition('_')[2].isdigit()
    ]
    return max(numbered, default=(0, None))[1]
