"""Drawing boxes with class names and scores.

Images are (H, W, 3) uint8 BGR, as OpenCV reads them; boxes (N, 4) xyxy in
pixels of the image.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torchvision.utils import draw_bounding_boxes, make_grid

from projects.core.tasks.drawing import (
    COLOURS,
    FONT,
    MAX_SIDE,
    MIN_SIDE,
    fitting,
    padded,
    shown_at,
)

LEAST_CANVAS = 160  # pixels; beside a strip there is room for a label
GAP = 6  # pixels between the tiles of a grid
MAX_TILES = 400


def draw_detections(
    image: np.ndarray,
    bboxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    classes: Sequence[str],
    gt_bboxes: np.ndarray | None = None,
    score_thr: float = 0.3,
    max_side: int = MAX_SIDE,
) -> np.ndarray:
    """The image with the boxes of score at least ``score_thr``.

    Each bears 'class score' on its class's colour, above the box where there
    is room; ground truth is a thin white box. An image with a side under
    ``MIN_SIDE`` comes back enlarged by a whole factor, one with a side over
    ``max_side`` reduced, and a strip with white beside it. Letters are of the
    same size in all.
    """
    low, high = min(image.shape[:2]), max(image.shape[:2])
    factor = max_side / high
    if factor >= 1:
        factor = max(1, min(round(MIN_SIDE / low), int(factor)))
    image = shown_at(image, factor)
    height, width = image.shape[:2]
    least = min(LEAST_CANVAS, max_side)
    image = padded(image, least, least)[..., ::-1]
    canvas = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    if gt_bboxes is not None and len(gt_bboxes):
        canvas = draw_bounding_boxes(
            canvas, _drawable(gt_bboxes, factor, height, width), colors='white', width=1
        )
    keep = scores >= score_thr
    if keep.any():
        texts = [
            (classes[label], f' {score:.2f}')
            for label, score in zip(labels[keep], scores[keep], strict=True)
        ]
        boxes = _drawable(bboxes[keep], factor, height, width)
        canvas = _with_boxes(canvas, boxes, labels[keep], texts)
    return np.ascontiguousarray(canvas.permute(1, 2, 0).numpy()[..., ::-1])


def draw_boxes(
    image: np.ndarray,
    bboxes: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    factor: float,
) -> np.ndarray:
    """An image with boxes that bear the names of their classes.

    Args:
        image: Already ``factor`` times as large as it was.
        bboxes: In pixels of the image as it was.
        labels: (N,), which say the colours.
        names: Class of each box.
        factor: See above.
    """
    if not len(bboxes):
        return image
    canvas = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)
    boxes = _drawable(bboxes, factor, *image.shape[:2])
    canvas = _with_boxes(canvas, boxes, labels, [(name, '') for name in names])
    return np.ascontiguousarray(canvas.permute(1, 2, 0).numpy()[..., ::-1])


def _with_boxes(
    canvas: torch.Tensor,
    boxes: torch.Tensor,
    labels: np.ndarray,
    texts: list[tuple[str, str]],
) -> torch.Tensor:
    colours = [COLOURS[label % len(COLOURS)] for label in labels]
    canvas = draw_bounding_boxes(canvas, boxes, colors=colours, width=2)
    return _label(canvas, boxes, colours, texts)


def _label(
    canvas: torch.Tensor,
    boxes: torch.Tensor,
    colours: list[tuple[int, int, int]],
    texts: list[tuple[str, str]],
) -> torch.Tensor:
    """Names and scores on their colours: torchvision would put them inside the
    boxes, where they cover what is small."""
    picture = Image.fromarray(canvas.permute(1, 2, 0).contiguous().numpy())
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, 14)
    for (x, y, _, y2), colour, (name, score) in zip(
        boxes.tolist(), colours, texts, strict=True
    ):
        room = picture.width - 4 - font.getlength(score)
        text = fitting(name, room, font.getlength) + score
        left, top, right, bottom = font.getbbox(text)
        width, height = right - left + 4, bottom - top + 4
        x = max(0, min(x - 1, picture.width - width))
        if y >= height:
            y -= height
        elif y2 - y < height:  # a strip
            y = y2 + 2
        pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
        pen.text((x + 2 - left, y + 2 - top), text, fill='black', font=font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _drawable(
    bboxes: np.ndarray, factor: float, height: int, width: int
) -> torch.Tensor:
    """Boxes of the image at its new size, inside it, at least a pixel wide."""
    boxes = torch.as_tensor(bboxes, dtype=torch.float32).nan_to_num() * factor
    last = boxes.new_tensor([width - 1, height - 1])
    low = boxes[:, :2].minimum(last - 1).clamp(min=0)
    high = boxes[:, 2:].minimum(last).maximum(low + 1)
    return torch.cat([low, high], 1)


def grid_layout(num_images: int) -> tuple[int, int]:
    """Columns of a grid, four at least, and the largest side of its tiles, with
    which it is not larger than a picture may be."""
    columns = max(4, math.isqrt(max(0, num_images - 1)) + 1)
    return columns, (MAX_SIDE - GAP) // columns - GAP


def draw_grid(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images side by side, each padded to the largest height and width.

    Larger ones than :func:`grid_layout` gives are reduced.

    Args:
        images: Not more than ``MAX_TILES``.
    """
    columns, side = grid_layout(len(images))
    images = [
        image
        if max(image.shape[:2]) <= side
        else shown_at(image, side / max(image.shape[:2]))
        for image in images
    ]
    height = max(image.shape[0] for image in images)
    width = max(image.shape[1] for image in images)
    tiles = np.stack([padded(image, height, width) for image in images])
    grid = make_grid(
        torch.from_numpy(tiles).permute(0, 3, 1, 2),
        nrow=columns,
        padding=GAP,
        pad_value=255,
    )
    return np.ascontiguousarray(grid.permute(1, 2, 0).numpy())
