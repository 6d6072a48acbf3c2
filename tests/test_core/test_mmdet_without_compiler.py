"""mmdet imports, trains and predicts on mmcv's operators of the fallback."""

import importlib
import math

import pytest
import torch

import projects  # noqa: F401 - mmdet.models needs it to have been imported

# isort: split
from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dPack
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

NUM_CLASSES = 3
DATA = dict(
    type='DetDataPreprocessor', mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=32
)
BACKBONE = dict(type='ResNet', depth=18, norm_eval=False)
NECK = dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=8, num_outs=5)
BBOX_CODER = dict(type='DeltaXYWHBBoxCoder')
ASSIGNER = dict(
    type='MaxIoUAssigner',
    pos_iou_thr=0.5,
    neg_iou_thr=0.4,
    min_pos_iou=0,
    ignore_iof_thr=-1,
)
RETINANET = dict(
    type='RetinaNet',
    data_preprocessor=DATA,
    backbone=BACKBONE,
    neck=NECK,
    bbox_head=dict(
        type='RetinaHead',
        num_classes=NUM_CLASSES,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        bbox_coder=BBOX_CODER,
    ),
    train_cfg=dict(
        assigner=ASSIGNER,
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1,
    ),
    test_cfg=dict(
        nms_pre=100,
        min_bbox_size=0,
        score_thr=0.0,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=7,
    ),
)
FASTER_RCNN = dict(
    type='FasterRCNN',
    data_preprocessor=DATA,
    backbone=BACKBONE,
    neck=NECK,
    rpn_head=dict(
        type='RPNHead',
        in_channels=8,
        feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[4],
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=BBOX_CODER,
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            out_channels=8,
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=8,
            fc_out_channels=16,
            num_classes=NUM_CLASSES,
            bbox_coder=BBOX_CODER,
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=ASSIGNER,
            allowed_border=-1,
            pos_weight=-1,
            sampler=dict(
                type='RandomSampler',
                num=32,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            ),
        ),
        rpn_proposal=dict(
            nms_pre=50,
            max_per_img=20,
            min_bbox_size=0,
            nms=dict(type='nms', iou_threshold=0.7),
        ),
        rcnn=dict(
            assigner=ASSIGNER,
            pos_weight=-1,
            sampler=dict(
                type='RandomSampler',
                num=16,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            ),
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=50,
            max_per_img=20,
            min_bbox_size=0,
            nms=dict(type='nms', iou_threshold=0.7),
        ),
        rcnn=dict(
            score_thr=0.0, max_per_img=7, nms=dict(type='soft_nms', iou_threshold=0.5)
        ),
    ),
)


@pytest.fixture(autouse=True)
def scope():
    importlib.import_module('mmdet.models')
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def batch():
    """Two random 64 x 64 images, with two objects and with none."""
    samples = []
    for boxes in ([[4.0, 4.0, 24.0, 28.0], [30.0, 20.0, 60.0, 60.0]], []):
        gt = InstanceData(
            bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.arange(len(boxes))
        )
        samples.append(
            DetDataSample(
                gt_instances=gt,
                metainfo=dict(
                    img_shape=(64, 64),
                    ori_shape=(64, 64),
                    pad_shape=(64, 64),
                    batch_input_shape=(64, 64),
                    scale_factor=(1.0, 1.0),
                    img_id=0,
                ),
            )
        )
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)


@pytest.mark.parametrize(
    'module', ['mmdet.models', 'mmdet.apis', 'mmpretrain.models', 'mmpretrain.apis']
)
def test_library_imports(module):
    importlib.import_module(module)


@pytest.mark.parametrize(
    ('config', 'heads'),
    [
        (RETINANET, ['bbox_head.retina_cls', 'bbox_head.retina_reg']),
        (
            FASTER_RCNN,
            [
                'rpn_head.rpn_cls',
                'rpn_head.rpn_reg',
                'roi_head.bbox_head.fc_cls',
                'roi_head.bbox_head.fc_reg',
                # reached through the gradient of RoIAlign only
                'roi_head.bbox_head.shared_fcs.0',
            ],
        ),
    ],
    ids=['retinanet', 'faster_rcnn'],
)
def test_detector_takes_a_step_and_predicts(config, heads):
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config))
    model.init_weights()
    data = model.data_preprocessor(batch(), training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    assert math.isfinite(loss.item())
    loss.backward()
    for head in heads:
        assert model.get_submodule(head).weight.grad.abs().sum() > 0
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    with torch.no_grad():
        again, _ = model.parse_losses(model(**data, mode='loss'))
    assert math.isfinite(again.item())

    model.eval()
    with torch.no_grad():
        predictions = [sample.pred_instances for sample in model.test_step(batch())]
    assert len(predictions) == 2
    for prediction in predictions:
        assert 0 < len(prediction.bboxes) <= 7
        assert (prediction.bboxes >= 0).all()
        assert (prediction.bboxes <= 64).all()
        assert (prediction.scores.diff() <= 0).all()
        assert (prediction.labels < NUM_CLASSES).all()


def test_features_get_their_gradient_through_roi_align():
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(FASTER_RCNN))
    features = [
        torch.rand(2, 8, 64 // s, 64 // s, requires_grad=True) for s in (4, 8, 16, 32)
    ]
    rois = torch.tensor([[0.0, 4.0, 4.0, 24.0, 28.0], [1.0, 30.0, 20.0, 60.0, 60.0]])
    outs = model.roi_head.bbox_roi_extractor(features, rois)
    assert outs.shape == (2, 8, 7, 7)
    # Boxes below 112 pixels go to the first level. A bin's mean passes its
    # gradient on whole, so 49 bins of ones sum to 49 in each channel.
    outs.sum().backward()
    torch.testing.assert_close(features[0].grad.sum((2, 3)), torch.full((2, 8), 49.0))


def test_deformable_layer_of_mmcv_starts_as_half_a_convolution():
    torch.manual_seed(0)
    layer = ModulatedDeformConv2dPack(4, 6, 3, padding=1)
    x = torch.rand(1, 4, 8, 8)
    # offsets start at 0 and masks at sigmoid(0) = 1/2
    expected = torch.nn.functional.conv2d(x, layer.weight, padding=1) / 2
    torch.testing.assert_close(layer(x), expected)
    layer(x).sum().backward()
    assert layer.conv_offset.weight.grad.abs().sum() > 0
