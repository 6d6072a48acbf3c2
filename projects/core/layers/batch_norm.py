"""Batch norm that the convolution before it takes over, for prediction.

In evaluation a batch norm is an affine map of each channel, so that it can be
multiplied into the weights of the convolution whose output it normalises. Which
two belong together is seen in a forward pass, not in the order of the modules: a
ReLU between them, or a second use of the convolution's output, has no trace there.
"""

import copy
import logging
from collections import Counter
from collections.abc import Callable

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# greatest change of the outputs by other rounding, as a share of the largest
TOLERANCE = 1e-5


def fold_batch_norm(
    model: nn.Module, batch: dict, is_preprocessed: bool = False
) -> Callable[[], None]:
    """Fold batch norms into convolutions, in place, until undone.

    Folded is a ``BatchNorm2d`` or ``SyncBatchNorm`` whose input is the output of a
    ``Conv2d`` that nothing else uses, where both are called once. The outputs of
    ``model(..., mode='tensor')`` on one sample are compared before and after: if
    one changes by more than :data:`TOLERANCE` of its largest value, or the
    model cannot be run like this, it is left as it was, and the log says so at
    the level of debugging.

    Args:
        model: An MMEngine model (``BaseModel``, not wrapped) in evaluation mode.
        batch: As a data loader gives it: sequences of samples by name.
        is_preprocessed: It is what the model's ``data_preprocessor`` returned.

    Returns:
        Callable: Puts the convolutions and batch norms back.
    """
    undo = _Undo()
    if model.training or not any(isinstance(m, _BatchNorm) for m in model.modules()):
        return undo
    try:
        # one sample is enough; a preprocessor changes what it gets
        sample = {key: copy.deepcopy(value[:1]) for key, value in batch.items()}
        with (
            torch.no_grad(),
            torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled,
                deterministic=torch.backends.cudnn.deterministic,
                allow_tf32=False,  # rounds more than the tolerance
            ),
        ):
            inputs = (
                sample if is_preprocessed else model.data_preprocessor(sample, False)
            )
            pairs, before = _observe(model, inputs)
            if not pairs:
                return undo
            for conv, norm in pairs:
                _fold(model, conv, norm, undo)
            change = _change(before, model(**inputs, mode='tensor'))
    except Exception as error:  # any model may come; it works unfolded
        undo()
        print_log(f'batch norm is not folded: {error!r}', 'current', logging.DEBUG)
        return undo
    if change > TOLERANCE:
        undo()
        message = f'batch norm is not folded: outputs change by {change:.1e}'
    else:
        message = f'{len(pairs)} batch norms folded; outputs change by {change:.1e}'
    print_log(message, 'current', logging.DEBUG)
    return undo


class _Undo:
    """Steps back, the last first, once."""

    def __init__(self) -> None:
        self.steps: list[Callable[[], None]] = []

    def __call__(self) -> None:
        while self.steps:
            self.steps.pop()()


class _Uses(TorchDispatchMode):
    """Counts the operators that are given a tensor, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = (t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor))
        self.counts.update({id(t) for t in tensors})
        return func(*args, **kwargs)


def _observe(model: nn.Module, inputs: dict) -> tuple[list, object]:
    """Pairs of a convolution and a batch norm to fold; the model's outputs."""
    uses, calls, outs, pairs = _Uses(), Counter(), {}, []

    def after_conv(conv, args, out) -> None:
        calls[conv] += 1
        outs[id(out)] = conv, out  # kept: the id of a tensor that is gone returns
        uses.counts[id(out)] = 0

    def before_norm(norm, args) -> None:
        calls[norm] += 1
        conv, out = outs.get(id(args[0]), (None, None))
        if conv is not None:
            pairs.append((conv, norm, id(out)))

    handles = []
    for module in model.modules():
        if _is_plain_conv(module):
            handles.append(module.register_forward_hook(after_conv))
        elif _is_plain_norm(module):
            handles.append(module.register_forward_pre_hook(before_norm))
    try:
        with uses:
            results = model(**inputs, mode='tensor')
    finally:
        for handle in handles:
            handle.remove()
    # what the model returns is in use, too
    returned = {id(t) for t in tree_leaves(results)}
    return [
        (conv, norm)
        for conv, norm, out in pairs
        if calls[conv] == calls[norm] == uses.counts[out] == 1 and out not in returned
    ], results


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _is_plain_conv(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and type(module).forward is nn.Conv2d.forward
        and type(module)._conv_forward is nn.Conv2d._conv_forward
        and 'weight' in module._parameters  # else it is computed from others
        and not _has_hooks(module)
    )


def _is_plain_norm(module: nn.Module) -> bool:
    return (
        isinstance(module, _BatchNorm)
        and type(module).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward)
        and module.running_var is not None
        and not module.training
        and not _has_hooks(module)
    )


def _fold(model: nn.Module, conv: nn.Conv2d, norm: _BatchNorm, undo: _Undo) -> None:
    tensors = (
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
    )
    w, b, mean, var, gamma, beta = (t if t is None else t.double() for t in tensors)
    weight, bias = fuse_conv_bn_weights(w, b, mean, var, norm.eps, gamma, beta)
    old = conv.weight, conv.bias
    # empty_like keeps the memory format
    new = torch.empty_like(conv.weight).copy_(weight), bias.to(conv.weight.dtype)

    def put_back() -> None:
        conv.weight, conv.bias = old

    undo.steps.append(put_back)
    conv.weight, conv.bias = (nn.Parameter(t, requires_grad=False) for t in new)
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is norm:
                undo.steps.append(lambda p=parent, n=name: p._modules.update({n: norm}))
                parent._modules[name] = nn.Identity().eval()


def _change(before: object, after: object) -> float:
    """Greatest change of an output, as a share of its largest value.

    Infinite where there is nothing to compare, or a value that is no number.
    """
    changes = []
    for x, y in zip(tree_leaves(before), tree_leaves(after), strict=True):
        if isinstance(x, Tensor) and x.is_floating_point() and x.numel():
            scale = x.abs().max().clamp(min=torch.finfo(x.dtype).tiny)
            changes.append(((x - y).abs().max() / scale).item())
    return max(changes) if changes and all(c == c for c in changes) else float('inf')
