"""The atlas: all architectures side by side, by what they do and on which data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from projects.core.reports.blocks import Block, Section, Table, key_of
from projects.core.reports.compare import COSTS, UNITS
from projects.core.reports.entries import Entry, better, is_loss, link_pages
from projects.core.reports.overlays import costs, overlaid_curves
from projects.core.reports.runs import Run


def sections_of(
    runs: Mapping[str, Run | str], out: str | None = None
) -> tuple[list[Section], list[str]]:
    """A section for each task and data set, and what the reader must know first.

    Args:
        runs: By config file, ``configs/<architecture>/<name>_..._<data>.py``; a
            sentence of why there is no run where there is none.
        out: File of the page, for the runs' own pages to be linked from it.

    Returns:
        tuple: The sections, the task of most runs first, and notices.
    """
    notices, sections = [], []
    for (task, data), entries in grouped(runs).items():
        metric = main_metric(entries)
        if out is not None:
            link_pages(entries, out)
        checksums = {entry.data for entry in entries} - {None}
        if len(checksums) > 1:
            notices.append(
                f'The runs on {data} saw {len(checksums)} different states of it: '
                'their numbers are not to be compared.'
            )
        blocks = _blocks(entries, metric, f'{key_of(task)}-{data}')
        sections.append(Section(title_of(task, data), blocks))
    missing = {config: why for config, why in runs.items() if isinstance(why, str)}
    if missing:
        notices.append(f'{len(missing)} of {len(runs)} configs have no run.')
        rows = [[config, why] for config, why in missing.items()]
        table = Table('missing', 'Configs without a run', ['config', 'reason'], rows)
        sections.append(Section('Without a run', [table]))
    stopped = [
        name_of(config)
        for config, run in runs.items()
        if isinstance(run, Run) and run.status != 'finished'
    ]
    if stopped:
        notices.append(f'Not finished: {", ".join(stopped)}.')
    return sections, notices


def grouped(runs: Mapping[str, Run | str]) -> dict[tuple[str, str], list[Entry]]:
    """Runs by task and data set, the largest group first.

    Args:
        runs: See :func:`sections_of`; those without a run are left out.

    Returns:
        dict: Entries, named as the model in the config's name, of the family that is
        the config's folder, by task (in words, without an article) and data set (the
        end of the config's name).
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for config, run in runs.items():
        if isinstance(run, str):
            continue
        task = run.record.task if run.record else ''
        for article in ('a ', 'an '):
            task = task.removeprefix(article)
        path = PurePath(config)
        entry = Entry(
            str(run.folder), [run], name=name_of(config), family=path.parent.name
        )
        key = (task or 'model', path.stem.rpartition('_')[2])
        groups.setdefault(key, []).append(entry)
    for entries in groups.values():
        names = Counter(entry.name for entry in entries)
        for entry in entries:
            if names[entry.name] > 1:
                entry.name = PurePath(entry.folder).name
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def title_of(task: str, data: str) -> str:
    """'Detector on digits-coco'."""
    return f'{task[:1].upper()}{task[1:]} on {data}'


def name_of(config: str) -> str:
    """The model in a config's name, 'lenet5' of 'configs/lenet/lenet5_1xb64_....py'."""
    return PurePath(config).stem.partition('_')[0]


def main_metric(entries: Sequence[Entry]) -> str | None:
    """The metric that most runs chose their best by, or else have."""
    chosen = Counter(name for e in entries for run in e.runs for name in run.best)
    found = Counter(n for entry in entries for n in entry.metrics if not is_loss(n))
    votes = chosen or found
    return max(votes, key=votes.__getitem__) if votes else None


def _blocks(entries: list[Entry], metric: str | None, key: str) -> list[Block]:
    entries = sorted(entries, key=lambda entry: _rank(entry, metric))
    columns = {'architecture': ('', lambda e: e.family)}
    if metric is not None:
        columns[metric] = better(metric), lambda e: e.best_mean(metric)
    columns |= {name: (sign, get) for name, sign, get in COSTS}
    columns['status'] = '', lambda e: e.status
    blocks: list[Block] = [
        Table(
            f'atlas-{key}',
            'Architectures',
            ['model', *columns],
            [[e.name, *(get(e) for _, get in columns.values())] for e in entries],
            better=['', *(sign for sign, _ in columns.values())],
            note='The best validation of each, of one seed: small differences may be '
            f'chance. {UNITS}',
        )
    ]
    if metric is None:
        return blocks
    for block in costs(entries, metric):
        block.key = f'{block.key}-{key}'
        blocks.append(block)
    for block in overlaid_curves(entries, [metric], ()):
        block.key = f'{block.key}-{key}'
        blocks.append(block)
    return blocks


def _rank(entry: Entry, metric: str | None) -> tuple:
    value = entry.best_mean(metric) if metric is not None else None
    if value is None:
        return 1, 0, entry.name
    return 0, value if better(metric) == '-' else -value, entry.name
