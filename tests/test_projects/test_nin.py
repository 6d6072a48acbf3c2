"""Network in Network: the published list, and a head without linear layers.

Gradients and shapes at 224: test_classifiers.py.
"""

import pytest
import torch
from mmcv.cnn.bricks import ConvWS2d
from torch import nn

from projects import create_model
from projects.nin import NiN, NiNHead
from projects.registry import MODELS

AVERAGE = dict(type='projects.AvgPool2d')


def mlpconv(in_channels, channels, kernel_size, stride, padding):
    return [
        nn.Conv2d(in_channels, channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1),
        nn.ReLU(),
    ]


def published(in_channels, num_classes):
    """The published list, maps of each mlpconv at 224 in the comments."""
    return nn.Sequential(
        *mlpconv(in_channels, 96, 11, 4, 0),
        nn.MaxPool2d(3, 2),  # 54
        *mlpconv(96, 256, 5, 1, 2),
        nn.MaxPool2d(3, 2),  # 26
        *mlpconv(256, 384, 3, 1, 1),
        nn.MaxPool2d(3, 2),  # 12
        *mlpconv(384, num_classes, 3, 1, 1),  # 5
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@pytest.mark.parametrize(
    ('in_channels', 'num_classes', 'num_params'),
    [(1, 10, 1_992_166), (3, 1000, 7_439_608)],
)
def test_it_is_the_published_list(in_channels, num_classes, num_params):
    torch.manual_seed(0)
    model = create_model('nin', num_classes)
    model.backbone = NiN(in_channels=in_channels)
    model.backbone.init_weights()
    reference = published(in_channels, num_classes)
    own = list(model.parameters())
    assert sum(p.numel() for p in own) == num_params
    with torch.no_grad():
        for parameter, value in zip(reference.parameters(), own, strict=True):
            nn.init.normal_(
                value, std=(2 / value[0].numel()) ** 0.5 if value.dim() == 4 else 0.1
            )
            parameter.copy_(value)
        images = torch.randn(2, in_channels, 224, 224)
        expected = reference(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(model.eval()(images), expected, rtol=1e-4, atol=1e-4)


def test_logits_are_the_averages_of_the_class_maps():
    torch.manual_seed(0)
    head = NiNHead(7, in_channels=6).eval()
    feats = (torch.rand(2, 6, 12, 12),)
    maps = head.class_maps(feats)
    assert maps.shape == (2, 7, 5, 5)
    assert maps.min() == 0  # a ReLU is behind the last convolution, too
    torch.testing.assert_close(head(feats), maps.flatten(2).mean(2))
    assert head.pre_logits(feats).shape == (2, 6, 5, 5)


def test_all_of_its_layers_are_final():
    """Each has a channel per class, so new classes need all three anew."""
    final = NiNHead(7).final_layers()
    assert [layer.out_channels for layer in final] == [7, 7, 7]
    model = create_model('nin', trainable_stages=0)
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        f'head.block.{i}.{kind}' for i in (0, 2, 4) for kind in ('weight', 'bias')
    ]


def test_dropout_is_before_the_last_mlpconv():
    torch.manual_seed(0)
    feats = (torch.rand(1, 400, 6, 6) + 1,)
    head = NiNHead(3, in_channels=400, dropout=0.25)
    dropped = head.pre_logits(feats) == 0
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert not (head.eval().pre_logits(feats) == 0).any()
    assert NiNHead(3).dropout.p == 0.5


def test_layers_may_be_exchanged():
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=dict(
                type='projects.NiN', conv_cfg=dict(type='ConvWS'), pool_cfg=AVERAGE
            ),
            head=dict(
                type='projects.NiNHead',
                num_classes=3,
                conv_cfg=dict(type='ConvWS'),
                pool_cfg=AVERAGE,
            ),
        )
    )
    kinds = [type(m) for m in model.modules()]
    assert [
        kinds.count(kind) for kind in (ConvWS2d, nn.AvgPool2d, nn.Conv2d, nn.MaxPool2d)
    ] == [12, 3, 0, 0]


def test_padded_pools_leave_pixels_of_a_small_image():
    """As in the config for digits: 32 -> 6 -> 3 -> 2 -> 1."""
    padded = dict(type='projects.MaxPool2d', padding=1)
    images = torch.rand(1, 1, 32, 32)
    feats = NiN(in_channels=1, pool_cfg=padded)(images)
    assert feats[0].shape == (1, 384, 2, 2)
    assert NiNHead(3, pool_cfg=padded).class_maps(feats).shape == (1, 3, 1, 1)
    with pytest.raises(RuntimeError, match='too small'):
        NiN(in_channels=1)(images)


def test_weights_begin_as_hes():
    torch.manual_seed(0)
    model = create_model('nin')
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 12
    for layer in convs:
        assert layer.weight.std().item() == pytest.approx(
            (2 / layer.weight[0].numel()) ** 0.5, rel=0.05
        )
        assert not layer.bias.any()


def test_a_stage_too_many_is_refused():
    with pytest.raises(ValueError, match='NiN has 3 stages'):
        NiN(out_indices=(3,))
