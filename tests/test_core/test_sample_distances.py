"""Distances of two sets of samples, worked out by hand or known in closed form."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from projects.core.tasks.generation import distances, neighbours
from projects.core.tasks.generation.distances import (
    frechet_distance,
    frechet_of_halves,
    inception_score,
    kernel_distance,
)
from projects.core.tasks.generation.neighbours import neighbour_scores


def gaussian(num, mean=0.0, std=1.0, dim=4, seed=0):
    """Samples whose mean and covariance are exactly ``mean`` and ``std**2 * I``."""
    x = torch.randn(
        num, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    x -= x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov()).T)
    return mean + std * x


def line(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


# ------------------------------------------------------------------- Frechet
@pytest.mark.parametrize(
    ('mean', 'std', 'distance'),
    [
        (0.0, 1.0, 0.0),
        (0.5, 1.0, 4 * 0.25),  # |m1 - m2|^2
        (0.0, 3.0, 4 * 4.0),  # Tr(C1 + C2 - 2 (C1 C2)^1/2) = D (s1 - s2)^2
        (-2.0, 0.5, 4 * 4 + 4 * 0.25),
    ],
)
def test_frechet_distance_of_two_gaussians(mean, std, distance):
    found = frechet_distance(gaussian(50), gaussian(80, mean, std, seed=1))
    assert found == pytest.approx(distance, abs=1e-9)


def test_frechet_distance_of_gaussians_that_share_no_axes():
    # C1 = diag(4, 1), C2 = the same turned by 90 degrees: (C1 C2)^(1/2) is
    # diag(2, 2), so that the distance is 5 + 5 - 2 * 4
    x = gaussian(60, dim=2) * torch.tensor([2.0, 1.0])
    assert frechet_distance(x, x.flip(1)) == pytest.approx(2, abs=1e-9)


def test_frechet_distance_is_exact_far_from_the_origin():
    # in float32 the squares of 1e4 leave nothing of a variance of 1
    x, y = gaussian(50, 1e4), gaussian(50, 1e4 + 0.5, seed=1)
    assert frechet_distance(x, y) == pytest.approx(1, rel=1e-5)


def test_frechet_distance_of_constant_samples():
    x = torch.ones(10, 3)
    assert frechet_distance(x, x) == 0
    assert frechet_distance(x, x + 2) == pytest.approx(12)


def test_frechet_distance_is_that_of_torchmetrics():
    from torchmetrics.image.fid import FrechetInceptionDistance

    g = torch.Generator().manual_seed(0)
    real, fake = torch.rand(40, 6, generator=g), torch.rand(30, 6, generator=g)
    metric = FrechetInceptionDistance(distances._Given(6))
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    assert frechet_distance(real, fake) == pytest.approx(metric.compute().item())


def test_frechet_distance_of_less_samples_than_dimensions():
    # covariances without full rank, as of features that are 0 in most samples;
    # the root by scipy's blocked Schur method
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 30, generator=g).relu().double() for n in (12, 20))
    c1, c2 = (v.T.cov().numpy() for v in (x, y))
    root = scipy.linalg.sqrtm(c1 @ c2).real
    mean = (x.mean(0) - y.mean(0)).square().sum().item()
    expected = mean + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, abs=1e-6)


def test_halves_compare_as_many_with_as_many():
    # D / N (1 + 1) is the bias of the means alone: halves are twice as far from each
    # other as wholes, and a perfect generator is as far from a half as the other half
    x, y = torch.randn(2, 2000, 8, generator=torch.Generator().manual_seed(0))
    floor, distance = frechet_of_halves(x, y)
    assert distance / floor == pytest.approx(1, abs=0.35)
    assert frechet_distance(x, y) < 0.7 * floor
    few, of_few = frechet_of_halves(x, y[:100])  # then the floor is of as few
    assert few > 5 * floor
    assert of_few / few == pytest.approx(1, abs=0.35)


def test_halves_are_the_same_each_time():
    x, y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    first, state = frechet_of_halves(x, y), torch.get_rng_state()
    assert frechet_of_halves(x, y) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert frechet_of_halves(x, y, seed=9) != first


# ------------------------------------------------------- kernel and inception
def test_kernel_distance_worked_out():
    # D = 1, k(x, y) = (xy + 1)^3; real 0, 1: k = 1; fake 1, 2: k = 27, and between
    # them 1, 1, 8, 27: 2 * 1 / 2 + 2 * 27 / 2 - 2 * 37 / 4 = 9.5
    assert kernel_distance(line(0, 1), line(1, 2)) == pytest.approx(9.5)


def test_kernel_distance_has_no_bias():
    x, y = torch.randn(2, 400, 3, generator=torch.Generator().manual_seed(0))
    values = [kernel_distance(x[i::10], y[i::10]) for i in range(10)]
    assert abs(np.mean(values)) < 2 * np.std(values) / math.sqrt(10)
    assert min(values) < 0 < max(values)


def test_kernel_distance_of_many_is_a_mean_over_subsets(monkeypatch):
    x, y = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(0))
    whole = kernel_distance(x, y)
    monkeypatch.setattr(distances, 'MAX_KERNEL', 50)
    monkeypatch.setattr(distances, 'SUBSET_SIZE', 40)
    state = torch.get_rng_state()
    parts = kernel_distance(x, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert parts == kernel_distance(x, y) != kernel_distance(x, y, seed=1)
    assert parts == pytest.approx(whole, abs=0.3)


@pytest.mark.parametrize('num_classes', [2, 10])
def test_inception_score(num_classes):
    sure = 1e3 * torch.eye(num_classes).repeat(3, 1)
    assert inception_score(sure) == pytest.approx(num_classes)
    assert inception_score(sure[:1].expand(5, -1)) == pytest.approx(1)
    assert inception_score(torch.zeros(5, num_classes)) == pytest.approx(1)


def test_inception_score_worked_out():
    # p = (0.9, 0.1) and (0.1, 0.9), on average (0.5, 0.5): the KL divergence of each
    # is 0.9 ln 1.8 + 0.1 ln 0.2
    p = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    expected = math.exp(0.9 * math.log(1.8) + 0.1 * math.log(0.2))
    assert inception_score(p.log()) == pytest.approx(expected)


# ---------------------------------------------------------------- neighbours
def test_neighbours_worked_out():
    # k = 1: the balls of the real 0, 1, 4, 10 reach 1, 1, 3 and 6 far
    real = line(0, 1, 4, 10)
    # and those of the samples 0.5, 5, 7, 30 reach 4.5, 2, 2, 23
    fake = line(0.5, 5, 7, 30)
    # 0.5 lies in the balls of 0 and 1; 5 in those of 4 and 10; 7 in those of 4 and 10,
    # at the very border of the first; 30 in none: 3 of 4, and 6 balls by 4
    # 0, 1 and 4 lie in the ball of 0.5, 10 in that of 30 (7 reaches 9): all four
    scores = neighbour_scores(real, fake, k=1)
    assert scores == dict(precision=0.75, recall=1.0, density=1.5, coverage=1.0)


def test_a_sample_set_that_is_the_data():
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    scores = neighbour_scores(x, x, k=5)
    # each lies in its own ball, and in k others on average
    assert scores == dict(precision=1, recall=1, density=pytest.approx(1.2), coverage=1)


def test_a_sample_set_of_one_mode():
    # four modes far apart, 10 real samples in each; all samples lie in the first one
    g = torch.Generator().manual_seed(0)
    modes = 100 * torch.eye(4).repeat_interleave(10, 0)
    real = modes + torch.rand(40, 4, generator=g)
    fake = modes[:1] + torch.rand(40, 4, generator=g)
    scores = neighbour_scores(real, fake, k=5)
    assert scores['precision'] > 0.9
    assert scores['coverage'] <= 0.25
    assert scores['recall'] <= 0.25
    both = neighbour_scores(
        real, torch.cat([fake[:20], fake[20:] + modes[10] - modes[0]])
    )
    assert 0.25 < both['coverage'] <= 0.5


def test_an_outlier_among_the_data_raises_precision_and_not_density():
    # the ball of the outlier 100 holds all samples around 50
    real, fake = line(0, 1, 2, 3, 4, 100), line(50, 51, 52, 53, 54, 55)
    scores = neighbour_scores(real, fake, k=1)
    assert (scores['precision'], scores['density']) == (1, 1)
    scores = neighbour_scores(real, fake, k=3)
    assert scores['precision'] == 1
    assert scores['density'] == pytest.approx(1 / 3)
    assert scores['coverage'] == pytest.approx(1 / 6)


def test_samples_that_are_all_alike():
    same, other = torch.ones(8, 3), torch.full((8, 3), 1.5)
    assert set(neighbour_scores(same, same, 2).values()) == {1, 4.0}  # density 8 / 2
    assert set(neighbour_scores(same, other, 2).values()) == {0}


def test_neighbours_do_not_depend_on_blocks_nor_on_order(monkeypatch):
    g = torch.Generator().manual_seed(0)
    real, fake = torch.randn(37, 5, generator=g), torch.randn(53, 5, generator=g)
    whole = neighbour_scores(real, fake, 3)
    order = torch.randperm(53, generator=g)
    assert neighbour_scores(real, fake[order], 3) == pytest.approx(whole)
    assert neighbour_scores(real.flip(0), fake, 3) == pytest.approx(whole)
    monkeypatch.setattr(neighbours, 'BLOCK', 100)  # of 2 rows at a time
    assert neighbour_scores(real, fake, 3) == pytest.approx(whole)
