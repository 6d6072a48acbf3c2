"""DenseNet: blocks, what memory_efficient saves, options."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.core.benchmark.meters import allocations
from projects.densenet import DenseBlock, DenseNet

CPU = torch.device('cpu')
BN = dict(type='BN')


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def with_statistics(model):
    """Random batch-norm statistics and affine weights."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model


@pytest.mark.parametrize('depth', sorted(DenseNet.arch_settings))
def test_depth_counts_the_layers_with_weights(depth):
    with torch.device('meta'):
        convs = [m for m in DenseNet(depth).modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) + 1 == depth  # and the classifier


def test_dense_block_by_hand():
    with torch.device('meta'):
        layers = DenseNet(121).features.denseblock1

    def layer(channels):  # norm, 1x1, norm, 3x3 to k = 32 by 4k = 128
        return 2 * channels + channels * 128 + 2 * 128 + 9 * 128 * 32

    assert [num_params(m) for m in layers] == [
        layer(channels) for channels in (64, 96, 128, 160, 192, 224)
    ]


def test_transition_halves_channels_and_sides():
    transition = DenseNet(161).features.transition1.eval()
    # 96 + 6 * 48 maps; scale and shift, then a convolution without bias
    assert num_params(transition) == 2 * 384 + 384 * 192
    assert transition(torch.rand(1, 384, 6, 10)).shape == (1, 192, 3, 5)


def test_maps_are_those_of_torchvision():
    torch.manual_seed(0)
    reference = with_statistics(torchvision.models.densenet121()).eval()
    backbone = DenseNet(121, out_indices=range(5)).eval()
    backbone.load_state_dict(
        {
            k: v
            for k, v in reference.state_dict().items()
            if not k.startswith('classifier.')
        }
    )
    nodes = [
        'features.relu0',
        'features.denseblock1',
        'features.denseblock2',
        'features.denseblock3',
        'relu',
    ]
    images = torch.randn(2, 3, 70, 101)
    with torch.no_grad():
        expected = create_feature_extractor(reference, nodes)(images)
        outs = backbone(images)
    for node, out in zip(nodes, outs, strict=True):
        assert expected[node].std() > 0.01
        torch.testing.assert_close(out, expected[node], rtol=1e-4, atol=1e-4)
    assert outs[-1].min() == 0  # the last norm is followed by a ReLU


def test_earlier_maps_come_first_and_stay():
    block = DenseBlock(3, 2, 4, False, None, BN).eval()
    x = torch.randn(1, 2, 5, 5)
    before = x.clone()
    out = block(x)
    assert out.shape == (1, 2 + 3 * 4, 5, 5)
    assert torch.equal(out[:, :2], before)
    first = block.denselayer1(before)
    assert torch.equal(out[:, 2:6], first)


@pytest.mark.parametrize('norm_cfg', [BN, dict(type='GN', num_groups=4)])
def test_memory_efficient_gives_the_same(norm_cfg):
    """Maps, gradients and statistics, which a batch enters once."""
    models = []
    for memory_efficient in (False, True):
        torch.manual_seed(0)
        models.append(DenseNet(121, memory_efficient, norm_cfg=norm_cfg))
    images = torch.randn(2, 3, 64, 64)
    outs = [model(images)[0] for model in models]
    assert torch.equal(*outs)
    for out in outs:
        out.square().sum().backward()
    for (name, p), q in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        torch.testing.assert_close(
            q.grad, p.grad, msg=lambda text, n=name: f'{n}: {text}'
        )
    for (name, b), c in zip(
        models[0].named_buffers(), models[1].buffers(), strict=True
    ):
        assert torch.equal(b, c), name
    assert models[1].features.denseblock1(torch.rand(2, 64, 4, 4)).requires_grad
    norm = models[1].features.denseblock1.denselayer1.norm1
    assert isinstance(norm, nn.GroupNorm) or norm.track_running_stats


def test_memory_efficient_saves_memory():
    peaks = []
    images = torch.randn(2, 3, 64, 64)
    for memory_efficient in (False, True):
        model = DenseNet(121, memory_efficient)
        model(images)[0].sum().backward()  # the gradients are there
        with allocations(CPU) as measured:
            model(images)[0].sum().backward()
        peaks.append(measured.peak)
    # Of the 2C + 9k maps of a layer the 2C are not kept; in the first block,
    # whose maps are the largest, C is small.
    assert peaks[1] < 0.6 * peaks[0]


def test_memory_efficient_leaves_frozen_statistics():
    model = DenseNet(121, memory_efficient=True, trainable_stages=1)
    before = {k: v.clone() for k, v in model.named_buffers()}
    model.train()(torch.randn(2, 3, 64, 64))[0].sum().backward()
    changed = {
        k.split('.')[1]
        for k, v in model.named_buffers()
        if not torch.equal(v, before[k])
    }
    assert changed == {'transition3', 'denseblock4', 'norm5'}


def test_memory_efficient_prediction_computes_once(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError('checkpoint without gradients')

    monkeypatch.setattr('projects.densenet.densenet.checkpoint', never)
    model = DenseNet(121, memory_efficient=True).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 32, 32))[0].shape == (1, 1024, 1, 1)
    with pytest.raises(AssertionError, match='without gradients'):
        model(torch.rand(1, 3, 32, 32))


def test_initialisation_is_torchvisions():
    torch.manual_seed(0)
    model = create_model('densenet121')
    layer = model.backbone.features.denseblock4.denselayer16
    # Kaiming, fan_in: 992 * 1 * 1 and 128 * 3 * 3
    assert layer.conv1.weight.std().item() == pytest.approx((2 / 992) ** 0.5, rel=0.02)
    assert layer.conv2.weight.std().item() == pytest.approx((2 / 1152) ** 0.5, rel=0.02)
    assert torch.equal(layer.norm2.weight, torch.ones(128))
    assert not layer.norm2.bias.any()
    # torch's linear layer: uniform within 1 / sqrt(1024); the bias is zero
    weight, bound = model.head.fc.weight, 1024**-0.5
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not model.head.fc.bias.any()


def test_layers_are_exchanged():
    model = DenseNet(
        121,
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=8),
        pool_cfg=dict(type='projects.AvgPool2d'),
        transition_pool_cfg=dict(type='projects.MaxPool2d'),
    )
    kinds = {type(m) for m in model.modules()}
    assert OtherConv in kinds
    assert nn.GroupNorm in kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d})
    features = model.features
    assert isinstance(features.pool0, nn.AvgPool2d)
    assert isinstance(features.transition3.pool, nn.MaxPool2d)
    assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 1024, 1, 1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=120), 'depth 120 not in'),
        (dict(depth=121, out_indices=(5,)), 'DenseNet has 5 stages'),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DenseNet(**arguments)
