"""Learning rates that fall layer by layer."""

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

from projects.core.errors import UserError
from projects.core.layers import Backbone


class TwoStages(Backbone):
    """Two linear layers, and a scale above them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.select_stages((-1,))

    def stage_modules(self):
        return [[self.first], [self.second]]


class Finer(TwoStages):
    """Its first layer is two groups."""

    def layer_groups(self):
        return [[self.first.weight], [self.first.bias], [self.second]]


class Model(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(4, 5)


def build(model, weight_decay=0.1, **paramwise):
    return build_optim_wrapper(
        model,
        dict(
            constructor='projects.LayerDecayOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=0.8, weight_decay=weight_decay),
            paramwise_cfg=paramwise,
        ),
    )


def settings(model, wrapper):
    """(learning rate, decay) of each parameter, by its name."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: (group['lr'], pytest.approx(group['weight_decay']))
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }


def test_the_rate_halves_with_each_layer_from_the_head_down():
    model = Model(TwoStages())
    wrapper = build(model, layer_decay_rate=0.5, flat_decay_mult=0)
    assert settings(model, wrapper) == {
        'backbone.first.weight': (0.2, 0.1),
        'backbone.first.bias': (0.2, 0),
        'backbone.second.weight': (0.4, 0.1),
        'backbone.second.bias': (0.4, 0),
        'backbone.scale': (0.8, 0),
        'head.weight': (0.8, 0.1),
        'head.bias': (0.8, 0),
    }
    # the optimizer takes the parameters of one setting at once
    assert len(wrapper.optimizer.param_groups) == 6


def test_a_backbone_may_have_finer_groups_and_keys_their_own_rates():
    model = Model(Finer())
    wrapper = build(
        model,
        layer_decay_rate=0.5,
        custom_keys={'second': dict(lr_mult=10, decay_mult=0)},
    )
    rates = settings(model, wrapper)
    assert rates['backbone.first.weight'] == (0.1, 0.1)
    assert rates['backbone.first.bias'] == (0.2, 0.1)
    assert rates['backbone.second.weight'] == (4.0, 0)


def test_frozen_weights_are_left_out():
    model = Model(TwoStages())
    model.backbone.freeze(1)
    assert 'backbone.first.weight' not in settings(
        model, build(model, layer_decay_rate=0.5)
    )


def test_the_groups_are_logged(monkeypatch):
    lines = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lines.append)
    build(Model(TwoStages()), layer_decay_rate=0.5)
    assert [line.split() for line in lines[-1].splitlines()[2:]] == [
        ['0', '0.2', '9', 'backbone.first.weight,', 'backbone.first.bias'],
        ['1', '0.4', '16', 'backbone.second.weight,', 'backbone.second.bias'],
        ['2', '0.8', '29', 'backbone.scale,', 'head.bias'],
    ]


@pytest.mark.parametrize('rate', [0, 1.1, -1, 'half', None, float('nan')])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(UserError, match='layer_decay_rate'):
        build(Model(TwoStages()), layer_decay_rate=rate)


@pytest.mark.parametrize('model', [nn.Linear(1, 1), Model(nn.Linear(1, 4))])
def test_a_backbone_without_groups_is_refused(model):
    with pytest.raises(UserError, match='Linear has no groups of layers'):
        build(model, layer_decay_rate=0.5)
