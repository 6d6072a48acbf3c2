"""The detectors learn: four images by heart."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope

from projects import create_model
from projects.core.datasets.digits_coco_dataset import DigitsCocoDataset
from projects.core.variants import config_root


@pytest.fixture(scope='module')
def four_images(tmp_path_factory):
    pipeline = Config.fromfile(
        config_root() / '_base_/pipelines/digits_192.py'
    ).test_pipeline
    root = str(tmp_path_factory.mktemp('digits') / 'digits-coco')
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DigitsCocoDataset(
            split='train',
            data_root=root,
            pipeline=[],
            make_cfg=dict(num_train=4, num_val=1),
            test_mode=True,
        )
        # the loss needs boxes of the network's input: resize last
        steps = list(pipeline)
        steps[1], steps[2] = steps[2], steps[1]
        train = Compose(steps)
        test = Compose(pipeline)
        data = [dataset.get_data_info(i) for i in range(4)]
        return (
            dataset,
            pseudo_collate([train(dict(d)) for d in data]),
            pseudo_collate([test(dict(d)) for d in data]),
        )


@pytest.mark.parametrize('name', ['ssd_mini', 'yolov1_mini'])
def test_four_images_are_learnt_by_heart(name, four_images):
    dataset, train_batch, test_batch = four_images
    torch.manual_seed(0)
    np.random.seed(0)
    model = create_model(name, num_classes=10)
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    steps = 75
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    model.train()
    for _ in range(steps):
        data = model.data_preprocessor(train_batch, training=True)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad(), DefaultScope.overwrite_default_scope('mmdet'):
        evaluator = Evaluator(
            dict(type='projects.CocoMetric', ann_file=dataset.ann_file)
        )
        evaluator.dataset_meta = dataset.metainfo
        evaluator.process(model.test_step(test_batch), test_batch)
        metrics = evaluator.evaluate(4)
    assert metrics['coco/bbox_mAP_50'] >= 0.95
