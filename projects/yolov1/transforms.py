"""Augmentation of YOLOv1 (paper, Sec. 2.2; amounts from darknet's cfg)."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.structures.bbox import autocast_box_type

from projects.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomEdgeJitter(BaseTransform):
    """Scale and shift: move each of the four edges by up to a share of a side.

    What lies outside the image becomes grey. Boxes are cut at the new edges;
    those without area, or of which less than ``min_visible`` is left, go.

    Changes ``img`` (H, W, 3), ``img_shape``, ``gt_bboxes``,
    ``gt_bboxes_labels`` and ``gt_ignore_flags``.

    Args:
        jitter: Largest move, as a share of the image's side.
        min_visible: Least share of a box's area that must be left, in [0, 1].
        pad_value: Grey of what lies outside, 0 to 255.
    """

    def __init__(
        self, jitter: float = 0.2, min_visible: float = 0.2, pad_value: int = 128
    ) -> None:
        self.jitter = jitter
        self.min_visible = min_visible
        self.pad_value = pad_value

    @cache_randomness
    def _edges(self) -> np.ndarray:
        return np.random.uniform(-self.jitter, self.jitter, 4)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        left, top, right, bottom = np.rint(
            self._edges() * (width, height, width, height)
        ).astype(int)
        new_width, new_height = width + right - left, height + bottom - top
        shift = np.float32([[1, 0, -left], [0, 1, -top]])
        results['img'] = cv2.warpAffine(
            results['img'],
            shift,
            (new_width, new_height),
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(self.pad_value,) * 3,
        )
        results['img_shape'] = (new_height, new_width)
        if 'gt_bboxes' in results:
            boxes = results['gt_bboxes']
            areas = boxes.areas
            boxes.translate_([-left, -top])
            boxes.clip_((new_height, new_width))
            # an area of 0 fails this even where min_visible is 0
            keep = (boxes.areas > 0) & (boxes.areas >= self.min_visible * areas)
            results['gt_bboxes'] = boxes[keep]
            for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
                if key in results:
                    results[key] = results[key][keep.numpy()]
        return results


@TRANSFORMS.register_module()
class RandomHSVScale(BaseTransform):
    """Multiply saturation and value (exposure) by random factors, shift hue.

    A factor is uniform in [1, limit], or its inverse, with equal chances.

    Args:
        saturation: Limit of the saturation's factor.
        exposure: Limit of the value's factor.
        hue: Largest shift of the hue, as a share of its circle.
    """

    def __init__(
        self, saturation: float = 1.5, exposure: float = 1.5, hue: float = 0.0
    ) -> None:
        self.limits = (saturation, exposure)
        self.hue = hue

    @cache_randomness
    def _draw(self) -> tuple[float, np.ndarray]:
        factors = np.random.uniform(1, self.limits)
        inverted = np.random.rand(2) < 0.5
        return (
            np.random.uniform(-self.hue, self.hue),
            np.where(inverted, 1 / factors, factors),
        )

    def transform(self, results: dict) -> dict:
        hue, factors = self._draw()
        hsv = cv2.cvtColor(results['img'].astype(np.uint8), cv2.COLOR_BGR2HSV)
        hsv = hsv.astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + hue * 180) % 180  # OpenCV: 180 a circle
        hsv[..., 1:] = (hsv[..., 1:] * factors).clip(0, 255)
        results['img'] = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
        return results
