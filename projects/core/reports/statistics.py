"""What may be said of a few runs: spread, intervals, differences beyond chance.

A group of runs is a list of one metric's values, a value for each seed or fold. None
and numbers that are not finite are values that a run does not have: they are left
out and counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
POWER = 0.8
WELCH = "Welch's t-test"
CORRECTED = 'paired t-test, corrected for folds that share training data'
# Values that differ by less are equal but for rounding: of float32 metrics, too
ROUNDING = 1e-7

Values = Sequence[float | None]


@dataclass(frozen=True)
class Spread:
    """A group's mean and how far it may be trusted.

    Args:
        num: Values that count.
        missing: Runs without a value.
        mean: None without a value.
        std: Sample standard deviation (of num - 1); None below two values.
        low: Lower end of the 95 % interval of the mean; None below two values.
        high: Upper one.
    """

    num: int
    missing: int
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """Of two groups, the second less the first.

    Args:
        test: Names the test.
        value: Difference of the means; None where a group has no value.
        low: Lower end of its 95 % interval; None where the spread is not known.
        high: Upper one.
        p: Probability of a difference at least as large, either way, where there is
            none; None where the test cannot tell.
        smallest: True difference that the test would find, at 5 %, in four of five
            such comparisons: with as many values, of as great a spread. None where
            the spread is not known.
        reason: Why there is no ``p``, a clause; empty where there is one.
    """

    test: str
    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest: float | None = None
    reason: str = ''


def spread(values: Values, overlap: float = 0.0) -> Spread:
    """Mean, sample standard deviation and the mean's 95 % interval (Student's t).

    Args:
        values: A group's.
        overlap: Of folds, test over training data, 1 / (K - 1): their values are not
            independent, and the interval is that of :func:`paired`. 0 of seeds.
    """
    found = _finite(values)
    num, missing = len(found), len(values) - len(found)
    if not num:
        return Spread(0, missing)
    mean = float(np.mean(found))
    if num == 1:
        return Spread(1, missing, mean)
    std = _std(found)
    half = _quantile(num - 1) * std * math.sqrt(1 / num + overlap)
    return Spread(num, missing, mean, std, mean - half, mean + half)


def welch(first: Values, second: Values) -> Difference:
    """Whether two groups of independent runs differ: Welch's t-test, two-sided.

    The groups may have spreads and sizes of their own (Welch, "The generalization of
    'Student's' problem when several different population variances are involved",
    Biometrika 34, 1947).
    """
    from scipy.stats import ttest_ind_from_stats

    a, b = _finite(first), _finite(second)
    if len(a) < 2 or len(b) < 2:
        value = float(np.mean(b) - np.mean(a)) if len(a) and len(b) else None
        return Difference(WELCH, value, reason=_too_few(min(len(a), len(b))))
    first_, second_ = ((float(np.mean(v)), _std(v), len(v)) for v in (a, b))
    value = second_[0] - first_[0]
    parts = [std**2 / num for _, std, num in (first_, second_)]
    if not any(parts):
        reason = 'all values of a group are equal, so their spread is not known'
        return Difference(WELCH, value, reason=reason)
    # Welch-Satterthwaite equation
    freedom = sum(parts) ** 2 / (
        parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1)
    )
    p = float(ttest_ind_from_stats(*second_, *first_, equal_var=False).pvalue)
    return _difference(WELCH, value, math.sqrt(sum(parts)), freedom, p)


def paired(first: Values, second: Values, overlap: float) -> Difference:
    """Whether two configs differ over the same folds: corrected resampled t-test.

    The K differences, fold by fold, have the variance s^2 (1 / K + overlap) of their
    mean, not s^2 / K, since the training data of the folds overlap (Nadeau and
    Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003,
    Sec. 3, who derive it for random splits; Bouckaert and Frank, PAKDD 2004, use it
    for folds). A fold that lacks one of its two values is left out.

    Args:
        first: Values by fold.
        second: The same, of the same folds.
        overlap: Test over training data, 1 / (K - 1) of K folds; 0 of pairs that are
            independent.

    Raises:
        ValueError: If the groups are not of one size.
    """
    from scipy.stats import t

    if len(first) != len(second):
        raise ValueError(f'pairs of {len(first)} and {len(second)} values')
    pairs = [pair for pair in zip(first, second, strict=True) if len(_finite(pair)) > 1]
    a, b = np.array(pairs, float).reshape(-1, 2).T
    num, value = len(pairs), float(np.mean(b - a)) if pairs else None
    if num < 2:
        return Difference(CORRECTED, value, reason=_too_few(num))
    # by the size of the values: differences of equal ones are noise of rounding
    std = _std(b - a, np.abs(np.stack((a, b))).max())
    if not std:
        reason = 'the difference is the same in all folds, so its spread is not known'
        return Difference(CORRECTED, value, reason=reason)
    error = std * math.sqrt(1 / num + overlap)
    p = float(2 * t.sf(abs(value) / error, num - 1))
    return _difference(CORRECTED, value, error, num - 1, p)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """P-values of one family of tests, so that 5 % is the risk of any false one.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979. None, a test that was not made, stays and does not
    count.
    """
    places = sorted((i for i, p in enumerate(ps) if p is not None), key=lambda i: ps[i])
    adjusted: list[float | None] = [None] * len(ps)
    greatest = 0.0
    for rank, i in enumerate(places):
        greatest = max(greatest, min(1.0, (len(places) - rank) * ps[i]))
        adjusted[i] = greatest
    return adjusted


def _finite(values: Values) -> np.ndarray:
    found = [float(v) for v in values if v is not None]
    return np.array([v for v in found if math.isfinite(v)])


def _std(values: np.ndarray, scale: float | None = None) -> float:
    """Sample standard deviation, exactly 0 of values that are equal but for rounding.

    Args:
        values: At least two.
        scale: What they are small against; their own size where None.
    """
    scale = np.abs(values).max() if scale is None else scale
    if np.ptp(values) <= ROUNDING * scale:
        return 0.0
    return float(np.std(values, ddof=1))


def _quantile(freedom: float) -> float:
    """Of Student's t, what the share CONFIDENCE lies within, either way."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))


def _difference(
    test: str, value: float, error: float, freedom: float, p: float
) -> Difference:
    critical = _quantile(freedom)
    half = critical * error
    smallest = error * _detectable(critical, freedom)
    return Difference(test, value, value - half, value + half, p, smallest)


def _detectable(critical: float, freedom: float) -> float:
    """True difference, in standard errors, that is found with the chance POWER."""
    from scipy.optimize import brentq
    from scipy.stats import nct

    # the other tail, a difference of the wrong sign, is found next to never
    return float(
        brentq(
            lambda delta: nct.sf(critical, freedom, delta) - POWER, 0, 10 * critical + 9
        )
    )


def _too_few(num: int) -> str:
    return (
        'one run of a kind has no spread' if num == 1 else 'a group has no value'
    ) + ', so it cannot be known whether the difference is more than chance'
