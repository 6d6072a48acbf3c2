"""Each mistake of a user ends in one message that names it and the fix."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from projects.core.config import load_config
from projects.core.engine import evaluate, train
from projects.core.errors import UserError

# what stands below the tiny config, the beginning of the message, and a word
# that the user meant
MISTAKES = [
    ('optim_wraper = dict()', "nothing reads the key 'optim_wraper'", 'optim_wrapper'),
    (
        "model['bbox_head']['num_clases'] = 10",
        "model.bbox_head.num_clases: nothing reads the key 'num_clases'",
        'num_classes',
    ),
    (
        "model['bbox_head']['type'] = 'projects.YOLOv1Hed'",
        "model.bbox_head.type: there is no 'YOLOv1Hed' among the models",
        'projects.YOLOv1Head',
    ),
    (
        "model['type'] = 'SingleStageDetectr'",
        "model.type: there is no type 'SingleStageDetectr'",
        'SingleStageDetector',
    ),
    (
        "model['backbone'] = dict(arch='minni')",
        "model.backbone: arch 'minni' is none of",
        'mini',
    ),
    (
        "model['backbone'] = dict(_delete_=True, arch='mini')",
        "a part has no 'type': {'arch': 'mini'}",
        'type',
    ),
    (
        "custom_hooks = [dict(type='projects.SeedHok')]",
        "custom_hooks.0.type: there is no 'SeedHok' among the hooks",
        'projects.SeedHook',
    ),
    (
        "custom_hooks = [dict(type='EMAHok')]",
        "custom_hooks.0.type: there is no type 'EMAHok'",
        'EMAHook',
    ),
    (
        "default_hooks['checkpoint'] = dict(intervl=3)",
        'default_hooks.checkpoint.intervl: CheckpointHook takes no',
        'interval',
    ),
    (
        "train_pipeline[3]['type'] = 'Resiz'",
        "train_dataloader.dataset.pipeline.3.type: there is no type 'Resiz'",
        'Resize',
    ),
    (
        "train_pipeline[2]['type'] = 'projects.RandomEdgJitter'",
        'train_dataloader.dataset.pipeline.2.type: there is no ',
        'projects.RandomEdgeJitter',
    ),
    (
        "train_pipeline[2]['jiter'] = 0.1",
        'train_dataloader.dataset.pipeline.2.jiter: RandomEdgeJitter takes no',
        'jitter',
    ),
    (
        "train_dataloader['dataset']['type'] = 'projects.DigitCocoDataset'",
        "train_dataloader.dataset.type: there is no 'DigitCocoDataset'",
        'projects.DigitsCocoDataset',
    ),
    (
        "train_dataloader['dataset']['tst_mode'] = True",
        'train_dataloader.dataset.tst_mode: ',
        'test_mode',
    ),
    (
        "train_dataloader['batch_sise'] = 4",
        'train_dataloader.batch_sise: nothing reads the key',
        'batch_size',
    ),
    (
        "optim_wrapper['optimizer']['type'] = 'AdmW'",
        "optim_wrapper.optimizer.type: there is no type 'AdmW'",
        'AdamW',
    ),
    (
        "optim_wrapper['optimizer']['wight_decay'] = 1",
        'optim_wrapper.optimizer.wight_decay: AdamW takes no',
        'weight_decay',
    ),
    (
        "param_scheduler = [dict(type='LinerLR')]",
        "param_scheduler.0.type: there is no type 'LinerLR'",
        'LinearLR',
    ),
    (
        "val_evaluator['claswise'] = True",
        'val_evaluator.claswise: CocoMetric takes no',
        'classwise',
    ),
    (
        "train_cfg['max_epoch'] = 3",
        'train_cfg.max_epoch: EpochBasedTrainLoop takes no',
        'max_epochs',
    ),
]


@pytest.mark.parametrize(('extra', 'message', 'meant'), MISTAKES)
def test_misspelt_config(write_config, error_of, extra, message, meant):
    config = write_config(f'\n{extra}\n', name='wrong.py')
    error = error_of(train, config)
    assert '\n' not in error
    assert error.startswith(f'{config}: {message}')
    if 'is none of' not in message and "no 'type'" not in message:
        assert error.partition('did you mean ')[2].startswith(f"'{meant}'")
    assert meant in error
    assert not list(Path('work_dirs').rglob('*.pth'))


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('modl.bbox_head=1', "there is no 'modl' in the config; did you mean 'model'?"),
        (
            'model.bbox_hed.num_classes=3',
            "there is no 'bbox_hed' in 'model'; did you mean 'bbox_head'?",
        ),
        ('train_dataloader.dataset.pipeline.9.scale=3', 'has 5 entries'),
        ('train_dataloader.dataset.pipeline.2.jiter=3', "did you mean 'jitter'?"),
        ('resume', 'expected key=value, as in'),
    ],
)
def test_misspelt_cfg_option(write_config, option, message):
    with pytest.raises(UserError) as error:
        load_config(write_config(), [option])
    assert str(error.value).startswith('--cfg-options ' + option.partition('=')[0])
    assert message in str(error.value)


def test_cfg_options_are_python_values_or_text(write_config):
    cfg = load_config(
        write_config(),
        [
            'train_cfg.max_epochs=7',
            'optim_wrapper.clip_grad=None',
            'train_dataloader.persistent_workers=true',
            'work_dir=a/b c',
            'train_dataloader.dataset.pipeline.3.scale=(32,48)',
            'model.backbone.init_cfg=x=y',
        ],
    )
    assert cfg.train_cfg.max_epochs == 7
    assert cfg.optim_wrapper.clip_grad is None
    assert cfg.train_dataloader.persistent_workers is True
    assert (cfg.work_dir, cfg.model.backbone.init_cfg) == ('a/b c', 'x=y')
    assert cfg.train_dataloader.dataset.pipeline[3].scale == (32, 48)


def test_missing_config_has_close_names(error_of, fresh):
    error = error_of(train, 'configs/yolov1/yolov1-mni_1xb16_digits-coco.py')
    first, *close = error.splitlines()
    assert first.startswith('no config configs/yolov1/yolov1-mni')
    assert 'yolov1/yolov1-mini_1xb16-15e_digits-coco.py' in close[0]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(', "line 1: '(' was never closed"),
        ('x = 1 / 0', 'ZeroDivisionError: division by zero'),
        ("_base_ = 'no_such_base.py'", 'no_such_base.py'),
    ],
)
def test_config_that_is_no_program(tmp_path, error_of, fresh, text, message):
    (tmp_path / 'broken.py').write_text(text)
    error = error_of(train, 'broken.py')
    assert error.startswith('broken.py')
    assert message in error


def contents(folder):
    """Digest by path of all files."""
    return {
        str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest()
        for p in Path(folder).rglob('*')
        if p.is_file()
    }


def kept(before, folder):
    """Whether no file has changed or gone; new logs may be there."""
    after = contents(folder)
    return before == {k: after.get(k) for k in before}


def test_work_dir_of_another_run_is_refused(trained, write_config, error_of, tmp_path):
    shutil.copytree(trained, tmp_path / 'run')
    before = contents('run')
    error = error_of(train, write_config(), 'run')
    assert error.startswith('run holds epoch_2.pth of an earlier run: ')
    assert '--resume' in error
    assert contents('run') == before


@pytest.mark.parametrize('resume', [True, 'run/epoch_2.pth'])
def test_resume_with_another_architecture(
    trained, write_config, error_of, tmp_path, resume
):
    shutil.copytree(trained, tmp_path / 'run')
    before = contents('run')
    config = write_config(
        "\nmodel['backbone'] = dict(arch='tiny')\n"
        "model['bbox_head']['in_channels'] = 256\n"
    )
    error = error_of(train, config, 'run', resume=resume)
    assert 'run/epoch_2.pth does not fit this model: ' in error
    assert 'backbone.stages.0.0.conv.weight (16, 3, 3, 3) | (24, 3, 3, 3)' in (error)
    assert kept(before, 'run')


def test_resume_with_nothing_to_resume(write_config, error_of):
    error = error_of(train, write_config(), 'run', resume=True)
    assert error.startswith('--resume: run holds no checkpoint to go on from')
    assert not Path('run').exists()
    error = error_of(train, write_config(), 'run', resume='nowhere.pth')
    assert error == 'there is no checkpoint nowhere.pth'


def test_resume_from_mere_weights(write_config, error_of, trained):
    (best,) = trained.glob('best_*.pth')
    error = error_of(train, write_config(), 'run', resume=str(best))
    assert f'{best} holds no state of the optimizer' in error
    assert f'load_from={best}' in error


def test_checkpoint_cut_in_half(write_config, error_of, trained, tmp_path):
    shutil.copytree(trained, tmp_path / 'run')
    file = Path('run/epoch_2.pth')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = contents('run')
    for error in (
        error_of(train, write_config(), 'run', resume=True),
        error_of(evaluate, write_config(), str(file), 'logs'),
    ):
        assert error.startswith('run/epoch_2.pth is damaged or no checkpoint')
        assert '\n' not in error
    assert contents('run') == before


def test_work_dir_that_cannot_be_written_to(write_config, error_of):
    Path('file').write_text('mine')
    error = error_of(train, write_config(), 'file/run')
    assert error == (
        'file/run cannot be written to: Not a directory; choose '
        'another folder with --work-dir'
    )
    assert Path('file').read_text() == 'mine'


def test_launcher_that_launched_nothing(write_config, error_of, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    error = error_of(train, write_config(), launcher='pytorch')
    assert 'tools/dist_train.sh' in error


@pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU is there')
def test_amp_without_gpu(write_config, error_of):
    assert error_of(train, write_config(), amp=True) == (
        '--amp needs a GPU, and torch sees none here; leave it out'
    )


@pytest.fixture
def own_data(digits_coco, tmp_path):
    """A copy of the data, as a user's own COCO set; its train.json."""
    shutil.copytree(digits_coco, tmp_path / 'own')
    return Path('own/annotations/train.json')


AS_COCO = """
train_dataloader['dataset'] = dict(
    _delete_=True, type='CocoDataset', data_root='own',
    pipeline=train_pipeline,
    ann_file='annotations/train.json', data_prefix=dict(img='train/'),
    metainfo=dict(classes=tuple('0123456789')))
"""


@pytest.mark.parametrize(
    ('flaw', 'message'),
    [
        ('missing', 'there is no annotation file'),
        ('malformed', 'is not valid JSON: line 1'),
        ('categories', 'Set metainfo=dict(classes=...)'),
        ('images', "refer to image ids that are not in 'images'"),
    ],
)
def test_flawed_annotations(own_data, write_config, error_of, flaw, message):
    data = json.loads(own_data.read_text())
    if flaw == 'categories':
        for category in data['categories']:
            category['name'] = 'digit ' + category['name']
    elif flaw == 'images':
        data['images'] = data['images'][2:]
    own_data.write_text(json.dumps(data)[: -5 if flaw == 'malformed' else None])
    if flaw == 'missing':
        own_data.unlink()
    error = error_of(train, write_config(AS_COCO), 'run')
    assert message in error
    assert str(own_data) in error
    assert '\n' not in error
    assert not Path('run').exists()


@pytest.mark.parametrize('num_workers', [0, 1])
def test_unreadable_image_is_named_also_by_a_worker(
    own_data, write_config, error_of, num_workers
):
    bad = Path('own/train/000003.jpg')
    bad.write_bytes(bad.read_bytes()[:200])
    error = error_of(
        train,
        write_config(AS_COCO),
        'run',
        cfg_options=[f'train_dataloader.num_workers={num_workers}'],
    )
    assert error.startswith(f'cannot read the image {bad}: ')
    assert 'skip_unreadable=True' in error
    assert '\n' not in error


def test_skip_unreadable_trains_on(own_data, write_config):
    bad = Path('own/train/000003.jpg')
    bad.write_bytes(b'')
    train(
        write_config(AS_COCO),
        'run',
        cfg_options=['train_dataloader.dataset.pipeline.0.skip_unreadable=True'],
    )
    assert Path('run/epoch_2.pth').is_file()
    (log,) = Path('run').glob('*/*.log')
    assert log.read_text().count(f'cannot read the image {bad}') == 1


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (
            'model.backbone.out_indices=[9]',
            'model.backbone: out_indices (9,): YOLOv1Backbone has 4 stages',
        ),
        (
            'model.backbone.trainable_stages=7',
            'model.backbone: trainable_stages 7: YOLOv1Backbone has 4 stages with '
            'weights that are computed',
        ),
    ],
)
def test_what_a_constructor_s_helper_refuses_is_explained(
    write_config, error_of, option, message
):
    config = write_config()
    assert error_of(train, config, 'run', cfg_options=[option]) == (
        f'{config}: {message}'
    )
