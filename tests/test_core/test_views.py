"""Test-time augmentation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from projects.core.engine import evaluate
from projects.core.tasks.task import Task, task_of
from projects.core.variants import config_root
from projects.registry import MODELS

KEYS = "('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip',"
IDENTITY = f"""
tta_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale=(64, 64), keep_ratio=False)],
        [dict(type='RandomFlip', prob=0.0)],
        [dict(type='LoadAnnotations', with_bbox=True)],
        [dict(type='PackDetInputs', meta_keys={KEYS} 'flip_direction'))]])]
"""
LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
SSD = 'ssd/ssd-mini_1xb16-22e_digits-coco.py'
CIFAR = '_base_/datasets/cifar10.py'


def test_identity_alone_is_the_plain_test(by_heart, checkpoint, fresh, tmp_path):
    """To the last digit: of boxes, scores and metrics."""
    config = tmp_path / 'views.py'
    config.write_text(Path(by_heart).read_text() + IDENTITY)
    metrics, results = [], []
    for tta in (False, True):
        out = str(tmp_path / f'{tta}.json')
        metrics.append(
            evaluate(str(config), checkpoint, str(tmp_path / f'w{tta}'), out, tta=tta)
        )
        rows = json.loads(Path(out).read_text())
        results.append(
            sorted(
                (r['image_id'], r['category_id'], r['score'], r['bbox']) for r in rows
            )
        )
        fresh()
    assert metrics[0]['coco/bbox_mAP'] > 0.1
    assert metrics[0] == metrics[1]
    assert results[0] == results[1]
    read = json.loads((tmp_path / 'wTrue/test_evaluation/evaluation.json').read_text())
    assert 'with test-time augmentation: 1 view of tta_pipeline' in read['data']
    read = json.loads((tmp_path / 'wFalse/test_evaluation/evaluation.json').read_text())
    assert 'augmentation' not in read['data']


def test_flipped_boxes_by_hand():
    """In an image 20 pixels wide, [2, 5] of the mirror image is [15, 18]. It is the
    same object as the box that the image itself has there, of a higher score: one
    stays. The other, of a class of its own, is found in the mirror image alone."""

    def view(bboxes, scores, labels, flip):
        sample = DetDataSample(
            metainfo=dict(
                ori_shape=(10, 20),
                flip=flip,
                flip_direction='horizontal' if flip else None,
            )
        )
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor(bboxes),
            scores=torch.tensor(scores),
            labels=torch.tensor(labels),
        )
        return sample

    model = DetTTAModel(
        tta_cfg=ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=10),
        module=Stepping(),
    )
    plain = view([[15.0, 1, 18, 4]], [0.9], [0], False)
    mirrored = view([[2.0, 1, 5, 4], [0, 0, 4, 8]], [0.8, 0.7], [0, 1], True)
    (merged,) = model.merge_preds([[plain, mirrored]])
    found = merged.pred_instances
    assert found.bboxes.tolist() == [[15, 1, 18, 4], [16, 0, 20, 8]]
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.scores, [0.9, 0.7])


class Stepping(torch.nn.Module):
    """What a model for a test must have."""

    def test_step(self, data):
        raise NotImplementedError


def views_of(name):
    cfg = Config.fromfile(config_root() / name)
    if name == CIFAR:
        cfg.model = dict(type='projects.ImageClassifier')
        pipelines = Config.fromfile(config_root() / '_base_/pipelines/cifar_32.py')
        cfg.train_dataloader.dataset.pipeline = pipelines.train_pipeline
        cfg.test_dataloader.dataset.pipeline = pipelines.test_pipeline
    return task_of(cfg).views(cfg, name)


@pytest.mark.parametrize(
    ('config', 'num', 'words'),
    [
        (CIFAR, 2, '2 views, as it is and flipped'),
        (
            'resnet/resnet18_8xb32-90e_imagenet.py',
            4,
            '4 views, enlarged by 1 and 1.125 and as it is and flipped',
        ),
        ('ssd/ssd300_4xb8-232e_voc0712.py', 2, '2 views, as it is and flipped'),
    ],
)
def test_views_are_those_of_the_training(config, num, words):
    views = views_of(config)
    assert views.words == words
    step = views.pipeline[-1]
    assert step['type'] == 'TestTimeAug'
    assert np.prod([len(branch) for branch in step['transforms']]) == num


def test_a_symmetric_image_is_the_same_in_both_views():
    """Its mirror image is itself, so that the mean of the scores is either's."""
    views = views_of(CIFAR)
    half = np.random.default_rng(0).integers(0, 256, (32, 16, 3), np.uint8)
    image = np.concatenate([half, half[:, ::-1]], 1)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        data = Compose(views.pipeline)(dict(img=image, gt_label=3))
        classifier = MODELS.build(
            dict(
                type='projects.ImageClassifier',
                data_preprocessor=dict(mean=[127.5] * 3, std=[64.0] * 3, num_classes=5),
                backbone=dict(type='projects.LeNet', in_channels=3),
                head=dict(
                    type='projects.MLPClsHead',
                    num_classes=5,
                    in_channels=16,
                    pool_size=5,
                    hidden_channels=(8,),
                ),
            )
        ).eval()
        model = MODELS.build({**views.model, 'module': classifier})
    batch = pseudo_collate([data])
    assert len(batch['inputs']) == 2
    with torch.no_grad():
        (merged,) = model.test_step(batch)
        plain = classifier.test_step(dict(inputs=batch['inputs'][0], data_samples=None))
    assert merged.gt_label == 3
    assert torch.equal(merged.pred_score, plain[0].pred_score)


def test_the_mirror_image_of_an_asymmetric_one_counts_as_much():
    views = views_of(CIFAR)
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :8] = 255
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        plain, mirrored = Compose(views.pipeline)(dict(img=image))['inputs']
    assert torch.equal(plain.flip(2), mirrored)
    assert not torch.equal(plain, mirrored)


@pytest.mark.parametrize(
    'name',
    [
        'lenet/lenet5-modern_1xb64-20e_digits.py',
        'ssd/ssd-mini_1xb16-22e_digits-coco.py',
    ],
)
def test_digits_are_not_flipped(name, error_of):
    message = error_of(views_of, name)
    assert 'neither flips images nor crops them at random' in message
    assert 'state tta_pipeline' in message


def test_other_kinds_have_no_views(error_of):
    assert 'a model of no known kind, whose data have no other view' in error_of(
        Task().views, {}, 'x.py'
    )
    message = error_of(views_of, 'gpt/gpt-mini_1xb8-1800i_source-bpe.py')
    assert '--tta: gpt/gpt-mini' in message


def test_a_pipeline_without_views_is_refused(error_of):
    cfg = Config.fromfile(config_root() / LENET)
    cfg.tta_pipeline = [dict(type='PackInputs')]
    message = error_of(task_of(cfg).views, cfg, LENET)
    assert 'no TestTimeAug in its tta_pipeline' in message


def test_a_misspelt_key_is_refused(write_config, error_of):
    config = write_config('tta_pipelin = []')
    message = error_of(evaluate, config, 'x.pth', tta=True)
    assert "nothing reads the key 'tta_pipelin'; did you mean 'tta_pipeline'" in message
