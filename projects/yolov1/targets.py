"""Cells, boxes and overlaps of YOLOv1 (paper, Sec. 2 and 2.2).

Shapes: S cells a side, B boxes a cell, M objects, K that got a cell. A coded
box is (x, y, sqrt w, sqrt h): the centre's offset from its cell's upper left
corner, in cells; the sides in image sides. A decoded one is (cx, cy, w, h),
all in image sides.
"""

import torch
from torch import Tensor

# darknet leaves out what is narrower or lower than this share of the image
MIN_SIDE = 0.005


def assign_to_cells(
    bboxes: Tensor,
    image_ids: Tensor,
    num_images: int,
    grid_size: int,
    input_shape: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Give each object to the cell that holds its centre, one to a cell.

    What reaches over the border is cut off; then objects with a side under
    ``MIN_SIDE`` are left out. A centre on the right or bottom border belongs
    to the last cell. Of several objects in a cell, one drawn at random has it
    and the others are left out, as in darknet.

    Args:
        bboxes: (M, 4) xyxy, pixels of the network input.
        image_ids: (M, ) in [0, num_images).
        num_images: Images in the batch.
        grid_size: S.
        input_shape: Height and width of the network input, pixels.

    Returns:
        Of K objects: index of the cell in the batch, (K, ) in
        [0, num_images * S * S); coded box, (K, 4); index among the M, (K, ).
    """
    chosen, corners, cell_ids = cells_of(bboxes, image_ids, grid_size, input_shape)
    # the first of a random order takes the cell
    turn = torch.randperm(len(chosen), device=chosen.device)
    first_turn = turn.new_full((num_images * grid_size**2,), len(turn))
    first_turn.scatter_reduce_(0, cell_ids, turn, 'amin')
    wins = first_turn[cell_ids] == turn
    centres = (corners[:, :2] + corners[:, 2:]) / 2 * grid_size
    offsets = centres - centres.long().clamp(max=grid_size - 1)
    coded = torch.cat([offsets, (corners[:, 2:] - corners[:, :2]).sqrt()], 1)
    return cell_ids[wins], coded[wins], chosen[wins]


def cells_of(
    bboxes: Tensor,
    image_ids: Tensor,
    grid_size: int,
    input_shape: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """The cell that holds each object's centre, as in :func:`assign_to_cells`.

    Returns:
        Of the m objects that are large enough: index among the M, (m, ); corners xyxy
        in image sides, (m, 4); index of the cell in the batch, (m, ).
    """
    height, width = input_shape
    corners = (bboxes / bboxes.new_tensor([width, height, width, height])).clamp(0, 1)
    sides = corners[:, 2:] - corners[:, :2]
    # written so that a side which is no number fails it
    chosen = (sides >= MIN_SIDE).all(1).nonzero()[:, 0]
    corners = corners[chosen]
    centres = (corners[:, :2] + corners[:, 2:]) / 2 * grid_size
    columns_rows = centres.long().clamp(max=grid_size - 1)
    cell_ids = (
        image_ids[chosen] * grid_size**2
        + columns_rows[:, 1] * grid_size
        + columns_rows[:, 0]
    )
    return chosen, corners, cell_ids


def decode_boxes(coded: Tensor, cell_ids: Tensor, grid_size: int) -> Tensor:
    """(cx, cy, w, h) in image sides of coded boxes (..., K, B, 4).

    ``cell_ids``, (K, ), may count cells of a batch: images follow each other.
    The side is the square of what is predicted, whatever its sign.
    """
    cell = cell_ids % grid_size**2
    corner = torch.stack([cell % grid_size, cell // grid_size], -1)
    centre = (coded[..., :2] + corner[:, None]) / grid_size
    return torch.cat([centre, coded[..., 2:].square()], -1)


def paired_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU (...) of (cx, cy, w, h) boxes (..., 4) that broadcast; 0 without
    area."""
    low = torch.maximum(
        boxes[..., :2] - boxes[..., 2:] / 2, others[..., :2] - others[..., 2:] / 2
    )
    high = torch.minimum(
        boxes[..., :2] + boxes[..., 2:] / 2, others[..., :2] + others[..., 2:] / 2
    )
    overlap = (high - low).clamp(min=0).prod(-1)
    union = boxes[..., 2:].prod(-1) + others[..., 2:].prod(-1) - overlap
    return overlap / union.clamp(min=1e-12)
