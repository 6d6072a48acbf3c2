"""Progressive learning: values that grow by stages, in workers that go on."""

import pickle
import re
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from test_engine import assert_same_run
from test_stopped_runs import with_sigterm

from projects.core.datasets.progressive import Progressive
from projects.core.engine import train
from projects.core.tasks.classification.progressive import ProgressiveLearningHook
from projects.registry import HOOKS

ROOT = Path(__file__).parents[2]
CONFIG = f"""
_base_ = ['{ROOT}/configs/_base_/models/lenet5_modern.py',
          '{ROOT}/configs/_base_/recipes/digits_28.py']
train_pipeline = [
    dict(type='projects.Progressive', follows='image_size', key='scale',
         transform=dict(type='RandomResizedCrop', scale=28, crop_ratio_range=(0.6, 1))),
    dict(type='projects.Progressive', follows='magnitude', key='magnitude_level',
         transform=dict(type='RandAugment', num_policies=1, magnitude_level=5,
                        policies=[dict(type='Rotate', magnitude_range=(0, 30))])),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=4, num_workers=2, persistent_workers=True,
    dataset=dict(pipeline=train_pipeline, indices=12))
val_dataloader = dict(dataset=dict(indices=8))
train_cfg = dict(max_epochs=4, val_interval=2)
model = dict(
    data_preprocessor=dict(num_classes=10),
    head=dict(dropouts=(0, 0, 0.5), loss=dict(
        type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.5)]))
progressive = dict(
    type='projects.ProgressiveLearningHook', num_stages=2, image_size=(20, 28),
    magnitude=(5, 15), mixup_alpha=(0, 0.2), dropout=(0.1, 0.3))
custom_hooks = [*_base_.custom_hooks, progressive, dict(type='projects.WitnessHook')]
default_hooks = dict(logger=dict(interval=1))
"""


CROP = dict(type='mmpretrain.RandomResizedCrop', scale=28)


@HOOKS.register_module()
class WitnessHook(Hook):
    """Notes what each step was given."""

    priority = 'LOWEST'
    seen: list = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        model, loader = runner.model, runner.train_dataloader
        sides = {tuple(image.shape[1:]) for image in data_batch['inputs']}
        dropouts = {
            m.p for m in model.head.modules() if isinstance(m, torch.nn.Dropout)
        }
        mixed = model.data_preprocessor.batch_augments
        self.seen.append(
            dict(
                epoch=runner.epoch,
                sides=sides,
                dropouts=dropouts,
                alpha=mixed.augments[0].alpha if mixed else 0,
                workers=[worker.pid for worker in loader._iterator._workers],
            )
        )


@pytest.fixture
def write(tmp_path, fresh):
    def write(extra='', name='progressive.py'):
        WitnessHook.seen = []
        (tmp_path / name).write_text(CONFIG + extra)
        return str(tmp_path / name)

    return write


def log_of(work_dir):
    return next(Path(work_dir).glob('*/*.log')).read_text()


def test_workers_that_go_on_deliver_what_each_stage_wants(write):
    train(write(), 'run')
    seen = WitnessHook.seen
    assert [row['epoch'] for row in seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    for row in seen[:6]:
        assert (row['sides'], row['dropouts'], row['alpha']) == ({(20, 20)}, {0.1}, 0)
    for row in seen[6:]:
        assert (row['sides'], row['dropouts'], row['alpha']) == ({(28, 28)}, {0.3}, 0.2)
    assert len({tuple(row['workers']) for row in seen}) == 1
    said = re.findall(r'progressive learning, (.*)', log_of('run'))
    assert said == [
        'stage 1 of 2: image_size 20, magnitude 5, mixup_alpha 0, dropout 0.1',
        'stage 2 of 2: image_size 28, magnitude 15, mixup_alpha 0.2, dropout 0.3',
    ]


@pytest.mark.parametrize('step', [4, 11])
def test_a_run_that_is_resumed_within_a_stage_is_the_same(write, step, fresh):
    train(write(), 'whole')
    fresh()
    stop = with_sigterm('step', step).replace('_base_.custom_hooks', 'custom_hooks')
    with pytest.raises(SystemExit):
        train(write(stop.replace('**', '*')), 'stopped')
    fresh()
    train(write(), 'stopped', resume=True)
    assert WitnessHook.seen[0]['sides'] == ({(20, 20)} if step == 4 else {(28, 28)})
    assert_same_run('whole', 'stopped')


def test_fewer_epochs_than_stages_are_said(write):
    train(write("train_cfg['max_epochs'] = 1"), 'run')
    assert '2 stages do not fit into max_epochs=1' in log_of('run')


# Table 6 of the paper, four stages
@pytest.mark.parametrize(
    ('name', 'pair', 'expected'),
    [
        ('image_size', (128, 300), [128, 185, 243, 300]),
        ('image_size', (128, 380), [128, 212, 296, 380]),
        ('image_size', (171, 214, 257, 300), [171, 214, 257, 300]),
        ('magnitude', (5, 15), [5, 5 + 10 / 3, 5 + 20 / 3, 15]),
        ('mixup_alpha', (0, 0.2), [0, 0.2 / 3, 0.4 / 3, 0.2]),
        ('dropout', (0.1, 0.4), [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_values_are_those_of_the_paper(name, pair, expected):
    hook = ProgressiveLearningHook(**{name: pair})
    assert hook.values[name] == pytest.approx(expected)


def test_350_epochs_in_four_stages():
    class Run:
        max_epochs = 350

        class logger:
            info = staticmethod(lambda text: begins.append((Run.epoch, text[28])))

    hook, begins = ProgressiveLearningHook(dropout=(0.1, 0.4)), []
    hook._steps, hook._dropouts = [], []
    for epoch in range(350):
        Run.epoch = epoch
        hook.before_train_epoch(Run)
    assert begins == [(0, '1'), (88, '2'), (175, '3'), (263, '4')]


def test_without_a_hook_the_transform_is_what_the_config_says():
    step = Progressive(CROP, 'scale', 'x')
    image = torch.zeros(40, 50, 3).numpy()
    assert step(dict(img=image))['img'].shape == (28, 28, 3)
    step.set(14)
    assert step(dict(img=image))['img'].shape == (14, 14, 3)
    with pytest.raises(ValueError, match="the transform has no 'size' to begin with"):
        Progressive(CROP, 'size', 'x')


def test_a_spawned_worker_shares_the_value():
    step = Progressive(CROP, 'scale', 'x')
    sent = pickle.loads(ForkingPickler.dumps(step))
    step.set(14)
    image = torch.zeros(40, 50, 3).numpy()
    assert sent(dict(img=image))['img'].shape == (14, 14, 3)


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        ('train_pipeline.pop(0)', 'nothing to set image_size in: no step of the'),
        ('train_pipeline.pop(1)', "with follows='magnitude'"),
        ("model['train_cfg'] = None", 'mixup_alpha in: the model mixes no images'),
        ("model['head']['dropouts'] = 0", 'dropout in: the head has no dropout layer'),
        (
            "progressive['num_stages'] = 3; progressive['dropout'] = (0, 1, 2, 3)",
            'dropout: 4 values for 3 stages; give the first and the last, or each',
        ),
        ("progressive['image_sizes'] = (1, 2)", 'image_sizes'),
        (
            "custom_hooks[-2] = dict(type='projects.ProgressiveLearningHook')",
            'none of image_size, magnitude, mixup_alpha, dropout is to change',
        ),
        (
            'train_cfg = dict(_delete_=True, by_epoch=False, max_iters=4)',
            'train_cfg counts iterations: take by_epoch=True',
        ),
    ],
)
def test_mistakes_end_in_a_line(write, error_of, extra, message):
    assert message in error_of(train, write(extra), 'run')
