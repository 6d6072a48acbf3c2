"""The tool that proposes a learning rate."""

import json
import math

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from projects.core.config import load_config
from projects.core.insight.find_lr import Stepper, find_lr
from projects.core.insight.ramp import (
    exponential_rates,
    moving_average,
    proposal_of,
    run_ramp,
)
from projects.core.tasks.task import task_of
from projects.core.variants import config_root

LENET = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')
GAN = str(config_root() / 'gan/gan-mlp_1xb64-4500i_ring8.py')


def quadratic(curvature):
    """A step of gradient descent on ``curvature / 2 * w ** 2``."""
    w = 1.0

    def step(rate):
        nonlocal w
        loss = curvature / 2 * w**2
        w -= rate * curvature * w
        return loss

    return step


class TestRamp:
    @pytest.mark.parametrize('curvature', [1.0, 10.0, 1000.0])
    def test_a_quadratic(self, curvature):
        """Best is 1 / curvature, where a step ends at the minimum; 2 / curvature is
        the last rate without divergence."""
        ramp = run_ramp(quadratic(curvature), exponential_rates(1e-6, 100, 150))
        assert ramp.diverged
        assert ramp.rates[-1] > 2 / curvature
        proposal = proposal_of(ramp)
        assert 0.05 < proposal.rate * curvature < 1
        assert 0.5 < proposal.least * curvature < 2.5

    @pytest.mark.parametrize('scale', [0.1, 3.0])
    def test_a_noisy_regression(self, scale):
        """Of inputs of variance scale ** 2 the curvature of the squared error is
        2 * scale ** 2; a batch of 32 with 8 inputs bears a part of that rate."""
        generator = torch.Generator().manual_seed(0)
        weight = torch.zeros(8, dtype=torch.float64, requires_grad=True)
        true = torch.ones(8, dtype=torch.float64)

        def step(rate):
            x = scale * torch.randn(32, 8, generator=generator, dtype=torch.float64)
            noise = torch.randn(32, generator=generator, dtype=torch.float64)
            loss = (x @ (weight - true) + 0.1 * scale * noise).square().mean()
            (gradient,) = torch.autograd.grad(loss, weight)
            with torch.no_grad():
                weight.sub_(rate * gradient)
            return loss.item()

        ramp = run_ramp(step, exponential_rates(1e-5, 1e3, 150))
        best = 1 / (2 * scale**2)
        assert best / 20 < proposal_of(ramp).rate < best

    def test_the_average_is_corrected_for_its_beginning(self):
        assert moving_average([3.0, 3.0, 3.0]) == pytest.approx([3, 3, 3])
        # (0.9 * 0.1 * 1 + 0.1 * 2) / (1 - 0.81)
        assert moving_average([1.0, 2.0])[1] == pytest.approx(0.29 / 0.19)

    def test_a_loss_that_is_not_finite_ends_it(self):
        losses = iter([2.0, 1.0, math.nan, 0.0])
        ramp = run_ramp(lambda rate: next(losses), [1.0, 2.0, 3.0, 4.0])
        assert ramp.diverged
        assert ramp.rates.tolist() == [1, 2, 3]
        assert np.isfinite(ramp.smoothed).all()

    def test_a_negative_loss_may_fall(self):
        losses = iter(np.linspace(1, -50, 40))
        assert not run_ramp(lambda rate: next(losses), np.ones(40)).diverged

    @pytest.mark.parametrize('slope', [0.0, 1.0])
    def test_no_rate_where_nothing_falls(self, slope):
        losses = iter(2 + slope * np.linspace(0, 1, 40))
        ramp = run_ramp(lambda rate: next(losses), exponential_rates(1e-3, 1, 40))
        assert proposal_of(ramp) is None


OPTIONS = [
    'auto_scale_lr.base_batch_size=8',
    'train_dataloader.batch_size=16',
    'train_dataloader.num_workers=0',
]


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """Result and folder of a short ramp, of a rate for half the batch."""
    folder = tmp_path_factory.mktemp('ramp')
    out = str(folder / 'curve.png')
    result = find_lr(LENET, 30, (1e-4, 10), 0, out, 'cpu', OPTIONS)
    return result, folder


class TestTool:
    def test_what_is_found(self, found):
        result, folder = found
        assert result == json.loads((folder / 'curve.json').read_text())
        assert cv2.imread(str(folder / 'curve.png')).shape == (500, 800, 3)
        names = {p.name for p in folder.iterdir()}
        assert names == {'.mmatlas.sha256', 'curve.json', 'curve.png'}
        assert result['batch_size'] == 16
        # the config says 0.002, here for 8 images: a run takes twice that
        assert result['own_rate'] == pytest.approx(0.004)
        assert result['setting'] == pytest.approx(result['proposal'] / 2, rel=0.01)
        assert 1e-4 < result['proposal'] < 0.1
        assert result['diverged']

    @pytest.mark.parametrize(('seed', 'same'), [(0, True), (1, False)])
    def test_a_seed_repeats_it(self, found, seed, same):
        result, _ = found
        cfg = load_config(LENET, OPTIONS)
        task_of(cfg).prepare(cfg)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            stepper = Stepper(cfg, LENET, seed, 'cpu')
        ramp = run_ramp(stepper, result['rates'][:5])
        assert (ramp.losses.tolist() == result['losses'][:5]) == same

    def test_groups_keep_their_ratios(self):
        cfg = load_config(
            LENET,
            [
                'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult=0.5',
                'optim_wrapper.accumulative_counts=2',
                'train_dataloader.num_workers=0',
            ],
        )
        task_of(cfg).prepare(cfg)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            stepper = Stepper(cfg, LENET, 0, 'cpu')
        stepper(0.125)
        groups = stepper.optim_wrapper.optimizer.param_groups
        assert {group['lr'] for group in groups} == {0.125, 0.0625}
        assert stepper.total_batch == 128

    def test_mistakes_are_said(self, tmp_path, error_of):
        out, weights = tmp_path / 'out', tmp_path / 'best.pth'
        weights.touch()
        for message, config, options in (
            ('has several optimizers (generator, discriminator)', GAN, {}),
            ('has no train_dataloader: give a run', '_base_/models/lenet5.py', {}),
            ('is a checkpoint, no config', str(weights), {}),
            ('--range 1 0.1: from the lower', LENET, dict(range_=(1.0, 0.1))),
            (
                'ran away at the rate',
                LENET,
                dict(range_=(1e9, 1e12), steps=20, cfg_options=OPTIONS),
            ),
            ('steps: a whole number of at least 20', LENET, dict(steps=3)),
            ('name a file .png', LENET, dict(out=str(out / 'curve.jpg'))),
        ):
            options = dict(out=str(out / 'curve.png')) | options
            if config == LENET:
                options['cfg_options'] = OPTIONS
            assert message in error_of(find_lr, config, **options)
        assert not out.exists()
