"""The road from ResNet-50 to ConvNeXt-T."""

import re
from pathlib import Path

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import projects.convnext
from projects.convnext.road import STEPS, RoadConvNet
from projects.core.variants import config_root
from projects.registry import MODELS

README = Path(projects.convnext.__file__).with_name('README.md')
CONFIGS = sorted((config_root() / 'convnext/road').glob('*.py'))


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def rows():
    """Cells of the table in the README, by step."""
    lines = README.read_text().splitlines()
    cells = [[c.strip(' `') for c in line.split('|')[1:-1]] for line in lines]
    return {row[0][3:]: row for row in cells if row and re.match(r'\d\d-', row[0])}


def copy_in_order(source, target):
    """Weights of one module into another that has the same in the same order."""
    old, new = source.state_dict(), target.state_dict()
    assert len(old) == len(new)
    target.load_state_dict(
        {
            name: weight.view_as(own)
            for (name, own), weight in zip(new.items(), old.values(), strict=True)
        }
    )


def test_every_step_has_its_row_and_its_config():
    assert list(rows()) == list(STEPS)
    cfgs = [Config.fromfile(path) for path in CONFIGS]
    assert [cfg.model.backbone.step for cfg in cfgs] == list(STEPS)
    for i, (path, step) in enumerate(zip(CONFIGS, STEPS, strict=True)):
        assert path.name.startswith(f'{i:02}-{step}_1xb64-')


@pytest.mark.parametrize('step', STEPS)
def test_counts_and_operations_are_those_of_the_page_and_the_paper(step):
    _, _, params, giga_macs, paper, *_ = rows()[step]
    with torch.device('meta'):
        model = RoadConvNet(step).eval()
        with FlopCounterMode(display=False) as counter:
            (out,) = model(torch.rand(1, 3, 224, 224))
    channels = out.shape[1]
    num = num_params(model) + channels * 1000 + 1000
    if step in ('separate-downsampling', 'layer-scale'):
        num += 2 * channels  # the norm after the pooling
    assert params == f'{num:,}'
    macs = counter.get_total_flops() / 2 + channels * 1000
    assert giga_macs == f'{macs / 1e9:.3f}'
    # 4.146 is 4.2 in the paper
    assert macs / 1e9 == pytest.approx(float(paper), abs=0.055)


@torch.no_grad()
def test_it_begins_as_resnet50():
    torch.manual_seed(0)
    reference = torchvision.models.resnet50()
    reference.fc = nn.Identity()
    for m in reference.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.running_mean, -0.5, 0.5)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    model = RoadConvNet('resnet50')
    assert num_params(model) == num_params(reference)
    copy_in_order(reference, model)
    images = torch.randn(2, 3, 65, 97)
    expected = reference.eval()(images)
    assert expected.std() > 0.01
    out = model.eval()(images)[0].mean((2, 3))
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_it_ends_as_convnext():
    torch.manual_seed(0)
    reference = torchvision.models.convnext_tiny().features
    for name, p in reference.named_parameters():
        if name.endswith('layer_scale'):
            nn.init.uniform_(p, 0.5, 1)
    model = RoadConvNet('layer-scale')
    assert num_params(model) == num_params(reference)
    copy_in_order(reference, model)
    images = torch.randn(2, 3, 65, 97)
    expected = reference.eval()(images)
    assert expected.std() > 0.01
    torch.testing.assert_close(model.eval()(images)[0], expected, rtol=1e-4, atol=1e-4)


def test_kinds_of_layers_fall_away_one_by_one():
    """Of a block in the middle of stage 3: convolutions, activations, norms."""
    counts = {}
    for step in STEPS:
        with torch.device('meta'):
            block = RoadConvNet(step).stages[2][2]
        counts[step] = tuple(
            sum(isinstance(m, kinds) for m in block.modules())
            for kinds in (
                nn.Conv2d,
                (nn.ReLU, nn.GELU),
                (nn.BatchNorm2d, nn.LayerNorm),
            )
        )
    assert counts['resnet50'] == counts['gelu'] == (3, 3, 3)
    assert counts['fewer-activations'] == (3, 1, 3)
    assert counts['fewer-norms'] == counts['layer-scale'] == (3, 1, 1)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_trains_every_weight(path):
    cfg = Config.fromfile(path)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    assert f'-{cfg.train_cfg.max_epochs}e_digits' in path.stem
    if model.backbone.stages[2][2].layer_scale is not None:
        for name, p in model.named_parameters():
            if 'layer_scale' in name:  # from 1e-6 nothing comes back at first
                nn.init.ones_(p)
    logits = model.train()(torch.rand(2, 1, 32, 32))
    logits[:, 3].sum().backward()
    assert logits.shape == (2, 10)
    silent = [
        name
        for name, p in model.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    # of two images batch norm on maps of one pixel leaves the signs alone
    assert [name for name in silent if 'stages.3' not in name] == []


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(step='kernel-9'), "step 'kernel-9' not in"),
        (dict(step='width', changes=dict(kernel=9)), "no option 'kernel'"),
        (dict(step='width', changes=dict(block='basic')), "block 'basic' not in"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RoadConvNet(**arguments)


def test_a_step_may_be_changed():
    """The paper tries kernels of 3 to 11."""
    model = RoadConvNet('kernel-7', dict(kernel_size=11), width_mult=0.25)
    assert model.stages[3][1].residual[0].kernel_size == (11, 11)
    assert model(torch.rand(2, 3, 64, 64))[0].shape == (2, 192, 2, 2)
