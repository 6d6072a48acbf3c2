"""Pictures of samples, a film of them, and curves of the losses.

Samples are as :class:`projects.core.tasks.generation.models.GenerativeModel` gives
them: images (C, H, W) uint8, RGB or grey, or points (2,). Pictures are (H, W, 3)
uint8 BGR.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.utils import make_grid

from projects.core.tasks.drawing import FONT, WHITE

NUM_IMAGES = 64  # of a grid without classes
PER_CLASS = 10  # of one with a row for each class
NUM_PAIRS = 8  # translated images each way
NUM_POINTS = 2000
SHORT_SIDE, LONG_SIDE = 56, 160  # pixels to which an image of a grid is enlarged
TINY = 16  # pixels
GAP = 2  # pixels between images
FRAME = re.compile(r'iter_(\d+)\.png')
FILM_SECONDS = 12  # at most, of all frames but the last
PAIRS = (
    ('real_a', 'A'),
    ('fake_b', 'A to B'),
    ('true_b', 'true B'),  # where it is known
    ('real_b', 'B'),
    ('fake_a', 'B to A'),
    ('true_a', 'true A'),
)


def on_cpu(row: Mapping) -> dict:
    """A prediction with its tensors on the CPU."""
    return {
        name: value.cpu() if isinstance(value, Tensor) else value
        for name, value in row.items()
    }


class Kept:
    """The first samples of an evaluation, as many as a picture shows.

    Args:
        num_classes: Classes that the model is asked for; None of one that knows none.
    """

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = num_classes
        self.rows: list[dict] = []

    def add(self, predictions: Sequence[dict]) -> None:
        for row in predictions:
            if len(self.rows) < self._limit(row) and self._is_wanted(row):
                self.rows.append(on_cpu(row))

    def _limit(self, row: dict) -> int:
        if 'fake_b' in row:
            return NUM_PAIRS
        if row['fake'].dim() == 1:
            return NUM_POINTS
        return PER_CLASS * self.num_classes if self.num_classes else NUM_IMAGES

    def _is_wanted(self, row: dict) -> bool:
        if not self.num_classes or row.get('label') is None:
            return True
        same = sum(other['label'] == row['label'] for other in self.rows)
        return same < PER_CLASS

    def picture(self, kind: str = 'fake') -> np.ndarray:
        """Points on the data's, images in a grid, a row for each class where the
        model is asked for classes, translations beside what they are made of.

        Args:
            kind: 'fake', or 'real' for the images of the data.
        """
        first = self.rows[0]
        if 'fake_b' in first:
            return pairs_picture(self.rows)
        samples = [row[kind] for row in self.rows]
        if first['fake'].dim() == 1:
            return points_picture(samples, [row['real'] for row in self.rows])
        if not self.num_classes:
            return grid(samples)
        order = sorted(range(len(samples)), key=lambda i: self.rows[i]['label'])
        return grid([samples[i] for i in order], PER_CLASS)


def as_image(sample: Tensor) -> np.ndarray:
    """A sample as a picture."""
    image = sample.permute(1, 2, 0).numpy()
    if image.shape[2] == 1:
        image = image.repeat(3, 2)
    return np.ascontiguousarray(image[..., ::-1])


def grid(samples: Sequence[Tensor], num_columns: int | None = None) -> np.ndarray:
    """Images row by row, small ones enlarged: pixel by pixel, tiny ones smoothly, as
    squares of several pixels hide what they show.

    Args:
        samples: Of one size.
        num_columns: Images of a row; by default a square, about.
    """
    images = torch.stack(list(samples))
    columns = num_columns or max(1, round(len(images) ** 0.5))
    wanted = SHORT_SIDE if len(images) > 1 else LONG_SIDE
    factor = max(1, -(-wanted // max(images.shape[2:])))
    if max(images.shape[2:]) < TINY:
        smooth = F.interpolate(images.float(), scale_factor=factor, mode='bicubic')
        images = smooth.round().clamp(0, 255).to(torch.uint8)
    else:
        images = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return as_image(make_grid(images, columns, padding=GAP, pad_value=WHITE[0]))


def pairs_picture(rows: Sequence[dict]) -> np.ndarray:
    """Translations both ways, a column for each kind of image, its name on top."""
    kinds = [(key, label) for key, label in PAIRS if key in rows[0]]
    body = grid([row[key] for row in rows for key, _ in kinds], len(kinds))
    column = body.shape[1] // len(kinds)
    font = ImageFont.truetype(FONT, max(10, min(16, column // 6)))
    strip = Image.new('RGB', (body.shape[1], 2 * font.size), 'white')
    pen = ImageDraw.Draw(strip)
    for i, (_, label) in enumerate(kinds):
        middle = (i * column + column / 2, font.size)
        pen.text(middle, label, fill='black', font=font, anchor='mm')
    return np.vstack([np.array(strip)[..., ::-1], body])


def points_picture(
    samples: Sequence[Tensor],
    data: Sequence[Tensor],
    names: tuple[str, str] = ('data', 'samples'),
) -> np.ndarray:
    """Points of samples over those of the data, in the frame of the data."""
    figure = Figure((4.5, 4.5), layout='constrained')
    axes = figure.add_subplot(aspect='equal')
    for points, label, colour in (
        (data, names[0], '#bbbbbb'),
        (samples, names[1], '#c03020'),
    ):
        x, y = np.stack([p.numpy() for p in points]).T
        axes.scatter(x, y, 4, colour, label=label, linewidths=0)
    reach = 1.3 * max(float(p.abs().max()) for p in data)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes.legend(loc='upper right', markerscale=3)
    return rendered(figure)


def rendered(figure: Figure, dpi: int = 100) -> np.ndarray:
    """A figure as a picture."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture under a line of text."""
    font = ImageFont.truetype(FONT, 14)
    strip = Image.new('RGB', (picture.shape[1], 22), 'white')
    ImageDraw.Draw(strip).text((6, 3), text, fill='black', font=font)
    return np.vstack([np.array(strip)[..., ::-1], picture])


def frames_of(folder: Path) -> list[Path]:
    """The pictures that validations left, in the order of their iterations."""
    files = [file for file in folder.glob('iter_*.png') if FRAME.fullmatch(file.name)]
    return sorted(files, key=lambda file: int(FRAME.fullmatch(file.name)[1]))


def film_of(pictures: Sequence[np.ndarray]) -> bytes:
    """A GIF of pictures, of which the last one stays for a while.

    Args:
        pictures: Those of other sizes than the last one's are left out.
    """
    pictures = [p for p in pictures if p.shape == pictures[-1].shape]
    images = [Image.fromarray(p[..., ::-1]) for p in pictures]
    # one palette for all, or colours flicker: that of the last and of some before
    some = pictures[:: max(1, len(pictures) // 8)]
    palette = Image.fromarray(np.vstack([*some, pictures[-1]])[..., ::-1]).quantize(128)
    images = [image.quantize(palette=palette, dither=0) for image in images]
    each = min(400, 1000 * FILM_SECONDS // len(images))
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        'GIF',
        save_all=True,
        append_images=images[1:],
        duration=[each] * (len(images) - 1) + [2500],
        loop=0,
    )
    return buffer.getvalue()


def loss_curves(history: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Losses and scores of a run against the iterations.

    Args:
        history: Numbers of each iteration by name, such as ``loss_generator``.
    """
    panels = [
        ('loss', {k: v for k, v in history.items() if k.startswith('loss')}),
        ('score', {k: v for k, v in history.items() if k.startswith('score')}),
        ('penalty', {k: v for k, v in history.items() if k == 'penalty'}),
    ]
    panels = [(label, curves) for label, curves in panels if curves]
    figure = Figure((7, 2.4 * len(panels)), layout='constrained')
    for axes, (label, curves) in zip(
        np.ravel(figure.subplots(len(panels), sharex=True)), panels, strict=True
    ):
        for name, values in curves.items():
            values = np.asarray(values, float)
            width = max(1, len(values) // 200)
            means = np.convolve(values, np.ones(width) / width, 'valid')
            steps = np.arange(len(means)) + width
            axes.plot(steps, means, label=_in_words(name), linewidth=1.2)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    axes.set_xlabel(f'iteration (means of {width})' if width > 1 else 'iteration')
    return rendered(figure)


def _in_words(name: str) -> str:
    return name.removeprefix('loss_').removeprefix('score_').replace('_', ' ')
