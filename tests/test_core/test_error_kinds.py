"""Kinds of error of a detector, worked out by hand.

Ground truths A and B of class 0 and sometimes C of class 1 lie far apart in one image,
10 x 10 pixels each. A is always found, with the score 0.9.
"""

import numpy as np
import pytest

from projects.core.tasks.detection.error_kinds import error_kinds
from projects.core.tasks.detection.matching import Detections, GroundTruths, Matching

A, B, C = (0, 0, 10, 10), (50, 0, 10, 10), (100, 0, 10, 10)
# AP50 of class 0 of two ground truths: right, wrong, right; and right alone
RIGHT_WRONG_RIGHT = (51 + 50 * 2 / 3) / 101
HALF = 51 / 101


def kinds(gts, dets, crowd=()):
    """Kinds by name; gts: (label, box), dets: (label, box, score)."""
    boxes = np.array([box for _, box in gts], float).reshape(-1, 4)
    truths = GroundTruths(
        np.zeros(len(gts), int),
        np.array([label for label, _ in gts], int),
        boxes,
        boxes[:, 2] * boxes[:, 3],
        np.isin(np.arange(len(gts)), crowd),
    )
    detections = Detections(
        np.zeros(len(dets), int),
        np.array([label for label, _, _ in dets], int),
        np.array([box for _, box, _ in dets], float).reshape(-1, 4),
        np.array([score for _, _, score in dets], float),
    )
    return {k.name: k for k in error_kinds(Matching(detections, truths), 2)}


@pytest.mark.parametrize(
    ('name', 'gts', 'dets', 'cost'),
    [
        # gone, the others are right: AP 1
        (
            'duplicate',
            [(0, A), (0, B)],
            [(0, A, 0.9), (0, A, 0.8), (0, B, 0.7)],
            1 - RIGHT_WRONG_RIGHT,
        ),
        (
            'background',
            [(0, A), (0, B)],
            [(0, A, 0.9), (0, (0, 90, 9, 9), 0.8), (0, B, 0.7)],
            1 - RIGHT_WRONG_RIGHT,
        ),
        # IoU 0.3 with C, which stays missed: class 1 has AP 0
        (
            'both',
            [(0, A), (0, B), (1, C)],
            [(0, A, 0.9), (0, (100, 0, 10, 3), 0.8), (0, B, 0.7)],
            (1 - RIGHT_WRONG_RIGHT) / 2,
        ),
        # becomes a hit of C: both classes have AP 1
        (
            'class',
            [(0, A), (0, B), (1, C)],
            [(0, A, 0.9), (0, C, 0.8), (0, B, 0.7)],
            1 - RIGHT_WRONG_RIGHT / 2,
        ),
        # IoU 0.4 with B: becomes a hit
        (
            'localisation',
            [(0, A), (0, B)],
            [(0, A, 0.9), (0, (50, 0, 10, 4), 0.8)],
            1 - HALF,
        ),
        # the same, and the one that was right goes, its score is lower
        (
            'localisation',
            [(0, A), (0, B)],
            [(0, A, 0.9), (0, (50, 0, 10, 4), 0.8), (0, B, 0.7)],
            1 - RIGHT_WRONG_RIGHT,
        ),
        # right ones of higher scores stay, this one goes: nothing is gained
        (
            'localisation',
            [(0, A), (0, B)],
            [(0, A, 0.9), (0, B, 0.8), (0, (50, 0, 10, 4), 0.7)],
            0,
        ),
        # B does not count any more
        ('missed', [(0, A), (0, B)], [(0, A, 0.9)], 1 - HALF),
        # class 1 has no AP any more, the mean is that of class 0: from 1 / 2 to 1
        ('missed', [(0, A), (1, C)], [(0, A, 0.9)], 1 / 2),
    ],
)
def test_each_kind_alone(name, gts, dets, cost):
    found = kinds(gts, dets)
    assert found[name].count == 1
    assert found[name].cost == pytest.approx(cost)
    six = {'duplicate', 'class', 'localisation', 'both', 'background', 'missed'}
    expected = {name, 'missed'} if name == 'both' else {name}
    assert {n for n in six if found[n].count} == expected


def test_all_false_ones_of_a_side():
    # right, then B with IoU 0.4: recall ends at 1 / 2
    dets = [(0, A, 0.9), (0, (50, 0, 10, 4), 0.8)]
    found = kinds([(0, A), (0, B)], dets)
    assert found['false positives'].count == 1
    assert found['false positives'].cost == 0  # precision was 1 up to there
    assert found['false negatives'].count == 1
    # one ground truth is left, found first
    assert found['false negatives'].cost == pytest.approx(1 - HALF)


@pytest.mark.parametrize(
    ('bbox', 'name'),
    [
        # IoU 1 with C of another class and 1/3 with B of the own: 50 of 150
        ((55, 0, 10, 10), 'class'),
        # IoU 1 with C, but 2/3 with B, which is found already
        ((52, 0, 10, 10), 'duplicate'),
    ],
)
def test_the_greater_overlap_goes_first_then_the_own_class(bbox, name):
    dets = [(0, B, 0.9), (0, bbox, 0.8)]
    found = kinds([(0, B), (1, bbox)], dets)
    assert found[name].count == 1
    assert found['false positives'].count == 1


def test_what_lies_in_a_crowd_is_no_error():
    found = kinds([(0, A), (0, B)], [(0, B, 0.9), (0, B, 0.8)], crowd=[1])
    assert found['false positives'].count == 0
    assert found['missed'].count == 1


@pytest.mark.parametrize('dets', [[], [(0, A, 0.9)]])
def test_without_ground_truth_nothing_costs_anything(dets):
    found = kinds([], dets)
    assert {kind.cost for kind in found.values()} == {None}
    assert found['background'].count == len(dets)


def test_without_detections():
    found = kinds([(0, A)], [])
    assert found['missed'].count == 1
    assert found['missed'].cost is None  # no ground truth, no AP
    assert found['background'].cost == 0
