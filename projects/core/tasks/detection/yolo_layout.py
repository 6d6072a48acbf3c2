"""Text files of YOLO: a file for each image, a box or an outline a line.

A line is "class cx cy w h" in shares of the image's width and height, or "class x y x y
x y ..." for the outline of an object. The file of ``images/a.jpg`` is
``labels/a.txt``, or ``a.txt`` beside it.
"""

import os.path as osp

import yaml

from projects.core.datasets.decoding import IMAGE_SUFFIXES
from projects.core.errors import UserError, listed
from projects.core.tasks.detection.foreign_layouts import (
    Box,
    Layout,
    Picture,
    Reader,
    files_below,
    lines_of,
    number_of,
    outline,
    size_of,
    stem,
    text_of,
)

NAME_FILES = ('classes.txt', 'obj.names')
BORDER = 1e-3  # by how much of the image a coordinate may be outside: rounding


def read_yolo(reader: Reader, split: str | None = None) -> Layout:
    """Images with their boxes.

    Args:
        split: Entry of data.yaml that names the images; None for all of them.

    Raises:
        UserError: If there are no names of classes, or a line is none.
    """
    data, names = _names(reader.folder)
    pictures = []
    images = _images(reader, data, split)
    # of a name that is in two splits, one may have no file of labels
    near = map(_own_label_file, files_below(reader.images, IMAGE_SUFFIXES))
    taken = {osp.abspath(path) for path in near if path}
    elsewhere: dict[str, str] = {}
    for path in files_below(reader.source, ('.txt',)):
        if osp.abspath(path) not in taken and osp.basename(path) not in NAME_FILES:
            elsewhere.setdefault(stem(path), path)
    if not images:
        raise UserError(f'there is no image below {reader.images}')
    for image in images:
        if not reader.wanted(image):
            continue
        size = size_of(image)
        path = _own_label_file(image) or elsewhere.get(stem(image))
        boxes = []
        if path is not None:
            for number, line in enumerate(text_of(path).splitlines(), 1):
                if line.strip():
                    where = f'{path}, line {number}'
                    boxes.append(_box(line.split(), where, names, size))
        pictures.append(Picture(image, size, boxes))
    if split is None and reader.names is None:
        found = {stem(image) for image in images}
        for name, path in elsewhere.items():
            if name not in found and _is_boxes(path):
                reader.drop('annotations without their image', path)
    return reader.layout(pictures, names)


def _names(folder: str) -> tuple[dict, list[str]]:
    """Content of data.yaml, and names of the classes in their order."""
    for path in files_below(folder, ('.yaml', '.yml')):
        try:
            # all as text: 'no' is a class, and not False
            data = yaml.load(text_of(path), yaml.BaseLoader)
        except yaml.YAMLError as error:
            text = ' '.join(str(error).split())
            raise UserError(f'{path} is not valid YAML: {text}') from error
        names = data.get('names') if isinstance(data, dict) else None
        if isinstance(names, dict):
            names = [names.get(str(i)) for i in range(len(names))]
        if names is None:
            continue
        if isinstance(names, list) and names and all(type(n) is str for n in names):
            return data, names
        raise UserError(
            f'{path}: names must be a list of classes, or numbers from 0 on with a '
            f'class each, not {data["names"]!r}'
        )
    for name in NAME_FILES:
        for path in files_below(folder, (name,)):
            return {}, lines_of(path)
    raise UserError(
        f'{folder} does not say which classes there are: it holds neither a data.yaml '
        f'with names, nor {listed(NAME_FILES)}, a name a line'
    )


def _images(reader: Reader, data: dict, split: str | None) -> list[str]:
    """Images of a split, or all of them."""
    if split is None:
        return files_below(reader.images, IMAGE_SUFFIXES)
    entries = data.get(split)
    if not entries:
        has = [key for key in ('train', 'val', 'test') if data.get(key)]
        raise UserError(
            f'--split {split}: data.yaml of {reader.folder} has {listed(has)}'
        )
    images = []
    for entry in entries if isinstance(entries, list) else [entries]:
        path = _place(reader.folder, data, str(entry))
        if osp.isdir(path):
            images += files_below(path, IMAGE_SUFFIXES)
            continue
        for line in lines_of(path):
            image = reader.find_image(line, osp.dirname(path), reader.folder)
            if image is None:
                reader.drop('images that are not there', f'{line} of {path}')
            else:
                images.append(image)
    return images


def _place(folder: str, data: dict, entry: str) -> str:
    """Path of an entry of data.yaml, which may be of another machine."""
    inside = entry.replace('\\', '/')
    while inside.startswith('../'):  # of exports that count from a folder of splits
        inside = inside[3:]
    places = [
        osp.join(folder, str(data.get('path') or ''), entry),
        osp.join(folder, entry),
        osp.join(folder, inside),
    ]
    for place in places:
        if osp.exists(place):
            return osp.normpath(place)
    raise UserError(f'data.yaml names {entry}, but there is no {places[1]}')


def _own_label_file(image: str) -> str | None:
    """That of the same place, if it is there."""
    parts = osp.splitext(image)[0].split('/')
    if 'images' in parts:
        place = len(parts) - 1 - parts[::-1].index('images')
        path = '/'.join([*parts[:place], 'labels', *parts[place + 1 :]]) + '.txt'
        if osp.isfile(path):
            return path
    beside = osp.splitext(image)[0] + '.txt'
    return beside if osp.isfile(beside) else None


def _is_boxes(path: str) -> bool:
    """Whether a text file begins as one of boxes does, not as a list or a note."""
    words = (text_of(path).splitlines() or [''])[0].split()
    return len(words) >= 5 and all(w.replace('.', '', 1).isdigit() for w in words)


def _box(words: list[str], where: str, names: list[str], size: tuple[int, int]) -> Box:
    num = len(words)
    if num == 6:
        raise UserError(
            f'{where} has 6 numbers: a confidence at the end makes it a detection, not '
            'a ground truth; of these a line has 5 (class cx cy w h), or 7 and more '
            'for an outline'
        )
    if num < 5 or num % 2 == 0:
        raise UserError(
            f'{where} has {num} numbers; it must have 5 (class cx cy w h), or an odd '
            'number of 7 and more for an outline (class x y x y x y ...)'
        )
    index = number_of(words[0], where, 'the class')
    if index != int(index) or not 0 <= index < len(names):
        raise UserError(
            f'{where}: the class {words[0]} is none of 0 to {len(names) - 1} '
            f'({listed(names)})'
        )
    values = [number_of(word, where, 'a coordinate') for word in words[1:]]
    if max(values) > 1 + BORDER or min(values) < -BORDER:
        raise UserError(
            f'{where}: {max(values, key=abs):g} is no share of the image, from 0 to '
            '1; YOLO states boxes relative to width and height'
        )
    name, (width, height) = names[int(index)], size
    if num > 5:
        polygon = [v * (height if i % 2 else width) for i, v in enumerate(values)]
        corners, area = outline(polygon)
        return Box(name, corners, where, polygon=polygon, area=area)
    x, y, w, h = values
    corners = (
        (x - w / 2) * width,
        (y - h / 2) * height,
        (x + w / 2) * width,
        (y + h / 2) * height,
    )
    return Box(name, corners, where)
