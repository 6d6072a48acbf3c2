"""What a page says of a run beside its curves: cost, place, config."""

import os.path as osp
from datetime import datetime, timedelta, timezone
from typing import Any

from projects.core.reports.blocks import Bars, Block, Number, Section, Table, Text
from projects.core.reports.record import Record
from projects.core.reports.runs import Run

STEPS = {'train': 'training', 'predict': 'prediction'}
# parts of a step in the order in which they happen; others come last
PARTS = ('data', 'forward', 'loss', 'rest', 'backward', 'optimiser', 'decode', 'NMS')


def in_words(seconds: float) -> str:
    """A duration, '1:02:03' or '3.2 s'."""
    if seconds < 60:
        return f'{seconds:.1f} s'
    return f'{timedelta(seconds=round(seconds))} (h:mm:ss)'


def local_time(text: Any) -> str:
    """An ISO 8601 time in the form of a page, as it is where it is none."""
    try:
        moment = datetime.fromisoformat(str(text).replace('Z', '+00:00'))
    except ValueError:
        return str(text)
    if moment.tzinfo is None:
        return f'{moment:%Y-%m-%d %H:%M:%S}'
    return f'{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC'


def scaled(value: float) -> tuple[float, str]:
    """A count with the prefix of its thousands: 1.2 and 'M' of 1,200,000."""
    for prefix, size in (('T', 1e12), ('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if abs(value) >= size:
            return value / size, prefix
    return value, ''


def cost_of(run: Run) -> Section | None:
    """Time by part of a step, and what the model and a step cost."""
    if run.record is None:
        return None
    blocks = [*_times(run.record), *_cost(run.record)]
    return Section('Time and cost', blocks) if blocks else None


def _times(record: Record) -> list[Block]:
    times = {
        STEPS.get(kind, kind): dict(sorted(parts.items(), key=_order))
        for kind, parts in record.times.items()
        if parts
    }
    if not times:
        return []
    rows: list[list[str | Number]] = []
    for kind, parts in times.items():
        total = sum(parts.values())
        for part, seconds in parts.items():
            share = 100 * seconds / total if total else None
            rows.append([f'{kind}: {part}', 1000 * seconds, share])
        rows.append([f'{kind}: all', 1000 * total, 100 if total else None])
    charts = [
        Bars(
            f'run-shares-{kind}',
            f'Where the time of {kind} goes',
            ['one batch'],
            'milliseconds',
            {part: [1000 * seconds] for part, seconds in parts.items()},
            stacked=True,
        )
        for kind, parts in times.items()
    ]
    table = Table(
        'run-times',
        'Time by part of a step',
        ['part', 'time (ms)', 'share (%)'],
        rows,
        digits=2,
        note='Medians of sampled steps, of a whole batch. "data" is the time in which '
        'the model waits for it: short where the loader is faster than the model.',
    )
    return [*charts, table]


def _order(part: tuple[str, float]) -> int:
    return PARTS.index(part[0]) if part[0] in PARTS else len(PARTS)


def _cost(record: Record) -> list[Block]:
    rows: list[list[str | Number]] = []

    def add(name: str, value: float | None, unit: str) -> None:
        if value is not None:
            number, prefix = scaled(value)
            rows.append([name, number, f'{prefix}{unit}'])

    if record.parameters is not None:
        rows.append(['parameters', record.parameters, ''])
    if record.trainable is not None:
        rows.append(['trained parameters', record.trainable, ''])
    add('prediction of one input', record.macs, 'MAC')
    add('training step of one batch', record.step_flops, 'FLOP')
    for kind, rate in record.throughput.items():
        rows.append([f'{STEPS.get(kind, kind)} rate', rate, 'samples/s'])
    for key, name in (('peak_rss', 'CPU'), ('peak_gpu', 'GPU')):
        if size := record.memory.get(key):
            rows.append([f'{name} memory, peak', size / 2**20, 'MiB'])
    if not rows:
        return []
    return [
        Table(
            'run-cost',
            'Cost',
            ['quantity', 'value', 'unit'],
            rows,
            digits=2,
            note='One MAC is a multiplication and the addition after it; one FLOP is '
            'either of them. Counted are convolutions and matrix products: of one '
            'input forward; of a training step forward and backward, for the whole '
            f'batch{f" of {record.batch_size}" if record.batch_size else ""}. The '
            "memory is that of the main process, without its data loader's workers.",
        )
    ]


def setting_of(run: Run) -> Section | None:
    """Sessions, data, environment and code."""
    record = run.record
    if record is None:
        return None
    blocks = []
    if record.sessions:
        rows = [
            [
                str(i + 1),
                local_time(session.get('started', '')),
                in_words(session.get('seconds') or 0),
                session.get('first_iter'),
                session.get('last_iter'),
                session.get('end') or _open_end(run, i),
            ]
            for i, session in enumerate(record.sessions)
        ]
        blocks.append(
            Table(
                'run-sessions',
                'Sessions',
                ['session', 'started', 'lasted', 'from iteration', 'to', 'end'],
                rows,
                note='One for each start of the program; all but the first resumed '
                'from a checkpoint.',
            )
        )
    if record.data:
        rows = [
            [
                name,
                data.get('type'),
                data.get('size'),
                (data.get('checksum') or '')[:16],
            ]
            for name, data in record.data.items()
        ]
        blocks.append(
            Table(
                'run-data',
                'Data',
                ['loader', 'data set', 'samples', 'checksum'],
                rows,
                note='The checksum is that of what the data set holds, wherever it '
                'lies: runs of equal checksums saw the same data. Its first 16 of 64 '
                'digits, the others are in run.json.',
            )
        )
    environment = {
        **{name: str(value) for name, value in record.environment.items()},
        'processes': str(record.world_size or ''),
        'seed': '' if record.seed is None else str(record.seed),
        'MMAtlas': record.version,
    }
    rows = [[name, value] for name, value in environment.items() if value]
    blocks.append(Table('run-environment', 'Environment', ['what', 'value'], rows))
    blocks += _code(record)
    return Section('Where and how it ran', blocks)


def _open_end(run: Run, index: int) -> str:
    is_last = index == len(run.record.sessions) - 1
    return 'running' if is_last and run.status == 'running' else 'killed'


def _code(record: Record) -> list[Block]:
    code = record.code
    if not code:
        return []
    changed = code.get('changed') or []
    rows = [
        ['commit', str(code.get('commit') or '')],
        ['branch', str(code.get('branch') or '')],
        ['changed files', str(len(changed))],
    ]
    rows += [['changed file', str(name)] for name in changed]
    if code.get('diff_sha256'):
        rows.append(['SHA-256 of the changes', str(code['diff_sha256'])])
    note = (
        'Files were changed since the commit: the commit alone does not give this run '
        'again.'
        if changed
        else 'No file was changed since the commit.'
    )
    return [Table('run-code', 'Code', ['what', 'value'], rows, note=note)]


def config_of(run: Run) -> Section | None:
    """What the config sets over its bases, and all of it."""
    blocks: list[Block] = []
    if run.record and run.record.overrides:
        rows = [
            [
                str(change.get('key', '')),
                *(_text(change.get(k)) for k in ('base', 'value')),
            ]
            for change in run.record.overrides
        ]
        blocks.append(
            Table(
                'run-overrides',
                'What this config changes',
                ['key', 'base', 'this run'],
                rows,
                note='What the run config and --cfg-options set over the files of '
                '_base_. "–" stands for a key that is not there.',
            )
        )
    if run.config_text:
        note = f'With all bases merged, as in {osp.basename(run.config_name)}.'
        text = run.config_text
        blocks.append(
            Text('run-config', 'The whole config', text, verbatim=True, note=note)
        )
    return Section('Config', blocks) if blocks else None


def _text(value: Any) -> str:
    return '–' if value is None else str(value)
