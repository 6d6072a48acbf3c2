"""All measurements that wait for a GPU, in one call and a given time.

Behind ``tools/analysis_tools/gpu_campaign.py``. A worker process does the rows in
order of importance and writes each to a journal as soon as it is there; the caller
starts it again where it died, and it goes on after the row that killed it.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from projects.core.benchmark.journal import Journal
from projects.core.errors import UserError
from projects.core.files import check_outputs, make_folder
from projects.core.values import PATH, above, checked
from projects.core.variants import list_models

SECTIONS = ('tests', 'rates', 'models')
# first, and in all modes; the variants that are not here follow by name
IMPORTANT = (
    'resnet50',
    'ssd300_vgg16',
    'yolov1',
    'ssdlite320_mobilenet_v3_large',
    'densenet121',
    'vgg16_bn',
    'resnet18',
    'googlenet',
)
COMPILED = ('resnet50', 'ssd300_vgg16', 'resnet18')
REPORTS = ('report.json', 'report.md')
FIRST = b'{"begun": '  # how a campaign's rows begin
HANGING = 240  # seconds without a row after which a worker is ended


@dataclass(frozen=True)
class Settings:
    """What a campaign does.

    Args:
        out: Folder of all that is written.
        deadline: When to end, in seconds of ``time.time``.
        device: 'cuda' or 'cpu'.
        models: Variants in order of importance.
        sections: Of :data:`SECTIONS`.
        tiny: A trial: two batch sizes, small inputs, no compilation.
    """

    out: str
    deadline: float
    device: str
    models: tuple[str, ...]
    sections: tuple[str, ...] = SECTIONS
    tiny: bool = False


@checked(out=PATH, minutes=above(0))
def campaign(
    out: str,
    minutes: float = 25,
    models: list[str] | None = None,
    device: str | None = None,
    tiny: bool = False,
    sections: list[str] | None = None,
    isolated: bool = True,
) -> dict:
    """Run the tests marked for a GPU, measure matrix rates and all models.

    A folder that holds a campaign is gone on with: what is there is not measured
    again.

    Args:
        out: Folder for ``report.md``, ``report.json`` and ``rows.jsonl``, which are
            whole at every moment; nothing is written elsewhere.
        minutes: Wall-clock time of the whole.
        models: Variants to measure, the most important first; all by default.
        device: 'cuda' or 'cpu'; a GPU where there is one by default.
        tiny: A trial of the campaign itself.
        sections: Some of 'tests', 'rates' and 'models'; all by default.
        isolated: In a process of its own, which may crash; else in this one.

    Returns:
        The content of ``report.json``.

    Raises:
        UserError: On a mistake in the arguments, or if no row can be measured.
    """
    unknown = sorted({*(models or ())} - {*list_models()})
    if unknown:
        raise UserError(f'--models {unknown[0]}: no such model; see list_models()')
    _check_folder(out)
    import torch  # after what is refused

    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise UserError(f'--device {device}: torch sees no GPU here')
    settings = Settings(
        out=os.path.abspath(out),
        deadline=time.time() + 60 * minutes,
        device=device,
        models=tuple(models or in_order(list_models())),
        sections=tuple(sections or SECTIONS),
        tiny=tiny,
    )
    if isolated:
        command = [sys.executable, '-m', 'projects.core.benchmark.campaign_worker']
        supervise(
            [*command, json.dumps(asdict(settings))],
            Path(settings.out, 'rows.jsonl'),
            settings.deadline,
            environment(settings.out),
        )
    else:
        from projects.core.benchmark.campaign_worker import work

        work(settings)
    from projects.core.benchmark.campaign_report import write_report

    return write_report(settings)


def _check_folder(out: str) -> None:
    """Refuse a folder with other things than a campaign: its tests empty a folder
    of theirs in there, and its rows are added to a file."""
    make_folder(out, '--out')
    rows = Path(out, 'rows.jsonl')
    is_campaign = (
        rows.is_file()
        and not rows.is_symlink()
        and rows.read_bytes()[: len(FIRST)] in (FIRST, b'')
    )
    if os.listdir(out) and not is_campaign:
        raise UserError(
            f'--out {out} holds other files than those of a campaign; name a folder '
            'that is empty or not there'
        )
    rows.touch()  # by which the folder is known from now on
    check_outputs([str(Path(out, name)) for name in REPORTS], '--out')


def in_order(names: list[str]) -> list[str]:
    """Variants, the important ones first."""
    first = [name for name in IMPORTANT if name in names]
    return first + [name for name in names if name not in first]


def environment(out: str) -> dict[str, str]:
    """Variables by which nothing is written outside a folder."""
    folders = dict(
        TMPDIR='tmp',
        TORCHINDUCTOR_CACHE_DIR='cache/inductor',
        TRITON_CACHE_DIR='cache/triton',
        CUDA_CACHE_PATH='cache/cuda',
        MPLCONFIGDIR='cache/matplotlib',
        XDG_CACHE_HOME='cache',
    )
    for folder in folders.values():
        os.makedirs(os.path.join(out, folder), exist_ok=True)
    root = str(Path(__file__).resolve().parents[3])  # that holds `projects`
    return {
        **os.environ,
        **{name: os.path.join(out, folder) for name, folder in folders.items()},
        'PYTHONDONTWRITEBYTECODE': '1',
        'PYTHONPATH': os.pathsep.join(
            [root, *filter(None, [os.environ.get('PYTHONPATH')])]
        ),
    }


def supervise(
    command: list[str],
    rows: Path,
    deadline: float,
    env: dict[str, str],
    hanging: float = HANGING,
    poll: float = 1.0,
) -> None:
    """Run a worker until it is done, anew where it crashed or hangs.

    A row that a worker leaves without an end is ended with a ``failure``, so that
    the next one goes on after it.

    Args:
        command: The worker's; it exits with 0 when there is nothing left to do.
        rows: File of its :class:`Journal`.
        deadline: When it is ended, in seconds of ``time.time``.
        env: Its environment.
        hanging: Seconds without a line in ``rows`` after which it is ended.
        poll: Seconds between two looks.

    Raises:
        UserError: If a worker ends without a single line.
    """
    while True:
        size = rows.stat().st_size if rows.is_file() else 0
        started = time.time()
        worker = subprocess.Popen(command, env=env)
        reason = ''
        try:
            while worker.poll() is None:
                changed = rows.stat().st_mtime if rows.is_file() else 0
                if time.time() > deadline + 30:
                    reason = 'the time was over'
                elif time.time() - max(changed, started) > hanging:
                    reason = f'more than {hanging:g} s'
                if reason:
                    worker.kill()
                    worker.wait()
                else:
                    time.sleep(poll)
        finally:
            if worker.poll() is None:  # Ctrl-C here
                worker.kill()
                worker.wait()
        if worker.returncode == 0:
            return
        journal = Journal(rows)
        for name in list(journal.begun):
            journal.end(
                name, failure=reason or f'its process ended ({worker.returncode})'
            )
        if time.time() > deadline:
            return
        if not rows.is_file() or rows.stat().st_size == size:
            raise UserError(
                f'the worker ended with {worker.returncode} before its first row; '
                'its own message is above'
            )
