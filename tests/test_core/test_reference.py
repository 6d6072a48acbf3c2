"""The other side of a comparison: torchvision's nets, a library's configs."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torchvision
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from torch import nn
from torch.nn.functional import cross_entropy

from projects.core.benchmark import benchmark
from projects.core.config import find_config, load_config
from projects.core.errors import UserError
from projects.core.tasks.classification.torchvision_net import torchvision_config
from projects.registry import MODELS


def build(name):
    cfg = torchvision_config(name)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)


@torch.no_grad()
def test_it_is_torchvision_s_own_net():
    model = build('torchvision.resnet18').eval()
    net = torchvision.models.resnet18()
    net.load_state_dict(model.backbone.net.state_dict())
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(model(images), net.eval()(images))


def test_googlenet_s_three_losses_count_in_training_and_one_logit_in_eval():
    torch.manual_seed(0)
    model = build('torchvision.googlenet')
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert model.eval()(images).shape == (2, 1000)
    feats = model.train().extract_feat(images)
    samples = [DataSample().set_gt_label(i) for i in (3, 8)]
    main, aux1, aux2 = (cross_entropy(logits, torch.tensor([3, 8])) for logits in feats)
    loss = model.head._get_loss(model.head(feats), samples)['loss']
    torch.testing.assert_close(loss, main + 0.3 * (aux1 + aux2))
    # not by chance: each of the three is another number
    assert len({main.item(), aux1.item(), aux2.item()}) == 3


def test_both_sides_are_measured(tmp_path):
    out = str(tmp_path / 'x.json')
    result = benchmark(
        ['resnet18', 'torchvision.resnet18'],
        batch_size=2,
        iters=1,
        warmup=0,
        input_size=(32, 32),
        device='cpu',
        out=out,
    )
    ours, theirs = result['configs']
    assert ours['parameters'] == theirs['parameters'] == 11_689_512
    assert theirs['config'] == 'torchvision.resnet18'
    assert {'train.step', 'predict.step'} <= result['ratios'].keys()


def test_unknown_net():
    with pytest.raises(
        UserError,
        match=r"no classifier 'resnet81'; did you "
        r"mean 'torchvision\.resnet18'",
    ):
        benchmark(['resnet18', 'torchvision.resnet81'])


@pytest.fixture
def timm(monkeypatch):
    """What we use of timm, of one net."""
    module = ModuleType('timm')
    module.is_model = lambda name: name in module.list_models()
    module.list_models = lambda: ['tinynet']
    module.create_model = lambda name, pretrained, num_classes: nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, num_classes)
    )
    monkeypatch.setitem(sys.modules, 'timm', module)


def test_timm_is_a_side_where_it_is_installed(timm):
    result = benchmark(
        ['timm.tinynet'],
        batch_size=2,
        iters=1,
        warmup=0,
        input_size=(8, 8),
        device='cpu',
    )
    assert result['configs'][0]['parameters'] == 12 * 1000 + 1000
    with pytest.raises(UserError, match=r"timm has no .* 'tinnet'; did you mean 'timm"):
        benchmark(['timm.tinnet'])


def test_timm_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(UserError, match=r'^timm\.resnet18: timm is not installed; pip'):
        benchmark(['timm.resnet18'])


def test_a_config_of_a_library_s_wheel():
    path = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
    assert load_config(path).model.backbone.depth == 18
    with pytest.raises(
        UserError,
        match=r'^no config resnet/resnet19\.py in .*'
        r'mmpretrain',
    ):
        find_config('mmpretrain::resnet/resnet19.py')
    with pytest.raises(UserError, match='no config nothing::x'):
        find_config('nothing::x.py')
    assert Path(find_config(path)).is_file()
