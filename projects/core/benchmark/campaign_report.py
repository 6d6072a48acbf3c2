"""A campaign's rows as Markdown and JSON."""

import json
import platform
import subprocess
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

import torch

from projects.core.benchmark.campaign import Settings
from projects.core.benchmark.journal import Journal
from projects.core.benchmark.tables import MIB, spread
from projects.core.devices import device_name
from projects.core.files import write_text

LABELS = dict(forward='network alone', predict='prediction', train='training')


def machine(device: torch.device) -> dict[str, str]:
    """What is measured on, by label."""
    facts = {
        'device': device_name(device),
        'driver': _driver() if device.type == 'cuda' else '-',
        'torch': torch.__version__,
        'CUDA': torch.version.cuda or '-',
        'Python': platform.python_version(),
        'date': datetime.now(timezone.utc).date().isoformat(),
    }
    if device.type == 'cuda':
        facts['memory'] = (
            f'{torch.cuda.get_device_properties(device).total_memory / 2**30:.0f} GiB'
        )
        facts['cuDNN'] = str(torch.backends.cudnn.version())
    else:
        facts['threads'] = str(torch.get_num_threads())
    for name in ('torchvision', 'timm', 'mmdet', 'mmpretrain'):
        try:
            facts[name] = import_module(name).__version__
        except ImportError:
            facts[name] = 'not installed'
    return facts


def _driver() -> str:
    try:
        found = subprocess.run(
            ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader'],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return 'unknown'
    return found.stdout.splitlines()[0].strip()


def write_report(settings: Settings) -> dict:
    """Write ``report.json`` and ``report.md``, each whole at every moment.

    Returns:
        The content of ``report.json``.
    """
    from projects.core.benchmark.campaign_worker import plan, row_id

    out = Path(settings.out)
    rows = Journal(out / 'rows.jsonl').rows
    planned = [row_id(n, mode) for n, modes in plan(settings) for mode in modes]
    planned = [
        *(section for section in settings.sections if section != 'models'),
        *(planned if 'models' in settings.sections else []),
    ]
    report = dict(
        machine=rows.get('machine', {}).get('machine', {}),
        tests=rows.get('tests'),
        rates=rows.get('rates', {}).get('rates', {}),
        rows=[row for row in rows.values() if 'model' in row],
        failures={k: row['failure'] for k, row in rows.items() if 'failure' in row},
        not_measured=[name for name in planned if name not in rows],
    )
    for name, text in (
        ('report.json', json.dumps(report, indent=1)),
        ('report.md', markdown(report)),
    ):
        write_text(str(out / name), text, '--out')
    return report


def markdown(report: dict) -> str:
    """The report's tables, ready for a README."""
    facts = ', '.join(f'{label} {value}' for label, value in report['machine'].items())
    lines = ['# Measurements', '', facts, '']
    lines += ['Medians; ratios are of times, with quartiles: above 1 ours is faster.']
    lines += ['']
    if report['tests'] is not None:
        lines += ['## Tests marked for a GPU', '']
        lines += table(
            ['test', 'outcome'],
            [[f'`{n}`', o] for n, o in report['tests'].get('outcomes', {}).items()],
        )
    if report['rates']:
        lines += ['## Rate of large matrix products', '']
        lines += table(
            ['numbers', 'TFLOP/s'],
            [[name, f'{rate:.3g}'] for name, rate in report['rates'].items()],
        )
    for mode in dict.fromkeys(row['mode'] for row in report['rows']):
        for step, label in LABELS.items():
            lines += [f'## {mode[0].upper()}{mode[1:]}: {label}', '']
            lines += _step_table(step, mode, report)
    if report['failures']:
        lines += ['## Failed', '']
        lines += [f'- {name}: {why}' for name, why in report['failures'].items()]
        lines += ['']
    if report['not_measured']:
        lines += ['## Not measured, the time was over', '']
        lines += [f'- {name}' for name in report['not_measured']]
        lines += ['']
    return '\n'.join(lines)


def _step_table(step: str, mode: str, report: dict) -> list[str]:
    """A row per model and batch size; ratios are of the others' times to ours,
    above 1 where ours is faster."""
    rows = [row for row in report['rows'] if row['mode'] == mode]
    sides = dict.fromkeys(side for row in rows for side in row['sides'])
    others = [side for side in sides if side != 'ours']
    heads = ['model', 'input', 'batch', 'inputs/s', *(f'{s} / ours' for s in others)]
    heads.append('share of the matrix rate' if step != 'predict' else '')
    heads.append('peak MiB' if step != 'forward' else '')
    cells = []
    for row in sorted(rows, key=lambda row: (row['model'], row['batch_size'])):
        ours = row['sides']['ours'][step]
        line = [
            f'`{row["model"]}`',
            ' x '.join(map(str, row['input_size'])),
            str(row['batch_size']),
            ours.get('failure') or f'{ours["per_second"]:.4g}',
        ]
        for side in others:
            theirs = row['sides'].get(side, {}).get(step, {})
            line.append(theirs.get('failure') or spread(theirs.get('ratio'), 2))
        share = _share(row, step, ours, report)
        line.append('-' if share is None else f'{share:.1%}')
        peak = ours.get('peak_bytes')
        line.append('-' if peak is None else f'{peak / MIB:,.0f}')
        cells.append(line)
    kept = [i for i, head in enumerate(heads) if head]
    return table([heads[i] for i in kept], [[line[i] for i in kept] for line in cells])


def _share(row: dict, step: str, numbers: dict, report: dict) -> float | None:
    """FLOP/s of a step in those of matrix products with the same numbers."""
    flops = next(
        (
            r['flops']
            for r in report['rows']
            if r['model'] == row['model'] and 'flops' in r
        ),
        {},
    )
    rate = report['rates'].get(row['share_of'])
    if step not in flops or not rate or 'failure' in numbers:
        return None
    return flops[step] * numbers['per_second'] / (rate * 1e12)


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table, an empty one last."""
    lines = [heads, ['---'] * len(heads), *rows]
    return [f'| {" | ".join(line)} |' for line in lines] + ['']
