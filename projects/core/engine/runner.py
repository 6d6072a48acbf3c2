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
from mmengine.runner import BaseLoop, EpochBasedTrainLoop
from mmengine.runner import Runner as MMEngineRunner

from projects.core.config.saved import JSON_KEY, config_to_json
from projects.core.config.walk import type_name
from projects.core.engine.disk import spared_by_full_disk
from projects.core.engine.distributed import distributed_model, has_own_step
from projects.core.engine.optimizers import wrappers_of
from projects.core.engine.provenance import Origin
from projects.core.engine.rates import Rates
from projects.core.engine.trackers import begin_trackers
from projects.core.errors import UserError, described
from projects.core.files import write_text
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
    log file everything; a run stops at SIGTERM with all that a resume needs.

    Attributes:
        resumed_at: Iterations that were done when this run was resumed; None for one
            that was not.
        origin: What the run was started with, for its record; None where nobody says.
    """

    resumed_at: int | None = None
    origin: Origin | None = None

    def setup_env(self, env_cfg: dict) -> None:
        if (
            self.distributed
            and not torch.cuda.is_available()
            and (not torch.distributed.is_initialized())
        ):
            torch.distributed.init_process_group('gloo')
        super().setup_env(env_cfg)

    def register_default_hooks(self, hooks=None) -> None:
        hooks = {'checkpoint': dict(type='CheckpointHook', interval=1), **(hooks or {})}
        checkpoint = hooks['checkpoint']
        if isinstance(checkpoint, dict) and type_name(checkpoint) == 'CheckpointHook':
            # mmengine's removes one checkpoint before it has written the next
            hooks['checkpoint'] = {**checkpoint, 'type': 'projects.CheckpointHook'}
        super().register_default_hooks(hooks)
        self.register_hook(dict(type='projects.StopHook'))
        self.register_hook(dict(type='projects.ResumeHook'))
        self.register_hook(dict(type='projects.RateHook'))
        self.register_hook(dict(type='projects.GradientNormHook'))
        self.register_hook(dict(type='projects.PeakMemoryHook'))
        self.register_hook(dict(type='projects.RecordHook'))
        self.register_hook(dict(type='projects.EvaluationHook'))
        self.register_hook(dict(type='projects.StepTimesHook'))

    def train(self):
        """Train; where that ends before its end, hooks have ``after_stop`` called."""
        try:
            return super().train()
        except BaseException:
            self.call_hook('after_stop')
            raise

    def dump_config(self) -> None:
        """Nothing yet: a run that is refused must not replace a config."""

    def load_or_resume(self) -> None:
        super().load_or_resume()
        if self._train_loop is not None and is_main_process():
            name = Path(self.cfg.filename or 'config').stem + '.py'
            try:
                write_text(
                    osp.join(self.work_dir, name), self.cfg.pretty_text, '--work-dir'
                )
            except UserError as error:  # as where the user's own config is
                self.logger.warning(error)

    def build_logger(self, *args, **kwargs) -> logging.Logger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(
                    lambda record: not str(record.msg).startswith(FILE_ONLY)
                )
            else:  # a traceback for each line, where the disk is full
                handler.handleError = lambda record: None
        return logger

    def build_visualizer(self, visualizer=None):
        visualizer = super().build_visualizer(visualizer)
        begin_trackers(
            visualizer,
            lambda: self.iter if isinstance(self._train_loop, BaseLoop) else 0,
        )
        visualizer.add_scalars = spared_by_full_disk(
            visualizer.add_scalars, 'scalars.json'
        )
        return visualizer

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
        name = type_name(loop) if isinstance(loop, dict) else None
        if name == 'EpochBasedTrainLoop' or (name == '' and loop.get('by_epoch')):
            loop = {k: v for k, v in loop.items() if k != 'by_epoch'}
            loop['type'] = 'projects.EpochBasedTrainLoop'
        return super().build_train_loop(loop)

    def build_val_loop(self, loop):
        if (
            isinstance(loop, dict)
            and type_name({'type': 'ValLoop', **loop}) == 'ValLoop'
        ):
            loop = {**loop, 'type': 'projects.ValLoop'}
        return super().build_val_loop(loop)

    def build_log_processor(self, log_processor):
        if isinstance(log_processor, dict) and (
            type_name({'type': 'LogProcessor', **log_processor}) == 'LogProcessor'
        ):
            log_processor = {**log_processor, 'type': 'projects.LogProcessor'}
        return super().build_log_processor(log_processor)

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
        size = self._total_batch()
        if size is None:
            self.logger.warning('lr is not scaled: the batches have no one size')
            return
        for name, wrapper in wrappers_of(optim_wrapper).items():
            total = size * wrapper._accumulative_counts
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
        meta[JSON_KEY] = config_to_json(self.cfg)
        meta['total_batch'] = self._total_batch()
        try:
            super().save_checkpoint(out_dir, partial, *args, meta=meta, **kwargs)
            if is_main_process():
                os.replace(osp.join(out_dir, partial), osp.join(out_dir, filename))
        except BaseException:
            # on a full disk its half would take what is left
            Path(out_dir, partial).unlink(missing_ok=True)
            raise

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
        model = self.model.module if is_model_wrapper(self.model) else self.model
        # EMAHook copies weights by their names, or a resume's before they are loaded
        is_own = self._resume or checkpoint['state_dict'].keys() == (
            model.state_dict().keys()
        )
        if is_own:
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        for pattern, replacement in revise_keys:
            checkpoint['state_dict'] = {
                re.sub(pattern, replacement, k): v
                for k, v in checkpoint['state_dict'].items()
            }
        meta = checkpoint.get('meta')
        if isinstance(meta, dict):
            meta.pop('config', None)  # which mmengine would run in a resume
        fine_tuning = self._train_loop is not None and not self._resume
        report = load_weights(
            model, checkpoint['state_dict'], filename, fine_tuning, strict
        )
        if not is_own:
            loaded = dict(state_dict=model.state_dict())
            self.call_hook('after_load_checkpoint', checkpoint=loaded)
        self._has_loaded = True
        self._loaded_meta = meta
        self.logger.info(report)
        self._compare_classes(filename)
        return checkpoint

    def _compare_classes(self, filename: str) -> None:
        """Say where a test's data number classes otherwise than the training's did."""
        meta = self._loaded_meta if isinstance(self._loaded_meta, dict) else {}
        loop = self._test_loop
        if self._train_loop is not None or not isinstance(loop, BaseLoop):
            return
        dataset = loop.dataloader.dataset
        known, here = (
            list((of or {}).get('classes') or ())
            for of in (meta.get('dataset_meta'), getattr(dataset, 'metainfo', None))
        )
        pairs = enumerate(zip(known, here, strict=False))
        differing = next(((i, *pair) for i, pair in pairs if pair[0] != pair[1]), None)
        if differing is not None:
            label, there, name = differing
            self.logger.warning(
                f'{filename} was trained on other classes, or in another order: label '
                f'{label} is {there!r} there and {name!r} in the data of this test'
            )

    def resume(self, filename, *args, **kwargs) -> None:
        """Go on from a checkpoint, in the middle of an epoch, too.

        Where the total batch is another than in the run so far, learning rates and
        schedules are those of a run that had the new one from its beginning.

        Raises:
            UserError: If the file is not that of a run like this one.
        """
        before = Rates.of(self)
        try:
            super().resume(filename, *args, **kwargs)
            meta = self._loaded_meta
            loop = self.train_loop
            loop.first_batch = int(meta.get('batches', 0))
            old, new = meta.get('total_batch'), self._total_batch()
            if None not in (old, new) and old != new:
                self._change_batch(old, new, before)
            self.resumed_at = self.iter
        except UserError:
            raise
        except Exception as error:  # a file may hold anything
            raise UserError(
                f'{filename} cannot be resumed from: {described(error)}; '
                'take another checkpoint of the run, or start from its weights by '
                f'--cfg-options load_from={filename}'
            ) from error

    def _total_batch(self) -> int | None:
        """Samples of a step of all processes, None where that changes."""
        loader = self.train_dataloader
        # a batch sampler of its own has the size
        size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)
        return size and size * self.world_size

    def _change_batch(self, old: int, new: int, before: Rates) -> None:
        """Take the place in the run and the rates over to another total batch."""
        loop = self.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            length = len(loop.dataloader)
            loop.first_batch = min(loop.first_batch * old // new, length - 1)
            loop._iter = loop.epoch * length + loop.first_batch
        before.replay(self)
        lr = ', '.join(
            f'{rates[0]:g}' for rates in self.optim_wrapper.get_lr().values()
        )
        self.logger.info(
            f'the total batch was {old} and is {new}: the schedule goes on as if it '
            f'had been {new} from the beginning, at a learning rate of {lr}'
        )
