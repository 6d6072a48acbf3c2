"""The images of digits-coco: digits and distractors on cluttered canvases.

The 1,797 digits are those of :func:`sklearn.datasets.load_digits` (8x8, 13
writers). Each canvas is clutter with digits and with distractors, which are
strokes that went through the same scanner and printer as the digits but are
none. Every image has a random stream of its own, seeded by (seed, split,
index), so a larger set begins with the images of a smaller one.

Shapes: S side of the square canvas in pixels, h and w those of a piece of ink.
Boxes are (x, y, w, h) in whole pixels of the canvas: as tight as can be, no
pixel of the ink lies outside, and each side touches ink of at least half
opacity.
"""

import functools

import cv2
import numpy as np
from sklearn.datasets import load_digits

SPLITS = ('train', 'val')
MAX_OVERLAP = 0.2  # of two boxes, as a share of the smaller one's area
# The file holds one writer's digits next to each other (the nearest other
# digit is within 70 places for 45 % of them, by chance 8 %), so the tail is,
# but for one writer, by people whose hand the training images do not show.
_NUM_TRAIN_SOURCES = 1500
_EMPTY_SHARE = 0.06  # of the images have no digit
# opacity is 0 at the first and 1 at the second level of the scanned ink
_INK_LEVELS = (0.25, 0.65)
# Letters that resemble no digit in any hand, even slightly turned.
_DISTRACTOR_LETTERS = 'AEFHKMNWX'
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # BGR, as OpenCV has it


@functools.lru_cache(1)
def load_sources() -> tuple[np.ndarray, np.ndarray]:
    """Ink (1797, 8, 8) float32 in [0, 1] and labels (1797, )."""
    digits = load_digits()
    return digits.images.astype(np.float32) / 16, digits.target


def sources_of(split: str) -> np.ndarray:
    """Indices of a split's digits among the sources."""
    return np.split(np.arange(len(load_sources()[1])), [_NUM_TRAIN_SOURCES])[
        SPLITS.index(split)
    ]


def generate_canvas(
    split: str,
    index: int,
    image_size: int,
    min_size: int,
    max_size: int,
    max_digits: int,
    difficulty: float,
    seed: int,
) -> tuple[np.ndarray, list[dict]]:
    """One image of a split; see :func:`make_digits_coco` for the settings.

    Returns:
        (S, S, 3) uint8 image in BGR, and per digit its ``bbox`` (x, y, w, h),
        its ``label`` and its ``source``, an index of
        :func:`sklearn.datasets.load_digits`.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    inks, labels = load_sources()
    sources = sources_of(split)
    num_digits = 0
    if rng.random() >= _EMPTY_SHARE:
        num_digits = rng.integers(1, max_digits, endpoint=True)
    num_distractors = rng.integers(0, 2 + round(4 * difficulty), endpoint=True)
    # the exponent favours large boxes, which find room less often
    spread = (max_size / min_size) ** (rng.random(num_digits) ** 0.75)
    # the largest first, as long as there is room
    sizes = sorted(np.rint(min_size * spread).astype(int), reverse=True)
    boxes, digits, pieces = [], [], []
    for size in sizes:
        source = rng.choice(sources)
        ink = _print_ink(rng, inks[source], size, difficulty)
        box = _find_room(rng, ink.shape, boxes, image_size)
        if box is not None:
            boxes.append(box)
            pieces.append((box, ink))
            digits.append(dict(bbox=box, label=int(labels[source]), source=int(source)))
    for _ in range(num_distractors):
        size = round(min_size * (max_size / min_size) ** rng.random())
        ink = _print_ink(rng, _draw_distractor(rng), size, difficulty)
        box = _find_room(rng, ink.shape, boxes, image_size)
        if box is not None:
            boxes.append(box)
            pieces.insert(0, (box, ink))  # below the digits

    canvas = _draw_ground(rng, image_size, difficulty)
    for box, ink in pieces:
        _paste_ink(rng, canvas, box, ink, difficulty)
    return _photograph(rng, canvas, difficulty), digits


def render_ink(
    ink: np.ndarray,
    size: int,
    angle: float = 0.0,
    shear: float = 0.0,
    stretch: float = 1.0,
) -> np.ndarray:
    """Enlarge scanned ink smoothly (cubic) and cut it out.

    Args:
        ink: (8, 8) float32 in [0, 1].
        size: Longer side of the result, in pixels.
        angle: Of the rotation, in degrees.
        shear: Shift to the right per row downwards.
        stretch: Of the width against the height.

    Returns:
        (h, w) float32 opacity in [0, 1], with ``max(h, w) == size``. The
        first and last row and column hold a pixel of at least 0.5: what the
        smooth edge leaves beyond them is cut off.
    """
    turn = cv2.getRotationMatrix2D((0, 0), angle, 1.0)[:, :2]
    turn = turn @ np.array([[stretch, shear], [0, 1]])
    extent = np.abs(turn).sum(1).max() * 9  # cubic ink reaches past 8 pixels

    def warp(scale: float, shift: float) -> np.ndarray:
        side = int(np.ceil(scale * extent)) + 2
        matrix = np.empty((2, 3))
        matrix[:, :2] = turn * scale
        centre = np.full(2, 3.5)  # of pixels 0 to 7
        matrix[:, 2] = (side - 1) / 2 + shift - matrix[:, :2] @ centre
        big = cv2.warpAffine(ink, matrix, (side, side), flags=cv2.INTER_CUBIC)
        low, high = _INK_LEVELS
        opacity = np.clip((big - low) / (high - low), 0, 1)
        rows = np.flatnonzero((opacity >= 0.5).any(1))
        cols = np.flatnonzero((opacity >= 0.5).any(0))
        return opacity[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]

    scale = size / 8
    result = warp(scale, 0.0)
    # The side is a step function of the scale, and where both its ends step
    # at once it skips a size, unless the ink lies differently on the pixels.
    for i in range(64):
        if max(result.shape) == size:
            return result
        scale *= size / max(result.shape)
        result = warp(scale, i * 0.38 % 1)
    raise AssertionError(f'no scale gives {size} pixels')


def _print_ink(
    rng: np.random.Generator, ink: np.ndarray, size: int, difficulty: float
) -> np.ndarray:
    """:func:`render_ink` at a random slant."""
    slant = 0.4 + 1.2 * difficulty  # 1 at the default difficulty
    return render_ink(
        ink,
        size,
        angle=rng.uniform(-10, 10) * slant,
        shear=rng.uniform(-0.15, 0.15) * slant,
        stretch=1.15 ** rng.uniform(-0.5, 2),
    )


def _draw_distractor(rng: np.random.Generator) -> np.ndarray:
    """Ink (8, 8) float32 in [0, 1] of a letter or a scrawl.

    Drawn at 32x32 and counted in blocks of 4x4, as the digits were.
    """
    big = np.zeros((32, 32), np.float32)
    thickness = int(rng.integers(2, 5))
    if rng.random() < 0.6:
        letter = _DISTRACTOR_LETTERS[rng.integers(len(_DISTRACTOR_LETTERS))]
        cv2.putText(
            big,
            letter,
            (5, 27),
            cv2.FONT_HERSHEY_SIMPLEX,
            1.0,
            1.0,
            thickness,
            cv2.LINE_AA,
        )
    else:  # up and down at least four times, which no digit does
        num = int(rng.integers(5, 8))
        points = np.stack(
            [
                np.linspace(4, 28, num),
                np.where(np.arange(num) % 2, 5, 27) + rng.uniform(-4, 4, num),
            ],
            1,
        )
        if rng.random() < 0.5:
            points = points[:, ::-1]
        cv2.polylines(
            big, [np.rint(points).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA
        )
    return cv2.resize(big, (8, 8), interpolation=cv2.INTER_AREA)


def _find_room(
    rng: np.random.Generator,
    shape: tuple[int, int],
    boxes: list[list[int]],
    image_size: int,
) -> list[int] | None:
    """Random box of that (h, w) that hardly overlaps ``boxes``, or None."""
    h, w = shape
    for _ in range(50):
        x = int(rng.integers(image_size - w, endpoint=True))
        y = int(rng.integers(image_size - h, endpoint=True))
        if all(_overlap((x, y, w, h), box) <= MAX_OVERLAP for box in boxes):
            return [x, y, w, h]
    return None


def _overlap(a: tuple[int, ...], b: list[int]) -> float:
    """Common area of two (x, y, w, h) boxes by that of the smaller one."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0) / min(a[2] * a[3], b[2] * b[3])


def _draw_ground(rng: np.random.Generator, side: int, difficulty: float) -> np.ndarray:
    """(S, S, 3) float32 canvas in [0, 255]: gradient, clouds and shapes."""
    start, stop = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    stop = start + (stop - start) * rng.uniform(0, 0.8)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    along = 0.5 + (
        ramp * np.float32(np.cos(angle)) + ramp[:, None] * np.float32(np.sin(angle))
    )
    canvas = start + along[..., None] * (stop - start)
    grid = rng.integers(3, 14)
    clouds = rng.standard_normal((grid, grid, 3), np.float32)
    canvas += cv2.resize(
        clouds, (side, side), interpolation=cv2.INTER_CUBIC
    ) * np.float32(rng.uniform(0, 30) * difficulty)
    for _ in range(rng.integers(2 + round(20 * difficulty), endpoint=True)):
        _draw_shape(rng, canvas)
    return np.clip(canvas, 0, 255)


def _draw_shape(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Draw a half-transparent shape on (S, S, 3), in place."""
    side = len(canvas)
    layer = canvas.copy()
    centre = rng.uniform(0, side, 2)
    radius = side * 0.02 * 15 ** rng.random(2)  # to 0.3 S
    colour = rng.uniform(0, 255, 3)
    thickness = int(rng.integers(1, 4))
    kind = rng.integers(5)
    if kind == 0:  # rectangle, filled or not
        first, last = (
            np.rint(centre + sign * radius).astype(int).tolist() for sign in (-1, 1)
        )
        cv2.rectangle(
            layer, first, last, colour, rng.choice([-1, thickness]), cv2.LINE_AA
        )
    elif kind == 1:  # blob; an outline would be a zero
        cv2.ellipse(
            layer,
            np.rint(centre).astype(int).tolist(),
            np.rint(radius).astype(int).tolist(),
            rng.uniform(0, 180),
            0,
            360,
            colour,
            -1,
            cv2.LINE_AA,
        )
    elif kind == 2:  # polygon
        points = centre + rng.uniform(-1, 1, (5, 2)) * radius
        cv2.fillPoly(layer, [np.rint(points).astype(np.int32)], colour, cv2.LINE_AA)
    elif kind == 3:  # line across
        points = np.rint(rng.uniform(0, side, (2, 2))).astype(int).tolist()
        cv2.line(layer, *points, colour, thickness, cv2.LINE_AA)
    else:  # scribble: a smooth random walk
        steps = cv2.GaussianBlur(rng.standard_normal((60, 2)), (1, 9), 2)
        points = centre + np.cumsum(steps, 0) * side * 0.04
        cv2.polylines(
            layer,
            [np.rint(points).astype(np.int32)],
            False,
            colour,
            thickness,
            cv2.LINE_AA,
        )
    opacity = rng.uniform(0.2, 0.8)
    cv2.addWeighted(layer, opacity, canvas, 1 - opacity, 0, canvas)


def _paste_ink(
    rng: np.random.Generator,
    canvas: np.ndarray,
    box: list[int],
    ink: np.ndarray,
    difficulty: float,
) -> None:
    """Print (h, w) ink into its box of (S, S, 3), in place.

    The colour is random, but its brightness differs from the mean of the box
    by a least contrast, the more the busier the box is.
    """
    x, y, w, h = box
    ground = canvas[y : y + h, x : x + w]
    luma = ground @ _LUMA
    contrast = 120 - 90 * difficulty + luma.std()
    for _ in range(20):
        colour = rng.uniform(0, 255, 3).astype(np.float32)
        if abs(colour @ _LUMA - luma.mean()) >= contrast:
            break
    else:
        colour = np.full(3, 255 * (luma.mean() < 127.5), np.float32)
    opacity = ink[..., None] * np.float32(rng.uniform(0.85, 1))
    ground += opacity * (colour - ground)


def _photograph(
    rng: np.random.Generator, canvas: np.ndarray, difficulty: float
) -> np.ndarray:
    """Blur, add noise and round to uint8."""
    sigma = rng.uniform(0, 1.6) * difficulty
    if sigma > 0.2:
        canvas = cv2.GaussianBlur(canvas, (0, 0), sigma)
    noise = rng.standard_normal(canvas.shape, np.float32)
    canvas = canvas + noise * np.float32(rng.uniform(0, 20) * difficulty)
    return np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)
