import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from projects import create_model
from projects.core.weights import load_weights
from projects.lenet import LeNet
from projects.registry import MODELS


def test_num_params_by_layer():
    # LeCun et al., Sec. II-B; the paper connects C3 to a part of the maps
    model = create_model('lenet5')
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [sum(p.numel() for p in m.parameters()) for m in layers] == [
        6 * 25 + 6,  # C1: 156
        16 * 6 * 25 + 16,  # C3
        120 * 16 * 25 + 120,  # C5, which sees the whole map
        84 * 120 + 84,
        10 * 84 + 10,
    ]


@pytest.mark.parametrize('batch_size', [1, 2])
def test_shapes_of_every_stage(batch_size):
    outs = LeNet(out_indices=(0, 1, 2))(torch.rand(batch_size, 1, 28, 28))
    assert [tuple(out.shape) for out in outs] == [
        (batch_size, 6, 28, 28),
        (batch_size, 16, 10, 10),
        (batch_size, 16, 5, 5),
    ]


def test_values_by_hand():
    model = LeNet(out_indices=(0, 2))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(model.conv2[0].bias, 2)
    first, last = model(torch.rand(1, 1, 28, 28))
    assert torch.all(first == 0.5)  # sigmoid(0)
    torch.testing.assert_close(  # an average leaves constants alone
        last, torch.full_like(last, 1 / (1 + 2.718281828**-2))
    )


def test_the_modern_one_has_relu_max_pooling_norm_and_dropout():
    kinds = [type(m) for m in create_model('lenet5_modern').modules()]
    assert kinds.count(nn.ReLU) == 4
    assert kinds.count(nn.MaxPool2d) == kinds.count(nn.BatchNorm2d) == 2
    assert kinds.count(nn.Dropout) == 1
    assert not {nn.Sigmoid, nn.AvgPool2d} & set(kinds)


def test_xavier_keeps_the_sigmoids_apart():
    torch.manual_seed(0)
    model = create_model('lenet5').eval()
    # uniform within sqrt(6 / (fan-in + fan-out)), here of 400 and 120
    weight = model.head.classifier[0].weight
    bound = (6 / 520) ** 0.5
    assert 0.98 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    conv = model.backbone.conv2[0].weight
    assert 0.95 * (6 / 550) ** 0.5 < conv.abs().max() <= (6 / 550) ** 0.5


@pytest.mark.parametrize('num_classes', [10, 4])
@torch.no_grad()
def test_logits_are_those_of_mmpretrain_with_its_weights(num_classes):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        reference = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type='LeNet5', num_classes=10),
                head=dict(type='ClsHead'),
            )
        ).eval()
        cfg = dict(type='Tanh')
        ours = MODELS.build(
            dict(
                type='projects.ImageClassifier',
                backbone=dict(type='projects.LeNet', act_cfg=cfg),
                head=dict(
                    type='projects.MLPClsHead',
                    num_classes=num_classes,
                    in_channels=16,
                    pool_size=5,
                    hidden_channels=(120, 84),
                    act_cfg=cfg,
                ),
            )
        ).eval()
    report = load_weights(ours, reference.state_dict(), 'x.pth', allow_new_head=True)
    assert 'head.classifier.0.weight: (120, 16, 5, 5) to rows' in report
    if num_classes == 10:
        assert report.startswith('10 of 10 weights (100.0% of')
        images = torch.rand(2, 1, 28, 28)
        torch.testing.assert_close(
            ours(images),
            reference(nn.functional.pad(images, [2] * 4)),
            rtol=0,
            atol=1e-5,
        )
    else:
        assert 'head.classifier.4.weight (4, 84): the file has (10, 84)' in (report)


def test_out_indices_that_are_not_there():
    with pytest.raises(ValueError, match='LeNet has 3 stages'):
        LeNet(out_indices=(3,))
