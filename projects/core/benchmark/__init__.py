"""Where the time and the memory of a step go."""

from projects.core.benchmark.run import benchmark

__all__ = ['benchmark']
