"""Kinds of error of a detector, and the AP that each costs.

The analysis of Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection
Errors", ECCV 2020, https://arxiv.org/abs/2008.08115, Sec. 2, of AP at IoU 0.5.

Legend: D detections by descending score, G ground truths, K classes.
"""

from dataclasses import dataclass

import numpy as np

from projects.core.tasks.detection.matching import (
    LEAST_IOU,
    Matching,
    mean_precision,
    precision_at_recalls,
)

FOREGROUND, BACKGROUND = 0.5, LEAST_IOU  # t_f and t_b of the paper
# those of detections, in the order that they are looked for in
KINDS = ('duplicate', 'class', 'localisation', 'both', 'background')


@dataclass
class ErrorKind:
    """A kind of error.

    Args:
        name: One of ``KINDS``, 'missed', 'false positives' or 'false negatives'.
        count: How many there are.
        cost: AP50 that would be gained without them; None if there is no AP.
    """

    name: str
    count: int
    cost: float | None


@dataclass
class Errors:
    """What is wrong with each detection and each ground truth.

    Args:
        kind: (D, ) index of ``KINDS``; -1 of those that are right or ignored.
        target: (D, ) ground truth that it was meant for, of errors of class and of
            localisation; -1 of the others.
        missed: (G, ) bool, not found and no target either.
    """

    kind: np.ndarray
    target: np.ndarray
    missed: np.ndarray


def errors_of(matching: Matching) -> Errors:
    """Name the error of each false positive and each false negative (Sec. 2.2).

    By the greatest IoU with a ground truth of its own class and of another one, a
    false positive is, as it is first:

    - *duplicate*: own class, 0.5 or more; another detection has found that one;
    - *class*: another class, 0.5 or more;
    - *localisation*: own class, 0.1 or more;
    - *both*: another class, 0.1 or more;
    - *background*: of none of them.

    A ground truth is *missed* if nothing finds it, and no error of class or of
    localisation was meant for it. Where several definitions hold, here the greater
    overlap goes first, then the own class.
    """
    match = matching.match()
    counted = ~match.gt_ignored[matching.gt]
    own_gt, own_iou = matching.best(matching.same & counted)
    other_gt, other_iou = matching.best(~matching.same & counted)
    kind = np.select(
        [
            own_iou >= FOREGROUND,
            other_iou >= FOREGROUND,
            own_iou >= BACKGROUND,
            other_iou >= BACKGROUND,
        ],
        range(4),
        default=4,
    )
    kind = np.where(match.miss, kind, -1)
    target = np.select(
        [kind == KINDS.index('class'), kind == KINDS.index('localisation')],
        [other_gt, own_gt],
        default=-1,
    )
    missed = ~match.gt_ignored & ~match.gt_found
    missed[target[target >= 0]] = False
    return Errors(kind, target, missed)


def error_kinds(matching: Matching, num_classes: int) -> list[ErrorKind]:
    """Counts of the kinds of error, and what each costs (Sec. 2.3).

    The cost is that of AP50 when the errors of this kind alone are made good: those of
    class and localisation find their target, if no detection of a higher score does,
    and the one of the lower score goes; the other false positives go; missed ground
    truths go. Of the last two kinds, which are not of the six, all false positives go,
    or all ground truths that are not found. A class that is left without ground truth
    has no AP and does not count, as in COCO's mean.
    """
    match, errors = matching.match(), errors_of(matching)
    dets, gts = matching.detections, matching.truths
    hit = match.hit
    found = np.where(hit, match.gt, -1)  # by each detection
    counted = ~match.gt_ignored

    def ap50(keep=None, claim=found, lost=None) -> float | None:
        """AP50 of detections that are kept, with the ground truths that they find,
        without the ground truths that are lost."""
        keep = ~match.ignored if keep is None else keep & ~match.ignored
        # of none, -1, the detection's own
        label = np.where(claim >= 0, np.append(gts.label, -1)[claim], dets.label)[keep]
        left = counted if lost is None else counted & ~lost
        num_gts = np.bincount(gts.label[left], minlength=num_classes)
        return mean_precision(precision_at_recalls(label, (claim >= 0)[keep], num_gts))

    before = ap50()

    def cost(**fix) -> float | None:
        after = ap50(**fix)
        return None if before is None or after is None else after - before

    kinds = []
    for i, name in enumerate(KINDS):
        of_kind = errors.kind == i
        fix = dict(keep=~of_kind)
        if name in ('class', 'localisation'):
            claim = np.where(of_kind, errors.target, found)
            claims = np.flatnonzero(claim >= 0)
            first = np.unique(claim[claims], return_index=True)[1]
            keep = claim < 0
            keep[claims[first]] = True
            fix = dict(keep=keep, claim=claim)
        kinds.append(ErrorKind(name, int(of_kind.sum()), cost(**fix)))
    not_found = counted & ~match.gt_found
    for name, lost in (('missed', errors.missed), ('false negatives', not_found)):
        kinds.append(ErrorKind(name, int(lost.sum()), cost(lost=lost)))
    wrong = match.miss
    kinds.append(ErrorKind('false positives', int(wrong.sum()), cost(keep=~wrong)))
    return kinds
