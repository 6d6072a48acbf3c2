"""Meters for the parts of a step: seconds, and bytes of tensors.

A step says where its parts begin and end, ``with meter.part('loss'):``, and
runs under any of these meters.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile

from projects.core.engine.stopwatch import synchronize


@dataclass
class Allocations:
    """Bytes of tensors beyond those there at the start.

    ``peak`` is the most at any moment, 0 or more; ``net`` what is left at the
    end, negative where more was freed than allocated.
    """

    peak: int = 0
    net: int = 0


@contextmanager
def allocations(device: torch.device) -> Iterator[Allocations]:
    """What the block allocates on a device; filled when it ends.

    Every tensor counts, an operator's own temporaries too, as far as they
    come from torch's allocator; scratch that a library (oneDNN) takes past it
    does not. On a CPU the profiler's record of each allocation and release is
    summed up: the size of the process would tell less, since freed memory
    stays with it.
    """
    measured = Allocations()
    if device.type == 'cuda':
        synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        start = torch.cuda.memory_allocated(device)
        yield measured
        synchronize(device)
        measured.peak = torch.cuda.max_memory_allocated(device) - start
        measured.net = torch.cuda.memory_allocated(device) - start
        return
    # its start and stop, and that there is no GPU, are news to nobody
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        yield measured
    events = sorted(
        (
            event
            for event in record.profiler.kineto_results.events()
            if event.name() == '[memory]'
        ),
        key=lambda event: event.start_ns(),
    )
    live = list(accumulate((e.nbytes() for e in events), initial=0))
    measured.peak, measured.net = max(live), live[-1]


class MemoryMeter:
    """Peak bytes per part, and over the step.

    ``peaks`` holds :class:`Allocations` peaks, each above what its part began
    with, so that a part answers for its own alone. ``peak`` is the most that
    lives at any moment of the step, with what is ``held`` throughout. A part
    within a part belongs to the outer one.

    Args:
        device: Where the parts run.
        held: Bytes that live before the step: weights, batch, ...
    """

    def __init__(self, device: torch.device, held: int = 0) -> None:
        self.device = device
        self.peaks: dict[str, int] = {}
        self.live = self.peak = held
        self._is_inside = False

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        if self._is_inside:
            yield
            return
        self._is_inside = True
        try:
            with allocations(self.device) as measured:
                yield
        finally:
            self._is_inside = False
        self.peaks[name] = measured.peak
        self.peak = max(self.peak, self.live + measured.peak)
        self.live += measured.net


class NoMeter:
    """Measures nothing: the parts run as they would, one after the other."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        yield
