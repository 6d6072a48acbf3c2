"""A picture of what training is told of the past: gradients against distance in time.

Legend: B sequences, T steps.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.logging import print_log
from torch import Tensor

from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file
from projects.core.values import PATH, checked, whole
from projects.core.weights import load_weights, read_weights
from projects.rnn.adding import AddingProblem, SequenceRegressor
from projects.rnn.layers import KERNELS

HIDDEN_DIMS = 64  # that of the configs
# name, cell, bias of its forget gates, colour; the cells in the order of papers
KINDS = (
    ('RNN', 'rnn', None, 'tab:red'),
    ('LSTM', 'lstm', None, 'tab:blue'),
    ('LSTM, forget bias 1', 'lstm', 1.0, 'tab:cyan'),
    ('GRU', 'gru', None, 'tab:green'),
)
FLOOR = 1e-12  # what is smaller is not drawn


def gradient_norms(model: SequenceRegressor, inputs: Tensor) -> np.ndarray:
    """How much an input weighs in the answer, by its distance from the end.

    Args:
        model: What answers.
        inputs: (B, T, C).

    Returns:
        (T,) norm of the gradient of the answer with respect to the input so many steps
        before the last one; the root of the mean square over the sequences.
    """
    inputs = inputs.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(model(inputs).sum(), inputs)
    return gradients.square().sum(-1).mean(0).sqrt().flip(0).numpy()


def model_of(
    weights: Mapping[str, Tensor], source: str
) -> tuple[str, SequenceRegressor]:
    """The cell and the model of a file's weights.

    Raises:
        UserError: If they are not those of a :class:`SequenceRegressor` of one layer
            for two channels.
    """
    matrix = weights.get('layers.weight_hh_l0', torch.zeros(0, 0))
    gates = len(matrix) // max(matrix.shape[-1], 1)
    cell = {1: 'rnn', 3: 'gru', 4: 'lstm'}.get(gates)
    if cell is None:
        raise UserError(
            f'{source} holds no model of the adding problem; give checkpoints of '
            'configs/rnn/*-adding100_*.py'
        )
    model = SequenceRegressor(cell, 2, matrix.shape[-1])
    load_weights(model, weights, source)
    return cell, model


@checked(length=whole(2), seeds=whole(1), out=PATH)
def draw_gradient_norms(
    trained: Sequence[str] = (),
    length: int = 100,
    seeds: int = 10,
    out: str = 'gradient_norms.png',
) -> None:
    """Draw the norm of the gradient against the distance in time, of all cells.

    The gradient is that of the answer to the adding problem with respect to an input;
    a line is the median over the weights of some seeds, a band goes from the least to
    the greatest.

    Args:
        trained: Checkpoints of the adding problem, for a second panel.
        length: Steps of a sequence.
        seeds: How many, of the new weights in the first panel.
        out: PNG to write.

    Raises:
        UserError: If a file cannot be read or written, or is of another model.
    """
    check_outputs([out], '--out')
    inputs = AddingProblem(length, num=500, seed=3).inputs
    new = {}
    for name, cell, forget_bias, _ in KINDS:
        new[name] = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            model = SequenceRegressor(cell, 2, HIDDEN_DIMS, forget_bias=forget_bias)
            new[name].append(gradient_norms(model, inputs))
    panels = {f'new weights, {seeds} seeds': new}
    if trained:
        norms = {cell: [] for cell in KERNELS}
        for file in trained:
            cell, model = model_of(read_weights(file)['state_dict'], file)
            norms[cell].append(gradient_norms(model, inputs))
        names = {cell: name for name, cell, bias, _ in KINDS if bias is None}
        panels['trained on the adding problem'] = {
            names[cell]: rows for cell, rows in norms.items() if rows
        }
    colors = {name: color for name, _, _, color in KINDS}
    figure = Figure(figsize=(5 * len(panels), 4), layout='constrained')
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    for axes, (title, lines) in zip(grid[0], panels.items(), strict=True):
        for name, rows in lines.items():
            rows = np.array(rows)
            label = name if title.startswith('new') else f'{name}, {len(rows)} seeds'
            axes.plot(np.median(rows, 0), color=colors[name], label=label)
            axes.fill_between(
                range(length),
                rows.min(0),
                rows.max(0),
                color=colors[name],
                alpha=0.15,
                linewidth=0,
            )
        axes.axvline(10, color='grey', linewidth=0.8, linestyle=':', label='ten steps')
        axes.set(
            title=title,
            xlabel='distance in time, steps before the last',
            yscale='log',
        )
        axes.legend(fontsize=8, loc='lower left')
    grid[0][0].set_ylabel('norm of the gradient of the answer')
    grid[0][0].set_ylim(bottom=FLOOR)
    with output_file(out, '--out') as file:
        figure.savefig(file, format='png', dpi=90)
    print_log(f'gradient norms: {out}', 'current')
