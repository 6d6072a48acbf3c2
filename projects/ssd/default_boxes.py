"""Default boxes of SSD and the coding of boxes by them (paper, Sec. 2.2).

Shapes: L levels, P default boxes of all levels, K boxes. Boxes are
(cx, cy, w, h) or xyxy as said, in pixels of the network input.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import box_convert

# "variances" of the authors' code: centre and size
STDS = (0.1, 0.1, 0.2, 0.2)
# a side is not decoded beyond 62.5 times its default box's, as exp overflows
MAX_LOG_SCALE = math.log(1000 / 16)

MAX_CACHED = 32


class DefaultBoxes:
    """Default boxes of maps, level by level, row by row, then box by box.

    At each position a level has squares of sides s and sqrt(s * s'), where s
    is its ``min_sizes`` and s' its ``max_sizes``, then for each ratio r boxes
    of s * sqrt(r) by s / sqrt(r), lying and standing.

    Args:
        min_sizes: s of each level, pixels of the network input.
        max_sizes: s' of each level, pixels.
        ratios: Aspect ratios above 1 of each level; each stands for its
            inverse as well.
        steps: Distance of two positions of each level, pixels. The first
            position is half of it from the border.
        max_side: What longer sides are cut to, pixels; None as in the
            authors' code, torchvision cuts to the image's side.

    Raises:
        ValueError: If the levels are not as many in all of them.
    """

    def __init__(
        self,
        min_sizes: Sequence[float],
        max_sizes: Sequence[float],
        ratios: Sequence[Sequence[float]],
        steps: Sequence[float],
        max_side: float | None = None,
    ) -> None:
        if not len(min_sizes) == len(max_sizes) == len(ratios) == len(steps):
            raise ValueError(
                f'{len(min_sizes)} min_sizes, {len(max_sizes)} max_sizes, '
                f'{len(ratios)} ratios and {len(steps)} steps: one of each is '
                'needed for a level'
            )
        self.steps = tuple(steps)
        self.sides = []  # (width, height) of each level's boxes
        for small, large, level_ratios in zip(
            min_sizes, max_sizes, ratios, strict=True
        ):
            between = math.sqrt(small * large)
            sides = [(small, small), (between, between)]
            for ratio in level_ratios:
                long, short = small * ratio**0.5, small / ratio**0.5
                sides += [(long, short), (short, long)]
            self.sides.append(
                [(min(w, max_side or w), min(h, max_side or h)) for w, h in sides]
            )
        self._made: dict[tuple, Tensor] = {}

    @property
    def num_boxes(self) -> list[int]:
        """Boxes at a position of each level."""
        return [len(sides) for sides in self.sides]

    def __call__(
        self, map_sizes: Sequence[tuple[int, int]], device: torch.device | str = 'cpu'
    ) -> Tensor:
        """(P, 4) boxes (cx, cy, w, h) for maps of (height, width) each.

        Made once for these sizes on that device.
        """
        key = (tuple(map(tuple, map_sizes)), torch.device(device))
        if key not in self._made:
            if len(self._made) == MAX_CACHED:  # inputs of ever new sizes
                self._made.clear()
            self._made[key] = self.make(map_sizes, device)
        return self._made[key]

    def best_ious(self, bboxes: Tensor, map_sizes: Sequence[tuple[int, int]]) -> Tensor:
        """The largest IoU of each of K xyxy boxes with any default box, (K, ).

        Of the boxes of one shape on a level that at the position nearest to the
        object's centre is the best, in each direction by itself, so that a few dozen
        are compared in place of thousands.

        Args:
            bboxes: (K, 4), pixels of the network input.
            map_sizes: (height, width) of each level.
        """
        sides = bboxes[:, 2:] - bboxes[:, :2]
        centres = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        best = bboxes.new_zeros(len(bboxes))
        for (height, width), step, level in zip(
            map_sizes, self.steps, self.sides, strict=True
        ):
            last = bboxes.new_tensor([width - 1, height - 1])
            place = (centres / step).floor().clamp(min=0).minimum(last)
            apart = (centres - (place + 0.5) * step).abs()
            for side in bboxes.new_tensor(level):
                overlap = ((sides + side) / 2 - apart).clamp(min=0)
                overlap = overlap.minimum(sides).minimum(side).prod(1)
                union = sides.prod(1) + side.prod() - overlap
                best = best.maximum(overlap / union)
        return best

    def make(
        self, map_sizes: Sequence[tuple[int, int]], device: torch.device | str = 'cpu'
    ) -> Tensor:
        """The same boxes, made anew; an export can trace it."""
        levels = []
        for (height, width), step, sides in zip(
            map_sizes, self.steps, self.sides, strict=True
        ):
            # as exact as Python's numbers
            y, x = (
                (torch.arange(n, dtype=torch.float64, device=device) + 0.5) * step
                for n in (height, width)
            )
            sizes = torch.tensor(sides, dtype=torch.float64, device=device)
            shape = height, width, len(sides)
            boxes = [
                x[None, :, None].expand(shape),
                y[:, None, None].expand(shape),
                *(side.expand(shape) for side in sizes.unbind(1)),
            ]
            levels.append(torch.stack(boxes, -1).reshape(-1, 4))
        return torch.cat(levels).float()


def encode(bboxes: Tensor, default_boxes: Tensor) -> Tensor:
    """What the network is to predict, (K, 4), for xyxy boxes (K, 4) with an
    area, each on its default box (K, 4) (cx, cy, w, h): Eq. 2."""
    bboxes = box_convert(bboxes, 'xyxy', 'cxcywh')
    centre = (bboxes[:, :2] - default_boxes[:, :2]) / default_boxes[:, 2:]
    size = (bboxes[:, 2:] / default_boxes[:, 2:]).log()
    return torch.cat([centre, size], 1) / bboxes.new_tensor(STDS)


def decode(bbox_preds: Tensor, default_boxes: Tensor) -> Tensor:
    """xyxy boxes (..., 4) of predictions (..., 4) on default boxes (..., 4)."""
    preds = bbox_preds * bbox_preds.new_tensor(STDS)
    centre = preds[..., :2] * default_boxes[..., 2:] + default_boxes[..., :2]
    size = preds[..., 2:].clamp(max=MAX_LOG_SCALE).exp() * default_boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], -1)
