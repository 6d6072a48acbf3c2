"""Focal losses."""

import mmcv.ops
import numpy as np
import pytest
import torch
import torch.nn.functional as F


@pytest.mark.parametrize(
    ('logit', 'target', 'expected'),
    [
        # p = sigmoid(0) = 1/2: 0.25 * (1/2)^2 * ln 2
        (0.0, 0, 0.25 * 0.25 * np.log(2)),
        # negative: 0.75 * p^2 * ln 2, p = 1/2
        (0.0, 1, 0.75 * 0.25 * np.log(2)),
        # p = sigmoid(ln 3) = 3/4: 0.25 * (1/4)^2 * ln(4/3)
        (np.log(3), 0, 0.25 / 16 * np.log(4 / 3)),
        # 1 - p = 1/4: 0.75 * (3/4)^2 * ln 4
        (np.log(3), 1, 0.75 * 9 / 16 * np.log(4)),
        # 1 - p is 0 in float32, its logarithm is -30
        (30.0, 1, 0.75 * 30),
    ],
)
def test_sigmoid_focal_loss(logit, target, expected):
    # one class, so that label 1 is the background
    loss = mmcv.ops.sigmoid_focal_loss(
        torch.tensor([[logit]], dtype=torch.float32),
        torch.tensor([target]),
        2.0,
        0.25,
        None,
        'sum',
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def sigmoid_focal_formula(logits, target, gamma, alpha, weight):
    positive = F.one_hot(target, logits.size(1) + 1)[:, :-1].bool()
    p = logits.sigmoid()
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * p.log(),
        (alpha - 1) * p**gamma * (1 - p).log(),
    )
    return loss if weight is None else loss * weight[target][:, None]


def softmax_focal_formula(logits, target, gamma, alpha, weight):
    p = logits.softmax(1)[torch.arange(len(target)), target]
    loss = -alpha * (1 - p) ** gamma * p.log()
    return loss if weight is None else loss * weight[target]


@pytest.mark.parametrize('reduction', ['sum', 'mean'])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('gamma', [2.0, 0.5])
@pytest.mark.parametrize(
    ('op', 'formula'),
    [
        (mmcv.ops.sigmoid_focal_loss, sigmoid_focal_formula),
        (mmcv.ops.softmax_focal_loss, softmax_focal_formula),
    ],
)
def test_focal_losses_and_gradients(op, formula, gamma, weighted, reduction):
    torch.manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64) * 3
    target = torch.tensor([0, 1, 2, 3, 1, 0])
    weight = torch.rand(4, dtype=torch.float64) + 0.5 if weighted else None
    ours, theirs = logits.clone(), logits.clone()
    loss = op(ours.requires_grad_(), target, gamma, 0.3, weight, reduction)
    expected = formula(theirs.requires_grad_(), target, gamma, 0.3, weight).sum()
    if reduction == 'mean':  # over the samples
        expected = expected / 6
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_background_of_the_sigmoid_focal_loss():
    logits = torch.randn(2, 3, dtype=torch.float64)
    target = torch.tensor([3, 3])  # num_classes
    loss = mmcv.ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    torch.testing.assert_close(
        loss, sigmoid_focal_formula(logits, target, 2.0, 0.25, None)
    )


def test_softmax_focal_loss_ignores_negative_labels():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = mmcv.ops.softmax_focal_loss(
        logits, torch.tensor([-1, 1]), 2.0, 0.25, None, 'none'
    )
    assert loss[0] == 0
    assert loss[1] > 0
    mmcv.ops.softmax_focal_loss(logits, torch.tensor([-1, 1])).backward()
    assert not logits.grad[0].any()
    assert logits.grad[1].all()


@pytest.mark.parametrize('gamma', [0.0, 0.5])
def test_softmax_focal_gradient_of_a_certain_prediction_is_zero(gamma):
    # p = 1, and 1 - p is raised to gamma - 1 < 0
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    mmcv.ops.softmax_focal_loss(logits, torch.tensor([0]), gamma).backward()
    assert logits.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ('op', 'label', 'weight', 'match'),
    [
        (mmcv.ops.sigmoid_focal_loss, 4, None, 'label 4 is above 3'),
        (mmcv.ops.sigmoid_focal_loss, 3, torch.ones(3), 'label 3 is above 2'),
        (mmcv.ops.sigmoid_focal_loss, -1, torch.ones(3), 'label -1 is below 0'),
        (mmcv.ops.softmax_focal_loss, 3, None, 'label 3 is above 2'),
    ],
)
def test_focal_losses_refuse_labels_out_of_range(op, label, weight, match):
    with pytest.raises(ValueError, match=match):
        op(torch.zeros(2, 3), torch.tensor([0, label]), 2.0, 0.25, weight)


def test_sigmoid_focal_loss_without_samples():
    loss = mmcv.ops.sigmoid_focal_loss(
        torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, 'sum'
    )
    assert loss == 0
