import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from projects.rnn import AddingProblem, SequenceRegressor
from projects.rnn.gradient_norms import draw_gradient_norms, gradient_norms, model_of

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/draw_gradient_norms.py'


def linear_memory(weight, output=1.0):
    """One unit: h_t is about x_t + weight * h_{t-1} where both are small."""
    model = SequenceRegressor('rnn', 1, 1)
    with torch.no_grad():
        for parameter in model.layers.parameters():
            parameter.zero_()
        model.layers.weight_ih_l0.fill_(1.0)
        model.layers.weight_hh_l0.fill_(weight)
        model.output.weight.fill_(output)
    return model


def test_norms_by_hand():
    """tanh is a line at 0: each step back is one more product with the weight."""
    norms = gradient_norms(linear_memory(0.5, output=3.0), torch.zeros(4, 6, 1))
    np.testing.assert_allclose(norms, 3 * 0.5 ** np.arange(6), rtol=1e-6)


def test_norms_are_means_over_the_sequences():
    model, inputs = linear_memory(0.5), torch.randn(7, 5, 1)
    each = [gradient_norms(model, x[None]) for x in inputs]
    np.testing.assert_allclose(
        gradient_norms(model, inputs), np.sqrt(np.mean(np.square(each), 0)), rtol=1e-5
    )


def test_ten_steps_are_too_many():
    """At first, for any cell; but not where an LSTM begins with its gates open."""
    inputs = AddingProblem(60, num=20, seed=3).inputs

    def left(cell, **kwargs):
        """Of the gradient after 10 and 50 steps, the median of five seeds."""
        shares = []
        for seed in range(5):
            torch.manual_seed(seed)
            norms = gradient_norms(SequenceRegressor(cell, 2, 64, **kwargs), inputs)
            shares.append(norms[[10, 50]] / norms[0])
        return np.median(shares, 0)

    for cell in ('rnn', 'lstm', 'gru'):
        ten, fifty = left(cell)
        assert ten < 0.05
        assert fifty < 1e-7
    ten, fifty = left('lstm', forget_bias=1.0)
    assert ten > 0.1
    assert fifty > 1e-5


@pytest.mark.parametrize('cell', ['rnn', 'lstm', 'gru'])
def test_model_of_weights(cell):
    model = SequenceRegressor(cell, 2, 6)
    found, again = model_of(model.state_dict(), 'x.pth')
    assert found == cell
    x = torch.randn(2, 3, 2)
    assert torch.equal(again(x), model(x))


def test_picture(tmp_path, error_of):
    files = []
    for cell in ('rnn', 'lstm', 'gru', 'gru'):
        files.append(str(tmp_path / f'{len(files)}.pth'))
        torch.save(
            dict(state_dict=SequenceRegressor(cell, 2, 6).state_dict()), files[-1]
        )
    widths = []
    for trained in ((), files):
        out = str(tmp_path / 'norms.png')
        draw_gradient_norms(trained, length=12, seeds=2, out=out)
        widths.append(cv2.imread(out).shape[1])
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.05)
    torch.save(dict(state_dict=dict(weight=torch.zeros(3))), files[0])
    error = error_of(draw_gradient_norms, files[:1], length=12, seeds=1, out=out)
    assert 'holds no model of the adding problem; give checkpoints of' in error


def test_help_needs_no_torch():
    code = subprocess.run(
        [sys.executable, '-X', 'importtime', TOOL, '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--trained FILE' in code.stdout
    assert 'import torch' not in code.stderr
    assert ' torch\n' not in code.stderr
