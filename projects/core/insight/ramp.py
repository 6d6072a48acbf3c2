"""The loss while the learning rate grows, and what rate it speaks for.

After Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017,
Sec. 3.3 ("learning rate range test"), https://arxiv.org/abs/1506.01186; on an
exponential ramp, with the smoothed loss and the stop at divergence that became usual.

Legend: N steps.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

BETA = 0.9  # of the moving average
DIVERGED = 4.0  # times the least smoothed loss
LEAST_FALL = 0.02  # of the loss; less speaks for no rate


@dataclass(frozen=True)
class Ramp:
    """Losses of a ramp.

    Args:
        rates: (N,) learning rate of each step.
        losses: (N,) loss of each step, the last may be not finite.
        diverged: Whether the loss ran away before the last rate.
    """

    rates: np.ndarray
    losses: np.ndarray
    diverged: bool

    @property
    def smoothed(self) -> np.ndarray:
        """(N,) mean of a moving average forward and one backward in time: neither
        lags behind the loss."""
        # the end of a loss that ran away would hide the fall before it
        first = self.losses[: max(1, len(self.losses) // 10)].max()
        losses = np.where(np.isfinite(self.losses), self.losses, np.inf)
        losses = np.minimum(losses, first)
        return (moving_average(losses) + moving_average(losses[::-1])[::-1]) / 2


@dataclass(frozen=True)
class Proposal:
    """Rates that a ramp speaks for.

    Args:
        rate: What is proposed: half the way, on a logarithmic axis, from ``steepest``
            to ``least``. At the former the loss falls fastest, but a ramp comes to each
            rate for a few steps only and so sees it late; at the latter what a step
            gains and what it spoils are in balance.
        steepest: Rate of the steepest descent of the smoothed loss, by the logarithm
            of the rate.
        least: Rate of the least smoothed loss.
    """

    rate: float
    steepest: float
    least: float


def moving_average(values: Sequence[float], beta: float = BETA) -> np.ndarray:
    """(N,) exponential moving average, its beginning at zero corrected for as in Adam
    (Kingma and Ba, ICLR 2015, Sec. 3)."""
    averages, average = [], 0.0
    for i, value in enumerate(values, 1):
        average = beta * average + (1 - beta) * value
        averages.append(average / (1 - beta**i))
    return np.array(averages)


def exponential_rates(low: float, high: float, num_steps: int) -> np.ndarray:
    """(N,) rates from ``low`` to ``high``, each the same multiple of the last."""
    return np.geomspace(low, high, num_steps)


def run_ramp(step: Callable[[float], float], rates: Sequence[float]) -> Ramp:
    """Take a step at each rate, until the loss runs away.

    That is so where a loss is not finite, or the moving average is ``DIVERGED`` times
    its least. A loss below zero has no such multiple; its distance from the first
    counts then.

    Args:
        step: Function that takes a step at a rate and returns the loss before it.
        rates: See :func:`exponential_rates`.
    """
    losses: list[float] = []
    diverged, average, least = False, 0.0, math.inf
    for i, rate in enumerate(rates, 1):
        losses.append(float(step(float(rate))))
        if not math.isfinite(losses[-1]):
            diverged = True
            break
        average = BETA * average + (1 - BETA) * losses[-1]
        corrected = average / (1 - BETA**i)
        least = min(least, corrected)
        limit = least + (DIVERGED - 1) * max(abs(least), abs(losses[0]) / 10)
        if corrected > limit:
            diverged = True
            break
    return Ramp(np.asarray(rates[: len(losses)], float), np.array(losses), diverged)


def proposal_of(ramp: Ramp) -> Proposal | None:
    """The rate that a ramp speaks for; None where the loss hardly falls."""
    smoothed = ramp.smoothed
    num_edge = 5 if len(smoothed) > 20 else 1  # few values make a mean there
    lowest = int(smoothed[num_edge:].argmin()) + num_edge if len(smoothed) > 5 else 0
    if lowest <= num_edge:
        return None
    fall = smoothed[:lowest].max() - smoothed[lowest]
    if fall < LEAST_FALL * max(abs(smoothed[0]), 1e-12):
        return None
    slopes = np.gradient(smoothed, np.log(ramp.rates))
    steepest = int(slopes[num_edge : lowest + 1].argmin()) + num_edge
    least = float(ramp.rates[lowest])
    at_steepest = float(ramp.rates[steepest])
    return Proposal(math.sqrt(at_steepest * least), at_steepest, least)
