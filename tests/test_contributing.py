"""Follows CONTRIBUTING.md to the letter: its plugin is written and trained."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from projects.core.datasets.digits_coco import make_digits_coco

ROOT = Path(__file__).parents[1]
FILES = re.findall(
    r'^`([\w/.-]+\.py)`\n\n```python\n(.*?)^```$',
    (ROOT / 'CONTRIBUTING.md').read_text(),
    re.M | re.S,
)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the project with the guide's files in it."""
    root = tmp_path_factory.mktemp('checkout')
    for folder in ('projects', 'configs', 'tools'):
        shutil.copytree(ROOT / folder, root / folder)
    for name, text in FILES:
        file = root / name
        assert not file.exists(), f'{name} is no new plugin'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    make_digits_coco(root / 'data/digits-coco', num_train=8, num_val=2)
    return root


def run(checkout, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=checkout,
        text=True,
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': str(checkout)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_guide_has_the_files_it_names():
    assert [name.rpartition('/')[2] for name, _ in FILES] == [
        'stairnet.py',
        '__init__.py',
        'stairnet_yolov1.py',
        'stairnet-yolov1_1xb16-15e_digits-coco.py',
        'test_stairnet.py',
    ]


@pytest.mark.slow
def test_its_tests_pass(checkout):
    assert '5 passed' in run(
        checkout, '-m', 'pytest', '-q', 'tests/test_projects/test_stairnet.py'
    )


def test_its_config_trains(checkout):
    out = run(
        checkout,
        'tools/train.py',
        'configs/stairnet/stairnet-yolov1_1xb16-15e_digits-coco.py',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=4',
        'train_dataloader.num_workers=0',
        'val_dataloader.num_workers=0',
    )
    assert '[1][2/2]' in out  # two iterations
    assert 'best coco/bbox_mAP' in out


def test_the_files_are_clean(checkout):
    run(
        checkout,
        '-m',
        'ruff',
        'check',
        '--config',
        str(ROOT / 'pyproject.toml'),
        *(name for name, _ in FILES),
    )
