"""What is imported for what: nobody pays for another's libraries."""

import subprocess
import sys

import pytest

PLOTTING = ('matplotlib', 'scipy', 'sklearn', 'skimage')


def imported_by(code, names):
    """Which of some modules a fresh process has after ``code``."""
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            f'{code}\nimport sys\nprint(*(n for n in {names} if n in sys.modules))',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    ('code', 'unwanted'),
    [
        ('import projects', ('torch', 'mmengine', 'mmcv', 'mmdet', 'numpy')),
        # what mmdet itself imports of the others is its own matter
        (
            "import projects; projects.create_model('ssd_mini')",
            ('mmpretrain', 'mmdet.datasets', 'projects.resnet'),
        ),
        (
            'from projects.core.engine import evaluate, infer, train\n'
            'from projects.core.benchmark import benchmark',
            ('mmdet', 'mmpretrain', *PLOTTING),
        ),
        # a classifier, and a run of it until its data are read
        (
            "import projects; projects.create_model('resnet18')\n"
            'from projects.core.config import load_config\n'
            'from projects.core.tasks.task import task_of\n'
            "cfg = load_config('resnet/resnet18_8xb32-90e_imagenet.py')\n"
            'task_of(cfg).prepare(cfg)',
            ('mmdet', 'mmpretrain.datasets', 'projects.ssd', *PLOTTING),
        ),
    ],
    ids=['projects', 'detector', 'tools', 'classifier'],
)
def test_not_imported(code, unwanted):
    assert imported_by(code, unwanted) == []


def test_detector_that_needs_mmpretrain_has_it():
    config = 'mmdet::reid/reid_r50_8xb32-6e_mot17train80_test-mot17val20.py'
    assert imported_by(
        'from projects.core.config import load_config\n'
        f'load_config({config!r})\n'
        'from mmdet.models import BaseReID\n'
        'from mmpretrain.models import ImageClassifier\n'
        'assert issubclass(BaseReID, ImageClassifier)',
        ('mmpretrain',),
    ) == ['mmpretrain']
