"""What a run writes about itself: ``run.json`` in its work dir.

::

    {"schema": "mmatlas-run-1",
     "version": "0.1.0",                 # of MMAtlas
     "config": "configs/lenet/....py",   # as the user gave it
     "task": "a classifier",
     "model": "ImageClassifier",
     "command": ["python", "tools/train.py", ...],
     "seed": 0, "world_size": 1, "batch_size": 64, ...,
     "sessions": [{"started": "2026-01-31T12:00:00+00:00", "seconds": 25.1,
                   "first_iter": 0, "last_iter": 460, "end": "finished"}]}

The fields are those of :class:`Record`; all but the first five may be missing.
"""

import dataclasses
import json
import os.path as osp
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from projects.core.errors import UserError, described
from projects.core.files import write_text
from projects.core.reports.blocks import plain
from projects.core.values import TEXT, Rule, number, of_type, optional, whole

SCHEMA = 'mmatlas-run-1'
FILE = 'run.json'
#: how a session of a run ended; '' while it runs, or if it was killed
FINISHED, STOPPED = 'finished', 'stopped'


@dataclass
class Record:
    """A run: what it is, where it ran, what it cost, how it ended.

    Seconds, bytes and samples a second are plain numbers. What is not known is
    None or empty.

    Args:
        schema: :data:`SCHEMA`.
        version: Of MMAtlas.
        config: Path of the config as the user gave it.
        task: Kind of the model, :attr:`projects.core.tasks.task.Task.name`.
        model: Its class.
        command: What trains like this from the beginning, the program first.
        cfg_options: Settings over the config's, ``key.sub=value``.
        seed: Of all random numbers.
        world_size: Processes.
        batch_size: Samples of an iteration of all processes.
        unit: What the training loop counts, 'epoch' or 'iter'.
        length: Of those, what the run is to come to.
        epoch_length: Iterations of an epoch.
        started: When the first session began, ISO 8601, UTC.
        environment: Versions and machine of the last session, texts by name.
        code: State of the git checkout: ``commit``, ``branch``, ``changed`` (names of
            files), ``diff_sha256`` (None without a change); empty without git.
        data: By loader, 'train' and 'val': ``type``, ``size`` and ``checksum`` (see
            :mod:`projects.core.datasets.checksums`).
        overrides: What the config sets over its bases, and the options over that:
            ``key``, ``base`` and ``value`` as texts; ``base`` None where it is new,
            ``value`` None where it is left out.
        parameters: Numbers in the model's weights.
        trainable: Those of them that are trained.
        step_flops: Floating-point operations of a training step, forward and backward.
        macs: Multiply-accumulates of one input in prediction.
        times: Seconds by part of a step, medians of sampled steps: 'train' with
            'data', 'forward', 'loss' ('rest' of a model with a ``train_step`` of its
            own), 'backward', 'optimiser'; 'predict' with 'data', 'forward', 'decode',
            'NMS'. A part that a model does not have is missing.
        throughput: Samples a second, of 'train' and 'predict', all processes together.
        memory: Bytes: 'peak_rss' of the main process without its data loader's
            workers, 'peak_gpu' of tensors on its GPU.
        sessions: One for each start of the program: ``started``, ``seconds``,
            ``first_iter``, ``last_iter`` (iterations done before and after) and
            ``end``, :data:`FINISHED`, :data:`STOPPED` or ''.
        best: By metric: ``score``, ``at`` (in ``unit``), ``checkpoint`` (a file name).
        stopped_early: Why the run ended before its length; None where it did not.
        group: Of a member of a group: ``kind`` ('repeat' or 'fold'), ``index``, ``of``.
    """

    schema: str
    version: str
    config: str
    task: str
    model: str
    command: list[str] = field(default_factory=list)
    cfg_options: list[str] = field(default_factory=list)
    seed: int | None = None
    world_size: int | None = None
    batch_size: int | None = None
    unit: str | None = None
    length: int | None = None
    epoch_length: int | None = None
    started: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    overrides: list[dict[str, Any]] = field(default_factory=list)
    parameters: int | None = None
    trainable: int | None = None
    step_flops: int | None = None
    macs: int | None = None
    times: dict[str, dict[str, float]] = field(default_factory=dict)
    throughput: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, dict[str, Any]] = field(default_factory=dict)
    group: dict[str, Any] | None = None
    stopped_early: str | None = None

    @property
    def seconds(self) -> float:
        """Of all sessions together."""
        return sum(session.get('seconds') or 0 for session in self.sessions)

    @property
    def end(self) -> str:
        """How the last session ended; '' while it runs, or if it was killed."""
        return self.sessions[-1].get('end', '') if self.sessions else ''

    def write(self, folder: str, option: str = '--work-dir') -> None:
        """Write ``run.json``.

        Raises:
            UserError: As of :func:`projects.core.files.output_file`.
        """
        text = json.dumps(plain(self), ensure_ascii=False, indent=1, allow_nan=False)
        write_text(osp.join(folder, FILE), text + '\n', option)


def _list(rule: Rule) -> Rule:
    return Rule(
        f'a list of {rule.words}',
        lambda v: isinstance(v, list) and all(map(rule.fits, v)),
    )


def _by_name(rule: Rule) -> Rule:
    return Rule(
        f'by name {rule.words}',
        lambda v: isinstance(v, dict) and all(rule.fits(item) for item in v.values()),
    )


def _fields(**rules: Rule) -> Rule:
    """Fields by name, which may be missing; others may be there."""
    words = ', '.join(f'{name}: {rule.words}' for name, rule in rules.items())
    return Rule(
        f'fields by name ({words})',
        lambda v: (
            isinstance(v, dict)
            and all(rules[k].fits(item) for k, item in v.items() if k in rules)
        ),
    )


# what each field may be, beyond the text that the first five are
_MOST = 1 << 62
_COUNT = optional(whole(0, _MOST))
_SIZE = number(0, _MOST)
_WORDS = optional(of_type('a text', str))
_CODE = _fields(
    commit=_WORDS,
    branch=_WORDS,
    changed=optional(_list(of_type('texts', str))),
    diff_sha256=_WORDS,
)
_DATA = _fields(type=_WORDS, size=_COUNT, checksum=_WORDS)
_BEST = _fields(score=optional(number(-_MOST, _MOST)), at=_COUNT, checkpoint=_WORDS)
_OVERRIDE = _fields(key=_WORDS, base=_WORDS, value=_WORDS)
_SESSION = _fields(
    started=_WORDS,
    seconds=optional(_SIZE),
    first_iter=_COUNT,
    last_iter=_COUNT,
    end=_WORDS,
)
_GROUP = _fields(kind=_WORDS, index=_COUNT, of=_COUNT)
_RULES = {
    **dict.fromkeys(('command', 'cfg_options'), _list(of_type('texts', str))),
    **dict.fromkeys(('seed', 'world_size', 'batch_size', 'length'), _COUNT),
    **dict.fromkeys(('epoch_length', 'parameters', 'trainable'), _COUNT),
    **dict.fromkeys(('step_flops', 'macs'), _COUNT),
    'unit': optional(Rule("'epoch' or 'iter'", lambda v: v in ('epoch', 'iter'))),
    'started': optional(TEXT),
    'environment': _by_name(of_type('a text', str)),
    'code': _CODE,
    'data': _by_name(_DATA),
    'best': _by_name(_BEST),
    'overrides': _list(_OVERRIDE),
    'sessions': _list(_SESSION),
    'times': _by_name(_by_name(_SIZE)),
    **dict.fromkeys(('throughput', 'memory'), _by_name(_SIZE)),
    'group': optional(_GROUP),
    'stopped_early': _WORDS,
}


def read_record(folder: str) -> Record | None:
    """The record in a work dir; None if there is none.

    Fields that are missing have their defaults; those of no name here are left out.

    Raises:
        UserError: If it is damaged, or of another schema.
    """
    path = Path(folder, FILE)
    try:
        if not path.is_file():
            return None
        document = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(document, dict):
            raise ValueError('it holds no fields by name')
        if document.get('schema') != SCHEMA:
            schema = document.get('schema')
            raise ValueError(f'its schema is {schema!r}, not {SCHEMA!r}')
        known = {f.name: f for f in dataclasses.fields(Record)}
        values = {k: v for k, v in document.items() if k in known}
        for name in known:
            if name not in _RULES and name not in values:
                raise ValueError(f"it lacks '{name}'")
        for name, value in values.items():
            if refusal := _RULES.get(name, TEXT).refusal(value):
                raise ValueError(f"'{name}': {refusal}")
    except json.JSONDecodeError as error:
        raise UserError(f'{path} cannot be read as a run: {error}') from error
    except (OSError, ValueError, RecursionError) as error:
        reason = error if type(error) is ValueError else described(error)
        raise UserError(f'{path} cannot be read as a run: {reason}') from error
    return Record(**values)
