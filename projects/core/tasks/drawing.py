"""What the pictures of all tasks have in common: letters, sizes, names, files.

Images and pictures are (H, W, 3) uint8 BGR.
"""

import logging
import os
import os.path as osp
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Any

import cv2
import matplotlib
import numpy as np
from mmengine.logging import print_log

from projects.core.errors import UserError
from projects.core.files import output_file

FONT = f'{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans-Bold.ttf'
MIN_SIDE = 448  # pixels; smaller images are enlarged so that text is legible
MAX_SIDE = 2000  # pixels; of any picture
MAX_NAME = 20  # characters
MAX_FILE_NAME = 200  # bytes, of the 255 that file systems allow
WHITE = (255, 255, 255)
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


def shortened(name: str, length: int = MAX_NAME) -> str:
    """The beginning of a long name."""
    return name if len(name) <= length else name[: max(0, length - 1)] + '…'


def in_one_line(text: str) -> str:
    """A text that fonts can set: without line breaks and what has no letter."""
    return ' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())


def fitting(text: str, width: float, length_of) -> str:
    """The beginning of a text, in one line that is not longer than ``width``.

    Args:
        text: The text.
        width: In pixels.
        length_of: Function that gives the length of a text in pixels.
    """
    # no letter is narrower than a pixel
    text = shortened(in_one_line(text), max(1, int(width)))
    while text and length_of(text) > width:
        text = shortened(text, len(text) - 1) if len(text) > 1 else ''
    return text


def shown_at(image: np.ndarray, factor: float) -> np.ndarray:
    """The image, ``factor`` times as large, and at least a pixel."""
    return cv2.resize(
        image,
        [max(1, round(side * factor)) for side in image.shape[1::-1]],
        interpolation=cv2.INTER_LINEAR if factor >= 1 else cv2.INTER_AREA,
    )


def padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image on white of at least this size, in the upper left corner."""
    return cv2.copyMakeBorder(
        image,
        0,
        max(0, height - image.shape[0]),
        0,
        max(0, width - image.shape[1]),
        cv2.BORDER_CONSTANT,
        value=WHITE,
    )


def write_picture(path: str, picture: np.ndarray, option: str) -> None:
    """Write a PNG.

    Raises:
        UserError: As of :func:`projects.core.files.output_file`.
    """
    with output_file(path, option) as file:
        file.write(cv2.imencode('.png', picture)[1])


def picture_names(paths: Sequence[str]) -> dict[str, str]:
    """The name of each image's picture, no two of which are alike.

    It is that of the image, ``<stem>.png``; where another image before it has that
    one, the whole name, then the folders below the common one, then a number.

    Args:
        paths: Images in an order that is always the same. One may be named twice.
    """
    root = osp.commonpath([osp.dirname(osp.abspath(p)) for p in paths] or ['/'])
    names: dict[str, str] = {}
    taken: set[str] = set()
    for i, path in enumerate(paths):
        if path in names:
            continue
        name = osp.basename(path)
        below = osp.relpath(osp.abspath(path), root).replace(os.sep, '_')
        numbered = (f'{n}_{_end_of(below)}' for n in count(i))
        for candidate in chain((osp.splitext(name)[0], name, below), numbered):
            short = _end_of(candidate)
            # some file systems take upper and lower case for one
            if short.casefold() not in taken:
                break
        taken.add(short.casefold())
        names[path] = f'{short}.png'
    return names


def _end_of(name: str) -> str:
    """As much of a name as a file's may have."""
    text = os.fsencode(name)
    if len(text) <= MAX_FILE_NAME + 20:  # of the number
        return name
    return text[-MAX_FILE_NAME:].decode('utf-8', 'ignore')


class Attempts:
    """Draws pictures; one that fails costs nothing but itself.

    The first failure is a warning, the others are counted in ``failures``: results
    of hours hang on no picture.
    """

    def __init__(self) -> None:
        self.failures = 0

    def attempt(self, subject: str, draw: Callable[[], Any]) -> Any:
        """What ``draw`` returns; None if it fails.

        Args:
            subject: What is drawn, for the message.
            draw: Function without arguments.
        """
        try:
            return draw()
        except Exception as error:  # whatever it is, see above
            self.failures += 1
            if self.failures == 1:
                reason = error if isinstance(error, UserError) else repr(error)
                print_log(
                    f'no picture of {subject}: {reason}', 'current', logging.WARNING
                )
            return None


class PictureFolder(Attempts):
    """Draws and writes pictures, see :class:`Attempts`.

    Args:
        folder: Is made when there is something to write.
        option: Where the user said so.
    """

    def __init__(self, folder: str, option: str) -> None:
        super().__init__()
        self.folder = folder
        self.option = option

    def add(self, name: str, subject: str, draw: Callable[[], np.ndarray]) -> None:
        """Write what ``draw`` returns as the PNG ``name``."""

        def write() -> None:
            write_picture(osp.join(self.folder, name), draw(), self.option)

        self.attempt(subject, write)
