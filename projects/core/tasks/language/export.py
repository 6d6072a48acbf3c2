"""Export of language models and of classifiers of sequences.

Legend: B sequences, T tokens, V tokens of the vocabulary, K classes.
"""

import copy

import torch
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.tasks.exported import Exported, ExportOptions
from projects.core.tasks.language.benchmark import SequenceParts
from projects.core.tasks.language.models import (
    CausalLanguageModel,
    SequenceClassifier,
)

MOST = 64  # tokens that outputs are compared on


class SequenceGraph(nn.Module):
    """Tokens (B, T) to scores of the next tokens (B, T, V), or of classes (B, K)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> tuple[Tensor]:
        return (self.model.network(dict(tokens=tokens)),)


class SequenceExport(Exported):
    """See :class:`projects.core.tasks.exported.Exported`.

    Args:
        model: In eval mode.
        cfg: Its config.
        meta: What the checkpoint says of itself.
        options: What is asked for.

    Raises:
        UserError: If the model is of another kind.
    """

    def __init__(self, model, cfg, meta: dict, options: ExportOptions) -> None:
        if not isinstance(model, (CausalLanguageModel, SequenceClassifier)):
            raise UserError(
                f'{options.checkpoint} holds the model {type(model).__name__}, which '
                'cannot be exported: of models of sequences, language models and '
                'classifiers can'
            )
        self.graph = SequenceGraph(copy.deepcopy(model)).eval()
        self._model = SequenceGraph(model)
        self.vocab_size = model.backbone.vocab_size
        (length,) = SequenceParts(model).input_size_of(cfg) or (MOST,)
        self.input_size = (min(length, model.backbone.max_length or length),)
        self.inputs = {'tokens': ('batch', 'length')}
        shape = '(B, T, V)' if isinstance(model, CausalLanguageModel) else '(B, K)'
        self.outputs = {'logits': f'{shape} before the softmax'}
        self.convention = (
            f'tokens: int64 (B, {self.input_size[0]}), of the tokenizer that the '
            'checkpoint carries, without padding'
        )
        self.facts = dict(
            model=type(model).__name__,
            vocab_size=self.vocab_size,
            max_length=model.backbone.max_length,
            classes=list(meta['dataset_meta'].get('classes', ())),
        )

    def random_inputs(
        self, rng: torch.Generator, batch_size: int, input_size: tuple[int, ...]
    ) -> tuple[Tensor]:
        return (
            torch.randint(self.vocab_size, (batch_size, *input_size), generator=rng),
        )

    def expected(self, tokens: Tensor) -> tuple[Tensor]:
        return self._model(tokens)
