"""Checksums of data sets: of what they hold, wherever it lies."""

import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpretrain.datasets import CustomDataset
from torch.utils.data import Subset, TensorDataset
from toy_runs import ToyStream

from projects.core.datasets.checksums import checksum
from projects.core.datasets.digits import DigitsDataset
from projects.core.datasets.digits_coco_dataset import DigitsCocoDataset
from projects.registry import DATASETS

pytestmark = pytest.mark.usefixtures('few_objects')


@pytest.fixture
def there(tmp_path):
    """Two folders of other names and depths."""
    return tmp_path / 'a', tmp_path / 'elsewhere' / 'much deeper'


def image_folders(root, names=('cat/1.png', 'cat/2.png', 'dog/1.png')):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((2, 2, 3), np.uint8))
    return root


@pytest.mark.parametrize('root', ['data_root', 'data_prefix'])
def test_image_folders(there, root):
    def sum_of(folder):
        return checksum(CustomDataset(**{root: str(folder)}))

    first, second = (sum_of(image_folders(folder)) for folder in there)
    assert len(first) == 64
    assert first == second
    shutil.move(there[1] / 'cat/2.png', there[1] / 'dog/2.png')
    assert sum_of(there[1]) != first


def test_a_relative_folder_is_the_same(there, monkeypatch):
    first = checksum(CustomDataset(data_root=str(image_folders(there[0]))))
    monkeypatch.chdir(there[0].parent)
    assert checksum(CustomDataset(data_root='a')) == first
    assert checksum(CustomDataset(data_root='a/')) == first


def test_annotations_of_coco(there, digits_coco):
    for folder in there:
        shutil.copytree(digits_coco, folder)

    def sum_of(folder, **kwargs):
        return checksum(DigitsCocoDataset('val', folder, **kwargs))

    first, second = map(sum_of, there)
    assert first == second
    assert sum_of(there[0], indices=3) != first
    assert sum_of(there[0], metainfo=dict(classes=('3', '8'))) != first
    file = there[1] / 'annotations/val.json'
    content = json.loads(file.read_text())
    content['annotations'][0]['category_id'] += 1
    file.write_text(json.dumps(content))
    assert sum_of(there[1]) != first


def test_images_in_memory(monkeypatch):
    first = checksum(DigitsDataset('train'))
    assert checksum(DigitsDataset('train', serialize_data=False)) == first
    assert checksum(DigitsDataset('val')) != first
    load = DigitsDataset.load_data_list
    for key, change in (('gt_label', 1), ('img', np.eye(8, dtype=np.uint8))):

        def changed(self, key=key, change=change):
            samples = load(self)
            samples[700][key] = samples[700][key] + change
            return samples

        monkeypatch.setattr(DigitsDataset, 'load_data_list', changed)
        assert checksum(DigitsDataset('train')) != first


def test_data_sets_around_others():
    train, val = DigitsDataset('train'), DigitsDataset('val')
    both = ConcatDataset([train, val])
    assert checksum(both) == checksum(ConcatDataset([train, val]))
    assert checksum(both) != checksum(ConcatDataset([val, train]))
    assert checksum(RepeatDataset(train, 2)) not in (None, checksum(train))
    folds = [checksum(Subset(train, range(i, 1500, 2))) for i in (0, 1)]
    assert folds[0] != folds[1]
    assert checksum(SimpleNamespace(datasets=[train, ToyStream()])) is None


@pytest.mark.parametrize('dataset', [ToyStream(), TensorDataset(torch.ones(2))])
def test_what_cannot_be_told(dataset):
    assert checksum(dataset) is None


def texts(folder, text, length=4):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'train.txt').write_text(text)
    corpus = dict(type='projects.TextFiles', data_root=str(folder), train='train.txt')
    return DATASETS.build(
        dict(type='projects.StreamDataset', corpus=corpus, split='train', length=length)
    )


def test_texts(there):
    first, second = (checksum(texts(folder, 'abc' * 20)) for folder in there)
    assert first == second
    assert checksum(texts(there[0], 'abc' * 20, length=7)) == first
    assert checksum(texts(there[0], 'abc' * 19 + 'abd')) != first


ADDING = dict(type='projects.AddingProblem', length=4, num=8, seed=0)
DATES = dict(
    type='projects.PairDataset',
    corpus=dict(type='projects.DatesCorpus', num=dict(train=20, val=5, test=5)),
    split='train',
    tokenizer=dict(kind='chars'),
)
RING = dict(type='projects.MixtureDataset', layout='ring', num_modes=8, scale=2)
RING |= dict(std=0.1, num=50)
DOMAINS = dict(type='projects.DigitDomains', split='val', pipeline=[])
DOMAINS |= dict(mapping=dict(type='projects.ColouredNegative'))


@pytest.mark.parametrize(
    ('settings', 'other'),
    [
        (ADDING, dict(seed=1)),
        (DATES, dict(split='val')),
        (RING, dict(seed=1)),
        (dict(RING, fresh=True), dict(std=0.2)),
        (DOMAINS, dict(mapping=dict(type='projects.ColouredNegative', ink=(0, 0, 9)))),
    ],
)
def test_data_that_are_made(settings, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = checksum(DATASETS.build(settings))
    assert first is not None
    assert checksum(DATASETS.build(settings)) == first
    assert checksum(DATASETS.build({**settings, **other})) != first


def test_files_of_two_domains(there):
    def sum_of(folder):
        for name in ('trainA/1.png', 'trainB/2.png'):
            image_folders(folder, [name])
        settings = dict(type='projects.UnpairedDataset', split='train', pipeline=[])
        return checksum(DATASETS.build(dict(settings, data_root=str(folder))))

    first = sum_of(there[0])
    assert sum_of(there[1]) == first
    (there[1] / 'trainA/1.png').rename(there[1] / 'trainA/3.png')
    assert sum_of(there[1]) != first
