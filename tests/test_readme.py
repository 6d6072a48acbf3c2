"""The README has every variant, and its examples train."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision

from projects import list_models
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.engine import train

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_every_plugin_and_variant_is_in_the_table():
    for folder in (ROOT / 'projects').iterdir():
        if (folder / '__init__.py').is_file() and folder.name != 'core':
            assert f'[{folder.name}](projects/{folder.name}/README.md)' in (README)
    for name in list_models():
        assert f'`{name}`' in README, name


def example(base):
    """The config whose base is in that folder, which is made absolute."""
    config = re.search(rf"```python\n(_base_ = '{base}.*?)```", README, re.S)
    return config[1].replace(f"'{base}", f"'{ROOT}/configs/{base[2:]}")


def test_the_config_for_own_classes_trains(tmp_path, monkeypatch):
    (tmp_path / 'my.py').write_text(example('./resnet/'))
    torch.save(
        torchvision.models.resnet18().state_dict(), tmp_path / 'resnet18-f37072fd.pth'
    )
    for split in ('train', 'val'):
        for name in ('cat', 'dog'):
            folder = tmp_path / 'data/pets' / split / name
            folder.mkdir(parents=True)
            for i in range(2):
                cv2.imwrite(
                    str(folder / f'{i}.jpg'),
                    np.random.default_rng(i).integers(0, 255, (256, 256, 3), np.uint8),
                )
    monkeypatch.chdir(tmp_path)
    runner = train(
        'my.py',
        cfg_options=[
            'train_cfg.max_epochs=1',
            'train_dataloader.batch_size=2',
            'train_dataloader.num_workers=0',
            'val_dataloader.num_workers=0',
        ],
    )
    assert runner.iter == 2
    assert runner.val_dataloader.dataset.metainfo['classes'] == ('cat', 'dog')
    assert runner.model.backbone.num_frozen_stages == 4
    assert any('accuracy/top1' in k for k in runner.message_hub.log_scalars)


def test_the_config_for_own_texts_trains(tmp_path, monkeypatch):
    (tmp_path / 'my_texts.py').write_text(example('./gpt/'))
    folder = tmp_path / 'data/poems'
    folder.mkdir(parents=True)
    for split in ('train', 'val', 'test'):
        lines = (f'Roses are red, {split} is line {i}.' for i in range(60))
        (folder / f'{split}.txt').write_text('\n'.join(lines))
    monkeypatch.chdir(tmp_path)
    runner = train(
        'my_texts.py',
        cfg_options=[
            'train_cfg.max_iters=2',
            'train_cfg.val_interval=2',
            'param_scheduler=[]',
        ],
    )
    assert runner.iter == 2
    assert 'val.txt' in runner.val_dataloader.dataset.names[0]
    assert any('bits_per_byte' in k for k in runner.message_hub.log_scalars)
    assert list((folder / 'tokenizers').glob('bpe-*.json'))


def test_the_config_for_own_data_trains(tmp_path, monkeypatch):
    config = example('./yolov1/')
    (tmp_path / 'my.py').write_text(config)
    # digits 0 and 1 of digits-coco in the place of cats and dogs
    make_digits_coco(tmp_path / 'made', num_train=8, num_val=8)
    root = tmp_path / 'data/pets'
    (root / 'images').mkdir(parents=True)
    for split in ('train', 'val'):
        data = json.loads((tmp_path / f'made/annotations/{split}.json').read_text())
        data['categories'] = [dict(id=1, name='cat'), dict(id=2, name='dog')]
        for image in data['images']:
            name = image['file_name']
            image['file_name'] = f'{split}_{name}'
            (tmp_path / 'made' / split / name).rename(
                root / 'images' / image['file_name']
            )
        for annotation in data['annotations']:
            annotation['category_id'] = 1 + annotation['category_id'] % 2
        (root / f'{split}.json').write_text(json.dumps(data))
    monkeypatch.chdir(tmp_path)
    runner = train(
        'my.py',
        cfg_options=[
            'train_cfg.max_epochs=1',
            'train_cfg.val_interval=1',
            'train_dataloader.batch_size=4',
            'train_dataloader.num_workers=0',
            'val_dataloader.num_workers=0',
        ],
    )
    assert runner.iter == 2
    assert runner.val_dataloader.dataset.metainfo['classes'] == ('cat', 'dog')


def test_the_config_for_own_images_trains(tmp_path, monkeypatch):
    (tmp_path / 'my_images.py').write_text(example('./gan/'))
    folder = tmp_path / 'data/birds/below'
    folder.mkdir(parents=True)
    for i in range(4):
        image = np.random.default_rng(i).integers(0, 255, (80, 96, 3), np.uint8)
        cv2.imwrite(str(folder / f'{i}.jpg'), image)
    monkeypatch.chdir(tmp_path)
    runner = train(
        'my_images.py',
        cfg_options=[
            'train_cfg.max_iters=2',
            'train_cfg.val_interval=2',
            'train_dataloader.batch_size=2',
            'train_dataloader.num_workers=0',
            'val_dataloader.num_workers=0',
            'default_hooks.checkpoint.interval=-1',
            'default_hooks.checkpoint.save_last=False',
        ],
    )
    assert runner.iter == 2
    assert (tmp_path / 'work_dirs/my_images/samples.gif').is_file()
