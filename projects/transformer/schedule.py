"""The learning rate of a Transformer, after Vaswani et al., "Attention Is All You
Need", NIPS 2017, Sec. 5.3, https://arxiv.org/abs/1706.03762.
"""

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler

from projects.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupInverseSqrtLR(LRSchedulerMixin, _ParamScheduler):
    """Rises linearly, then falls with the square root of the steps (Eq. 3).

    The rate of step n, from 1 on, is that of the optimizer times
    embed_dims^-0.5 min(n^-0.5, n warmup^-1.5); its greatest, at n = warmup, is
    (embed_dims warmup)^-0.5. The paper's optimizer has a rate of 1.

    Args:
        optimizer: Whose rate is set.
        embed_dims: Width of the model's hidden states.
        warmup: Steps of the rise.
        begin: Iteration at which to begin.
        end: Iteration from which on the rate stays as it is.
        last_step: See mmengine's schedulers.
        by_epoch: False: steps are iterations.
        verbose: Whether to log each rate.

    Raises:
        ValueError: If there is no step of rise, or ``by_epoch`` is set.
    """

    def __init__(
        self,
        optimizer,
        embed_dims: int,
        warmup: int,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,  # as in mmengine, whose runner reads it in the config
        verbose: bool = False,
    ) -> None:
        if by_epoch:
            raise ValueError('by_epoch: steps are iterations; set it to False')
        if warmup < 1:
            raise ValueError(f'warmup {warmup}: 1 step at least')
        self.embed_dims = embed_dims
        self.warmup = warmup
        super().__init__(optimizer, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> list[float]:
        step = self.last_step + 1
        factor = min(step**-0.5, step * self.warmup**-1.5) * self.embed_dims**-0.5
        return [rate * factor for rate in self.base_values]
