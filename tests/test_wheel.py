"""A wheel carries configs and tools, and trains without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from projects.core.datasets.digits_coco import make_digits_coco

ROOT = Path(__file__).parents[1]
CONFIG = 'yolov1/yolov1-mini_1xb16-15e_digits-coco.py'


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'  # a build leaves files of its own
    source.mkdir()
    for name in ('projects', 'configs', 'tools'):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__')
        )
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'wheel',
            '--no-deps',
            '--no-build-isolation',
            '--no-cache-dir',
            '-w',
            folder,
            source,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob('mmatlas-*.whl'))


def test_wheel_carries_every_config_and_tool(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [
        p
        for folder in ('configs', 'tools')
        for p in (ROOT / folder).rglob('*')
        if p.is_file() and '__pycache__' not in p.parts
    ]
    assert len(files) > 20
    for file in files:
        assert f'projects/.mim/{file.relative_to(ROOT)}' in names
    pages = [str(p.relative_to(ROOT)) for p in ROOT.glob('projects/*/*.md')]
    assert {'projects/yolov1/README.md', 'projects/yolov1/README_zh-CN.md'} < {*pages}
    assert names.issuperset(pages)
    assert not any(name.startswith(('tests/', 'configs/', 'tools/')) for name in names)


def test_an_installed_wheel_trains(wheel, tmp_path):
    site, work = tmp_path / 'site', tmp_path / 'work'
    work.mkdir()
    subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'install',
            '--no-deps',
            '-q',
            '--target',
            site,
            wheel,
        ],
        check=True,
    )
    make_digits_coco(work / 'data/digits-coco', num_train=8, num_val=2)
    done = subprocess.run(
        [
            sys.executable,
            site / 'projects/.mim/tools/train.py',
            CONFIG,
            '--cfg-options',
            'train_cfg.max_epochs=1',
            'train_cfg.val_interval=1',
            'train_dataloader.batch_size=4',
            'train_dataloader.num_workers=0',
            'val_dataloader.num_workers=0',
        ],
        cwd=work,
        text=True,
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': str(site)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'best coco/bbox_mAP' in done.stdout + done.stderr
    assert list(work.glob('work_dirs/*/best_*.pth'))
