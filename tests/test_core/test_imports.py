"""What is imported for what: nobody pays for another's libraries."""

import inspect
import re
import subprocess
import sys

import pytest

from projects.core import imports

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
            ('mmpretrain', 'mmdet.datasets', 'transformers', 'projects.resnet'),
        ),
        (
            'from projects.core.engine import evaluate, infer, train\n'
            'from projects.core.benchmark import benchmark',
            ('mmdet', 'mmpretrain', 'transformers', *PLOTTING),
        ),
        # a classifier, and a run of it until its data are read
        (
            "import projects; projects.create_model('resnet18')\n"
            'from projects.core.config import load_config\n'
            'from projects.core.tasks.task import task_of\n'
            "cfg = load_config('resnet/resnet18_8xb32-90e_imagenet.py')\n"
            'task_of(cfg).prepare(cfg)',
            (
                'mmdet',
                'mmpretrain.datasets',
                'transformers',
                'projects.ssd',
                *PLOTTING,
            ),
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


@pytest.mark.slow
def test_who_needs_transformers_has_it(tmp_path):
    """Whether it is imported after the config is read, or long before."""
    config = tmp_path / 'adafactor.py'
    config.write_text("optim_wrapper = dict(optimizer=dict(type='Adafactor'))")
    assert imported_by(
        'from projects.core.config import load_config\n'
        'from mmengine.optim import OPTIMIZERS\n'
        "assert 'Adafactor' not in OPTIMIZERS\n"
        "load_config('mmpretrain::blip/blip-base_8xb32_caption.py')\n"
        'from mmpretrain.models import BlipCaption\n'
        f'load_config({str(config)!r})\n'
        "assert OPTIMIZERS.get('Adafactor').__module__.startswith('transformers')",
        ('transformers', 'mmpretrain.models.multimodal.blip'),
    ) == ['transformers', 'mmpretrain.models.multimodal.blip']


@pytest.mark.parametrize(
    ('type_', 'allowed'),
    [
        ('mmpretrain.BlipVQA', {imports.SWITCH}),
        ('CLIPZeroShot', {imports.SWITCH}),
        ('Adafactor', {'transformers'}),
        ('mmdet.GLIP', {'transformers'}),
        ('GroundingDINOHead', {'transformers'}),
        ('CocoDataset', set()),  # the multimodal ones are COCOCaption, COCOVQA
        ('projects.VisionTransformer', set()),
        ('projects.GPT', set()),
    ],
)
def test_what_a_type_allows(type_, allowed, monkeypatch):
    finder = imports.DetourFinder()
    monkeypatch.setattr(sys, 'meta_path', [finder])
    monkeypatch.delitem(sys.modules, 'mmengine.optim.optimizer.builder', False)
    imports.allow_for({'SomeHead', type_})
    assert finder.allowed == allowed


def test_every_multimodal_type_is_known_to_be_one():
    import mmpretrain.datasets
    import mmpretrain.models

    left_out = {
        name
        for name, class_ in mmpretrain.models.builder.MODELS.module_dict.items()
        if class_.__qualname__.startswith('register_multimodal_placeholder')
    }
    text = inspect.getsource(mmpretrain.datasets).partition('if WITH_MULTIMODAL')[2]
    left_out |= set(re.findall(r"'(\w+)'", text))
    assert {'BlipCaption', 'VizWiz'} < left_out
    assert [
        name for name in left_out if not re.fullmatch(imports.MULTIMODAL, name)
    ] == []
