"""Each layer from scratch beside its twin of torch.nn, and by hand."""

import math

import pytest
import torch
from torch import nn

from projects.scratch import (
    ScratchAdaptiveAvgPool2d,
    ScratchAvgPool2d,
    ScratchBatchNorm1d,
    ScratchBatchNorm2d,
    ScratchConv2d,
    ScratchDropout,
    ScratchLayerNorm,
    ScratchLinear,
    ScratchLocalResponseNorm,
    ScratchLoopConv2d,
    ScratchMaxPool2d,
    ScratchPatchEmbedding,
    ScratchReLU,
)
from projects.scratch.convolution import correlate
from projects.scratch.windows import windows

CLOSE = dict(rtol=1e-8, atol=1e-8)
CONVOLUTIONS = [ScratchConv2d, ScratchLoopConv2d]


@pytest.fixture(autouse=True)
def _double_precision():
    """A wrong epsilon or divisor must not hide in the rounding."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def randomise(twin):
    """Weights and statistics that change something."""
    for tensor in (*twin.parameters(), *twin.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 1.5)
    return twin


def assert_same(layer, twin, *shape, x=None):
    """Output and all gradients of a call, with the twin's weights."""
    # strict: names and shapes are the twin's
    layer.load_state_dict(twin.state_dict())
    x = torch.randn(shape) if x is None else x
    results = []
    for module in (layer, twin):
        module.zero_grad()
        leaf = x.clone().requires_grad_()
        # not the leaf itself, which an inplace layer may not overwrite
        out = module(leaf * 1)
        torch.manual_seed(1)  # the same gradient comes back to both
        (out * torch.randn(out.shape)).sum().backward()
        results.append(
            {
                'output': out.detach(),
                'input': leaf.grad,
                **{name: p.grad for name, p in module.named_parameters()},
                **{name: b.clone() for name, b in module.named_buffers()},
            }
        )
    ours, expected = results
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            ours[name], value, **CLOSE, msg=lambda m, name=name: f'{name}: {m}'
        )


# convolution


@pytest.mark.parametrize('conv', CONVOLUTIONS)
@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(bias=False),
        dict(kernel_size=1),
        dict(kernel_size=(1, 3), padding=(0, 1)),
        dict(kernel_size=(3, 2), stride=(2, 1), padding=(1, 2)),
        dict(stride=2),
        dict(stride=3, padding=2),
        dict(padding=3),
        dict(dilation=2),
        dict(dilation=(1, 3), padding=(0, 3)),
        dict(stride=2, padding=1, dilation=2),
        dict(groups=2),
        dict(groups=2, stride=2, padding=1, dilation=2),
        dict(in_channels=6, groups=3),  # three groups of 2 to 2 channels
        dict(in_channels=3, groups=3),  # depthwise, two kernels for each channel
        dict(kernel_size=[2, 2], stride=[2, 2]),  # lists, as from a JSON config
    ],
    ids=str,
)
def test_convolution(conv, kwargs):
    kwargs = {'in_channels': 4, 'out_channels': 6, 'kernel_size': 3, **kwargs}
    assert_same(
        conv(**kwargs), randomise(nn.Conv2d(**kwargs)), 2, kwargs['in_channels'], 7, 6
    )


@pytest.mark.parametrize('conv', CONVOLUTIONS)
def test_convolution_of_one_image_of_the_kernel_s_size(conv):
    assert_same(conv(2, 3, (5, 4)), nn.Conv2d(2, 3, (5, 4)), 1, 2, 5, 4)


def test_correlation_by_hand():
    image = torch.tensor([[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [4.0, 0.0, 1.0]]])
    kernel = torch.tensor([[[1.0, 2.0], [3.0, -1.0]]])
    # top left: 1 * 1 + 2 * 2 + 3 * 0 - 1 * 1; the next 1 * 2 + 2 * 0 + 3 * 1
    # - 1 * 3; below 1 * 0 + 2 * 1 + 3 * 4 - 1 * 0, 1 * 1 + 2 * 3 + 3 * 0 - 1
    assert correlate(image, kernel).tolist() == [[4, 2], [14, 6]]
    # the kernel is not turned round: a convolution in the strict sense has
    # -1 * 1 + 3 * 2 + 2 * 0 + 1 * 1 = 6 first
    two_channels = torch.cat([image, 10 * image])
    assert correlate(two_channels, torch.cat([kernel, kernel])).tolist() == [
        [44, 22],
        [154, 66],
    ]
    # every second pixel: 1 * 1 + 2 * 0 + 3 * 4 - 1 * 1
    assert correlate(image, kernel, dilation=(2, 2)).tolist() == [[12]]


def test_windows_share_the_memory_of_the_map():
    x = torch.zeros(1, 1, 4, 4)
    patches = windows(x, (3, 3), (1, 1), (1, 1))
    x[0, 0, 1, 1] = 1  # in all four windows
    assert patches.shape == (1, 1, 2, 2, 3, 3)
    assert patches.sum() == 4


@pytest.mark.parametrize('conv', CONVOLUTIONS)
@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(padding='same'), "padding must be .* at least 0: 'same'"),
        (dict(padding=-1), 'padding must be .* at least 0: -1'),
        (dict(stride=0), 'stride must be .* at least 1: 0'),
        (dict(kernel_size=(3, 3, 3)), 'kernel_size must be one whole number or'),
        (dict(dilation=1.5), 'dilation must be one whole number or two'),
        (dict(padding_mode='reflect'), "padding_mode must be 'zeros': 'reflect'"),
        (dict(groups=3), '3 groups do not divide 4 input and 6 output'),
        (dict(groups=4), '4 groups do not divide 4 input and 6 output'),
    ],
)
def test_convolution_refuses(conv, kwargs, message):
    with pytest.raises(ValueError, match=message):
        conv(**{'in_channels': 4, 'out_channels': 6, 'kernel_size': 3, **kwargs})


@pytest.mark.parametrize('conv', CONVOLUTIONS)
@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        ((1, 3, 9, 9), r'expected \(B, 4, H, W\), got \(1, 3, 9, 9\)'),
        ((4, 9, 9), r'expected \(B, 4, H, W\), got \(4, 9, 9\)'),
        ((1, 4, 9, 2), r'a kernel over 5 x 5 pixels on a padded map of 11 x 4'),
        ((1, 4, 2, 9), r'a kernel over 5 x 5 pixels on a padded map of 4 x 11'),
    ],
)
def test_convolution_refuses_inputs(conv, shape, message):
    layer = conv(4, 6, 3, padding=1, dilation=2)
    with pytest.raises(ValueError, match=message):
        layer(torch.zeros(shape))


# patch embedding


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('patch', [1, 3, (2, 4), [3, 2]], ids=str)
@pytest.mark.parametrize(
    'shape',
    [
        (2, 3, 12, 12),
        (1, 3, 7, 9),  # rows and columns are left over
        (2, 3, 3, 4),
        (0, 3, 6, 8),
    ],
    ids=str,
)
def test_patch_embedding(patch, shape, bias):
    assert_same(
        ScratchPatchEmbedding(3, 5, patch, bias=bias),
        randomise(nn.Conv2d(3, 5, patch, patch, bias=bias)),
        *shape,
    )


def test_patch_embedding_is_the_unfolded_convolution():
    layer, conv = (
        ScratchPatchEmbedding(2, 4, (2, 3)),
        ScratchConv2d(2, 4, (2, 3), (2, 3)),
    )
    conv.load_state_dict(layer.state_dict())
    x = torch.randn(2, 2, 6, 7)
    torch.testing.assert_close(layer(x), conv(x), **CLOSE)


def test_patch_embedding_by_hand():
    layer = ScratchPatchEmbedding(1, 2, 2)
    layer.weight.data = torch.tensor([[[[1.0, 1.0], [1.0, 1.0]]], [[[0, 1], [0, -1]]]])
    layer.bias.data = torch.tensor([0.0, 100.0])
    x = torch.arange(20.0).reshape(1, 1, 4, 5)  # the last column is left over
    # 0 + 1 + 5 + 6, 2 + 3 + 7 + 8, ...; top right less bottom right
    assert layer(x).tolist() == [[[[12, 20], [52, 60]], [[95, 95], [95, 95]]]]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(stride=2), r'stride must be kernel_size \(4, 4\): \(2, 2\)'),
        (dict(padding=1), r'padding must be 0, .*: \(1, 1\), \(1, 1\), 1'),
        (dict(dilation=2), r'dilation and groups 1: \(0, 0\), \(2, 2\), 1'),
        (dict(groups=3), r'dilation and groups 1: \(0, 0\), \(1, 1\), 3'),
        (dict(padding='same'), "padding must be .* at least 0: 'same'"),
    ],
)
def test_patch_embedding_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ScratchPatchEmbedding(3, 6, 4, **kwargs)


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        ((1, 4, 8, 8), r'expected \(B, 3, H, W\), got \(1, 4, 8, 8\)'),
        ((3, 8, 8), r'expected \(B, 3, H, W\), got \(3, 8, 8\)'),
        ((1, 3, 3, 8), r'a kernel over 4 x 4 pixels on a padded map of 3 x 8'),
    ],
)
def test_patch_embedding_refuses_inputs(shape, message):
    with pytest.raises(ValueError, match=message):
        ScratchPatchEmbedding(3, 6, 4)(torch.zeros(shape))


# pooling


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(kernel_size=3),
        dict(stride=1),
        dict(stride=3),
        dict(kernel_size=(3, 2), stride=(1, 2)),
        dict(padding=1),
        dict(kernel_size=(3, 5), padding=(1, 2)),
        dict(kernel_size=3, stride=2, padding=1),
    ],
    ids=str,
)
@pytest.mark.parametrize('ceil_mode', [False, True])
@pytest.mark.parametrize('size', [(7, 7), (7, 8), (10, 5), (3, 5)], ids=str)
def test_pooling(kwargs, ceil_mode, size):
    kwargs = {'kernel_size': 2, **kwargs, 'ceil_mode': ceil_mode}
    assert_same(ScratchMaxPool2d(**kwargs), nn.MaxPool2d(**kwargs), 2, 3, *size)
    for count in (True, False):
        assert_same(
            ScratchAvgPool2d(**kwargs, count_include_pad=count),
            nn.AvgPool2d(**kwargs, count_include_pad=count),
            2,
            3,
            *size,
        )


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(dilation=2),
        dict(dilation=(1, 2), padding=(0, 1)),
        dict(dilation=2, stride=2, padding=1, ceil_mode=True),
    ],
    ids=str,
)
def test_dilated_max_pooling(kwargs):
    assert_same(ScratchMaxPool2d(3, **kwargs), nn.MaxPool2d(3, **kwargs), 2, 3, 9, 8)


def test_window_that_only_ceil_mode_lets_in():
    assert_same(
        ScratchMaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        1,
        1,
        2,
        2,
    )


def test_first_of_equals_takes_the_gradient():
    # ReLU leaves many zeros; whole numbers from 0 to 2 tie in most windows
    x = torch.randint(0, 3, (2, 3, 8, 8)).double()
    assert_same(ScratchMaxPool2d(3, 2), nn.MaxPool2d(3, 2), x=x)


def test_pooling_by_hand():
    x = torch.tensor([[[[1.0, 5.0, 2.0], [3.0, 0.0, -4.0], [7.0, 6.0, 8.0]]]])
    assert ScratchMaxPool2d(2)(x).tolist() == [[[[5]]]]
    assert ScratchMaxPool2d(2, ceil_mode=True)(x).tolist() == [[[[5, 2], [7, 8]]]]
    # (1 + 5 + 3 + 0) / 4, then windows of 2, 2 and 1 pixel
    assert ScratchAvgPool2d(2, ceil_mode=True)(x).tolist() == [[[[2.25, -1], [6.5, 8]]]]
    # a border of zeros, and strides of 2: 1 / 4, 7 / 4; or 1 / 1, 7 / 2
    assert ScratchAvgPool2d(2, padding=1)(x).tolist() == [[[[0.25, 1.75], [2.5, 2.5]]]]
    assert ScratchAvgPool2d(2, padding=1, count_include_pad=False)(x).tolist() == [
        [[[1, 3.5], [5, 2.5]]]
    ]


@pytest.mark.parametrize('output_size', [1, 2, 3, 5, (1, 4), [7, 2], (9, 8)], ids=str)
def test_adaptive_pooling(output_size):
    assert_same(
        ScratchAdaptiveAvgPool2d(output_size),
        nn.AdaptiveAvgPool2d(output_size),
        2,
        3,
        7,
        5,
    )


@pytest.mark.parametrize('pool', [ScratchMaxPool2d, ScratchAvgPool2d])
def test_pooling_refuses(pool):
    with pytest.raises(ValueError, match=r'padding \(2, 0\) is more than ha'):
        pool(3, padding=(2, 0))
    with pytest.raises(ValueError, match=r'stride must be .* at least 1: 0'):
        pool(3, stride=0)
    with pytest.raises(
        ValueError,
        match=r'a window of \(3, 3\) on a map of '
        r'\(2, 5\)',
    ):
        pool(3)(torch.zeros(1, 1, 2, 5))
    with pytest.raises(ValueError, match=r'expected \(B, C, H, W\), got'):
        pool(3)(torch.zeros(1, 5, 5))
    with pytest.raises(ValueError, match='output_size must be'):
        ScratchAdaptiveAvgPool2d(0)


# batch normalisation

BATCH_NORMS = [
    (ScratchBatchNorm1d, nn.BatchNorm1d, (6, 5)),
    (ScratchBatchNorm1d, nn.BatchNorm1d, (3, 5, 4)),
    (ScratchBatchNorm2d, nn.BatchNorm2d, (3, 5, 4, 2)),
    (ScratchBatchNorm2d, nn.BatchNorm2d, (1, 5, 3, 3)),
]


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(eps=0.1),
        dict(momentum=0.7),
        dict(momentum=None),
        dict(momentum=0.0),
        dict(affine=False),
        dict(track_running_stats=False),
    ],
    ids=str,
)
@pytest.mark.parametrize(('norm', 'twin', 'shape'), BATCH_NORMS)
def test_batch_norm(norm, twin, shape, kwargs, training):
    """Outputs, gradients and moving statistics of three batches."""
    ours, twin = norm(5, **kwargs), randomise(twin(5, **kwargs))
    ours.train(training)
    twin.train(training)
    for i in range(1, 4):
        # a mean and a deviation far from 0 and 1, others in each batch
        x = 3 * i + i * torch.randn(shape)
        assert_same(ours, twin, x=x)
        ours.load_state_dict(twin.state_dict())


def test_moving_statistics_run_on_by_themselves():
    """Here no batch gets the twin's statistics to begin with."""
    for momentum in (0.1, None):
        ours = ScratchBatchNorm2d(2, momentum=momentum)
        twin = nn.BatchNorm2d(2, momentum=momentum)
        for i in range(3):
            x = i + 2 * torch.randn(2, 2, 3, 3)
            ours(x)
            twin(x)
        for name, buffer in twin.named_buffers():
            torch.testing.assert_close(ours.get_buffer(name), buffer, **CLOSE)
        assert ours.num_batches_tracked == 3
        torch.testing.assert_close(ours.eval()(x), twin.eval()(x), **CLOSE)
        assert ours.num_batches_tracked == 3  # eval mode adds nothing


def test_batch_norm_by_hand():
    norm = ScratchBatchNorm1d(1, eps=0)
    # mean 4, mean square 8 / 3
    out = norm(torch.tensor([[2.0], [4.0], [6.0]]))
    assert out.flatten().tolist() == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])
    # a tenth of the way from 0 to 4, and from 1 to 8 / 2
    assert norm.running_mean.tolist() == pytest.approx([0.4])
    assert norm.running_var.tolist() == pytest.approx([1.3])


def test_batch_norm_refuses():
    with pytest.raises(ValueError, match='one value for each channel'):
        ScratchBatchNorm1d(3)(torch.zeros(1, 3))
    with pytest.raises(ValueError, match='one value for each channel'):
        ScratchBatchNorm1d(3, track_running_stats=False).eval()(torch.zeros(1, 3))
    assert ScratchBatchNorm1d(3).eval()(torch.zeros(1, 3)).shape == (1, 3)
    with pytest.raises(ValueError, match='expected 3 channels in 2 or 3 dime'):
        ScratchBatchNorm1d(3)(torch.zeros(2, 3, 2, 2))
    with pytest.raises(ValueError, match='expected 3 channels in 4 dimension'):
        ScratchBatchNorm2d(3)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r'got \(2, 4, 2, 2\)'):
        ScratchBatchNorm2d(3)(torch.zeros(2, 4, 2, 2))


# the other two normalisations


@pytest.mark.parametrize(
    ('shape', 'normalized_shape'),
    [
        ((4, 5), 5),
        ((2, 3, 5), 5),
        ((2, 3, 5), (3, 5)),
        ((2, 3, 5), [5]),
        ((1, 3, 4, 5), (3, 4, 5)),
        ((2, 3, 4, 5), (4, 5)),
        ((5,), 5),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(eps=0.1),
        dict(elementwise_affine=False),
        dict(bias=False),
    ],
    ids=str,
)
def test_layer_norm(shape, normalized_shape, kwargs):
    assert_same(
        ScratchLayerNorm(normalized_shape, **kwargs),
        randomise(nn.LayerNorm(normalized_shape, **kwargs)),
        *shape,
    )


def test_layer_norm_is_the_same_in_eval_mode():
    norm, x = ScratchLayerNorm(4), torch.randn(3, 4)
    torch.testing.assert_close(norm(x), norm.eval()(x), rtol=0, atol=0)


def test_layer_norm_refuses():
    with pytest.raises(
        ValueError,
        match=r'expected \(\.\.\., \(3, 5\)\), got '
        r'\(3, 4\)',
    ):
        ScratchLayerNorm((3, 5))(torch.zeros(3, 4))


@pytest.mark.parametrize('size', [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize('shape', [(2, 6, 3), (1, 6, 3, 2)], ids=str)
@pytest.mark.parametrize('kwargs', [dict(), dict(alpha=2.0, beta=0.5, k=2.0)], ids=str)
def test_local_response_norm(size, shape, kwargs):
    # so large that squares matter at the default alpha of 1e-4
    assert_same(
        ScratchLocalResponseNorm(size, **kwargs),
        nn.LocalResponseNorm(size, **kwargs),
        x=30 * torch.randn(shape),
    )


def test_local_response_norm_refuses():
    with pytest.raises(ValueError, match='size must be at least 1: 0'):
        ScratchLocalResponseNorm(0)


# linear layer, dropout, rectifier


@pytest.mark.parametrize('shape', [(5,), (1, 5), (4, 5), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize('bias', [True, False])
def test_linear(shape, bias):
    assert_same(ScratchLinear(5, 3, bias), nn.Linear(5, 3, bias), *shape)


def test_linear_refuses():
    with pytest.raises(ValueError, match=r'expected \(\.\.\., 5\), got'):
        ScratchLinear(5, 3)(torch.zeros(2, 4))


@pytest.mark.parametrize('inplace', [False, True])
def test_relu(inplace):
    x = torch.randn(2, 3, 4, 4)
    x[0] = x[0].round()  # with zeros, where the gradient is 0
    assert (x == 0).any()
    assert_same(ScratchReLU(inplace), nn.ReLU(inplace), x=x)
    assert ScratchReLU()(torch.tensor(math.nan)).isnan()  # not hidden


@pytest.mark.parametrize('layer', [ScratchReLU, ScratchDropout])
@pytest.mark.parametrize('inplace', [False, True])
def test_inplace_overwrites_the_input(layer, inplace):
    x = torch.full((100,), -1.0)
    out = layer(inplace=inplace)(x)
    assert (out.data_ptr() == x.data_ptr()) == inplace
    assert (x == -1).all() != inplace


@pytest.mark.parametrize('inplace', [False, True])
@pytest.mark.parametrize('p', [0.2, 0.5])
def test_dropout_keeps_the_rate_and_the_expectation(p, inplace):
    x = torch.ones(100_000)
    out = ScratchDropout(p, inplace)(x.clone())
    # each is 0 or 1 / (1 - p); five deviations of the mean
    assert set(out.tolist()) == {0.0, 1 / (1 - p)}
    assert (out == 0).double().mean() == pytest.approx(p, abs=0.008)
    assert out.mean() == pytest.approx(1, abs=0.008 / (1 - p))


@pytest.mark.parametrize('inplace', [False, True])
def test_dropout_gradient_has_the_same_mask(inplace):
    x = torch.rand(1000).requires_grad_()
    out = ScratchDropout(0.4, inplace)(x * 1)
    out.sum().backward()
    torch.testing.assert_close(x.grad, (out / x).detach(), **CLOSE)


def test_dropout_draws_anew():
    dropout, x = ScratchDropout(), torch.ones(50)
    assert (dropout(x) != dropout(x)).any()


def test_dropout_at_its_ends():
    x = torch.randn(10)
    assert ScratchDropout(0.7).eval()(x) is x
    assert torch.equal(ScratchDropout(0)(x), x)
    assert torch.equal(ScratchDropout(1)(x), torch.zeros(10))
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r'p must be in \[0, 1\]'):
            ScratchDropout(p)


# all of them


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        (ScratchConv2d(2, 2, 2, padding=1, groups=2), (1, 2, 3, 3)),
        (ScratchLoopConv2d(2, 2, 2, stride=2), (1, 2, 4, 4)),
        (ScratchPatchEmbedding(2, 2, 2), (1, 2, 4, 5)),
        (ScratchMaxPool2d(2, padding=1), (1, 1, 4, 4)),
        (ScratchAvgPool2d(2, ceil_mode=True), (1, 1, 3, 3)),
        (ScratchAdaptiveAvgPool2d(2), (1, 1, 3, 3)),
        (ScratchBatchNorm2d(2), (2, 2, 2, 2)),
        (ScratchLayerNorm(4), (2, 4)),
        (ScratchLocalResponseNorm(3, alpha=0.5), (1, 4, 2)),
        (ScratchLinear(3, 2), (2, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_gradient_is_that_of_finite_differences(layer, shape):
    x = torch.randn(shape, requires_grad=True)
    assert torch.autograd.gradcheck(layer.double(), x)


@pytest.mark.parametrize(
    ('layer', 'twin'), [(ScratchConv2d, nn.Conv2d), (ScratchLoopConv2d, nn.Conv2d)]
)
@pytest.mark.parametrize('kwargs', [dict(), dict(groups=2), dict(bias=False)], ids=str)
def test_convolution_begins_as_its_twin(layer, twin, kwargs):
    torch.manual_seed(3)
    ours = layer(4, 6, (3, 5), **kwargs).state_dict()
    torch.manual_seed(3)
    expected = twin(4, 6, (3, 5), **kwargs).state_dict()
    torch.testing.assert_close(ours, expected)


def test_patch_embedding_begins_as_its_twin():
    torch.manual_seed(3)
    ours = ScratchPatchEmbedding(3, 5, (4, 2)).state_dict()
    torch.manual_seed(3)
    torch.testing.assert_close(ours, nn.Conv2d(3, 5, (4, 2), (4, 2)).state_dict())


@pytest.mark.parametrize('bias', [True, False])
def test_linear_begins_as_its_twin(bias):
    torch.manual_seed(3)
    ours = ScratchLinear(7, 3, bias).state_dict()
    torch.manual_seed(3)
    torch.testing.assert_close(ours, nn.Linear(7, 3, bias).state_dict())


@pytest.mark.parametrize(
    ('ours', 'twin'),
    [
        (ScratchBatchNorm1d(3), nn.BatchNorm1d(3)),
        (ScratchBatchNorm2d(3), nn.BatchNorm2d(3)),
        (ScratchLayerNorm((2, 3)), nn.LayerNorm((2, 3))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_norm_begins_as_its_twin(ours, twin):
    # exact, to the whole number of batches
    torch.testing.assert_close(ours.state_dict(), twin.state_dict(), rtol=0, atol=0)
