"""Vectors as capsules, and which of them agree: Sabour et al., "Dynamic Routing
Between Capsules", NIPS 2017, Sec. 2, https://arxiv.org/abs/1710.09829.

Legend: B images, I capsules of the layer below, K of the layer above, D
dimensions of one of the latter.
"""

from typing import NamedTuple

import torch
from torch import Tensor


def squash(vectors: Tensor) -> Tensor:
    """Shorten vectors to less than 1, and keep their direction (Eq. 1).

    A length of n becomes n^2 / (1 + n^2). There is no epsilon: at a vector of
    zeros both the value and the gradient are zero.

    Args:
        vectors: (..., D).

    Returns:
        Tensor: (..., D).
    """
    # a norm, for the gradient of a root of a sum of squares is not defined at 0
    norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors * (norm / (1 + norm**2))


class RoutingStep(NamedTuple):
    """An iteration of :func:`dynamic_routing`.

    Args:
        logits: (B, K, I), b_ij before the iteration.
        couplings: (B, K, I), c_ij: their softmax over the K capsules.
        outputs: (B, K, D), v_j, of lengths below 1.
    """

    logits: Tensor
    couplings: Tensor
    outputs: Tensor


def dynamic_routing(
    votes: Tensor,
    num_iterations: int = 3,
    bias: Tensor | None = None,
    return_steps: bool = False,
) -> Tensor | tuple[Tensor, list[RoutingStep]]:
    """Routing by agreement (Procedure 1).

    Each capsule below shares itself out among those above, in equal parts at
    first. A capsule above is the squashed sum of what it gets. Then the share
    grows where a vote points as the outcome does. The gradient goes through
    all iterations.

    Args:
        votes: (B, K, I, D), what each capsule below predicts each capsule
            above to be, u_j|i.
        num_iterations: At least 1, which is a mean without agreement.
        bias: (K, D), added before the squash, as in the authors' code; the
            paper has none.
        return_steps: Whether to return the iterations, too.

    Returns:
        Tensor | tuple: (B, K, D) capsules; with ``return_steps`` also a
        :class:`RoutingStep` per iteration, whose last ``outputs`` they are.

    Raises:
        ValueError: If ``num_iterations`` is less than 1.
    """
    if num_iterations < 1:
        raise ValueError(f'num_iterations {num_iterations} is less than 1')
    logits = votes.new_zeros(votes.shape[:3])
    steps = []
    for i in range(num_iterations):
        if i > 0:  # what follows the last iteration would not be used
            agreement = votes @ steps[-1].outputs.unsqueeze(-1)
            logits = logits + agreement.squeeze(-1)
        couplings = logits.softmax(1)
        sums = (couplings.unsqueeze(2) @ votes).squeeze(2)
        outputs = squash(sums if bias is None else sums + bias)
        steps.append(RoutingStep(logits, couplings, outputs))
    return (outputs, steps) if return_steps else outputs
