"""What each field of a COCO file may hold, as one table, and its reader.

A field is checked as a whole column: its types, then its range. What passes can be
read by mmdet's CocoDataset, by pycocotools and by faster-coco-eval.

Legend: N rows of a column; boxes are (N, 4) xywh in pixels of the image file.
"""

import gc
import reprlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from projects.core.datasets.coco_json import read_tables
from projects.core.datasets.files import CONTROL
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


class FlawedRowsError(UserError):
    """A flaw of some rows of a list in a file, without which the rest can be read.

    Args:
        message: For the user.
        path: The file.
        table: Name of the list.
        rows: Their places in it.
    """

    def __init__(
        self, message: str, path: str, table: str, rows: Iterable[int]
    ) -> None:
        super().__init__(message)
        self.path = path
        self.table = table
        self.rows = list(rows)


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

    def without(self, table: str, rows: Iterable[int]) -> 'CocoFile':
        """The file without some rows, and without the annotations of images that
        are left out."""
        left = dict(images=self.images, annotations=self.annotations)
        left['categories'] = self.categories
        gone = set(rows)
        if table == 'images':
            ids = self.images['id']
            lost = {ids[i] for i in gone}
            lost -= {id_ for i, id_ in enumerate(ids) if i not in gone}
            of_lost = (
                i for i, id_ in enumerate(self.annotations['image_id']) if id_ in lost
            )
            left['annotations'] = _without(self.annotations, set(of_lost))
        left[table] = _without(left[table], gone)
        return CocoFile(self.path, **left, notices=self.notices)


def _without(columns: dict, gone: set[int]) -> dict:
    kept = [i for i in range(len(columns['id'])) if i not in gone]
    return {
        name: column[kept]
        if isinstance(column, np.ndarray)
        else [column[i] for i in kept]
        for name, column in columns.items()
    }


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
def read_coco(
    path: str,
    split: str,
    masks: bool = False,
    read_mask: Callable[[Any], Any] | None = None,
    on_flaw: Callable[[FlawedRowsError], None] | None = None,
) -> CocoFile:
    """Read a file and check each of its fields.

    Args:
        split: Of 'test', annotations may be missing.
        masks: Give the column ``segmentation`` of the annotations, unchecked.
            Without it they are let go while the file is read, as they take most of
            the memory.
        read_mask: Function whose result is kept in place of a segmentation.
        on_flaw: Is told of flawed rows, without which the reading goes on; without
            it they are raised.

    Raises:
        UserError: At the first field that is not as the schema has it.
    """
    if not masks:
        read_mask = read_mask or (lambda mask: None)
    data, notices = read_tables(path, split, read_mask)
    columns, lost = {}, set()  # ids of images that are left out
    for table, fields in SCHEMA.items():
        rows = data.get(table, [])
        if table == 'annotations' and lost:
            rows = [row for row in rows if _id(row, 'image_id') not in lost]
        while True:
            try:
                _check_rows(path, table, rows)
                columns[table] = {
                    field.name: _column(path, table, rows, field) for field in fields
                }
                break
            except FlawedRowsError as error:
                if on_flaw is None:
                    raise
                on_flaw(error)
                gone = set(error.rows)
                if table == 'images':
                    lost = lost | {_id(rows[i], 'id') for i in gone} - {None}
                rows = [row for i, row in enumerate(rows) if i not in gone]
        if table == 'annotations':
            columns[table]['segmentation'] = [row.get('segmentation') for row in rows]
    return CocoFile(path, **columns, notices=notices)


def _id(row: Any, key: str) -> int | str | None:
    """The id in a row that may be anything; None if it has none."""
    id_ = row.get(key) if isinstance(row, dict) else None
    return id_ if type(id_) in ID else None


def _check_rows(path: str, table: str, rows: list) -> None:
    """Each row is an object that has the needed fields."""
    if set(map(type, rows)) - {dict}:
        bad = [i for i, row in enumerate(rows) if type(row) is not dict]
        raise FlawedRowsError(
            f'{path}: {table}[{bad[0]}] is {reprlib.repr(rows[bad[0]])}; it must be an '
            'object, {"id": ..., ...}',
            path,
            table,
            bad,
        )
    required = {field.name for field in SCHEMA[table] if field.needed}
    bad = [i for i, row in enumerate(rows) if not required <= row.keys()]
    if bad:
        row = rows[bad[0]]
        fields = listed(sorted(required - row.keys()))
        more = f', nor have {len(bad) - 1} more all of theirs' if len(bad) > 1 else ''
        raise FlawedRowsError(
            f'{path}: {table}[{bad[0]}] (id {reprlib.repr(row.get("id"))}) has no '
            f'{fields}, which mmdet needs{more}'
            + ('; for boxes, area = width * height' if fields == 'area' else ''),
            path,
            table,
            bad,
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
        raise FlawedRowsError(
            f'{path}: {field.name} of {one} is {reprlib.repr(value)}{more}; it must be '
            f'{reason or field.must_be}' + (', without quotes' if quoted else ''),
            path,
            table,
            bad,
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
    if (types or field.types) <= TEXT:
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
