"""Layers from scratch in networks, by config; and the README's numbers."""

import doctest
import math
import re
from pathlib import Path

import cv2
import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from mmengine.model import initialize
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models import VisionTransformer

from projects import create_model
from projects.core.config import load_config
from projects.registry import MODELS
from projects.scratch import (
    ScratchDropout,
    ScratchLayerNorm,
    ScratchLinear,
    ScratchMaxPool2d,
    ScratchMultiheadAttention,
    ScratchPatchEmbedding,
)

ROOT = Path(__file__).parents[2]
README = ROOT / 'projects/scratch/README.md'
RUN = 'configs/scratch/lenet5-scratch_1xb64-20e_digits.py'
CLOSE = dict(rtol=1e-8, atol=1e-8)
CONV = dict(type='projects.ScratchConv2d')
LOOP = dict(type='projects.ScratchLoopConv2d')
NORM = dict(type='projects.ScratchBatchNorm2d')
MAX_POOL = dict(type='projects.ScratchMaxPool2d')
LRN = dict(type='projects.ScratchLocalResponseNorm')
AVG_POOL = dict(type='projects.ScratchAvgPool2d')


def kinds(module):
    """Layers of torch's own."""
    return {
        type(m).__name__
        for m in module.modules()
        if type(m).__module__.startswith('torch.nn')
    }


def results(model, x):
    """Maps, all gradients and statistics, and the maps in eval mode then."""
    model.train()
    outs = model(x)
    torch.manual_seed(2)
    sum((out * torch.randn(out.shape)).sum() for out in outs).backward()
    gradients = [p.grad for p in model.parameters()]
    model.eval()
    with torch.no_grad():
        return outs, gradients, list(model.buffers()), model(x)


@pytest.fixture
def _double_precision():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures('_double_precision')
def test_resnet_of_mmpretrain_is_the_same():
    """Whose max pooling no config can exchange, so the test does."""
    cfg = dict(
        type='mmpretrain.ResNet',
        depth=18,
        stem_channels=8,
        base_channels=8,
        out_indices=(0, 1, 2, 3),
    )
    twin = MODELS.build(cfg)
    model = MODELS.build(dict(cfg, conv_cfg=CONV, norm_cfg=NORM))
    model.maxpool = ScratchMaxPool2d(3, 2, 1)
    assert kinds(model) == {'Sequential', 'Identity', 'ReLU'}
    model.load_state_dict(twin.state_dict())  # strict
    x = torch.randn(2, 3, 33, 32)
    torch.testing.assert_close(results(model, x), results(twin, x), **CLOSE)


@pytest.mark.parametrize(
    ('cfg', 'layers', 'side'),
    [
        (
            dict(type='LeNet', norm_cfg=dict(type='BN')),
            dict(conv_cfg=LOOP, norm_cfg=NORM, pool_cfg=AVG_POOL),
            16,
        ),
        (
            dict(type='AlexNet', lrn_cfg=dict(type='projects.LocalResponseNorm')),
            dict(conv_cfg=CONV, pool_cfg=MAX_POOL, lrn_cfg=LRN),
            67,
        ),
        (
            dict(type='ResNet', depth=18),
            dict(conv_cfg=CONV, norm_cfg=NORM, pool_cfg=MAX_POOL),
            33,
        ),
    ],
    ids=lambda value: value.get('type') if isinstance(value, dict) else None,
)
@pytest.mark.usefixtures('_double_precision')
def test_our_backbones_are_the_same(cfg, layers, side):
    cfg = dict(cfg, type=f'projects.{cfg["type"]}', in_channels=1)
    twin = MODELS.build(cfg)
    model = MODELS.build({**cfg, **layers})
    assert not kinds(model) & {
        'Conv2d',
        'BatchNorm2d',
        'MaxPool2d',
        'AvgPool2d',
        'LocalResponseNorm',
    }
    model.load_state_dict(twin.state_dict())
    x = torch.randn(2, 1, side, side)
    torch.testing.assert_close(results(model, x), results(twin, x), **CLOSE)


@pytest.mark.usefixtures('_double_precision')
def test_conv_module_of_mmcv_takes_both():
    kwargs = dict(
        in_channels=4,
        out_channels=6,
        kernel_size=3,
        stride=2,
        padding=1,
        dilation=1,
        groups=2,
    )
    twin = ConvModule(**kwargs, norm_cfg=dict(type='BN'))
    block = ConvModule(**kwargs, conv_cfg=CONV, norm_cfg=NORM)
    block.load_state_dict(twin.state_dict())  # the norm is called bn in both
    x = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(block(x), twin(x), **CLOSE)


@pytest.mark.usefixtures('_double_precision')
def test_vit_of_mmpretrain_takes_the_patch_embedding():
    cfg = dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=16),
        img_size=(8, 12),
        patch_size=4,
    )
    twin = MODELS.build(cfg)
    model = MODELS.build(
        dict(cfg, patch_cfg=dict(conv_type='projects.ScratchPatchEmbedding'))
    )
    assert type(model.patch_embed.projection) is ScratchPatchEmbedding
    model.load_state_dict(twin.state_dict())
    x = torch.randn(2, 3, 8, 12)
    torch.testing.assert_close(results(model, x), results(twin, x), **CLOSE)


@pytest.mark.parametrize(
    'cfg',
    [
        dict(type='projects.ScratchSelfAttention', embed_dim=4, head_dim=2),
        dict(type='projects.ScratchMultiheadAttention', embed_dim=4, num_heads=2),
    ],
    ids=lambda cfg: cfg['type'],
)
def test_attention_is_built_by_config(cfg):
    layer = MODELS.build(cfg)
    assert f'projects.{type(layer).__name__}' == cfg['type']
    assert kinds(layer) == set()


def from_scratch(layer):
    """The layer that stands for one of a ViT, or None."""
    match layer:
        case nn.MultiheadAttention():
            return ScratchMultiheadAttention(layer.embed_dim, layer.num_heads)
        case nn.Conv2d():
            return ScratchPatchEmbedding(
                layer.in_channels, layer.out_channels, layer.kernel_size
            )
        case nn.Linear():
            return ScratchLinear(layer.in_features, layer.out_features)
        case nn.LayerNorm():
            return ScratchLayerNorm(layer.normalized_shape, layer.eps)
        case nn.Dropout():
            return ScratchDropout(layer.p)


@pytest.mark.usefixtures('_double_precision')
def test_vit_of_torchvision_is_the_same():
    kwargs = dict(num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3)
    twin, model = (VisionTransformer(8, 4, **kwargs) for _ in range(2))
    for module in list(model.modules()):
        for name, child in module.named_children():
            if (layer := from_scratch(child)) is not None:
                setattr(module, name, layer)
    nn.init.normal_(twin.heads.head.weight)  # zeros, of which no gradient comes back
    assert kinds(model) == {'Sequential', 'GELU'}
    model.load_state_dict(twin.state_dict())
    x = torch.randn(2, 3, 8, 8)
    outs = []
    for vit in (model, twin):
        logits = vit(x)
        logits[:, 0].sum().backward()
        outs.append((logits, {name: p.grad for name, p in vit.named_parameters()}))
    torch.testing.assert_close(*outs, **CLOSE)
    assert outs[0][1]['conv_proj.weight'].abs().max() > 1e-3
    with torch.no_grad():  # where torch's attention takes another kernel
        torch.testing.assert_close(model.eval()(x), twin.eval()(x), **CLOSE)


def functions_of(model, cls):
    """Names of the operators of the dispatcher in a training step."""

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            names.add(function.overloadpacket.__name__)
            return function(*args, **(kwargs or {}))

    names = set()
    with Record():
        x = model.backbone(torch.rand(2, 1, 28, 28))
        model.head.loss(x, [DataSample().set_gt_label(i) for i in (3, 8)])
    return names & cls


def test_lenet_has_no_layer_of_torch():
    model = create_model('lenet5_scratch')
    assert kinds(model) == {'Sequential'}
    # nor do its layers call what torch's would; addmm is linear's
    twins = {
        'convolution',
        'native_batch_norm',
        'max_pool2d_with_indices',
        '_adaptive_avg_pool2d',
        'bernoulli_',
        'relu_',
        'addmm',
    }
    assert functions_of(create_model('lenet5_modern'), twins) == twins
    assert functions_of(model, twins) == set()


def test_lenet_begins_as_its_twin():
    """Xavier's initialisation finds the layers from scratch, too."""
    states = []
    for name in ('lenet5_scratch', 'lenet5_modern'):
        torch.manual_seed(0)
        states.append(create_model(name).state_dict())
    torch.testing.assert_close(*states)
    weight = states[0]['head.classifier.0.weight']  # 400 to 120
    bound = math.sqrt(6 / (400 + 120))  # twice as wide as nn.Linear's
    assert 0.99 * bound < weight.abs().max() <= bound


def test_initialisers_find_all_convolutions_by_one_name():
    init_cfg = dict(type='Constant', layer='ScratchConv2d', val=0.5, bias=2)
    for conv_cfg in (CONV, LOOP):
        backbone = MODELS.build(
            dict(type='projects.LeNet', init_cfg=init_cfg, conv_cfg=conv_cfg)
        )
        backbone.init_weights()
        for conv in (backbone.conv1[0], backbone.conv2[0]):
            assert (conv.weight == 0.5).all()
            assert (conv.bias == 2).all()
    embedding = nn.Sequential(ScratchPatchEmbedding(3, 4, 2))
    initialize(embedding, init_cfg)
    assert (embedding[0].weight == 0.5).all()


def test_initialisers_find_norms_as_those_of_torch():
    init_cfg = dict(type='Constant', layer='_BatchNorm', val=0.5)
    backbone = MODELS.build(
        dict(type='projects.LeNet', init_cfg=init_cfg, norm_cfg=NORM)
    )
    backbone.init_weights()
    assert (backbone.conv2[1].weight == 0.5).all()


def test_lenet_learns_as_its_twin():
    """Losses of five steps and then all weights, without dropout."""
    torch.manual_seed(0)
    images = torch.randn(8, 1, 28, 28, dtype=torch.float64)
    samples = [DataSample().set_gt_label(i) for i in range(8)]
    losses, states = [], []
    start = None
    for name in ('lenet5_scratch', 'lenet5_modern'):
        cfg = Config.fromfile(ROOT / f'configs/_base_/models/{name}.py')
        cfg.model.head.dropouts = 0
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model).double()
        model.init_weights()
        start = start or {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        losses.append([])
        for _ in range(5):
            loss = model(images, samples, mode='loss')['loss']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
        states.append(model.state_dict())
    assert losses[0][4] < losses[0][0] - 0.5
    assert losses[0] == pytest.approx(losses[1], rel=1e-8)
    torch.testing.assert_close(*states, **CLOSE)


def test_norms_decay_as_those_of_torch():
    """MMEngine's norm_decay_mult does not know them; the config does."""
    decays = []
    for config in (RUN, 'configs/lenet/lenet5-modern_1xb64-20e_digits.py'):
        cfg = load_config(str(ROOT / config))
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
            optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
        names = {p: name for name, p in model.named_parameters()}
        decays.append(
            {
                names[p]: group['weight_decay']
                for group in optimizer.param_groups
                for p in group['params']
            }
        )
    assert decays[0] == decays[1]
    assert set(decays[0].values()) == {0, 0.05}


# the README


def test_examples_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the picture is drawn
    torch.set_printoptions(profile='default')
    failed, attempted = doctest.testfile(
        str(README), module_relative=False, encoding='utf-8'
    )
    assert attempted > 20
    assert failed == 0
    # the pictures on the page are those that its code draws
    for name in ('pooling_gradients.png', 'positional_encoding.png'):
        drawn, shown = (
            cv2.imread(str(folder / name)).astype(float)
            for folder in (tmp_path, ROOT / 'resources')
        )
        # letters may lie otherwise with another matplotlib
        assert drawn.shape == shown.shape
        assert abs(drawn - shown).mean() < 5


def test_sums_of_the_readme():
    """Equations in backticks; results are given to three decimals."""
    sums = re.findall(
        r'`([-\d.+*/() ]+) = (-?[\d.]+)`', README.read_text(encoding='utf-8')
    )
    assert len(sums) > 15
    for left, right in sums:
        value = eval(left, {'__builtins__': {}})
        assert value == pytest.approx(float(right), abs=5.1e-4), left
