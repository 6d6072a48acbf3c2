"""Pictures of images with the classes that a model gives them.

Images are (H, W) or (H, W, 3) uint8, BGR, as OpenCV reads them.
"""

import os.path as osp
import re
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from projects.core.datasets.transforms import LoadImageFromFile, loader_of
from projects.core.errors import UserError
from projects.core.reports.blocks import Picture, Pictures
from projects.core.tasks.classification.outcome import Outcome
from projects.core.tasks.drawing import (
    FONT,
    MIN_SIDE,
    Attempts,
    fitting,
    padded,
    shown_at,
    write_picture,
)

MAX_IMAGE = 1500  # pixels of MAX_SIDE, the rest being for the classes below
MAX_MISTAKES = 500
NUM_EXAMPLES = 6  # on a page, of the right and of the wrong
EXAMPLE_SIDE = 192  # pixels
RIGHT, WRONG, NEUTRAL = (150, 220, 150), (240, 150, 150), (165, 195, 240)


def draw_labels(
    image: np.ndarray, predictions: Sequence[dict], true: tuple[int, str] | None = None
) -> np.ndarray:
    """The image with its best classes and their probabilities below.

    Each has a bar as long as it is probable: green for the true class,
    where that is known, red for another. An image that is smaller than
    ``MIN_SIDE`` is enlarged by a whole factor, pixel by pixel.

    Args:
        image: The image.
        predictions: See :func:`projects.core.tasks.classification.report.best_classes`.
        true: Label and name of the true class.

    Returns:
        np.ndarray: (H', W', 3) BGR.
    """
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    side = max(image.shape[:2])
    factor = max(1, MIN_SIDE // side) if side <= MAX_IMAGE else MAX_IMAGE / side
    image = cv2.resize(  # at least a pixel: a strip stays one
        image,
        [max(1, round(s * factor)) for s in image.shape[1::-1]],
        interpolation=cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA,
    )
    width = max(image.shape[1], MIN_SIDE)
    font = ImageFont.truetype(FONT, max(18, width // 36))
    line = round(1.5 * font.size)
    texts = [
        (
            f'{100 * p["score"]:.1f} %',
            p['class'],
            p['score'],
            NEUTRAL if true is None else RIGHT if p['label'] == true[0] else WRONG,
        )
        for p in predictions
    ]
    if true is not None:
        texts.insert(0, ('true', true[1], 0, NEUTRAL))
    strip = Image.new('RGB', (width, line * len(texts) + 8), 'white')
    pen = ImageDraw.Draw(strip)
    first = round(5 * font.size)  # where the names begin, beside '100.0 %'
    for i, (left, name, share, colour) in enumerate(texts):
        y = 4 + i * line
        if share:
            pen.rectangle((0, y, round(share * (width - 1)), y + line - 3), fill=colour)
        right = first - font.size // 2 - pen.textlength(left, font)
        pen.text((right, y + 0.1 * font.size), left, fill='black', font=font)
        name = fitting(name, width - first - 4, partial(pen.textlength, font=font))
        pen.text((first, y + 0.1 * font.size), name, fill='black', font=font)
    image = padded(image, 0, width)
    return np.vstack([image, np.array(strip)[..., ::-1]])


def image_of(described: dict, dataset, loader: LoadImageFromFile) -> np.ndarray:
    """The image of an ``Outcome.described``, out of its file or the data set.

    Raises:
        UserError: If the file cannot be read.
    """
    if 'file_name' in described:
        return loader.picture(described['file_name'])
    # mmpretrain's data sets in memory are RGB
    image = dataset.get_data_info(described['index'])['img']
    return np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 else image)


def surest_pictures(outcome: Outcome, dataset) -> list[Pictures]:
    """The surest right and the surest wrong predictions, as far as there are any.

    Args:
        outcome: The evaluation.
        dataset: Its data set, for images that are in no file.
    """
    loader, attempts = loader_of(dataset), Attempts()
    blocks = []
    for key, title, right in (
        ('best', 'Surest of the right', True),
        ('worst', 'Surest of the wrong', False),
    ):
        pictures = []
        for i in outcome.surest(right, NUM_EXAMPLES):
            found = outcome.described(i)
            best = found['predictions'][0]
            name = osp.basename(found.get('file_name', f'image {found.get("index")}'))
            image = attempts.attempt(
                name, lambda found=found: small(image_of(found, dataset, loader))
            )
            text = f'predicted {best["class"]} ({100 * best["score"]:.1f} %)'
            if not right:
                text = f'true {found["true_class"]}, {text}'
            if image is not None:
                pictures.append(Picture(f'{name}: {text}', image))
        if pictures:
            blocks.append(Pictures(key, title, pictures, width=EXAMPLE_SIDE))
    return blocks


def small(image: np.ndarray) -> np.ndarray:
    """The image in BGR, of some ``EXAMPLE_SIDE`` pixels; a tiny one is enlarged pixel
    by pixel, by a whole factor."""
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    side = max(image.shape[:2])
    if side > EXAMPLE_SIDE:
        return shown_at(image, EXAMPLE_SIDE / side)
    factor = EXAMPLE_SIDE // side
    return image.repeat(factor, 0).repeat(factor, 1)


def draw_mistakes(mistakes: list[dict], dataset, show_dir: str) -> str:
    """A picture of each wrongly classified image, the surest mistakes first.

    Not more than ``MAX_MISTAKES``, as ``<rank>_<true>_as_<predicted>.png``.

    Args:
        mistakes: ``mistakes`` of
            :class:`projects.core.tasks.classification.report.ClassificationReport`.
        dataset: The data set, for images that are in no file.
        show_dir: Folder that is there.

    Returns:
        str: What was drawn, in words.

    Raises:
        UserError: As of :func:`projects.core.files.output_file`.
    """
    surest = sorted(mistakes, key=lambda m: -m['predictions'][0]['score'])
    surest = surest[:MAX_MISTAKES]
    loader, gone = loader_of(dataset), []
    for rank, mistake in enumerate(surest, 1):
        try:
            image = image_of(mistake, dataset, loader)
        except UserError as error:  # it was there a moment ago
            gone.append(str(error))
            continue
        best = mistake['predictions']
        name = (
            f'{rank:03}_{_slug(mistake["true_class"])}_as_{_slug(best[0]["class"])}.png'
        )
        write_picture(
            osp.join(show_dir, name),
            draw_labels(image, best, (mistake['true_label'], mistake['true_class'])),
            '--show-dir',
        )
    return (
        f'{len(mistakes)} images are classified wrongly'
        + (
            f', the {len(surest)} surest of these mistakes'
            if len(surest) < len(mistakes)
            else ''
        )
        + (f'; of {len(gone)} there is no picture: {gone[0]}' if gone else '')
    )


def _slug(name: str) -> str:
    """A class's name as part of a file's."""
    return re.sub(r'[^\w.-]+', '-', name)[:30]
