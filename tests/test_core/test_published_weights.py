"""Published files into our models: names, shapes, and what is refused."""

import argparse
import re
from urllib.error import URLError

import pytest
import torch
import torchvision
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from safetensors.torch import save_file
from torch import nn
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from projects import create_model
from projects.core.errors import UserError
from projects.core.weights import load_weights, read_checkpoint, read_weights
from projects.registry import MODELS

pytestmark = pytest.mark.usefixtures('cheap_weights')


@pytest.fixture(scope='module')
def resnet18():
    torch.manual_seed(0)
    return torchvision.models.resnet18().state_dict()


@pytest.fixture
def file(resnet18, tmp_path):
    torch.save(resnet18, tmp_path / 'resnet18.pth')
    return str(tmp_path / 'resnet18.pth')


def test_torchvision_s_file_into_another_number_of_classes(
    resnet18, file, fresh, capsys
):
    model = create_model('resnet18', num_classes=10, pretrained=file)
    own = model.state_dict()
    for name, weight in resnet18.items():
        if not name.startswith('fc.'):
            assert torch.equal(own[f'backbone.{name}'], weight), name
    # 11,176,512 of 11,176,512 + 5,130 parameters
    report = capsys.readouterr().out.partition('INFO - ')[2].splitlines()
    assert report == [
        f'120 of 122 weights (100.0% of the parameters) loaded from {file}',
        '  renamed    120 100.0%  NAME -> backbone.NAME (120)',
        '  left out     2   0.0%  head.fc.weight (10, 512): the file has (1000, 512)',
        '                         head.fc.bias (10,): the file has (1000,)',
    ]


def test_all_of_it_where_the_classes_are_the_same(resnet18):
    model = create_model('resnet18')
    assert load_weights(model, resnet18, 'x.pth').splitlines() == [
        '122 of 122 weights (100.0% of the parameters) loaded from x.pth',
        '  renamed    122 100.0%  NAME -> backbone.NAME (120)',
        '                         NAME -> head.NAME (2)',
    ]
    assert torch.equal(model.head.fc.weight, resnet18['fc.weight'])


@pytest.mark.parametrize(
    ('name', 'changes', 'line'),
    [
        (
            'resnet34',
            {},
            r'backbone\.layer1\.2\.conv1\.weight \(64, 64, 3, 3\) '
            r'\| missing',
        ),
        (
            'resnet18',
            {'conv1.weight': torch.zeros(64, 1, 7, 7)},
            r'121 of its 122 .*\n.*backbone\.conv1\.weight \(64, 3, 7, 7\) \| '
            r'conv1\.weight \(64, 1, 7, 7\)',
        ),
    ],
)
def test_another_backbone_is_refused_with_both_sides_names(
    resnet18, name, changes, line
):
    model = create_model(name)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(UserError, match=line):
        load_weights(model, {**resnet18, **changes}, 'x.pth', allow_new_head=True)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_deeper_file_is_refused():
    state_dict = torchvision.models.resnet34().state_dict()
    for model in (
        create_model('resnet18'),
        MODELS.build(dict(type='projects.ResNet', depth=18)),
    ):
        with pytest.raises(UserError, match=r'missing \| layer1\.2\.conv1\.'):
            load_weights(model, state_dict, 'x', allow_new_head=True)


def test_the_backbone_of_a_detector_s_file(resnet18):
    state_dict = {
        f'backbone.{k}': v for k, v in resnet18.items() if not k.startswith('fc.')
    }
    state_dict['rpn_head.conv.weight'] = torch.zeros(2, 2)
    model = create_model('resnet18', num_classes=3)
    report = load_weights(model, state_dict, 'x.pth', allow_new_head=True)
    assert torch.equal(model.backbone.conv1.weight, resnet18['conv1.weight'])
    assert re.search(
        r'left out +2 .* head\.fc\.weight \(3, 512\): not in the '
        r'file\n',
        report,
    )
    assert re.search(r'not used +1 +rpn_head\.conv\.weight \(2, 2\)$', report)


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_init_cfg_of_a_backbone(resnet18, tmp_path, prefix):
    path = str(tmp_path / 'x.pth')
    torch.save({prefix + k: v for k, v in resnet18.items()}, path)
    backbone = MODELS.build(
        dict(
            type='projects.ResNet',
            depth=18,
            out_indices=(2, 3),
            init_cfg=dict(type='projects.Pretrained', checkpoint=path),
        )
    )
    backbone.init_weights()
    own = backbone.state_dict()
    assert len(own) == 120
    assert all(torch.equal(v, resnet18[k]) for k, v in own.items())


def test_init_cfg_of_a_model_goes_over_that_of_its_parts(file, resnet18):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='projects.ImageClassifier',
                backbone=dict(
                    type='projects.ResNet',
                    depth=18,
                    init_cfg=dict(type='Constant', layer='Conv2d', val=7),
                ),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(
                    type='LinearClsHead',
                    num_classes=3,
                    in_channels=512,
                    init_cfg=dict(type='Constant', layer='Linear', val=5),
                ),
                init_cfg=dict(type='projects.Pretrained', checkpoint=file),
            )
        )
    model.init_weights()
    assert torch.equal(model.backbone.conv1.weight, resnet18['conv1.weight'])
    assert torch.all(model.head.fc.weight == 5)


def test_a_final_layer_is_not_guessed_among_several():
    model = create_model('lenet5')  # three linear layers
    own = {k: v.clone() for k, v in model.head.state_dict().items()}
    state_dict = {
        k.removeprefix('backbone.'): v
        for k, v in model.state_dict().items()
        if k.startswith('backbone.')
    }
    state_dict |= {'fc.weight': torch.ones(10, 84), 'fc.bias': torch.ones(10)}
    report = load_weights(model, state_dict, 'x.pth', allow_new_head=True)
    assert re.search(r'not used +2 +fc\.weight \(10, 84\)', report)
    assert all(torch.equal(v, own[k]) for k, v in model.head.state_dict().items())


class Stranger:
    """Not data: reading it would run code of its class."""


def test_files_that_are_more_than_data_are_read_when_asked_for(tmp_path):
    path = str(tmp_path / 'x.pth')
    state_dict = dict(w=torch.ones(2))
    # as torchvision's training writes it
    torch.save(dict(model=state_dict, args=argparse.Namespace(lr=1)), path)
    with pytest.raises(UserError, match='unpickle=True of create_model'):
        read_checkpoint(path)
    for read in (read_checkpoint, read_weights):
        checkpoint = read(path, unpickle=True)
        assert torch.equal(checkpoint['state_dict']['w'], torch.ones(2))
        assert checkpoint['args'].lr == 1


def test_create_model_reads_such_a_file_when_asked_for(tmp_path):
    path = str(tmp_path / 'x.pth')
    model = create_model('lenet5')
    torch.save(dict(model=model.state_dict(), args=Stranger()), path)
    with pytest.raises(UserError, match='unpickle=True'):
        create_model('lenet5', pretrained=path)
    loaded = create_model('lenet5', pretrained=path, unpickle=True)
    assert torch.equal(
        loaded.head.classifier[0].weight, model.head.classifier[0].weight
    )
    backbone = MODELS.build(
        dict(
            type='projects.LeNet',
            init_cfg=dict(type='projects.Pretrained', checkpoint=path, unpickle=True),
        )
    )
    backbone.init_weights()
    assert torch.equal(backbone.conv1[0].weight, model.backbone.conv1[0].weight)


def test_safetensors(tmp_path):
    path = str(tmp_path / 'x.safetensors')
    model = create_model('lenet5')
    save_file(model.state_dict(), path)
    loaded = create_model('lenet5', pretrained=path)
    assert torch.equal(loaded.backbone.conv1[0].weight, model.backbone.conv1[0].weight)
    (tmp_path / 'y.safetensors').write_bytes(b'\xff\xfe nothing of the kind')
    with pytest.raises(UserError, match='is damaged or no checkpoint'):
        read_checkpoint(str(tmp_path / 'y.safetensors'))


@pytest.fixture
def hub(monkeypatch, resnet18):
    """torchvision's hub, which answers without a network."""
    asked = []

    def get_state_dict(weights, *args, **kwargs):
        asked.append(weights.name)
        return resnet18

    monkeypatch.setattr(ResNet18_Weights, 'get_state_dict', get_state_dict)
    return asked


@pytest.mark.parametrize(
    'pretrained',
    ['torchvision://resnet18', 'torchvision://resnet18.IMAGENET1K_V1', True],
)
def test_weights_by_name(hub, resnet18, pretrained):
    model = create_model('resnet18', pretrained=pretrained)
    assert torch.equal(model.head.fc.bias, resnet18['fc.bias'])
    assert hub == ['IMAGENET1K_V1']


@pytest.mark.parametrize(
    ('name', 'version'),
    [
        ('resnet50', 'IMAGENET1K_V2'),  # the newest
        ('resnet50.IMAGENET1K_V1', 'IMAGENET1K_V1'),
    ],
)
def test_the_version_that_is_asked_for(monkeypatch, name, version):
    monkeypatch.setattr(
        ResNet50_Weights, 'get_state_dict', lambda weights, **kwargs: weights.name
    )
    assert read_weights(f'torchvision://{name}') == dict(state_dict=version)


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('torchvision://resnet81', "no classifier 'resnet81'; did you mean 'resnet18'"),
        (
            'torchvision://resnet18.V3',
            "no weights 'V3' of resnet18, but IMAGENET1K_V1$",
        ),
        ('hub://resnet18', r'torchvision:// or timm://, not from hub://'),
        ('resnet18', 'there is no checkpoint resnet18'),
    ],
)
def test_names_that_are_not_there(source, message):
    with pytest.raises(UserError, match=message):
        read_weights(source)


def test_without_a_network_the_file_is_named(monkeypatch):
    def get_state_dict(*args, **kwargs):
        raise URLError('no route')

    monkeypatch.setattr(ResNet18_Weights, 'get_state_dict', get_state_dict)
    with pytest.raises(
        UserError,
        match=r'no route.*fetch https://.*resnet18-'
        r'\w+\.pth and give the path',
    ):
        read_weights('torchvision://resnet18')


def test_a_plain_module_is_a_backbone_of_its_own():
    model = BaseModule()
    model.conv = nn.Conv2d(1, 2, 3)
    state_dict = {'conv.weight': torch.ones(2, 1, 3, 3), 'conv.bias': torch.ones(2)}
    load_weights(model, {**state_dict, 'fc.bias': torch.ones(1)}, 'x', True)
    assert torch.all(model.conv.weight == 1)
    for wrong in ({'conv.extra': torch.ones(1)}, {'conv.bias': torch.ones(3)}):
        with pytest.raises(UserError, match='does not fit'):
            load_weights(model, {**state_dict, **wrong}, 'x', True)
