"""Gradients of an operator whose backward pass mmcv calls by itself."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def gradients(
    op: Callable[..., Tensor], inputs: Sequence[Tensor], grad_output: Tensor
) -> tuple[Tensor, ...]:
    """Gradient of ``(op(*inputs) * grad_output).sum()`` for each input.

    Runs ``op`` once more: mmcv hands over what went in, not its graph.

    Args:
        op: Differentiable for all of its arguments.
        inputs: Arguments of ``op``.
        grad_output: Of the shape that ``op`` returns.
    """
    inputs = [x.detach().requires_grad_() for x in inputs]
    # in the type of the inputs, as mmcv's kernels
    with torch.enable_grad(), torch.autocast(grad_output.device.type, enabled=False):
        output = op(*inputs)
        if not output.requires_grad:  # of no region, say
            return tuple(torch.zeros_like(x) for x in inputs)
        return torch.autograd.grad(output, inputs, grad_output)
