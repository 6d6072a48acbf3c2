"""What holds for every classifier: counts, shapes, parity, gradients.

The figures are the reference implementations', measured once.
"""

from dataclasses import dataclass

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from projects import create_model
from projects.core.factory import config_root
from projects.core.tasks.classification.classifier import final_layers
from projects.core.weights import load_weights
from projects.registry import MODELS

RGB_224 = (3, 224, 224)
BY_TWO = (112, 56, 28, 14, 7)


@dataclass
class Spec:
    """A variant: its input, and what it must come to.

    ``stages`` are (channels, side) of each map of the backbone; ``reference``
    is the name of torchvision's constructor.
    """

    name: str
    num_params: int
    stages: list[tuple[int, int]]
    reference: str | None = None
    input: tuple[int, int, int] = RGB_224
    slow: bool = False


def stages(channels, sides=BY_TWO):
    return list(zip(channels, sides, strict=True))


LENET = stages((6, 16, 16), (28, 10, 5))
VGG = stages((64, 128, 256, 512, 512, 512), (224, 112, 56, 28, 14, 7))
BOTTLENECK = stages((64, 256, 512, 1024, 2048))
GREY_28, GREY_224 = (1, 28, 28), (1, 224, 224)
SPECS = [
    Spec('lenet5', 61_706, LENET, input=GREY_28),
    # two batch norms more: 2 * 6 and 2 * 16
    Spec('lenet5_modern', 61_750, LENET, input=GREY_28),
    Spec('lenet5_scratch', 61_750, LENET, input=GREY_28),
    Spec(
        'alexnet',
        61_100_840,
        stages((64, 192, 384, 256, 256, 256), (55, 27, 13, 13, 13, 6)),
        'alexnet',
    ),
    Spec(
        'alexnet_2012',
        50_844_008,
        stages((96, 256, 384, 384, 256, 256), (54, 26, 12, 12, 12, 5)),
    ),
    Spec('vgg11', 132_863_336, VGG, 'vgg11'),
    Spec('vgg11_bn', 132_868_840, VGG, 'vgg11_bn', slow=True),
    Spec('vgg13', 133_047_848, VGG, 'vgg13', slow=True),
    Spec('vgg13_bn', 133_053_736, VGG, 'vgg13_bn', slow=True),
    Spec('vgg16', 138_357_544, VGG, 'vgg16', slow=True),
    Spec('vgg16_bn', 138_365_992, VGG, 'vgg16_bn', slow=True),
    Spec('vgg19', 143_667_240, VGG, 'vgg19', slow=True),
    Spec('vgg19_bn', 143_678_248, VGG, 'vgg19_bn', slow=True),
    Spec('nin', 7_439_608, stages((96, 256, 384), (54, 26, 12))),
    Spec('googlenet', 13_004_888, stages((64, 192, 480, 832, 1024)), 'googlenet'),
    Spec('googlenet_paper', 13_378_280, stages((64, 192, 480, 832, 1024))),
    Spec('resnet18', 11_689_512, stages((64, 64, 128, 256, 512)), 'resnet18'),
    Spec('resnet34', 21_797_672, stages((64, 64, 128, 256, 512)), 'resnet34'),
    Spec('resnet50', 25_557_032, BOTTLENECK, 'resnet50'),
    Spec('resnet101', 44_549_160, BOTTLENECK, 'resnet101', slow=True),
    Spec('resnet152', 60_192_808, BOTTLENECK, 'resnet152', slow=True),
    Spec('resnext50_32x4d', 25_028_904, BOTTLENECK, 'resnext50_32x4d'),
    Spec('resnext101_32x8d', 88_791_336, BOTTLENECK, 'resnext101_32x8d', slow=True),
    Spec('resnext101_64x4d', 83_455_272, BOTTLENECK, 'resnext101_64x4d', slow=True),
    Spec('wide_resnet50_2', 68_883_240, BOTTLENECK, 'wide_resnet50_2', slow=True),
    Spec('wide_resnet101_2', 126_886_696, BOTTLENECK, 'wide_resnet101_2', slow=True),
    Spec('densenet121', 7_978_856, stages((64, 256, 512, 1024, 1024)), 'densenet121'),
    Spec(
        'densenet161',
        28_681_000,
        stages((96, 384, 768, 2112, 2208)),
        'densenet161',
        slow=True,
    ),
    Spec(
        'densenet169',
        14_149_480,
        stages((64, 256, 512, 1280, 1664)),
        'densenet169',
        slow=True,
    ),
    Spec(
        'densenet201',
        20_013_928,
        stages((64, 256, 512, 1792, 1920)),
        'densenet201',
        slow=True,
    ),
]


@pytest.fixture(
    scope='module',
    params=[
        pytest.param(spec, marks=[pytest.mark.slow] if spec.slow else [], id=spec.name)
        for spec in SPECS
    ],
)
def spec(request):
    return request.param


@pytest.fixture(scope='module')
def model(spec):
    torch.manual_seed(0)
    return create_model(spec.name)


def test_num_params_are_the_reference_ones(spec, model):
    assert sum(p.numel() for p in model.parameters()) == spec.num_params


@pytest.mark.usefixtures('model')  # built once for all tests of a variant
def test_logits_are_those_of_torchvision_with_its_weights(spec, model):
    if spec.reference is None:
        pytest.skip('torchvision has none; see the tests of the plugin')
    torch.manual_seed(1)
    kwargs = dict(init_weights=True) if spec.reference == 'googlenet' else {}
    reference = getattr(torchvision.models, spec.reference)(
        weights=None, **kwargs
    ).eval()
    for name, buffer in reference.named_buffers():  # that change something
        if name.endswith('running_mean'):
            buffer.uniform_(-0.5, 0.5)
        elif name.endswith('running_var'):
            buffer.uniform_(0.5, 1.5)
    load_weights(model, reference.state_dict(), spec.reference)
    images = torch.randn(2, *spec.input)
    with torch.no_grad():
        expected = reference(images)
        # or any difference would be small
        assert expected.std() > 1e-3
        torch.testing.assert_close(model.eval()(images), expected, rtol=1e-4, atol=1e-4)


def test_stages_have_their_channels_and_strides(spec):
    backbone = MODELS.build(backbone_cfg(spec, range(len(spec.stages)))).eval()
    with torch.no_grad():
        outs = backbone(torch.rand(1, *spec.input))
    assert [(out.shape[1], *out.shape[2:]) for out in outs] == [
        (channels, side, side) for channels, side in spec.stages
    ]


def backbone_cfg(spec, out_indices):
    cfg = Config.fromfile(config_root() / f'_base_/models/{spec.name}.py')
    return {**cfg.model.backbone, 'out_indices': tuple(out_indices)}


def test_a_step_at_batch_2_reaches_every_parameter(spec, model):
    torch.manual_seed(0)
    num_classes = 1000 if spec.input == RGB_224 else 10
    samples = [DataSample().set_gt_label(i % num_classes) for i in (3, 8)]
    model.train()
    data = model.data_preprocessor(
        dict(
            inputs=list(torch.randint(0, 256, (2, *spec.input))), data_samples=samples
        ),
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
    last = final_layers(model.head)[-1].weight
    before = last.detach().clone()
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    assert not torch.equal(last, before)
    assert last.isfinite().all()
    model.zero_grad()


@pytest.mark.parametrize('trainable_stages', [0, 1])
def test_a_part_of_it_is_trained(spec, trainable_stages):
    model = create_model(spec.name, num_classes=3, trainable_stages=trainable_stages)
    data = model.data_preprocessor(
        dict(
            inputs=list(torch.randint(0, 256, (2, *spec.input))),
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
    assert all(p.grad is None for p in stem.parameters())
    if trainable_stages == 0:
        ours = {id(p) for part in parts for p in part.parameters()}
        assert {id(p) for p in model.parameters() if p.grad is not None} == ours


def test_eval_at_batch_1_gives_a_label(spec, model):
    data = model.data_preprocessor(
        dict(inputs=[torch.randint(0, 256, spec.input)], data_samples=[DataSample()])
    )
    with torch.no_grad():
        (sample,) = model.eval()(**data, mode='predict')
    assert sample.pred_score.sum() == pytest.approx(1, abs=1e-4)
    assert sample.pred_label == sample.pred_score.argmax()


def test_last_two_stages_serve_a_detector(spec):
    """Under SSD's head: a loss, and a gradient in the stem."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    channels = tuple(c for c, _ in spec.stages[-2:])
    in_channels, side = spec.input[0], 128
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(
            dict(
                type='SingleStageDetector',
                backbone=backbone_cfg(spec, (-2, -1)),
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
