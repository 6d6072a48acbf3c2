import math

import numpy as np
import pytest

from projects.core.reports.statistics import (
    CORRECTED,
    WELCH,
    holm,
    paired,
    spread,
    welch,
)

# t(0.975) of 2 and 4 degrees of freedom, of any printed table
T2, T4 = 4.30265, 2.77645


def test_spread_by_hand():
    # squares of the deviations: 1 + 0 + 1, over n - 1
    found = spread([1, 2, 3])
    assert (found.num, found.missing, found.mean, found.std) == (3, 0, 2, 1)
    half = T2 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-5)


def test_the_interval_of_folds_is_wider():
    # three folds: 1 / 3 + 1 / 2 in place of 1 / 3
    found = spread([1, 2, 3], overlap=0.5)
    assert found.high - 2 == pytest.approx(T2 * math.sqrt(5 / 6), rel=1e-5)


@pytest.mark.parametrize(
    ('values', 'num', 'missing', 'mean'),
    [
        ([0.5], 1, 0, 0.5),
        ([0.5, None, math.nan], 1, 2, 0.5),
        ([math.inf, None], 0, 2, None),
        ([], 0, 0, None),
    ],
)
def test_below_two_values_there_is_no_spread(values, num, missing, mean):
    found = spread(values)
    assert (found.num, found.missing, found.mean) == (num, missing, mean)
    assert found.std is found.low is found.high is None


def test_equal_values_have_no_spread_of_rounding():
    assert spread([0.1 + 0.2, 0.3, 0.3]).std == 0
    assert spread(np.float32([0.1, 0.1]).tolist()).std == 0


def test_welch_by_hand():
    # variances 1 and 1: error sqrt(2 / 3), 4 degrees, t = 3 / 0.81650 = 3.67423.
    # Of 4 degrees, P(|T| > t) = 1 - 3 / 4 u (1 - v) with u = t / sqrt(1 + t^2 / 4)
    # = 1.75662 and v = t^2 / (12 (1 + t^2 / 4)) = 0.25714:
    # 1 - 0.75 * 1.75662 * 0.74286 = 0.02131
    found = welch([1, 2, 3], [4, 5, 6])
    assert (found.test, found.value, found.reason) == (WELCH, 3, '')
    assert found.p == pytest.approx(0.02131, abs=1e-5)
    half = T4 * math.sqrt(2 / 3)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), rel=1e-5)


def test_welch_with_one_group_of_equal_values():
    # only the other counts: error sqrt(1 / 3), 2 degrees, t = sqrt(3), and of 2
    # degrees P(|T| > t) = 1 - t / sqrt(2 + t^2) = 1 - sqrt(3 / 5)
    found = welch([1, 1, 1], [1, 2, 3])
    assert found.p == pytest.approx(1 - math.sqrt(0.6))
    assert welch([1, 2, 3], [1, 1, 1]).value == -found.value


@pytest.mark.parametrize(
    ('first', 'second', 'value', 'reason'),
    [
        ([1], [2, 4], 2, 'one run of a kind has no spread'),
        ([1, None], [2, 4], 2, 'one run of a kind has no spread'),
        ([math.nan], [2, 4], None, 'a group has no value'),
        ([1, 1], [2, 2], 1, 'all values of a group are equal'),
    ],
)
def test_welch_says_where_it_cannot_know(first, second, value, reason):
    found = welch(first, second)
    assert found.value == value
    assert found.p is found.low is found.smallest is None
    assert found.reason.startswith(reason)


def test_paired_by_hand():
    # differences 1 1 1 1 2: mean 1.2, variance 0.2; (1 / 5 + 1 / 4) * 0.2 = 0.09, so
    # t = 1.2 / 0.3 = 4 of 4 degrees: u = 4 / sqrt(5), v = 16 / (12 * 5) = 0.26667,
    # 1 - 0.75 * 1.78885 * 0.73333 = 0.01613
    found = paired([1, 2, 3, 4, 5], [2, 3, 4, 5, 7], overlap=1 / 4)
    assert (found.test, found.value) == (CORRECTED, pytest.approx(1.2))
    assert found.p == pytest.approx(0.01613, abs=1e-5)
    assert found.high == pytest.approx(1.2 + T4 * 0.3, rel=1e-5)


def test_paired_leaves_out_a_fold_that_lacks_a_value():
    whole = paired([1, 2, 3], [2, 4, 6], overlap=0.5)
    assert paired([1, 9, 2, 3], [2, None, 4, 6], overlap=0.5) == whole


@pytest.mark.parametrize(
    ('first', 'second', 'value', 'reason'),
    [
        ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], 0.1, 'the difference is the same'),
        ([0.5, 0.6], [0.5, 0.6], 0, 'the difference is the same'),
        ([1, 2], [3, None], 2, 'one run of a kind'),
        ([], [], None, 'a group has no value'),
    ],
)
def test_paired_says_where_it_cannot_know(first, second, value, reason):
    found = paired(first, second, overlap=0.5)
    assert found.value == (value if value is None else pytest.approx(value))
    assert found.p is None
    assert found.reason.startswith(reason)


def test_paired_refuses_groups_of_two_sizes():
    with pytest.raises(ValueError, match='pairs of 2 and 3 values'):
        paired([1, 2], [1, 2, 3], 0.5)


def test_the_smallest_difference_is_found_in_four_of_five_comparisons():
    from scipy.stats import ttest_1samp

    # five differences with the deviation 1, whatever their mean
    unit = np.array([-2, -1, 0, 1, 2]) / math.sqrt(2.5)
    smallest = paired([0] * 5, unit, overlap=0).smallest
    drawn = np.random.default_rng(0).normal(smallest, 1, (20_000, 5))
    assert np.mean(ttest_1samp(drawn, 0, axis=1).pvalue < 0.05) == pytest.approx(
        0.8, abs=0.01
    )


def test_holm_by_hand():
    # 0.01 * 3, 0.03 * 2, then 0.04 * 1, which may not fall below the one before
    assert holm([0.04, 0.01, None, 0.03]) == pytest.approx([0.06, 0.03, None, 0.06])
    assert holm([0.7, 0.8]) == [1, 1]
    assert holm([]) == []
