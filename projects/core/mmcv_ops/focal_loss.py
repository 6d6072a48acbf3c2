"""Focal losses after Lin et al., "Focal Loss for Dense Object Detection",
ICCV 2017, https://arxiv.org/abs/1708.02002, in plain torch.

Names and arguments are those of ``mmcv._ext``. N samples, C classes. Where
the compiled operator takes log(p) of a sigmoid that float32 rounds to 0 or 1
(|logit| above about 15), and so returns 87 p^gamma at most, these keep the
formula's value.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write -alpha_t (1 - p_t)^gamma log(p_t) to ``output``, eq. 5.

    Args:
        input: Logits, (N, C).
        target: Labels, (N, ), int64; background is C.
        weight: Weight per class of the target, (C, ), or (0, ) for none.
        output: Output, (N, C).

    Raises:
        ValueError: If a label is above C, or has no entry in ``weight``.
    """
    if weight.numel():
        _check(target, highest=input.size(1) - 1, lowest=0)
    else:
        _check(target, highest=input.size(1))
    logits = _upcast(input)
    positive = _one_hot(target, input.size(1))
    signed = torch.where(positive, logits, -logits)  # p_t = sigmoid(signed)
    alpha_t = _alpha_t(positive, logits, alpha)
    loss = -alpha_t * torch.sigmoid(-signed) ** gamma * F.logsigmoid(signed)
    output.copy_(_weighted(loss, target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative of each loss by its own logit to ``grad_input``."""
    logits = _upcast(input)
    positive = _one_hot(target, input.size(1))
    signed = torch.where(positive, logits, -logits)
    alpha_t = _alpha_t(positive, logits, alpha)
    p_t, q_t = torch.sigmoid(signed), torch.sigmoid(-signed)
    # d/ds -(1 - p)^gamma log(p), p = sigmoid(s), dp/ds = p (1 - p)
    grad = q_t**gamma * (gamma * p_t * F.logsigmoid(signed) - q_t)
    grad = torch.where(positive, grad, -grad) * alpha_t
    grad_input.copy_(_weighted(grad, target, weight))


def softmax_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write -alpha (1 - p)^gamma log(p), p of the target, to ``output``.

    Args:
        input: Probabilities, (N, C), after softmax.
        target: Labels, (N, ), int64, in [0, C); below 0 is ignored.
        weight: Weight per class, (C, ), or (0, ) for none.
        output: Output, (N, ).

    Raises:
        ValueError: If a label is C or above.
    """
    _check(target, highest=input.size(1) - 1)
    prob, log_prob = _target_prob(input, target)
    loss = -alpha * (1 - prob) ** gamma * log_prob
    output.copy_(_weighted(loss, target.clamp(min=0), weight) * (target >= 0))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative of the loss by the logits to ``grad_input``.

    Args:
        buff: Output, (N, ): derivative by log(p), p of the target.
        grad_input: Output, (N, C).
    """
    prob, log_prob = _target_prob(input, target)
    # away from 0, whose negative powers are infinite
    rest = (1 - prob).clamp(min=torch.finfo(prob.dtype).tiny)
    grad = alpha * (gamma * rest ** (gamma - 1) * prob * log_prob - rest**gamma)
    buff.copy_(_weighted(grad, target.clamp(min=0), weight) * (target >= 0))
    # d log(p_t) / d logit_c = [c = t] - p_c
    one_hot = _one_hot(target, input.size(1))
    grad_input.copy_(buff[:, None] * (one_hot.to(input.dtype) - input))


def _upcast(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _one_hot(target: Tensor, num_classes: int) -> Tensor:
    """(N, C), all False in the row of a label that is no class."""
    return target[:, None] == torch.arange(num_classes, device=target.device)


def _alpha_t(positive: Tensor, logits: Tensor, alpha: float) -> Tensor:
    return torch.where(positive, logits.new_tensor(alpha), logits.new_tensor(1 - alpha))


def _target_prob(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    prob = _upcast(input).gather(1, target.clamp(min=0)[:, None]).squeeze(1)
    return prob, prob.clamp(min=torch.finfo(torch.float32).tiny).log()


def _weighted(loss: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Times the weight of the target's class; ``loss`` is (N, ) or (N, C)."""
    if not weight.numel():
        return loss
    factor = weight[target]
    return loss * (factor[:, None] if loss.dim() == 2 else factor)


def _check(target: Tensor, highest: int, lowest: int | None = None) -> None:
    if not target.numel():
        return
    low, high = (int(label) for label in target.aminmax())
    if high > highest:
        raise ValueError(f'label {high} is above {highest}')
    if lowest is not None and low < lowest:
        raise ValueError(f'label {low} is below {lowest}')
