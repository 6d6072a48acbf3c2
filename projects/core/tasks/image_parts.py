"""What the parts of a step have in common where inputs are images."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from torch import nn

from projects.core.config import test_pipeline_of


def channels_of(model: nn.Module) -> int:
    """Channels of the images that a model takes, by its first convolution."""
    first = getattr(model, 'backbone', model)
    stem = next((p for p in first.parameters() if p.dim() == 4), None)
    return 3 if stem is None else stem.shape[1]


class ImageParts:
    """Images of a model's step, see :class:`projects.core.benchmark.parts.Parts`.

    Args:
        model: With a ``backbone``, which says how many channels images have.
    """

    inner_parts: dict[str, str] = {}

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @staticmethod
    def input_size_of(cfg: Config) -> tuple[int, int] | None:
        """Height and width in pixels."""
        size = None
        for step in test_pipeline_of(cfg):
            key = 'crop_size' if step.type.endswith('CenterCrop') else 'scale'
            size = step.get(key, size)
        if size is None:
            return None
        return (size, size) if isinstance(size, int) else (size[1], size[0])

    def random_batch(
        self,
        rng: torch.Generator,
        batch_size: int,
        input_size: tuple[int, int],
        objects: int,
    ) -> dict:
        images = torch.randint(
            0,
            256,
            (batch_size, channels_of(self.model), *input_size),
            dtype=torch.uint8,
            generator=rng,
        )
        return dict(
            inputs=list(images),
            data_samples=[
                self.sample(rng, i, objects, input_size) for i in range(batch_size)
            ],
        )

    @abstractmethod
    def sample(
        self,
        rng: torch.Generator,
        index: int,
        objects: int,
        input_size: tuple[int, int],
    ):
        """Ground truth of an image, as the task's data samples hold it."""

    @contextmanager
    def metered(self, meter) -> Iterator[dict[str, int]]:
        """Nothing within the predictions is a part of its own."""
        yield {}
