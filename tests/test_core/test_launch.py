"""Several processes are one tool: one message, one exit status, one Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = """
import os, signal, sys, time
from projects.core.cli import run_tool
from projects.core.errors import UserError

rank = int(os.environ['RANK'])

def wait_for_the_end():
    sys.stdout.write('ready\\n')  # print() would mix the lines of two
    time.sleep(20)

def main():
    BODY

run_tool(main)
"""


def start(tmp_path, body, nproc=2, **options):
    tool = tmp_path / 'tool.py'
    tool.write_text(TOOL.replace('BODY', body.strip().replace('\n', '\n    ')))
    return subprocess.Popen(
        [
            *(sys.executable, '-m', 'projects.core.launch'),
            *(f'--nproc_per_node={nproc}', str(tool)),
        ],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# what each process does, the exit status, and all that is shown of it
ENDS = [
    ('pass', 0, ''),
    ("raise UserError('no data')", 1, 'error: no data\n'),
    ("raise UserError(f'rank {rank}')", 1, None),
    (
        "if rank == 1:\n    raise UserError('a bad image')\ntime.sleep(20)",
        1,
        'rank 1: error: a bad image\n',
    ),
    (
        "if rank == 0:\n    raise UserError('a bad image')\ntime.sleep(20)",
        1,
        'error: a bad image\n',
    ),
    (  # the others lose the connection to the one that failed
        "time.sleep(rank)\nraise (RuntimeError('lost') if rank else UserError('mine'))",
        1,
        'error: mine\n',
    ),
    (
        'if rank == 1:\n    os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(20)',
        137,
        'error: rank 1 was ended by SIGKILL, as the system does where memory runs '
        'out\n',
    ),
    (  # one that is ended while it writes what it has to say
        "if rank == 1:\n    raise UserError('a bad image')\n"
        'import json\n'
        'def killed(*_): raise UserError("lost")\n'
        'json.dump = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n'
        'signal.signal(signal.SIGTERM, killed)\n'
        'time.sleep(20)',
        1,
        'rank 1: error: a bad image\n',
    ),
    ('sys.exit(3 if rank else 0)', 3, ''),
    ('sys.exit(143)', 143, ''),
]


@pytest.mark.parametrize(('body', 'status', 'shown'), ENDS)
def test_end(tmp_path, body, status, shown):
    process = start(tmp_path, body)
    _, error = process.communicate(timeout=30)
    assert process.returncode == status
    if shown is None:
        assert error in ('error: rank 0\n', 'rank 1: error: rank 1\n')
    else:
        assert error == shown


def test_flaw_of_the_program_shows_its_traceback_once(tmp_path):
    process = start(tmp_path, '1 / 0')
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error.count('Traceback') == 1
    assert error.endswith('ZeroDivisionError: division by zero\n')


def test_each_process_finds_its_place(tmp_path):
    process = start(
        tmp_path,
        "keys = 'RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR'.split()\n"
        "sys.stdout.write(' '.join(os.environ[k] for k in keys) + '\\n')",
        nproc=3,
    )
    out, _ = process.communicate(timeout=30)
    assert sorted(out.splitlines()) == [f'{i} {i} 3 3 127.0.0.1' for i in range(3)]


SAVING = """
def save(*_):
    time.sleep(0.3)
    sys.stdout.write('saved\\n')
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
wait_for_the_end()
"""


@pytest.mark.parametrize(
    ('body', 'number', 'status', 'out', 'error'),
    [
        (SAVING, signal.SIGTERM, 143, 'saved\nsaved\n', ''),
        ('wait_for_the_end()', signal.SIGTERM, 143, '', ''),
        ('wait_for_the_end()', signal.SIGINT, 130, '', 'interrupted\n'),
    ],
)
def test_signal_reaches_all_and_they_end_by_themselves(
    tmp_path, body, number, status, out, error
):
    process = start(tmp_path, body)
    assert process.stdout.readline() == process.stdout.readline() == 'ready\n'
    process.send_signal(number)
    assert process.communicate(timeout=30) == (out, error)
    assert process.returncode == status


@pytest.mark.skipif(sys.platform != 'linux', reason="Linux's")
def test_processes_end_with_a_launcher_that_is_killed(tmp_path):
    process = start(tmp_path, "sys.stdout.write(f'{os.getpid()}\\n')\ntime.sleep(20)")
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    for _ in range(100):
        if not any(Path(f'/proc/{pid}/cmdline').is_file() for pid in pids):
            break
        time.sleep(0.1)
    else:
        pytest.fail('they live on')
