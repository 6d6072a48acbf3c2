"""Quality and coverage apart, by nearest neighbours.

Legend: N real samples x_i, M generated ones y_j, D size of a feature.
"""

import torch
from torch import Tensor

#: numbers in a block of distances
BLOCK = 1 << 24
# distances that are equal but for rounding are equal
TOLERANCE = 1e-9


def neighbour_scores(real: Tensor, fake: Tensor, k: int = 5) -> dict[str, float]:
    """How far the regions of real and generated samples overlap.

    A sample's ball is that up to its ``k``-th nearest neighbour among its own kind.

    ==============  =========================================================
    ``precision``   share of the y that lie in the ball of some x
    ``recall``      share of the x that lie in the ball of some y
                    (both: Kynkaanniemi et al. 2019, arXiv 1904.06991, Eq. 2)
    ``density``     number of balls of x in which a y lies, by k: a lone outlier
                    among the x counts little; can be above 1
    ``coverage``    share of the x in whose ball lies some y
                    (both: Naeem et al. 2020, arXiv 2002.09797, Sec. 3)
    ==============  =========================================================

    A point at the very border is within. Distances are computed in blocks, in
    float64, where the features are.

    Args:
        real: (N, D), more than k rows.
        fake: (M, D), more than k rows.
        k: Neighbours.
    """
    real, fake = real.double(), fake.double()
    centre = real.mean(0)
    real, fake = real - centre, fake - centre
    # what is left of a distance of 0
    zero = 1e-12 * torch.cat([real, fake]).square().sum(1).max()
    of_real, of_fake = (_radii(x, k, zero) for x in (real, fake))
    num_balls = []
    covered, recalled = torch.zeros(2, len(real), dtype=torch.bool, device=real.device)
    step = max(BLOCK // len(real), 1)
    for first in range(0, len(fake), step):
        block = slice(first, first + step)
        distances = _squared_distances(fake[block], real)
        within = distances <= of_real
        num_balls.append(within.sum(1))
        covered |= within.any(0)
        recalled |= (distances <= of_fake[block, None]).any(0)
    num_balls = torch.cat(num_balls).double()

    def share(part: Tensor) -> float:
        return part.double().mean().item()

    return dict(
        precision=share(num_balls > 0),
        recall=share(recalled),
        density=num_balls.mean().item() / k,
        coverage=share(covered),
    )


def _radii(x: Tensor, k: int, zero: Tensor) -> Tensor:
    """(N,) squared distance to the k-th nearest other sample, with room for
    rounding."""
    radii = []
    step = max(BLOCK // len(x), 1)
    for first in range(0, len(x), step):
        distances = _squared_distances(x[first : first + step], x)
        rows = torch.arange(len(distances), device=x.device)
        distances[rows, first + rows] = torch.inf  # itself
        radii.append(distances.topk(k, largest=False).values[:, -1])
    return torch.cat(radii) * (1 + TOLERANCE) + zero


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """(len(x), len(y))."""
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(squares, x, y.T, alpha=-2).clamp_min_(0)
