"""MobileNet: blocks, options, recipes, files of other libraries."""

import cv2
import numpy as np
import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from timm.models.efficientnet import _gen_mobilenet_v1
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.core.config import find_config
from projects.core.errors import UserError
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.mobilenet import MobileNetV1, MobileNetV2, MobileNetV3
from projects.mobilenet.mobilenet_v1 import DepthwiseSeparable
from projects.mobilenet.mobilenet_v2 import InvertedResidual
from projects.mobilenet.mobilenet_v3 import InvertedResidual as InvertedResidualV3
from projects.registry import MODELS

BN = dict(type='BN')
RELU6 = dict(type='ReLU6')
V1_STAGES, STAGES = range(5), range(6)
ODD = (193, 225)


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def num_macs(module, *shape):
    with torch.device('meta'), FlopCounterMode(display=False) as counter:
        module.to('meta').eval()(torch.rand(shape))
    return counter.get_total_flops() // 2


def run_config(name):
    return Config.fromfile(config_root() / 'mobilenet' / name)


def build(name, **backbone):
    """A variant, in eval mode."""
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py').model
    cfg.backbone.update(backbone)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg).eval()


@torch.no_grad()
def with_statistics(model, images):
    """In eval mode, with batch norm's affine weights random and its statistics
    those of ``images``, so that what comes out is theirs."""
    for norm in model.modules():
        if isinstance(norm, _BatchNorm):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
            norm.momentum = 1.0
    model.train()
    model(images)
    model.eval()  # returns nothing in mmdet
    return model


class TestDepthwiseSeparable:
    @pytest.fixture
    def block(self):
        torch.manual_seed(0)
        block = DepthwiseSeparable(8, 16, 1, None, BN, dict(type=nn.Identity))
        return block.eval()

    def test_parameters_by_hand(self, block):
        assert num_params(block) == 9 * 8 + 8 * 16 + 2 * (8 + 16)

    def test_is_a_convolution_of_few_numbers(self, block):
        """Without activations it is a 3x3 convolution whose filter of output o
        on input i is the i-th depthwise filter times a number of o and i."""
        for norm in (block.bn1, block.bn2):
            norm.eps = 0.0
        weight = block.conv_pw.weight * block.conv_dw.weight.transpose(0, 1)
        assert weight.shape == (16, 8, 3, 3)
        x = torch.randn(2, 8, 7, 9)
        torch.testing.assert_close(block(x), nn.functional.conv2d(x, weight, padding=1))

    def test_costs_what_the_paper_says(self, block):
        """Sec. 3.1: 1 / N + 1 / k^2 of a convolution to N channels."""
        full = nn.Conv2d(8, 16, 3, padding=1)
        shape = 1, 8, 14, 14
        ratio = num_macs(block, *shape) / num_macs(full, *shape)
        assert ratio == pytest.approx(1 / 16 + 1 / 9)


def test_1x1_convolutions_are_most_of_mobilenet_v1():
    """Table 2: 94.86 % of the arithmetic and 74.59 % of the weights."""
    model = create_model('mobilenet_v1_x1_0')
    weights = {n: m.weight for n, m in model.named_modules() if hasattr(m, 'weight')}
    pointwise = [w.numel() for n, w in weights.items() if n.endswith('conv_pw')]
    # batch norm is not counted
    num_weights = sum(w.numel() for w in weights.values() if w.ndim > 1)
    assert 100 * sum(pointwise) / num_weights == pytest.approx(74.59, abs=0.01)
    sides = [112] + [56] * 2 + [28] * 2 + [14] * 6 + [7] * 2
    macs = sum(n * side**2 for n, side in zip(pointwise, sides, strict=True))
    share = 100 * macs / num_macs(model, 1, 3, 224, 224)
    assert share == pytest.approx(94.86, abs=0.1)


def test_multipliers_act_on_the_arithmetic_by_their_squares():
    whole = num_macs(MobileNetV1(), 1, 3, 256, 256)
    assert whole / num_macs(MobileNetV1(), 1, 3, 128, 128) == 4
    half = num_macs(MobileNetV1(width_mult=0.5), 1, 3, 256, 256)
    # the depthwise part and the stem shrink by the first power
    assert whole / half == pytest.approx(4, rel=0.06)


class TestInvertedResidual:
    @pytest.fixture
    def block(self):
        torch.manual_seed(0)
        return InvertedResidual(16, 16, 1, 6, None, BN, RELU6).eval()

    def test_parameters_by_hand(self, block):
        # 16 -> 96 -> 96 -> 16, scales and shifts of three norms
        assert num_params(block) == 16 * 96 + 9 * 96 + 96 * 16 + 2 * (96 + 96 + 16)

    def test_first_block_does_not_expand(self):
        block = InvertedResidual(32, 16, 1, 1, None, BN, RELU6)
        assert num_params(block) == 9 * 32 + 32 * 16 + 2 * (32 + 16)

    def test_shortcut_passes_what_the_projection_lacks(self, block):
        nn.init.zeros_(block.conv[2].weight)
        x = torch.randn(2, 16, 5, 5)
        assert torch.equal(block(x), x)

    @pytest.mark.parametrize(('channels', 'stride'), [(24, 1), (16, 2)])
    def test_no_shortcut_between_shapes(self, channels, stride):
        block = InvertedResidual(16, channels, stride, 6, None, BN, RELU6).eval()
        nn.init.zeros_(block.conv[2].weight)
        out = block(torch.randn(2, 16, 5, 5))
        side = 5 if stride == 1 else 3
        assert out.shape == (2, channels, side, side)
        assert not out.any()

    def test_bottleneck_is_linear(self):
        """Sec. 3.2: what is cut off above 6 and below 0 stays within a block."""
        torch.manual_seed(0)
        block = InvertedResidual(16, 24, 1, 6, None, BN, RELU6)
        hidden = block.conv[:2](torch.randn(2, 16, 9, 9))
        assert hidden.min() == 0
        out = block.conv[2:](hidden)
        assert out.min() < 0
        torch.testing.assert_close(block.conv[2](-hidden), -block.conv[2](hidden))


class TestInvertedResidualV3:
    def test_parameters_by_hand(self):
        block = InvertedResidualV3(40, 120, 40, 5, 1, True, None, BN, RELU6)
        # squeezed to 32: a quarter, 30, in multiples of 8; these have biases
        squeeze = 2 * 120 * 32 + 32 + 120
        assert num_params(block) == (
            40 * 120 + 25 * 120 + squeeze + 120 * 40 + 2 * (120 + 120 + 40)
        )

    @pytest.mark.parametrize(('bias', 'gate'), [(3.0, 1.0), (0.0, 0.5), (-3.0, 0.0)])
    def test_gate_is_a_hard_sigmoid(self, bias, gate):
        block = InvertedResidualV3(8, 16, 8, 3, 1, True, None, BN, RELU6)
        excite = block.block[2]
        nn.init.zeros_(excite.fc2.weight)
        nn.init.constant_(excite.fc2.bias, bias)  # relu6(bias + 3) / 6
        x = torch.rand(1, 16, 4, 4)
        torch.testing.assert_close(excite(x), gate * x)

    def test_h_swish_by_hand(self):
        """x relu6(x + 3) / 6, Sec. 5.2; at the ends 0 and x."""
        stem = MobileNetV3('small').features[0]
        x = torch.tensor([-4.0, -3.0, -1.5, 0.0, 1.0, 3.0, 4.0])
        expected = torch.tensor([0, 0, -1.5 * 1.5 / 6, 0, 4 / 6, 3, 4])
        torch.testing.assert_close(stem[2](x.clone()), expected)

    @pytest.mark.parametrize(
        ('arch', 'num_se', 'num_relu'), [('large', 8, 6), ('small', 9, 3)]
    )
    def test_tables(self, arch, num_se, num_relu):
        blocks = MobileNetV3(arch).features[1:-1]
        names = [{type(m).__name__ for m in b.block.children()} for b in blocks]
        assert sum('SqueezeExcitation' in kinds for kinds in names) == num_se
        first = [type(b.block[0][2]) for b in blocks]
        assert first == [nn.ReLU] * num_relu + [nn.Hardswish] * (len(blocks) - num_relu)


TORCHVISION_NODES = dict(
    mobilenet_v2=(1, 3, 6, 13, 17, 18),
    mobilenet_v3_large=(1, 3, 6, 12, 15, 16),
    mobilenet_v3_small=(0, 1, 3, 8, 11, 12),
)


@pytest.mark.parametrize('name', TORCHVISION_NODES)
@torch.no_grad()
def test_maps_are_those_of_torchvision(name):
    torch.manual_seed(0)
    images = torch.randn(1, 3, *ODD)
    reference = with_statistics(getattr(torchvision.models, name)(), images)
    backbone = build(name, out_indices=STAGES).backbone
    state = reference.state_dict()
    backbone.load_state_dict({k: v for k, v in state.items() if 'classifier' not in k})
    nodes = [f'features.{i}' for i in TORCHVISION_NODES[name]]
    expected = create_feature_extractor(reference, nodes)(images)
    outs = backbone(images)
    for node, out in zip(nodes, outs, strict=True):
        assert expected[node].std() > 0.1
        torch.testing.assert_close(out, expected[node], rtol=1e-4, atol=1e-4)
    # rounded up by each stage
    sides = [(97, 113), (49, 57), (25, 29), (13, 15), (7, 8), (7, 8)]
    assert [tuple(out.shape[2:]) for out in outs] == sides


@torch.no_grad()
def test_maps_are_those_of_timm():
    torch.manual_seed(0)
    images = torch.randn(1, 3, *ODD)
    reference = with_statistics(timm.create_model('mobilenetv1_100'), images)
    backbone = MobileNetV1(out_indices=V1_STAGES).eval()
    load_weights(backbone, reference.state_dict(), 'x', allow_new_head=True)
    expected = reference.forward_intermediates(
        images, list(V1_STAGES), intermediates_only=True
    )
    for out, of_timm in zip(backbone(images), expected, strict=True):
        assert of_timm.std() > 0.1
        torch.testing.assert_close(out, of_timm, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_reduced_tail_is_that_of_torchvision():
    torch.manual_seed(0)
    images = torch.randn(2, 3, 65, 97)
    for name, in_channels in (('large', 480), ('small', 288)):
        reference = with_statistics(
            getattr(torchvision.models, f'mobilenet_v3_{name}')(reduced_tail=True),
            images,
        ).features
        backbone = MobileNetV3(name, reduced_tail=True).eval()
        backbone.features.load_state_dict(reference.state_dict())
        (out,) = backbone(images)
        assert out.shape[1] == in_channels
        torch.testing.assert_close(out, reference(images), rtol=1e-4, atol=1e-4)


class TestTap:
    """Map 3 of MobileNetV3 for SSDLite."""

    @pytest.mark.parametrize(('arch', 'expanded'), [('large', 672), ('small', 288)])
    @torch.no_grad()
    def test_is_the_expansion_within_the_next_block(self, arch, expanded):
        torch.manual_seed(0)
        kwargs = dict(out_indices=(3, 4, 5))
        tapped = MobileNetV3(arch, tap_expansion=True, **kwargs).eval()
        plain = MobileNetV3(arch, **kwargs).eval()
        plain.load_state_dict(tapped.state_dict())
        images = torch.randn(2, 3, 64, 96)
        (first, *others), (before, *expected) = tapped(images), plain(images)
        assert first.shape == (2, expanded, 4, 6)
        block = plain.features[plain.starts[4]].block
        torch.testing.assert_close(first, block[0](before))
        # what follows is the same
        assert all(torch.equal(a, b) for a, b in zip(others, expected, strict=True))

    def test_belongs_to_the_stage_that_it_ends(self):
        model = MobileNetV3('large', tap_expansion=True, trainable_stages=2)
        trained = [name for name, p in model.named_parameters() if p.requires_grad]
        assert trained[0] == 'features.13.block.1.0.weight'
        assert not model.features[13].block[0][0].weight.requires_grad

    def test_full_tail_serves_too(self):
        # as torchvision's weights for ImageNet have it
        kwargs = dict(tap_expansion=True, out_indices=(3, 5))
        with torch.device('meta'):
            first, last = MobileNetV3('large', **kwargs)(torch.rand(1, 3, 64, 64))
        assert first.shape == (1, 672, 4, 4)
        assert last.shape == (1, 960, 2, 2)


class TestInitialisation:
    @pytest.mark.parametrize('name', ['mobilenet_v2', 'mobilenet_v3_small'])
    def test_is_torchvisions(self, name):
        torch.manual_seed(0)
        ours = create_model(name).state_dict()
        reference = getattr(torchvision.models, name)()
        prefixes = {'features': 'backbone.', 'classifier': 'head.'}
        for key, weight in reference.state_dict().items():
            own = ours[prefixes[key.partition('.')[0]] + key]
            if weight.ndim < 2:  # norms and biases
                assert torch.equal(own, weight), key
            elif weight.numel() > 5000:
                assert own.std().item() == pytest.approx(weight.std().item(), rel=0.1)
                assert abs(own.mean()) < 0.1 * own.std()

    def test_of_v1_is_tf_slims(self):
        torch.manual_seed(0)
        backbone = create_model('mobilenet_v1_x1_0').backbone
        weight = backbone.blocks[4][1].conv_pw.weight
        # a normal distribution of 0.09, cut at twice that, has 0.88 of it
        assert weight.abs().max() <= 0.18
        assert weight.std().item() == pytest.approx(0.88 * 0.09, rel=0.01)


@pytest.mark.parametrize(
    ('build_one', 'channels'),
    [
        (MobileNetV1, 1024),
        (MobileNetV2, 1280),
        (lambda **kwargs: MobileNetV3('small', **kwargs), 576),
    ],
)
def test_layers_are_exchanged(build_one, channels):
    model = build_one(
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=8),
        act_cfg=dict(type='SiLU'),
    )
    kinds = {type(m) for n, m in model.named_modules() if '.fc' not in n}
    assert {OtherConv, nn.GroupNorm, nn.SiLU} <= kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d, nn.ReLU6, nn.Hardswish})
    (out,) = model(torch.rand(1, 1, 32, 64))
    assert out.shape == (1, channels, 1, 2)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: MobileNetV1(out_indices=(5,)), 'MobileNetV1 has 5 stages'),
        (lambda: MobileNetV2(out_indices=(-7,)), 'MobileNetV2 has 6 stages'),
        (lambda: MobileNetV3('medium'), "arch 'medium' not in"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def of_mmpretrain(path):
    cfg = Config.fromfile(find_config(f'mmpretrain::{path}')).model
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg)


TIMM_EPS = dict(norm_cfg=dict(type='BN', eps=1e-5))
# TensorFlow's padding, and its batch norm
TENSORFLOW = dict(
    conv_cfg=dict(type='Conv2dAdaptivePadding'), norm_cfg=dict(type='BN', eps=1e-3)
)
FILES = {
    'timm-v2': (
        'mobilenet_v2',
        lambda: timm.create_model('mobilenetv2_100'),
        dict(),
    ),
    # two adjacent groups of blocks have as many channels
    'timm-v2-0.5': (
        'mobilenet_v2_x0_5',
        lambda: timm.create_model('mobilenetv2_050'),
        dict(),
    ),
    'timm-v3-large': (
        'mobilenet_v3_large',
        lambda: timm.create_model('mobilenetv3_large_100'),
        TIMM_EPS,
    ),
    'timm-v3-small': (
        'mobilenet_v3_small',
        lambda: timm.create_model('mobilenetv3_small_100'),
        TIMM_EPS,
    ),
    'tensorflow-v1': (
        'mobilenet_v1_x0_25',
        lambda: _gen_mobilenet_v1('', 0.25, bn_eps=1e-3, pad_type='same'),
        TENSORFLOW,
    ),
    'tensorflow-v3-large': (
        'mobilenet_v3_large',
        lambda: timm.create_model('tf_mobilenetv3_large_100'),
        TENSORFLOW,
    ),
    'mmpretrain-v2': (
        'mobilenet_v2',
        lambda: of_mmpretrain('mobilenet_v2/mobilenet-v2_8xb32_in1k.py'),
        dict(),
    ),
    'mmpretrain-v3-large': (
        'mobilenet_v3_large',
        lambda: of_mmpretrain('mobilenet_v3/mobilenet-v3-large_8xb128_in1k.py'),
        dict(),
    ),
    'mmpretrain-v3-small': (
        'mobilenet_v3_small',
        lambda: of_mmpretrain('mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py'),
        dict(),
    ),
}


@pytest.fixture(params=FILES)
def file(request):
    """A variant's name, another library's model, what ours needs to be as it, and
    images."""
    torch.manual_seed(0)
    name, call, options = FILES[request.param]
    images = torch.randn(2, 3, 64, 96)
    return name, with_statistics(call(), images), options, images


@torch.no_grad()
def test_files_of_other_libraries_give_their_logits(file):
    name, reference, options, images = file
    model = build(name, **options)
    report = load_weights(model, reference.state_dict(), 'x.pth')
    num = len(model.state_dict())
    assert report.startswith(f'{num} of {num} weights (100.0% ')
    assert 'not used' not in report
    expected = reference(images)
    assert (expected[0] - expected[1]).abs().max() > 0.01
    torch.testing.assert_close(model(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    'file', ['tensorflow-v1', 'tensorflow-v3-large', 'timm-v3-small'], indirect=True
)
@torch.no_grad()
def test_what_a_file_needs_is_seen_in_the_logits(file):
    name, reference, _, images = file
    model = build(name)
    load_weights(model, reference.state_dict(), 'x.pth')
    assert (model(images) - reference(images)).abs().max() > 0.01


@pytest.mark.parametrize('library', ['mmdet', 'mmpretrain'])
@torch.no_grad()
def test_a_backbone_alone_is_loaded(library):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 96)
    reference = MODELS.build(
        dict(type=f'{library}.MobileNetV2', out_indices=(0, 1, 2, 4, 6, 7))
    )
    with_statistics(reference, images)
    backbone = MobileNetV2(out_indices=STAGES).eval()
    state = {f'backbone.{k}': v for k, v in reference.state_dict().items()}
    load_weights(backbone, state, 'x')
    for out, expected in zip(backbone(images), reference(images), strict=True):
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


def test_a_file_of_another_arch_is_refused():
    reference = timm.create_model('mobilenetv3_small_100').state_dict()
    with pytest.raises(UserError, match='does not fit this model'):
        load_weights(create_model('mobilenet_v3_large'), reference, 'x')


def rates(cfg, epochs):
    """The rate of each epoch, as a runner sets it."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], cfg.optim_wrapper.optimizer.lr)
    (scheduler,) = [
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=optimizer))
        for scheduler in cfg.param_scheduler
    ]
    lrs = []
    for _ in range(epochs):
        lrs.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return lrs


@pytest.mark.parametrize(
    ('name', 'first', 'factor', 'epochs', 'every'),
    [
        ('mobilenet-v1_8xb32-100e', 0.045, 0.94, 100, 2),
        ('mobilenet-v2_8xb32-300e', 0.045, 0.98, 300, 1),
        ('mobilenet-v3-large_8xb128-600e', 0.064, 0.973, 600, 2),
    ],
)
def test_rates_fall_by_a_factor(name, first, factor, epochs, every):
    lrs = rates(run_config(f'{name}_imagenet.py'), epochs)
    assert lrs == pytest.approx([first * factor ** (i // every) for i in range(epochs)])


def test_depthwise_convolutions_of_v1_do_not_decay():
    cfg = run_config('mobilenet-v1_8xb32-100e_imagenet.py')
    model = create_model('mobilenet_v1_x0_25')
    groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    decays = {id(g['params'][0]): g['weight_decay'] for g in groups}
    for name, p in model.named_parameters():
        decayed = name.endswith(('conv_stem.weight', 'conv_pw.weight', 'fc.weight'))
        assert decays[id(p)] == (4e-5 if decayed else 0), name


def test_pipelines_give_the_resolution(tmp_path):
    path = str(tmp_path / 'image.jpg')
    rng = np.random.default_rng(0)
    cv2.imwrite(path, rng.integers(0, 255, (300, 400, 3), np.uint8))
    for name, side in (
        ('mobilenet-v1-128_8xb32-100e', 128),
        ('mobilenet-v3-small_8xb128-600e', 224),
    ):
        cfg = run_config(f'{name}_imagenet.py')
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                pipeline = Compose(loader.dataset.pipeline)
            packed = pipeline(dict(img_path=path, gt_label=3))
            assert packed['inputs'].shape == (3, side, side)
            assert packed['inputs'].dtype == torch.uint8
