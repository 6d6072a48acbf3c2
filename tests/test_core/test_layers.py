"""Layers that several architectures are built of."""

import pytest
import torch
from mmpretrain.models.utils import make_divisible as make_divisible_of_mmpretrain
from torch import nn
from torchvision.ops import Conv2dNormActivation

from projects.core.layers import ConvNormAct, make_divisible


@pytest.mark.parametrize(
    ('channels', 'expected'),
    [
        (3, 8),  # never less than the divisor
        (11, 16),  # 8 would be below 90 % of it
        (12, 16),  # the half is rounded up
        (18, 24),  # 16 is nearer, but 89 % of it
        (17.7, 16),  # 90.4 %
        (32 * 1.4, 48),
        (1280 * 0.35, 448),
    ],
)
def test_widths_are_divisible(channels, expected):
    assert make_divisible(channels) == expected


def test_widths_are_those_of_mmpretrain():
    for divisor in (4, 8, 16):
        for i in range(1, 4000):
            assert make_divisible(i * 0.35, divisor) == make_divisible_of_mmpretrain(
                i * 0.35, divisor
            )


@pytest.mark.parametrize(
    'options', [dict(kernel_size=1), dict(kernel_size=5, stride=2, groups=4)]
)
@pytest.mark.parametrize('norm', [True, False])
def test_conv_norm_act_is_that_of_torchvision(options, norm):
    torch.manual_seed(0)
    reference = Conv2dNormActivation(
        4,
        8,
        norm_layer=nn.BatchNorm2d if norm else None,
        activation_layer=nn.ReLU6,
        **options,
    )
    ours = ConvNormAct(
        4,
        8,
        norm_cfg=dict(type='BN') if norm else None,
        act_cfg=dict(type='ReLU6'),
        **options,
    )
    ours.load_state_dict(reference.state_dict())
    images = 5 * torch.randn(2, 4, 7, 9)
    assert torch.equal(ours(images), reference(images))
