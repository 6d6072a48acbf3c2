"""What the run configs take from ``configs/_base_``."""

import math
from pathlib import Path

import pytest
from mmengine.config import Config

from projects.core.engine import train
from projects.core.tasks.task import task_of

CONFIGS = Path(__file__).parents[1] / 'configs'
RUNS = sorted(p for p in CONFIGS.glob('*/*.py') if p.parent.name != '_base_')


def pipelines(dataset):
    """Of a data set, or of those that it joins."""
    return [part.get('pipeline') for part in dataset.get('datasets', [dataset])]


@pytest.mark.parametrize('path', RUNS, ids=lambda path: path.stem)
def test_every_data_set_has_the_pipeline_of_its_split(path):
    cfg = Config.fromfile(path)
    if task_of(cfg).name == 'a generative model':
        learnt, val, test = (
            cfg[f'{split}_dataloader'].dataset.get('pipeline', [])
            for split in ('train', 'val', 'test')
        )
        assert val == test
        if path.stem.startswith('cyclegan'):  # crops of larger images
            return
        # data are learnt as they are, mirrored at most
        assert [step for step in learnt if step.type != 'RandomFlip'] == val
        return
    if cfg.default_scope == 'mmengine':  # sequences, which have no pipeline
        loaders = cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
        for key in ('type', 'corpus', 'tokenizer', 'masking'):
            values = [loader.dataset.get(key) for loader in loaders]
            assert values == values[:1] * 3, key
        return
    for of_train in pipelines(cfg.train_dataloader.dataset):
        assert of_train == cfg.train_pipeline
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert pipelines(loader.dataset) == [cfg.test_pipeline]


def test_voc_trains_on_both_years():
    cfg = Config.fromfile(CONFIGS / 'ssd/ssd300_4xb8-232e_voc0712.py')
    assert [d.ann_file for d in cfg.train_dataloader.dataset.datasets] == [
        'VOC2007/ImageSets/Main/trainval.txt',
        'VOC2012/ImageSets/Main/trainval.txt',
    ]


@pytest.mark.parametrize(
    'recipe', sorted((CONFIGS / '_base_/recipes').glob('*.py')), ids=lambda p: p.stem
)
def test_a_recipe_is_all_but_the_model(recipe):
    cfg = Config.fromfile(recipe)
    assert 'model' not in cfg
    assert {
        'train_dataloader',
        'val_dataloader',
        'test_dataloader',
        'val_evaluator',
        'optim_wrapper',
        'param_scheduler',
        'train_cfg',
        'auto_scale_lr',
        'default_hooks',
        'randomness',
    } <= cfg.keys()


@pytest.mark.usefixtures('fresh')
def test_max_epochs_alone_stretches_the_cosine():
    runner = train(
        str(CONFIGS / 'lenet/lenet5-modern_1xb64-20e_digits.py'),
        cfg_options=[
            'train_cfg.max_epochs=3',
            'train_cfg.val_interval=3',
            'train_dataloader.dataset.indices=128',  # two steps an epoch
            'train_dataloader.num_workers=0',
            'val_dataloader.dataset.indices=4',
            'param_scheduler.0.start_factor=1.0',  # without the warm-up
        ],
    )
    rates = runner.message_hub.log_scalars['train/lr'].data[0]
    lowest, highest = 0.002 * 0.01, 0.002
    assert rates.tolist() == pytest.approx(
        [
            lowest + (highest - lowest) * (1 + math.cos(math.pi * step / 6)) / 2
            for step in range(6)
        ]
    )
