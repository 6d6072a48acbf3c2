"""Python API of ``tools/atlas.py``: all architectures side by side."""

import fnmatch
import os
import os.path as osp
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from projects.core.benchmark.run import project_logger
from projects.core.config.find import find_config, run_configs
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.errors import UserError, close_names, one_line
from projects.core.files import check_outputs, make_folder, write_text
from projects.core.reports.atlas import sections_of
from projects.core.reports.atlas_chart import draw_atlas_chart, panels_of
from projects.core.reports.record import FINISHED, read_record
from projects.core.reports.runs import Run, read_run
from projects.core.values import FLAG, PATH, checked, optional, whole
from projects.core.variants import config_root

# what trains on a CPU in minutes, on data that come with the project
PATTERNS = ('*_digits', '*_digits-coco')


@checked(work_dirs=PATH, out=optional(PATH), jobs=whole(1), train=FLAG)
def atlas(
    configs: Sequence[str] = (),
    work_dirs: str = 'work_dirs',
    out: str | None = None,
    jobs: int = 1,
    train: bool = True,
) -> str:
    """Train what is asked for and was not trained yet; lay all of it side by side.

    Each config is trained in a process of its own, as ``tools/train.py`` does it,
    into the folder of its name below ``work_dirs``. One that is there finished is
    taken up, one that was stopped goes on. A training that fails is named at the end
    and on the page, and the others go on.

    Args:
        configs: Files of configs, or patterns of their names such as ``'resnet*'``;
            all that end in ``_digits`` or ``_digits-coco`` by default.
        work_dirs: Folder of the work dirs.
        out: File of the page; ``<work_dirs>/atlas.html`` by default. Beside it stands
            a picture of it, a PNG.
        jobs: Trainings at a time, which share the cores.
        train: False to take up what is there and train nothing.

    Returns:
        The page's file.

    Raises:
        UserError: If no config is meant by a name, or no run is there.
    """
    logger = project_logger()
    files = chosen(configs)
    out = out or osp.join(work_dirs, 'atlas.html')
    check_outputs([out, osp.splitext(out)[0] + '.png'], '--out')
    folders = {str(file): osp.join(work_dirs, file.stem) for file in files}
    failures: dict[str, str] = {}
    if train:
        make_folder(work_dirs, '--work-dirs')
        missing = [file for file in files if not is_finished(folders[str(file)])]
        logger.info(
            f'{len(files)} configs: {len(files) - len(missing)} are trained already, '
            f'{len(missing)} to go'
        )
        for i, (file, seconds, error) in enumerate(_trained(missing, folders, jobs), 1):
            took = f'in {timedelta(seconds=round(seconds))}'
            logger.info(
                f'[{i}/{len(missing)}] {file.stem}: '
                + (f'failed {took}: {error}' if error else f'trained {took}')
            )
            if error:
                failures[file.stem] = error
    for what, file in write_page(folders, out, failures).items():
        logger.info(f'{what}: {osp.relpath(file)}')
    return out


def write_page(
    folders: dict[str, str], out: str, failures: dict[str, str]
) -> dict[str, str]:
    """Write the page of runs, and its picture beside it.

    Args:
        folders: Work dirs by config file.
        out: File of the page.
        failures: Why a training failed, by the config's name.

    Returns:
        dict: The files, 'page' and, if there is something to draw, 'picture'.

    Raises:
        UserError: If there is no run at all.
    """
    from projects.core.reports.page import render

    runs: dict[str, Run | str] = {}
    for file, folder in folders.items():
        try:
            runs[file] = read_run(folder)
        except UserError as error:
            runs[file] = failures.get(Path(file).stem) or str(error)
    num = sum(isinstance(run, Run) for run in runs.values())
    if not num:
        reason = next(iter(runs.values()))
        raise UserError(f'none of the {len(runs)} configs has a run: {reason}')
    sections, notices = sections_of(runs, out)
    facts = [('runs', f'{num} of {len(runs)} configs')]
    write_text(out, render('Atlas', facts, sections, notices), '--out')
    files = dict(page=out)
    if panels_of(runs):
        files['picture'] = osp.splitext(out)[0] + '.png'
        draw_atlas_chart(runs, files['picture'])
    return files


def chosen(configs: Sequence[str]) -> list[Path]:
    """The files of configs that are meant, by names or patterns, each once.

    Raises:
        UserError: If a name or a pattern means none.
    """
    known = {path.stem: path for path in sorted(run_configs())}
    files: dict[Path, None] = {}
    for name in configs or PATTERNS:
        stem = name.removesuffix('.py')
        found = [known[k] for k in fnmatch.filter(known, stem)]
        if not found and any(c in name for c in '*?['):
            raise UserError(f"no config has a name like '{name}'")
        if not found and not name.endswith('.py'):
            close = close_names(name, known, 0.5)
            raise UserError(
                f"no config '{name}'; "
                + (
                    'did you mean ' + ' or '.join(close) + '?'
                    if close
                    else "give a file, or a pattern such as 'resnet*'"
                )
            )
        files.update(dict.fromkeys(found or [find_config(name)]))
    stems = [file.stem for file in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise UserError(f'two of the configs are named {twice}.py; give one of them')
    return list(files)


def is_finished(folder: str) -> bool:
    """Whether a run went to its end there."""
    if not osp.isdir(folder):
        return False
    record = read_record(folder)
    return record is not None and record.end == FINISHED


def _trained(
    files: list[Path], folders: dict[str, str], jobs: int
) -> Iterator[tuple[Path, float, str]]:
    """Train; file, seconds and the error, if any, of each in order."""
    tool = config_root().parent / 'tools/train.py'
    threads = max(1, (os.cpu_count() or 1) // jobs)
    processes: list[subprocess.Popen] = []

    def run(file: Path) -> tuple[float, str]:
        start = time.monotonic()
        folder = folders[str(file)]
        command = [sys.executable, str(tool), str(file), '--work-dir', folder]
        if osp.isdir(folder) and newest_checkpoint(folder) is not None:
            command.append('--resume')
        environment = dict(os.environ)
        if jobs > 1:
            environment.setdefault('OMP_NUM_THREADS', str(threads))
        with tempfile.TemporaryFile('w+', errors='replace') as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
            processes.append(process)
            status = process.wait()
            output.seek(0)
            lines = output.read().strip().splitlines() or ['']
        error = one_line(lines[-1]).removeprefix('error: ') if status else ''
        return time.monotonic() - start, error

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run, file) for file in files]
        try:
            for file, future in zip(files, futures, strict=True):
                yield file, *future.result()
        except BaseException:  # Ctrl-C above all
            for future in futures:
                future.cancel()
            for process in processes:
                process.terminate()
            raise
