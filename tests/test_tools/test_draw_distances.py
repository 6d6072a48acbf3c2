import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from projects.core.tasks.generation.mixture_metric import wasserstein
from projects.gan.distances import (
    best_critic,
    best_discriminator,
    draw_distances,
    gaussian_earth_movers,
    gaussian_jensen_shannon,
    gradient,
    gradients_while_training,
    jensen_shannon_of_points,
    lines,
)
from projects.gan.losses import MinMaxLoss, NonSaturatingLoss, WassersteinLoss

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/draw_distances.py'


@pytest.mark.parametrize('shift', [-1.0, -1e-3, 0.0, 0.3, 5.0])
def test_lines_apart(shift):
    """Example 1: the one distance is how far, the other whether."""
    pair = lines(shift, 50)
    assert wasserstein(*pair) == pytest.approx(abs(shift))
    assert jensen_shannon_of_points(*pair) == pytest.approx(math.log(2) if shift else 0)


def test_jensen_shannon_by_hand():
    """(1/2, 1/2, 0) and (1/2, 0, 1/2) have the middle (1/2, 1/4, 1/4): ln(2) / 2."""
    first, second = np.array([[0, 0], [1, 0]]), np.array([[2, 0], [0, 0]])
    assert jensen_shannon_of_points(first, second) == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize('std', [0.5, 1.0, 2.0])
@pytest.mark.parametrize('shift', [-3.0, 0.0, 0.2, 7.0])
def test_gaussians_apart(shift, std):
    assert gaussian_earth_movers(shift, std) == pytest.approx(abs(shift), abs=1e-6)
    ours = gaussian_jensen_shannon(shift, std)
    assert ours == pytest.approx(gaussian_jensen_shannon(shift / std, 1.0), abs=1e-9)
    # not above that to each other, over four; nor above log 2
    assert ours <= min(math.log(2), (shift / std) ** 2 / 8) + 1e-12


def test_jensen_shannon_of_gaussians_near_and_far():
    """Near it is an eighth of the squared shift, far log 2."""
    assert gaussian_jensen_shannon(0.01) == pytest.approx(0.01**2 / 8, rel=1e-3)
    assert gaussian_jensen_shannon(12.0) == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize('std', [0.5, 1.0])
@pytest.mark.parametrize('shift', [-2.0, 0.3, 1.5, 4.0])
def test_gradients_are_those_of_what_is_minimised(shift, std):
    """Of the min-max game 2 JS (Goodfellow et al. 2014, Theorem 1), of the other one
    KL - 2 JS (Arjovsky and Bottou 2017, Theorem 2.5), of the critic the distance."""
    best = best_discriminator(shift, std)
    js = [gaussian_jensen_shannon(shift + step, std) for step in (1e-4, -1e-4)]
    of_js = (js[0] - js[1]) / 2e-4
    of_kl = shift / std**2  # of shift^2 / (2 std^2)
    assert gradient(MinMaxLoss(), best, shift, std) == pytest.approx(
        2 * of_js, rel=1e-4
    )
    ours = gradient(NonSaturatingLoss(), best, shift, std)
    assert ours == pytest.approx(of_kl - 2 * of_js, rel=1e-4)
    ours = gradient(WassersteinLoss(), best_critic(shift), shift, std)
    assert ours == pytest.approx(np.sign(shift))


def test_gradient_vanishes_as_the_discriminator_learns():
    """Arjovsky and Bottou 2017, Theorem 2.4, and their Figure 2."""
    found = gradients_while_training(1.0, num_steps=250, every=50)
    assert {len(values) for values in found.values()} == {6}
    assert found['min-max'][-1] < 1e-3 * max(found['min-max'])
    assert found['non-saturating'][-1] > 5
    assert found['Wasserstein'][-1] == pytest.approx(1, abs=0.15)


def test_picture(tmp_path):
    out = str(tmp_path / 'distances.png')
    draw_distances(out, steps=2)
    height, width, _ = cv2.imread(out).shape
    assert (height, width) == (648, 900)


def test_help_needs_no_torch():
    code = subprocess.run(
        [sys.executable, '-X', 'importtime', TOOL, '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--steps' in code.stdout
    assert ' torch\n' not in code.stderr
