"""What BERT learns from text without labels: masked tokens and pairs of texts.

Devlin et al., "BERT", NAACL 2019, Sec. 3.1, Tasks #1 and #2. Names of weights are
those of transformers' ``BertForPreTraining``, whose ``bert`` is our ``backbone``.

Legend: B sequences, T tokens, D width, V tokens of the vocabulary, M masked tokens
of all sequences together.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.bert.bert import NORM_EPS
from projects.core.errors import UserError
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.benchmark import masked_labels
from projects.core.tasks.language.models import SequenceModel, token_loss, with_rest
from projects.core.tasks.language.scores import masked_token_scores
from projects.core.tasks.language.tokenizers import Tokenizer, enclosed
from projects.registry import MODELS


class Transform(nn.Module):
    """Linear layer, GELU, norm; in the authors' code, not in the paper."""

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.dense = nn.Linear(embed_dims, embed_dims)
        self.LayerNorm = nn.LayerNorm(embed_dims, NORM_EPS)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.LayerNorm(F.gelu(self.dense(hidden)))


class MaskedTokenHead(nn.Module):
    """Scores (..., V) of the token in each place, from its hidden state (..., D).

    Its matrix is that of the token embeddings: which vector a token goes in as is
    also which vector it is to be recognised by.

    Args:
        embed_dims: D.
        vocab_size: V.
    """

    def __init__(self, embed_dims: int, vocab_size: int) -> None:
        super().__init__()
        self.transform = Transform(embed_dims)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, hidden: Tensor, embeddings: Tensor) -> Tensor:
        return F.linear(self.transform(hidden), embeddings, self.bias)


@MODELS.register_module()
class BERTForPreTraining(SequenceModel):
    """Says what was masked, and whether two texts belong together.

    The scores of tokens are computed where there is a label only, about one in
    seven. A prediction is that of
    :func:`~projects.core.tasks.language.scores.token_scores` and, where the data have
    pairs, ``pred_score`` (2,) and ``gt_label`` (1,) of the pair: 0 if the second text
    belongs to the first, 1 if it does not.

    Args:
        backbone: Config of :class:`~projects.bert.BERT`.
        next_sentence: Whether there is a head for pairs of texts.
        **kwargs: Of :class:`~projects.core.tasks.language.models.SequenceModel`.
    """

    head_prefixes = ('cls',)

    def __init__(self, backbone: dict, next_sentence: bool = True, **kwargs) -> None:
        super().__init__(backbone, **kwargs)
        dims, vocab_size = self.backbone.embed_dims, self.backbone.vocab_size
        self.cls = nn.ModuleDict(dict(predictions=MaskedTokenHead(dims, vocab_size)))
        if next_sentence:
            self.cls['seq_relationship'] = nn.Linear(dims, 2)

    def init_weights(self) -> None:
        super().init_weights()
        # not those of a file
        if self.init_cfg is None:
            for module in self.cls.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=0.02)
                    nn.init.zeros_(module.bias)

    def forward(
        self, inputs: dict, data_samples: dict | None = None, mode: str = 'tensor'
    ) -> dict | list:
        """See :class:`~projects.core.tasks.language.models.SequenceModel`.

        Mode 'tensor' gives ``tokens`` (B, T, V) and, with that head, ``pairs``
        (B, 2): the scores of all places.
        """
        outs = super().forward(inputs, data_samples, mode)
        if mode == 'tensor':
            outs['tokens'] = self.token_scores(outs.pop('hidden'))
        return outs

    def network(self, inputs: dict) -> dict[str, Tensor]:
        """``hidden`` (B, T, D) states and, with that head, ``pairs`` (B, 2)."""
        hidden, _ = self.backbone(
            inputs['tokens'],
            inputs.get('lengths'),
            token_types=inputs.get('token_types'),
        )
        outs = dict(hidden=hidden)
        if 'seq_relationship' in self.cls:
            outs['pairs'] = self.cls['seq_relationship'](self.backbone.summary(hidden))
        return outs

    def token_scores(self, hidden: Tensor) -> Tensor:
        """(..., V) scores of (..., D) states."""
        embeddings = self.backbone.embeddings.word_embeddings.weight
        return self.cls['predictions'](hidden, embeddings)

    def losses(self, outs: dict, data_samples: dict) -> dict[str, Tensor]:
        """``loss_tokens`` and, where the data have pairs, ``loss_pairs``."""
        labels = data_samples['labels']
        is_masked = labels != IGNORE
        scores = self.token_scores(outs['hidden'][is_masked])  # (M, V)
        losses = dict(loss_tokens=token_loss(scores[None], labels[is_masked][None]))
        if 'pairs' in outs and 'pair_labels' in data_samples:
            losses['loss_pairs'] = F.cross_entropy(
                outs['pairs'], data_samples['pair_labels']
            )
        return losses

    def predictions(self, outs: dict, data_samples: dict) -> list[dict]:
        labels = data_samples['labels']
        scores = self.token_scores(outs['hidden'][labels != IGNORE])
        rows = masked_token_scores(scores, labels)
        if 'pairs' in outs and 'pair_labels' in data_samples:
            scores, pair_labels = outs['pairs'].softmax(-1), data_samples['pair_labels']
            for row, score, label in zip(rows, scores, pair_labels, strict=True):
                row.update(pred_score=score, gt_label=label.reshape(1))
        samples = {k: v for k, v in data_samples.items() if k != 'pair_labels'}
        return with_rest(rows, samples)

    def random_labels(self, tokens: list[Tensor], rng: torch.Generator) -> dict:
        return masked_labels(tokens, rng)

    @torch.no_grad()
    def answer(self, texts: list[str], tokenizer: Tokenizer, meta: dict) -> list[dict]:
        """Each text with the five best tokens for every ``[MASK]`` in it.

        ``[SEP]`` in a text parts it in two.

        Raises:
            UserError: If there is nothing to fill in.
        """
        sequences = [enclosed(tokenizer, tokenizer.encode(t)).tolist() for t in texts]
        for text, tokens in zip(texts, sequences, strict=True):
            if tokenizer.mask not in tokens:
                raise UserError(
                    f'{text!r} has nothing to fill in; write [MASK] for each token '
                    'that is to be found'
                )
        inputs = self.batch_of(sequences)
        tokens = inputs['tokens']
        ends = (tokens == tokenizer.eos).long()
        inputs['token_types'] = (ends.cumsum(1) - ends).clamp(max=1)
        hidden = self.network(inputs)['hidden']
        rows = []
        for text, tokens, states in zip(texts, sequences, hidden, strict=True):
            places = [i for i, token in enumerate(tokens) if token == tokenizer.mask]
            best = self.token_scores(states[places]).softmax(-1).topk(5)
            for place, index in zip(places, best.indices[:, 0].tolist(), strict=True):
                tokens[place] = index
            masks = [
                [
                    dict(token=tokenizer.token(i), score=value)
                    for value, i in zip(values, indices, strict=True)
                ]
                for values, indices in zip(
                    best.values.tolist(), best.indices.tolist(), strict=True
                )
            ]
            rows.append(dict(text=text, filled=tokenizer.decode(tokens), masks=masks))
        return rows

    def shown(self, row: dict) -> str:
        lines = [f'{row["text"]} -> {row["filled"]}']
        lines += [
            '  ' + ', '.join(f'{p["token"]} {100 * p["score"]:.1f} %' for p in best)
            for best in row['masks']
        ]
        return '\n'.join(lines)
