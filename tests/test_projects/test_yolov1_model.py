"""Parameter counts, shapes and gradients of YOLOv1's parts."""

from itertools import pairwise

import pytest
import torch

from projects import create_model
from projects.core.errors import UserError
from projects.yolov1 import (
    YOLOv1Backbone,
    YOLOv1ConnectedPredictor,
    YOLOv1Head,
    YOLOv1Neck,
)
from projects.yolov1.predictors import LocallyConnected2d


@pytest.mark.parametrize(
    ('name', 'num_params'),
    [
        # the layer table of the paper's Fig. 3, with biases and without norm
        ('yolov1', 271_703_550),
        # 2 * 6,592 norm weights more: scale and shift, less the biases
        ('yolov1_bn', 271_716_734),
        ('yolov1_extraction', 23_428_136),
        ('yolov1_local', 197_301_875),
        ('yolov1_fast', 45_089_374),  # both summed up below
        ('yolov1_tiny', 27_095_374),
        ('yolov1_mini', 651_745),
    ],
)
def test_num_params(name, num_params, build_on_meta):
    model = build_on_meta(name)
    assert sum(p.numel() for p in model.parameters()) == num_params


@pytest.mark.parametrize(
    ('name', 'num_classes', 'num_params'),
    [
        # the last layer has 49 * 60 outputs more, of 4,096 weights and a bias
        ('yolov1', 80, 271_703_550 + 49 * 60 * 4097),
        ('yolov1_mini', 10, 651_745 - 10 * 193),
    ],
)
def test_num_params_of_other_classes(name, num_classes, num_params, build_on_meta):
    # as in the results table of the README
    assert num_params in (283_748_730, 649_815)
    model = build_on_meta(name, num_classes)
    assert sum(p.numel() for p in model.parameters()) == num_params


def test_tiny_counts_from_its_layers():
    widths = (3, 16, 32, 64, 128, 256, 512, 1024, 256)
    convs = sum(9 * a * b + 2 * b for a, b in pairwise(widths))
    linear = 7 * 7 * 256 * 1470 + 1470
    assert convs + linear == 27_095_374


def test_fast_counts_from_its_layers():
    widths = (3, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024)
    convs = sum(9 * a * b + b for a, b in pairwise(widths))
    linear = sum(a * b + b for a, b in ((7 * 7 * 1024, 256), (256, 4096), (4096, 1470)))
    assert convs + linear == 45_089_374


@pytest.mark.parametrize(
    ('arch', 'num_convs', 'channels', 'stride'),
    [
        ('extraction', 20, 1024, 32),
        ('fast', 9, 1024, 64),
        ('tiny', 8, 256, 64),
        ('mini', 12, 192, 16),
    ],
)
def test_backbone_stages(arch, num_convs, channels, stride):
    with torch.device('meta'):
        model = YOLOv1Backbone(arch)
        (out,) = model(torch.rand(1, 3, 448, 448))
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convs) == num_convs
    assert out.shape == (1, channels, 448 // stride, 448 // stride)


@pytest.mark.parametrize('batch_size', [1, 2])  # 1 catches a stray squeeze
def test_out_indices_give_a_map_per_stage(batch_size):
    outs = YOLOv1Backbone('mini', out_indices=(0, 1, -1))(
        torch.rand(batch_size, 3, 64, 96)
    )
    assert [tuple(out.shape) for out in outs] == [
        (batch_size, 24, 32, 48),
        (batch_size, 48, 16, 24),
        (batch_size, 192, 4, 6),
    ]


def test_neck_halves_the_map():
    neck = YOLOv1Neck(in_channels=8, channels=4)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in neck.modules()) == 4
    (out,) = neck((torch.rand(1, 3, 28, 28), torch.rand(1, 8, 14, 14)))
    assert out.shape == (1, 4, 7, 7)


def test_backbone_refuses():
    with pytest.raises(ValueError, match="arch 'huge' is none of extraction"):
        YOLOv1Backbone('huge')
    with pytest.raises(ValueError, match='has 4 stages'):
        YOLOv1Backbone('mini', out_indices=(4,))


def test_classifier_shares_names_with_the_detector(build_on_meta):
    classifier = build_on_meta('yolov1_extraction')
    detector = build_on_meta('yolov1')
    backbone = {
        k: v.shape
        for k, v in classifier.state_dict().items()
        if k.startswith('backbone.')
    }
    assert len(backbone) == 40  # weight and bias of 20 convolutions
    assert (
        backbone.items()
        <= {k: v.shape for k, v in detector.state_dict().items()}.items()
    )


@pytest.mark.parametrize(
    'predictor',
    [
        dict(hidden_channels=16),
        dict(hidden_channels=16, bottleneck_channels=8),
        dict(hidden_channels=None),
        dict(type='projects.YOLOv1LocalPredictor', local_channels=4),
        dict(type='projects.YOLOv1ConvPredictor'),
    ],
)
def test_predictors_reach_every_parameter(predictor):
    torch.manual_seed(0)
    head = YOLOv1Head(3, 6, grid_size=4, num_boxes=2, predictor=predictor)
    cls_scores, confs, bbox_preds = head((torch.rand(2, 6, 4, 4),))
    assert cls_scores.shape == (2, 16, 3)
    assert confs.shape == (2, 16, 2)
    assert bbox_preds.shape == (2, 16, 2, 4)
    (cls_scores.sum() + confs.sum() + bbox_preds.sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_conv_predictor_keeps_cells_apart():
    head = YOLOv1Head(
        3, 6, grid_size=4, predictor=dict(type='projects.YOLOv1ConvPredictor')
    )
    x = torch.rand(1, 6, 4, 4)
    changed = x.clone()
    changed[0, :, 1, 2] += 1  # cell 1 * 4 + 2
    for before, after in zip(head((x,)), head((changed,)), strict=True):
        cells = (before != after).flatten(2).any(-1)[0].nonzero().flatten()
        assert cells.tolist() == [6]


def test_any_map_is_brought_to_the_grid():
    head = YOLOv1Head(
        3, 6, grid_size=4, predictor=dict(type='projects.YOLOv1ConvPredictor')
    )
    x = torch.rand(1, 6, 4, 4)
    doubled = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    for a, b in zip(head((x,)), head((doubled,)), strict=True):
        torch.testing.assert_close(a, b)


def test_local_layer_is_a_convolution_where_its_weights_are_equal():
    torch.manual_seed(0)
    local = LocallyConnected2d(3, 5, 4)
    conv = torch.nn.Conv2d(3, 5, 3, padding=1)
    with torch.no_grad():
        local.weight.copy_(conv.weight.flatten(1).expand_as(local.weight))
        local.bias.copy_(conv.bias[:, None, None].expand_as(local.bias))
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(local(x), conv(x))
    with torch.no_grad():
        local.weight[6] += 1  # position row 1, column 2 alone
    differs = (local(x) - conv(x)).abs().sum((0, 1)) > 1e-4
    assert differs.nonzero().tolist() == [[1, 2]]


def test_dropout_stands_behind_the_hidden_layer():
    predictor = YOLOv1ConnectedPredictor(2, 2, 1, 1, hidden_channels=8, dropout=0.5)
    kinds = [type(layer).__name__ for layer in predictor.layers]
    assert kinds == ['Flatten', 'Linear', 'LeakyReLU', 'Dropout', 'Linear']
    assert predictor.layers[2].negative_slope == 0.1


def test_create_model_sets_the_number_of_classes():
    model = create_model('yolov1_mini', num_classes=3)
    assert model.bbox_head.predictor.conv.out_channels == 3 + 5


def test_create_model_loads_whole_weights_and_no_others(tmp_path):
    model = create_model('yolov1_mini')
    torch.save(model.state_dict(), tmp_path / 'mini.pth')
    again = create_model('yolov1_mini', pretrained=str(tmp_path / 'mini.pth'))
    for key, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value)
    # another number of classes: the predictor stays as initialised
    fewer = create_model('yolov1_mini', 3, str(tmp_path / 'mini.pth'))
    torch.testing.assert_close(fewer.backbone.state_dict(), model.backbone.state_dict())
    torch.save(
        {k: v for k, v in model.state_dict().items() if 'stages.3' not in k},
        tmp_path / 'half.pth',
    )
    with pytest.raises(UserError, match=r'backbone\.stages\.3.*missing'):
        create_model('yolov1_mini', pretrained=str(tmp_path / 'half.pth'))


def test_only_the_last_stage_is_trained():
    model = YOLOv1Backbone('mini', norm_cfg=dict(type='BN'), trainable_stages=1).train()
    assert [
        all(p.requires_grad for p in stage.parameters()) for stage in model.stages
    ] == [False] * 3 + [True]
    assert [stage[-1].bn.training for stage in model.stages] == ([False] * 3 + [True])
