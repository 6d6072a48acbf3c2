"""A model and one input of it, taken apart for pictures of what goes on inside.

Legend: H and W in pixels of the network's input.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, nn

from projects.core.errors import UserError


class NotServed(UserError):
    """Says why a view of a model cannot be drawn."""


@dataclass
class Drawn:
    """A picture, and in words what it shows."""

    figure: Figure
    text: str


@dataclass
class Target:
    """A number of a model's output that a heat map explains.

    Args:
        title: What it is, for the reader.
        index: Its place in what ``Subject.scores`` returns.
        box: xyxy in pixels of the network's input; None of a whole image.
    """

    title: str
    index: int
    box: tuple[float, float, float, float] | None = None


@dataclass
class Subject:
    """A model in eval mode and an image, as the network is given it.

    Args:
        model: The model.
        image: Path of the image.
        inputs: (1, C, H, W).
        data_samples: What else the model is given.
        picture: (h, w, 3) uint8 RGB, the image as it was resized and cropped, without
            the padding on the right and below.
        is_rgb: Whether the three channels of ``inputs`` are red, green and blue, and
            not the other way round.
        prediction: What the model makes of the image, in words.
        scores: From inputs, (1, C, H, W), to the numbers to explain, (1, n), with
            their gradient.
        targets: Those that are explained, the first the most important.
        classes: Names of the classes.
    """

    model: nn.Module
    image: str
    inputs: Tensor
    data_samples: list
    picture: np.ndarray
    is_rgb: bool
    prediction: str
    scores: Callable[[Tensor], Tensor]
    targets: list[Target]
    classes: list[str] = field(default_factory=list)

    @property
    def backbone(self) -> nn.Module:
        """The part of the model that makes maps of images."""
        return getattr(self.model, 'backbone', self.model)

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return self.picture.shape[:2]


@contextmanager
def hooked(hooks: dict[nn.Module, Callable[[Any], Any]]) -> Iterator[None]:
    """Show the output of modules to functions while the model is run.

    What a function returns, other than None, replaces the output.
    """
    handles = [
        module.register_forward_hook(lambda _, __, out, see=see: see(out))
        for module, see in hooks.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
