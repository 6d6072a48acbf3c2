"""A few samples learnt by heart: what a broken model is told."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from toy_sequences import READER

from projects.core.datasets.digits import DigitsDataset
from projects.core.datasets.some_samples import SomeSamples
from projects.core.diagnosis.overfit import overfit
from projects.core.diagnosis.plain_run import peak_rate
from projects.core.tasks.classification.classifier import MLPClsHead
from projects.core.variants import config_root
from projects.lenet import LeNet
from projects.registry import DATASETS, MODELS

LENET = config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py'
HERE = str(Path(__file__).parent)


@DATASETS.register_module()
class ShuffledDigits(DigitsDataset):
    """Another label each time."""

    def get_data_info(self, idx):
        info = super().get_data_info(idx)
        info['gt_label'] = torch.randint(10, ()).item()
        return info


@MODELS.register_module()
class DetachedLeNet(LeNet):
    def forward(self, x):
        return tuple(out.detach() for out in super().forward(x))


@MODELS.register_module()
class BlindLeNet(LeNet):
    def forward(self, x):
        return super().forward(x * 0)


@MODELS.register_module()
class WrongWayHead(MLPClsHead):
    """Takes the classes in reverse when it predicts."""

    def _get_predictions(self, cls_score, data_samples):
        return super()._get_predictions(cls_score.flip(1), data_samples)


@pytest.fixture
def write(tmp_path, fresh):
    """Function that writes a config of LeNet on digits, with more below."""

    def call(extra='', base=f"_base_ = '{LENET}'\n"):
        path = tmp_path / 'mine.py'
        path.write_text(base + extra)
        return str(path)

    return call


def test_digits_are_known(write):
    assert overfit(write(), 6, steps=100) < 100
    (log,) = Path('work_dirs/mine_overfit').rglob('*.log')
    text = log.read_text()
    assert 'the model knows the 6 images by heart: accuracy/top1 100, loss ' in text
    assert 'off: augmentation (' in text
    assert 'weight decay' in text
    assert 'dropout in 1 modules' in text
    assert not list(Path().rglob('*.pth'))
    assert not list(Path().rglob('run.json'))


@pytest.mark.parametrize(
    ('extra', 'reason'),
    [
        (
            "train_dataloader = dict(dataset=dict(type='projects.ShuffledDigits'))",
            'data_samples.gt_label of a sample change each time it is read',
        ),
        (
            "model = dict(backbone=dict(type='projects.DetachedLeNet'))",
            'gradient ever came to ',
        ),
        (
            "model = dict(backbone=dict(type='projects.BlindLeNet'))",
            'the outputs are the same for all inputs',
        ),
        (
            "model = dict(head=dict(type='projects.WrongWayHead'))",
            'but the metric did not follow: look at how predictions are decoded',
        ),
    ],
)
def test_broken_models(write, error_of, extra, reason):
    error = error_of(overfit, write(extra), 6, steps=50)
    assert reason in error
    # where the metric alone is wrong, a batch norm may be why
    assert ('batch norms' in error) == ('did not follow' in error)


def test_parts_without_a_gradient_are_named(write, error_of):
    extra = "model = dict(backbone=dict(type='projects.DetachedLeNet'))"
    error = error_of(overfit, write(extra), 4, steps=2)
    names = [n for n, _ in LeNet(norm_cfg=dict(type='BN')).named_parameters()]
    assert f'backbone.* (all {len(names)})' in error


def test_texts_are_known(write):
    assert overfit(write('', READER), 2, steps=300) < 300


@pytest.mark.parametrize(
    ('config', 'options', 'message'),
    [
        ('gan/gan-mlp_1xb64-4500i_ring8.py', {}, 'a generative model is not to know'),
        (LENET, dict(resume=True), '--overfit 4 goes without --resume'),
        (LENET, dict(launcher='pytorch'), '--overfit 4 goes without --launcher'),
        (LENET, dict(samples=0), 'samples: a whole number of at least 1, not 0'),
        (LENET, dict(samples=10**6), 'samples are asked for, but DigitsDataset has'),
        (LENET, dict(cfg_options=['val_evaluator=None']), 'validates nothing'),
    ],
)
def test_refused(fresh, error_of, config, options, message):
    options = {'samples': 4, **options}
    assert message in error_of(overfit, str(config_root() / config), **options)
    assert not Path('work_dirs').exists()


def test_a_training_s_folder_is_left_alone(write, error_of):
    Path('run').mkdir()
    Path('run/epoch_1.pth').touch()
    error = error_of(overfit, write(), 4, work_dir='run')
    assert 'run holds checkpoints of a training' in error


@pytest.mark.parametrize(
    ('schedule', 'lr', 'peak'),
    [
        ([], 0.1, 0.1),
        ([dict(type='LinearLR', start_factor=0.1, end=5, by_epoch=False)], 0.1, 0.1),
        # (embed_dims * warmup)^-0.5 of 1
        (
            [
                dict(
                    type='projects.WarmupInverseSqrtLR',
                    embed_dims=64,
                    warmup=25,
                    by_epoch=False,
                )
            ],
            1.0,
            0.025,
        ),
        (
            [
                dict(
                    type='CosineAnnealingLR',
                    T_max=2,
                    by_epoch=True,
                    convert_to_iter_based=True,
                )
            ],
            0.2,
            0.2,
        ),
        (
            [dict(type='OneCycleLR', eta_max=0.5, total_steps=40, by_epoch=False)],
            0.1,
            0.5,
        ),
        ([dict(type='ReduceOnPlateauLR', monitor='loss')], 0.1, 0.1),
    ],
)
def test_rate_is_the_highest_of_the_schedule(schedule, lr, peak):
    cfg = Config(dict(param_scheduler=schedule, train_cfg=dict(max_iters=40)))
    assert peak_rate(cfg, lr) == pytest.approx(peak, rel=1e-3)


def test_samples_are_spread():
    digits = SomeSamples(dict(type='projects.DigitsDataset', split='train'), 4)
    length = len(digits.dataset)
    assert len(digits) == 4
    assert digits.places == [0, length // 4, length // 2, length * 3 // 4]
    assert (
        digits.get_data_info(1)['gt_label']
        == (digits.dataset.get_data_info(length // 4)['gt_label'])
    )
    assert digits.metainfo == digits.dataset.metainfo


def test_pipeline_of_a_detector():
    from projects.core.tasks.detection.task import TASK

    read, resize = dict(type='projects.LoadImageFromFile'), dict(type='Resize')
    boxes, packed = dict(type='LoadAnnotations'), dict(type='PackDetInputs')
    train = [read, boxes, dict(type='RandomFlip'), resize, packed]
    val = [read, resize, dict(type='LoadAnnotations'), dict(packed, meta_keys=())]
    # boxes before the resize, or they are of another frame than the image
    assert TASK.fixed_pipeline(train, val) == [read, boxes, resize, packed]


@pytest.mark.slow
def test_detector_knows_its_images(write_config):
    config = write_config()
    options = ['optim_wrapper.optimizer.lr=0.001']
    assert overfit(config, 3, cfg_options=options, steps=400) < 400


def test_tool(write, monkeypatch, capsys):
    """The option of tools/train.py ends with status 1 where it failed."""
    import runpy

    extra = "model = dict(head=dict(type='projects.WrongWayHead'))"
    monkeypatch.setattr(
        sys,
        'argv',
        ['train.py', write(extra), '--overfit', '4', '--overfit-steps', '30'],
    )
    tool = Path(HERE).parents[1] / 'tools/train.py'
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(tool), run_name='__main__')
    assert exit_.value.code == 1
    assert 'error: the model does not know the 4 images' in capsys.readouterr().err
