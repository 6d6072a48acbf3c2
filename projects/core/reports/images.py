"""Pictures of a page, as it carries them: small, within its text."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from projects.core.reports.blocks import Picture, Pictures

#: of all pictures of a page, in bytes of its text
MAX_SIZE = 1_000_000
# pixels for one of the page, quality of WebP: the first with which all fit
QUALITIES = ((2, 80), (1.5, 70), (1, 60))


@dataclass
class DataImage:
    """A picture within the text of a page.

    Args:
        uri: ``data:`` address; '' of a file that cannot be read.
        caption: In words.
        width: On the page, in pixels.
        height: The same.
        pixelated: Of so few pixels that they are to be seen as squares.
    """

    uri: str
    caption: str
    width: int
    height: int
    pixelated: bool = False


def data_images(blocks: Sequence[Pictures]) -> list[list[DataImage]]:
    """The pictures of each block, below :data:`MAX_SIZE` in all.

    Where they are too large at the least quality, the last ones of the longest blocks
    are left out.
    """
    read = [[_read(p) for p in block.pictures] for block in blocks]
    encoded: list[list[DataImage]] = []
    for density, quality in QUALITIES:
        encoded = [
            [
                _encode(picture, image, block.width, density, quality)
                for picture, image in zip(block.pictures, images, strict=True)
            ]
            for block, images in zip(blocks, read, strict=True)
        ]
        if _size(encoded) <= MAX_SIZE:
            return encoded
    while _size(encoded) > MAX_SIZE:
        max(encoded, key=len).pop()
    return encoded


def _size(encoded: list[list[DataImage]]) -> int:
    return sum(len(image.uri) for images in encoded for image in images)


def _read(picture: Picture) -> np.ndarray | None:
    if picture.image is not None:
        return picture.image
    try:
        data = np.fromfile(picture.file or '', np.uint8)  # of any name, on any system
        return cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None


def _encode(
    picture: Picture,
    image: np.ndarray | None,
    width: int,
    density: float,
    quality: int,
) -> DataImage:
    if image is None:
        return DataImage('', picture.caption, width, width)
    height = round(image.shape[0] * width / image.shape[1])
    pixelated = image.shape[1] * 2 <= width
    if image.shape[1] > width * density:
        size = (round(width * density), max(round(height * density), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if pixelated:
        kind, data = 'png', cv2.imencode('.png', image)[1]
    else:
        options = [cv2.IMWRITE_WEBP_QUALITY, quality]
        kind, data = 'webp', cv2.imencode('.webp', image, options)[1]
    text = base64.b64encode(data.tobytes()).decode()
    uri = f'data:image/{kind};base64,{text}'
    return DataImage(uri, picture.caption, width, max(height, 1), pixelated)
