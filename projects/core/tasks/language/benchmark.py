"""The parts of a step of a model of sequences, for the benchmark.

Legend: T tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from torch import nn

from projects.core.tasks.language.backbones import EncoderDecoderBackbone


class SequenceParts:
    """See :class:`projects.core.benchmark.parts.Parts`.

    A translation's prediction is that of the true target's tokens: how long a
    model's own would be is a matter of its weights.

    Args:
        model: A :class:`projects.core.tasks.language.models.SequenceModel`.
    """

    default_input_size = (128,)
    inner_parts: dict[str, str] = {}

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def input_size_of(self, cfg: Config) -> tuple[int] | None:
        dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
        length = dataset.get('length') or dataset.get('max_length')
        return (length,) if length else None

    def random_batch(
        self,
        rng: torch.Generator,
        batch_size: int,
        input_size: tuple[int],
        objects: int,
    ) -> dict:
        model, (length,) = self.model, input_size

        def tokens(vocab_size: int) -> list:
            size = batch_size, length
            return list(torch.randint(0, vocab_size, size, generator=rng))

        vocab_size = model.backbone.vocab_size
        if hasattr(model, 'random_batch'):
            return model.random_batch(tokens(vocab_size), rng)
        if isinstance(model.backbone, EncoderDecoderBackbone):
            inputs = dict(
                tokens=tokens(model.backbone.source_vocab_size),
                target=tokens(vocab_size),
            )
        else:
            inputs = dict(tokens=tokens(vocab_size))
        if hasattr(model, 'head'):
            num_classes = model.head.out_features
            labels = list(torch.randint(0, num_classes, (batch_size,), generator=rng))
        else:
            labels = tokens(vocab_size)
        return dict(inputs=inputs, data_samples=dict(labels=labels))

    def network(self, inputs: dict) -> torch.Tensor:
        return self.model.network(inputs)

    def losses(self, outs: torch.Tensor, samples: dict) -> dict:
        return self.model.losses(outs, samples)

    def predictions(self, outs: torch.Tensor, samples: dict) -> list:
        return self.model.predictions(outs, samples)

    @contextmanager
    def metered(self, meter) -> Iterator[dict[str, int]]:
        """Nothing within the predictions is a part of its own."""
        yield {}
