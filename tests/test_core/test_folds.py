import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from projects.core.config import load_config
from projects.core.datasets.folds import Fold, dataset_of_fold, folds_of
from projects.core.engine import train
from projects.core.errors import UserError
from projects.core.tasks.detection.coco_metric import CocoMetric
from projects.core.tasks.language.folds import FoldCorpus
from projects.core.tasks.task import task_of
from projects.core.variants import config_root
from projects.registry import TASK_UTILS

LENET = config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py'


def test_folds_have_their_share_of_each_class():
    labels = [0] * 9 + [1] * 6 + [2] * 3
    folds = folds_of(labels, Fold(0, 3, seed=0))
    assert folds.stratified
    for i in range(3):
        counts = np.bincount(np.array(labels)[folds.numbers == i])
        assert counts.tolist() == [3, 2, 1]


def test_folds_follow_from_seed_and_data():
    def checksum(num, of, seed, index=0):
        return folds_of([None] * num, Fold(index, of, seed)).checksum

    assert checksum(10, 3, 0) == checksum(10, 3, 0, index=2)
    assert len({checksum(10, 3, 0), checksum(10, 3, 1), checksum(11, 3, 0)}) == 3
    assert folds_of([None] * 10, Fold(0, 3, 0)).sizes == [4, 3, 3]


def test_a_class_of_fewer_samples_than_folds_is_in_some_of_them():
    folds = folds_of([0] * 6 + [1], Fold(0, 3, 0))
    assert sorted(folds.sizes) == [2, 2, 3]


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ([None] * 4, 'there are 4 samples to train on; give at most 4'),
        ([0, 1, 2, 3, 4, 4], 'no class has more than 2 samples'),
    ],
)
def test_too_many_folds_are_refused(labels, message):
    with pytest.raises(UserError, match=message):
        folds_of(labels, Fold(0, 5, 0))


def test_no_such_fold():
    with pytest.raises(ValueError, match='fold 3 of 3'):
        Fold(3, 3, 0)


def digits(index, held_out, seed=0):
    settings = dict(type='projects.DigitsDataset', split='train', pipeline=[])
    return dataset_of_fold(settings, index, 5, seed, held_out)


def test_folds_of_digits_are_all_of_them_once():
    parts = [digits(i, True) for i in range(5)]
    assert [len(part) for part in parts] == [300] * 5
    images = {part[i]['img'].tobytes() for part in parts for i in range(300)}
    rest = digits(0, False)
    assert len(rest) == 1200
    assert images - {parts[0][i]['img'].tobytes() for i in range(300)} == {
        rest[i]['img'].tobytes() for i in range(1200)
    }
    assert parts[0].test_mode
    assert not rest.test_mode


@pytest.fixture
def coco(tmp_path):
    """Config of six images, of which the even ones have no object."""
    from PIL import Image

    for i in range(6):
        Image.new('RGB', (64, 64)).save(tmp_path / f'{i}.png')
    objects = [
        dict(id=i, image_id=i, category_id=1, bbox=[1, 1, 9, 9], area=81, iscrowd=0)
        for i in (1, 3, 5)
    ]
    images = [dict(id=i, file_name=f'{i}.png', width=64, height=64) for i in range(6)]
    categories = [dict(id=1, name='dot')]
    file = tmp_path / 'a.json'
    file.write_text(
        json.dumps(dict(images=images, annotations=objects, categories=categories))
    )
    return dict(
        type='mmdet.CocoDataset',
        ann_file=str(file),
        data_prefix=dict(img=str(tmp_path)),
        metainfo=dict(classes=('dot',)),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=[],
    )


def test_what_is_filtered_in_training_is_validated_on(coco):
    def ids(index, held_out):
        dataset = dataset_of_fold(coco, index, 2, 0, held_out)
        return {dataset.get_data_info(i)['img_id'] for i in range(len(dataset))}

    held_out = ids(0, True)
    assert len(held_out) == 3
    assert held_out | ids(1, True) == set(range(6))
    assert ids(0, False) == {1, 3, 5} - held_out


def test_images_of_other_folds_are_not_missed(coco):
    found = dict(
        img_id=1,
        bboxes=np.array([[1, 1, 10, 10]], np.float32),
        scores=np.array([0.9], np.float32),
        labels=np.array([0]),
    )

    def score(**settings):
        metric = CocoMetric(coco['ann_file'], classwise=False, **settings)
        metric.dataset_meta = dict(classes=('dot',))
        return metric.compute_metrics([(dict(img_id=1), found)])['bbox_mAP']

    # one of three objects is found: precision 1 up to recall 1 / 3, which 34 of the
    # 101 recalls are up to
    assert score() == pytest.approx(34 / 101)
    assert score(only_predicted=True) == pytest.approx(1)


def test_a_detector_is_trained_and_validated_on_folds(write_config, tmp_path, caplog):
    runner = train(
        write_config(),
        str(tmp_path / 'run'),
        cfg_options=['train_cfg.max_epochs=1', 'default_hooks.logger.interval=9'],
        fold=(1, 4),
    )
    assert len(runner.train_dataloader.dataset) == 12
    assert len(runner.val_dataloader.dataset) == 4
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'were not predicted' not in log
    (metric,) = runner.val_loop.evaluator.metrics[:1]
    images = metric._coco_api.dataset['images']
    assert {image['id'] for image in images} == {
        runner.val_dataloader.dataset.get_data_info(i)['img_id'] for i in range(4)
    }


@TASK_UTILS.register_module()
class TenDocuments:
    """Documents 'train 0' to 'train 9', and one of each other split."""

    data_root, description = 'nowhere', 'ten documents'

    def documents(self, split):
        num = 10 if split == 'train' else 1
        return [(str(i), f'{split} {i}') for i in range(num)]

    def training_texts(self):
        return (text for _, text in self.documents('train'))


def test_folds_of_documents():
    corpora = [FoldCorpus(dict(type='TenDocuments'), i, 5, seed=0) for i in range(5)]
    held_out = [corpus.documents('val') for corpus in corpora]
    assert sorted(chain(*held_out)) == TenDocuments().documents('train')
    for corpus, part in zip(corpora, held_out, strict=True):
        # a tokenizer learns nothing of the fold
        texts = list(corpus.training_texts())
        assert len(texts) == 8
        assert not {text for _, text in part} & set(texts)
        assert corpus.documents('test') == [('0', 'test 0')]
    assert corpora[0].folds().sizes == [2] * 5


@pytest.mark.parametrize(
    ('config', 'options', 'message'),
    [
        ('gan/gan-minmax-mlp_1xb64-4500i_ring8.py', [], '--repeat trains it with'),
        ('rnn/gru-adding100_1xb50-750i_adding.py', [], 'AddingProblem, which cannot'),
        (
            LENET,
            [
                'train_dataloader.dataset={"type": "RepeatDataset", "times": 2, '
                '"dataset": {"type": "projects.DigitsDataset", "split": "train"}}'
            ],
            'RepeatDataset, which cannot be split',
        ),
    ],
)
def test_data_that_cannot_be_split_are_refused(config, options, message):
    cfg = load_config(config_root() / config, options)
    with pytest.raises(UserError, match=message):
        task_of(cfg).hold_out(cfg, Fold(0, 5, 0))


def test_a_validation_without_pipeline_is_refused():
    cfg = load_config(LENET)
    del cfg.val_dataloader.dataset['pipeline']
    with pytest.raises(UserError, match='states no pipeline'):
        task_of(cfg).hold_out(cfg, Fold(0, 5, 0))


def test_a_metric_that_counts_all_images_is_refused(write_config):
    cfg = load_config(write_config("val_evaluator['type'] = 'CocoMetric'\n"))
    with pytest.raises(UserError, match=r'projects\.CocoMetric can evaluate a part'):
        task_of(cfg).hold_out(cfg, Fold(0, 4, 0))


def test_both_configs_have_the_same_folds():
    names = LENET, *sorted(Path(LENET).parent.glob('lenet5_*_digits.py'))[:1]
    found = []
    for name in names:
        cfg = load_config(name)
        found.append(task_of(cfg).hold_out(cfg, Fold(0, 5, 0)).checksum)
    assert len(found) == 2
    assert len(set(found)) == 1
