"""What a comparison lays side by side: runs, and groups of runs as one."""

import glob
import math
import os
import os.path as osp
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from projects.core.errors import UserError, listed
from projects.core.metric_names import rule_of
from projects.core.reports.blocks import Number
from projects.core.reports.group import FOLD, REPEAT, read_group
from projects.core.reports.report import FILE as PAGE
from projects.core.reports.runs import Run, read_run
from projects.core.reports.scalars import TIMES

#: kind of a group by the beginning of its members' names
KINDS = {'seed': REPEAT, 'fold': FOLD}
#: no value, and what pycocotools gives where the data hold nothing of a kind
MISSING = {None, -1}
#: beginnings of notices of runs that do not matter to a comparison
UNIMPORTANT = ('There is no evaluation to show',)
#: what times depend on, of a record's environment
MACHINE = ('cpu', 'gpu', 'cores', 'threads')
LONGEST_NAME = 36


@dataclass
class Entry:
    """A run, or a group of runs that differ in nothing but the seed or the fold.

    Args:
        folder: Work dir of the run, or that of the group.
        runs: One, or the members in order.
        kind: Of :class:`projects.core.reports.group.Group`; '' of a run.
        name: In legends and tables.
        family: Entries of one have one colour among points; may be empty.
        link: Address of its own page; may be empty.
        folds: Names the division of the data of a group of folds; None of others, or
            where it is not known.
        notices: What is missing, in sentences.
    """

    folder: str
    runs: list[Run]
    kind: str = ''
    name: str = ''
    family: str = ''
    link: str = ''
    folds: str | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """Names of what validations measure, that which the run chose its best
        checkpoint by first; losses last."""
        runs = self.runs
        names = [
            name
            for run in runs
            for name, series in run.val.items()
            if name not in TIMES and not set(series.values) <= MISSING
        ]
        names += [n for r in runs if r.test for n in r.test.metrics if n not in TIMES]
        chosen = {name for run in runs for name in run.best}
        return sorted(dict.fromkeys(names), key=lambda n: (is_loss(n), n not in chosen))

    @property
    def data(self) -> tuple | None:
        """What it was validated on, by checksums; None where that is not known."""
        if self.folds is not None:
            return 'folds', self.folds
        checksums = [run_data(run, 'val').get('checksum') for run in self.runs]
        if None in checksums:
            return None
        return tuple(checksums if self.kind == FOLD else sorted(set(checksums)))

    def best(self, metric: str) -> list[Number]:
        """Best value of each run; None of one that has none."""
        return [_best(run, metric) for run in self.runs]

    def best_mean(self, metric: str) -> Number:
        """Best value, the mean of a group."""
        return mean_of(self.best(metric))

    def last(self, metric: str) -> list[Number]:
        """Last value of each run."""
        return [_last(run, metric) for run in self.runs]

    def mean(self, get: Callable[[Run], Number]) -> Number:
        """Mean of a number of the runs that have it."""
        return mean_of([get(run) for run in self.runs])

    def record(self, get: Callable[[Any], Number]) -> Number:
        """Mean of a number of the runs' records."""
        return self.mean(lambda run: get(run.record) if run.record else None)

    @property
    def seconds(self) -> Number:
        """Of training, all sessions of a run together, the mean of a group."""
        return self.record(lambda r: r.seconds or None)

    @property
    def seeds(self) -> str:
        """Of the runs."""
        seeds = [run.record.seed if run.record else None for run in self.runs]
        return ', '.join('?' if s is None else str(s) for s in dict.fromkeys(seeds))

    @property
    def is_finished(self) -> bool:
        """Whether all runs are."""
        return all(run.status == 'finished' for run in self.runs)

    @property
    def status(self) -> str:
        """Of the run, or how many of a group are finished."""
        if not self.kind:
            return self.runs[0].status
        finished = sum(run.status == 'finished' for run in self.runs)
        if finished == len(self.runs):
            return f'{finished} finished'
        return f'{finished} of {len(self.runs)} finished'


def on_one_machine(entries: Sequence[Entry]) -> bool:
    """Whether times may be compared, as far as is known."""
    machines = {
        tuple(run.record.environment.get(name) for name in MACHINE)
        for entry in entries
        for run in entry.runs
        if run.record and run.record.environment
    }
    return len(machines) < 2


def mean_of(values: Sequence[Number]) -> Number:
    """Of those that are numbers; None without one."""
    found = [v for v in values if v is not None and math.isfinite(v)]
    return sum(found) / len(found) if found else None


def is_loss(metric: str) -> bool:
    """Whether a scalar of a validation is a loss, not a metric."""
    return 'loss' in metric.rpartition('/')[2]


def better(metric: str) -> str:
    """'+' or '-', as more or less of a metric is better; '' where that is not known."""
    return {'greater': '+', 'less': '-', None: ''}[rule_of(metric)]


def run_data(run: Run, loader: str) -> dict[str, Any]:
    """What the record says of the data of 'train' or 'val'; empty if nothing."""
    found = run.record.data.get(loader) if run.record else None
    return found if isinstance(found, dict) else {}


def link_pages(entries: Sequence[Entry], out: str) -> None:
    """Let each entry lead to the page of its run, where there is one.

    Args:
        entries: Those to link.
        out: File of the page that they are shown on.
    """
    for entry in entries:
        page = osp.join(entry.folder, PAGE)
        if osp.isfile(page):
            path = osp.relpath(page, osp.dirname(osp.abspath(out)))
            entry.link = quote(path.replace(os.sep, '/'))


def _best(run: Run, metric: str) -> Number:
    score = run.best.get(metric, {}).get('score')
    if isinstance(score, (int, float)):
        return score
    series = run.val.get(metric)
    values = [v for v in series.values if v is not None] if series else []
    if not values or not better(metric):
        return _last(run, metric)
    return max(values) if better(metric) == '+' else min(values)


def _last(run: Run, metric: str) -> Number:
    if series := run.val.get(metric):
        return series.last
    return run.test.metrics.get(metric) if run.test else None


def read_entries(paths: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """The runs and groups of some folders, and notices of what is wrong with them.

    A folder that cannot be read is a notice as long as another one can.

    Args:
        paths: Work dirs, folders of groups, or patterns of such.

    Raises:
        UserError: If none can be read.
    """
    entries: dict[str, Entry] = {}
    notices, errors = [], []
    for path in _expanded(paths):
        real = osp.realpath(path)
        if real in entries:
            notices.append(f'{path} was given twice, and is shown once.')
            continue
        try:
            entries[real] = _read(path)
        except UserError as error:
            errors.append(str(error))
    if not entries:
        raise UserError(errors[0] if errors else 'there is no run to compare')
    notices += [f'Left out: {error}.' for error in errors]
    found = list(entries.values())
    name_entries(found)
    said: dict[str, list[str]] = {}  # what many runs lack is one sentence
    for entry in found:
        own = [notice for run in entry.runs for notice in run.notices]
        for notice in dict.fromkeys([*entry.notices, *own]):
            if not notice.startswith(UNIMPORTANT):
                said.setdefault(notice, []).append(entry.name)
    notices += [f'{listed(names)}: {notice}' for notice, names in said.items()]
    return found, notices


def _expanded(paths: Sequence[str]) -> list[str]:
    """Patterns by what they match, for shells that leave that to the program."""
    expanded = []
    for path in paths:
        matches = (
            [] if osp.lexists(path) else sorted(filter(osp.isdir, glob.glob(path)))
        )
        expanded += matches or [path]
    return expanded


def _read(path: str) -> Entry:
    notices = []
    try:
        group = read_group(path)
    except UserError as error:
        notices.append(f'{error}.')
        group = None
    if group is not None:
        # by name alone: a group holds nothing outside its folder
        folders = [Path(path, Path(str(name)).name) for name in group.members]
        kind, folds = group.kind, (group.folds or {}).get('checksum')
    else:
        (kind, folders), folds = _members(Path(path)), None
    folders = [folder for folder in folders if folder.is_dir()]
    if not folders:
        return Entry(path, [read_run(path)], notices=notices)
    runs = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except UserError as error:
            notices.append(f'a member is left out: {error}.')
    if not runs:
        raise UserError(f'{path}: no run of the group can be read: {notices[0]}')
    return Entry(path, runs, kind, folds=folds, notices=notices)


def _members(path: Path) -> tuple[str, list[Path]]:
    """Kind and folders of a group without its file, by their names."""
    for prefix, kind in KINDS.items():
        found = [p for p in path.glob(f'{prefix}_*') if p.name[5:].isdigit()]
        if found:
            return kind, sorted(found, key=lambda p: int(p.name[5:]))
    return '', []


def name_entries(entries: list[Entry]) -> None:
    """Name each by what in its path differs from the others'."""
    paths = [Path(osp.abspath(entry.folder)).parts for entry in entries]
    names = ['/'.join(part) for part in _without_common(paths)]
    if len(entries) == 1:
        names = [paths[0][-1]]
    elif len(entries) > 1 and not any('/' in name for name in names):
        tokens = ['_'.join(t) for t in _without_common([n.split('_') for n in names])]
        if all(len(t) > 2 and t[0].isalpha() for t in tokens):  # '0' says nothing
            names = tokens
    for entry, name in zip(entries, names, strict=True):
        entry.name = _cut(name or osp.basename(osp.abspath(entry.folder)))
    seen: dict[str, int] = {}
    for entry in entries:  # a name may be cut to that of another
        seen[entry.name] = seen.get(entry.name, 0) + 1
        if seen[entry.name] > 1:
            entry.name += f' ({seen[entry.name]})'


def _without_common(paths: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Without the parts that all begin and end with; at least one is left of each."""
    least = min(map(len, paths)) - 1
    start = 0
    while start < least and len({path[start] for path in paths}) == 1:
        start += 1
    end = 0
    while end < least - start and len({path[-1 - end] for path in paths}) == 1:
        end += 1
    return [path[start : len(path) - end] for path in paths]


def _cut(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f'{name[: half - 1]}…{name[-half:]}'


def shared(entries: Sequence[Entry], names: Callable[[Entry], Sequence[str]]) -> list:
    """Names that at least two entries have, or the only one, those of most first."""
    found: dict[str, int] = {}
    for entry in entries:
        for name in names(entry):
            found[name] = found.get(name, 0) + 1
    least = min(2, len(entries))
    return [name for name, number in found.items() if number >= least]


def described_data(entries: Sequence[Entry], loader: str) -> str:
    """What the entries were trained or validated on, in words."""
    texts = {}
    for entry in entries:
        data = run_data(entry.runs[0], loader)
        what = f'{data.get("type", "?")} of {data.get("size", "?")} samples'
        what += f' (checksum {str(data.get("checksum"))[:8]})'
        if not data:
            what = 'not known'
        texts.setdefault(what, []).append(entry.name)
    return '; '.join(f'{what}: {listed(names)}' for what, names in texts.items())
