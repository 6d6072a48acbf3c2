"""What a run left in its work dir, whoever made it and however it ended.

================================  ==================================================
``<time>/vis_data/scalars.json``  curves, a folder for each start of the program
``run.json``                      :class:`projects.core.reports.record.Record`
``evaluation/``                   that of the best validation
``test_evaluation/``              that of the last test
``<config's name>.py``            the config, read as a text
================================  ==================================================

All but the first may be missing, and all may be damaged: :attr:`Run.notices` says so.
Reading writes nothing, so that it is possible while the run goes on.
"""

import json
import os
import os.path as osp
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from projects.core.errors import UserError, did_you_mean, listed, one_line
from projects.core.reports.evaluation import FILE as EVALUATION_FILE
from projects.core.reports.evaluation import (
    TEST,
    VALIDATION,
    Evaluation,
    read_evaluation,
)
from projects.core.reports.record import FILE as RECORD_FILE
from projects.core.reports.record import Record, read_record
from projects.core.reports.scalars import (
    STAMP,
    STOPPED,
    TIMES,
    TRAINED,
    Series,
    Session,
    merged,
    read_sessions,
)
from projects.core.values import number

GROUP_FILE = 'group.json'
#: seconds without a sign of life after which a run does not count as running
PATIENCE = 600
BEST = re.compile(r'best_(?P<metric>.+)_(?:epoch|iter)_(?P<at>\d+)\.pth')
T = TypeVar('T')
_FINITE = number(-1e300, 1e300)


@dataclass
class Run:
    """A run, as far as it is known.

    Args:
        folder: Work dir.
        name: Of the folder, with its parent's for a member of a group.
        record: What the run wrote of itself; None of an older version's.
        status: 'finished', 'running' or 'stopped', see :func:`_status`.
        train: Scalars of the training by name (``loss``, ``lr``, ``grad_norm``,
            ``time``, ...), over the iterations that were done.
        val: The same of the validations: metrics, and losses where they are logged.
        unit: What the run counts, 'epoch' or 'iter'.
        epoch_length: Iterations of an epoch; None where that is not known.
        evaluation: Of the best validation; None if there is none.
        test: Of the last test; None if there is none.
        config_text: The whole config; empty if there is none.
        config_name: Its file; empty.
        best: By metric ``score``, ``at`` (in ``unit``), ``checkpoint``, a file name.
        modified: Of the last sign of life, seconds since the epoch of the system.
        notices: What is missing and why, in sentences.
    """

    folder: Path
    name: str
    record: Record | None = None
    status: str = 'stopped'
    train: dict[str, Series] = field(default_factory=dict)
    val: dict[str, Series] = field(default_factory=dict)
    unit: str = 'iter'
    epoch_length: int | None = None
    evaluation: Evaluation | None = None
    test: Evaluation | None = None
    config_text: str = ''
    config_name: str = ''
    best: dict[str, dict[str, Any]] = field(default_factory=dict)
    modified: float = 0
    notices: list[str] = field(default_factory=list)

    @property
    def iteration(self) -> int:
        """Iterations of training done, as far as the logs know."""
        series = (*self.train.values(), *self.val.values())
        logged = max((s.iterations[-1] for s in series), default=0)
        sessions = self.record.sessions if self.record else []
        done = (s.get('last_iter') for s in sessions[-1:])
        return max([logged, *(i for i in done if isinstance(i, int))])

    @property
    def is_test(self) -> bool:
        """Whether there was a test in the folder and no training."""
        return self.test is not None and not self.train and not self.val

    @property
    def by_epoch(self) -> bool:
        """Whether places in the run are told in epochs."""
        return self.unit == 'epoch' and bool(self.epoch_length)

    @property
    def x_label(self) -> str:
        """Of the axis of :meth:`x`."""
        return 'epochs' if self.by_epoch else 'iterations'

    def x(self, iterations: Iterable[int]) -> list[float]:
        """Iterations in epochs, where the run counts those."""
        if not self.by_epoch:
            return list(iterations)
        return [round(i / self.epoch_length, 6) for i in iterations]


def read_run(folder: str | os.PathLike) -> Run:
    """The run of a work dir.

    Raises:
        UserError: If there is no such folder, or no log in it.
    """
    path = _work_dir(os.fspath(folder))
    notices: list[str] = []
    try:
        sessions = read_sessions(path)
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}') from error
    record = _tolerant(read_record, path, notices)
    scalars = merged(
        sessions,
        record and record.unit,
        record and record.epoch_length,
    )
    run = Run(
        path,
        _name(path),
        record,
        train=scalars.train,
        val=scalars.val,
        unit='epoch' if scalars.by_epoch else 'iter',
        epoch_length=scalars.epoch_length,
        evaluation=_tolerant(read_evaluation, path / VALIDATION, notices),
        test=_tolerant(read_evaluation, path / TEST, notices)
        or _test_metrics(sessions),
        notices=notices,
    )
    run.config_name, run.config_text = _config(run, sessions)
    run.best = _best(run)
    trainings = [s for s in sessions if s.train or s.val or '(train)' in s.log]
    run.modified = _modified(run, trainings or sessions)
    run.status = _status(run, trainings)
    run.notices += _missing(run, sessions)
    return run


def _work_dir(folder: str) -> Path:
    """The folder of a run.

    Raises:
        UserError: If it is none, with what is meant perhaps.
    """
    path = Path(folder)
    if osp.isfile(folder):
        for parent in path.absolute().parents[:3]:
            if _has_log(parent):
                raise UserError(f'{folder} is a file of the run {parent}; give that')
        raise UserError(
            f'{folder} is a file; give the work dir of a run of tools/train.py'
        )
    if not osp.isdir(folder):
        siblings = _folders(path.absolute().parent)
        hint = did_you_mean(
            path.name,
            [p.name for p in siblings],
            prefix=folder[: len(folder.rstrip('/')) - len(path.name)],
        )
        raise UserError(
            f'{folder} is not there{hint or "; give the work dir of a run"}'
        )
    if _has_log(path):
        return path
    if STAMP.fullmatch(path.absolute().name) and _has_log(path.absolute().parent):
        parent = path.absolute().parent
        raise UserError(f'{folder} is one session of the run {parent}; give that')
    members = [str(p) for p in _folders(path) if _has_log(p)]
    if members:
        what = 'a group of runs' if (path / GROUP_FILE).is_file() else 'work dirs'
        raise UserError(
            f'{folder} holds {what} and no log of its own; name one of them: '
            + listed(members)
        )
    found = listed(sorted(os.listdir(folder))) if os.access(folder, os.R_OK) else '?'
    raise UserError(
        f'{folder} holds no log of tools/train.py, a folder such as 20260131_120000; '
        f'it holds {found}'
    )


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(p for p in parent.iterdir() if p.is_dir())
    except OSError:
        return []


def _has_log(folder: Path) -> bool:
    if (folder / RECORD_FILE).is_file():
        return True
    return any(
        STAMP.fullmatch(p.name)
        and ((p / f'{p.name}.log').is_file() or (p / 'vis_data').is_dir())
        for p in _folders(folder)
    )


def _name(path: Path) -> str:
    path = path.absolute()
    if (path.parent / GROUP_FILE).is_file():
        return f'{path.parent.name}/{path.name}'
    return path.resolve().name


def _tolerant(
    read: Callable[[str], T | None], folder: Path, notices: list[str]
) -> T | None:
    """What ``read`` finds, or a notice of why that cannot be read."""
    try:
        return read(str(folder))
    except UserError as error:
        notices.append(one_line(error))
        return None


def _test_metrics(sessions: list[Session]) -> Evaluation | None:
    """The metrics of the last test as mmengine writes them, without a report."""
    for session in reversed(sessions):
        file = session.folder / f'{session.folder.name}.json'
        try:
            found = json.loads(file.read_text(encoding='utf-8'))
            metrics = {
                k: v for k, v in found.items() if _FINITE.fits(v) and k not in TIMES
            }
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
        if metrics:
            return Evaluation('', {}, '', metrics)
    return None


def _config(run: Run, sessions: list[Session]) -> tuple[str, str]:
    """File and text of the config: that of the last training, else of a test."""
    files = [p for p in run.folder.glob('*.py') if p.is_file()]
    files.sort(key=lambda p: _mtime(p), reverse=True)
    wanted = Path(run.record.config).stem if run.record else run.folder.name
    files.sort(key=lambda p: p.stem != wanted)
    files += [s.folder / 'vis_data/config.py' for s in reversed(sessions)]
    for file in files:
        try:
            return str(file), file.read_text(encoding='utf-8', errors='replace')
        except OSError:
            continue
    return '', ''


def _best(run: Run) -> dict[str, dict[str, Any]]:
    """The best validations; by the names of the checkpoints without a record."""
    if run.record and run.record.best:
        return run.record.best
    best = {}
    names = {name.replace('/', '_'): name for name in run.val}
    for file in sorted(run.folder.glob('best_*.pth')):
        found = BEST.fullmatch(file.name)
        if found is None or found['metric'] not in names:
            continue
        name, at = names[found['metric']], int(found['at'])
        series = run.val[name]
        iteration = at * run.epoch_length if run.by_epoch else at
        # of iterations a log may know those alone at which it logged the training
        before = [i for i, place in enumerate(series.iterations) if place <= iteration]
        if before:
            score = series.values[before[-1]]
            best[name] = dict(score=score, at=at, checkpoint=file.name)
    return best


def _mtime(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0


def _modified(run: Run, sessions: list[Session]) -> float:
    files = [run.folder / RECORD_FILE, *(f for s in sessions[-1:] for f in s.files)]
    return max(map(_mtime, files))


def _status(run: Run, trainings: list[Session]) -> str:
    """Whether a run is 'finished', 'running' or 'stopped'.

    By what its last session, or else its log, says of the end. Where neither says a
    word it runs if it gave a sign of life in the last ten minutes, or in five times
    as long as it took from one line of the log to the next; else it was killed.
    """
    if not trainings and not run.record:
        return 'finished' if run.test else _by_age(run)
    if run.record and run.record.end:
        return run.record.end if run.record.end == 'finished' else 'stopped'
    log = '' if run.record or not trainings else trainings[-1].log
    if TRAINED in log:
        return 'finished'
    return 'stopped' if STOPPED in log else _by_age(run)


def _by_age(run: Run) -> str:
    gap = 0.0
    if (times := run.train.get('time')) and len(times.iterations) > 1:
        gap = (times.last or 0) * (times.iterations[-1] - times.iterations[-2])
    age = time.time() - run.modified
    return 'running' if age < max(PATIENCE, 5 * gap) else 'stopped'


def _missing(run: Run, sessions: list[Session]) -> list[str]:
    notices = []
    if unread := sum(session.unread for session in sessions):
        notices.append(
            f'{unread} line{"s" * (unread > 1)} of scalars.json could not be read and '
            f'{"are" if unread > 1 else "is"} left out.'
        )
    if run.is_test and run.record is None:
        notices.append('There was a test here and no training: no curves are shown.')
    elif not run.train:
        notices.append('No iteration was logged so far: there are no curves yet.')
    if (
        run.record is None
        and not run.is_test
        and not (run.folder / RECORD_FILE).exists()
    ):
        notices.append(
            'run.json is missing, as in runs of older versions of MMAtlas: what the '
            'run cost, its environment, its code and its data are not known.'
        )
    reported = run.evaluation or (run.test and run.test.sections)
    damaged = any(
        (run.folder / d / EVALUATION_FILE).exists() for d in (VALIDATION, TEST)
    )
    if not reported and not damaged:
        notices.append(
            'There is no evaluation to show beside the metrics: '
            + (
                'no validation has ended so far.'
                if run.train and not run.val
                else 'none was written, as by older versions of MMAtlas; '
                'tools/test.py writes one.'
            )
        )
    if run.record is not None and run.record.stopped_early:
        reason = run.record.stopped_early
        notices.append(f'{reason[0].upper()}{reason[1:]}.')
    if any(run.folder.glob('nonfinite_loss*.pth')):
        notices.append(
            'A loss was not finite: nonfinite_loss.pth holds the batch and the '
            'weights, and tools/misc/replay.py says of it where that arises.'
        )
    return notices
