"""Two networks that train each other, each with its own optimizer."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from projects.core.tasks.generation.models import GenerativeModel


class AdversarialModel(GenerativeModel):
    """A model that is trained by steps of its own.

    A step of training is a step of the generator. Its optimizers are those of an
    :class:`mmengine.optim.OptimWrapperDict`, by the names of the parts, which
    :class:`projects.core.engine.optimizers.PartsOptimWrapperConstructor` makes.
    """

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict:
        batch = self.data_preprocessor(data, True)
        return self.step(batch['inputs'], batch.get('data_samples'), optim_wrapper)

    @abstractmethod
    def step(self, inputs, data_samples, optim_wrapper: OptimWrapperDict) -> dict:
        """Losses by name, after all optimizers took their steps."""


def plain(part: nn.Module) -> nn.Module:
    """A part out of what wraps it for several processes."""
    return getattr(part, 'module', part)


@contextmanager
def frozen(*parts: nn.Module) -> Iterator[list[nn.Module]]:
    """Context in which parts are used and do not change.

    No gradient reaches their parameters, and batch norms, which still take the
    statistics of a batch in training, do not keep them. Yields the parts, out of
    what wraps them for several processes, whose gradients nobody waits for.
    """
    parts = [plain(part) for part in parts]
    modules = [m for part in parts for m in part.modules()]
    norms = [m for m in modules if isinstance(m, _BatchNorm) and m.track_running_stats]
    parameters = [p for part in parts for p in part.parameters() if p.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        for norm in norms:
            if norm.training:
                norm.track_running_stats = False
        yield parts
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
        for norm in norms:
            norm.track_running_stats = True


def means(**scores: Tensor) -> dict[str, Tensor]:
    """Scores for the log."""
    return {name: value.detach().float().mean() for name, value in scores.items()}
