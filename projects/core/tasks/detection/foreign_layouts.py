"""Boxes of foreign layouts: VOC XML and LabelMe JSON, and what all readers share.

Each reader gives the images that are named, in order, with their boxes in pixels of the
image as it is shown, that is, with its EXIF orientation followed.
"""

import json
import math
import os
import os.path as osp
import reprlib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from PIL import Image

from projects.core.datasets.decoding import IMAGE_SUFFIXES, ORIENTATION, SIDEWAYS
from projects.core.datasets.files import read_text
from projects.core.errors import UserError, listed

# of images and of annotations
SUFFIXES = (*IMAGE_SUFFIXES, '.xml', '.txt', '.json')


@dataclass
class Box:
    """An object.

    Args:
        name: Its class.
        corners: x1, y1, x2, y2 in pixels.
        where: File and place in it, for messages.
        crowd: Whether it is to be ignored.
        polygon: x, y, x, y, ... of its outline; empty for none.
        area: In pixels squared; None for that of the box.
    """

    name: str
    corners: tuple[float, float, float, float]
    where: str
    crowd: bool = False
    polygon: list[float] = field(default_factory=list)
    area: float | None = None


@dataclass
class Picture:
    """An image; path, width and height in pixels, its boxes, and the width and height
    that are stated with them, if any."""

    path: str
    size: tuple[int, int]
    boxes: list[Box]
    stated: tuple[float, float] | None = None


@dataclass
class Layout:
    """What was read.

    Args:
        pictures: By the order of their paths.
        classes: In the order that the layout states; empty if it states none.
        dropped: Number of what was left out, by the reason with a first example.
        cut: Where boxes are that were cut at the border of their image.
        resized: Images of another size than their annotations state.
    """

    pictures: list[Picture]
    classes: list[str]
    dropped: Counter
    cut: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)


class Reader:
    """What the readers share: images by name, and a list of what was left out.

    Args:
        source: Folder or file of the annotations.
        images: Folder of the images, or None for where the layout has them.
        names: Stems of the images that are wanted; None for all.
    """

    def __init__(
        self, source: str, images: str | None = None, names: set[str] | None = None
    ) -> None:
        self.source = source
        self.folder = source if osp.isdir(source) else osp.dirname(source) or '.'
        self.images = images or self.folder
        self.names = names
        self.met: set[str] = set()  # those of the names that are there
        self.dropped: Counter = Counter()
        self._examples: dict[str, str] = {}
        self._by_name: dict[str, list[str]] | None = None

    def drop(self, reason: str, where: str) -> None:
        self._examples.setdefault(reason, where)
        self.dropped[reason] += 1

    def layout(self, pictures: Iterable[Picture], classes: list[str]) -> Layout:
        pictures = sorted(pictures, key=lambda picture: picture.path)
        for name in sorted((self.names or set()) - self.met):
            self.drop('names of the list that no annotation has', name)
        dropped = {
            f'{reason} ({self._examples[reason]})': count
            for reason, count in self.dropped.items()
        }
        return Layout(pictures, classes, Counter(dropped))

    def wanted(self, path: str) -> bool:
        if self.names is None:
            return True
        self.met |= self.names & {stem(path)}
        return stem(path) in self.names

    def find_image(self, name: str, *folders: str) -> str | None:
        """File of an image by its name, whose suffix may be missing or wrong."""
        name = name.replace('\\', '/')
        for folder in (*folders, self.images):
            path = osp.normpath(osp.join(folder, name))
            if osp.isfile(path) and path.lower().endswith(IMAGE_SUFFIXES):
                return path
        if self._by_name is None:
            self._by_name = {}
            for path in files_below(self.images, IMAGE_SUFFIXES):
                for key in {osp.basename(path), stem(path)}:
                    self._by_name.setdefault(key, []).append(path)
        found = self._by_name.get(osp.basename(name)) or self._by_name.get(stem(name))
        if found and len(found) > 1:
            raise UserError(
                f'{name} is more than one file below {self.images} ({listed(found)}): '
                'give the folder of these images by --images'
            )
        return found[0] if found else None


def stem(path: str) -> str:
    """Name of a file without its folder and suffix; other dots are part of it."""
    name = osp.basename(path.replace('\\', '/'))
    start, suffix = osp.splitext(name)
    return start if suffix.lower() in SUFFIXES else name


def files_below(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    """Files of a folder and those in it, sorted; hidden ones are left out."""
    return sorted(
        osp.join(root, name)
        for root, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(suffixes) and not name.startswith('.')
    )


def size_of(path: str) -> tuple[int, int]:
    """Width and height of an image as it is shown.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        with Image.open(path) as image:
            size = image.size
            turned = image.getexif().get(ORIENTATION) in SIDEWAYS
    except Exception as error:  # of Pillow's readers, whatever is in the file
        raise UserError(f'the image {path} cannot be read: {error}') from error
    return size[::-1] if turned else size


def stated_size(width: object, height: object) -> tuple[float, float] | None:
    """Width and height, None where they are no positive numbers: as none stated."""
    try:
        size = float(width), float(height)
    except (TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def number_of(text: object, where: str, what: str) -> float:
    """A finite number.

    Raises:
        UserError: If it is none.
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f'{where}: {what} is {reprlib.repr(text)}; it must be a number')
    return number


def outline(polygon: list[float]) -> tuple[tuple[float, ...], float]:
    """Corners of the box about a polygon, and its area by the shoelace formula."""
    xs, ys = polygon[::2], polygon[1::2]
    twice = sum(
        x * ys[(i + 1) % len(ys)] - xs[(i + 1) % len(xs)] * y
        for i, (x, y) in enumerate(zip(xs, ys, strict=True))
    )
    return (min(xs), min(ys), max(xs), max(ys)), abs(twice) / 2


def read_voc(reader: Reader) -> Layout:
    """XML files of Pascal VOC, as mmdet's XMLDataset reads them.

    From all corners 1 is subtracted, as VOC counts pixels from 1; an object that is
    difficult becomes a crowd, which a training ignores and COCO's metric does not
    count, as VOC's does not.
    """
    pictures = []
    for path in files_below(reader.source, ('.xml',)):
        if not reader.wanted(path):
            continue
        try:
            root = ET.parse(path).getroot()
        except (ET.ParseError, LookupError, ValueError, OSError) as error:
            raise UserError(
                f'{path} is not valid XML: {error}; make or copy it again'
            ) from error
        name = (root.findtext('filename') or '').strip() or stem(path)
        beside = osp.join(osp.dirname(osp.dirname(path)), 'JPEGImages')
        image = reader.find_image(name, beside, osp.dirname(path)) or (
            reader.find_image(stem(path), beside)
        )
        if image is None:
            reader.drop('annotations without their image', path)
            continue
        boxes = []
        for number, obj in enumerate(root.findall('object'), 1):
            where = f'{path}, object {number}'
            label, box = (obj.findtext('name') or '').strip(), obj.find('bndbox')
            if not label or box is None:
                raise UserError(f'{where} has no <{"bndbox" if label else "name"}>')
            corners = tuple(
                number_of(box.findtext(key), where, f'<{key}>') - 1
                for key in ('xmin', 'ymin', 'xmax', 'ymax')
            )
            difficult = number_of(
                obj.findtext('difficult', '0').strip() or '0', where, '<difficult>'
            )
            boxes.append(Box(label, corners, where, bool(difficult)))
        stated = stated_size(root.findtext('size/width'), root.findtext('size/height'))
        pictures.append(Picture(image, size_of(image), boxes, stated))
    return reader.layout(pictures, [])


def read_labelme(reader: Reader) -> Layout:
    """JSON files of LabelMe: rectangles, circles, and polygons with their outline."""
    pictures = []
    for path in files_below(reader.source, ('.json',)):
        if not reader.wanted(path):
            continue
        data = json_of(path)
        if not isinstance(data, dict) or not isinstance(data.get('shapes'), list):
            reader.drop('JSON files that are none of LabelMe', path)
            continue
        name = data.get('imagePath')
        image = reader.find_image(
            name if isinstance(name, str) else stem(path), osp.dirname(path)
        ) or reader.find_image(stem(path), osp.dirname(path))
        if image is None:
            reader.drop('annotations without their image', path)
            continue
        boxes = []
        for number, shape in enumerate(data['shapes'], 1):
            where = f'{path}, shape {number}'
            box = _labelme_box(shape, where, reader)
            if box is not None:
                boxes.append(box)
        stated = stated_size(data.get('imageWidth'), data.get('imageHeight'))
        pictures.append(Picture(image, size_of(image), boxes, stated))
    return reader.layout(pictures, [])


def json_of(path: str) -> object:
    """Content of a JSON file.

    Raises:
        UserError: If it is none.
    """
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f'{path} is not valid JSON: {error}') from error


def _labelme_box(shape: object, where: str, reader: Reader) -> Box | None:
    if not isinstance(shape, dict) or not isinstance(shape.get('label'), str):
        raise UserError(f'{where} is {reprlib.repr(shape)}; it must have a label')
    kind = shape.get('shape_type') or 'polygon'
    points = shape.get('points')
    if not isinstance(points, list) or not all(
        isinstance(p, list) and len(p) == 2 for p in points
    ):
        raise UserError(f'{where}: points must be a list of [x, y]')
    flat = [number_of(v, where, 'a coordinate') for point in points for v in point]
    needed = {'polygon': 6, 'rectangle': 4, 'circle': 4, 'mask': 4}
    if kind not in needed:
        reader.drop(f'shapes of the type {kind!r}, which have no box', where)
        return None
    if len(flat) < needed[kind]:
        reader.drop(f'shapes of the type {kind!r} with too few points', where)
        return None
    name = shape['label'].strip()
    if kind == 'circle':
        (x, y), radius = flat[:2], math.dist(flat[:2], flat[2:4])
        box = (x - radius, y - radius, x + radius, y + radius)
        return Box(name, box, where, area=math.pi * radius**2)
    corners, area = outline(flat)
    if kind == 'polygon':
        return Box(name, corners, where, polygon=flat, area=area)
    return Box(name, corners, where)


def text_of(path: str) -> str:
    """Content of a text file; a byte order mark, as Windows writes, is none of it."""
    return read_text(path, 'utf-8-sig')


def lines_of(path: str) -> list[str]:
    """Lines of a list that say something."""
    return [line.strip() for line in text_of(path).split('\n') if line.strip()]
