"""The loop over epochs, which can go on in the middle of one."""

from collections.abc import Iterator

from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochBasedTrainLoop
from torch.utils.data import BatchSampler

from projects.core.engine.seeding import SeededSampler
from projects.registry import LOOPS


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
