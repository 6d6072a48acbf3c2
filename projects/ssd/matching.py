"""Which default box answers for which object (paper, Sec. 2.2).

Shapes: N images, P default boxes, M objects of the whole batch. Boxes are
xyxy, pixels of the network input.
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def pairwise_iou(bboxes: Tensor, others: Tensor) -> Tensor:
    """IoU (n, m) of xyxy boxes (n, 4) and (m, 4) that have an area or not, but
    not both without.

    Coordinate by coordinate, which takes a quarter of the time of
    ``torchvision.ops.box_iou`` on a CPU.
    """
    x1, y1, x2, y2 = bboxes.t()[:, :, None]
    u1, v1, u2, v2 = others.t().contiguous()[:, None]
    width = torch.minimum(x2, u2).sub_(torch.maximum(x1, u1)).clamp_(min=0)
    height = torch.minimum(y2, v2).sub_(torch.maximum(y1, v1)).clamp_(min=0)
    overlap = width.mul_(height)
    area = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1)
    return overlap.div_(area.sub_(overlap))


def match(
    gt_bboxes: Tensor,
    counts: list[int],
    default_boxes: Tensor,
    iou_thr: float = 0.5,
    bipartite: bool = True,
) -> Tensor:
    """Match every default box of every image to an object, or to none.

    A default box takes the object that it overlaps best, if their IoU is at
    least ``iou_thr``; but first each object takes a default box for its own,
    see :func:`best_default_boxes`. An object that overlaps none, such as one
    without area, has none.

    Args:
        gt_bboxes: (M, 4), image by image.
        counts: Objects of each of the N images.
        default_boxes: (P, 4).
        iou_thr: Least IoU, above 0.
        bipartite: Whether objects share no first choice.

    Returns:
        (N, P) indices in [0, M), or -1.
    """
    num_images, num_boxes = len(counts), len(default_boxes)
    matched = torch.full((num_images, num_boxes), -1, device=gt_bboxes.device)
    if not len(gt_bboxes):
        return matched
    sizes = torch.tensor(counts, device=gt_bboxes.device)
    image_ids = torch.arange(num_images, device=gt_bboxes.device).repeat_interleave(
        sizes
    )
    ious = pairwise_iou(gt_bboxes, default_boxes)  # (M, P)
    # no area, inside out or not a number
    ious[~(gt_bboxes[:, 2:] > gt_bboxes[:, :2]).all(1)] = 0
    padded = pad_sequence(ious.split(counts), batch_first=True)
    # few boxes pass: which object it is need not be known of the others
    image_id, box = (padded.amax(1) >= iou_thr).nonzero(as_tuple=True)
    first = (sizes.cumsum(0) - sizes)[image_id]  # object of the image
    matched[image_id, box] = first + padded[image_id, :, box].argmax(1)

    objects, first_choice = best_default_boxes(ious, image_ids, bipartite)
    # the last one stays where several share a default box
    owners = matched.new_full((num_images * num_boxes,), -1)
    owners.scatter_reduce_(
        0, image_ids[objects] * num_boxes + first_choice, objects, 'amax'
    )
    owners = owners.view_as(matched)
    return torch.where(owners >= 0, owners, matched)


def best_default_boxes(
    ious: Tensor, image_ids: Tensor, bipartite: bool
) -> tuple[Tensor, Tensor]:
    """The default box that each object overlaps best.

    Where ``bipartite``, two objects of an image share none: the pair of the
    largest IoU is matched first and leaves, then the next, as in the authors'
    code. It is found for all images at once: every object asks for its best
    default box; each box takes the best of those who ask; who was refused
    asks for the next best. Nobody asks twice, and since both sides rank by
    the same IoU the outcome is that of the pairs in turn.

    Args:
        ious: (M, P); changed where ``bipartite``.
        image_ids: (M, ), rising.
        bipartite: See above.

    Returns:
        Objects that overlap one, indices in [0, M), rising, and their default
        boxes, indices in [0, P).
    """
    num_objects, num_boxes = ious.shape
    num_keys = int(image_ids[-1] + 1) * num_boxes
    values, choice = ious.max(1)
    while bipartite:
        keys = image_ids * num_boxes + choice
        turn = values.argsort(descending=True, stable=True).argsort()
        first_turn = turn.new_full((num_keys,), num_objects)
        first_turn.scatter_reduce_(0, keys, turn, 'amin')
        refused = ((turn > first_turn[keys]) & (values > 0)).nonzero()[:, 0]
        if not len(refused):
            break
        ious[refused, choice[refused]] = 0
        values[refused], choice[refused] = ious[refused].max(1)
    objects = (values > 0).nonzero()[:, 0]
    return objects, choice[objects]
