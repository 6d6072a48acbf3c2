"""Sequences from scratch: neighbourhoods, positions, norms; beside torch's parts."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from projects.registry import MODELS
from projects.scratch import (
    ScratchBatchNorm1d,
    ScratchLayerNorm,
    ScratchLocalSelfAttention,
    ScratchPatchEmbedding,
    ScratchPositionalEncoding,
    ScratchSelfAttention,
)
from projects.scratch.sequences import neighbourhoods, outside, sinusoids

CLOSE = dict(rtol=1e-8, atol=1e-8)


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def results(module, x, **kwargs):
    """Output of a call, and all gradients."""
    module.zero_grad()
    leaf = x.clone().requires_grad_()
    outs = module(leaf, **kwargs)
    outs = outs if isinstance(outs, tuple) else (outs,)
    torch.manual_seed(1)  # the same gradient comes back to all
    sum((out * torch.randn(out.shape)).sum() for out in outs).backward()
    return [*(out.detach() for out in outs), leaf.grad] + [
        p.grad for p in module.parameters()
    ]


def assert_same(module, twin, x, **kwargs):
    module.load_state_dict(twin.state_dict())
    torch.testing.assert_close(
        results(module, x, **kwargs), results(twin, x, **kwargs), **CLOSE
    )


# in a neighbourhood


class Banded(nn.Module):
    """Of torch's parts: all scores, a band of which is visible."""

    def __init__(self, embed_dim, reach, head_dim, bias):
        super().__init__()
        self.reach = reach
        self.q_proj = nn.Linear(embed_dim, head_dim, bias)
        self.k_proj = nn.Linear(embed_dim, head_dim, bias)
        self.v_proj = nn.Linear(embed_dim, head_dim, bias)

    def forward(self, x, key_padding_mask=None):
        length = x.shape[1]
        before, after = self.reach
        seen = torch.ones(length, length, dtype=torch.bool).tril(after).triu(-before)
        if key_padding_mask is not None:
            seen = seen & ~key_padding_mask[:, None]
        return F.scaled_dot_product_attention(
            self.q_proj(x), self.k_proj(x), self.v_proj(x), seen
        )


class OutputOf(nn.Module):
    """Without the weights."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def load_state_dict(self, weights):
        return self.layer.load_state_dict(weights)

    def forward(self, x, **kwargs):
        return self.layer(x, **kwargs)[0]


PADDED = torch.tensor([[False] * 7, [False] * 2 + [True] * 5, [True] * 7])


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('padding', [None, PADDED], ids=['whole', 'padded'])
@pytest.mark.parametrize('length', [7, 1])
@pytest.mark.parametrize('reach', [(0, 0), (1, 1), (2, 0), (0, 3), (6, 6), (20, 9)])
def test_neighbourhood_is_a_band(reach, length, padding, bias):
    """As far as to the ends, beyond both of them, and not at all."""
    padding = None if padding is None else padding[:, :length]
    twin = Banded(6, reach, 4, bias)
    assert_same(
        OutputOf(ScratchLocalSelfAttention(6, reach, 4, bias)),
        twin,
        torch.randn(3, length, 6),
        key_padding_mask=padding,
    )


@pytest.mark.parametrize('reach', [(1, 1), (3, 0), (0, 2), (9, 9)])
def test_weights_are_the_diagonals_of_the_band(reach):
    """Those of all scores, told of the same neighbourhood by a mask."""
    whole = ScratchSelfAttention(6)
    local = ScratchLocalSelfAttention(6, reach)
    local.load_state_dict(whole.state_dict())
    x = torch.randn(2, 5, 6)
    out, weights = local(x)
    expected, dense = whole(x, outside(5, *reach))
    torch.testing.assert_close(out, expected, **CLOSE)
    assert weights.shape == (2, 5, sum(reach) + 1)
    for i in range(5):
        for j in range(sum(reach) + 1):
            place = i - reach[0] + j
            seen = dense[:, i, place] if 0 <= place < 5 else torch.zeros(2)
            torch.testing.assert_close(weights[:, i, j], seen, **CLOSE)


def test_outside_by_hand():
    no, yes = False, True
    assert outside(4, 1, 0).tolist() == [
        [no, yes, yes, yes],
        [no, no, yes, yes],
        [yes, no, no, yes],
        [yes, yes, no, no],
    ]


def test_neighbourhoods_by_hand():
    x = torch.tensor([[[1.0], [2.0], [3.0]]])
    around = neighbourhoods(x, 1, 2)
    assert around[0, :, :, 0].tolist() == [[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 0]]
    # three tokens and three ends, whatever the size of a neighbourhood
    assert around.untyped_storage().nbytes() == 6 * x.element_size()


def test_a_token_beyond_reach_changes_nothing():
    layer = ScratchLocalSelfAttention(4, (2, 1))
    x = torch.randn(1, 9, 4)
    other = x.clone()
    other[:, 4] += 1
    moved = (layer(other)[0] - layer(x)[0]).abs().amax(-1)[0] > 1e-6
    # it is one after the third and up to two before the others
    assert moved.tolist() == [3 <= i <= 6 for i in range(9)]


def test_padding_changes_nothing():
    layer = ScratchLocalSelfAttention(4, 2)
    x = torch.randn(1, 3, 4)
    padded = torch.cat([x, torch.full((1, 4, 4), 7.0)], 1)
    mask = torch.arange(7)[None] >= 3
    out, weights = layer(padded, key_padding_mask=mask)
    alone, weights_alone = layer(x)
    torch.testing.assert_close(out[:, :3], alone, **CLOSE)
    torch.testing.assert_close(weights[:, :3], weights_alone, **CLOSE)
    # the last two see no token at all
    assert (weights[:, 5:] == 0).all()
    assert (out[:, 5:] == 0).all()


def test_layers_one_above_another_see_further():
    """Each adds its reach, as kernels do in a CNN."""
    layers = [ScratchLocalSelfAttention(4, 1) for _ in range(3)]
    x = torch.randn(1, 11, 4, requires_grad=True)
    out = x
    for layer in layers:
        out = layer(out)[0]
    out[0, 5].sum().backward()
    seen = x.grad[0].abs().amax(-1) > 0
    assert seen.tolist() == [2 <= i <= 8 for i in range(11)]


@pytest.mark.parametrize(
    ('layer', 'times'),
    [(ScratchLocalSelfAttention(8, 2), 2), (ScratchSelfAttention(8), 4)],
    ids=['neighbourhood', 'all'],
)
def test_cost_of_twice_the_length(layer, times):
    layer = layer.double()

    def products(length):
        """Of queries and keys, of weights and values."""
        with FlopCounterMode(display=False) as counter:
            layer(torch.randn(2, length, 8))
        linear = 3 * 2 * (2 * length * 8 * 8)
        return counter.get_total_flops() - linear

    assert products(128) == times * products(64) > 0


@pytest.mark.parametrize('reach', [-1, 1.5, (1, -1), (1, 2, 3), '1'])
def test_neighbourhood_refuses_a_reach(reach):
    with pytest.raises(ValueError, match='reach must be one whole number or two'):
        ScratchLocalSelfAttention(4, reach)


@pytest.mark.parametrize(
    ('shape', 'mask', 'message'),
    [
        ((3, 4), None, r'expected \(B, L, 4\), got \(3, 4\)'),
        ((2, 3, 5), None, r'expected \(B, L, 4\), got \(2, 3, 5\)'),
        (
            (2, 3, 4),
            torch.zeros(3, 2, dtype=torch.bool),
            r'key_padding_mask of \(2, 3\), got \(3, 2\)',
        ),
        ((2, 3, 4), torch.zeros(2, 3).int(), 'must hold booleans: torch.int32'),
    ],
)
def test_neighbourhood_refuses_inputs(shape, mask, message):
    with pytest.raises(ValueError, match=message):
        ScratchLocalSelfAttention(4, 1)(torch.zeros(shape), mask)


def test_gradient_is_that_of_finite_differences():
    layer = ScratchLocalSelfAttention(3, (1, 2), 2)
    x = torch.randn(2, 4, 3, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x, PADDED[:2, :4]))


# positions


def test_sinusoids_are_the_equation():
    """Sec. 3.5, number by number."""
    table = sinusoids(torch.arange(50), 12)
    for pos in range(50):
        for i in range(6):
            angle = pos / 10000 ** (2 * i / 12)
            assert table[pos, 2 * i].item() == pytest.approx(math.sin(angle))
            assert table[pos, 2 * i + 1].item() == pytest.approx(math.cos(angle))


@pytest.mark.parametrize('shift', [1, 7, -3, 1000])
def test_a_shift_is_a_rotation(shift):
    """One matrix for all positions: the model can learn to look so far back."""
    frequencies = [10000 ** (-2 * i / 16) for i in range(8)]
    rotation = torch.block_diag(
        *(
            torch.tensor(
                [
                    [math.cos(shift * f), math.sin(shift * f)],
                    [-math.sin(shift * f), math.cos(shift * f)],
                ]
            )
            for f in frequencies
        )
    )
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(16), **CLOSE)
    positions = torch.arange(200)
    torch.testing.assert_close(
        sinusoids(positions, 16) @ rotation.T, sinusoids(positions + shift, 16), **CLOSE
    )


def test_product_of_two_positions_tells_their_distance():
    table = sinusoids(torch.arange(40), 32)
    products = table @ table.T
    for distance in range(40):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), **CLOSE)
    # half the numbers, sin**2 + cos**2 of each pair, and nowhere as much again
    assert products[0, 0].item() == pytest.approx(16)
    assert products[0, 1:].max() < 15.5


def test_positional_encoding():
    layer = ScratchPositionalEncoding(6)
    assert not layer.state_dict()
    x = torch.randn(3, 5, 6)
    out = layer(x)
    torch.testing.assert_close(
        out - x, sinusoids(torch.arange(5), 6).expand(3, -1, -1), **CLOSE
    )
    # token by token, as they are generated
    for i in range(5):
        torch.testing.assert_close(layer(x[:, i : i + 1], i), out[:, i : i + 1])
    with pytest.raises(ValueError, match=r'expected \(B, L, 6\), got \(3, 5, 4\)'):
        layer(torch.zeros(3, 5, 4))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(embed_dim=5), 'embed_dim must be even and positive: 5'),
        (dict(embed_dim=0), 'embed_dim must be even and positive: 0'),
        (dict(embed_dim=4, base=1.0), 'base must be above 1: 1.0'),
    ],
)
def test_positional_encoding_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ScratchPositionalEncoding(**kwargs)


def test_far_positions_in_half_precision():
    """bfloat16 has no 257: as indices of that type two tokens would share a place."""
    layer = ScratchPositionalEncoding(4)
    out = layer(torch.zeros(1, 300, 4, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16
    expected = sinusoids(torch.arange(300), 4)
    torch.testing.assert_close(out[0].double(), expected, rtol=0, atol=2**-8)
    assert not torch.equal(out[0, 256], out[0, 257])


def test_with_positions_order_counts():
    """What attention alone does not know."""
    layer, places = ScratchSelfAttention(6), ScratchPositionalEncoding(6)
    x, order = torch.randn(2, 5, 6), torch.tensor([2, 0, 4, 3, 1])
    bare = layer(x)[0].mean(1), layer(x[:, order])[0].mean(1)
    torch.testing.assert_close(*bare, **CLOSE)
    placed = layer(places(x))[0].mean(1), layer(places(x[:, order]))[0].mean(1)
    assert (placed[0] - placed[1]).abs().max() > 1e-3


# norms of sequences


@pytest.mark.parametrize('shape', [(3, 5, 6), (1, 1, 6), (2, 40, 6)], ids=str)
def test_layer_norm_of_sequences(shape):
    twin = nn.LayerNorm(6)
    for parameter in twin.parameters():
        parameter.data.uniform_(0.5, 1.5)
    assert_same(ScratchLayerNorm(6), twin, torch.randn(shape))


def test_norms_of_a_padded_batch():
    """Layer normalisation: each token alone. Batch normalisation: not even with
    other lengths is it the same."""
    layer_norm, batch_norm = ScratchLayerNorm(6), ScratchBatchNorm1d(6)
    x = torch.randn(2, 3, 6)
    padded = torch.cat([x, torch.zeros(2, 4, 6)], 1)
    torch.testing.assert_close(layer_norm(padded)[:, :3], layer_norm(x), **CLOSE)
    torch.testing.assert_close(layer_norm(x)[:1], layer_norm(x[:1]), **CLOSE)
    alone, among = batch_norm(x.mT), batch_norm(padded.mT)[..., :3]
    assert (alone - among).abs().max() > 0.1
    # a later token changes an earlier one, too: it would be seen before its time
    later = x.clone()
    later[:, 2] += 1
    assert (batch_norm(later.mT) - alone)[..., :2].abs().max() > 0.1
    torch.testing.assert_close(layer_norm(later)[:, :2], layer_norm(x)[:, :2], **CLOSE)


# a picture as a sequence


def test_a_picture_through_attention_beside_torch():
    """Patches, places, norm and attention; all gradients, to the pixels."""

    class Reader(nn.Module):
        def __init__(self, patches, norm, attention):
            super().__init__()
            self.patches = patches
            self.places = ScratchPositionalEncoding(6)
            self.norm = norm
            self.attention = attention

        def forward(self, x):
            tokens = self.places(self.patches(x).flatten(2).mT)
            out = self.attention(self.norm(tokens))
            return out[0] if isinstance(out, tuple) else out

    assert_same(
        Reader(
            ScratchPatchEmbedding(3, 6, 2),
            ScratchLayerNorm(6),
            ScratchSelfAttention(6),
        ),
        # 12 tokens, all of them in reach
        Reader(
            nn.Conv2d(3, 6, 2, 2), nn.LayerNorm(6), Banded(6, (11, 11), 6, bias=True)
        ),
        torch.randn(2, 3, 8, 6),
    )


def test_registered():
    local = MODELS.build(dict(type='ScratchLocalSelfAttention', embed_dim=4, reach=1))
    assert local.reach == (1, 1)
    places = MODELS.build(dict(type='ScratchPositionalEncoding', embed_dim=4))
    assert str(places) == 'ScratchPositionalEncoding(4, base=10000.0)'
