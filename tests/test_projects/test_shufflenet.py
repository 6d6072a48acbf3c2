"""ShuffleNet V1 and V2: the shuffle, blocks, initialisation, files, recipes."""

import re

import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from torch import nn
from torch.nn.functional import channel_shuffle
from torch.utils.flop_counter import FlopCounterMode

from projects import create_model
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import MODELS
from projects.shufflenet import (
    InvertedResidual,
    ShuffleNetV1,
    ShuffleNetV2,
    ShuffleUnit,
)

BN = dict(type='BN')
RELU = dict(type='ReLU')
VARIANTS = [
    *(f'shufflenet_v1_x1_0_g{g}' for g in (1, 2, 3, 4, 8)),
    *(f'shufflenet_v1_x{width}_g3' for width in ('0_5', '1_5', '2_0')),
    *(f'shufflenet_v2_x{width}' for width in ('0_5', '1_0', '1_5', '2_0')),
]


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def of_mmpretrain(name):
    """What the variant is compared with, by the config of the benchmark."""
    path = config_root() / f'shufflenet/reference/{name}_mmpretrain.py'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return filled(MODELS.build(Config.fromfile(path).model))


def filled(model):
    """Weights that neither vanish nor grow, and statistics that matter."""
    torch.manual_seed(0)
    for name, weight in model.state_dict().items():
        if weight.dim() > 1:
            fan_out = weight.numel() / weight.shape[1]
            weight.normal_(0, (2 / fan_out) ** 0.5)
        elif name.endswith(('running_var', 'weight')):
            weight.uniform_(0.5, 1)
        elif weight.is_floating_point():
            weight.uniform_(-0.5, 0.5)
    return model.eval()


def emptied(model):
    """What is not loaded into it will show."""
    for weight in model.state_dict().values():
        weight.fill_(float('nan') if weight.is_floating_point() else 0)
    return model.eval()


class TestShuffle:
    """torch's own, in which both versions put their trust."""

    def test_by_hand(self):
        """A row of channels per group, read by columns."""
        x = torch.arange(6.0).view(1, 6, 1, 1)
        #     0 1 2
        #     3 4 5
        assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
        #     0 1 / 2 3 / 4 5
        assert channel_shuffle(x, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
        assert channel_shuffle(x, 1).flatten().tolist() == [0, 1, 2, 3, 4, 5]
        # and back again
        assert torch.equal(channel_shuffle(channel_shuffle(x, 2), 3), x)

    @pytest.mark.parametrize(
        'memory_format', [torch.contiguous_format, torch.channels_last]
    )
    def test_is_a_reshaped_transposition(self, memory_format):
        x = torch.randn(2, 24, 5, 7).to(memory_format=memory_format)
        out = channel_shuffle(x, 4)
        expected = x.reshape(2, 4, 6, 5, 7).transpose(1, 2).reshape(2, 24, 5, 7)
        assert torch.equal(out, expected)
        # or the convolution after it would be slower
        assert out.is_contiguous(memory_format=memory_format)

    def test_gradient_goes_back_to_where_the_channel_came_from(self):
        x = torch.zeros(1, 6, 1, 1, requires_grad=True)
        weights = torch.arange(6.0)
        (channel_shuffle(x, 2).flatten() * weights).sum().backward()
        # 0, 3, 1, 4, 2, 5 have the weights 0 to 5
        assert x.grad.flatten().tolist() == [0, 2, 4, 1, 3, 5]


def reaches(groups, channels):
    """Whether group j of a unit's input has an effect on group i of its output."""
    torch.manual_seed(0)
    unit = ShuffleUnit(channels, channels, 1, groups, groups, None, BN, RELU).eval()
    x = torch.randn(1, channels, 6, 6, requires_grad=True)
    rows = []
    for out in unit(x).chunk(groups, 1):
        (gradient,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
        rows.append([bool(part.any()) for part in gradient.chunk(groups, 1)])
    return rows


@pytest.mark.parametrize('groups', [2, 3, 4, 8])
def test_without_the_shuffle_groups_know_nothing_of_each_other(groups, monkeypatch):
    """Fig. 1: (a) stacked group convolutions, (c) with a shuffle between."""
    channels = ShuffleNetV1.arch_settings[groups]
    assert reaches(groups, channels) == [[True] * groups] * groups
    monkeypatch.setattr(nn.functional, 'channel_shuffle', lambda x, groups: x)
    assert reaches(groups, channels) == [
        [i == j for j in range(groups)] for i in range(groups)
    ]


@pytest.mark.parametrize('is_shuffled', [False, True])
def test_without_the_shuffle_v2_never_touches_half_of_a_stage(is_shuffled, monkeypatch):
    """That which the first block passes on is passed on to the end."""
    if not is_shuffled:
        monkeypatch.setattr(nn.functional, 'channel_shuffle', lambda x, groups: x)
    torch.manual_seed(0)
    model = ShuffleNetV2(0.5).eval()
    x = torch.rand(1, 24, 8, 8)
    first = model.stage2[0](x)
    last = model.stage2(x)
    is_same = (first[:, :24] == last[:, :24]).flatten(2).all(2).all()
    assert bool(is_same) != is_shuffled


def test_unit_of_v1_by_hand():
    """16 channels, 4 in between, two groups; weights that pick or add channels."""
    unit = ShuffleUnit(16, 16, 1, 2, 2, None, BN, RELU).eval()
    for module in unit.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    pick = unit.compress[0].weight.data.zero_()  # (4, 8, 1, 1)
    pick[[0, 1, 2, 3], [0, 1, 0, 1]] = (
        1  # channels 0, 1 of one group, 8, 9 of the other
    )
    nn.init.dirac_(unit.depthwise[0].weight, groups=4)
    nn.init.ones_(unit.expand[0].weight)  # sums of the two that a group gets
    x = torch.arange(16.0).view(1, 16, 1, 1) - 4
    # picked: -4, -3, 4, 5, of which ReLU leaves 0, 0, 4, 5; shuffled: 0, 4, 0, 5
    expected = (x.flatten() + torch.tensor([4.0] * 8 + [5.0] * 8)).relu()
    assert unit(x).flatten().tolist() == expected.tolist()


def test_unit_that_halves_has_the_average_beside_its_result():
    torch.manual_seed(0)
    unit = ShuffleUnit(24, 240, 2, 3, 1, None, BN, RELU).eval()
    x = torch.randn(2, 24, 7, 10)
    out = unit(x)
    assert out.shape == (2, 240, 4, 5)
    expected = nn.functional.avg_pool2d(x, 3, 2, 1)
    assert torch.equal(out[:, :24], expected)
    assert out[:, :24].min() < 0  # not ReLU's
    assert out[:, 24:].min() == 0


def test_units_of_v1_by_hand():
    """1x1, depthwise 3x3, 1x1; scale and shift of each channel of three norms."""
    with torch.device('meta'):
        stage2, stage3 = (getattr(ShuffleNetV1(3), f'stage{i}') for i in (2, 3))

    def unit(before, width, out, compress_groups):
        convs = before * width // compress_groups + 9 * width + width * out // 3
        return convs + 2 * (width + width + out)

    assert [num_params(m) for m in stage2] == [
        unit(24, 60, 240 - 24, 1),  # the first 1x1 is not in groups
        *[unit(240, 60, 240, 3)] * 3,
    ]
    assert num_params(stage3[0]) == unit(240, 120, 480 - 240, 3)


def test_more_groups_are_more_channels_for_the_same_cost():
    """Sec. 3.3: the convolutions of all g have nearly the same multiplications."""
    flops = []
    for groups in ShuffleNetV1.arch_settings:
        with (
            torch.device('meta'),
            FlopCounterMode(display=False) as counter,
        ):
            ShuffleNetV1(groups)(torch.rand(1, 3, 224, 224))
        flops.append(counter.get_total_flops())
    assert max(flops) < 1.08 * min(flops)


def test_block_of_v2_by_hand():
    """Four channels: two are passed on, two go through kernels of the identity."""
    block = InvertedResidual(4, 4, 1, None, BN, RELU).eval()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
        elif isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight, groups=module.groups)
    x = torch.tensor([1.0, -2.0, 3.0, -4.0]).view(1, 4, 1, 1)
    # passed on: 1, -2; relu(3, -4): 3, 0; one of each in turn
    assert block(x).flatten().tolist() == [1, 3, -2, 0]


def test_blocks_of_v2_by_hand():
    with torch.device('meta'):
        stage2 = ShuffleNetV2(1.0).stage2

    def pointwise(before, out):
        return before * out + 2 * out

    def depthwise(channels):
        return 9 * channels + 2 * channels

    # 24 -> 58 twice, one beside the other; then 58 of 116
    assert [num_params(m) for m in stage2] == [
        depthwise(24)
        + pointwise(24, 58)
        + pointwise(24, 58)
        + depthwise(58)
        + pointwise(58, 58),
        *[2 * pointwise(58, 58) + depthwise(58)] * 3,
    ]


def test_convolutions_of_v2_follow_the_first_two_guidelines():
    """G1: as many channels in as out; G2: no groups but of the depthwise ones."""
    blocks = [
        block
        for stage in (2, 3, 4)
        for block in getattr(ShuffleNetV2(0.5), f'stage{stage}')[1:]
    ]
    convs = [m for block in blocks for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 3 * 13
    assert all(conv.in_channels == conv.out_channels for conv in convs)
    assert {conv.groups for conv in convs if conv.kernel_size == (1, 1)} == {1}
    assert all(
        conv.groups == conv.in_channels for conv in convs if conv.kernel_size == (3, 3)
    )


@torch.no_grad()
def test_maps_of_v1_are_those_of_mmpretrain():
    reference = of_mmpretrain('shufflenet_v1_x0_5_g3')
    model = emptied(ShuffleNetV1(3, 0.5, out_indices=range(4)))
    load_weights(
        model, reference.state_dict(), 'x.pth', allow_new_head=True, strict=False
    )
    reference.backbone.out_indices = (0, 1, 2)
    images = torch.randn(2, 3, 193, 225)
    expected = [
        reference.backbone.maxpool(reference.backbone.conv1(images)),
        *reference.backbone(images),
    ]
    outs = model(images)
    for out, map in zip(outs, expected, strict=True):
        assert map.std() > 0.01
        torch.testing.assert_close(out, map, rtol=1e-4, atol=1e-4)
    assert [tuple(out.shape[1:]) for out in outs] == [
        (12, 49, 57),
        (120, 25, 29),
        (240, 13, 15),
        (480, 7, 8),
    ]


@torch.no_grad()
def test_maps_of_v2_are_those_of_torchvision():
    reference = filled(torchvision.models.shufflenet_v2_x0_5(weights=None))
    model = emptied(ShuffleNetV2(0.5, out_indices=range(6)))
    state = reference.state_dict()
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith('fc.')})
    images = torch.randn(2, 3, 193, 225)
    outs = model(images)
    x = images
    for name, out in zip(
        ('conv1', 'maxpool', 'stage2', 'stage3', 'stage4', 'conv5'), outs, strict=True
    ):
        x = reference.get_submodule(name)(x)
        assert x.std() > 0.01
        torch.testing.assert_close(out, x, rtol=1e-4, atol=1e-4)
    assert [tuple(out.shape[1:]) for out in outs] == [
        (24, 97, 113),
        (24, 49, 57),
        (48, 25, 29),
        (96, 13, 15),
        (192, 7, 8),
        (1024, 7, 8),
    ]


@pytest.mark.parametrize(
    'size', [(65, 97), pytest.param((224, 224), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize('name', VARIANTS)
@torch.no_grad()
def test_files_of_mmpretrain_give_its_logits(name, size):
    reference = of_mmpretrain(name)
    model = emptied(create_model(name))
    report = load_weights(model, reference.state_dict(), 'x.pth')
    num = len(model.state_dict())
    assert report.startswith(f'{num} of {num} weights (100.0% ')
    images = torch.randn(2, 3, *size)
    expected = reference(images)
    assert expected.std() > 0.01
    torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name', ['shufflenet_v1_x1_0_g3', 'shufflenet_v2_x1_0'])
def test_files_of_mmpretrain_fill_a_backbone_alone(name):
    reference = of_mmpretrain(name)
    backbone = emptied(create_model(name).backbone)
    report = load_weights(backbone, reference.state_dict(), 'x.pth', strict=False)
    num = len(backbone.state_dict())
    assert report.startswith(f'{num} of {num} weights (100.0% ')
    assert re.search(r'not used +2 ', report)  # the head
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(backbone(images), reference.backbone(images))


class TestInitialisation:
    @pytest.mark.parametrize(
        ('name', 'conv', 'fan_in'),
        [
            # 960 / 4 = 240 channels of three groups; 928 of 464 + 464
            ('shufflenet_v1_x1_0_g3', 'stage4.1.expand.0', 80),
            ('shufflenet_v1_x1_0_g3', 'stage4.1.compress.0', 320),
            ('shufflenet_v1_x1_0_g3', 'stage4.1.depthwise.0', 1),
            ('shufflenet_v2_x1_0', 'stage4.1.branch2.0', 232),
            ('shufflenet_v2_x1_0', 'stage4.1.branch2.3', 1),
            ('shufflenet_v2_x1_0', 'conv5.0', 464),
        ],
    )
    def test_is_that_of_the_authors(self, name, conv, fan_in):
        torch.manual_seed(0)
        model = create_model(name)
        weight = model.backbone.get_submodule(conv).weight
        assert weight.shape[1] == fan_in
        assert weight.std().item() == pytest.approx(1 / fan_in, rel=0.05)
        assert abs(weight.mean().item()) < 0.1 / fan_in
        first = model.backbone.conv1[0].weight
        assert first.std().item() == pytest.approx(0.01, rel=0.1)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        assert len(norms) > 40
        for norm in norms:
            assert torch.equal(norm.weight, torch.ones_like(norm.weight))
            assert torch.equal(norm.bias, torch.full_like(norm.bias, 0.0001))
        assert model.head.fc.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert not model.head.fc.bias.any()

    @pytest.mark.parametrize('kind', [ShuffleNetV1, ShuffleNetV2])
    def test_reaches_every_convolution(self, kind):
        """A layer that no rule names would keep what torch gave it."""
        torch.manual_seed(0)
        model = kind()
        before = {k: v.clone() for k, v in model.named_parameters()}
        model.init_weights()
        unchanged = [
            k
            for k, v in model.named_parameters()
            if v.dim() > 1 and torch.equal(v, before[k])
        ]
        assert unchanged == []

    @pytest.mark.parametrize('kind', [ShuffleNetV1, ShuffleNetV2])
    @pytest.mark.parametrize('init_cfg', [[], dict(type='Normal', layer='Conv1d')])
    def test_of_no_layer_leaves_torchs(self, kind, init_cfg):
        torch.manual_seed(0)
        model = kind(init_cfg=init_cfg)
        before = {k: v.clone() for k, v in model.named_parameters()}
        model.init_weights()
        assert all(torch.equal(v, before[k]) for k, v in model.named_parameters())
        # uniform within 1 / sqrt(3 * 3 * 3)
        bound = 27**-0.5
        first = model.conv1[0].weight
        assert 0.9 * bound < first.abs().max() <= bound

    def test_is_exchanged_by_a_config(self):
        torch.manual_seed(0)
        model = ShuffleNetV2(init_cfg=dict(type='Kaiming', layer='Conv2d'))
        model.init_weights()
        # He's rule, by the outputs
        assert model.conv5[0].weight.std().item() == pytest.approx(
            (2 / 1024) ** 0.5, rel=0.02
        )


@pytest.mark.parametrize(
    ('kind', 'num_groups'), [(ShuffleNetV1, 12), (ShuffleNetV2, 2)]
)
def test_layers_are_exchanged(kind, num_groups):
    model = kind(
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=num_groups),
        act_cfg=dict(type='SiLU'),
        pool_cfg=dict(type='projects.AvgPool2d'),
    )
    kinds = {type(m) for m in model.modules()}
    assert {OtherConv, nn.GroupNorm, nn.SiLU} <= kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d})
    model.init_weights()
    assert model(torch.rand(1, 1, 32, 32))[0].shape[2:] == (1, 1)
    # a convolution of another class is one
    weight = (
        model.stage4[1]
        .get_submodule('expand.0' if kind is ShuffleNetV1 else 'branch2.0')
        .weight
    )
    assert weight.std().item() == pytest.approx(1 / weight.shape[1], rel=0.05)


@pytest.mark.parametrize(
    ('kind', 'arguments', 'message'),
    [
        (ShuffleNetV1, dict(groups=5), 'groups 5 not in'),
        (
            ShuffleNetV1,
            dict(groups=8, width_mult=0.5),
            '8 groups do not divide the 48 and 180 channels',
        ),
        (ShuffleNetV1, dict(out_indices=(4,)), 'ShuffleNetV1 has 4 stages'),
        (ShuffleNetV2, dict(width_mult=0.75), 'width_mult 0.75 not in'),
        (ShuffleNetV2, dict(out_indices=(6,)), 'ShuffleNetV2 has 6 stages'),
    ],
)
def test_refused(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


class TestRecipeOfTheAuthors:
    @pytest.fixture(
        params=[
            'shufflenet-v1-x1-0-g3_8xb128-240e_imagenet.py',
            'shufflenet-v2-x1-0_8xb128-240e_imagenet.py',
        ]
    )
    def cfg(self, request):
        return Config.fromfile(config_root() / 'shufflenet' / request.param)

    def test_rate_falls_on_a_line(self, cfg):
        steps_an_epoch = 1_281_167 // 1024
        assert cfg.train_cfg.max_epochs == round(300_000 / steps_an_epoch)
        parameter = nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], cfg.optim_wrapper.optimizer.lr)
        settings = dict(cfg.param_scheduler[0])
        assert settings.pop('convert_to_iter_based')
        kind = PARAM_SCHEDULERS.get(settings.pop('type'))
        scheduler = kind.build_iter_from_epoch(
            optimizer=optimizer, epoch_length=2, **settings
        )
        rates = []
        for _ in range(480):
            rates.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            scheduler.step()
        expected = [0.5 * (1 - step / 480) for step in range(480)]
        assert rates[0] == 0.5
        # mmengine's line is at 0 in the last step, theirs would be in the next one
        assert rates[-1] == pytest.approx(0, abs=1e-6)
        assert rates == pytest.approx(expected, abs=0.5 / 479)

    def test_weights_alone_decay(self, cfg):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
        decays = {id(g['params'][0]): g['weight_decay'] for g in groups}
        for parameter in model.parameters():
            expected = 4e-5 if parameter.dim() > 1 else 0
            assert decays[id(parameter)] == expected
        assert model.head.loss_module.label_smooth_val == 0.1

    def test_colours_vary(self, cfg):
        assert cfg.train_dataloader.dataset.pipeline == cfg.train_pipeline
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            jitter = Compose(cfg.train_pipeline[3:6])
        torch.manual_seed(0)
        images = [
            jitter(dict(img=np.full((4, 4, 3), (40, 80, 120), np.uint8)))['img']
            for _ in range(20)
        ]
        colours = np.array([image[0, 0] for image in images])
        # blue stays the least; brightness between 60 and 140 %, and what is more
        assert (colours[:, 0] <= colours[:, 1]).all()
        assert (colours[:, 1] <= colours[:, 2]).all()
        assert colours[:, 1].min() < 70
        assert colours[:, 1].max() > 90


@pytest.mark.parametrize('width', ['x1-5', 'x2-0'])
def test_torchvisions_recipe_is_that_of_resnet(width):
    ours, theirs = (
        Config.fromfile(config_root() / f'{name}_8xb128-600e_imagenet.py')
        for name in (f'shufflenet/shufflenet-v2-{width}', 'resnet/resnet50')
    )
    differing = {k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k)}
    assert differing == {'model'}
    for part in ('train_cfg', 'data_preprocessor'):
        assert ours.model[part] == theirs.model[part]
    assert ours.model.head.loss == theirs.model.head.loss
