"""Seconds of the parts of a step."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


def synchronize(device: torch.device) -> None:
    """Wait for what a GPU still has to do; a CPU is always done."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


class Stopwatch:
    """Seconds per part, summed over the calls of a part.

    The time of a part within a part is taken from the outer one's. A GPU is
    waited for at both ends of a part.

    Args:
        device: Where the parts run.
        clock: Seconds since some moment.
    """

    def __init__(
        self, device: torch.device, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.device = device
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self._within = 0.0  # seconds of the parts inside the one that runs

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        outer, self._within = self._within, 0.0
        synchronize(self.device)
        start = self.clock()
        try:
            yield
        finally:
            synchronize(self.device)
            elapsed = self.clock() - start
            self.seconds[name] += elapsed - self._within
            self._within = outer + elapsed
