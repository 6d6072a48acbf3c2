"""Suppression of lanes in plain torch, after Zheng et al., "CLRNet: Cross Layer
Refinement Network for Lane Detection", CVPR 2022,
https://arxiv.org/abs/2203.10350.

Names and arguments are those of ``mmcv._ext``.
"""

import torch
from torch import Tensor

NUM_OFFSETS = 72  # rows of the image at which a lane has an x
START, LENGTH, OFFSETS = 2, 4, 5  # columns of a lane


def line_nms_forward(
    boxes: Tensor, scores: Tensor, thresh: float, top_k: int
) -> list[Tensor]:
    """Keep the lanes of best score that are far from those kept before.

    Two lanes are near if, over the rows that both have, their x differ by less
    than ``thresh`` on average; without such rows they are not.

    mmcv's kernel compares the lane that stands at row i of ``boxes``, not the one
    of the i-th score, with those of lower scores than that. So does this one;
    lanes in the order of their scores are compared as they should be.

    Args:
        boxes: N lanes, (N, 77): start, as a fraction of the rows, in column 2;
            number of rows in column 4; x at each of 72 rows, in any unit, from
            column 5 on.
        scores: (N, ).
        thresh: In the unit of x.
        top_k: Most lanes to keep.

    Returns:
        Indices of the kept lanes, best first, (N, ), then zeros; how many they
        are, 0-dimensional; per lane the number, from 1 on, of the last kept lane
        near it, itself included, or 0, (N, ). All int64.

    Raises:
        ValueError: If ``boxes`` is not (N, 77).
    """
    if boxes.dim() != 2 or boxes.size(1) != OFFSETS + NUM_OFFSETS:
        raise ValueError(
            f'lanes of shape {tuple(boxes.shape)}, expected '
            f'(N, {OFFSETS + NUM_OFFSETS})'
        )
    order = scores.sort(dim=0, descending=True, stable=True).indices
    # the kernel rounds the threshold to float32 first
    thresh = torch.tensor(thresh, dtype=torch.float32).to(boxes)
    starts = (boxes[:, START] * (NUM_OFFSETS - 1) + 0.5).long()
    ends = starts + boxes[:, LENGTH].long() - 1
    rows = torch.arange(NUM_OFFSETS, device=boxes.device)

    keep, parents = torch.zeros_like(order), torch.zeros_like(order)
    removed = torch.zeros_like(order, dtype=torch.bool)
    num_kept = 0
    for i, index in enumerate(order.tolist()):
        if removed[i]:
            continue
        keep[num_kept] = index
        num_kept += 1
        others = order[i + 1 :]
        first = torch.maximum(starts[others], starts[i])
        last = torch.minimum(ends[others], ends[i]).clamp(max=NUM_OFFSETS - 1)
        shared = (rows >= first[:, None]) & (rows <= last[:, None])
        differences = (boxes[others, OFFSETS:] - boxes[i, OFFSETS:]).abs()
        distances = differences.where(shared, 0).sum(1)
        near = (distances < thresh * (last - first + 1)) & (last >= first)
        near &= first >= 0
        removed[i + 1 :] |= near
        parents[others[near]] = num_kept
        parents[index] = num_kept
        if num_kept == top_k:
            break
    return [keep, order.new_tensor(min(num_kept, top_k)), parents]
