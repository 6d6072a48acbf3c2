"""Non-maximum suppression as a part of a step, measured where it happens.

However a head imports its suppression, it is seen: torchvision's at the operator
``torch.ops.torchvision.nms``, which every way to it calls; mmcv's in its
extension; and our own because it reports itself, by :func:`reports_nms`.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from unittest.mock import patch

import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision.nms

# wraps a suppression that is called; None while nobody measures
_measured: ContextVar[Callable[[Callable], Callable] | None] = ContextVar(
    'measured', default=None
)


def reports_nms(function: Callable) -> Callable:
    """Decorator of a suppression whose first argument is the boxes, (n, 4)."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        measured = _measured.get()
        return (measured(function) if measured else function)(*args, **kwargs)

    return call


@contextmanager
def nms_as_part(meter, name: str) -> Iterator[dict[str, int]]:
    """Make a part of each non-maximum suppression in the block.

    What prepares a call, such as shifting the classes apart, is not part of it.
    A suppression within a suppression is neither a part nor a call of its own.

    Args:
        meter: One of :mod:`projects.core.benchmark.meters`.
        name: Of the part.

    Yields:
        Counts so far: ``NMS calls``, and ``boxes into NMS``, of all calls.
    """
    counts = {'NMS calls': 0, 'boxes into NMS': 0}
    depth = 0

    def measured(function: Callable) -> Callable:
        def call(*args, **kwargs):
            nonlocal depth
            if depth:  # mmcv's fallback calls torchvision's
                return function(*args, **kwargs)
            boxes = args[0] if args else next(iter(kwargs.values()))
            counts['NMS calls'] += 1
            counts['boxes into NMS'] += len(boxes)
            depth += 1
            try:
                with meter.part(name):
                    return function(*args, **kwargs)
            finally:
                depth -= 1

        return call

    kernels = [(torch.ops.torchvision, 'nms')]
    if 'mmcv._ext' in sys.modules:
        extension = sys.modules['mmcv._ext']
        kernels += [(extension, 'nms'), (extension, 'softnms')]
    token = _measured.set(measured)
    try:
        with ExitStack() as patches:
            for owner, key in kernels:
                kernel = getattr(owner, key)
                patches.enter_context(patch.object(owner, key, measured(kernel)))
            yield counts
    finally:
        _measured.reset(token)
