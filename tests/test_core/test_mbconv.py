"""MBConv, stochastic depth and timm's and mmpretrain's names for them."""

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from projects import create_model
from projects.core.config import find_config
from projects.core.errors import UserError
from projects.core.layers import (
    MBConv,
    MBConvBackbone,
    MBConvStage,
    StochasticDepth,
    StochasticResidual,
)
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.core.weights.mbconv import convert_mbconv
from projects.registry import MODELS

pytestmark = pytest.mark.usefixtures('cheap_weights')
# TensorFlow's padding, and its eps
SAME = dict(
    conv_cfg=dict(type='Conv2dAdaptivePadding'), norm_cfg=dict(type='BN', eps=1e-3)
)


@torch.no_grad()
def settle(model, size):
    """Norms by what reaches them, or nothing of the image would reach the logits."""
    for module in model.eval().modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.momentum = 1.0
            module.train()
    model(torch.randn(2, 3, *size))
    return model.eval()


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_mbconv_by_hand():
    """24 -> 144 -> 40 with a squeeze to a quarter of 24; norms after three."""
    assert num_params(MBConv(24, 40, 5, 2, 6)) == (
        24 * 144
        + 25 * 144
        + (144 * 6 + 6)
        + (6 * 144 + 144)
        + 144 * 40
        + 2 * (144 + 144 + 40)
    )
    # without an expansion two layers remain
    assert num_params(MBConv(32, 16, 3, 1, 1)) == (
        9 * 32 + (32 * 8 + 8) + (8 * 32 + 32) + 32 * 16 + 2 * (32 + 16)
    )


def test_squeeze_excitation_by_hand():
    """Each channel is multiplied by a number in (0, 1) that the means of all
    channels make."""
    excite = MBConv(4, 4, 3, 1, 1).block[1]
    for fc, weight in ((excite.fc1, 0.25), (excite.fc2, 2.0)):
        nn.init.constant_(fc.weight, weight)
        nn.init.zeros_(fc.bias)
    x = torch.arange(8.0).view(1, 4, 1, 2)  # means 0.5, 2.5, 4.5, 6.5
    squeezed = torch.tensor(3.5)  # their mean: four weights of 0.25
    scale = torch.sigmoid(2 * squeezed * torch.sigmoid(squeezed))  # SiLU between
    torch.testing.assert_close(excite(x), x * scale)


@pytest.mark.parametrize(
    ('out_channels', 'stride', 'has_shortcut'),
    [(8, 1, True), (8, 2, False), (16, 1, False)],
)
def test_shortcut_is_there_where_shapes_are_the_same(
    out_channels, stride, has_shortcut
):
    block = MBConv(8, out_channels, 3, stride, 6).eval()
    nn.init.zeros_(block.block[-1][1].weight)  # the residual is 0
    x = torch.rand(2, 8, 5, 7)
    out = block(x)
    assert out.shape == (2, out_channels, *((3, 4) if stride == 2 else (5, 7)))
    assert torch.equal(out, x) if has_shortcut else not out.any()


class TestStochasticDepth:
    @pytest.fixture
    def block(self):
        """x + 1, or x for the images that lose the residual."""

        class Ones(nn.Module):
            def forward(self, x):
                return torch.ones_like(x)

        return StochasticResidual(nn.Sequential(Ones()), True, 0.25)

    def test_whole_images_lose_the_residual_each_for_itself(self, block):
        torch.manual_seed(0)
        out = block(torch.zeros(64, 3, 2, 2)).flatten(1)
        assert torch.equal(out, out[:, :1].expand_as(out))
        # what is kept is enlarged by 1 / 0.75
        assert set(out[:, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}

    def test_expected_value_is_kept(self, block):
        torch.manual_seed(0)
        num = 20000
        out = block(torch.zeros(num, 1, 1, 1))
        # an image is 4/3 with probability 3/4: variance 16/9 * 3/16 = 1/3
        assert out.mean().item() == pytest.approx(1, abs=4 * (1 / 3 / num) ** 0.5)

    def test_evaluation_keeps_all(self, block):
        assert torch.equal(
            block.eval()(torch.zeros(8, 1, 1, 1)), torch.ones(8, 1, 1, 1)
        )


def probs(name):
    with torch.device('meta'):
        cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py')
        backbone = MODELS.build(cfg.model.backbone)
    return [m.p for m in backbone.modules() if isinstance(m, StochasticDepth)]


@pytest.mark.parametrize(
    ('name', 'num_blocks'), [('efficientnet_b0', 16), ('efficientnet_v2_s', 40)]
)
def test_survival_falls_linearly_with_depth(name, num_blocks):
    assert probs(name) == pytest.approx(
        [0.2 * i / num_blocks for i in range(num_blocks)]
    )


def test_stages_end_before_each_halving():
    """Block 2 does not halve: it belongs to the stage of block 1."""
    backbone = MBConvBackbone(
        8,
        [
            MBConvStage(MBConv, 1, 3, 1, 8, 1),
            MBConvStage(MBConv, 6, 3, 2, 16, 2),
            MBConvStage(MBConv, 6, 5, 1, 24, 1),
            MBConvStage(MBConv, 6, 5, 2, 32, 1),
        ],
        64,
        out_indices=range(4),
    )
    outs = backbone(torch.rand(2, 3, 33, 65))
    assert [tuple(out.shape[1:]) for out in outs] == [
        (8, 17, 33),
        (24, 9, 17),
        (32, 5, 9),
        (64, 5, 9),
    ]


def test_first_stage_may_halve():
    backbone = MBConvBackbone(
        8, [MBConvStage(MBConv, 6, 3, 2, 16, 1)], 64, out_indices=range(3)
    )
    outs = backbone(torch.rand(1, 3, 32, 32))
    assert [tuple(out.shape[1:]) for out in outs] == [
        (8, 16, 16),
        (16, 8, 8),
        (64, 8, 8),
    ]


TIMM = {
    'efficientnet_b0': 'efficientnet_b0',
    'efficientnet_v2_s': 'efficientnetv2_s',
}


def build(name, **backbone):
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py').model
    cfg.backbone.update(backbone)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg).eval()


@torch.no_grad()
def difference(model, reference, size):
    """Of the logits, as a share of what two images differ by; all are loaded."""
    torch.manual_seed(0)
    settle(reference, size)
    num = len(model.state_dict())
    report = load_weights(model, reference.state_dict(), 'x.pth')
    assert report.startswith(f'{num} of {num} weights (100.0% ')
    images = torch.randn(2, 3, *size)
    logits, expected = model(images), reference(images)
    return (logits - expected).abs().max() / (expected[0] - expected[1]).std()


@pytest.mark.parametrize('name', TIMM)
def test_timm_s_files_give_its_logits(name):
    model = build(name)
    eps = model.backbone.features[0][1].eps
    reference = timm.create_model(TIMM[name], bn_eps=eps)
    assert difference(model, reference, (97, 65)) < 1e-3


def test_eps_of_timm_s_v2_is_another():
    """It is no weight: a file of theirs loads, and what it gives is a little off."""
    reference = timm.create_model('efficientnetv2_s')
    assert {m.eps for m in reference.modules() if isinstance(m, nn.BatchNorm2d)} == {
        1e-5
    }
    model = build('efficientnet_v2_s', norm_cfg=dict(type='BN'))
    assert difference(model, reference, (64, 64)) < 1e-3


@pytest.mark.parametrize('name', TIMM)
def test_tensorflow_s_padding_is_an_option(name):
    """timm's tf_ models pad on the right of an even map only."""
    reference = timm.create_model(f'tf_{TIMM[name]}')
    assert difference(build(name, **SAME), reference, (64, 96)) < 1e-3
    symmetric = build(name, norm_cfg=SAME['norm_cfg'])
    assert difference(symmetric, reference, (64, 96)) > 0.1


@pytest.mark.parametrize(
    ('name', 'path'),
    [
        ('efficientnet_b0', 'efficientnet/efficientnet-b0_8xb32_in1k.py'),
        (
            'efficientnet_v2_s',
            'efficientnet_v2/efficientnetv2-s_8xb32_in1k-384px.py',
        ),
    ],
)
def test_mmpretrain_s_files_give_its_logits(name, path):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        reference = MODELS.build(
            Config.fromfile(find_config(f'mmpretrain::{path}')).model
        ).eval()
    assert difference(build(name, **SAME), reference, (64, 96)) < 1e-3


@pytest.mark.parametrize('name', TIMM)
def test_backbone_alone_takes_timm_s_file(name):
    torch.manual_seed(0)
    state_dict = timm.create_model(TIMM[name]).state_dict()
    backbone = build(name).backbone
    load_weights(backbone, state_dict, 'x.pth', allow_new_head=True)
    assert torch.equal(backbone.features[0][0].weight, state_dict['conv_stem.weight'])
    assert torch.equal(backbone.features[-1][1].bias, state_dict['bn2.bias'])


def test_larger_file_is_refused():
    state_dict = timm.create_model('efficientnet_b2').state_dict()
    with pytest.raises(UserError, match='does not fit this model'):
        load_weights(
            create_model('efficientnet_b0'), state_dict, 'x.pth', allow_new_head=True
        )


def test_order_of_names_in_a_file_does_not_matter():
    """safetensors sorts them: block 10 comes before block 2."""
    with torch.device('meta'):
        model = build('efficientnet_v2_s')
        state_dict = timm.create_model('efficientnetv2_s').state_dict()
    for names in (state_dict, sorted(state_dict)):
        file = {name: state_dict[name] for name in names}
        assert convert_mbconv(model, file).renamed == {
            new: old
            for new, old in zip(model.state_dict(), state_dict, strict=True)
            if new != old
        }
