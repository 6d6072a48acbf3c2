"""What is odd about the boxes and images of a data set, whatever its format.

Legend: N boxes, (N, 4) xywh in pixels of the image file.
"""

import numpy as np

from projects.core.errors import UserError, listed

BORDER_TOLERANCE = 0.01  # pixels; annotation tools round
LARGEST = 2**31  # pixels; beyond it float32 of a box is of no use


def flaws_of(
    boxes: np.ndarray, areas: np.ndarray, sizes: np.ndarray
) -> dict[str, np.ndarray]:
    """Which boxes are flawed: masks, (N, ) bool; a box has one flaw at most.

    Args:
        areas: (N, ), the 'area' field of COCO.
        sizes: (N, 2), width and height of the image of each box.

    Returns:
        dict: 'infinite' (or of a size that no image has), 'tiny' (narrower or
        lower than a pixel), 'no_area' (by the field alone), 'outside' and
        'over' the border of the image.
    """
    finite = (np.abs(boxes) < LARGEST).all(1) & np.isfinite(areas)
    x1, y1, w, h = np.where(finite[:, None], boxes, 0).T
    x2, y2, (width, height) = x1 + w, y1 + h, sizes.T
    tiny = finite & ((w < 1) | (h < 1))
    no_area = finite & ~tiny & (areas <= 0)
    sound = finite & ~tiny & ~no_area
    outside = sound & (
        (np.minimum(x2, width) <= np.maximum(x1, 0))
        | (np.minimum(y2, height) <= np.maximum(y1, 0))
    )
    over = (
        sound
        & ~outside
        & (
            (np.minimum(x1, y1) < -BORDER_TOLERANCE)
            | (np.maximum(x2 - width, y2 - height) > BORDER_TOLERANCE)
        )
    )
    return dict(
        infinite=~finite, tiny=tiny, no_area=no_area, outside=outside, over=over
    )


def look_normalised(boxes: np.ndarray) -> bool:
    """Whether all boxes end within a pixel of the origin."""
    return bool((boxes[:, :2] + boxes[:, 2:]).max() <= 1)


def box_notices(
    path: str, names: list, rows: list[tuple[np.ndarray, str, str]], what: str
) -> list[str]:
    """A notice for each flaw that there is.

    Args:
        names: Of the boxes, (N, ).
        rows: A mask of the boxes, the flaw and its consequence.
        what: What the names are of.
    """
    notices = []
    for mask, flaw, consequence in rows:
        if mask.any():
            some = listed((names[i] for i in np.flatnonzero(mask)[:4]), 3)
            notices.append(
                f'{path}: {mask.sum()} of {len(names)} boxes {flaw} '
                f'({what} {some}): {consequence}'
            )
    return notices


def check_filter(
    path: str, sizes: np.ndarray, has_boxes: np.ndarray, filter_cfg: dict
) -> list[str]:
    """Notice of images that a training's ``filter_cfg`` leaves out as too small.

    Args:
        sizes: (I, 2), width and height of the images; NaN where not known.
        has_boxes: (I, ) bool, whether an image holds a box of our classes.

    Raises:
        UserError: If no image is left.
    """
    least = filter_cfg.get('min_size', 0)
    if not isinstance(least, (int, float)):
        raise UserError(f'filter_cfg.min_size is {least!r}; it must be a number')
    small = sizes.min(1) < least
    kept = ~small & (has_boxes | (not filter_cfg.get('filter_empty_gt', False)))
    flaw = (
        f'{path}: {small.sum()} of {len(small)} images are narrower or lower than '
        f'filter_cfg.min_size={least} pixels'
    )
    if not kept.any():
        raise UserError(
            f'{flaw}, and {(~has_boxes & ~small).sum()} hold no box of the classes, so '
            'that none is left to train on; set filter_cfg.min_size=0'
        )
    return [f'{flaw}: they are left out'] if small.any() else []
