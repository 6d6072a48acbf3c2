"""A CSV table with a header, a box a row."""

import csv
import os.path as osp
from collections.abc import Callable

from projects.core.errors import UserError, listed
from projects.core.tasks.detection.foreign_layouts import (
    Box,
    Layout,
    Picture,
    Reader,
    files_below,
    number_of,
    size_of,
    stated_size,
    text_of,
)

# names of columns, in lower case without anything but letters and digits
COLUMNS = {
    'image': ('filename', 'image', 'imagename', 'imagepath', 'imageid', 'file', 'path'),
    'name': ('class', 'label', 'labelname', 'classname', 'name', 'category'),
    'x1': ('xmin', 'x1', 'left', 'bboxxmin', 'xtl'),
    'y1': ('ymin', 'y1', 'top', 'bboxymin', 'ytl'),
    'x2': ('xmax', 'x2', 'right', 'bboxxmax', 'xbr'),
    'y2': ('ymax', 'y2', 'bottom', 'bboxymax', 'ybr'),
    'x': ('x', 'bboxx', 'xmin', 'x1', 'left'),
    'y': ('y', 'bboxy', 'ymin', 'y1', 'top'),
    'w': ('w', 'bboxwidth', 'bboxw', 'boxwidth', 'width'),
    'h': ('h', 'bboxheight', 'bboxh', 'boxheight', 'height'),
    'cx': ('cx', 'xcenter', 'centerx', 'xcentre'),
    'cy': ('cy', 'ycenter', 'centery', 'ycentre'),
}
# ways to state a box, the first that is there is taken
FORMS: dict[tuple[str, ...], Callable[..., tuple[float, ...]]] = {
    ('x1', 'y1', 'x2', 'y2'): lambda *v: v,
    ('x', 'y', 'w', 'h'): lambda x, y, w, h: (x, y, x + w, y + h),
    ('cx', 'cy', 'w', 'h'): lambda x, y, w, h: (
        x - w / 2,
        y - h / 2,
        x + w / 2,
        y + h / 2,
    ),
}


def read_csv(reader: Reader) -> Layout:
    """A table with a header, a box a row; without coordinates an image without box.

    Coordinates none of which is above 1 are shares of the width and height.
    """
    path = reader.source
    if osp.isdir(path):
        files = files_below(path, ('.csv',))
        if len(files) != 1:
            raise UserError(f'{path} holds {len(files)} CSV files; give one of them')
        path = files[0]
    text = text_of(path).splitlines()
    if not any(line.strip() for line in text):
        raise UserError(f'{path} is empty; make or copy it again')
    comma = max(',;\t|', key=text[0].count)
    table = csv.reader(text, delimiter=comma)
    header = next(table)
    keys = [''.join(c for c in key.lower() if c.isalnum()) for key in header]
    place = {
        what: keys.index(next(n for n in names if n in keys))
        for what, names in COLUMNS.items()
        if any(n in keys for n in names)
    }
    form = next((form for form in FORMS if set(form) <= place.keys()), None)
    if form is None or not {'image', 'name'} <= place.keys():
        raise UserError(
            f'{path}, line 1: its columns are {listed(header, 8)}; there must be '
            'filename and class, and xmin, ymin, xmax, ymax (or x, y, w, h; or cx, '
            'cy, w, h)'
        )
    # the image's own, where they are not the box's
    of_image = [keys.index(k) for k in ('width', 'height') if k in keys]
    if len(of_image) < 2 or {'w', 'h'} & set(form):
        of_image = []
    rows: dict[str, list] = {}
    stated: dict[str, tuple[float, float] | None] = {}
    for line, row in enumerate(table, 2):
        if not any(row):
            continue
        where = f'{path}, line {line}'
        if len(row) != len(header):
            raise UserError(f'{where} has {len(row)} columns, the header {len(header)}')
        name = row[place['image']].strip()
        if not name:
            raise UserError(f'{where} names no image')
        if not reader.wanted(name):
            continue
        texts = [row[place[key]].strip() for key in form]
        boxes = rows.setdefault(name, [])
        if of_image:
            stated[name] = stated_size(*(row[i] for i in of_image))
        if any(texts):
            values = [number_of(t, where, k) for t, k in zip(texts, form, strict=True)]
            label = row[place['name']].strip()
            if not label:
                raise UserError(f'{where} has a box, but no class')
            boxes.append((label, FORMS[form](*values), where))
    corners = [v for boxes in rows.values() for _, box, _ in boxes for v in box]
    relative = bool(corners) and max(corners) <= 1 + 1e-6
    pictures = []
    for name, boxes in rows.items():
        image = reader.find_image(name)
        if image is None:
            where = boxes[0][2] if boxes else path
            reader.drop('images that are not there', f'{name}, {where}')
            continue
        size = size_of(image)
        factor = (*size, *size) if relative else (1, 1, 1, 1)
        pictures.append(
            Picture(
                image,
                size,
                [
                    Box(
                        label,
                        tuple(v * f for v, f in zip(box, factor, strict=True)),
                        where,
                    )
                    for label, box, where in boxes
                ],
                stated.get(name),
            )
        )
    return reader.layout(pictures, [])
