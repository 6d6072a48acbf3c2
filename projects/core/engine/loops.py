"""The loop over epochs, which can go on in the middle of one, and that of a
validation, which knows its losses."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from unittest.mock import patch

from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochBasedTrainLoop
from mmengine.runner import LogProcessor as MMEngineLogProcessor
from mmengine.runner import ValLoop as MMEngineValLoop
from mmengine.runner import autocast
from torch.utils.data import BatchSampler

from projects.core.engine.seeding import SeededSampler
from projects.core.tasks.task import task_of
from projects.registry import LOG_PROCESSORS, LOOPS


@LOOPS.register_module()
class EpochBasedTrainLoop(MMEngineEpochBasedTrainLoop):
    """mmengine's, which may begin at any batch of its first epoch.

    Arguments are those of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Attributes:
        first_batch: Batches of the next epoch that were trained on already.
    """

    first_batch = 0

    def run_epoch(self) -> None:
        first, self.first_batch = self.first_batch, 0
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, data_batch in enumerate(self._batches(first), first):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _batches(self, first: int) -> Iterator:
        """Those of an epoch from a place on."""
        loader = self.dataloader
        batches = loader.batch_sampler
        sampler = getattr(batches, 'sampler', None)
        if type(batches) is BatchSampler and isinstance(sampler, SeededSampler):
            sampler.begin_at(first * loader.batch_size)
            yield from loader
            return
        if hasattr(batches, 'begin_at'):  # it counts batches itself
            batches.begin_at(first)
            yield from loader
            return
        for idx, data_batch in enumerate(loader):  # batches of sizes of their own
            if idx >= first:
                yield data_batch


@LOOPS.register_module()
class ValLoop(MMEngineValLoop):
    """mmengine's, which also computes the loss that the training lowers.

    From the forward pass of the predictions, by the task's ``validation_losses``: as
    ``val_loss``, the last of the metrics, it is the mean of the images, whatever the
    size of their batches, and the sum of the terms. A compiled model has none. In
    several processes an image that the sampler repeats counts as often.

    Arguments are those of :class:`mmengine.runner.ValLoop`.

    Attributes:
        loss_terms: Of the last validation, by name, 'val_loss_cls' and the like;
            empty where the loss is of one term, or there is none.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.loss_terms: dict[str, float] = {}
        self._has_losses = not self.runner.cfg.get('compile')

    def run(self) -> dict:
        self.loss_terms = {}
        with ExitStack() as self._watch:
            model, cfg = self.runner.model, self.runner.cfg
            model = model.module if is_model_wrapper(model) else model
            self._losses = None
            if self._has_losses:
                task = task_of(cfg)
                self._losses = task.validation_losses(model, self.dataloader.dataset)
            if self._losses is not None:
                self._watch.enter_context(self._losses)
                # between the prediction, which is measured, and the end of the step
                process = partial(self._process, self.evaluator.process)
                self._watch.enter_context(
                    patch.object(self.evaluator, 'process', process)
                )
            return super().run()

    def _process(self, process: Callable, *args, **kwargs) -> None:
        with autocast(enabled=self.fp16):
            self._losses.add()
        process(*args, **kwargs)

    def run_iter(self, idx, data_batch) -> None:
        super().run_iter(idx, data_batch)
        if self._losses is None or idx + 1 < len(self.dataloader):
            return
        self._watch.close()
        terms, self._has_losses = self._losses.means(), not self._losses.failed
        if terms and not self.val_loss:  # the model may have given its own
            self.val_loss['val_loss'] = HistoryBuffer([sum(terms.values())], [1])
            if len(terms) > 1:
                self.loss_terms = {f'val_{name}': v for name, v in terms.items()}


@LOG_PROCESSORS.register_module()
class LogProcessor(MMEngineLogProcessor):
    """mmengine's, which knows the loss of a validation.

    That is the one of this validation, where mmengine's takes the mean of the last
    50, as of the steps of a training. The file of scalars also gets its terms, which
    would make the line of the log too long.

    Arguments are those of :class:`mmengine.runner.LogProcessor`.
    """

    def get_log_after_epoch(self, runner, batch_idx: int, mode: str, *args, **kwargs):
        tag, line = super().get_log_after_epoch(
            runner, batch_idx, mode, *args, **kwargs
        )
        if mode == 'val':
            prefix = 'val/' if self.log_with_hierarchy else ''
            terms = getattr(runner.val_loop, 'loss_terms', {})
            tag.update({f'{prefix}{name}': value for name, value in terms.items()})
        return tag, line

    def _collect_scalars(self, custom_cfg, runner, mode: str, *args, **kwargs) -> dict:
        tag = super()._collect_scalars(custom_cfg, runner, mode, *args, **kwargs)
        if mode == 'val':
            scalars = runner.message_hub.log_scalars
            for key in tag:
                if 'loss' in key:
                    tag[key] = scalars[f'val/{key.removeprefix("val/")}'].current()
        return tag
