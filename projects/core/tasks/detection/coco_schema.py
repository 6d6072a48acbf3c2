"""What each field of a COCO file may hold, as one table, and its reader.

A field is checked as a whole column: its types, then its range. What passes can be
read by mmdet's CocoDataset, by pycocotools and by faster-coco-eval.

Legend: N rows of a column; boxes are (N, 4) xywh in pixels of the image file.
"""

import gc
import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import numpy as np

from projects.core.datasets.files import CONTROL, read_text
from projects.core.errors import UserError, listed


class Field(NamedTuple):
    """A field of the rows of a list in a COCO file.

    ``types`` are exact: for ``type`` True is no number. ``least`` and ``most``
    bound numbers; without them a number may also be infinite or NaN.
    ``must_be`` says all this in words.
    """

    name: str
    types: frozenset[type]
    must_be: str
    least: float | None = None
    most: float | None = None
    needed: bool = True
    of_one_type: bool = False


INT64 = 2**63 - 1024  # the largest float64 below 2**63
WHOLE, NUMBER, TEXT = frozenset([int]), frozenset([int, float]), frozenset([str])
ID, FLAG = WHOLE | TEXT, frozenset([int, bool])
_ID = 'a whole number below 2**63, or text'
_SIDE = 'a number of pixels, 1 or more'
_FLAG = '0 or 1'
SCHEMA = {
    'images': (
        Field('id', ID, _ID, -INT64, INT64, of_one_type=True),
        Field('file_name', TEXT, 'the path of a file below data_prefix'),
        Field('width', NUMBER, _SIDE, 1, 2**31),
        Field('height', NUMBER, _SIDE, 1, 2**31),
    ),
    'annotations': (
        # pycocotools writes the ids of what was matched to an array of numbers,
        # faster-coco-eval takes negative ones for unmatched
        Field('id', WHOLE, 'a whole number from 1 to 2**63', 0, INT64),
        Field('image_id', ID, _ID, -INT64, INT64),
        Field('category_id', ID, _ID, -INT64, INT64),
        Field(
            'bbox', frozenset([list]), 'four numbers, [x, y, width, height] in pixels'
        ),
        Field('area', NUMBER, 'a number of square pixels'),
        Field('iscrowd', FLAG, _FLAG, 0, 1, needed=False),
        Field('ignore', FLAG, _FLAG, 0, 1, needed=False),
    ),
    'categories': (
        Field('id', ID, _ID, -INT64, INT64, of_one_type=True),
        Field('name', TEXT, 'text'),
    ),
}
SINGULAR = dict(images='image', annotations='annotation', categories='category')
ABSENT = object()


class CocoFile(NamedTuple):
    """Columns of a COCO file by name of the field.

    Numbers are float64 arrays, (N, ), and ``bbox`` (N, 4); ids and text are
    lists. Of ``iscrowd`` and ``ignore`` the default is 0.
    """

    path: str
    images: dict[str, list | np.ndarray]
    annotations: dict[str, list | np.ndarray]
    categories: dict[str, list | np.ndarray]
    notices: list[str]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Spare the garbage collector the millions of objects of a file, among which it
    would look for cycles again and again: reading takes half as long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_no_collection()
def read_coco(path: str, split: str, masks: bool = False) -> CocoFile:
    """Read a file and check each of its fields.

    Args:
        split: Of 'test', annotations may be missing.
        masks: Give the column ``segmentation`` of the annotations, unchecked.

    Raises:
        UserError: At the first field that is not as the schema has it.
    """
    data, notices = load_json(path)
    keys = set(SCHEMA)
    if split == 'test' and isinstance(data, dict) and 'annotations' not in data:
        keys.discard('annotations')  # published test sets keep theirs to themselves
    found = data if isinstance(data, dict) else {}
    missing = sorted(key for key in keys if not isinstance(found.get(key), list))
    if missing:
        raise UserError(
            f'{path} is not an annotation file in COCO format: '
            f'{listed(missing)} missing, {_content(data, missing)}. It must hold '
            'lists of images, annotations and categories'
        )
    columns = {}
    for table, fields in SCHEMA.items():
        rows = data.get(table, [])
        _check_rows(path, table, rows)
        columns[table] = {
            field.name: _column(path, table, rows, field) for field in fields
        }
    if masks:
        columns['annotations']['segmentation'] = [
            row.get('segmentation') for row in data.get('annotations', [])
        ]
    return CocoFile(path, **columns, notices=notices)


def load_json(path: str) -> tuple[object, list[str]]:
    """Content of a JSON file, and notices of keys that stand there twice.

    Raises:
        UserError: If it cannot be read.
    """
    text = read_text(path)
    repeated = set()

    def unique(pairs: list[tuple[str, object]]) -> dict:
        row = dict(pairs)
        if len(row) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.update(key for key in row if keys.count(key) > 1)
        return row

    try:
        data = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise UserError(f'{path} is empty; make or copy it again') from error
        raise UserError(
            f'{path} is not valid JSON: line {error.lineno}, column '
            f'{error.colno}: {error.msg}. It may be cut short or edited by '
            'hand; make or copy it again'
            + (
                f' (it begins with {reprlib.repr(text[:80])})'
                if not text[: error.pos].strip()
                else ''
            )
        ) from error
    except RecursionError as error:
        raise UserError(
            f'{path} is no annotation file: its brackets are nested too deeply to be '
            'read'
        ) from error
    except ValueError as error:  # Python's limit on the digits of a number
        raise UserError(f'{path} cannot be read: {error}') from error
    return data, [
        f'{path}: the key {key!r} stands more than once in an object; the last one '
        'counts, what the others hold is lost'
        for key in sorted(repeated)
    ]


def _content(data, missing: list[str]) -> str:
    if isinstance(data, dict) and data:
        wrong = [key for key in missing if key in data]
        if wrong:
            return f'{wrong[0]!r} holds a {type(data[wrong[0]]).__name__}, not a list'
        return f'its keys are {listed(reprlib.repr(key)[1:-1] for key in data)}'
    hint = ''
    if isinstance(data, list) and data and isinstance(data[0], dict):
        if {'bbox', 'score'} & data[0].keys():
            hint = ' of detections (the results format, which holds no ground truth)'
    return f'it holds a {type(data).__name__}{hint}'


def _check_rows(path: str, table: str, rows: list) -> None:
    """Each row is an object that has the needed fields."""
    if set(map(type, rows)) - {dict}:
        index = next(i for i, row in enumerate(rows) if type(row) is not dict)
        raise UserError(
            f'{path}: {table}[{index}] is {reprlib.repr(rows[index])}; it must be an '
            'object, {"id": ..., ...}'
        )
    required = {field.name for field in SCHEMA[table] if field.needed}
    for index, row in enumerate(rows):
        if not required <= row.keys():
            fields = listed(sorted(required - row.keys()))
            raise UserError(
                f'{path}: {table}[{index}] (id {reprlib.repr(row.get("id"))}) has no '
                f'{fields}, which mmdet needs'
                + ('; for boxes, area = width * height' if fields == 'area' else '')
            )


def _column(path: str, table: str, rows: list[dict], field: Field):
    """Values of a field, of the right types and in range."""

    def refuse(bad: list[int], reason: str = '') -> None:
        value, index = values[bad[0]], bad[0]
        id_ = rows[index]['id']
        one = (
            f'{table}[{index}]'
            if field.name == 'id' or type(id_) not in ID
            else f'{SINGULAR[table]} {reprlib.repr(id_)}'
        )
        more = f', and {len(bad) - 1} more' if len(bad) > 1 else ''
        quoted = type(value) is str and str not in field.types
        raise UserError(
            f'{path}: {field.name} of {one} is {reprlib.repr(value)}{more}; it must be '
            f'{reason or field.must_be}' + (', without quotes' if quoted else '')
        )

    default = ABSENT if field.needed else 0
    values = [row.get(field.name, default) for row in rows]
    types = set(map(type, values))
    if types - field.types:
        refuse([i for i, v in enumerate(values) if type(v) not in field.types])
    if field.of_one_type and len(types) > 1:
        refuse(
            [i for i, v in enumerate(values) if type(v) is not type(values[0])],
            f'of one type with the others, such as {reprlib.repr(values[0])}',
        )
    if field.name == 'bbox':
        return _boxes(values, refuse)
    if types <= TEXT:
        if CONTROL.search(' '.join(values)) or '' in values:
            refuse(
                [i for i, v in enumerate(values) if not v or CONTROL.search(v)],
                f'{field.must_be}, not empty and of one line',
            )
        return values
    numbers = [v for v in values if type(v) is not str] if str in types else values
    array = _floats(numbers)
    if array is None or not _in_range(array, field).all():
        refuse([i for i, v in enumerate(values) if _is_out_of_range(v, field)])
    return values if field.types in (ID, WHOLE) else array


def _boxes(values: list[list], refuse) -> np.ndarray:
    """(N, 4) float64 of lists of four numbers."""
    if not (
        set(map(len, values)) <= {4}
        and set(map(type, chain.from_iterable(values))) <= NUMBER
    ):
        refuse(
            [
                i
                for i, v in enumerate(values)
                if len(v) != 4 or not set(map(type, v)) <= NUMBER
            ]
        )
    boxes = _floats(list(chain.from_iterable(values)))
    if boxes is None:
        refuse([i for i, v in enumerate(values) if _floats(v) is None])
    return boxes.reshape(-1, 4)


def _floats(values: list) -> np.ndarray | None:
    """Float64 of numbers; None if one is beyond it, as 10**400 is."""
    try:
        return np.array(values, np.float64)
    except OverflowError:
        return None


def _in_range(array: np.ndarray, field: Field) -> np.ndarray:
    if field.least is None:
        return np.ones(len(array), bool)
    return (array >= field.least) & (array <= field.most)


def _is_out_of_range(value, field: Field) -> bool:
    if type(value) is str:
        return False
    array = _floats([value])
    return array is None or not _in_range(array, field).all()
