"""Mixtures of Gaussians: the data, and how a model's points are judged."""

import math

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from projects.core.engine.seeding import SeededSampler
from projects.core.errors import UserError
from projects.core.tasks.generation.mixture_metric import (
    MixtureMetric,
    divergences,
    occupancy,
    wasserstein,
)
from projects.core.tasks.generation.mixtures import (
    MixtureDataset,
    collate_whole,
    grid,
    ring,
)

RING = dict(layout='ring', num_modes=8, scale=2.0, std=0.02)
GRID = dict(layout='grid', num_modes=25, scale=4.0, std=0.05)


def test_centres():
    np.testing.assert_allclose(
        ring(4, 3), [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-9
    )
    assert grid(9, 2).tolist() == [[x, y] for x in (-2, 0, 2) for y in (-2, 0, 2)]


@pytest.mark.parametrize('settings', [RING, GRID])
def test_points_are_those_of_the_mixture(settings):
    data = MixtureDataset(num=20_000, **settings)
    offsets = data.points[:, None] - torch.tensor(data.metainfo['centres'])
    nearest = offsets.norm(dim=2).argmin(1)
    own = offsets[torch.arange(len(data)), nearest]
    std = settings['std']
    assert own.mean(0).norm() < 0.03 * std
    # a sample's standard deviation is off by 1 / sqrt(2 * 20,000), 0.5 %
    torch.testing.assert_close(own.std(0), torch.full((2,), std), rtol=0.025, atol=0)
    assert abs(np.corrcoef(own.T)[0, 1]) < 0.03
    shares = torch.bincount(nearest) / len(data)
    assert shares == pytest.approx([1 / settings['num_modes']] * len(shares), abs=0.01)


def test_weights():
    data = MixtureDataset('ring', 2, 1.0, 0.1, weights=[3, 1], num=10_000)
    assert data.metainfo['weights'] == [0.75, 0.25]
    # sqrt(0.75 * 0.25 / 10,000) is 0.0043
    assert (data.points[:, 0] > 0).float().mean() == pytest.approx(0.75, abs=0.02)


def test_a_split_is_a_seed():
    first, again, other = (
        MixtureDataset(num=100, seed=seed, **RING).points for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert (first != other).all()


def test_a_test_knows_the_numbers_of_its_points():
    data = MixtureDataset(num=9, indices=6, test_mode=True, **RING)
    assert len(data) == 6
    batch = collate_whole(data.__getitems__([4, 2]))
    assert torch.equal(batch['inputs'], data.points[[4, 2]])
    assert [sample.sample_idx for sample in batch['data_samples']] == [4, 2]
    one = data[2]
    assert torch.equal(one['inputs'], data.points[2])
    assert one['data_samples'].sample_idx == 2
    collated = collate_whole([one, data[4]])  # as from a data set around it
    assert torch.equal(torch.stack(collated['inputs']), data.points[[2, 4]])


def batches(count, begin=0, **settings):
    """So many batches of seven, of a run that begins at some place."""
    loader = Runner.build_dataloader(
        dict(
            batch_size=7,
            num_workers=0,
            sampler=dict(
                type=SeededSampler, sampler=dict(type='InfiniteSampler', shuffle=False)
            ),
            collate_fn=dict(type='projects.collate_whole'),
            dataset=dict(type='projects.MixtureDataset', **RING, **settings),
        ),
        seed=5,
    )
    loader.sampler.skip(7 * begin)
    iterator = iter(loader)
    return torch.stack([next(iterator)['inputs'] for _ in range(count)])


@pytest.mark.parametrize('fresh', [True, False])
def test_a_resumed_run_gets_the_points_of_one_that_was_not_stopped(fresh):
    whole = batches(5, fresh=fresh, num=50)
    assert torch.equal(batches(2, begin=3, fresh=fresh, num=50), whole[3:])


def test_fresh_points_do_not_come_again():
    points = batches(6, fresh=True, num=14).flatten(0, 1)
    assert len(points.unique(dim=0)) == 42
    assert len(batches(6, num=14).flatten(0, 1).unique(dim=0)) == 14


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(layout='star'), "'star' is none of ring, grid"),
        (dict(layout='grid', num_modes=8), 'num_modes 8 is not the square'),
        (dict(std=0.0), r'std 0\.0 above 0'),
        (dict(num=0), 'num 0 must be at least 1'),
        (dict(weights=[1, 2]), 'are not 8 numbers above 0'),
        (dict(weights=[1] * 7 + [0]), 'are not 8 numbers above 0'),
        (dict(fresh=True, test_mode=True), 'fresh points cannot'),
    ],
)
def test_what_is_no_mixture(settings, message):
    with pytest.raises(ValueError, match=message):
        MixtureDataset(**{**RING, **settings})


def test_divergences_by_hand():
    """Of three quarters to one half each: 3/4 ln(3/2) + 1/4 ln(1/2)."""
    kl, js = divergences(np.array([3, 1]), np.array([0.5, 0.5]))
    assert kl == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    # of both to their middle, which is (5/8, 3/8)
    first = 0.75 * math.log(6 / 5) + 0.25 * math.log(2 / 3)
    second = 0.5 * math.log(4 / 5) + 0.5 * math.log(4 / 3)
    assert js == pytest.approx((first + second) / 2)
    # all in one of four: ln 4, and with the middle (5/8, 1/8, 1/8, 1/8)
    kl, js = divergences(np.array([0, 9, 0, 0]), np.full(4, 0.25))
    assert kl == pytest.approx(math.log(4))
    first = math.log(8 / 5)
    second = 0.25 * math.log(2 / 5) + 0.75 * math.log(2)
    assert js == pytest.approx((first + second) / 2)


def test_occupancy_by_hand():
    points = np.array([[0, 0], [0, 0.31], [0.29, 0], [1.2, 0], [5, 0]])
    counts, good = occupancy(points, np.array([[0, 0], [1, 0.0]]), 0.1)
    assert counts.tolist() == [3, 2]
    assert good.tolist() == [2, 1]


def test_wasserstein_pairs_at_the_least_cost():
    """Not each with the nearest: 1 goes to 2, so that 0 may go to 1.1."""
    first, second = np.array([[0, 0], [1, 0.0]]), np.array([[1.1, 0], [2, 0.0]])
    assert wasserstein(first, second) == pytest.approx((1.1 + 1) / 2)
    points = np.random.default_rng(0).normal(size=(50, 2))
    assert wasserstein(points, points[::-1]) == pytest.approx(0, abs=1e-9)
    # what is moved as a whole, is moved by that
    assert wasserstein(points, points + np.array([3, 4])) == pytest.approx(5)


def metrics_of(fake, settings, **kwargs):
    real = MixtureDataset(num=len(fake), seed=1, **settings)
    metric = MixtureMetric(**{'num_distance': 300, **kwargs})
    metric.dataset_meta = real.metainfo
    for part in torch.arange(len(fake)).split(700):
        metric.process(None, [dict(real=real.points[i], fake=fake[i]) for i in part])
    return metric.evaluate(len(fake))


def test_metric_of_the_mixture_itself():
    scores = metrics_of(MixtureDataset(num=4000, seed=2, **GRID).points, GRID)
    assert scores['mixture/modes'] == 25
    # within three standard deviations in a plane: 1 - exp(-9 / 2)
    assert scores['mixture/good_samples'] == pytest.approx(98.89, abs=0.7)
    assert 0 < scores['mixture/kl'] < 0.01  # 24 / (2 * 4,000) is expected
    assert 0 < scores['mixture/js'] < 0.0025
    floor = scores['mixture/wasserstein_floor']
    assert scores['mixture/wasserstein'] == pytest.approx(floor, rel=0.5)


def test_metric_of_a_single_mode():
    fake = torch.tensor([4.0, 4.0]) + 0.05 * torch.randn(1000, 2)
    scores = metrics_of(fake, GRID)
    assert scores['mixture/modes'] == 1
    assert scores['mixture/good_samples'] > 97
    assert scores['mixture/kl'] == pytest.approx(math.log(25))
    assert scores['mixture/wasserstein'] > 10 * scores['mixture/wasserstein_floor']


def test_metric_of_half_of_the_modes():
    points = MixtureDataset(num=4000, seed=2, **RING).points
    fake = points[points @ torch.tensor([1.0, 0.3]) > 0]  # four of the eight
    scores = metrics_of(fake, RING)
    assert scores['mixture/modes'] == 4
    assert scores['mixture/kl'] == pytest.approx(math.log(2), abs=0.01)
    # to the middle: ln(4/3) of what was made, (ln(2/3) + ln(2)) / 2 of the truth
    js = (math.log(4 / 3) + (math.log(2 / 3) + math.log(2)) / 2) / 2
    assert scores['mixture/js'] == pytest.approx(js, abs=0.01)


def test_metric_of_noise():
    """At a single good point each mode would be found; the divergences see no flaw."""
    fake = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) * 10 - 5
    scores = metrics_of(fake, GRID)
    # 25 circles of radius 0.15 in a square of side 10
    expected = 100 * 25 * math.pi * 0.15**2 / 100
    assert scores['mixture/good_samples'] == pytest.approx(expected, abs=0.7)
    assert scores['mixture/modes'] == 0
    assert metrics_of(fake, GRID, min_share=0)['mixture/modes'] > 20
    assert scores['mixture/kl'] < 0.01


def test_the_distance_is_between_as_many_points():
    fake = MixtureDataset(num=100, seed=2, **RING).points
    real = MixtureDataset(num=100, seed=1, **RING).points.numpy()
    scores = metrics_of(fake, RING, num_distance=30)
    expected = wasserstein(real[:30], fake[:30].numpy())
    assert scores['mixture/wasserstein'] == pytest.approx(expected)
    expected = wasserstein(real[:30], real[30:60])
    assert scores['mixture/wasserstein_floor'] == pytest.approx(expected)
    # of 100 real points there are two halves
    scores = metrics_of(fake, RING, num_distance=1000)
    expected = wasserstein(real[:50], fake[:50].numpy())
    assert scores['mixture/wasserstein'] == pytest.approx(expected)


def test_metric_refuses():
    with pytest.raises(ValueError, match='min_share 2 is not between 0 and 1'):
        MixtureMetric(min_share=2)
    with pytest.raises(ValueError, match='num_distance 0 is not at least 1'):
        MixtureMetric(num_distance=0)
    with pytest.raises(UserError, match='knows no centres of a mixture'):
        MixtureMetric().compute_metrics([((0, 0), (0, 0))])
