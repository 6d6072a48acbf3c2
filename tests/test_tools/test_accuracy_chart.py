"""The chart of accuracy against operations."""

import json

import cv2
import pytest

from projects.core.benchmark.chart import _not_surpassed, draw_accuracy_chart


def entry(family, macs_g, top1, source='paper'):
    return dict(family=family, macs_g=macs_g, top1=top1, top1_source=source)


def test_a_line_joins_those_that_no_other_surpasses():
    # the second costs more and is worse; the last two cost the same
    points = [(3.0, 72.0), (2.0, 69.0), (1.0, 70.0), (4.0, 74.0), (4.0, 75.0)]
    assert _not_surpassed(points) == [(1.0, 70.0), (3.0, 72.0), (4.0, 75.0)]


@pytest.mark.usefixtures('fresh')
def test_every_family_has_its_colour(tmp_path, capsys):
    table = tmp_path / 'table.json'
    entries = {
        'a': entry('A', 1, 70),
        'b': entry('B', 10, 80, 'authors, ImageNet-22k pre-training'),
        'c': dict(family='C', macs_g=3),
    }
    table.write_text(json.dumps(entries))
    draw_accuracy_chart(str(tmp_path / 'chart.png'), table)
    picture = cv2.imread(str(tmp_path / 'chart.png'))
    assert picture.shape == (880, 1320, 3)
    colours = {tuple(pixel) for row in picture for pixel in row.tolist()}
    # BGR of the first two of tab10, and not of the third
    assert {(180, 119, 31), (14, 127, 255)} <= colours
    assert (44, 160, 44) not in colours
    assert '2 of 3 entries' in capsys.readouterr().out


def test_the_table_of_the_checkout_is_drawn(tmp_path):
    draw_accuracy_chart(str(tmp_path / 'all.png'))
    assert (tmp_path / 'all.png').is_file()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'no table of entries: FileNotFoundError'),
        ('{', 'no table of entries: JSONDecodeError'),
        ('[1]', 'no table of entries: AttributeError'),
        ('{"a": {"top1": 3}}', "no table of entries: KeyError: 'macs_g'"),
        ('{"a": {"family": "A"}}', 'no entry has a top1'),
    ],
)
def test_no_table(tmp_path, error_of, text, message):
    table = tmp_path / 'table.json'
    if text is not None:
        table.write_text(text)
    error = error_of(draw_accuracy_chart, str(tmp_path / 'x.png'), table)
    assert error.startswith(f'{table}: ')
    assert message in error
    assert not (tmp_path / 'x.png').exists()
