"""Drawing boxes with class names and scores.

Images are (H, W, 3) uint8 BGR, as OpenCV reads them; boxes (N, 4) xyxy in
pixels of the image.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torchvision.utils import draw_bounding_boxes, make_grid

from projects.core.tasks.drawing import FONT, MIN_SIDE

# hues far apart for neighbouring classes, bright enough for black text
COLOURS = [
    (230, 90, 90),
    (90, 200, 90),
    (110, 150, 255),
    (240, 200, 60),
    (200, 110, 240),
    (70, 210, 210),
    (250, 150, 70),
    (160, 220, 80),
    (255, 130, 190),
    (170, 170, 170),
]


def draw_detections(
    image: np.ndarray,
    bboxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    classes: Sequence[str],
    gt_bboxes: np.ndarray | None = None,
    score_thr: float = 0.3,
) -> np.ndarray:
    """The image with the boxes of score at least ``score_thr``.

    Each bears 'class score' on its class's colour, above the box where there
    is room; ground truth is a thin white box. An image with a side under
    ``MIN_SIDE`` comes back enlarged by a whole factor.
    """
    factor = max(1, round(MIN_SIDE / min(image.shape[:2])))
    image = cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR
    )
    canvas = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)
    if gt_bboxes is not None and len(gt_bboxes):
        canvas = draw_bounding_boxes(
            canvas, _drawable(gt_bboxes, factor, image), colors='white', width=1
        )
    keep = scores >= score_thr
    if keep.any():
        colours = [COLOURS[label % len(COLOURS)] for label in labels[keep]]
        boxes = _drawable(bboxes[keep], factor, image)
        canvas = draw_bounding_boxes(canvas, boxes, colors=colours, width=2)
        canvas = _label(
            canvas,
            boxes,
            colours,
            [
                f'{classes[label]} {score:.2f}'
                for label, score in zip(labels[keep], scores[keep], strict=True)
            ],
        )
    return np.ascontiguousarray(canvas.permute(1, 2, 0).numpy()[..., ::-1])


def _label(
    canvas: torch.Tensor,
    boxes: torch.Tensor,
    colours: list[tuple[int, int, int]],
    texts: list[str],
) -> torch.Tensor:
    """Texts on their colours: torchvision would put them inside the boxes,
    where they cover what is small."""
    picture = Image.fromarray(canvas.permute(1, 2, 0).contiguous().numpy())
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, 14)
    for (x, y, *_), colour, text in zip(boxes.tolist(), colours, texts, strict=True):
        left, top, right, bottom = font.getbbox(text)
        width, height = right - left + 4, bottom - top + 4
        x = max(0, min(x - 1, picture.width - width))
        y = y - height if y >= height else y
        pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
        pen.text((x + 2 - left, y + 2 - top), text, fill='black', font=font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _drawable(bboxes: np.ndarray, factor: int, image: np.ndarray) -> torch.Tensor:
    """Boxes of the enlarged image, inside it, at least a pixel wide."""
    boxes = torch.as_tensor(bboxes, dtype=torch.float32) * factor
    height, width = image.shape[:2]
    low = boxes[:, :2].clamp(min=0).minimum(boxes.new_tensor([width - 2, height - 2]))
    high = (
        boxes[:, 2:].maximum(low + 1).minimum(boxes.new_tensor([width - 1, height - 1]))
    )
    return torch.cat([low, high], 1)


def draw_grid(images: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """Images side by side, each padded to the largest height and width."""
    height = max(image.shape[0] for image in images)
    width = max(image.shape[1] for image in images)
    padded = [
        cv2.copyMakeBorder(
            image,
            0,
            height - image.shape[0],
            0,
            width - image.shape[1],
            cv2.BORDER_CONSTANT,
            value=(255, 255, 255),
        )
        for image in images
    ]
    grid = make_grid(
        torch.from_numpy(np.stack(padded)).permute(0, 3, 1, 2),
        nrow=columns,
        padding=6,
        pad_value=255,
    )
    return np.ascontiguousarray(grid.permute(1, 2, 0).numpy())
