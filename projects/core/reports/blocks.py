"""Blocks of a page: what a task reports, without a word of how it is drawn.

A block is a table, curves, bars, points, a matrix, pictures or a text. A task fills
them, :mod:`projects.core.reports.page` lays them out, and two runs are compared
block by block, by their ``key``: so that neither knows the other, and a new kind of
task needs no new page.

Numbers that do not exist are None; NaN and infinities become None in JSON.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

Number = float | int | None


@dataclass
class Block:
    """What all blocks have.

    Args:
        key: Names the block among those of an evaluation, and in file names; letters,
            digits, '-'. That of the same block of another run is the same.
        title: Heading, a few words.
        note: How to read it, a sentence or two; may be empty.
    """

    kind: ClassVar[str]
    key: str
    title: str
    note: str = field(default='', kw_only=True)


@dataclass
class Series:
    """A line of :class:`Curves`.

    Args:
        name: In the legend, and the tooltip.
        x: Ascending.
        y: As many as ``x``.
        low: Lower limit of a band around the line, as many; None for no band.
        high: Upper one.
        dashed: Drawn dashed, as what belongs to validation.
        group: Series of one group have one colour; the name by default.
    """

    name: str
    x: Sequence[Number]
    y: Sequence[Number]
    low: Sequence[Number] | None = None
    high: Sequence[Number] | None = None
    dashed: bool = False
    group: str = ''


@dataclass
class Curves(Block):
    """Lines over an axis.

    Args:
        x_label: Of the axis, with its unit.
        y_label: The same.
        series: Lines.
        x_range: Least and greatest value of the axis; by the data where None.
        y_range: The same.
        log_x: Logarithmic axis.
        log_y: The same.
        finer: What else the axis counts, and how many of that one of its own unit
            is, for the tooltip: ('iteration', 24) of epochs.
    """

    kind = 'curves'
    x_label: str
    y_label: str
    series: list[Series]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_x: bool = False
    log_y: bool = False
    finer: tuple[str, int] | None = None


@dataclass
class Bars(Block):
    """A bar for each label and series.

    Args:
        labels: What the bars are of, L.
        y_label: What their length is, with its unit.
        series: L values by name of the series; of several they stand side by side,
            or one upon the other where ``stacked``.
        stacked: See ``series``.
    """

    kind = 'bars'
    labels: list[str]
    y_label: str
    series: dict[str, Sequence[Number]]
    stacked: bool = False


@dataclass
class Point:
    """A point of :class:`Points`.

    Args:
        name: Of what it stands for.
        x: Horizontal.
        y: Vertical.
        group: Points of one group have one colour; may be empty.
        link: Address that a click on it opens, relative to the page; may be empty.
    """

    name: str
    x: Number
    y: Number
    group: str = ''
    link: str = ''


@dataclass
class Points(Block):
    """Points in a plane.

    Args:
        x_label: With its unit.
        y_label: The same.
        points: Each with its name.
        log_x: Logarithmic axis.
        front: A line joins the points that none surpasses, being both further to
            the left and higher (Pareto front).
        lower: Lower counts as higher for the front: less of y is better.
        diagonal: The line y = x is drawn, as of a calibration.
    """

    kind = 'points'
    x_label: str
    y_label: str
    points: list[Point]
    log_x: bool = False
    front: bool = False
    lower: bool = False
    diagonal: bool = False


@dataclass
class Matrix(Block):
    """Cells by row and column, coloured by their share of the row.

    Args:
        row_label: What the rows are.
        column_label: What the columns are.
        rows: Their names, R.
        columns: Their names, C.
        values: (R, C).
        share: Colour by the share of the row's sum; by the value where False.
    """

    kind = 'matrix'
    row_label: str
    column_label: str
    rows: list[str]
    columns: list[str]
    values: Sequence[Sequence[Number]]
    share: bool = True


@dataclass
class Table(Block):
    """Rows of numbers and words.

    Args:
        columns: Heads, C, with their units. The first column names the row, and rows
            of two runs are compared by it.
        rows: Of C cells each.
        digits: Decimals of numbers that are not whole.
        better: '+' or '-' of a column in which more is better, or less, '' of one of
            which neither holds; C of them, or none.
    """

    kind = 'table'
    columns: list[str]
    rows: list[list[str | Number]]
    digits: int = 3
    better: list[str] = field(default_factory=list)


@dataclass
class Picture:
    """A picture of :class:`Pictures`.

    Args:
        caption: What it shows, in words; also for those who do not see it.
        image: (H, W, 3) uint8 BGR; None once it is a file.
        file: Its name, beside the JSON file; None until it is written.
    """

    caption: str
    image: np.ndarray | None = None
    file: str | None = None


@dataclass
class Pictures(Block):
    """Pictures with captions.

    Args:
        pictures: In order.
        width: Of each on the page, in pixels, at most.
    """

    kind = 'pictures'
    pictures: list[Picture]
    width: int = 240


@dataclass
class Text(Block):
    """Words.

    Args:
        text: Paragraphs, split by empty lines.
        verbatim: In letters of one width, line breaks kept: a config, samples of text.
    """

    kind = 'text'
    text: str
    verbatim: bool = False


@dataclass
class Section:
    """Blocks under a heading.

    Args:
        title: Heading.
        blocks: In order.
        note: A sentence or two before the blocks; may be empty.
    """

    title: str
    blocks: list[Block]
    note: str = ''


def key_of(text: str) -> str:
    """A key of a text: its letters and digits, '-' for what stands between them."""
    return re.sub(r'[\W_]+', '-', text).strip('-')


KINDS = {cls.kind: cls for cls in (Curves, Bars, Points, Matrix, Table, Pictures, Text)}
# lists of parts that are dataclasses themselves
PARTS = {'series': Series, 'points': Point, 'pictures': Picture}


def block_to_json(block: Block) -> dict[str, Any]:
    """A block as JSON takes it; pictures by their files."""
    return {'kind': block.kind, **plain(block)}


def block_from_json(data: dict[str, Any]) -> Block:
    """The block of :func:`block_to_json`.

    Raises:
        ValueError: If it is of no kind that is known, or lacks what its kind has.
    """
    data = dict(data)
    cls = KINDS.get(data.pop('kind', None))
    if cls is None:
        raise ValueError('not a block of a known kind')
    for name, part in PARTS.items():
        if isinstance(data.get(name), list):
            data[name] = [part(**item) for item in data[name]]
    try:
        return cls(**data)
    except TypeError as error:
        raise ValueError(f'not a block of kind {cls.kind}: {error}') from error


def plain(value: Any) -> Any:
    """A value as JSON takes it."""
    if dataclasses.is_dataclass(value):
        return {
            f.name: plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.name != 'image'
        }
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
