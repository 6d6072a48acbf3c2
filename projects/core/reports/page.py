"""The page of a run, or of several: sections of blocks as one HTML file.

It holds all that it needs (script, style, data, pictures), so that it opens from a
disk without a network, and runs no script but its own: a Content Security Policy
names those by their hashes.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from projects.core.reports import charts, scatter
from projects.core.reports.blocks import (
    Bars,
    Block,
    Curves,
    Number,
    Pictures,
    Points,
    Section,
    Table,
    Text,
)
from projects.core.reports.images import DataImage, data_images
from projects.core.reports.looks import DARK, LIGHT, SHAPES, VARIABLES, Look, looks
from projects.core.reports.numbers import numbers
from projects.core.reports.thinning import finite

#: of a page, in bytes
MAX_SIZE = 3_000_000
#: points of a line, fewer where the page grows too large
LIMITS = (charts.LIMIT, 240, 120, 60)
#: of a text, in letters, and of a table, in rows
MAX_TEXT, MAX_ROWS = 200_000, 2_000
KIND_WORDS = {
    'curves': 'line chart',
    'bars': 'bar chart',
    'points': 'scatter plot',
    'matrix': 'heat map',
}


BETTER = {'': '', '+': 'more is better', '-': 'less is better'}


@dataclass
class Cell:
    """A cell of a table.

    Args:
        text: What it shows.
        number: Whether that is a number, or stands for one.
        best: Whether none of its column is better.
        link: What it leads to; may be empty.
    """

    text: str
    number: bool = False
    best: bool = False
    link: str = ''


@dataclass
class Item:
    """A block as the template takes it.

    Args:
        id: Of its element.
        block: The block.
        label: What it is, for those who do not see it.
        wide: Whether it takes the whole width.
        note: What the page leaves out of it.
        left_out: What its table leaves out.
        columns: Heads of its table: text, whether of numbers, word of what is better.
        rows: Of the table.
        chart: Its specification; None of what is no chart.
        height: Of the chart, within its axes, in pixels.
        looks: Of the series in the legend.
        images: Of the pictures.
    """

    id: str
    block: Block
    label: str = ''
    wide: bool = True
    note: str = ''
    left_out: str = ''
    columns: list[tuple[str, bool, str]] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    chart: dict[str, Any] | None = None
    height: int = 0
    looks: list[Look] = field(default_factory=list)
    images: list[DataImage] = field(default_factory=list)


def render(
    title: str,
    facts: Sequence[tuple[str, str | Number]],
    sections: Sequence[Section],
    notices: Sequence[str] = (),
) -> str:
    """The page as HTML, below :data:`MAX_SIZE` bytes where its tables allow it.

    What takes too much room is drawn from fewer points, and pictures are left out;
    the page says so.

    Args:
        title: Heading.
        facts: What is to be known first: names and values.
        sections: In order.
        notices: Sentences above all, as of a run that was cut off.
    """
    blocks = [block for section in sections for block in section.blocks]
    images = data_images([b for b in blocks if isinstance(b, Pictures)])
    # of a run of many points it takes a while, and is the same at each limit
    tables = {id(b): numbers(b) for b in blocks if isinstance(b, charts.CHARTS)}
    for limit in LIMITS:
        html = _render(title, facts, sections, notices, images, tables, limit)
        if len(html.encode('utf-8', 'backslashreplace')) <= MAX_SIZE:
            return html
    num = sum(len(pictures) for pictures in images)
    left_out = f'The page is large: its {num} pictures are left out.'
    notices = [*notices, left_out] if num else notices
    images = [[] for _ in images]
    return _render(title, facts, sections, notices, images, tables, LIMITS[-1])


def _render(title, facts, sections, notices, images, tables, limit) -> str:
    template, style, page_script = _files()
    remaining = iter(images)
    views, num = [], 0
    for s, section in enumerate(sections):
        items = []
        for block in section.blocks:
            num += 1
            items.append(_item(f'block-{num}', block, tables.get(id(block)), limit))
            if isinstance(block, Pictures):
                items[-1].images = next(remaining)
                left = len(block.pictures) - len(items[-1].images)
                items[-1].note = f'{left} more are left out.' if left else ''
        _fill_rows(items)
        views.append({'id': f'section-{s + 1}', 'section': section, 'items': items})
    has_charts = any(item.chart for view in views for item in view['items'])
    scripts = [f'const LIGHT = {json.dumps(LIGHT)};\n{page_script}']
    if has_charts:
        scripts.insert(0, charts.script())
    return template.render(
        title=title,
        facts=[(label, _text(value)) for label, value in facts],
        views=views,
        notices=notices,
        style=style,
        light=LIGHT,
        dark=DARK,
        scripts=scripts,
        hashes=[_sha256(script) for script in scripts],
        has_charts=has_charts,
        paths=SHAPES,
    )


@cache
def _files():
    """Template, style sheet and script of a page."""
    import jinja2

    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    texts = (folder.joinpath(f'page.{s}').read_text('utf-8') for s in ('css', 'js'))
    return environment.get_template('page.html'), *texts


def _sha256(script: str) -> str:
    """As a Content Security Policy names a script."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _item(id_: str, block: Block, table: tuple | None, limit: int) -> Item:
    if table is not None:
        columns, rows, left_out = table
        links = {}
        if isinstance(block, Points):
            links = {p.name: p.link for p in block.points if scatter.address(p.link)}
        look, chart = looks(block), charts.spec(block, VARIABLES, limit)
        return Item(
            id_,
            block,
            label=_label(block),
            wide=_is_wide(block),
            note=charts.thinned(block, limit),
            left_out=left_out,
            columns=[(name, i > 0, '') for i, name in enumerate(columns)],
            rows=[
                [
                    Cell(_text(row[0]), link=links.get(row[0], '')),
                    *(Cell(_text(v), not isinstance(v, str)) for v in row[1:]),
                ]
                for row in rows
            ],
            chart=chart,
            height=chart['height'],
            looks=look if len(look) > 1 else [],
        )
    if isinstance(block, Table):
        return _table(id_, block)
    if isinstance(block, Text) and len(block.text) > MAX_TEXT:
        note = f'Cut off after {MAX_TEXT:,} of {len(block.text):,} letters.'
        block = Text(
            block.key,
            block.title,
            block.text[:MAX_TEXT],
            block.verbatim,
            note=block.note,
        )
        return Item(id_, block, note=note)
    return Item(id_, block)


def _fill_rows(items: list[Item]) -> None:
    """Give the whole width to those that would stand alone in half a row."""
    start = 0
    for i in range(len(items) + 1):
        if i == len(items) or items[i].wide:
            if (i - start) % 2:
                items[i - 1].wide = True
            start = i + 1


def _is_wide(block: Block) -> bool:
    if isinstance(block, Curves):
        return len(block.series) > 8
    if isinstance(block, Bars):
        return len(block.labels) > 24
    if isinstance(block, Points):
        return not block.diagonal
    return max(len(block.rows), len(block.columns)) > 12


def _label(block: Block) -> str:
    """What a chart is, for those who do not see it."""
    words = f'{block.title}: {KIND_WORDS[block.kind]}'
    if isinstance(block, Curves):
        names = ', '.join(s.name for s in block.series)
        return f'{words} of {names} over {block.x_label}'
    if isinstance(block, Bars):
        return f'{words} of {block.y_label}, {len(block.labels)} labels'
    if isinstance(block, Points):
        return f'{words} of {block.y_label} against {block.x_label}'
    return f'{words}, {block.row_label} by {block.column_label}'


def _table(id_: str, block: Table) -> Item:
    rows = [list(row) for row in block.rows[:MAX_ROWS]]
    note = ''
    if len(block.rows) > MAX_ROWS:
        note = f'The first {MAX_ROWS:,} of {len(block.rows):,} rows.'
    better = block.better or [''] * len(block.columns)
    columns, best, whole = [], [], []
    for i, (name, sign) in enumerate(zip(block.columns, better, strict=True)):
        values = [row[i] for row in block.rows]
        whole.append(all(_is_whole(v) for v in values))
        present = [v for v in values if not isinstance(v, str) and finite(v)]
        columns.append((name, i > 0 and bool(present), BETTER[sign]))
        choose = max if sign == '+' else min
        first = choose(present) if sign and len(present) > 1 else None
        # what is the same in many rows stands out nowhere
        best.append(
            first if present.count(first) <= max(len(present) // 3, 1) else None
        )
    cells = [
        [
            Cell(
                _text(value, None if whole[i] else block.digits),
                number=columns[i][1] and not isinstance(value, str),
                best=best[i] is not None and value == best[i],
            )
            for i, value in enumerate(row)
        ]
        for row in rows
    ]
    return Item(id_, block, note=note, columns=columns, rows=cells)


def _text(value: str | Number, digits: int | None = None) -> str:
    """A value as a page shows it: 12,345, 0.722, – for what there is not."""
    if isinstance(value, str):
        return value
    if not finite(value):
        return '–'
    if isinstance(value, int) or (digits is None and _is_whole(value)):
        return f'{int(value):,}'
    if digits is None:
        return f'{value:.6g}'
    text = f'{value:,.{digits}f}'
    # a rate of 1e-5 is not 0.000
    return text if value == 0 or float(text.replace(',', '')) else f'{value:.1g}'


def _is_whole(value: str | Number) -> bool:
    if isinstance(value, str) or not finite(value):
        return True
    return float(value).is_integer() and abs(value) < 1e15
