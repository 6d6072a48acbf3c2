"""A judge that is trained once on a machine, and kept."""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

import projects
from projects.core.config import find_config
from projects.core.errors import UserError, one_line
from projects.core.folders import appearing, locked

ROOT = 'data/judges'
CHECKPOINT, REPORT = 'judge.pth', 'judge.json'
# A part of what a judge is known by: raise it with any change of its training.
_VERSION = 1
# The engine stands above the tasks and keeps its state in singletons, of which the
# process that asks has its own: so it runs beside.
_TRAINING = """
import json, os, sys, threading, time
from pathlib import Path
from projects.core.cli import run_tool

def end_with_the_other():
    os.read(0, 1)  # of a pipe whose other end closes with the process that waits
    os._exit(1)

def make(config, folder):
    from projects.core.engine import evaluate, train
    start = time.perf_counter()
    runner = train(config, f'{folder}/run', seed=0)
    last = runner.message_hub.get_info('last_ckpt')
    # not the best on the held-out data, which are to tell how good it is
    checkpoint = Path(last).rename(f'{folder}/judge.pth')
    metrics = evaluate(config, str(checkpoint), work_dir=f'{folder}/test')
    report = dict(metrics=metrics, seconds=round(time.perf_counter() - start, 1))
    Path(f'{folder}/judge.json').write_text(json.dumps(report, indent=1))

threading.Thread(target=end_with_the_other, daemon=True).start()
run_tool(make, *sys.argv[1:])
"""
# by which a launcher tells a process its place among others
_PLACES = (
    'RANK', 'LOCAL_RANK', 'GROUP_RANK', 'ROLE_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE',
    'MASTER_ADDR', 'MASTER_PORT', 'MMATLAS_ERROR_FILE',
)  # fmt: skip
_PREFIXES = ('SLURM_', 'OMPI_', 'PMI_', 'PMIX_', 'TORCHELASTIC_')


@dataclass
class TrainedJudge:
    """A judge on disk.

    Args:
        checkpoint: Its weights.
        accuracy: On held-out data, in %.
    """

    checkpoint: Path
    accuracy: float


def trained_judge(config: str, cfg: Config, root: str | Path = ROOT) -> TrainedJudge:
    """Train a classifier as a config says, unless that was done already.

    It stands in ``ROOT/NAME/DIGEST``, of which the digest is that of the config's
    content: another one has a judge of its own. Of several processes one trains,
    under a lock, while the others wait; a folder appears when it is whole.

    Args:
        config: Config file of a classifier.
        cfg: What it says.
        root: Folder of all judges.

    Raises:
        UserError: If it cannot be trained or written, with the reason.
    """
    content = f'{_VERSION}\n{json.dumps(cfg.to_dict(), sort_keys=True, default=str)}'
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    folder = Path(root).resolve() / find_config(config).stem / digest
    if not _is_made(folder):  # first without a lock: it may be read-only
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                if not _is_made(folder):
                    _make(folder, config)
        except OSError as error:
            raise UserError(
                f'judge: {folder} cannot be written: {error}; choose a folder you may '
                "write to by judge=dict(config=..., root='FOLDER')"
            ) from error
    return TrainedJudge(folder / CHECKPOINT, _accuracy(folder))


def _is_made(folder: Path) -> bool:
    return (folder / CHECKPOINT).is_file() and (folder / REPORT).is_file()


def _accuracy(folder: Path) -> float:
    """Accuracy on the config's test data, in %.

    Raises:
        UserError: If its test gives none.
    """
    try:
        metrics = json.loads((folder / REPORT).read_text('utf-8'))['metrics']
        return next(v for k, v in metrics.items() if k.endswith('accuracy/top1'))
    except StopIteration:
        raise UserError(
            f'judge: the test of {folder.parent.name} gives no accuracy/top1, by which '
            'it is known how good a judge it is; its test_evaluator should be '
            'projects.Accuracy'
        ) from None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f'judge: {folder / REPORT} is damaged ({one_line(error, 80)}); remove '
            f'{folder}, and it is trained again'
        ) from error


def _make(folder: Path, config: str) -> None:
    """Train it in a process beside; the lock is held."""
    name = folder.parent.name
    print_log(
        f'training the judge {name}, once for all runs: {os.path.relpath(folder)} '
        '(one for digits takes about a minute)',
        'current',
    )
    start = time.perf_counter()
    with appearing(folder) as part:
        log = part / 'output.txt'
        with open(log, 'wb') as output:
            process = subprocess.Popen(
                [sys.executable, '-c', _TRAINING, config, str(part)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
            )
            try:
                process.wait()
            finally:  # also Ctrl-C
                process.kill()
                process.communicate()
        if process.returncode:
            lines = log.read_text('utf-8', 'replace').strip().splitlines()
            reason = lines[-1].removeprefix('error: ') if lines else 'without a word'
            raise UserError(
                f'judge: training {name} failed: {one_line(reason)}; tools/train.py '
                f'{config} shows more'
            )
        accuracy = _accuracy(part)
    print_log(
        f'trained the judge in {time.perf_counter() - start:.0f} s: it is right on '
        f'{accuracy:.2f} % of the held-out images',
        'current',
    )


def _environment() -> dict[str, str]:
    """That of a process of its own, which finds the project where this one does."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _PLACES and not name.startswith(_PREFIXES)
    }
    here = str(Path(projects.__path__[0]).parent)
    paths = [here, *filter(None, [environment.get('PYTHONPATH')])]
    return {**environment, 'PYTHONPATH': os.pathsep.join(paths)}
