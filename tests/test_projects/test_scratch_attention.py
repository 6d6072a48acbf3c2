"""Attention from scratch beside its twins of torch, and by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from projects.scratch import ScratchMultiheadAttention, ScratchSelfAttention
from projects.scratch.attention import attention_weights, softmax

CLOSE = dict(rtol=1e-8, atol=1e-8)


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def randomise(twin):
    """Biases, too, which begin with zeros."""
    for tensor in twin.parameters():
        tensor.data.uniform_(-1, 1)
    return twin


def results(module, inputs, **kwargs):
    """Outputs of a call, and all gradients.

    Where the inputs are one tensor it is one leaf, as in self-attention.
    """
    module.zero_grad()
    leaves = {id(x): x.clone().requires_grad_() for x in inputs}
    out, weights = module(*(leaves[id(x)] for x in inputs), **kwargs)
    torch.manual_seed(1)  # the same gradient comes back to both
    loss = (out * torch.randn(out.shape)).sum()
    if weights is not None:
        loss = loss + (weights * torch.randn(weights.shape)).sum()
    loss.backward()
    return {
        'output': out.detach(),
        'weights': None if weights is None else weights.detach(),
        **{f'input {i}': leaf.grad for i, leaf in enumerate(leaves.values())},
        **{name: p.grad for name, p in module.named_parameters()},
    }


def assert_same(layer, twin, inputs, **kwargs):
    """Outputs, weights and all gradients of a call, with the twin's weights."""
    # strict: names and shapes are the twin's
    layer.load_state_dict(twin.state_dict())
    ours = results(layer, inputs, **kwargs)
    expected = results(twin, inputs, **kwargs)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            ours[name], value, **CLOSE, msg=lambda m, name=name: f'{name}: {m}'
        )


def causal(length):
    """True above the diagonal: no token sees a later one."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


# softmax and weights


def test_softmax_by_hand():
    # exp: 1 and 3; 1 / 4 and 3 / 4. With 2 and 2: one half each
    scores = torch.tensor([[0, math.log(3)], [2, 2]])
    assert softmax(scores).flatten().tolist() == pytest.approx([0.25, 0.75, 0.5, 0.5])


@pytest.mark.parametrize('shape', [(5,), (2, 1), (2, 3, 4), (0, 3)], ids=str)
def test_softmax(shape):
    x = 5 * torch.randn(shape)
    gradients = []
    for function in (softmax, lambda x: x.softmax(-1)):
        leaf = x.clone().requires_grad_()
        out = function(leaf)
        (out * torch.arange(shape[-1])).sum().backward()
        gradients.append((out, leaf.grad))
    torch.testing.assert_close(*gradients, **CLOSE)


def test_softmax_of_large_numbers():
    # exp(1000) is infinite, and infinite over infinite NaN
    large = torch.tensor([1000.0, 1000 + math.log(3), -math.inf])
    assert softmax(large).tolist() == pytest.approx([0.25, 0.75, 0])
    assert softmax(-1000 - large[:2]).tolist() == pytest.approx([0.75, 0.25])
    assert softmax(torch.tensor([1, math.nan])).isnan().all()  # not hidden


def test_softmax_where_there_is_nothing_to_look_at():
    scores = torch.full((2, 3), -math.inf)
    scores[1, 1] = 7
    scores.requires_grad_()
    out = softmax(scores)
    assert out.tolist() == [[0, 0, 0], [0, 1, 0]]
    (out * torch.randn(2, 3)).sum().backward()
    assert scores.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_attention_weights_by_hand():
    x = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    # products 2 and 0 over the root of 4: scores 1 and 0, weights e / (e + 1), rest
    more, less = math.e / (math.e + 1), 1 / (math.e + 1)
    assert attention_weights(x, x).flatten().tolist() == pytest.approx(
        [more, less, less, more]
    )
    # the second is hidden from the first, or has 1 more: then scores 1 and 1
    hidden = torch.tensor([[False, True], [False, False]])
    assert attention_weights(x, x, hidden).flatten().tolist() == pytest.approx(
        [1, 0, less, more]
    )
    assert attention_weights(x, x, 1.0 * hidden)[0].tolist() == pytest.approx([0.5] * 2)


def test_scores_have_the_deviation_of_one_product():
    """Whatever the number of products that are summed."""
    for width in (4, 256):
        query, key = torch.randn(2, 300, width)
        weights = attention_weights(query, key).log()
        # scores but for a constant in each row
        assert (weights - weights.mean(-1, keepdim=True)).std() == pytest.approx(
            1, abs=0.15
        )


# one head


class SelfAttention(nn.Module):
    """Of torch's parts."""

    def __init__(self, embed_dim, head_dim, bias):
        super().__init__()
        self.q_proj = nn.Linear(embed_dim, head_dim, bias)
        self.k_proj = nn.Linear(embed_dim, head_dim, bias)
        self.v_proj = nn.Linear(embed_dim, head_dim, bias)

    def forward(self, x, attn_mask=None):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = ~attn_mask  # there True is what is seen
        out = F.scaled_dot_product_attention(q, k, v, attn_mask)
        # an identity for values: the weights
        eye = torch.eye(x.shape[1]).expand(*x.shape[:2], -1)
        return out, F.scaled_dot_product_attention(q, k, eye, attn_mask)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('head_dim', [6, 4, 1])
@pytest.mark.parametrize('shape', [(2, 5, 6), (1, 1, 6), (0, 3, 6)], ids=str)
def test_self_attention(shape, head_dim, bias):
    twin = randomise(SelfAttention(6, head_dim, bias))
    layer = ScratchSelfAttention(6, head_dim, bias)
    length = shape[1]
    x = torch.randn(shape)
    for mask in (
        None,
        causal(length),
        torch.randn(length, length),
        torch.randn(shape[0], length, length),
        causal(length).T,
        torch.ones(length, length, dtype=torch.bool),  # nothing is seen
    ):
        assert_same(layer, twin, [x], attn_mask=mask)


def test_self_attention_is_one_head_of_many():
    layer = ScratchSelfAttention(4)
    twin = nn.MultiheadAttention(4, 1, batch_first=True)
    for name in ('weight', 'bias'):
        parts = [p.get_parameter(name) for p in layer.children()]
        twin.get_parameter(f'in_proj_{name}').data = torch.cat(parts)
    twin.out_proj.weight.data = torch.eye(4)
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(layer(x), twin(x, x, x), **CLOSE)


def test_self_attention_refuses():
    layer = ScratchSelfAttention(4)
    for shape in [(3, 4), (2, 3, 5), (1, 2, 3, 4)]:
        with pytest.raises(ValueError, match=r'expected \(B, L, 4\), got'):
            layer(torch.zeros(shape))
    x = torch.zeros(2, 3, 4)
    with pytest.raises(
        ValueError, match=r'attn_mask of \(3, 3\) or \(2, 3, 3\), got \(2, 3\)'
    ):
        layer(x, torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r'booleans or floating.*: torch.int64'):
        layer(x, torch.zeros(3, 3, dtype=torch.int64))


# many heads


@pytest.mark.parametrize('num_heads', [1, 2, 3, 6])
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize(
    ('num_sequences', 'length', 'num_keys'),
    [(2, 5, 5), (2, 3, 5), (1, 1, 1), (3, 1, 4), (2, 4, 1), (0, 3, 2)],
)
def test_multihead_attention(num_heads, bias, num_sequences, length, num_keys):
    twin = randomise(nn.MultiheadAttention(6, num_heads, bias=bias, batch_first=True))
    layer = ScratchMultiheadAttention(6, num_heads, bias=bias)
    inputs = [
        torch.randn(num_sequences, size, 6) for size in (length, num_keys, num_keys)
    ]
    for kwargs in (
        dict(),
        dict(average_attn_weights=False),
        dict(need_weights=False),
    ):
        assert_same(layer, twin, inputs, **kwargs)


def test_multihead_attention_to_itself():
    """The gradient of one input is that of query, key and value together."""
    twin = randomise(nn.MultiheadAttention(6, 2, batch_first=True))
    x = torch.randn(2, 4, 6)
    assert_same(ScratchMultiheadAttention(6, 2), twin, [x, x, x])


def numbers(*shape):
    values = torch.arange(math.prod(shape), dtype=torch.float64)
    return values.sin().reshape(shape)


ATTN_MASKS = {
    'none': None,
    'causal': causal(4),
    'numbers': numbers(4, 4),
    'infinite': torch.zeros(4, 4, dtype=torch.float64).masked_fill(
        causal(4), -math.inf
    ),
    'of each head': torch.zeros(6, 4, 4, dtype=torch.bool),
    'numbers of each head': numbers(6, 4, 4),
}
ATTN_MASKS['of each head'][1, :, 2] = ATTN_MASKS['of each head'][4, 2, 1:] = True
PADDINGS = {
    'none': None,
    'booleans': torch.tensor([[False] * 4, [False, False, True, True], [False] * 4]),
    'numbers': numbers(3, 4),
}


@pytest.mark.filterwarnings('ignore:Support for mismatched key_padding_mask')
@pytest.mark.parametrize('need_weights', [True, False])
@pytest.mark.parametrize('padding', PADDINGS)
@pytest.mark.parametrize('attn_mask', ATTN_MASKS)
def test_masks(attn_mask, padding, need_weights):
    twin = randomise(nn.MultiheadAttention(6, 2, batch_first=True))
    x = torch.randn(3, 4, 6)
    assert_same(
        ScratchMultiheadAttention(6, 2),
        twin,
        [x, x, x],
        attn_mask=ATTN_MASKS[attn_mask],
        key_padding_mask=PADDINGS[padding],
        need_weights=need_weights,
        average_attn_weights=False,
    )


def test_what_is_hidden_changes_nothing():
    layer = ScratchMultiheadAttention(6, 2)
    x = torch.randn(2, 4, 6)
    other = x.clone()
    other[:, 2:] = torch.randn(2, 2, 6)
    mask = causal(4)
    ours, changed = (layer(t, t, t, attn_mask=mask)[0] for t in (x, other))
    torch.testing.assert_close(ours[:, :2], changed[:, :2], **CLOSE)
    assert (ours[:, 2:] - changed[:, 2:]).abs().amax(-1).min() > 1e-3
    padding = torch.tensor([[False, False, True, True]]).expand(2, -1)
    shorter = layer(x[:, :2], x[:, :2], x[:, :2])[0]
    padded = layer(x, x, x, key_padding_mask=padding)[0]
    torch.testing.assert_close(padded[:, :2], shorter, **CLOSE)


HIDDEN = torch.tensor([[False] * 3, [True] * 3, [False, True, True]])


@pytest.mark.parametrize(
    'masks',
    [
        dict(attn_mask=HIDDEN),
        dict(attn_mask=torch.zeros(3, 3).masked_fill(HIDDEN, -math.inf).double()),
        # what one mask leaves, the other hides
        dict(attn_mask=HIDDEN, key_padding_mask=torch.eye(3)[:2] > 0),
        dict(key_padding_mask=torch.tensor([[True] * 3, [False] * 3])),
    ],
    ids=['booleans', 'numbers', 'both', 'padding'],
)
def test_a_query_that_sees_no_key(masks):
    """Its weights are 0, as in the twin without weights; with them torch 2.15 has
    NaN there, and nothing is asked of it."""
    twin = randomise(nn.MultiheadAttention(6, 2, batch_first=True))
    layer = ScratchMultiheadAttention(6, 2)
    x = torch.randn(2, 3, 6)
    assert_same(layer, twin, [x, x, x], need_weights=False, **masks)
    ours, expected = (results(m, [x, x, x], **masks) for m in (layer, twin))
    blind = (ours['weights'] == 0).all(-1)
    assert blind.any()
    assert not blind.all()
    assert (ours['output'][blind] == layer.out_proj.bias).all()
    for name in ('weights', 'output'):
        torch.testing.assert_close(ours[name][~blind], expected[name][~blind], **CLOSE)
    assert not any(value.isnan().any() for value in ours.values())


def test_a_query_that_sees_no_key_in_eval_mode():
    """The kernel of torch 2.15 gives NaN there, with weights and without."""
    twin = randomise(nn.MultiheadAttention(6, 2, batch_first=True)).eval()
    layer = ScratchMultiheadAttention(6, 2).eval()
    layer.load_state_dict(twin.state_dict())
    x = torch.randn(2, 3, 6)
    with torch.no_grad():
        for need_weights in (True, False):
            kwargs = dict(attn_mask=HIDDEN, need_weights=need_weights)
            expected, ours = twin(x, x, x, **kwargs)[0], layer(x, x, x, **kwargs)[0]
            assert (ours[:, 1] == layer.out_proj.bias).all()
            torch.testing.assert_close(ours[:, ::2], expected[:, ::2], **CLOSE)


def test_permuted_tokens_give_permuted_outputs():
    """Attention knows no order: hence position embeddings."""
    order = torch.tensor([2, 0, 3, 1])
    x = torch.randn(2, 4, 6)
    one, many = ScratchSelfAttention(6), ScratchMultiheadAttention(6, 3)
    for layer in (one, lambda x: many(x, x, x)):
        (out, weights), (moved, moved_weights) = layer(x), layer(x[:, order])
        torch.testing.assert_close(moved, out[:, order], **CLOSE)
        torch.testing.assert_close(
            moved_weights, weights[:, order][:, :, order], **CLOSE
        )
        assert (out[:, order] - out).abs().max() > 1e-3
    # of keys and values alone: nothing changes
    out, moved = many(x, x, x)[0], many(x, x[:, order], x[:, order])[0]
    torch.testing.assert_close(moved, out, **CLOSE)


def test_heads_by_hand():
    layer = ScratchMultiheadAttention(4, 2)
    layer.in_proj_weight.data = torch.eye(4).repeat(3, 1)
    layer.out_proj.weight.data = torch.eye(4)
    x = torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]])
    out, weights = layer(x, x, x, average_attn_weights=False)
    # the first head sees (1, 1) and (0, 0): scores 2 / root 2 and 0 of the first
    # token, 0 and 0 of the second; the other head the other way round
    more = math.exp(2**0.5) / (math.exp(2**0.5) + 1)
    expected = [more, 1 - more, 0.5, 0.5, 0.5, 0.5, 1 - more, more]
    assert weights.flatten().tolist() == pytest.approx(expected)
    expected = [more, more, 0.5, 0.5, 0.5, 0.5, more, more]
    assert out.flatten().tolist() == pytest.approx(expected)
    assert layer(x, x, x)[1].flatten().tolist() == pytest.approx(
        [(more + 0.5) / 2, (1.5 - more) / 2, (1.5 - more) / 2, (more + 0.5) / 2]
    )


def test_dropout_is_on_the_weights():
    layer = randomise(ScratchMultiheadAttention(6, 2, dropout=0.4))
    x = torch.randn(40, 5, 6)
    whole = layer.eval()(x, x, x, average_attn_weights=False)[1]
    torch.testing.assert_close(whole.sum(-1), torch.ones(40, 2, 5), **CLOSE)
    out, weights = layer.train()(x, x, x, average_attn_weights=False)
    kept = weights != 0
    torch.testing.assert_close(weights[kept], whole[kept] / 0.6, **CLOSE)
    # 2,000 weights, five deviations of the mean
    assert kept.double().mean() == pytest.approx(0.6, abs=0.055)
    # and what is returned is what was used
    v = (x @ layer.in_proj_weight[12:].T + layer.in_proj_bias[12:]).view(40, 5, 2, 3)
    heads = torch.einsum('bnls,bsnd->blnd', weights, v).flatten(2)
    torch.testing.assert_close(out, layer.out_proj(heads), **CLOSE)


@pytest.mark.parametrize('bias', [True, False])
def test_multihead_attention_begins_as_its_twin(bias):
    torch.manual_seed(3)
    ours = ScratchMultiheadAttention(6, 2, bias=bias).state_dict()
    torch.manual_seed(3)
    twin = nn.MultiheadAttention(6, 2, bias=bias, batch_first=True).state_dict()
    torch.testing.assert_close(ours, twin)


@pytest.mark.parametrize(
    ('args', 'kwargs', 'message'),
    [
        ((6, 4), {}, '4 heads do not divide embed_dim 6'),
        ((6, 0), {}, '0 heads do not divide embed_dim 6'),
        ((0, 2), {}, '2 heads do not divide embed_dim 0'),
        ((6, 2), dict(batch_first=False), 'batch_first must be True: False'),
        ((6, 2), dict(dropout=1.5), r'p must be in \[0, 1\]: 1.5'),
    ],
)
def test_multihead_attention_refuses(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ScratchMultiheadAttention(*args, **kwargs)


@pytest.mark.parametrize(
    ('shapes', 'masks', 'message'),
    [
        ([(3, 6)] * 3, {}, r'got \(3, 6\), \(3, 6\) and \(3, 6\)'),
        ([(2, 3, 5)] * 3, {}, r'expected a query \(B, L, 6\), a key and'),
        ([(2, 3, 6), (1, 3, 6), (1, 3, 6)], {}, r'got \(2, 3, 6\), \(1, 3, 6\) and'),
        ([(2, 3, 6), (2, 3, 6), (2, 4, 6)], {}, r'and \(2, 4, 6\)'),
        (
            [(2, 3, 6), (2, 4, 6), (2, 4, 6)],
            dict(attn_mask=torch.zeros(4, 3)),
            r'attn_mask of \(3, 4\) or \(4, 3, 4\), got \(4, 3\)',
        ),
        (
            [(2, 3, 6)] * 3,
            dict(attn_mask=torch.zeros(2, 3, 3)),  # of images, not of their heads
            r'attn_mask of \(3, 3\) or \(4, 3, 3\), got \(2, 3, 3\)',
        ),
        (
            [(2, 3, 6)] * 3,
            dict(key_padding_mask=torch.zeros(3, 3)),
            r'key_padding_mask of \(2, 3\), got \(3, 3\)',
        ),
        (
            [(2, 3, 6)] * 3,
            dict(key_padding_mask=torch.zeros(2, 3, dtype=torch.uint8)),
            r'booleans or floating-point numbers: torch.uint8',
        ),
        ([(2, 3, 6)] * 3, dict(is_causal=True), 'is_causal needs an attn_mask'),
    ],
)
def test_multihead_attention_refuses_inputs(shapes, masks, message):
    layer = ScratchMultiheadAttention(6, 2)
    with pytest.raises(ValueError, match=message):
        layer(*(torch.zeros(shape) for shape in shapes), **masks)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('norm_first', [True, False])
def test_transformer_of_torch_takes_it(norm_first, training):
    """In eval mode, too, where torch would go past the layer to a kernel."""
    twin = nn.TransformerEncoderLayer(
        6, 2, 8, dropout=0, batch_first=True, norm_first=norm_first
    ).train(training)
    x, mask = torch.randn(2, 4, 6), causal(4)
    with torch.no_grad():
        expected = twin(x, src_mask=mask, is_causal=True)
        calls = []
        layer = ScratchMultiheadAttention(6, 2)
        layer.load_state_dict(twin.self_attn.state_dict())
        twin.self_attn = layer.train(training)
        heads = layer.heads
        layer.heads = lambda *inputs: calls.append(1) or heads(*inputs)
        torch.testing.assert_close(
            twin(x, src_mask=mask, is_causal=True), expected, **CLOSE
        )
    assert calls == [1]


@pytest.mark.parametrize('need_weights', [True, False])
def test_gradient_is_that_of_finite_differences(need_weights):
    layer = randomise(ScratchMultiheadAttention(4, 2))
    inputs = [torch.randn(1, n, 4, requires_grad=True) for n in (2, 3, 3)]
    # of a mask of numbers, too: a position bias is learnt through it
    mask = torch.randn(2, 3, requires_grad=True)

    def call(mask, *inputs):
        out, weights = layer(*inputs, attn_mask=mask, need_weights=need_weights)
        return (out, weights) if need_weights else out

    assert torch.autograd.gradcheck(call, (mask, *inputs))


def test_half_precision_stays_half():
    layer = ScratchMultiheadAttention(6, 2).bfloat16()
    x = torch.randn(2, 3, 6, dtype=torch.bfloat16)
    out, weights = layer(x, x, x, attn_mask=causal(3))
    assert out.dtype == weights.dtype == torch.bfloat16
