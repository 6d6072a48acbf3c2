"""Layers that several architectures are built of."""

import math

import pytest
import torch
from mmpretrain.models.utils import make_divisible as make_divisible_of_mmpretrain
from torch import nn
from torchvision.ops import Conv2dNormActivation

from projects.core.layers import (
    ConvNormAct,
    ScaledDotProductAttention,
    make_divisible,
)


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


def qkv(*shape, keys=None):
    torch.manual_seed(0)
    keys = (*shape[:-2], keys or shape[-2], shape[-1])
    return [
        torch.randn(s, dtype=torch.float64, requires_grad=True)
        for s in (shape, keys, keys)
    ]


@pytest.mark.parametrize('shape', [(2, 3, 5, 4), (5, 1), (0, 2, 3, 4)])
@pytest.mark.parametrize('masked', [True, False])
@pytest.mark.parametrize('scale', [None, 0.3])
def test_written_out_attention_is_the_fused(shape, masked, scale):
    query, key, value = qkv(*shape, keys=7)
    mask = None
    if masked:
        mask = torch.randn(shape[-2], 7, dtype=torch.float64)
        mask[0, 1:] = -torch.inf  # the first query sees one key
    outs, grads = [], []
    for fused in (True, False):
        out = ScaledDotProductAttention(fused, scale=scale)(query, key, value, mask)
        outs.append(out)
        grads.append(torch.autograd.grad(out.square().sum(), (query, key, value)))
    torch.testing.assert_close(outs[0], outs[1])
    torch.testing.assert_close(grads[0], grads[1])
    if masked:
        torch.testing.assert_close(outs[1][..., 0, :], value[..., 0, :])


def test_attention_by_hand():
    """Scores of 0 and log 3 give weights of 1/4 and 3/4."""
    query, key = torch.tensor([[2.0]]), torch.tensor([[0.0], [math.log(3) / 2]])
    value = torch.tensor([[4.0], [8.0]])
    for fused in (True, False):
        out = ScaledDotProductAttention(fused)(query, key, value)
        torch.testing.assert_close(out, torch.tensor([[7.0]]))


def test_attention_shows_its_weights_to_a_hook():
    seen = []
    attention = ScaledDotProductAttention(fused=False, dropout=0.5)
    attention.softmax.register_forward_hook(lambda *args: seen.append(args[-1]))
    attention(*qkv(2, 3, 5, 4))
    assert seen[0].shape == (2, 3, 5, 5)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 3, 5).double())


@pytest.mark.parametrize('fused', [True, False])
def test_attention_drops_weights_in_training_alone(fused):
    query, key, value = qkv(1, 1, 50, 4)
    attention = ScaledDotProductAttention(fused, dropout=0.5)
    expected = ScaledDotProductAttention(fused)(query, key, value)
    assert not torch.allclose(attention(query, key, value), expected)
    torch.testing.assert_close(attention.eval()(query, key, value), expected)


@pytest.mark.parametrize('fused', [True, False])
def test_attention_refuses_a_mask_of_booleans(fused):
    query, key, value = qkv(2, 5, 4)
    mask = torch.ones(5, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match='a mask of booleans'):
        ScaledDotProductAttention(fused)(query, key, value, mask)
