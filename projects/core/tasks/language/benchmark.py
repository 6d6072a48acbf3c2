"""The parts of a step of a model of sequences, for the benchmark.

Legend: T tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from torch import Tensor, nn

from projects.core.tasks.language.backbones import IGNORE, EncoderDecoderBackbone

# as the paper of BERT has it, Sec. 3.1
MASKED = 0.15


def masked_labels(tokens: list[Tensor], rng: torch.Generator) -> dict:
    """Random labels of masked tokens and of pairs of texts.

    Args:
        tokens: (T,) of each sequence.
        rng: Where random numbers are drawn from.
    """
    labels = [
        t.where(torch.rand(t.shape, generator=rng) < MASKED, IGNORE) for t in tokens
    ]
    pairs = torch.randint(0, 2, (len(tokens),), generator=rng)
    return dict(labels=labels, pair_labels=list(pairs))


class SequenceParts:
    """See :class:`projects.core.benchmark.parts.Parts`.

    A translation's prediction is that of the true target's tokens: how long a
    model's own would be is a matter of its weights.

    Args:
        model: A :class:`projects.core.tasks.language.models.SequenceModel`.
    """

    inner_parts: dict[str, str] = {}

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @property
    def default_input_size(self) -> tuple[int]:
        return self._within((128,))

    def _within(self, size: tuple[int]) -> tuple[int]:
        """A length, or where the model has fewer positions, as many as those."""
        most = getattr(self.model.backbone, 'max_length', None)
        return size if most is None else (min(*size, most),)

    def input_size_of(self, cfg: Config) -> tuple[int] | None:
        dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
        length = dataset.get('length') or dataset.get('max_length')
        return self._within((length,)) if length else None

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

        inputs = dict(tokens=tokens(model.backbone.vocab_size))
        if isinstance(model.backbone, EncoderDecoderBackbone):
            inputs = dict(
                tokens=tokens(model.backbone.source_vocab_size),
                target=inputs['tokens'],
            )
        labels = model.random_labels(tokens(model.backbone.vocab_size), rng)
        return dict(inputs=inputs, data_samples=labels)

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
