"""EfficientNet: compound scaling, maps, initialisation, recipe."""

import math

import cv2
import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from reference_table import TABLE
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import InterpolationMode

from projects import create_model
from projects.core.variants import config_root
from projects.efficientnet import EfficientNet, compound_scaling
from projects.efficientnet.efficientnet import ALPHA, BETA, GAMMA
from projects.registry import MODELS

pytestmark = pytest.mark.usefixtures('cheap_weights')


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def model_cfg(name):
    return Config.fromfile(config_root() / f'_base_/models/{name}.py').model


class TestCompoundScaling:
    def test_one_more_is_twice_the_operations(self):
        """By depth once, by width and resolution squared (Sec. 3.3)."""
        assert pytest.approx(1.92, abs=0.005) == ALPHA * BETA**2 * GAMMA**2
        assert compound_scaling(0) == (1, 1, 224)

    @pytest.mark.parametrize(('arch', 'phi'), [('b0', 0), ('b2', 1), ('b3', 2)])
    def test_small_ones_are_powers_of_the_coefficients(self, arch, phi):
        """Rounded to a decimal, the resolution within 2 %."""
        width, depth, resolution = compound_scaling(phi)
        released = EfficientNet.arch_settings[arch]
        assert released[:2] == (round(width, 1), round(depth, 1))
        assert released[2] == pytest.approx(resolution, rel=0.02)

    def test_b1_is_half_a_power_but_for_its_width(self):
        width, depth, resolution = compound_scaling(0.5)
        assert EfficientNet.arch_settings['b1'] == (
            1.0,
            round(depth, 1),
            round(resolution),
        )
        assert width == pytest.approx(1.049, abs=0.001)

    @pytest.mark.parametrize(
        ('arch', 'phis'),
        [
            ('b4', (3.5, 3.2, 3.8)),
            ('b5', (4.9, 4.3, 5.1)),
            ('b6', (6.2, 5.2, 6.1)),
            ('b7', (7.3, 6.2, 7.0)),
        ],
    )
    def test_large_ones_have_no_single_phi(self, arch, phis):
        """That of the depth stays behind, by one in B6 and B7."""
        width, depth, resolution = EfficientNet.arch_settings[arch]
        assert (
            tuple(
                round(math.log(value, base), 1)
                for value, base in (
                    (width, BETA),
                    (depth, ALPHA),
                    (resolution / 224, GAMMA),
                )
            )
            == phis
        )

    def test_depths_and_widths_of_b3(self):
        """ceil(1.4 blocks); channels times 1.2 to the next multiple of 8."""
        with torch.device('meta'):
            features = EfficientNet('b3').features
        assert [len(stage) for stage in features[1:-1]] == [2, 3, 3, 5, 5, 6, 2]
        # 38.4, 19.2, 28.8, 48, 96, 134.4, 230.4, 384
        assert [features[0][0].out_channels] + [
            stage[-1].block[-1][0].out_channels for stage in features[1:-1]
        ] == [40, 24, 32, 48, 96, 136, 232, 384]

    def test_own_phi(self):
        with torch.device('meta'):
            small = EfficientNet(compound_scaling(-1)[:2])
            same, b0 = EfficientNet(compound_scaling(0)[:2]), EfficientNet('b0')
        assert num_params(same) == num_params(b0)
        assert num_params(small) < num_params(b0)

    @pytest.mark.parametrize('arch', EfficientNet.arch_settings)
    def test_resolution_is_that_of_the_table(self, arch):
        assert TABLE[f'efficientnet_{arch}']['input'] == [
            3,
            *EfficientNet.arch_settings[arch][2:] * 2,
        ]


def test_second_stage_by_hand():
    """16 -> 96 -> 24 and 24 -> 144 -> 24; squeezed to 4 and to 6 channels."""
    stage = EfficientNet('b0').features[2]

    def block(before, width, squeezed):
        return (
            before * width
            + 9 * width
            + 2 * width * squeezed
            + squeezed
            + width
            + width * 24
            + 2 * (2 * width + 24)
        )

    assert num_params(stage) == block(16, 96, 4) + block(24, 144, 6)


def test_maps_are_those_of_torchvision():
    torch.manual_seed(0)
    reference = torchvision.models.efficientnet_b0().eval()
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    backbone = EfficientNet('b0', out_indices=range(6)).eval()
    state = reference.state_dict()
    backbone.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith('classifier.')}
    )
    images = torch.randn(1, 3, 193, 225)  # odd: each stage rounds up
    nodes = [f'features.{i}' for i in (1, 2, 3, 5, 7, 8)]
    with torch.no_grad():
        expected = create_feature_extractor(reference, nodes)(images)
        outs = backbone(images)
    for node, out in zip(nodes, outs, strict=True):
        assert expected[node].std() > 0.01
        torch.testing.assert_close(out, expected[node], rtol=1e-4, atol=1e-4)
    assert [tuple(out.shape[2:]) for out in outs] == [
        (97, 113),
        (49, 57),
        (25, 29),
        (13, 15),
        (7, 8),
        (7, 8),
    ]


@pytest.mark.parametrize('arch', EfficientNet.arch_settings)
def test_norms_and_dropout_are_torchvisions(arch):
    with torch.device('meta'):
        reference = getattr(torchvision.models, f'efficientnet_{arch}')()
        cfg = model_cfg(f'efficientnet_{arch}')
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg)
    kinds = [
        {(m.eps, m.momentum) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
        for net in (model, reference)
    ]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) == 1
    assert model.head.classifier[0].p == reference.classifier[0].p


def test_initialisation_is_torchvisions():
    torch.manual_seed(0)
    model = create_model('efficientnet_b0')
    block = model.backbone.features[6][1].block
    # Kaiming, fan_out: 1152 * 1 * 1; depthwise 1152 * 5 * 5, groups left aside
    assert block[0][0].weight.std().item() == pytest.approx((2 / 1152) ** 0.5, rel=0.02)
    assert block[1][0].weight.std().item() == pytest.approx(
        (2 / 28800) ** 0.5, rel=0.02
    )
    # squeeze-excitation as the others: 48 and 1152 channels come out
    for fc, fan_out in ((block[2].fc1, 48), (block[2].fc2, 1152)):
        assert fc.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
        assert not fc.bias.any()
    assert torch.equal(block[3][1].weight, torch.ones(192))
    assert not block[3][1].bias.any()


@pytest.mark.parametrize('num_classes', [1000, 10])
def test_final_layer_is_initialised_as_torchvision_s(num_classes):
    """Uniform within 1 / sqrt(num_classes), without biases."""
    torch.manual_seed(0)
    linear = create_model('efficientnet_b0', num_classes=num_classes).head.classifier[1]
    bound = num_classes**-0.5
    assert linear.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert linear.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not linear.bias.any()


def test_layers_are_exchanged():
    model = EfficientNet(
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=8),
        act_cfg=dict(type='ReLU'),
    )
    kinds = {type(m) for m in model.modules()}
    assert {OtherConv, nn.GroupNorm, nn.ReLU} <= kinds
    assert kinds.isdisjoint({nn.BatchNorm2d, nn.SiLU})
    # but for the two of squeeze-excitation
    plain = [name for name, m in model.named_modules() if type(m) is nn.Conv2d]
    assert len(plain) == 2 * 16
    assert all(name.endswith(('fc1', 'fc2')) for name in plain)
    assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 1280, 1, 1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='b9'), "arch 'b9' not in"),
        (dict(out_indices=(6,)), 'EfficientNet has 6 stages'),
        (dict(trainable_stages=7), 'EfficientNet has 6 stages with weights'),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EfficientNet(**arguments)


class TestPaperRecipe:
    @pytest.fixture(
        params=['b0_8xb512-350e_imagenet.py', 'b4_32xb128-350e_imagenet.py']
    )
    def cfg(self, request):
        return Config.fromfile(
            config_root() / 'efficientnet' / f'efficientnet-{request.param}'
        )

    def test_rates(self, cfg):
        """To 0.256 in five epochs, 3 % less every 2.4; ten steps an epoch."""
        optimizer = torch.optim.SGD(
            [nn.Parameter(torch.zeros(1))], cfg.optim_wrapper.optimizer.lr
        )
        warmup, decay = (
            PARAM_SCHEDULERS.build(
                scheduler, default_args=dict(optimizer=optimizer, epoch_length=10)
            )
            for scheduler in cfg.param_scheduler
        )
        rates = []
        for step in range(3500):
            rates.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            warmup.step()
            if step % 10 == 9:
                decay.step()
        # begins near 0; a half after 2.5 of the 5 epochs, which is one decay on
        # within the third epoch, not before
        assert rates[0] == pytest.approx(0.0000256)
        assert rates[25] == pytest.approx(0.128, rel=0.05)
        for epoch in (5, 8, 100, 348):
            assert rates[10 * epoch] == pytest.approx(
                0.256 * 0.97 ** math.floor(epoch / 2.4), rel=1e-3
            )

    def test_norms_do_not_decay(self, cfg):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        assert isinstance(wrapper.optimizer, torch.optim.RMSprop)
        norms = {
            id(p)
            for m in model.modules()
            if isinstance(m, nn.BatchNorm2d)
            for p in m.parameters()
        }
        for group in wrapper.param_groups:
            assert (group['alpha'], group['momentum']) == (0.9, 0.9)
            is_norm = id(group['params'][0]) in norms
            assert group['weight_decay'] == (0 if is_norm else 1e-5)

    def test_average_and_loss(self, cfg):
        hook = cfg.custom_hooks[-1]
        assert (hook.type, hook.update_buffers) == ('EMAHook', True)
        assert hook.momentum == pytest.approx(0.0001)
        assert cfg.model.head.loss.label_smooth_val == 0.1

    def test_pipelines_read_a_jpeg(self, cfg, tmp_path):
        path = str(tmp_path / 'image.jpg')
        cv2.imwrite(
            path, np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
        )
        side = EfficientNet.arch_settings[cfg.model.backbone.arch][2]
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                pipeline = Compose(loader.dataset.pipeline)
            packed = pipeline(dict(img_path=path, gt_label=3))
            assert packed['inputs'].shape == (3, side, side)
            assert packed['data_samples'].gt_label.tolist() == [3]
        assert cfg.train_pipeline[3].type == 'AutoAugment'

    def test_evaluation_is_torchvision_s(self, cfg):
        name = f'EfficientNet_{cfg.model.backbone.arch.upper()}_Weights'
        published = getattr(torchvision.models, name).IMAGENET1K_V1.transforms()
        resize, crop = cfg.test_pipeline[1:3]
        assert [resize.scale] == published.resize_size
        assert [crop.crop_size] == published.crop_size
        assert resize.interpolation == published.interpolation.value
        assert published.interpolation == InterpolationMode.BICUBIC
