"""VGG: its layers are torchvision's at every depth.

Counts, parity of logits and gradients: test_classifiers.py.
"""

from itertools import pairwise

import pytest
import torch
from mmcv.cnn.bricks import ConvWS2d
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from projects import create_model
from projects.vgg import VGG

BN = dict(type='BN')
# torchvision's letters, those of the paper's Table 1
LETTERS = {11: 'A', 13: 'B', 16: 'D', 19: 'E'}
NARROW = (4, 6, 8, 10, 12)


@pytest.mark.parametrize('norm_cfg', [None, BN], ids=['plain', 'bn'])
@pytest.mark.parametrize('depth', LETTERS)
def test_maps_are_those_of_torchvisions_layers(depth, norm_cfg):
    torch.manual_seed(0)
    reference = make_layers(cfgs[LETTERS[depth]], norm_cfg is not None).eval()
    for name, values in reference.state_dict().items():
        if name.endswith('running_mean'):
            values.normal_(0, 0.1)
        elif name.endswith('running_var'):
            values.uniform_(0.5, 1.5)
        elif name.endswith('weight') and values.dim() == 4:
            nn.init.kaiming_normal_(values)
    backbone = VGG(depth, norm_cfg=norm_cfg, out_indices=range(6)).eval()
    backbone.features.load_state_dict(reference.state_dict())
    x = torch.randn(1, 3, 45, 64)
    with torch.no_grad():
        outs = backbone(x)
        expected = []
        for layer in reference:
            if isinstance(layer, nn.MaxPool2d):
                expected.append(x)  # the last ReLU before each pool
            x = layer(x)
        expected.append(x)
    assert x.std() > 0.1
    assert [tuple(out.shape[1:]) for out in outs] == [
        (64, 45, 64),
        (128, 22, 32),
        (256, 11, 16),
        (512, 5, 8),
        (512, 2, 4),
        (512, 1, 2),
    ]
    for out, value in zip(outs, expected, strict=True):
        torch.testing.assert_close(out, value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('depth', LETTERS)
def test_depth_counts_the_layers_with_weights(depth, build_on_meta):
    model = build_on_meta(f'vgg{depth}')
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules()) == depth


def test_num_params_of_vgg11_by_hand():
    # 9 * in * out + out of each convolution
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convs = sum(9 * i * o + o for i, o in pairwise(widths))
    assert sum(p.numel() for p in VGG(11).parameters()) == convs
    # a batch norm more for each: weight and bias
    norms = sum(2 * o for o in widths[1:])
    assert sum(p.numel() for p in VGG(11, norm_cfg=BN).parameters()) == convs + norms
    # 25,088 -> 4,096 -> 4,096 -> 1,000
    linear = 25089 * 4096 + 4097 * 4096 + 4097 * 1000
    assert convs + linear == 132_863_336


def test_channels_are_those_of_the_stages():
    backbone = VGG(11, NARROW, in_channels=1, out_indices=range(6))
    assert [tuple(out.shape[1:]) for out in backbone(torch.rand(2, 1, 32, 32))] == [
        (4, 32, 32),
        (6, 16, 16),
        (8, 8, 8),
        (10, 4, 4),
        (12, 2, 2),
        (12, 1, 1),
    ]


def test_layers_may_be_exchanged():
    backbone = VGG(
        13,
        NARROW,
        dict(type='BN', eps=0.1),
        conv_cfg=dict(type='ConvWS'),
        pool_cfg=dict(type='projects.AvgPool2d'),
    )
    kinds = [type(m) for m in backbone.features]
    assert [
        kinds.count(kind) for kind in (ConvWS2d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d)
    ] == [10, 10, 10, 5]
    assert len(kinds) == 35
    assert {m.eps for m in backbone.features if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_training_the_last_stage_trains_conv5():
    backbone = VGG(13, NARROW, BN, trainable_stages=1)
    trained = {
        n.split('.')[1] for n, p in backbone.named_parameters() if p.requires_grad
    }
    # 4 stages of (conv, norm, ReLU) twice and a pool: 28
    assert trained == {'28', '29', '31', '32'}
    assert backbone.features[29].training
    assert not backbone.features[1].training


def test_weights_begin_as_torchvisions():
    torch.manual_seed(0)
    model = create_model('vgg11_bn')
    for layer in model.backbone.features:
        if isinstance(layer, nn.Conv2d):
            # He's by 9 * out connections that leave
            assert layer.weight.std().item() == pytest.approx(
                (2 / 9 / layer.out_channels) ** 0.5, rel=0.05
            )
            assert layer.weight.abs().max() > 3 * layer.weight.std()
            assert not layer.bias.any()
    for layer in model.head.classifier:
        if isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.01)
            assert not layer.bias.any()
    assert [type(m).__name__ for m in model.head.classifier] == (
        'Linear ReLU Dropout Linear ReLU Dropout Linear'.split()
    )


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match='depth 12 not in'):
        VGG(12)
    with pytest.raises(ValueError, match='4 channels for 5 stages'):
        VGG(11, (1, 2, 3, 4))
    with pytest.raises(ValueError, match='VGG has 6 stages'):
        VGG(11, NARROW, out_indices=(0, 6))
