"""Pictures of :mod:`projects.gan.mode_collapse`: what was made, and modes over time."""

import io
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from projects.core.tasks.generation.pictures import film_of, rendered

DPI = 90
DOTS = 700  # points of a panel
SHOWN = 4  # moments side by side
COLORS = ('tab:red', 'tab:orange', 'tab:green', 'tab:purple', 'tab:blue')


def _chosen(runs: Sequence, data: str, loss: str) -> list:
    """Runs of a loss on a mixture, by their seeds."""
    chosen = [run for run in runs if (run.data, run.loss) == (data, loss)]
    return sorted(chosen, key=lambda run: run.seed)


def _there(runs: Sequence, names: Mapping[str, str]) -> list[str]:
    """Names of mixtures, or of losses, of which there are runs, in their order."""
    return [name for name in names if any(name in (r.data, r.loss) for r in runs)]


def _scatter(panel, run, moment: int) -> None:
    """Centres as rings, and what a generator makes at a moment."""
    x, y = run.points[moment][:DOTS].T
    panel.scatter(*run.centres.T, s=30, facecolors='none', edgecolors='0.7')
    panel.scatter(x, y, s=3, color='tab:blue', linewidths=0)
    limit = 1.3 * np.abs(run.centres).max()
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
    panel.set_aspect('equal')


def _caption(run, moment: int) -> str:
    scores = run.scores[moment]
    return f'{scores["modes"]} modes, {scores["good_samples"]:.0f} %'


def moments(
    runs: Sequence, data_names: Mapping[str, str], loss_names: Mapping[str, str]
) -> bytes:
    """PNG: a row for each loss, and for each mixture columns of moments of the run of
    the first seed."""
    data, losses = _there(runs, data_names), _there(runs, loss_names)
    size = SHOWN * len(data), len(losses)
    figure = Figure(
        figsize=(1.25 * size[0] + 0.3, 1.42 * size[1] + 0.3), layout='constrained'
    )
    panels = figure.subplots(size[1], size[0], squeeze=False)
    for (row, loss), (i, one) in product(enumerate(losses), enumerate(data)):
        run = _chosen(runs, one, loss)[0]
        last = len(run.iterations) - 1
        for column in range(SHOWN):
            # early ones closer together: most happens at the beginning
            moment = round(last * (column / (SHOWN - 1)) ** 2)
            panel = panels[row][SHOWN * i + column]
            _scatter(panel, run, moment)
            panel.set_xlabel(_caption(run, moment), fontsize=7, labelpad=2)
            if row == 0:
                title = f'{data_names[one]}\n' if column == 0 else '\n'
                panel.set_title(
                    f'{title}iteration {run.iterations[moment]}', fontsize=8
                )
        panels[row][0].set_ylabel(loss_names[loss], fontsize=8)
    return _png(figure)


def modes_over_time(
    runs: Sequence, data_names: Mapping[str, str], loss_names: Mapping[str, str]
) -> bytes:
    """PNG: for each mixture modes and good samples against iterations, a line for the
    mean over the seeds, a band from the least to the greatest."""
    data = _there(runs, data_names)
    figure = Figure(figsize=(4.6 * len(data), 5.2), layout='constrained')
    panels = figure.subplots(2, len(data), squeeze=False, sharex='col')
    for column, one in enumerate(data):
        for (loss, label), color in zip(loss_names.items(), COLORS, strict=True):
            chosen = _chosen(runs, one, loss)
            if not chosen:
                continue
            for panel, name in zip(
                panels[:, column], ('modes', 'good_samples'), strict=True
            ):
                rows = np.array([[s[name] for s in run.scores] for run in chosen])
                x = chosen[0].iterations
                panel.plot(x, rows.mean(0), color=color, label=label, linewidth=1.4)
                panel.fill_between(
                    x, rows.min(0), rows.max(0), color=color, alpha=0.15, linewidth=0
                )
        panels[0][column].axhline(
            len(next(run.centres for run in runs if run.data == one)),
            color='grey',
            linewidth=0.8,
            linestyle=':',
        )
        panels[0][column].set(title=data_names[one], ylabel='modes found')
        panels[1][column].set(xlabel='iterations', ylabel='good samples, %')
        for panel in panels[:, column]:
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
    panels[1][0].legend(fontsize=7, loc='lower right')
    return _png(figure)


def film(
    runs: Sequence, data_names: Mapping[str, str], loss_names: Mapping[str, str]
) -> bytes:
    """GIF of the runs of the first seed: a row for each mixture, a column for each
    loss."""
    data, losses = _there(runs, data_names), _there(runs, loss_names)
    frames = []
    for moment in range(min(len(run.iterations) for run in runs)):
        figure = Figure(
            figsize=(1.6 * len(losses), 1.85 * len(data) + 0.2), layout='constrained'
        )
        panels = figure.subplots(len(data), len(losses), squeeze=False)
        for (row, one), (column, loss) in product(enumerate(data), enumerate(losses)):
            run = _chosen(runs, one, loss)[0]
            panel = panels[row][column]
            _scatter(panel, run, moment)
            caption = f'iteration {run.iterations[moment]}\n{_caption(run, moment)}'
            panel.set_xlabel(caption, fontsize=7, labelpad=2)
            if row == 0:
                panel.set_title(loss_names[loss], fontsize=8)
        frames.append(rendered(figure, DPI))
    return film_of(frames)


def _png(figure: Figure) -> bytes:
    """Of few colours, which dots and lines need: a third of the bytes."""
    buffer = io.BytesIO()
    image = Image.fromarray(rendered(figure, DPI)[..., ::-1]).quantize(64, dither=0)
    image.save(buffer, format='png', optimize=True)
    return buffer.getvalue()
