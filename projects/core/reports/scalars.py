"""The curves of a run: what mmengine's loggers wrote, session by session.

A session is a start of the program; mmengine gives each a folder named by the time,
with ``vis_data/scalars.json``, one JSON object a line, and a text log.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

#: scalars that are of the machine, not of the model
TIMES = ('time', 'data_time', 'memory')
STAMP = re.compile(r'\d{8}_\d{6}')
# entries of a line that say where in the run it belongs
PLACE = ('epoch', 'iter', 'step')
# in the text log: the iterations of an epoch, those done at a resume, and the end
EPOCH_LENGTH = re.compile(r'Epoch\(train\)\s*\[\s*\d+\]\[\s*\d+/(\d+)\]')
RESUMED = re.compile(r' resumed epoch: \d+, iter: (\d+)')
TRAINED, STOPPED = ' - INFO - trained in ', 'stopped by SIGTERM'


@dataclass
class Series:
    """Values of a scalar over a run.

    Args:
        iterations: Ascending, iterations of training done so far.
        values: As many; None for one that is not finite.
    """

    iterations: list[int]
    values: list[float | None]

    @property
    def last(self) -> float | None:
        """The last value; None of an empty series."""
        return self.values[-1] if self.values else None


@dataclass
class Session:
    """What one start of the program logged.

    Args:
        folder: Named by the time.
        train: Lines of the training.
        val: Lines of validations.
        unread: Lines that are not JSON, or of no place in a run.
        log: The text log; empty where there is none.
    """

    folder: Path
    train: list[dict] = field(default_factory=list)
    val: list[tuple[dict, dict | None]] = field(default_factory=list)
    unread: int = 0
    log: str = ''

    @property
    def epoch_length(self) -> int | None:
        """Iterations of an epoch; None where it cannot be known."""
        if found := EPOCH_LENGTH.search(self.log):
            return int(found[1]) or None
        # the first line of each epoch stands at the same place in it
        first: dict[int, int] = {}
        for line in self.train:
            if 'epoch' in line:
                first.setdefault(line['epoch'], line['iter'])
        epochs = sorted(first)
        lengths = {(first[b] - first[a]) // (b - a) for a, b in pairwise(epochs)}
        # a resume in the middle of an epoch begins at another place
        return max(lengths, default=0) or None

    @property
    def start(self) -> int | None:
        """Iterations that were done before it; None where that is not known."""
        if found := RESUMED.search(self.log):
            return int(found[1])
        if self.log:
            return 0
        return self.train[0]['iter'] - 1 if self.train else None

    @property
    def files(self) -> list[Path]:
        """Those that grow while it runs."""
        name = self.folder.name
        return [self.folder / f'{name}.log', self.folder / 'vis_data/scalars.json']


def read_sessions(folder: Path) -> list[Session]:
    """The sessions of a work dir, the first one first."""
    folders = [p for p in folder.iterdir() if STAMP.fullmatch(p.name) and p.is_dir()]
    return [_read_session(p) for p in sorted(folders)]


def _read_session(folder: Path) -> Session:
    session = Session(folder)
    log, scalars = session.files
    session.log = _text(log)
    lines = _text(scalars).split('\n')
    if lines[-1] and _parsed(lines[-1]) is None:
        lines.pop()  # it is being written, or a kill cut it off
    train = None
    for text in lines:
        if not text.strip():
            continue
        line = _parsed(text)
        if line is None:
            session.unread += 1
        elif 'iter' in line:
            train = line
            session.train.append(line)
        else:
            session.val.append((line, train))
    return session


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace')
    except OSError:  # none, or not to be read
        return ''


def _parsed(text: str) -> dict | None:
    """The numbers of a line by name, None for one that is not finite; None of a line
    that is not one of a log."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict):
        return None
    for name in PLACE:
        place = line.get(name, 0)
        if type(place) is not int or not 0 <= place < 1 << 53:
            return None
    if 'step' not in line and 'iter' not in line:
        return None
    return {k: v if k in PLACE else _number(v) for k, v in line.items() if _is(v)}


def _is(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: float) -> float | None:
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond all floats
        return None


@dataclass
class Scalars:
    """What the sessions of a run come to.

    Args:
        train: Series of the training by name: ``loss``, ``lr``, ``time``, ...
        val: The same of the validations.
        epoch_length: Iterations of an epoch; None where the run counts none.
        by_epoch: Whether it counts epochs.
    """

    train: dict[str, Series]
    val: dict[str, Series]
    epoch_length: int | None
    by_epoch: bool


def merged(
    sessions: Iterable[Session], unit: str | None = None, length: int | None = None
) -> Scalars:
    """One series of each scalar of all sessions.

    Of iterations that were done again after a resume the later values hold. Where the
    batch changed, and with it the iterations of an epoch, all of them are counted as
    in the last session, as the resumed run does.

    Args:
        sessions: In order.
        unit: What the run counts, 'epoch' or 'iter'; by the logs where None.
        length: Iterations of an epoch; the same.
    """
    sessions = [s for s in sessions if s.train or s.val]
    by_epoch = unit == 'epoch' or (
        unit is None
        and any('epoch' in line for s in sessions for line in s.train)
        and not any('Iter(train)' in s.log for s in sessions)
    )
    if not by_epoch:
        length = None
    else:
        for session in reversed(sessions):
            length = length or session.epoch_length
    train: dict[str, dict[int, float | None]] = {}
    val: dict[str, dict[int, float | None]] = {}
    scale = 1.0
    for session in sessions:
        if session.start is not None:
            # in the log it is counted as in the session before
            start = round(session.start * scale)
            for points in (*train.values(), *val.values()):
                for i in [i for i in points if i > start]:
                    del points[i]
        own = session.epoch_length if by_epoch else None
        scale = (length or 1) / (own or length or 1)
        for line in session.train:
            _add(train, line, round(line['iter'] * scale))
        for line, before in session.val:
            place = _place(line['step'], before, own or length, by_epoch)
            _add(val, line, round(place * scale))
    return Scalars(_series(train), _series(val), length, by_epoch)


def _place(step: int, before: dict | None, length: int | None, by_epoch: bool) -> int:
    """Iterations done at a validation, of which the log says epoch or iteration.

    Args:
        step: What it says.
        before: Line of the training before; None where there is none.
        length: Iterations of an epoch.
        by_epoch: Whether the run counts epochs.
    """
    last = before['iter'] if before else 0
    if not by_epoch:
        # 0 where the epoch is logged, of a run that counts none
        return max(step, last)
    if before is not None and step > max(before.get('epoch', step), 1):
        return step  # no epoch has so high a number yet
    return step * length if length else max(step, last)


def _add(points: dict[str, dict], line: dict, iteration: int) -> None:
    for name, value in line.items():
        if name not in PLACE:
            points.setdefault(name, {})[iteration] = value


def _series(points: dict[str, dict]) -> dict[str, Series]:
    return {
        name: Series(sorted(values), [values[i] for i in sorted(values)])
        for name, values in points.items()
        if values
    }
