"""Blocks as Vega-Lite specifications, and as pictures."""

import itertools
import os

import cv2
import numpy as np
import pytest

from projects.core.errors import UserError
from projects.core.reports import charts, heatmap, looks, scatter
from projects.core.reports.blocks import (
    Bars,
    Curves,
    Matrix,
    Point,
    Points,
    Series,
    Text,
)
from projects.core.reports.numbers import numbers
from projects.core.reports.thinning import kept, rounded


def wave(num):
    return [float(np.sin(i / 50) + (i % 7) / 100) for i in range(num)]


def test_extremes_of_each_interval_stay():
    y = wave(5000)
    y[1234], y[4321] = 9.0, -9.0
    indices = kept(Series('a', range(5000), y), 500)
    assert len(indices) <= 500
    assert indices == sorted(set(indices))
    assert {0, 1234, 4321, 4999} <= set(indices)
    # 249 bins of 21 points, of which the last is shorter
    for start in range(0, 5000, 21):
        part = range(start, min(start + 21, 5000))
        drawn = [y[k] for k in indices if k in part]
        assert max(drawn) == max(y[k] for k in part)
        assert min(drawn) == min(y[k] for k in part)


def test_a_gap_stays_a_gap():
    y = wave(5000)
    y[700] = None
    y[2000:2003] = [float('nan'), float('inf'), None]
    indices = kept(Series('a', range(5000), y), 100)
    assert 700 in indices
    assert {2000, 2001, 2002} & set(indices)
    assert len(indices) <= 102


def test_the_limits_of_a_band_stay():
    y = wave(5000)
    low, high = [v - 1 for v in y], [v + 1 for v in y]
    low[333], high[444] = -7.0, 7.0
    assert {333, 444} <= set(kept(Series('a', range(5000), y, low, high), 100))


def test_few_points_are_all_kept():
    assert kept(Series('a', [1, 2, 3], [1, None, 3]), 8) == [0, 1, 2]


@pytest.mark.parametrize(
    ('value', 'number'),
    [(0.123456789, 0.123457), (1234567, 1234567), (np.float32(0.1), 0.1), (2.0, 2)],
)
def test_numbers_are_as_long_as_they_are_read(value, number):
    assert rounded(value) == number


@pytest.mark.parametrize('value', [None, float('nan'), float('-inf')])
def test_what_is_no_number_is_none(value):
    assert rounded(value) is None


def test_series_of_a_group_share_a_colour():
    lines = [
        Series(n, [1], [1], group=g) for n, g in (('a', 'g'), ('b', ''), ('c', 'g'))
    ]
    lines[2].dashed = True
    a, b, c = looks.looks(Curves('k', 'K', 'x', 'y', lines))
    assert a.color == c.color != b.color
    assert a.dash != c.dash


def test_thirty_series_are_told_apart():
    lines = [Series(str(i), [1], [1]) for i in range(30)]
    seen = {
        (s.color, tuple(s.dash)) for s in looks.looks(Curves('k', 'K', 'x', 'y', lines))
    }
    assert len(seen) == 30


def luminance(color):
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    """Of two colours, by WCAG 2.2, "contrast ratio"."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize('theme', [looks.LIGHT, looks.DARK], ids=['light', 'dark'])
def test_contrasts(theme):
    for words, ground in itertools.product(
        ('ink', 'muted', 'accent'), ('paper', 'panel')
    ):
        assert contrast(theme[words], theme[ground]) >= 4.5
    for ground in ('warn', 'heat', 'cold'):
        assert contrast(theme['ink'], theme[ground]) >= 4.5
    for line in ('edge', *(f'c{i}' for i in range(6))):
        assert contrast(theme[line], theme['paper']) >= 3


@pytest.mark.parametrize(
    ('lower', 'names'), [(False, [(1, 1), (2, 3), (5, 4)]), (True, [(1, 1), (4, 0)])]
)
def test_front(lower, names):
    places = [(1, 1), (2, 3), (3, 2), (4, 0), (2, 2), (5, 4)]
    best = scatter.front([{'x': x, 'y': y} for x, y in places], lower)
    assert [(p['x'], p['y']) for p in best] == names


@pytest.mark.parametrize(
    ('link', 'kept_'),
    [('a/b.html', True), ('https://a.b', True), ('file:///a', True), ('a/b:c', True),
     ('javascript:x', False), ('JavaScript:x', False), ('data:text/html,x', False),
     (' javascript:x', False), ('java\nscript:x', False)],
)  # fmt: skip
def test_addresses(link, kept_):
    assert scatter.address(link) == (link if kept_ else '')


def test_large_matrices_are_drawn_from_sums_of_neighbours():
    """Of 250 x 250: 3 x 3 cells are one."""
    names = [f'c{i}' for i in range(250)]
    block = Matrix('m', 'M', 'truth', 'prediction', names, names, np.eye(250).tolist())
    cells, rows, columns = heatmap._merged(block)
    assert cells.shape == (84, 84)
    assert cells.sum() == 250
    assert (rows[0], columns[-1]) == ('c0 – c2', 'c249')
    assert charts.thinned(block) == 'A cell stands for 3 × 3 of the matrix.'
    block.share = False
    assert heatmap._merged(block)[0].max() == 1  # of the last, alone in its cell


def test_numbers_of_curves():
    lines = [Series('a', [1, 2, 3], [0.5, None, 0.25]), Series('b', [2], [7])]
    columns, rows, left_out = numbers(Curves('k', 'K', 'epoch', 'y', lines))
    assert columns == ['epoch', 'a', 'b']
    assert rows == [[1, 0.5, None], [2, None, 7], [3, 0.25, None]]
    assert left_out == ''


def test_a_few_of_many_numbers_are_chosen_evenly():
    """Those of a line with few of them stay."""
    lines = [Series('a', range(1000), wave(1000)), Series('b', [7, 503], [1, 2])]
    _, rows, left_out = numbers(Curves('k', 'K', 'x', 'y', lines))
    assert [row[2] for row in rows if row[2] is not None] == [1, 2]
    assert (rows[0][0], rows[-1][0]) == (0, 999)
    assert left_out == f'{len(rows)} of 1,000 rows, evenly chosen.'
    assert len(rows) <= 60


def test_words_are_no_chart():
    for function in (charts.spec, numbers):
        with pytest.raises(TypeError, match='of kind text is no chart'):
            function(Text('t', 'T', 'words'))


@pytest.mark.parametrize('block', [
    Curves('k', 'Loss', 'x', 'y', [Series('a', [1, 2], [1, 2], [0, 1], [2, 3]),
                                   Series('b', [1, 3], [2, 1])]),
    Bars('b', 'Bars', ['a', 'b'], 'y', {'one': [1, 2], 'two': [2, 3]}, stacked=True),
    Bars('b', 'Bars', ['a long label', 'b'], 'y', {'one': [1, 2], 'two': [2, 3]}),
    Points('p', 'Points', 'x', 'y', [Point(n, i + 1, i) for i, n in enumerate('abc')],
           front=True),
    Matrix('m', 'Matrix', 'r', 'c', ['a', 'b'], ['a', 'b'], [[9, 1], [2, 8]]),
], ids=lambda block: block.kind)  # fmt: skip
def test_pictures_of_charts(block):
    """On white, with something in the first colour, or the heat of a cell."""
    image = cv2.imdecode(np.frombuffer(charts.png(block), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] > 1400
    assert (image[[0, -1]] == 255).all()
    name = 'heat' if isinstance(block, Matrix) else 'c0'
    color = [int(looks.LIGHT[name][i : i + 2], 16) for i in (5, 3, 1)]
    near = np.abs(image.astype(int) - color).max(-1) < 45
    assert near.sum() > 50


def test_names_of_many_points_are_left_out():
    def chart(num):
        points = [Point(f'sample {i}', i, i) for i in range(num)]
        return Points('p', 'Points', 'x', 'y', points)

    few, many = chart(scatter.MAX_NAMED), chart(scatter.MAX_NAMED + 1)
    assert len(charts.spec(few)['usermeta']['marks']) == 1
    assert charts.spec(many)['usermeta']['marks'] == []
    named = scatter.names(few, looks.LIGHT, (400, 300))['data']['values']
    assert named
    assert scatter.names(many, looks.LIGHT, (400, 300))['data']['values'] == []


@pytest.mark.skipif(os.name != 'posix', reason='no such limit')
def test_little_address_space_is_said_before_the_library_ends_the_process(monkeypatch):
    import resource

    limit = 30_000_000 * 1024
    monkeypatch.setattr(resource, 'getrlimit', lambda kind: (limit, limit))
    block = Curves('c', 'C', 'x', 'y', [Series('a', [0, 1], [0, 1])])
    with pytest.raises(UserError, match='ulimit -v allows 30,000,000; raise'):
        charts.png(block)
