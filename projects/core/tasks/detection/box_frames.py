"""How boxes may be stored other than as xywh in pixels of the image file.

Three things can be wrong at once, and are undone in this order: x and y are exchanged;
the four numbers are not x, y, width and height; they are in another frame, such as that
of the network's input.

Legend: N boxes, (N, 4); I images; "unit" coordinates are those of a frame up to one
factor for each axis, which is estimated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

# of network inputs, 1 of boxes in [0, 1] and 1000 of those in per mille
COMMON_SIDES = np.array([1, 100, 300, 550, 1000, 1333, *range(32, 2049, 32)])
SNAP = 0.03  # an estimate this near to a common side is taken for it
BIN = 0.04  # of the logarithm of a factor


class Form(NamedTuple):
    """What the four numbers are, and how xywh are computed from them."""

    fault: str
    change: str
    to_xywh: Callable[[np.ndarray], np.ndarray]


def _linear(*rows: tuple[float, ...]) -> Callable[[np.ndarray], np.ndarray]:
    matrix = np.array(rows, np.float64).T
    return lambda boxes: boxes @ matrix


FORMS = (
    Form(
        'bbox holds x1, y1, x2, y2 (xyxy, read as xywh)',
        'write bbox as [x1, y1, x2 - x1, y2 - y1]',
        _linear((1, 0, 0, 0), (0, 1, 0, 0), (-1, 0, 1, 0), (0, -1, 0, 1)),
    ),
    Form(
        'x and y were subtracted from the width and height (xywh, read as xyxy)',
        'the boxes were xywh before they were converted: do not convert them',
        _linear((1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1)),
    ),
    Form(
        'bbox holds the centre, width and height (cxcywh, read as xywh)',
        'write bbox as [cx - w / 2, cy - h / 2, w, h]',
        _linear((1, 0, -0.5, 0), (0, 1, 0, -0.5), (0, 0, 1, 0), (0, 0, 0, 1)),
    ),
    Form(
        'x and y lie half a box too far left and up (xywh, read as cxcywh)',
        'the boxes were xywh before they were converted: do not convert them',
        _linear((1, 0, 0.5, 0), (0, 1, 0, 0.5), (0, 0, 1, 0), (0, 0, 0, 1)),
    ),
)


def exchange_axes(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, [1, 0, 3, 2]]


class Family(NamedTuple):
    """Frames that differ by a factor: (unit = pixel * scale + offset) * factor.

    ``units`` gives scale and offset, (I, 2) each, from the sizes of the images;
    ``per_axis`` says whether each axis has a factor of its own; ``words`` name the
    frame from the factors.
    """

    units: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    per_axis: bool
    words: Callable[[np.ndarray], tuple[str, str]]


def _scaled(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = np.broadcast_to(np.reshape(scale, (len(scale), -1)), (len(scale), 2))
    return scale, np.zeros_like(scale)


def _letterbox(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    long = sizes.max(1, keepdims=True)
    return np.broadcast_to(1 / long, sizes.shape), (long - sizes) / 2 / long


def _bounded(sizes: np.ndarray, scale: tuple[int, int]) -> np.ndarray:
    """mmdet's Resize(keep_ratio=True) by its two bounds."""
    return np.minimum(max(scale) / sizes.max(1), min(scale) / sizes.min(1))


def _shown(value: float) -> str:
    return f'{value:.4g}'


def _by_factor(factor: np.ndarray) -> tuple[str, str]:
    value = _shown(factor.mean())
    return (
        f'all boxes are {value} times as far from the origin, and as large',
        f'divide the boxes by {value}, such as scale_factor of the network input',
    )


def _by_side(what: str, undo: str, factor: np.ndarray) -> tuple[str, str]:
    side = _shown(factor.mean())
    return what.format(side), undo.format(side)


def _by_sides(factor: np.ndarray) -> tuple[str, str]:
    if np.allclose(factor, 1, rtol=0.02):
        return (
            'the boxes are normalised to [0, 1]',
            'multiply x and width by the width of the image, y and height by its '
            'height',
        )
    sides = ' x '.join(map(_shown, factor))
    return (
        f'the boxes are in an image resized to {sides}, not scaled back',
        f'multiply x and width by W / {_shown(factor[0])}, y and height by '
        f'H / {_shown(factor[1])} (W, H: size of the image file)',
    )


def _twice(factor: np.ndarray) -> tuple[str, str]:
    sides = ' x '.join(map(_shown, 1 / factor))
    return (
        f'the boxes were scaled back from {sides} twice',
        'scale the boxes back once (mmdet: rescale=True does it)',
    )


_KEPT = 'the boxes are in an image resized, {}, not scaled back'
# the simpler first; with images of one size they are all alike
FAMILIES = (
    Family(lambda s: _scaled(np.ones(len(s))), False, _by_factor),
    Family(lambda s: _scaled(1 / s), True, _by_sides),
    Family(
        lambda s: _scaled(1 / s.max(1)),
        False,
        partial(
            _by_side,
            _KEPT.format('with its ratio kept, to a longer side of {}'),
            'multiply the boxes by max(W, H) / {}',
        ),
    ),
    Family(
        lambda s: _scaled(1 / s.min(1)),
        False,
        partial(
            _by_side,
            _KEPT.format('with its ratio kept, to a shorter side of {}'),
            'multiply the boxes by min(W, H) / {}',
        ),
    ),
    Family(
        lambda s: _scaled(_bounded(s, (1333, 800))),
        False,
        partial(
            _by_side,
            _KEPT.format('with its ratio kept, to (1333, 800) at most (times {})'),
            'divide the boxes by min(1333 / max(W, H), 800 / min(W, H))',
        ),
    ),
    Family(
        _letterbox,
        False,
        partial(
            _by_side,
            'the boxes are in a letterbox of side {}, not scaled back',
            'subtract the border of the letterbox, half of {0} * (1 - W / max(W, H)) '
            'from x and alike of y, then multiply by max(W, H) / {0}',
        ),
    ),
    Family(_scaled, True, _twice),
    Family(
        lambda s: _scaled(s.max(1)),
        False,
        lambda f: (
            f'the boxes were scaled back from a longer side of {_shown(1 / f.mean())} '
            'twice',
            'scale the boxes back once (mmdet: rescale=True does it)',
        ),
    ),
)


@dataclass
class Frame:
    """A frame with its factors.

    Args:
        family: Of ``FAMILIES``.
        factor: (2, ), of x and y.
        scale: (I, 2) of the family's units.
        offset: (I, 2) of the same.
    """

    family: Family
    factor: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    @property
    def strangeness(self) -> float:
        """How much better than a simpler one it must fit, at least."""
        factor = 1 / self.factor if self.family.words is _twice else self.factor
        return 0.002 * FAMILIES.index(self.family) + 0.005 * sum(
            not np.isclose(COMMON_SIDES, f, rtol=1e-9).any() for f in factor
        )

    @property
    def words(self) -> tuple[str, str]:
        """The fault, and what to change."""
        return self.family.words(self.factor)

    def to_pixels(self, boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
        """(N, 4) of the image file, from those of the frame, (N, 4) xywh.

        Args:
            image: (N, ), index of the image.
        """
        scale, offset = self.scale[image], self.offset[image]
        corner = (boxes[:, :2] / self.factor - offset) / scale
        return np.hstack([corner, boxes[:, 2:] / self.factor / scale])


def frames_of(
    dets: np.ndarray, gts: np.ndarray, image: np.ndarray, sizes: np.ndarray
) -> list[Frame]:
    """A frame of each family, with the factors that most pairs of a detection and a
    ground truth agree on.

    A detection that is right gives the same factor by its place and by its size, and
    the same as the next one; of wrong pairs the factors are spread.

    Args:
        dets: (P, 4) xywh, in the unknown frame.
        gts: (P, 4) xywh, of a ground truth in the same image.
        image: (P, ), index of the image.
        sizes: (I, 2), width and height of the images.
    """
    positive = (dets[:, 2:] > 0).all(1) & (gts[:, 2:] > 0).all(1)
    dets, gts, image = dets[positive], gts[positive], image[positive]
    frames = []
    for family in FAMILIES:
        scale, offset = family.units(sizes)
        size = gts[:, 2:] * scale[image]
        centre = (gts[:, :2] + gts[:, 2:] / 2) * scale[image] + offset[image]
        with np.errstate(divide='ignore', invalid='ignore'):
            by_place = np.log((dets[:, :2] + dets[:, 2:] / 2) / centre)  # (P, 2)
            by_size = np.log(dets[:, 2:] / size)
        agree = (np.abs(by_place - by_size) < 0.3).all(1)
        votes = by_place[agree]
        if family.per_axis:
            x = _peak(votes[:, 0])
            y = None if x is None else _peak(votes[np.abs(votes[:, 0] - x) < BIN, 1])
            factor = None if y is None else np.exp([x, y])
        else:
            votes = votes[np.abs(votes[:, 0] - votes[:, 1]) < 0.15]
            peak = _peak(votes.mean(1))
            factor = None if peak is None else np.exp([peak, peak])
        if factor is None:
            continue
        exponent = -1 if family.words is _twice else 1
        common = np.array([_nearest(f**exponent) for f in factor]) ** exponent
        for values in {tuple(common), tuple(factor)}:
            frames.append(Frame(family, np.array(values), scale, offset))
    return frames


def _peak(votes: np.ndarray) -> float | None:
    """Where values lie closest."""
    if not len(votes):
        return None
    bins = np.floor(votes / BIN).astype(int)
    first = bins.min()
    counts = np.convolve(np.bincount(bins - first), [1, 1, 1])[1:-1]
    centre = (np.argmax(counts) + first + 0.5) * BIN
    return float(np.median(votes[np.abs(votes - centre) <= 1.5 * BIN]))


def _nearest(side: float) -> float:
    """A common side near to an estimate, or the estimate."""
    best = COMMON_SIDES[np.argmin(np.abs(np.log(COMMON_SIDES) - np.log(side)))]
    return float(best) if abs(side / best - 1) < SNAP else float(side)
