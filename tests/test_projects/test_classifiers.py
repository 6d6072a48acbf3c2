"""What holds for every classifier: shapes, parity, gradients.

The shapes are the reference implementations', measured once.
"""

import ast
import pkgutil
import re
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from reference_table import TABLE
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import convnext, swin_transformer, vision_transformer

from projects import list_models
from projects.convnext import ConvNeXt
from projects.core.layers import StochasticDepth
from projects.core.quiet import hushed
from projects.core.tasks.classification.classifier import final_layers
from projects.core.tasks.classification.task import ClassificationTask
from projects.core.tasks.task import task_of
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import MODELS
from projects.swin import SwinTransformer
from projects.vit import VisionTransformer

RGB_224, RGB_64 = (3, 224, 224), (3, 64, 64)
BY_TWO = (112, 56, 28, 14, 7)


@dataclass
class Spec:
    """A variant: its input, and what it must come to.

    ``stages`` are (channels, side) of each map of the backbone for ``input``.
    ``reference``: torchvision has it, under the same name; or the call that builds
    the reference. ``small``: an input that is computed with where the shapes do
    not matter. ``narrowing``: what the widths are divided by there, and
    ``small_reference``: what builds the reference of this. ``sums_to_one``: so the
    scores of the classes do.
    """

    name: str
    stages: list[tuple[int, int]]
    reference: bool | str = False
    input: tuple[int, int, int] = RGB_224
    small: tuple[int, int, int] | None = None
    narrowing: int = 1
    small_reference: Callable[[], nn.Module] | None = None
    sums_to_one: bool = True

    def images(self, num):
        """uint8 images as a pipeline gives them."""
        return list(torch.randint(0, 256, (num, *(self.small or self.input))))


def stages(channels, sides=BY_TWO):
    return list(zip(channels, sides, strict=True))


LENET = stages((6, 16, 16), (28, 10, 5))
VGG = stages((64, 128, 256, 512, 512, 512), (224, 112, 56, 28, 14, 7))
GOOGLENET = stages((64, 192, 480, 832, 1024))
BASIC = stages((64, 64, 128, 256, 512))
BOTTLENECK = stages((64, 256, 512, 1024, 2048))
GREY_28 = (1, 28, 28)
SPECS = [
    Spec('lenet5', LENET, input=GREY_28),
    Spec('lenet5_modern', LENET, input=GREY_28),
    Spec('lenet5_scratch', LENET, input=GREY_28),
    Spec(
        'alexnet',
        stages((64, 192, 384, 256, 256, 256), (55, 27, 13, 13, 13, 6)),
        True,
    ),
    Spec(
        'alexnet_2012',
        stages((96, 256, 384, 384, 256, 256), (54, 26, 12, 12, 12, 5)),
    ),
    *[
        Spec(f'vgg{depth}{kind}', VGG, True, small=RGB_64)
        for depth in (11, 13, 16, 19)
        for kind in ('', '_bn')
    ],
    Spec('nin', stages((96, 256, 384), (54, 26, 12))),
    Spec('googlenet', GOOGLENET, True),
    Spec('googlenet_paper', GOOGLENET),
    *[Spec(f'resnet{depth}', BASIC, True, small=RGB_64) for depth in (18, 34)],
    *[
        Spec(name, BOTTLENECK, True, small=RGB_64)
        for name in (
            'resnet50',
            'resnet101',
            'resnet152',
            'resnext50_32x4d',
            'resnext101_32x8d',
            'resnext101_64x4d',
            'wide_resnet50_2',
            'wide_resnet101_2',
        )
    ],
    *[
        Spec(f'densenet{depth}', stages(channels), True, small=RGB_64)
        for depth, channels in (
            (121, (64, 256, 512, 1024, 1024)),
            (161, (96, 384, 768, 2112, 2208)),
            (169, (64, 256, 512, 1280, 1664)),
            (201, (64, 256, 512, 1792, 1920)),
        )
    ],
    *[
        # darknet's extraction.cfg
        Spec(name, stages((64, 192, 512, 1024, 1024)), small=RGB_64)
        for name in ('yolov1_extraction', 'yolov1_extraction_bn')
    ],
    # lengths of capsules, each a score of its own
    Spec('capsnet_mnist', [(256, 20), (256, 6)], input=GREY_28, sums_to_one=False),
]
FROM_TABLE = (
    'MobileNetV1',
    'MobileNetV2',
    'MobileNetV3',
    'ShuffleNetV1',
    'ShuffleNetV2',
    'EfficientNet',
    'EfficientNetV2',
    'RepVGG',
    'ViT',
    'Swin',
    'SwinV2',
    'ConvNeXt',
    'MobileViT',
)


def from_table(name, entry):
    """Of the reference table; odd sides, which each stride rounds up."""
    if name == 'efficientnet_v2_xl':  # timm's, without the last stage and our eps
        strides, channels = [*entry['strides'], 32], [*entry['channels'], 1280]
        reference = "timm.create_model('efficientnetv2_xl', bn_eps=1e-3)"
        entry = dict(entry, strides=strides, channels=channels, reference=reference)
    if entry['family'] == 'ViT':  # of one scale: each block is a stage
        blocks = 24 if '_l_' in name else 12
        entry = {
            **entry,
            **{key: entry[key] * blocks for key in ('strides', 'channels')},
        }
    sides = [-(-entry['input'][1] // stride) for stride in entry['strides']]
    reference = entry['reference']
    small = (3, 65, 97)
    if entry['family'] == 'ViT':  # whose reference takes squares alone
        small = RGB_64
    if entry['family'] == 'MobileNetV1':  # timm has a name for width 1 alone
        width = name.removeprefix('mobilenet_v1_x').replace('_', '.')
        reference = f"timm.models.efficientnet._gen_mobilenet_v1('', {width})"
    spec = Spec(
        name,
        stages(entry['channels'], sides),
        reference if reference.startswith(('torch', 'timm')) else '',
        input=tuple(entry['input']),
        small=small,
    )
    if name.startswith('swin') and name not in ('swin_t', 'swin_v2_t'):
        spec.narrowing = 8
        spec.small_reference = small_swin(name)
    if name in ('convnext_large', 'convnext_xlarge'):
        spec.narrowing = 8
        spec.small_reference = partial(small_convnext, entry['channels'])
    if entry['family'] == 'ViT':
        spec.narrowing = 8
        spec.small_reference = partial(small_vit, name)
    return spec


def small_vit(name):
    """torchvision's ViT at an eighth of the width, for 64 x 64 pixels."""
    backbone = model_cfg(name).backbone
    width, depth, num_heads, hidden = astuple(
        VisionTransformer.arch_settings[backbone.arch]
    )
    return vision_transformer.VisionTransformer(
        64, backbone.patch_size, depth, num_heads, width // 8, hidden // 8
    )


def small_convnext(channels):
    """torchvision's ConvNeXt at an eighth of the width."""
    widths = [width // 8 for width in channels]
    return convnext.ConvNeXt(
        [
            convnext.CNBlockConfig(*stage)
            for stage in zip(widths, [*widths[1:], None], (3, 3, 27, 3), strict=True)
        ]
    )


def small_swin(name):
    """What builds torchvision's Swin at an eighth of the width; timm's has other
    windows on small maps. None where the windows differ from stage to stage."""
    if name.endswith('w16'):
        return None
    arch = SwinTransformer.arch_settings[re.match(r'swin_(?:v2_)?(.)', name)[1]]
    arguments = (
        [4, 4],
        arch.embed_dims // 8,
        arch.depths,
        arch.num_heads,
        [12 if name.endswith('384') else 8 if 'v2' in name else 7] * 2,
    )
    layers = {}
    if 'v2' in name:
        layers = dict(
            block=swin_transformer.SwinTransformerBlockV2,
            downsample_layer=swin_transformer.PatchMergingV2,
        )
    return partial(swin_transformer.SwinTransformer, *arguments, **layers)


SPECS += [
    from_table(name, entry)
    for name, entry in TABLE.items()
    if entry['family'] in FROM_TABLE and name in list_models()
]
SPECS += [
    Spec(
        f'vit_{size}_16',
        stages((width,) * 12, (14,) * 12),
        f"timm.create_model('vit_{size}_patch16_224')",
        small=RGB_64,
    )
    for size, width in (('tiny', 192), ('small', 384))
]
NARROW = (64, 64)
WITH_TABLES = ('swin',)  # whose buffers are more than batch norm's statistics
pytestmark = pytest.mark.usefixtures('cheap_weights')


def test_every_classifier_is_here():
    names = set()
    for name in list_models():
        cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py')
        if isinstance(task_of(cfg), ClassificationTask):
            names.add(name)
    assert {spec.name for spec in SPECS} == names


# of each a smaller sibling, of the same code, is in the default run
GIANTS = (
    'convnext_base',
    'densenet161',
    'densenet201',
    'efficientnet_b6',
    'efficientnet_b7',
    'efficientnet_v2_l',
    'efficientnet_v2_m',
    'efficientnet_v2_xl',
    'repvgg_b2',
    'repvgg_b2g4',
    'repvgg_b3',
    'repvgg_b3g4',
    'resnet101',
    'resnet152',
    'resnext101_32x8d',
    'resnext101_64x4d',
    'vgg16',
    'vgg19',
    'wide_resnet101_2',
    'wide_resnet50_2',
)


def marks_of(spec, input=None):
    """Slow is what takes seconds and has a sibling of the same code."""
    is_slow = spec.name in GIANTS or (spec.small and input == spec.input)
    return [pytest.mark.slow] if is_slow else []


@pytest.fixture(
    scope='module',
    params=[pytest.param(spec, marks=marks_of(spec), id=spec.name) for spec in SPECS],
)
def spec(request):
    return request.param


def model_cfg(name):
    return Config.fromfile(config_root() / f'_base_/models/{name}.py').model


def small_cfg(spec):
    """The variant's; of giants with an eighth of the channels, and so with little of
    the weights."""
    cfg = model_cfg(spec.name)
    if spec.narrowing == 1:
        return cfg
    if spec.name.startswith('swin'):
        arch = SwinTransformer.arch_settings[cfg.backbone.arch]
        cfg.backbone.arch = (arch.embed_dims // spec.narrowing, *arch[1:])
    elif spec.name.startswith('vit'):
        width, depth, num_heads, hidden = astuple(
            VisionTransformer.arch_settings[cfg.backbone.arch]
        )
        widths = width // spec.narrowing, hidden // spec.narrowing
        cfg.backbone.arch = (widths[0], depth, num_heads, widths[1])
    else:
        widths, depths = ConvNeXt.arch_settings[cfg.backbone.arch]
        cfg.backbone.arch = ([width // spec.narrowing for width in widths], depths)
    cfg.head.in_channels //= spec.narrowing
    return cfg


def build(spec, **kwargs):
    """The variant; of VGG and AlexNet with a head of 64 in the place of 4,096
    units, which is all but a few percent of their parameters."""
    cfg = small_cfg(spec)
    cfg.update(kwargs)
    if len(cfg.head.get('hidden_channels', ())) == 2 and spec.input == RGB_224:
        cfg.head.hidden_channels = NARROW
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg)
    with hushed():
        model.init_weights()
    return model


@pytest.fixture(scope='module')
def model(spec, cheap_weights):
    torch.manual_seed(0)
    return build(spec)


@pytest.mark.parametrize(
    ('spec', 'input'),
    [
        pytest.param(
            spec,
            input,
            marks=marks_of(spec, input),
            id=f'{spec.name}-{input[-1]}',
        )
        for spec in SPECS
        if spec.reference
        for input in dict.fromkeys([spec.small or spec.input, spec.input])
        if input == spec.input or spec.narrowing == 1 or spec.small_reference
    ],
)
def test_logits_are_those_of_the_reference_with_its_weights(spec, input):
    """Those without a reference there have tests of their plugin.

    The linear layers of all VGGs are the same: VGG-11 has them whole.
    """
    name, is_small = spec.name, input != spec.input
    cfg = small_cfg(spec) if is_small else model_cfg(name)
    kwargs = dict(init_weights=False) if name == 'googlenet' else {}
    if name.startswith('vit_'):  # their position embedding is made for a size
        cfg.backbone.img_size = input[-1]
        key = 'img_size' if str(spec.reference).startswith('timm') else 'image_size'
        kwargs = {key: input[-1]}
    with (
        torch.device('cpu' if name.startswith(WITH_TABLES) else 'meta'),
        DefaultScope.overwrite_default_scope('mmpretrain'),
    ):
        reference = (
            spec.small_reference()
            if is_small and spec.small_reference
            else build_reference(spec.reference, name, **kwargs)
        )
        if name.startswith('vgg') and name != 'vgg11':
            cfg.head.hidden_channels = NARROW
            for i, widths in ((0, (25088, 64)), (3, NARROW), (6, (64, 1000))):
                reference.classifier[i] = nn.Linear(*widths)
        model = MODELS.build(cfg)
    if not name.startswith(WITH_TABLES):
        reference.to_empty(device='cpu')
        model.to_empty(device='cpu')
    images = torch.randn(2, *input)
    fill(reference, images)
    model.eval()
    for weight in model.state_dict().values():  # what is not loaded will show
        weight.fill_(float('nan') if weight.is_floating_point() else 0)
    load_weights(model, reference.state_dict(), name)
    with torch.no_grad():
        expected = reference(images)
        # or any difference would be small
        assert (expected[0] - expected[1]).abs().max() > 0.01
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)


def build_reference(call, name, **kwargs):
    """``name`` of torchvision, or what a call such as
    ``timm.create_model('repvgg_a0')`` builds."""
    if call is True:
        return getattr(torchvision.models, name)(weights=None, **kwargs)
    expression = ast.parse(call, mode='eval').body
    function = pkgutil.resolve_name(ast.unparse(expression.func))
    return function(
        *map(ast.literal_eval, expression.args),
        **{k.arg: ast.literal_eval(k.value) for k in expression.keywords},
        **kwargs,
    )


@torch.no_grad()
def fill(model, images):
    """Weights by He's rule, norms and biases that change something.

    The statistics of batch norm are those of the images: with others the signal
    of the images dies in a deep stack of depthwise convolutions, and the logits
    are those of the biases.
    """
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            fan_out = weight.numel() / weight.shape[1]
            weight.normal_(0, (2 / fan_out) ** 0.5)
        elif name.endswith('weight'):
            weight.uniform_(0.5, 1)
        else:
            weight.uniform_(-0.5, 0.5)
    for norm in model.modules():
        if isinstance(norm, _BatchNorm):
            norm.reset_running_stats()
            norm.momentum = 1.0
    model.train()(images)
    model.eval()


def test_stages_have_their_channels_and_strides(spec):
    with torch.device('meta'):  # the shapes alone
        cfg = backbone_cfg(model_cfg(spec.name), range(len(spec.stages)))
        backbone = MODELS.build(cfg).eval()
        outs = backbone(torch.rand(1, *spec.input))
    assert [(out.shape[1], *out.shape[2:]) for out in outs] == [
        (channels, side, side) for channels, side in spec.stages
    ]


def backbone_cfg(model_cfg, out_indices):
    cfg = {**model_cfg.backbone, 'out_indices': tuple(out_indices)}
    cfg.pop('pool', None)  # of ViT: maps, as a detector takes them
    return cfg


def test_a_step_at_batch_2_reaches_every_parameter(spec, model):
    torch.manual_seed(0)
    num_classes = 10 if spec.input == GREY_28 else 1000
    samples = [DataSample().set_gt_label(i % num_classes) for i in (3, 8)]
    last = final_layers(model.head)[-1].weight
    if not last.any():  # as ViT's begins: nothing below would have a gradient
        nn.init.normal_(last, std=0.01)
    model.train()
    for module in model.modules():  # else both images may lose a block
        if isinstance(module, StochasticDepth):
            module.p = 0.0
    data = model.data_preprocessor(
        dict(inputs=spec.images(2), data_samples=samples),
        True,
    )
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    silent = [
        name
        for name, p in model.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    assert loss.isfinite()
    assert silent == []
    before = last.detach().clone()
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    assert not torch.equal(last, before)
    assert last.isfinite().all()
    model.zero_grad()


@pytest.mark.parametrize('trainable_stages', [0, 1])
def test_a_part_of_it_is_trained(spec, trainable_stages):
    model = build(spec, trainable_stages=trainable_stages)
    data = model.data_preprocessor(
        dict(
            inputs=spec.images(2),
            data_samples=[DataSample().set_gt_label(i) for i in (0, 2)],
        ),
        True,
    )
    loss, _ = model.parse_losses(model.train()(**data, mode='loss'))
    loss.backward()
    parts = final_layers(model.head)
    if trainable_stages:
        parts = [
            model.head,
            *[
                m
                for stage in model.backbone.stage_modules()
                for m in stage
                if any(True for _ in m.parameters())
            ][-1:],
        ]
    for part in parts:
        assert all(p.grad is not None for p in part.parameters())
    stem = next(m for m in model.modules() if m._parameters)
    assert all(p.grad is None for p in stem.parameters(recurse=False))
    if trainable_stages == 0:
        ours = {id(p) for part in parts for p in part.parameters()}
        assert {id(p) for p in model.parameters() if p.grad is not None} == ours


def test_eval_at_batch_1_gives_a_label(spec, model):
    data = model.data_preprocessor(
        dict(inputs=spec.images(1), data_samples=[DataSample()])
    )
    with torch.no_grad():
        (sample,) = model.eval()(**data, mode='predict')
    if spec.sums_to_one:
        assert sample.pred_score.sum() == pytest.approx(1, abs=1e-4)
    assert ((sample.pred_score >= 0) & (sample.pred_score <= 1)).all()
    assert sample.pred_label == sample.pred_score.argmax()


def test_last_two_stages_serve_a_detector(spec):
    """Under SSD's head: a loss, and a gradient in the stem."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    channels = tuple(c // spec.narrowing for c, _ in spec.stages[-2:])
    in_channels, side = spec.input[0], 128
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(
            dict(
                type='SingleStageDetector',
                backbone=backbone_cfg(small_cfg(spec), (-2, -1)),
                bbox_head=dict(
                    type='projects.SSDHead',
                    num_classes=2,
                    in_channels=channels,
                    default_boxes=dict(
                        min_sizes=(30, 60),
                        max_sizes=(60, 120),
                        ratios=((2,), (2,)),
                        steps=(16, 32),
                    ),
                ),
            )
        )
    boxes = InstanceData(
        bboxes=torch.tensor([[20.0, 20.0, 80.0, 90.0]]), labels=torch.tensor([1])
    )
    sample = DetDataSample(metainfo=dict(img_shape=(side, side)), gt_instances=boxes)
    torch.manual_seed(0)
    losses = detector.train()(
        torch.rand(1, in_channels, side, side), [sample], mode='loss'
    )
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    assert next(detector.backbone.parameters()).grad.any()
