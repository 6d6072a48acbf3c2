"""The step of a generative model, for the benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from projects.core.tasks.generation.models import Translator
from projects.core.tasks.image_parts import ImageParts, channels_of


class GenerationParts:
    """See :class:`projects.core.benchmark.parts.Parts`.

    A step of training is the model's own, of all its networks, and is not taken
    apart; a prediction is a batch of samples, or of translations of domain A.

    Args:
        model: A :class:`projects.core.tasks.generation.models.GenerativeModel`.
    """

    inner_parts: dict[str, str] = {}

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.shape = (
            (channels_of(model), 256, 256)
            if isinstance(model, Translator)
            else model.sample_shape()
        )
        self.default_input_size = self.shape[1:] or self.shape
        self.makes_one_size = not isinstance(model, Translator)

    def input_size_of(self, cfg: Config) -> tuple[int, ...] | None:
        """A generator makes one size; a translator takes what the pipeline makes."""
        if not isinstance(self.model, Translator):
            return self.default_input_size
        return ImageParts.input_size_of(cfg)

    def random_batch(
        self,
        rng: torch.Generator,
        batch_size: int,
        input_size: tuple[int, ...],
        objects: int,
    ) -> dict:
        size = (batch_size, self.shape[0], *input_size)

        def images() -> list[Tensor]:
            return list(torch.randint(0, 256, size, dtype=torch.uint8, generator=rng))

        if len(self.shape) == 1:
            inputs = list(torch.randn((batch_size, *self.shape), generator=rng))
        elif isinstance(self.model, Translator):
            inputs = dict(a=images(), b=images())
        else:
            inputs = images()
        return dict(inputs=inputs, data_samples=self._samples(rng, batch_size))

    def _samples(self, rng: torch.Generator, num: int) -> list[DataSample]:
        samples = [DataSample(metainfo=dict(sample_idx=i)) for i in range(num)]
        for sample in samples if self.model.num_classes else ():
            size = (1,)
            label = torch.randint(0, self.model.num_classes, size, generator=rng)
            sample.set_gt_label(label)
        return samples

    def network(self, inputs) -> Tensor:
        model = self.model
        if isinstance(model, Translator):
            return model.network(inputs['a'])
        latents = torch.zeros(len(inputs), model.latent_dim, device=inputs.device)
        if model.num_classes is None:
            return model.network(latents)
        labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)
        return model.network(latents, labels)

    def predictions(self, outs: Tensor, samples: list) -> Tensor:
        return self.model.data_preprocessor.restored(outs)

    @contextmanager
    def metered(self, meter) -> Iterator[dict[str, int]]:
        """Nothing within the predictions is a part of its own."""
        yield {}
