"""MMEngine's Runner with what makes a run safe to kill and easy to read."""

import copy
import logging
import os
import os.path as osp
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner as MMEngineRunner

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
    workers are seeded anew each epoch; the screen shows the run alone, the
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
            and not torch.cuda.is_available()
            and (model_wrapper_cfg is None)
        ):
            return MMDistributedDataParallel(  # without ids: on the CPU
                model,
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            )
        return super().wrap_model(model_wrapper_cfg, model)

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

        The total batch counts processes and accumulated steps.
        """
        if not auto_scale_lr or not auto_scale_lr.get('enable'):
            return
        total = (
            self.cfg.train_dataloader.batch_size
            * self.world_size
            * self.cfg.optim_wrapper.get('accumulative_counts', 1)
        )
        base = auto_scale_lr['base_batch_size']
        lr = self.cfg.optim_wrapper.optimizer.lr
        self.logger.info(f'lr {lr:g} x {total}/{base} = {lr * total / base:g}')
        groups = list(optim_wrapper.optimizer.param_groups)
        if optim_wrapper.base_param_settings is not None:
            groups.append(optim_wrapper.base_param_settings)  # in the log
        for group in groups:
            group['lr'] *= total / base

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

        Raises:
            UserError: If the file cannot be read or is of another model.
        """
        checkpoint = read_weights(filename, map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        fine_tuning = self._train_loop is not None and not self._resume
        report = load_weights(
            model, checkpoint['state_dict'], filename, allow_new_head=fine_tuning
        )
        self._has_loaded = True
        self.logger.info(report)
        return checkpoint

    def resume(self, filename, *args, **kwargs) -> None:
        super().resume(filename, *args, **kwargs)
        best = self.message_hub.runtime_info.get('best_ckpt')
        if best is not None and not osp.isfile(best):
            # killed between the old best and the new one, or moved
            self.logger.warning(
                f'the best checkpoint {best} is gone; the '
                'next validation counts as the best'
            )
            for key in ('best_ckpt', 'best_score'):
                self.message_hub.pop_info(key)


def newest_checkpoint(work_dir: str) -> str | None:
    """Path of the last whole checkpoint of a run, None without one."""
    numbered = [
        (int(p.stem.rpartition('_')[2]), str(p))
        for kind in ('epoch', 'iter')
        for p in Path(work_dir).glob(f'{kind}_*.pth')
        if p.stem.rpartition('_')[2].isdigit()
    ]
    return max(numbered, default=(0, None))[1]
