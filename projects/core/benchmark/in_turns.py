"""Whole trainings in turns: what a recipe costs, and what it comes to."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from statistics import mean

from projects.core.benchmark.run import project_logger
from projects.core.config import find_config
from projects.core.errors import UserError
from projects.core.files import check_outputs, write_text
from projects.core.values import TEXT, checked, several, whole
from projects.core.variants import config_root

TRAINED = re.compile(r'trained in (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)$', re.MULTILINE)


@checked(seeds=several(whole(0)), metric=TEXT)
def train_in_turns(
    configs: list[str],
    out: str,
    seeds: tuple[int, ...] = (0, 1, 2),
    metric: str = 'accuracy/top1',
) -> str:
    """Train configs in turns, with each seed, by ``tools/train.py``.

    The order turns round from seed to seed, so that a machine that becomes slower
    hurts them alike. A run that is complete is not repeated.

    Args:
        configs: Run configs; times are compared with the first one's.
        out: Folder of the runs and of ``table.md``.
        seeds: Of the runs.
        metric: What the last validation of each is asked for.

    Returns:
        The table, in Markdown: per config the metric and the seconds of each seed,
        their means, and the ratio of the seconds to those of the first config.

    Raises:
        UserError: On a mistake in the arguments, or if a run fails.
    """
    files = [find_config(config) for config in configs]
    names = [Path(file).stem for file in files]
    if len(set(names)) < len(names):
        raise UserError(f'{", ".join(names)}: two configs of one name')
    table = str(Path(out) / 'table.md')
    check_outputs([table], '--out')
    logger = project_logger()
    results: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    for i, seed in enumerate(seeds):
        order = list(zip(names, files, strict=True))
        for name, file in order if i % 2 == 0 else reversed(order):
            work_dir = Path(out) / name / f'seed_{seed}'
            if _result(work_dir, metric) is None:
                _train(file, work_dir, seed)
            result = _result(work_dir, metric)
            if result is None:
                raise UserError(f'{work_dir}: no validation gave {metric}')
            results[name].append(result)
            logger.info(f'{name}, seed {seed}: {metric} {result[0]:.4g}, {result[1]} s')
    text = _table(results, seeds, metric)
    write_text(table, text, '--out')
    logger.info(f'{table}:\n\n{text}')
    return text


def _train(config: str, work_dir: Path, seed: int) -> None:
    tool = config_root().parent / 'tools/train.py'
    done = subprocess.run(
        [
            *(sys.executable, str(tool), config, '--work-dir', str(work_dir)),
            *('--cfg-options', f'randomness.seed={seed}'),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ['']
        raise UserError(f'{work_dir}: {lines[-1].removeprefix("error: ")}')


def seconds_of(work_dir: Path) -> int | None:
    """Seconds that the last training in a folder took; None where it was stopped."""
    logs = sorted(work_dir.glob('*/*.log'))
    found = TRAINED.search(logs[-1].read_text(encoding='utf-8')) if logs else None
    if found is None:
        return None
    days, hours, minutes, seconds = (int(n or 0) for n in found.groups())
    duration = timedelta(days, hours=hours, minutes=minutes, seconds=seconds)
    return round(duration.total_seconds())


def _result(work_dir: Path, metric: str) -> tuple[float, int] | None:
    """The metric of the last validation and the seconds, of a complete run."""
    seconds = seconds_of(work_dir)
    if seconds is None:
        return None
    scalars = sorted(work_dir.glob('*/*.log'))[-1].parent / 'vis_data/scalars.json'
    rows = map(json.loads, scalars.read_text(encoding='utf-8').splitlines())
    values = [row[metric] for row in rows if metric in row]
    return (values[-1], seconds) if values else None


def _table(
    results: dict[str, list[tuple[float, int]]], seeds: tuple[int, ...], metric: str
) -> str:
    first = next(iter(results.values()))
    columns = [
        'config',
        f'{metric}, seeds {", ".join(map(str, seeds))}',
        'mean',
        'seconds',
        'mean',
        'time, of the first',
    ]
    rows = [columns, ['---'] * len(columns)]
    for name, runs in results.items():
        values, seconds = zip(*runs, strict=True)
        ratios = [s / f[1] for s, f in zip(seconds, first, strict=True)]
        rows.append(
            [
                f'`{name}`',
                ', '.join(f'{value:.2f}' for value in values),
                f'{mean(values):.2f}',
                ', '.join(map(str, seconds)),
                f'{mean(seconds):.0f}',
                f'{mean(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})',
            ]
        )
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)
