"""What the tool that shows data asks a task for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from projects.core.errors import UserError


@dataclass
class Browsed:
    """What :func:`projects.core.insight.browse_data.browse_data` is asked for.

    Args:
        config: Config file, for messages.
        split: 'train', 'val' or 'test'.
        dataset: The data of the split.
        settings: Config of the data set.
        preprocessor: The model's data preprocessor.
        indices: Numbers of the samples.
        draws: How often the augmentation of a sample is drawn.
        steps: Whether each step of the pipeline is shown.
        out_dir: Folder to write to.
        reseed: Function that seeds all random numbers from whole numbers.
    """

    config: str
    split: str
    dataset: Any
    settings: dict
    preprocessor: Any
    indices: list[int]
    draws: int
    steps: bool
    out_dir: str
    reseed: Callable[..., None]

    def others(self, index: int, num: int) -> list[int]:
        """Samples that may be in a batch with one: those after it."""
        num = min(num, len(self.dataset) - 1)
        return [(index + 1 + i) % len(self.dataset) for i in range(num)]


def refuse_steps(browsed: Browsed, what: str) -> None:
    """Refuse to show the steps of a pipeline.

    Raises:
        UserError: If they are asked for.
    """
    if browsed.steps:
        raise UserError(
            f'--steps: the data of {browsed.config} are {what}, which go through no '
            'pipeline; leave it out'
        )
