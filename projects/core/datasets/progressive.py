"""A step of a pipeline that changes as training goes on."""

from collections.abc import Iterator
from typing import Any

import torch
from mmcv.transforms import BaseTransform

from projects.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Progressive(BaseTransform):
    """A transform, one argument of which a hook sets while training goes on.

    The value lies in memory that the workers of a data loader share, so that they
    see it without being started anew. What they have loaded ahead keeps the value
    before; set it between two epochs, when nothing is.

    Args:
        transform: Config of the transform, with the value that ``key`` has where
            no hook sets it.
        key: The argument.
        follows: Name of the hook's value, as ``'image_size'`` of
            :class:`ProgressiveLearningHook
            <projects.core.tasks.classification.progressive.ProgressiveLearningHook>`.

    Raises:
        ValueError: If the config of the transform does not have the key.
    """

    def __init__(self, transform: dict, key: str, follows: str) -> None:
        if key not in transform:
            raise ValueError(f"the transform has no '{key}' to begin with")
        self.key, self.follows = key, follows
        self.arguments = {k: v for k, v in transform.items() if k != 'type'}
        self.inner = TRANSFORMS.build(dict(transform))
        self._value = torch.tensor(float('nan'), dtype=torch.float64).share_memory_()

    def set(self, value: float) -> None:
        """The argument from now on, in all processes; a whole one is an int."""
        self._value.fill_(value)

    def transform(self, results: dict) -> dict | None:
        value = self._value.item()
        # NaN: never set
        if value == value and value != self.arguments[self.key]:
            self.arguments[self.key] = int(value) if value.is_integer() else value
            # not by the registry: a worker that is spawned has no default scope
            self.inner = type(self.inner)(**self.arguments)
        return self.inner(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.follows}: {self.inner})'


def progressive_transforms(dataset: Any) -> Iterator[Progressive]:
    """Those of a data set's pipeline, and of the data sets inside it."""
    for inner in getattr(dataset, 'datasets', [getattr(dataset, 'dataset', None)]):
        if inner is not None:
            yield from progressive_transforms(inner)
    for step in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
        if isinstance(step, Progressive):
            yield step
