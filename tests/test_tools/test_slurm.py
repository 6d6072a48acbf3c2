"""slurm_train.sh and slurm_test.sh, with an srun that notes its arguments."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def srun(tmp_path):
    """Function that runs a script and returns (status, srun's arguments)."""
    file = tmp_path / 'srun'
    file.write_text(
        f'#!/bin/bash\nprintf \'%s\\n\' "$@" > {tmp_path}/args\n'
        'exit ${SRUN_STATUS:-0}\n'
    )
    file.chmod(0o755)

    def call(script, *args, **env):
        done = subprocess.run(
            ['bash', str(TOOLS / script), *args],
            check=False,
            capture_output=True,
            text=True,
            env=dict(os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}', **env),
        )
        noted = tmp_path / 'args'
        return done.returncode, (
            noted.read_text().splitlines() if noted.exists() else done.stderr
        )

    return call


def test_train(srun):
    status, args = srun(
        'slurm_train.sh', 'gpu', 'my job', 'c.py', 'work dir', '--cfg-options', 'a=b c'
    )
    assert status == 0
    assert args == [
        '-p',
        'gpu',
        '--job-name=my job',
        '--gres=gpu:8',
        '--ntasks=8',
        '--ntasks-per-node=8',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
        'python',
        '-u',
        f'{TOOLS}/train.py',
        'c.py',
        '--work-dir',
        'work dir',
        '--launcher',
        'slurm',
        '--cfg-options',
        'a=b c',
    ]


@pytest.mark.parametrize(('gpus', 'gres'), [('2', 2), ('16', 8)])
def test_test_with_settings(srun, gpus, gres):
    status, args = srun(
        'slurm_test.sh',
        'gpu',
        'job',
        'c.py',
        'w.pth',
        GPUS=gpus,
        CPUS_PER_TASK='3',
        SRUN_ARGS='--qos=high --time 1:00',
    )
    assert status == 0
    assert args == [
        '-p',
        'gpu',
        '--job-name=job',
        f'--gres=gpu:{gres}',
        f'--ntasks={gpus}',
        f'--ntasks-per-node={gres}',
        '--cpus-per-task=3',
        '--kill-on-bad-exit=1',
        '--qos=high',
        '--time',
        '1:00',
        'python',
        '-u',
        f'{TOOLS}/test.py',
        'c.py',
        'w.pth',
        '--launcher',
        'slurm',
    ]


def test_status_of_srun_is_that_of_the_script(srun):
    assert srun('slurm_train.sh', 'p', 'j', 'c', 'w', SRUN_STATUS='7')[0] == 7


@pytest.mark.parametrize('script', ['slurm_train.sh', 'slurm_test.sh'])
def test_usage(srun, script):
    status, message = srun(script, 'gpu', 'job', 'c.py')
    assert status == 2
    assert message.startswith('usage: ')
