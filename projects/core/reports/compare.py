"""Runs side by side: one page for any runs, and groups of runs, of any task."""

import os
import os.path as osp
from collections.abc import Sequence
from functools import partial

from projects.core.errors import listed
from projects.core.files import check_outputs, write_text
from projects.core.reports.blocks import Block, Number, Section, Table
from projects.core.reports.differences import code_of, settings_of, table_of_differences
from projects.core.reports.entries import (
    Entry,
    better,
    described_data,
    is_loss,
    link_pages,
    mean_of,
    on_one_machine,
    read_entries,
    run_data,
    shared,
)
from projects.core.reports.group import FOLD
from projects.core.reports.overlays import (
    ELSEWHERE,
    costs,
    memory,
    overlaid_curves,
    train_scalars,
)
from projects.core.reports.same_blocks import evaluations
from projects.core.reports.significance import significance
from projects.core.values import PATH, checked, optional

FILE = 'compare.html'
#: metrics of the first table; the second one holds all
FIRST_METRICS = 1


@checked(out=optional(PATH))
def compare(runs: Sequence[str | os.PathLike], out: str | None = None) -> str:
    """Write a page that lays runs side by side.

    Args:
        runs: Work dirs of runs, folders of groups (of ``--repeat`` and ``--folds``),
            or patterns of such.
        out: File of the page; by default ``compare.html`` in the folder that all
            runs have in common.

    Returns:
        str: The file.

    Raises:
        UserError: If no run can be read, or the file cannot be written or is not
            this tool's own.
    """
    from projects.core.reports.page import render

    if isinstance(runs, (str, os.PathLike)):
        runs = [runs]
    if out is not None:
        check_outputs([out], '-o')
    entries, notices = read_entries([os.fspath(run) for run in runs])
    if out is None:
        folders = [osp.dirname(osp.abspath(entry.folder)) for entry in entries]
        out = osp.join(osp.commonpath(folders), FILE)
        check_outputs([out], '-o')
    link_pages(entries, out)
    sections, first = sections_of(entries)
    what = 'groups of runs' if any(entry.kind for entry in entries) else 'runs'
    title = f'{len(entries)} {what} side by side'
    if len(entries) == 1:
        title = entries[0].name
    write_text(out, render(title, _facts(entries), sections, [*first, *notices]), '-o')
    return out


def sections_of(entries: Sequence[Entry]) -> tuple[list[Section], list[str]]:
    """What there is to compare, and what the reader must know first.

    Metrics of runs on different data are not compared: they are listed, and neither
    marked nor drawn nor tested.
    """
    notices = []
    comparable = True
    metrics = shared(entries, lambda e: e.metrics)
    chosen = shared(entries, lambda e: dict.fromkeys(n for r in e.runs for n in r.best))
    metrics.sort(key=lambda n: (is_loss(n), n not in chosen))
    known = {entry.data for entry in entries} - {None}
    if len(known) > 1:
        comparable = False
        notices.append(
            'The runs were validated on different data, and their metrics are not '
            f'compared: {described_data(entries, "val")}.'
        )
    elif len(entries) > 1:
        unknown = [entry.name for entry in entries if entry.data is None]
        if unknown:
            notices.append(
                'Whether these were validated on the same data as the others is not '
                f'known: {listed(unknown)}.'
            )
        trained = {
            run_data(run, 'train').get('checksum')
            for entry in entries
            if entry.kind != FOLD
            for run in entry.runs
        }
        if len(trained - {None}) > 1:
            notices.append(
                'The runs were trained on different data: '
                f'{described_data(entries, "train")}.'
            )
    going = [f'{e.name} ({e.status})' for e in entries if not e.is_finished]
    if going:
        notices.append(f'Not finished: {listed(going)}.')
    if len(entries) > 1 and not metrics:
        tasks = _tasks(entries)
        notices.append(
            'The runs share no metric'
            + (f' (they are of {tasks})' if tasks else '')
            + ': only their costs are compared.'
        )
    measured = [name for name in metrics if not is_loss(name)] or metrics
    main = measured[0] if measured and comparable else None
    sections = [Section('Runs', _tables(entries, metrics, comparable))]
    if main:
        if len(entries) > 1:
            sections.append(significance(entries, main))
        sections.append(Section(f'{main} against cost', costs(entries, main)))
    note = '' if comparable else 'Over different data: read their shape, not height.'
    drawn = overlaid_curves(
        entries, metrics if comparable else [], train_scalars(entries)
    )
    sections.append(Section('Curves', drawn, note))
    if comparable:
        sections.append(evaluations(entries))
    if len(entries) > 1:
        sections.append(_differences(entries))
    return [section for section in sections if section.blocks], notices


def _facts(entries: Sequence[Entry]) -> list[tuple[str, str | Number]]:
    facts: list[tuple[str, str | Number]] = []
    if groups := sum(bool(entry.kind) for entry in entries):
        facts.append(('Groups', groups))
    facts.append(('Runs', sum(len(entry.runs) for entry in entries)))
    tasks = _tasks(entries)
    if tasks:
        facts.append(('Task', tasks))
    return facts


def _tasks(entries: Sequence[Entry]) -> str:
    """Kinds of the models, as far as they are known."""
    tasks = {r.record.task for e in entries for r in e.runs if r.record}
    return ' and '.join(sorted(tasks))


def _tables(
    entries: Sequence[Entry], metrics: Sequence[str], comparable: bool
) -> list[Block]:
    """The runs with their first metrics and costs, and with all metrics."""
    groups = any(len(entry.runs) > 1 for entry in entries)
    columns = {}  # by name: direction and the values
    for metric in metrics[:FIRST_METRICS]:
        sign = better(metric)
        best = [entry.best_mean(metric) for entry in entries]
        columns[f'{metric}, best'] = sign, best
        if groups:
            columns[f'{metric}, std'] = (
                '',
                [_std(entry.best(metric)) for entry in entries],
            )
        columns[f'{metric}, last'] = (
            sign,
            [mean_of(entry.last(metric)) for entry in entries],
        )
    marks = {name: sign for name, (sign, _) in columns.items()}
    values = {name: held for name, (_, held) in columns.items()}
    for name, sign, get in COSTS:
        marks[name] = sign
        values[name] = [get(entry) for entry in entries]
    values['seed'] = [entry.seeds for entry in entries]
    values['status'] = [entry.status for entry in entries]
    values = {
        name: held for name, held in values.items() if any(v is not None for v in held)
    }
    notes = [UNITS]
    if groups:
        notes.append('Of groups the mean, and the standard deviation (std).')
    if comparable and len(entries) > 1:
        notes.append('The best of each column is in bold.')
    if not on_one_machine(entries):
        notes.append(ELSEWHERE)
        marks |= dict.fromkeys(MEASURED, '')
    first = Table(
        'runs',
        'Runs',
        ['run', *values],
        [
            [e.name, *row]
            for e, row in zip(entries, zip(*values.values(), strict=True), strict=True)
        ],
        better=['', *(marks.get(name, '') for name in values)] if comparable else [],
        note=' '.join(notes),
    )
    if len(metrics) <= FIRST_METRICS:
        return [first]
    rows = [[e.name, *(e.best_mean(m) for m in metrics)] for e in entries]
    second = Table(
        'metrics',
        'All metrics, best of each run',
        ['run', *metrics],
        rows,
        better=['', *map(better, metrics)] if comparable else [],
        note='Each metric at its own best validation.',
    )
    return [first, second]


def _std(values: Sequence) -> float | None:
    from projects.core.reports.statistics import spread

    return spread(values).std


def throughput(phase: str, entry: Entry) -> int | None:
    """Samples a second of 'train' or 'predict'."""
    found = entry.record(lambda r: r.throughput.get(phase))
    return None if found is None else round(found)


def in_millions(name: str, entry: Entry) -> float | None:
    """A count of the record, such as 'parameters'."""
    found = entry.record(lambda r: getattr(r, name))
    return None if found is None else found / 1e6


def rounded_seconds(entry: Entry) -> float | int | None:
    """Of training."""
    return _rounded(entry.seconds)


def _rounded(value: float | None) -> float | int | None:
    if value is None:
        return None
    return round(value) if value >= 10 else round(value, 1)


# what a run costs: head of the column, direction, value of an entry
COSTS = [
    ('parameters (M)', '-', partial(in_millions, 'parameters')),
    ('MACs (M)', '-', partial(in_millions, 'macs')),
    ('training (s)', '-', rounded_seconds),
    ('training (samples/s)', '+', partial(throughput, 'train')),
    ('prediction (samples/s)', '+', partial(throughput, 'predict')),
    ('peak memory (MiB)', '-', lambda entry: _rounded(memory(entry))),
]


UNITS = 'MACs: multiply-accumulates of one input in prediction; M: millions.'
# columns that depend on the machine
MEASURED = [name for name, _, _ in COSTS[2:]]


def _differences(entries: Sequence[Entry]) -> Section:
    """What the first runs of the entries do not have in common."""
    runs = [entry.runs[0] for entry in entries]
    records = [run.record for run in runs]
    names = [entry.name for entry in entries]
    note = ''
    if any(len(entry.runs) > 1 for entry in entries):
        note = 'Of a group its first run.'
    table = partial(table_of_differences, names=names, note=note)
    return Section(
        'What differs',
        [
            table('config', 'Config', values=[settings_of(run) for run in runs]),
            table('data', 'Data', values=[r.data if r else {} for r in records]),
            table('code', 'Code', values=[code_of(run) for run in runs]),
            table(
                'environment',
                'Environment',
                values=[r.environment if r else {} for r in records],
            ),
        ],
    )
