"""mmdet's own detectors run where mmdet's release has a flaw."""

import pytest
import torch
from mmdet.models.dense_heads import SSDHead
from mmengine.config import ConfigDict

from projects.core.config import find_config, load_config
from projects.core.tasks.detection.mmdet_fixes import fix_ssd_head
from projects.core.tasks.detection.task import TASK
from projects.registry import MODELS

SIZES = (38, 19, 10, 5, 3, 1)  # of SSD300's maps


def ssd300_head():
    cfg = load_config(str(find_config('mmdet::ssd/ssd300_coco.py')))
    return MODELS.build(
        {
            **cfg.model.bbox_head,
            'type': 'mmdet.SSDHead',
            'train_cfg': None,
            'test_cfg': ConfigDict(cfg.model.test_cfg),
        }
    )


def predict(head):
    feats = [
        torch.zeros(1, c, s, s) for c, s in zip(head.in_channels, SIZES, strict=True)
    ]
    meta = dict(img_shape=(300, 300), ori_shape=(300, 300), scale_factor=(1.0, 1.0))
    return head.predict_by_feat(*head(feats), batch_img_metas=[meta])


def test_ssd_of_mmdet_predicts():
    head = ssd300_head()  # built before
    TASK.prepare(load_config(str(find_config('mmdet::ssd/ssd300_coco.py'))))
    (found,) = predict(head)
    assert len(found.bboxes) == len(found.scores) == len(found.labels)
    with pytest.raises(AttributeError, match="no attribute 'lost'"):
        _ = head.lost


def test_a_loss_of_its_own_is_kept():
    fix_ssd_head()
    fix_ssd_head()

    class Head(SSDHead):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.loss_cls = torch.nn.Identity()

    head = Head(num_classes=2, in_channels=(512,), anchor_generator=GENERATOR)
    assert isinstance(head.loss_cls, torch.nn.Identity)


GENERATOR = dict(
    type='SSDAnchorGenerator',
    scale_major=False,
    input_size=300,
    basesize_ratio_range=(0.15, 0.9),
    strides=[8],
    ratios=[[2]],
    min_sizes=[30],
    max_sizes=[60],
)
