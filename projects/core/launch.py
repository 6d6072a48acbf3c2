"""Run a tool in several processes of this machine, as one.

    python -m projects.core.launch --nproc_per_node=2 TOOL.py [ARGS]

Each process finds its place in the environment as torch's ``env://`` reads it, as
under ``torchrun``. Beyond that one: an error is shown once, not by each process and
the launcher; a signal reaches all processes, which have the time to end by
themselves; the exit status is that of the process which failed. torch is not
imported.
"""

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from projects.core.cli import ERROR_FILE

# seconds to end by themselves: to save after a signal, and after another has failed,
# when most of them wait for it
GRACE_AFTER_SIGNAL = 30
GRACE_AFTER_FAILURE = 10
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG = 1


def launch(
    command: list[str], nproc: int, nnodes: int, node_rank: int, addr: str, port: int
) -> int:
    """Run ``command`` in ``nproc`` processes here, and show the first error.

    Args:
        command: A Python file and its arguments.
        nproc: Processes of this machine.
        nnodes: Machines.
        node_rank: Which of them this is, from 0.
        addr: Address of the first machine.
        port: A free port there.

    Returns:
        Exit status: 0 where all went well; 128 + its number after a signal that
        ended a process; else that of the first process that failed.
    """
    received: list[int] = []
    processes: list[subprocess.Popen] = []

    def forward(number: int, _) -> None:
        received.append(number)
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    for number in FORWARDED:
        signal.signal(number, forward)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(i)) for i in range(nproc)]
        for i, file in enumerate(files):
            place = {
                'RANK': node_rank * nproc + i,
                'LOCAL_RANK': i,
                'WORLD_SIZE': nnodes * nproc,
                'LOCAL_WORLD_SIZE': nproc,
                'MASTER_ADDR': addr,
                'MASTER_PORT': port,
                ERROR_FILE: file,
            }
            processes.append(
                subprocess.Popen(
                    [sys.executable, '-u', *command],
                    env=os.environ | {k: str(v) for k, v in place.items()},
                    start_new_session=True,  # Ctrl-C comes once, by this process
                    preexec_fn=end_with_parent,
                )
            )
        failed = _wait(processes, received)
        status = 0 if failed is None else processes[failed].returncode
        if status and not received:
            _show_error(files, failed, status, node_rank * nproc)
        elif received and any(file.is_file() for file in files):
            _show_error(files, failed, 1, node_rank * nproc)
    if status and received:
        return 128 + received[0]
    return 128 - status if status < 0 else status


def end_with_parent() -> None:
    """Let SIGTERM end this process, a child's, with its parent (on Linux)."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(processes: list[subprocess.Popen], received: list[int]) -> int | None:
    """Wait for all, and end those that do not end; the first that failed."""
    failed = deadline = None
    while any(process.poll() is None for process in processes):
        if failed is None:
            failed = next((i for i, p in enumerate(processes) if p.poll()), None)
            if failed is not None and not received:
                deadline = time.monotonic() + GRACE_AFTER_FAILURE
                for process in processes:
                    if process.poll() is None:
                        process.terminate()
        if received and deadline is None:
            deadline = time.monotonic() + GRACE_AFTER_SIGNAL
        if deadline is not None and time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.05)
    if failed is None:
        failed = next((i for i, p in enumerate(processes) if p.returncode), None)
    return failed


def _show_error(files: list[Path], failed: int, status: int, first: int) -> None:
    """The error that was first, once; the others are mostly its consequences."""
    errors = {}
    for i, file in enumerate(files):
        if file.is_file():
            errors[i] = json.loads(file.read_text(encoding='utf-8'))
    if status < 0 and failed not in errors:
        name = signal.Signals(-status).name
        text = f'error: rank {first + failed} was ended by {name}'
        if name == 'SIGKILL':
            text += ', as the system does where memory runs out'
    elif errors:
        rank = min(errors, key=lambda i: errors[i]['time'])
        text = errors[rank]['text']
        same = (
            len(errors) == len(files)
            and len({str(e['text']) for e in errors.values()}) == 1
        )
        if first + rank and not same:
            text = f'rank {first + rank}: {text}'
    else:  # it has said why itself, as argparse does
        return
    sys.stderr.write(text + '\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--nproc_per_node', type=int, default=1)
    parser.add_argument('--nnodes', type=int, default=1)
    parser.add_argument('--node_rank', type=int, default=0)
    parser.add_argument('--master_addr', default='127.0.0.1')
    parser.add_argument('--master_port', type=int, default=29500)
    parser.add_argument('command', nargs=argparse.REMAINDER)
    args = parser.parse_args()
    sys.exit(
        launch(
            args.command,
            args.nproc_per_node,
            args.nnodes,
            args.node_rank,
            args.master_addr,
            args.master_port,
        )
    )


if __name__ == '__main__':
    main()
