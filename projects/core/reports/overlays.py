"""Curves, tables and costs of several runs in one block each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from projects.core.reports.blocks import (
    Block,
    Curves,
    Number,
    Point,
    Points,
    Series,
    key_of,
)
from projects.core.reports.entries import (
    Entry,
    better,
    is_loss,
    on_one_machine,
    shared,
)
from projects.core.reports.runs import Run
from projects.core.reports.scalars import TIMES
from projects.core.reports.thinning import kept, rounded

#: points of all curves of a page, and of each: a page stays under 3 MB
MOST_POINTS = 24_000
POINTS = (40, 400)
#: charts of curves of a page
MOST_CURVES = 16
#: scalars of a training that say nothing of learning, or say it twice
NOT_OVERLAID = ('base_lr', *TIMES)
ELSEWHERE = (
    'Not all ran on the same machine with as many threads: times and memory differ by '
    'that, too.'
)
BAND = 'A band is one standard deviation of the runs of a group.'
#: costs that differ by a smaller factor are the same
ALIKE = 1.02


@dataclass
class Axis:
    """What curves of runs are drawn over.

    Args:
        label: With its unit.
        scale: What an iteration of a run counts.
        note: Why it is this one; may be empty.
    """

    label: str
    scale: Callable[[Run], float]
    note: str = ''


def axis_of(entries: Sequence[Entry]) -> Axis:
    """Epochs where all runs count those, else iterations; of runs that count
    differently samples, as far as they are known."""
    runs = [run for entry in entries for run in entry.runs]
    if all(run.by_epoch for run in runs):
        return Axis('epochs', lambda run: 1 / run.epoch_length)
    sizes = [run.record.batch_size if run.record else None for run in runs]
    if len({run.by_epoch for run in runs}) == 1 and len(set(sizes)) == 1:
        return Axis('iterations', lambda run: 1)
    if None in sizes or 0 in sizes:
        note = 'The runs count differently, and the batch size of some is not known.'
        return Axis('iterations', lambda run: 1, note)
    note = 'The runs count differently: the axis is what each has seen.'
    return Axis('samples seen', lambda run: run.record.batch_size, note)


def train_scalars(entries: Sequence[Entry]) -> list[str]:
    """Scalars of the training that are shared, the loss first."""
    names = shared(
        entries, lambda e: dict.fromkeys(name for run in e.runs for name in run.train)
    )
    names = [name for name in names if name not in NOT_OVERLAID]
    return sorted(names, key=lambda n: (n != 'loss', n == 'lr'))


def overlaid_curves(
    entries: Sequence[Entry], metrics: Iterable[str], train: Sequence[str]
) -> list[Block]:
    """Scalars of the training, and of the validations, a line for each entry.

    Args:
        entries: A group is its mean, in a band of a standard deviation.
        metrics: Those of validations to draw; none of runs of different data.
        train: Those of the training, see :func:`train_scalars`.
    """
    axis = axis_of(entries)
    wanted = [('val', name) for name in metrics]
    loss = [('train', n) for n in train[:1]]
    wanted = [*loss, *wanted, *(('train', n) for n in train[1:])]
    least, most = POINTS
    charts = min(len(wanted), MOST_CURVES) or 1
    number = int(np.clip(MOST_POINTS / (charts * len(entries)), least, most))
    blocks = []
    for phase, name in wanted[:MOST_CURVES]:
        series = [_series(entry, phase, name, axis, number) for entry in entries]
        series = [s for s in series if s is not None]
        if not series:
            continue
        notes = [axis.note] if axis.note else []
        if any(s.low for s in series):
            notes.append(BAND)
        title = name
        if phase == 'train':
            title += ', training'
        elif is_loss(name) and 'val' not in name:
            title += ', validation'
        key = f'{phase}-{key_of(name)}'
        blocks.append(
            Curves(key, title, axis.label, name, series, note=' '.join(notes))
        )
    return blocks


def _series(
    entry: Entry, phase: str, name: str, axis: Axis, number: int
) -> Series | None:
    lines = []
    for run in entry.runs:
        if scalar := getattr(run, phase).get(name):
            scale = axis.scale(run)
            lines.append(([i * scale for i in scalar.iterations], scalar.values))
    return averaged(entry.name, lines, number)


def averaged(
    name: str, lines: Sequence[tuple[Sequence, Sequence]], number: int
) -> Series | None:
    """The mean of some lines with a band of one standard deviation.

    Args:
        name: Of the series.
        lines: x, ascending, and y of each, points without a value left out; at the
            places of the first one the others are interpolated, as far as all reach.
        number: Points at most, see :func:`projects.core.reports.thinning.kept`.
    """
    lines = [
        np.array(points, float).T
        for line in lines
        if (points := [p for p in zip(*line, strict=True) if None not in p])
    ]
    if not lines:
        return None
    start = max(x[0] for x, _ in lines)
    end = min(x[-1] for x, _ in lines)
    grid = lines[0][0]
    grid = grid[(grid >= start) & (grid <= end)]
    if not len(grid):
        return None
    values = np.stack([np.interp(grid, x, y) for x, y in lines])
    series = Series(name, grid.tolist(), np.mean(values, 0).tolist())
    if len(lines) > 1:
        std = np.std(values, 0, ddof=1)
        series.low = (series.y - std).tolist()
        series.high = (series.y + std).tolist()
    indices = kept(series, number)
    for part in ('x', 'y', 'low', 'high'):
        if (numbers := getattr(series, part)) is not None:
            # no chart shows more digits, and a page is to stay small
            setattr(series, part, [rounded(numbers[i], 5) for i in indices])
    return series


def costs(entries: Sequence[Entry], metric: str) -> list[Block]:
    """A metric against parameters, operations, time and memory of each entry.

    Args:
        entries: Those that lack one of the two numbers are left out, and counted.
        metric: By its best value.
    """
    numbers = {
        'parameters': ('parameters', lambda e: e.record(lambda r: r.parameters)),
        'macs': (
            'multiply-accumulates of one input',
            lambda e: e.record(lambda r: r.macs),
        ),
        'seconds': ('seconds of training', lambda e: e.seconds),
        'memory': ('peak memory, MiB', memory),
    }
    elsewhere = '' if on_one_machine(entries) else ELSEWHERE
    blocks = []
    for key, (label, get) in numbers.items():
        points = [
            Point(
                entry.name,
                get(entry),
                entry.best_mean(metric),
                entry.family,
                entry.link,
            )
            for entry in entries
        ]
        points = [p for p in points if p.x is not None and p.y is not None]
        xs = [p.x for p in points]
        if not xs or max(xs) <= ALIKE * min(xs):
            continue  # nothing is to be seen in a column of points
        wide = min(xs) > 0 and max(xs) / min(xs) > 20
        notes = []
        if len(points) < len(entries):
            notes.append(f'{len(points)} of {len(entries)}; the others do not say.')
        if elsewhere and key in ('seconds', 'memory'):
            notes.append(elsewhere)
        blocks.append(
            Points(
                f'cost-{key}',
                f'{metric} against {label.partition(",")[0]}',
                label,
                metric,
                points,
                log_x=wide,
                front=bool(better(metric)),
                lower=better(metric) == '-',
                note=' '.join(notes),
            )
        )
    return blocks


def memory(entry: Entry) -> Number:
    """Peak of the GPU where it was used, else of the process, in MiB."""
    found = entry.record(lambda r: r.memory.get('peak_gpu') or r.memory.get('peak_rss'))
    return None if found is None else found / 2**20
