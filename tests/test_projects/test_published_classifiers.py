"""Files of mmpretrain, timm and torchvision under other names than ours."""

import re

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects import create_model
from projects.core.config import find_config
from projects.core.errors import UserError
from projects.core.weights import load_weights
from projects.registry import MODELS

pytestmark = pytest.mark.usefixtures('cheap_weights')


def of_mmpretrain(model):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(model).eval()


def mmpretrain_config(path):
    return Config.fromfile(find_config(f'mmpretrain::{path}')).model


@pytest.mark.parametrize(
    ('name', 'path'),
    [
        ('vgg11', 'vgg/vgg11_8xb32_in1k.py'),
        ('vgg11_bn', 'vgg/vgg11bn_8xb32_in1k.py'),
        ('resnet18', 'resnet/resnet18_8xb32_in1k.py'),
        ('densenet121', 'densenet/densenet121_4xb256_in1k.py'),
        ('alexnet', None),
    ],
)
@torch.no_grad()
def test_mmpretrain_s_files_give_its_logits(name, path):
    torch.manual_seed(0)
    reference = of_mmpretrain(
        mmpretrain_config(path)
        if path
        else dict(
            type='ImageClassifier',
            backbone=dict(type='AlexNet', num_classes=1000),
            head=dict(type='ClsHead'),
        )
    )
    for buffer in reference.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    model = create_model(name).eval()
    report = load_weights(model, reference.state_dict(), 'x.pth')
    num = len(model.state_dict())
    assert report.startswith(f'{num} of {num} weights (100.0% ')
    images = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(model(images), reference(images), atol=1e-4, rtol=1e-4)


def test_the_largest_of_mmpretrain_is_too_much_for_the_smallest():
    with torch.device('meta'):
        reference = of_mmpretrain(mmpretrain_config('vgg/vgg13_8xb32_in1k.py'))
    with pytest.raises(UserError, match='does not fit this model'):
        load_weights(
            create_model('vgg11', 10), reference.state_dict(), 'x', allow_new_head=True
        )


def test_timm_s_vgg_has_convolutions_for_linear_layers():
    torch.manual_seed(0)
    own = torchvision.models.vgg11().state_dict()
    shapes = {
        'classifier.0': ('pre_logits.fc1', (4096, 512, 7, 7)),
        'classifier.3': ('pre_logits.fc2', (4096, 4096, 1, 1)),
        'classifier.6': ('head.fc', (1000, 4096)),
    }
    state_dict = {}
    for name, weight in own.items():
        layer, _, kind = name.rpartition('.')
        if layer in shapes:
            layer, shape = shapes[layer]
            weight = weight.view(shape) if kind == 'weight' else weight
        state_dict[f'{layer}.{kind}'] = weight
    model = create_model('vgg11')
    report = load_weights(model, state_dict, 'x.pth')
    assert re.search(
        r'renamed +22 .*reshaped +2 +\d+\.\d%  head\.classifier\.'
        r'0\.weight: \(4096, 512, 7, 7\) to rows\n +head\.'
        r'classifier\.3\.weight: \(4096, 4096, 1, 1\) to rows$',
        report,
        re.S,
    )
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, own[name.partition('.')[2]]), name


@pytest.mark.parametrize('alone', [False, True])
def test_torchvision_s_densenet_files_have_older_names(alone):
    torch.manual_seed(0)
    new = torchvision.models.densenet121().state_dict()
    # denselayer1.norm1 was denselayer1.norm.1
    old = {
        re.sub(r'(denselayer\d+\.(?:norm|conv))(\d)', r'\1.\2', k): v
        for k, v in new.items()
    }
    assert 'features.denseblock1.denselayer1.norm.1.weight' in old
    model = create_model('densenet121')
    target = model.backbone if alone else model
    load_weights(target, old, 'x.pth', allow_new_head=alone)
    for name, weight in model.backbone.state_dict().items():
        assert torch.equal(weight, new[name]), name
    if not alone:
        assert torch.equal(model.head.fc.weight, new['classifier.weight'])
