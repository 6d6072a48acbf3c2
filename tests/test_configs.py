"""Every run config, on stand-in data in the right folder layout."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset, VOCDataset
from mmengine.config import Config

from projects import create_model, list_models
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.engine import load_config, train

CONFIGS = Path(__file__).parents[1] / 'configs'
RUNS = sorted(p for p in CONFIGS.glob('*/*.py') if p.parent.name != '_base_')
VOC_XML = """<annotation><size><width>{w}</width><height>{h}</height>
<depth>3</depth></size><object><name>{name}</name><difficult>0</difficult>
<bndbox><xmin>10</xmin><ymin>12</ymin><xmax>60</xmax><ymax>70</ymax></bndbox>
</object></annotation>"""


def run_ids(path):
    return path.stem


def write_image(path, size=(96, 128)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    cv2.imwrite(str(path), noise)


def write_coco(root):
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(
        CocoDataset.METAINFO['classes'])]
    for split in ('train2017', 'val2017'):
        images, annotations = [], []
        for i in range(1, 5):
            write_image(root / split / f'{i:012}.jpg')
            images.append(dict(id=i, file_name=f'{i:012}.jpg', height=96,
                               width=128))
            annotations.append(dict(
                id=i, image_id=i, category_id=i, bbox=[10, 12, 50, 58],
                area=2900, iscrowd=0))
        file = root / f'annotations/instances_{split}.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(dict(
            images=images, annotations=annotations, categories=categories)))


def write_voc(root):
    for year, splits in ((2007, ('trainval', 'test')), (2012, ('trainval', ))):
        folder = root / f'VOC{year}'
        for split in splits:
            names = [f'{split}_{i}' for i in range(2)]
            for i, name in enumerate(names):
                write_image(folder / f'JPEGImages/{name}.jpg')
                xml = folder / f'Annotations/{name}.xml'
                xml.parent.mkdir(exist_ok=True)
                xml.write_text(VOC_XML.format(
                    w=128, h=96, name=VOCDataset.METAINFO['classes'][i]))
            file = folder / f'ImageSets/Main/{split}.txt'
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text('\n'.join(names))


@pytest.fixture(scope='module')
def workplace(tmp_path_factory):
    """A folder with ``data/`` as the configs expect it."""
    root = tmp_path_factory.mktemp('workplace')
    write_coco(root / 'data/coco')
    write_voc(root / 'data/VOCdevkit')
    make_digits_coco(root / 'data/digits-coco', num_train=4, num_val=2)
    return root


@pytest.mark.parametrize('path', RUNS, ids=run_ids)
def test_run_takes_two_steps_and_is_judged(path, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    runner = train(str(path), cfg_options=[
        'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
        'train_dataloader.batch_size=2', 'train_dataloader.num_workers=0',
        'val_dataloader.num_workers=0',
        # gigabytes for the large models; saving has tests of its own
        'default_hooks.checkpoint.interval=-1',
        'default_hooks.checkpoint.save_best=None'])
    assert runner.iter == 2
    scalars = runner.message_hub.log_scalars
    assert np.isfinite(scalars['train/loss'].data[0]).all()
    assert any('mAP' in name for name in scalars)


@pytest.mark.parametrize('path', RUNS, ids=run_ids)
def test_rates_change_within_the_run(path):
    cfg = load_config(str(path))
    end = cfg.train_cfg.max_epochs
    for scheduler in cfg.param_scheduler:
        if scheduler.get('by_epoch', True):
            assert scheduler.get('begin', 0) < end
            assert scheduler.get('end', end) <= end
            assert all(m < end for m in scheduler.get('milestones', []))
            assert scheduler.get('T_max', end) <= end


@pytest.mark.parametrize('path', RUNS, ids=run_ids)
def test_name_states_devices_batch_and_epochs(path):
    cfg = Config.fromfile(path)
    devices, batch = path.stem.split('_')[1].split('-')[0].split('xb')
    assert cfg.train_dataloader.batch_size == int(batch)
    assert int(devices) * int(batch) == cfg.auto_scale_lr.base_batch_size
    assert f'-{cfg.train_cfg.max_epochs}e_' in path.stem


@pytest.mark.parametrize('name', [
    name for name in list_models() if name.endswith(('mini', 'extraction'))])
def test_variants_build(name):
    """The large ones are built without memory in their plugin's tests."""
    assert sum(p.numel() for p in create_model(name).parameters()) > 0
