"""EfficientNetV2: Fused-MBConv, structure, maps, options."""

import pytest
import torch
import torchvision
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.core.layers import MBConv
from projects.core.variants import config_root
from projects.efficientnetv2 import EfficientNetV2, FusedMBConv
from projects.registry import MODELS

pytestmark = pytest.mark.usefixtures('cheap_weights')


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_fused_mbconv_by_hand():
    """3x3 to four times the channels, 1x1; scales and shifts of two norms."""
    block = FusedMBConv(24, 48, 3, 2, 4)
    assert num_params(block) == 9 * 24 * 96 + 96 * 48 + 2 * (96 + 48)
    # without an expansion: one convolution, with an activation
    plain = FusedMBConv(24, 24, 3, 1, 1)
    assert num_params(plain) == 9 * 24 * 24 + 2 * 24
    assert isinstance(plain.block[-1][-1], nn.SiLU)
    assert len(block.block[-1]) == 2


def test_fusing_costs_operations():
    """Of a block of S at 48 channels: 9 * 48 * 192 + 192 * 48 per pixel, against
    2 * 48 * 192 + 9 * 192 and squeeze-excitation, which is once an image."""
    x = torch.rand(1, 48, 8, 8, device='meta')

    def operations(block):
        with FlopCounterMode(display=False) as counter:
            block.to('meta').eval()(x)
        return counter.get_total_flops() // 2

    fused = operations(FusedMBConv(48, 48, 3, 1, 4))
    split = operations(MBConv(48, 48, 3, 1, 4))
    assert fused == 64 * (9 * 48 * 192 + 192 * 48)
    assert split == 64 * (2 * 48 * 192 + 9 * 192) + 2 * 192 * 12
    assert fused > 4.5 * split


@pytest.mark.parametrize('arch', EfficientNetV2.arch_settings)
def test_fused_blocks_come_first(arch):
    """Stages 1 to 3 of Table 4; squeeze-excitation in all later ones."""
    with torch.device('meta'):
        features = EfficientNetV2(arch).features
    kinds = [{type(block) for block in stage} for stage in features[1:-1]]
    assert kinds[:3] == [{FusedMBConv}] * 3
    assert kinds[3:] == [{MBConv}] * (len(kinds) - 3)
    assert {
        m.kernel_size
        for m in features.modules()
        if isinstance(m, nn.Conv2d) and m.groups > 1
    } == {(3, 3)}


def test_maps_are_those_of_torchvision():
    torch.manual_seed(0)
    reference = torchvision.models.efficientnet_v2_s().eval()
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    cfg = Config.fromfile(config_root() / '_base_/models/efficientnet_v2_s.py')
    backbone = MODELS.build({**cfg.model.backbone, 'out_indices': range(6)}).eval()
    state = reference.state_dict()
    backbone.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith('classifier.')}
    )
    images = torch.randn(1, 3, 193, 225)  # odd: each stage rounds up
    nodes = [f'features.{i}' for i in (1, 2, 3, 5, 6, 7)]
    with torch.no_grad():
        expected = create_feature_extractor(reference, nodes)(images)
        outs = backbone(images)
    for node, out in zip(nodes, outs, strict=True):
        assert expected[node].std() > 0.01
        torch.testing.assert_close(out, expected[node], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('arch', ['s', 'm', 'l'])
def test_norms_and_dropout_are_torchvisions(arch, build_on_meta):
    model = build_on_meta(f'efficientnet_v2_{arch}')
    with torch.device('meta'):
        reference = getattr(torchvision.models, f'efficientnet_v2_{arch}')()
    for net in (model, reference):
        assert {
            (m.eps, m.momentum) for m in net.modules() if isinstance(m, nn.BatchNorm2d)
        } == {(1e-3, 0.1)}
    assert model.head.classifier[0].p == reference.classifier[0].p


@pytest.mark.parametrize('arch', ['s', 'm', 'l'])
def test_images_are_normalised_as_for_torchvision_s_weights(arch, build_on_meta):
    name = f'EfficientNet_V2_{arch.upper()}_Weights'
    published = getattr(torchvision.models, name).IMAGENET1K_V1.transforms()
    preprocessor = build_on_meta(f'efficientnet_v2_{arch}').data_preprocessor
    for key in ('mean', 'std'):
        cfg = Config.fromfile(
            config_root() / f'_base_/models/efficientnet_v2_{arch}.py'
        )
        assert cfg.model.data_preprocessor[key] == pytest.approx(
            [255 * value for value in getattr(published, key)]
        )
    assert preprocessor.to_rgb


def test_initialisation_is_torchvisions():
    torch.manual_seed(0)
    model = create_model('efficientnet_v2_s')
    block = model.backbone.features[3][1].block
    # Kaiming, fan_out: 256 * 3 * 3 and 64 * 1 * 1
    assert block[0][0].weight.std().item() == pytest.approx((2 / 2304) ** 0.5, rel=0.02)
    assert block[1][0].weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.02)
    assert torch.equal(block[1][1].weight, torch.ones(64))
    linear = model.head.classifier[1]
    assert linear.weight.std().item() == pytest.approx((3 * 1000) ** -0.5, rel=0.02)
    assert not linear.bias.any()


def test_layers_are_exchanged():
    model = EfficientNetV2(
        (('FusedMBConv', 1, 1, 16, 1), ('FusedMBConv', 4, 2, 24, 2)),
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=8),
        act_cfg=dict(type='ReLU'),
    )
    kinds = {type(m) for m in model.modules()}
    assert {OtherConv, nn.GroupNorm, nn.ReLU} <= kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d, nn.SiLU})
    assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 1280, 8, 8)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='b0'), "arch 'b0' not in"),
        (dict(arch=[('Conv', 1, 1, 8, 1)]), "operator 'Conv' not in"),
        (dict(out_indices=(6,)), 'EfficientNetV2 has 6 stages'),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetV2(**arguments)
