"""What the log of a model of sequences says beyond that of any model."""

import time

from mmengine.dist import get_world_size
from mmengine.hooks import Hook

from projects.registry import HOOKS


@HOOKS.register_module()
class TokenRateHook(Hook):
    """Tokens a second, in the log's lines beside the time of a step.

    Counted are tokens that a model reads and those that it learns to write, without
    padding, of all processes (as many as this one's, times their number), over the
    last steps; validation is left out. The task adds it to every training.

    Args:
        window: Steps.
    """

    def __init__(self, window: int = 50) -> None:
        self.window = window

    def before_train_epoch(self, runner) -> None:
        self._steps: list[tuple[int, float]] = []
        self._last = time.perf_counter()

    def after_val_epoch(self, runner, metrics=None) -> None:
        self._last = time.perf_counter()

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        now = time.perf_counter()
        if isinstance(data_batch, dict):
            num = num_tokens(data_batch.get('inputs'))
            self._steps = [*self._steps, (num, now - self._last)][-self.window :]
            total, seconds = map(sum, zip(*self._steps, strict=True))
            runner.message_hub.update_scalar(
                'train/tokens_per_s', round(total * get_world_size() / seconds)
            )
        self._last = now


def num_tokens(inputs) -> int:
    """Tokens of a batch as a data loader gives it."""
    if not isinstance(inputs, dict):
        return 0
    return sum(
        len(sequence)
        for name in ('tokens', 'target')
        for sequence in inputs.get(name) or ()
    )
