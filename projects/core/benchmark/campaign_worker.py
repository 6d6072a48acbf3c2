"""The process that does a campaign's rows."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch

from projects.core.benchmark.campaign import COMPILED, IMPORTANT, Settings, environment
from projects.core.benchmark.campaign_report import machine, write_report
from projects.core.benchmark.journal import Journal
from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
from projects.core.benchmark.references import references_of
from projects.core.benchmark.run import project_logger
from projects.core.benchmark.throughput import (
    Mode,
    flops_of,
    kind_of_rate,
    matrix_rates,
    measure,
    prepare,
)
from projects.core.config import find_config_or_model
from projects.core.quiet import quiet_libraries

TESTS_SECONDS = 420  # at most, and a third of the time that there is
BROKEN = 75  # exit status: the GPU's context is lost, start another process

# the first two say most: all models have them before any has more
MODES = (
    Mode(64, 'bfloat16', channels_last=True),
    Mode(64, 'float32'),
    Mode(1, 'bfloat16', channels_last=True),
    Mode(1, 'float32'),
    Mode(8, 'bfloat16', channels_last=True),
    Mode(8, 'float32'),
    Mode(64, 'bfloat16'),
    Mode(64, 'float32', channels_last=True),
)
COMPILED_MODES = (
    Mode(64, 'bfloat16', channels_last=True, compile=True),
    Mode(1, 'bfloat16', channels_last=True, compile=True),
    Mode(64, 'float32', compile=True),
)
TINY_MODES = (Mode(1, 'float32'), Mode(2, 'bfloat16', channels_last=True))


class TimeLimit(Exception):
    """A row took longer than it may."""


class Broken(Exception):
    """Nothing more runs on this GPU in this process."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeLimit` in the block after some seconds of wall clock."""

    def stop(signum, frame):
        raise TimeLimit(f'more than {seconds:.0f} s')

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def failure(error: Exception) -> str:
    """Words for what a row raised."""
    if isinstance(error, (TimeLimit, Broken)):
        raise error  # not a matter of one side
    if isinstance(error, torch.OutOfMemoryError):
        return 'out of memory'
    if 'CUDA error' in str(error):
        raise Broken(str(error).splitlines()[0]) from error
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[0][:200]}'


def plan(settings: Settings) -> list[tuple[str, tuple[Mode, ...]]]:
    """Models and modes, the most important first."""
    if settings.tiny:
        return [(name, TINY_MODES) for name in settings.models]
    important = [name for name in settings.models if name in IMPORTANT]
    others = [name for name in settings.models if name not in important]
    return [
        *((name, MODES) for name in important),
        *((name, COMPILED_MODES) for name in important if name in COMPILED),
        *((name, MODES[:2]) for name in others),
        *((name, MODES[2:]) for name in others),
    ]


def row_id(name: str, mode: Mode) -> str:
    return f'models/{name}/batch {mode.batch_size}/{mode.name}'


class Worker:
    """Does the rows that the journal lacks, until the time is over."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        self.journal = Journal(Path(settings.out, 'rows.jsonl'))
        self.logger = project_logger()
        self.parent = os.getppid()

    def left(self) -> float:
        """Seconds until the end; none once nobody waits for the rows."""
        if os.getppid() != self.parent:
            return 0.0
        return self.settings.deadline - time.time()

    def row(self, name: str, seconds: float, function: Callable[[], dict]) -> None:
        """Do a row within a time, whatever happens in it, and write it down."""
        if name in self.journal or self.left() <= 0:
            return
        start = time.monotonic()
        self.journal.begin(name)
        broken = None
        try:
            with time_limit(min(seconds, self.left())):
                result = function()
        except (TimeLimit, Broken) as error:
            result = dict(failure=str(error))
            broken = isinstance(error, Broken)
            if not broken and self.left() < 1:  # not the row's fault: next time
                self.journal.drop(name)
                return
        except Exception as error:
            try:
                result = dict(failure=failure(error))
            except Broken as lost:
                result, broken = dict(failure=str(lost)), True
        self.journal.end(name, seconds=time.monotonic() - start, **result)
        write_report(self.settings)
        self.logger.info(
            f'{name}: {result.get("failure", "done")}; {self.left() / 60:.1f} min left'
        )
        if broken:
            sys.exit(BROKEN)

    def run(self) -> None:
        self.row('machine', 60, lambda: dict(machine=machine(self.device)))
        for section in self.settings.sections:
            getattr(self, section)()

    def tests(self) -> None:
        seconds = min(TESTS_SECONDS, self.left() / 3)
        out = self.settings.out
        self.row('tests', seconds + 30, lambda: run_tests(out, seconds))

    def rates(self) -> None:
        size, seconds = (128, 0.02) if self.settings.tiny else (8192, 0.5)
        if self.device.type == 'cpu' and not self.settings.tiny:
            size = 2048
        self.row(
            'rates', 60, lambda: dict(rates=matrix_rates(self.device, size, seconds))
        )

    def models(self) -> None:
        for name, modes in plan(self.settings):
            modes = [m for m in modes if row_id(name, m) not in self.journal]
            if not modes or self.left() <= 0:
                continue
            sides, opened = {}, {}
            # a row of its own: what cannot be built fails here, once
            opening = f'opening {name}'
            self.journal.begin(opening)
            try:
                with time_limit(min(90, self.left())):
                    sides, opened = self.open(name)
            except Exception as error:
                opened = {name: str(error)}
            self.journal.end(opening, sides=opened)
            for mode in modes:
                self.row(
                    row_id(name, mode),
                    200 if mode.compile else 60,
                    lambda mode=mode, name=name, sides=sides, opened=opened: (
                        self.measured(name, mode, sides, opened)
                    ),
                )
            del sides
            self.free()

    def open(self, name: str) -> tuple[dict[str, BenchmarkedModel], dict[str, str]]:
        """Ours and the other implementations; and why some are not there."""
        settings = BenchmarkSettings(
            batch_size=1,
            input_size=(32, 32) if self.settings.tiny else None,
            objects=5,
            device=self.device,
            dtype=torch.float32,
            channels_last=False,
            compile=False,
            data=False,
            cfg_options=None,
        )
        models, missing = {}, {}
        for side, config in dict(ours=name, **references_of(name)).items():
            try:
                model = BenchmarkedModel(find_config_or_model(config), settings)
                first = models.setdefault('ours', model)
                model.input_size = first.input_size or first.default_input_size
                models[side] = model
            except Exception as error:
                missing[side] = failure(error)
                if side == 'ours':
                    break
        return models, missing

    def measured(
        self,
        name: str,
        mode: Mode,
        sides: dict[str, BenchmarkedModel],
        missing: dict[str, str],
    ) -> dict:
        """The row of a model in a mode."""
        if 'ours' not in sides:
            return dict(failure='; '.join(missing.values()))
        ours = sides['ours']
        tiny = self.settings.tiny
        self.free()
        if mode.compile:
            torch._dynamo.reset()  # else it gives up after some shapes
        results = measure(
            sides,
            mode,
            seconds=0.01 if tiny else 0.4,
            repeats=2 if tiny else 5,
            failure=failure,
        )
        row = dict(
            model=name,
            batch_size=mode.batch_size,
            mode=mode.name,
            input_size=list(ours.input_size),
            parameters=ours.description()['parameters'],
            share_of=kind_of_rate(mode, self.device),
            sides=results,
            missing=missing,
        )
        steps = [results['ours'][step] for step in ('forward', 'train')]
        if not mode.compile and not any('failure' in step for step in steps):
            row['flops'] = self.flops(name, ours, mode)
        return row

    def flops(self, name: str, model: BenchmarkedModel, mode: Mode) -> dict:
        """Per input; once a model, since no mode changes them."""
        known = (
            row['flops']
            for row in self.journal.rows.values()
            if row.get('model') == name and 'flops' in row
        )
        found = next(known, None)
        if found is None:
            prepare(model, Mode(1 if mode.batch_size == 1 else 2, 'float32'))
            found = flops_of(model)
        return found

    def free(self) -> None:
        gc.collect()
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()


def run_tests(out: str, seconds: float) -> dict:
    """Outcomes of the tests marked for a GPU, of a process with a time limit."""
    root = Path(__file__).resolve().parents[3]
    if find_spec('pytest') is None or not (root / 'tests').is_dir():
        return dict(failure='no pytest, or no tests beside this package')
    log = Path(out, 'tests.log')
    # without addopts: they may name plugins that are not there
    command = '-m pytest -o addopts= -p no:cacheprovider -m gpu -v -rs --tb=short'
    command = [*command.split(), f'--basetemp={out}/tmp/pytest', 'tests/test_gpu']
    timed_out = False
    with log.open('w') as file:
        try:
            subprocess.run(
                [sys.executable, *command],
                cwd=root,
                env=environment(out),
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            timed_out = True
    outcomes = outcomes_of(log.read_text())
    row = dict(outcomes=outcomes)
    if timed_out:
        row['failure'] = f'more than {seconds:.0f} s, after {len(outcomes)} tests'
    elif not outcomes:
        row['failure'] = f'no test ran, see {log.name}'
    return row


def outcomes_of(log: str) -> dict[str, str]:
    """Outcome by test in what ``pytest -v`` printed."""
    outcomes = {}
    for line in log.splitlines():
        words = line.split(' ')
        if '::' in words[0] and len(words) > 1:
            name = words[0].partition('::')[2]
            found = {'PASSED', 'FAILED', 'ERROR', 'SKIPPED'} & {*words}
            if found:
                outcomes[name] = found.pop().lower()
    return outcomes


def work(settings: Settings) -> None:
    """Do all rows that are not there yet, in this process."""
    quiet_libraries()
    Worker(settings).run()


if __name__ == '__main__':
    values = json.loads(sys.argv[1])
    work(
        Settings(
            **{
                k: tuple(v) if k in ('models', 'sections') else v
                for k, v in values.items()
            }
        )
    )
