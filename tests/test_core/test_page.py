"""A page without a browser: its structure, its size, what it leaves out."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from projects.core.reports import charts, page
from projects.core.reports.blocks import (
    Bars,
    Curves,
    Matrix,
    Picture,
    Pictures,
    Point,
    Points,
    Section,
    Series,
    Table,
    Text,
)

EVIL = '</script><img src=x onerror="window.hacked = 1">'
VOID = {'meta', 'img', 'line', 'path', 'br'}


class Outline(HTMLParser):
    """Elements of a page; an element that is closed by another's tag is an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if 'script' not in self.open and 'style' not in self.open:
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def loss(num=40, name='train'):
    return Series(name, list(range(num)), [2 / (1 + i / 10) for i in range(num)])


def every_kind(name='3'):
    """A block of each kind, in which something is called by a name."""
    return [
        Curves('loss', name, 'iteration', 'loss', [loss(name=name), loss(name='b')]),
        Bars('bars', name, [name, '8'], 'AP', {name: [0.5, None], 'b': [1, 2]}),
        Points('points', name, name, 'y', [Point(name, 1, 2, name), Point('b', 3, 4)]),
        Matrix('matrix', name, name, name, [name, '8'], ['3', name], [[9, 1], [0, 8]]),
        Table(
            'table', name, [name, 'AP'], [[name, 0.5], ['8', None]], better=['', '+']
        ),
        Pictures('pictures', name, [Picture(name, np.zeros((8, 8, 3), np.uint8))]),
        Text('text', name, f'{name}\n\nand so on'),
        Text('verbatim', name, name, verbatim=True),
    ]


def render(*blocks):
    return page.render('A run', [], [Section('First', list(blocks))])


def test_every_kind_is_there_and_named():
    html = page.render(
        'A run',
        [('Status', 'finished')],
        [Section('First', every_kind())],
        ['Cut off.'],
    )
    outline = Outline(html)
    assert [attrs['lang'] for attrs in outline.all('html')] == ['en']
    names = {attrs.get('name') for attrs in outline.all('meta')}
    assert {'viewport', 'color-scheme'} <= names
    headings = [tag for tag, _ in outline.elements if re.fullmatch('h[1-6]', tag)]
    assert headings == ['h1', 'h2', *['h3'] * 8]
    marked = [attrs for _, attrs in outline.elements if attrs.get('role') in ROLES]
    kinds = [a['data-kind'] for a in marked if a.get('class') == 'chart']
    assert kinds == ['curves', 'bars', 'points', 'matrix']
    assert all(attrs['aria-label'] for attrs in marked)
    # the numbers of the charts, and the table, without a script
    assert len(outline.all('table')) == 5
    assert len(outline.all('caption')) == 5
    assert len(outline.all('details')) >= 4
    assert all(attrs['alt'] for attrs in outline.all('img')[:-1])
    ids = [attrs['id'] for _, attrs in outline.elements if 'id' in attrs]
    assert len(ids) == len(set(ids))
    text = ''.join(outline.text)
    for words in ('A run', 'finished', 'Cut off.', 'First', 'and so on'):
        assert words in text


ROLES = ('img', 'slider', 'region')


def test_nothing_is_asked_of_a_network():
    outline = Outline(render(*every_kind()))
    for _, attrs in outline.elements:
        for name in ('src', 'href', 'action', 'poster', 'data'):
            assert re.match(r'data:image/|#|$', attrs.get(name) or '')
    policy = next(a['content'] for a in outline.all('meta') if 'http-equiv' in a)
    assert policy.startswith("default-src 'none';")
    assert 'unsafe-eval' not in policy
    assert 'unsafe-inline' not in re.search('script-src[^;]*', policy)[0]


@pytest.mark.parametrize(
    'name',
    [EVIL, '<!-- <script>', '"\'`${x}$', 'مرحبا', '\U0001f389', '&lt;b&gt;', 'a' * 200],
)
def test_names_stay_names(name):
    html = page.render(name, [(name, name)], [Section(name, every_kind(name))], [name])
    outline = Outline(html)
    assert ''.join(outline.text).count(name) > 20
    assert [a for a in outline.all('img') if 'onerror' in a] == []
    for text in re.findall('<script type="application/json">(.*?)</script>', html):
        json.loads(text)
    assert len(outline.all('script')) == 4 + 2


def test_links_that_run_are_none():
    points = [
        Point('a', 1, 2, link='javascript:alert(1)'),
        Point('b', 2, 3, link='b/c.html'),
    ]
    html = page.render(
        'A run', [], [Section('S', [Points('p', 'P', 'x', 'y', points)])]
    )
    assert 'javascript:' not in html
    assert [a['href'] for a in Outline(html).all('a')].count('b/c.html') == 1


@pytest.mark.parametrize(
    ('value', 'digits', 'text'),
    [
        ('a', None, 'a'),
        (None, 3, '–'),
        (float('nan'), 3, '–'),
        (12345, None, '12,345'),
        (20.0, None, '20'),
        (0.7224567, None, '0.722457'),
        (0.7224567, 3, '0.722'),
        (1.0, 3, '1.000'),
        (0.0, 3, '0.000'),
        (0.00001, 3, '1e-05'),
        (1234.5678, 1, '1,234.6'),
        (-0.5, 2, '-0.50'),
        (True, None, '1'),
    ],
)
def test_numbers_as_they_are_read(value, digits, text):
    assert page._text(value, digits) == text


def test_the_best_of_a_column_stands_out():
    rows = [['a', 1, 0.5, 9], ['b', 2, 0.25, 9], ['c', None, 0.75, 9]]
    table = Table('t', 'T', ['', 'up', 'down', 'none'], rows, better=['', '+', '-', ''])
    item = page._table('id', table)
    best = [
        (i, k) for i, row in enumerate(item.rows) for k, c in enumerate(row) if c.best
    ]
    assert best == [(1, 1), (1, 2)]
    assert [column[2] for column in item.columns] == [
        '', 'more is better', 'less is better', '',
    ]  # fmt: skip


def test_what_many_share_does_not_stand_out():
    rows = [[str(i), min(i, 2)] for i in range(6)]
    item = page._table('id', Table('t', 'T', ['', 'n'], rows, better=['', '+']))
    assert not any(cell.best for row in item.rows for cell in row)


def test_a_column_of_fractions_has_equally_many_digits():
    item = page._table(
        'id', Table('t', 'T', ['', 'AP', 'n'], [['a', 1.0, 3.0], ['b', 0.5, 4.0]])
    )
    assert [[c.text for c in row] for row in item.rows] == [
        ['a', '1.000', '3'], ['b', '0.500', '4'],
    ]  # fmt: skip


def pictures(num, seed=0, size=250):
    noise = np.random.default_rng(seed).integers(0, 255, (num, size, size, 3), np.uint8)
    return Pictures('p', 'P', [Picture(f'picture {i}', noise[i]) for i in range(num)])


def test_pictures_are_made_small():
    """24 of them, of what compresses least: pure noise."""
    html = render(pictures(24))
    images = [a for a in Outline(html).all('img') if a.get('src')]
    size = sum(len(a['src']) for a in images)
    assert 100_000 < size < 1_000_000
    left_out = re.search(r'(\d+) more are left out', html)
    assert len(images) + int(left_out[1] if left_out else 0) == 24


def test_few_pixels_stay_squares():
    html = render(pictures(2, size=8))
    images = [a for a in Outline(html).all('img') if a.get('src')]
    assert [a['class'] for a in images] == ['pixelated'] * 2
    assert all(a['src'].startswith('data:image/png;') for a in images)


def test_a_picture_that_is_gone_is_said():
    gone = Pictures('p', 'P', [Picture('a cat', file='/no/such/file.png')])
    assert 'The picture is missing.' in render(gone)


def test_a_page_of_many_long_runs_stays_small():
    """Ten charts of 30 lines of 1,000 points: drawn from fewer than one of them."""
    rng = np.random.default_rng(0)
    x = list(range(0, 10_000, 10))
    lines = [Series(f'run {i}', x, rng.normal(size=1000).tolist()) for i in range(30)]
    charts_ = [Curves(f'c{i}', f'Chart {i}', 'x', 'loss', lines) for i in range(10)]
    html = render(*charts_)
    assert len(html.encode()) < page.MAX_SIZE
    (limit,) = set(re.findall(r'At most (\d+) of 1,000 points of a line', html))
    assert int(limit) < charts.LIMIT
    assert '60 of 1,000 rows, evenly chosen.' in html


def test_pictures_go_before_the_page_grows_too_large(monkeypatch):
    monkeypatch.setattr(page, 'MAX_SIZE', 100_000)
    monkeypatch.setattr(charts, 'script', lambda: '')
    html = page.render(
        'A run', [], [Section('S', [pictures(24), Text('t', 'T', 'words')])]
    )
    assert 'its 24 pictures are left out' in html
    assert len(html) < 100_000


def test_what_is_too_long_is_cut_and_said():
    rows = [[f'row {i}', i] for i in range(3000)]
    blocks = [Text('t', 'T', 'a ' * 200_000), Table('r', 'R', ['', 'n'], rows)]
    html = render(*blocks)
    assert 'Cut off after 200,000 of 400,000 letters.' in html
    assert 'The first 2,000 of 3,000 rows.' in html
    assert 'row 1999' in html
    assert 'row 2000<' not in html


def test_an_empty_page():
    outline = Outline(page.render('Nothing', [], []))
    assert len(outline.all('h1')) == 1
    assert len(outline.all('script')) == 1  # without charts no library


@pytest.mark.parametrize('block', [
    Curves('c', 'C', 'x', 'y', []),
    Curves('c', 'C', 'x', 'y', [Series('a', [], [])]),
    Curves('c', 'C', 'x', 'y', [Series('a', [1, 2], [None, float('nan')])], log_y=True),
    Bars('b', 'B', [], 'y', {}),
    Bars('b', 'B', ['a'], 'y', {'s': [None]}),
    Points('p', 'P', 'x', 'y', [], front=True, diagonal=True),
    Points('p', 'P', 'x', 'y', [Point('a', None, 1), Point('b', 0, 1)], log_x=True),
    Matrix('m', 'M', 'r', 'c', [], [], []),
    Matrix('m', 'M', 'r', 'c', ['a'], ['b'], [[None]]),
    Table('t', 'T', ['a'], []),
    Pictures('p', 'P', []),
    Text('t', 'T', ''),
], ids=lambda block: block.kind)  # fmt: skip
def test_blocks_of_nothing(block):
    Outline(render(block))
    if isinstance(block, charts.CHARTS):
        assert charts.png(block).startswith(b'\x89PNG')
