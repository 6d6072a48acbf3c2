"""Overlap and suppression of boxes, by torchvision and plain torch.

Names and arguments are those of ``mmcv._ext``. N boxes are (N, 4) xyxy in
pixels. ``offset`` is 1 where x2 is the last pixel of the box, which is then
x2 - x1 + 1 wide, else 0.
"""

import torch
import torchvision
from torch import Tensor


def _areas(boxes: Tensor, offset: int) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2] + offset).prod(-1)


def _intersections(boxes1: Tensor, boxes2: Tensor, offset: int) -> Tensor:
    top_left = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    bottom_right = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    return (bottom_right - top_left + offset).clamp(min=0).prod(-1)


def _ious(boxes1: Tensor, boxes2: Tensor, offset: int = 0) -> Tensor:
    """IoU of boxes that broadcast against each other; NaN for two points."""
    overlaps = _intersections(boxes1, boxes2, offset)
    unions = _areas(boxes1, offset) + _areas(boxes2, offset) - overlaps
    return overlaps / unions


def bbox_overlaps(
    bboxes1: Tensor,
    bboxes2: Tensor,
    ious: Tensor,
    mode: int,
    aligned: bool,
    offset: int,
) -> None:
    """Write the overlap of (M, 4) and (N, 4) boxes to ``ious``.

    Args:
        ious: Output, (M, N), or (M, ) for ``aligned``, where M = N.
        mode: 0 divides by the union, 1 by the area of the first box.
    """
    if not aligned:
        bboxes1 = bboxes1[:, None]
    if mode == 0:
        ious.copy_(_ious(bboxes1, bboxes2, offset))
    else:
        ious.copy_(_intersections(bboxes1, bboxes2, offset) / _areas(bboxes1, offset))


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that stay, best score first.

    A box goes if its IoU with a better one that stays is above
    ``iou_threshold``.
    """
    if boxes.dtype not in (torch.float32, torch.float64):
        boxes = boxes.float()  # torchvision's CPU kernel knows no half
    if offset:
        # one pixel more at the far end makes the same widths and overlaps
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    # torchvision compares in double, where a float32 IoU of 2 / 5 is above 0.4
    iou_threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    # torchvision wants one type; a wider one keeps the order of the scores
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Indices (K, ) of the boxes that stay, best decayed score first.

    Each box that is chosen decays the scores of those that are left.

    Args:
        dets: Output, (N, 5); its first K rows get x1, y1, x2, y2, score.
        min_score: A box whose decayed score is below is dropped.
        method: Factor of the score, for an overlap ``iou``: 0 (naive) drops
            ``iou >= iou_threshold``; 1 (linear) is 1 - iou for those;
            2 (gaussian) is exp(-iou^2 / sigma) for all.
    """
    order = torch.arange(len(boxes), device=boxes.device)
    scores = scores.clone()
    num_chosen = 0
    while num_chosen < len(order):
        # swapped, not shifted: equal scores then leave in mmcv's order
        best = num_chosen + int(scores[order[num_chosen:]].argmax())
        order[[num_chosen, best]] = order[[best, num_chosen]]
        chosen, left = order[num_chosen], order[num_chosen + 1 :]
        dets[num_chosen, :4] = boxes[chosen]
        dets[num_chosen, 4] = scores[chosen]
        num_chosen += 1

        ious = _ious(boxes[chosen], boxes[left], offset)
        if method == 2:
            decay = torch.exp(-(ious**2) / sigma)
        else:
            decay = 1 - ious if method == 1 else torch.zeros_like(ious)
            decay = decay.where(ious >= iou_threshold, torch.ones_like(ious))
        scores[left] *= decay
        order = torch.cat(
            [order[:num_chosen], left[_compact(~(scores[left] < min_score))]]
        )
    return order


def _compact(keep: Tensor) -> Tensor:
    """Positions of the kept items when the last kept one fills each gap."""
    num_kept = int(keep.sum())
    positions = torch.arange(num_kept, device=keep.device)
    gaps = (~keep[:num_kept]).nonzero().squeeze(1)
    positions[gaps] = keep[num_kept:].nonzero().squeeze(1).flip(0) + num_kept
    return positions


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Group each box that stays with those it suppresses, itself first.

    Args:
        dets: (N, 5) x1, y1, x2, y2, score.
        iou_threshold: A box is suppressed if its IoU with the best is at
            least this (not above, as for :func:`nms`).

    Returns:
        Indices of the boxes per group, both by falling score.
    """
    left = dets[:, 4].sort(descending=True, stable=True).indices
    groups = []
    while len(left):
        best, left = left[0], left[1:]
        suppressed = _ious(dets[best, :4], dets[left, :4]) >= iou_threshold
        groups.append([int(best), *left[suppressed].tolist()])
        left = left[~suppressed]
    return groups
