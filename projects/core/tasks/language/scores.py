"""What a prediction holds of the tokens that a model was to name.

Legend: B sequences, T tokens, V tokens of the vocabulary, M labelled tokens of all
sequences together, n labelled tokens of a sequence.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from projects.core.tasks.language.backbones import IGNORE


def token_scores(scores: Tensor, labels: Tensor) -> list[dict]:
    """What is known of the labelled tokens of each sequence.

    ==============  ============================================================
    ``nll``         the sum of their negative log-likelihoods, in nats
    ``num_tokens``  n
    ``num_right``   how many of them have the highest score
    ``places``      (n,) where they stand, from 0
    ``nlls``        (n,) the negative log-likelihood of each
    ``chances``     (n,) probability of the token with the highest score
    ``guesses``     (n,) that token
    ``labels``      (n,) the true ones
    ==============  ============================================================

    Args:
        scores: (B, T, V).
        labels: (B, T); ``IGNORE`` where there is none.
    """
    losses = F.cross_entropy(
        scores.float().transpose(1, 2), labels, ignore_index=IGNORE, reduction='none'
    )
    labelled = labels != IGNORE
    best, guesses = scores.max(-1)
    own = scores.gather(-1, labels.where(labelled, 0)[..., None]).squeeze(-1)
    rows = _rows(
        labelled,
        losses[labelled],
        (best.float() - own.float())[labelled],
        guesses[labelled],
        labels[labelled],
    )
    for row, nll in zip(rows, losses.double().sum(1).tolist(), strict=True):
        row['nll'] = nll
    return rows


def masked_token_scores(scores: Tensor, labels: Tensor) -> list[dict]:
    """:func:`token_scores` of a model that scores the labelled tokens alone.

    Args:
        scores: (M, V).
        labels: (B, T), of which M are not ``IGNORE``.
    """
    labelled = labels != IGNORE
    scores, true = scores.float(), labels[labelled]
    nll = F.cross_entropy(scores, true, reduction='none')
    best, guesses = scores.max(-1)
    own = scores.gather(-1, true[:, None]).squeeze(-1)
    rows = _rows(labelled, nll, best - own, guesses, true)
    for row in rows:
        row['nll'] = row['nlls'].double().sum().item()
    return rows


def _rows(
    labelled: Tensor, nlls: Tensor, leads: Tensor, guesses: Tensor, labels: Tensor
) -> list[dict]:
    """A dict for each sequence.

    Args:
        labelled: (B, T).
        nlls: (M,).
        leads: (M,) by how much the highest score is above that of the true token.
        guesses: (M,) tokens of the highest scores.
        labels: (M,).
    """
    counts: Sequence[int] = labelled.sum(1).tolist()
    parts = dict(
        places=labelled.nonzero()[:, 1],
        nlls=nlls,
        # log p of the best = its score - logsumexp, and nll = logsumexp - own score
        chances=torch.exp(leads - nlls),
        guesses=guesses,
        labels=labels,
    )
    split = {name: part.cpu().split(counts) for name, part in parts.items()}
    return [
        dict(
            num_tokens=count,
            num_right=int((split['guesses'][i] == split['labels'][i]).sum()),
            **{name: part[i] for name, part in split.items()},
        )
        for i, count in enumerate(counts)
    ]
