"""Reading all images of a data set, by all cores, for what they are and look like."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import imagehash
import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from projects.core.datasets.decoding import (
    SIDEWAYS,
    UnreadableImageError,
    as_picture,
    decode,
)
from projects.core.machine import num_cores

THUMBNAIL = 16  # pixels a side
HASHED = 32  # pixels a side, as pHash has it; smaller images have no hash
AT_ONCE = 32  # images


class Scan(NamedTuple):
    """What was read of I images.

    Attributes:
        errors: I; why an image cannot be read, '' where it can.
        sizes: (I, 2) width and height, an orientation (EXIF) being followed.
        orientations: (I, ) 1 to 8.
        digests: I, of the pixels.
        hashes: (I, ) uint64 pHash (ImageHash): near images differ in few bits.
        hashed: (I, ) bool; False for images that are unreadable, of one colour or
            smaller than 32 pixels.
        thumbnails: (I, 256) uint8 grey.
    """

    errors: list[str]
    sizes: np.ndarray
    orientations: np.ndarray
    digests: list[bytes]
    hashes: np.ndarray
    hashed: np.ndarray
    thumbnails: np.ndarray


def scan_images(images: Sequence, label: str) -> Scan:
    """Read images, one thread per core: decoding frees the interpreter.

    Args:
        images: Files, or images (H, W) or (H, W, C) uint8.
        label: Before the progress bar, on stderr.
    """
    parts = [images[i : i + AT_ONCE] for i in range(0, len(images), AT_ONCE)]
    rows = []
    pool = ThreadPoolExecutor(num_cores())
    console = Console(stderr=True)
    progress = Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,  # a log needs none
    )
    try:
        with progress:
            bar = progress.add_task(label, total=len(images))
            for found in pool.map(_read_several, parts):
                rows += found
                progress.advance(bar, len(found))
    finally:  # Ctrl-C waits for no more than what is being read
        pool.shutdown(cancel_futures=True)
    columns = list(zip(*rows, strict=True)) or [[]] * 7
    errors, sizes, orientations, digests, hashes, hashed, thumbnails = columns
    return Scan(
        list(errors),
        np.array(sizes, int).reshape(-1, 2),
        np.array(orientations, int),
        list(digests),
        np.array(hashes, np.uint64),
        np.array(hashed, bool),
        np.array(thumbnails, np.uint8).reshape(-1, THUMBNAIL**2),
    )


def _read_several(images: Sequence) -> list[tuple]:
    return [_read(image) for image in images]


def _read(image: str | np.ndarray) -> tuple:
    orientation = 1
    if isinstance(image, np.ndarray):
        img = image
    else:
        try:
            # a pipe would be waited for
            if os.path.exists(image) and not os.path.isfile(image):
                raise UnreadableImageError('it is no file')
            img, header = decode(Path(image).read_bytes())
            orientation = header.orientation
        except (UnreadableImageError, OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or str(error)
            blank = np.zeros(THUMBNAIL**2, np.uint8)
            return reason, (0, 0), 1, b'', 0, False, blank
    height, width = img.shape[:2]
    digest = hashlib.blake2b(np.ascontiguousarray(img), digest_size=16)
    digest.update(f'{img.shape} {img.dtype}'.encode())
    grey = cv2.cvtColor(as_picture(img), cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (HASHED, HASHED), interpolation=cv2.INTER_AREA)
    thumbnail = cv2.resize(small, (THUMBNAIL,) * 2, interpolation=cv2.INTER_AREA)
    # of one colour, all bits are noise
    hashed = min(height, width) >= HASHED and np.ptp(grey) > 0 and small.std() > 2
    bits = 0
    if hashed:
        packed = np.packbits(imagehash.phash(Image.fromarray(small)).hash)
        bits = int.from_bytes(packed.tobytes(), 'big')
    return (
        '',
        (width, height),
        orientation,
        digest.digest(),
        bits,
        hashed,
        thumbnail.reshape(-1),
    )


def is_blank(scan: Scan) -> np.ndarray:
    """(I, ) bool; images of one colour."""
    readable = np.array([not error for error in scan.errors], bool)
    return readable & (np.ptp(scan.thumbnails, 1) <= 1)


def turned_sideways(scan: Scan) -> np.ndarray:
    """(I, ) bool; images whose orientation exchanges width and height."""
    return np.isin(scan.orientations, SIDEWAYS)
