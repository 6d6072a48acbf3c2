"""What is trained and what is not; the head; the stages of a backbone."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from torch import nn

from projects.core.layers import Backbone, build_layer
from projects.core.tasks.classification.classifier import MLPClsHead, final_layers
from projects.registry import MODELS


class Stairs(Backbone):
    """Three stages of a convolution and a batch norm; the second has none."""

    def __init__(self, out_indices=(-1,), trainable_stages=None):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
        self.pool = nn.MaxPool2d(2)
        self.conv3, self.bn3 = nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self):
        return ((self.conv1, self.bn1), (self.pool,), (self.conv3, self.bn3))


STAGE_1 = {
    'backbone.conv1.weight',
    'backbone.conv1.bias',
    'backbone.bn1.weight',
    'backbone.bn1.bias',
}
STAGE_3 = {name.replace('1', '3') for name in STAGE_1}
HIDDEN = {
    'head.classifier.0.weight',
    'head.classifier.0.bias',
    'head.classifier.1.norm.weight',
    'head.classifier.1.norm.bias',
}
FINAL = {'head.classifier.2.weight', 'head.classifier.2.bias'}
STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


def statistics(*modules):
    return {f'{module}.{name}' for module in modules for name in STATISTICS}


class NormAct(nn.Module):
    """An activation with weights and statistics of its own."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(x).relu()


@pytest.fixture
def registered(monkeypatch):
    MODELS.import_from_location()
    for name, class_ in (('Stairs', Stairs), ('NormAct', NormAct)):
        monkeypatch.setitem(MODELS.module_dict, name, class_)


@pytest.fixture
def build(registered):
    def build(backbone=None, **kwargs):
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return MODELS.build(
                dict(
                    type='projects.ImageClassifier',
                    backbone=backbone or dict(type='projects.Stairs'),
                    head=dict(
                        type='projects.MLPClsHead',
                        num_classes=2,
                        in_channels=3,
                        pool_size=2,
                        hidden_channels=(4,),
                        act_cfg=dict(type='projects.NormAct'),
                    ),
                    **kwargs,
                )
            )

    return build


def moved(model):
    """Names of parameters and buffers that a step of training changes."""
    before = copy.deepcopy(model.state_dict())
    optimizer = build_optim_wrapper(
        model, dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1))
    )
    model.train()
    samples = [DataSample().set_gt_label(i % 2) for i in range(4)]
    loss, _ = model.parse_losses(model(torch.rand(4, 1, 8, 8), samples, mode='loss'))
    optimizer.update_params(loss)
    return {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize(
    ('trainable_stages', 'expected'),
    [
        (
            None,
            STAGE_1
            | STAGE_3
            | HIDDEN
            | FINAL
            | statistics('backbone.bn1', 'backbone.bn3', 'head.classifier.1.norm'),
        ),
        (
            2,
            STAGE_1
            | STAGE_3
            | HIDDEN
            | FINAL
            | statistics('backbone.bn1', 'backbone.bn3', 'head.classifier.1.norm'),
        ),
        (
            1,
            STAGE_3
            | HIDDEN
            | FINAL
            | statistics('backbone.bn3', 'head.classifier.1.norm'),
        ),
        (0, FINAL),
    ],
)
def test_a_step_moves_what_is_trained_and_nothing_else(
    build, trainable_stages, expected
):
    model = build(trainable_stages=trainable_stages)
    assert moved(model) == expected
    # again: also after a validation, and in a copy
    model.eval()
    assert moved(copy.deepcopy(model)) == expected
    assert {
        name for name, p in model.named_parameters() if p.requires_grad
    } == expected & dict(model.named_parameters()).keys()


@pytest.mark.parametrize(
    ('trainable_stages', 'modes'),
    [
        (None, (True, True, True)),
        (1, (False, True, True)),
        (0, (False, False, False)),
    ],
)
def test_frozen_batch_norm_stays_in_eval_mode(build, trainable_stages, modes):
    model = build(trainable_stages=trainable_stages)
    norms = (model.backbone.bn1, model.backbone.bn3, model.head.classifier[1].norm)
    assert tuple(norm.training for norm in norms) == modes  # as it is built
    for _ in range(2):
        model.train()
        assert tuple(norm.training for norm in norms) == modes
        model.eval()
        assert not model.backbone.bn3.training


def test_a_copy_is_frozen_by_itself(build):
    model = build(trainable_stages=1)
    twin = copy.deepcopy(model)
    model.backbone.freeze(0)
    assert twin.train().backbone.bn3.training
    assert not model.train().backbone.bn3.training
    assert twin.backbone.conv3.weight.requires_grad
    assert not model.backbone.conv3.weight.requires_grad


def test_more_stages_than_there_are(build):
    with pytest.raises(
        ValueError,
        match=(
            'trainable_stages 3: Stairs has 2 stages with weights that are computed'
        ),
    ):
        build(trainable_stages=3)
    with pytest.raises(ValueError, match='trainable_stages -1'):
        build(trainable_stages=-1)


def test_backbone_of_the_library(build):
    backbone = dict(type='mmpretrain.LeNet5')
    with pytest.raises(ValueError, match='stages of a LeNet5 are not known'):
        build(backbone, trainable_stages=1)
    model = build(backbone, trainable_stages=0)
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert {name for name, p in model.named_parameters() if p.requires_grad} == FINAL


def test_final_layers_are_the_heads_own_or_the_last_with_weights():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(1, 1) for _ in range(3))

        def final_layers(self):
            return self.a, self.b

    head = TwoHeads()
    assert final_layers(head) == [head.a, head.b]
    layers = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU())
    assert final_layers(layers) == [layers[1]]


# ------------------------------------------------------------------ the head
def kinds(head):
    return [type(layer).__name__ for layer in head.classifier]


def test_layers_of_the_head_are_in_their_order():
    head = MLPClsHead(10, 256, 6, (40, 30), dropouts=(0.5, 0.4, 0))
    # AlexNet's: dropout before a linear layer
    assert kinds(head) == [
        'Dropout',
        'Linear',
        'ReLU',
        'Dropout',
        'Linear',
        'ReLU',
        'Linear',
    ]
    assert [m.p for m in head.classifier if isinstance(m, nn.Dropout)] == [0.5, 0.4]
    assert [m.weight.shape for m in head.classifier if isinstance(m, nn.Linear)] == [
        (40, 256 * 36),
        (30, 40),
        (10, 30),
    ]
    assert kinds(MLPClsHead(10, 4, 1, ())) == ['Linear']
    assert kinds(MLPClsHead(10, 4, 1, (8,), dropouts=0.5)) == [
        'Dropout',
        'Linear',
        'ReLU',
        'Dropout',
        'Linear',
    ]
    assert kinds(MLPClsHead(10, 4, 1, (8,), act_cfg=dict(type='Tanh'))) == [
        'Linear',
        'Tanh',
        'Linear',
    ]


def test_head_averages_the_last_map_and_keeps_the_order_of_pixels():
    head = MLPClsHead(3, 2, 2, (5,)).eval()
    feats = (torch.rand(1, 7, 9, 9), torch.rand(1, 2, 4, 4))
    # the mean of each quarter, channels first, as torchvision flattens
    quarters = feats[1].reshape(1, 2, 2, 2, 2, 2).mean((3, 5)).flatten(1)
    hidden = head.classifier[0](quarters).relu()
    torch.testing.assert_close(head.pre_logits(feats), hidden)
    torch.testing.assert_close(head(feats), head.classifier[2](hidden))
    assert head(feats).shape == (1, 3)


def test_head_refuses_another_number_of_dropouts():
    with pytest.raises(ValueError, match='2 dropouts for 3 linear layers'):
        MLPClsHead(10, 256, 6, (40, 30), dropouts=(0.5, 0.5))


def test_layers_that_stand_in(registered, monkeypatch):
    class Double(nn.Linear):
        pass

    monkeypatch.setitem(MODELS.module_dict, 'Double', Double)
    monkeypatch.setitem(MODELS.module_dict, 'AdaptiveMaxPool2d', nn.AdaptiveMaxPool2d)
    head = MLPClsHead(
        10,
        4,
        1,
        (8,),
        dropouts=0.5,
        pool_cfg=dict(type='projects.AdaptiveMaxPool2d'),
        linear_cfg=dict(type='projects.Double', bias=False),
        dropout_cfg=dict(type='Dropout', inplace=True),
    )
    assert isinstance(head.avgpool, nn.AdaptiveMaxPool2d)
    assert head.avgpool.output_size == 1
    assert kinds(head) == ['Dropout', 'Double', 'ReLU', 'Dropout', 'Double']
    assert head.classifier[1].bias is None
    assert head.classifier[0].inplace
    assert head.classifier[0].p == 0.5


def test_build_layer_leaves_its_config_as_it_is():
    cfg = dict(type='projects.AvgPool2d', ceil_mode=True)
    layer = build_layer(cfg, nn.MaxPool2d, 3, stride=2)
    assert cfg == dict(type='projects.AvgPool2d', ceil_mode=True)
    assert isinstance(layer, nn.AvgPool2d)
    assert (layer.kernel_size, layer.stride, layer.ceil_mode) == (3, 2, True)
    assert (
        build_layer(
            dict(type='projects.MaxPool2d', stride=5), nn.AvgPool2d, 3, stride=2
        ).stride
        == 5
    )
    assert isinstance(build_layer(None, nn.MaxPool2d, 3), nn.MaxPool2d)


# ---------------------------------------------------------------- the stages
def test_maps_of_the_chosen_stages_in_ascending_order():
    x = torch.rand(2, 1, 8, 8)
    outs = Stairs(out_indices=(-1, 0)).eval()(x)
    assert [tuple(out.shape) for out in outs] == [(2, 2, 8, 8), (2, 3, 4, 4)]
    assert Stairs(out_indices=(2, -1, 0, 2)).out_indices == (0, 2)


@pytest.mark.parametrize('out_indices', [(), (3,), (-4,), (0, 5)])
def test_stages_that_do_not_exist(out_indices):
    with pytest.raises(ValueError, match='Stairs has 3 stages'):
        Stairs(out_indices=out_indices)


def test_what_is_behind_the_last_map_is_neither_computed_nor_trained():
    backbone = Stairs(out_indices=(0,))
    backbone.conv3.forward = None  # a call would fail
    (out,) = backbone.train()(torch.rand(2, 1, 8, 8))
    assert out.shape == (2, 2, 8, 8)
    assert {name for name, p in backbone.named_parameters() if p.requires_grad} == {
        n.removeprefix('backbone.') for n in STAGE_1
    }
    # stages are counted from the last that is computed
    assert Stairs((0,), trainable_stages=1).bn1.weight.requires_grad
    assert not Stairs((0,), trainable_stages=1).bn3.weight.requires_grad
    with pytest.raises(ValueError, match='Stairs has 1 stages with weights'):
        Stairs((0,), trainable_stages=2)


@pytest.mark.parametrize(
    ('first', 'then', 'trained', 'modes'),
    [
        (1, None, STAGE_1 | STAGE_3, (True, True)),
        (0, None, STAGE_1 | STAGE_3, (True, True)),
        (1, 2, STAGE_1 | STAGE_3, (True, True)),
        (0, 1, STAGE_3, (False, True)),
        (2, 1, STAGE_3, (False, True)),
        (None, 0, set(), (False, False)),
    ],
)
def test_the_last_call_decides_what_is_frozen(first, then, trained, modes):
    backbone = Stairs(trainable_stages=first).train()
    backbone.freeze(then)
    assert {
        f'backbone.{name}' for name, p in backbone.named_parameters() if p.requires_grad
    } == trained
    for _ in range(2):  # at once, and in the next epoch
        assert (backbone.bn1.training, backbone.bn3.training) == modes
        backbone.eval().train()


def test_thawing_leaves_alone_what_freezing_did_not_freeze():
    backbone = Stairs(out_indices=(0,), trainable_stages=0)
    backbone.freeze(None)
    assert backbone.conv1.weight.requires_grad
    assert not backbone.conv3.weight.requires_grad  # not computed
    backbone = Stairs(trainable_stages=1).eval()
    backbone.conv3.weight.requires_grad_(False)  # the user's own
    backbone.freeze(None)
    assert backbone.conv1.weight.requires_grad
    assert not backbone.conv3.weight.requires_grad
    assert not backbone.bn1.training  # eval stays eval


def test_a_refused_number_changes_nothing():
    backbone = Stairs(trainable_stages=1).train()
    with pytest.raises(ValueError, match='trainable_stages 3'):
        backbone.freeze(3)
    assert backbone.num_frozen_stages == 2
    assert not backbone.conv1.weight.requires_grad


def test_stages_without_weights_are_not_counted():
    # of 1, the pool between them is no stage to train
    backbone = Stairs(trainable_stages=2).train()
    assert backbone.bn1.training
    assert backbone.num_frozen_stages == 0
    assert Stairs(trainable_stages=1).num_frozen_stages == 2
    assert Stairs(trainable_stages=0).num_frozen_stages == 3
    assert not Stairs(trainable_stages=0).train().bn3.training


def test_a_backbone_states_its_stages():
    with pytest.raises(NotImplementedError):
        Backbone().stage_modules()
