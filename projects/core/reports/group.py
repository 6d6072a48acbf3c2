"""Runs of one config that differ in nothing but the seed or the fold of the data.

Beside their folders stands ``group.json``, in the schema of :data:`SCHEMA`::

    {"schema": "mmatlas-group-1",
     "kind": "repeat",                    # or "fold"
     "config": "configs/lenet/....py",    # as the user gave it
     "members": ["seed_0", "seed_1", "seed_2"],
     "finished": ["seed_0", "seed_1"],
     "seeds": [0, 1, 2],                  # of folds all the same
     "settings": "41c0...",               # digest of the config and the options
     "folds": {"sizes": [300, 300, 300], "stratified": true, "checksum": "9f0c..."},
     "chosen_by": "accuracy/top1",        # what the best validation is the best of
     "best_at": [15, 20],                 # epochs or iterations, of each that finished
     "metrics": {"accuracy/top1": {"values": [97.3, 96.9], "mean": 97.1, "std": 0.28,
                                   "low": 94.6, "high": 99.6}},
     "last": {"accuracy/top1": {...}}}

``metrics`` are those of each run's best validation, all of the same checkpoint, and
``last`` those of its last one; where a run keeps no best, both are the last. Which
epoch is the best is chosen on the very data that it is then reported on, so that
``metrics`` are a little optimistic; ``last`` are not.
"""

import dataclasses
import json
import os.path as osp
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from projects.core.errors import UserError, described
from projects.core.files import write_text
from projects.core.reports.blocks import plain
from projects.core.reports.runs import GROUP_FILE, Run, read_run
from projects.core.reports.scalars import TIMES
from projects.core.reports.statistics import spread

SCHEMA = 'mmatlas-group-1'
REPEAT, FOLD = 'repeat', 'fold'
#: set for the processes of a group's members: ``group`` of their records, as JSON
MEMBER = 'MMATLAS_GROUP'
#: members of which the log shows each value
MOST_SHOWN = 6


@dataclass
class Group:
    """Runs that are repetitions of each other.

    Args:
        kind: :data:`REPEAT` or :data:`FOLD`.
        config: Path as the user gave it.
        members: Folders in that of the group, in order.
        seeds: Of each.
        settings: Digest of what they have in common, see
            :mod:`projects.core.engine.repeats`.
        folds: ``sizes``, ``stratified`` and ``checksum`` of
            :class:`projects.core.datasets.folds.Folds`; None of a repetition.
        finished: Those of the members that are.
        chosen_by: Metric that the best validations are chosen by; None without one.
        best_at: Where in each finished run that was, None where it is not known.
        metrics: By name ``values``, ``mean``, ``std``, ``low``, ``high`` of the best
            validations of the finished members.
        last: The same of their last ones.
    """

    kind: str
    config: str
    members: list[str]
    seeds: list[int]
    settings: str
    folds: dict[str, Any] | None = None
    finished: list[str] = field(default_factory=list)
    chosen_by: str | None = None
    best_at: list[int | None] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def overlap(self) -> float:
        """Test over training data of a fold; 0 of seeds, which are independent."""
        return 1 / (len(self.members) - 1) if self.kind == FOLD else 0.0

    def take(self, folder: str, finished: Collection[str]) -> None:
        """Take the numbers of the finished members from their logs.

        Raises:
            UserError: If there is none of one of them.
        """
        self.finished = [name for name in self.members if name in finished]
        runs = [read_run(osp.join(folder, name)) for name in self.finished]
        chosen = [next(iter(run.best), None) for run in runs]
        self.chosen_by = chosen[0] if runs and len(set(chosen)) == 1 else None
        self.best_at, best, last = [], [], []
        for run in runs:
            entry = run.best.get(self.chosen_by) or {}
            self.best_at.append(entry.get('at'))
            last.append(_metrics_at(run))
            best.append(_metrics_at(run, entry['at']) if entry else last[-1])
        self.metrics, self.last = self._spreads(best), self._spreads(last)

    def _spreads(self, found: list[dict[str, float | None]]) -> dict[str, dict]:
        names = list(dict.fromkeys(name for metrics in found for name in metrics))
        # what the best is chosen by comes first
        names.sort(key=lambda name: name != self.chosen_by)
        spreads = {}
        for name in names:
            values = [metrics.get(name) for metrics in found]
            of = spread(values, self.overlap)
            spreads[name] = dict(
                values=values, mean=of.mean, std=of.std, low=of.low, high=of.high
            )
        return spreads

    def write(self, folder: str, option: str = '--work-dir') -> None:
        """Write ``group.json``.

        Raises:
            UserError: As of :func:`projects.core.files.output_file`.
        """
        document = dict(schema=SCHEMA, **plain(self))
        text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
        write_text(osp.join(folder, GROUP_FILE), text + '\n', option)

    def lines(self) -> list[str]:
        """Tables of all metrics, for a log."""
        what = 'fold' if self.kind == FOLD else 'seed'
        lines = [f'{len(self.finished)} of {len(self.members)} {what}s are finished']
        if not self.metrics:
            return lines
        interval = "95 % interval of the mean by Student's t"
        if self.kind == FOLD:
            interval += ', corrected for folds that share training data'
        tables = [('the last validation of each', self.last)]
        if self.chosen_by is not None and self.metrics == self.last:
            tables = [(f'{tables[0][0]}, its best by {self.chosen_by}', self.last)]
        elif self.chosen_by is not None:
            at = ', '.join('?' if i is None else str(i) for i in self.best_at)
            title = f'the best validation of each by {self.chosen_by} (at {at})'
            tables.insert(0, (title, self.metrics))
        for title, metrics in tables:
            lines.append(f'{title}; {interval}:')
            lines += _table(metrics, self.finished)
        return lines


def _metrics_at(run: Run, at: int | None = None) -> dict[str, float | None]:
    """What was measured at a validation, None for the last one.

    Args:
        run: A run.
        at: Epoch or iteration, as the run counts.
    """
    series = {name: s for name, s in run.val.items() if name not in TIMES}
    places = {i for s in series.values() for i in s.iterations}
    if at is not None:
        # of iterations a log knows those alone at which it logged the training
        limit = at * run.epoch_length if run.by_epoch else at
        places = {i for i in places if i <= limit}
    iteration = max(places, default=None)
    return {
        name: s.values[s.iterations.index(iteration)]
        for name, s in series.items()
        if iteration in s.iterations
    }


def _table(metrics: dict[str, dict], members: list[str]) -> list[str]:
    shown = members if len(members) <= MOST_SHOWN else []
    rows = [['', *shown, 'mean', 'std', '95 % interval']]
    for name, of in metrics.items():
        values = of['values'] if shown else []
        missing = sum(value is None for value in of['values'])
        rows.append(
            [
                name,
                *map(_figure, values),
                _figure(of['mean']),
                _figure(of['std']),
                'unknown'
                if of['low'] is None
                else f'{_figure(of["low"])} to {_figure(of["high"])}',
            ]
        )
        if missing:
            rows[-1][-1] += f' ({missing} of {len(of["values"])} have no value)'
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        '  '.join(
            [row[0].ljust(widths[0])]
            + [
                cell.rjust(width)
                for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
        ).rstrip()
        for row in rows
    ]


def _figure(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'


def read_group(folder: str) -> Group | None:
    """The group in a folder; None if there is none.

    Raises:
        UserError: If its file is damaged, or of another schema.
    """
    path = Path(folder, GROUP_FILE)
    try:
        if not path.is_file():
            return None
        document = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(document, dict) or document.pop('schema', None) != SCHEMA:
            raise ValueError(f'its schema is not {SCHEMA!r}')
        known = {f.name for f in dataclasses.fields(Group)}
        group = Group(**{k: v for k, v in document.items() if k in known})
        lists = (group.members, group.seeds, group.finished)
        if not all(isinstance(v, list) for v in lists) or (
            len(group.members) != len(group.seeds)
        ):
            raise ValueError('its members and seeds are not as many')
        return group
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = error if type(error) is ValueError else described(error)
        raise UserError(f'{path} cannot be read as a group: {reason}') from error
