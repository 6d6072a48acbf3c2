"""The charts of an evaluation as pictures beside it."""

import cv2
import pytest

from projects.core.reports import charts
from projects.core.reports.blocks import Bars, Curves, Section, Series, Table
from projects.core.reports.evaluation import Evaluation, read_evaluation


@pytest.fixture
def evaluation():
    blocks = [
        Curves('loss', 'Loss', 'x', 'y', [Series('a', [1, 2], [1, 2])]),
        Bars('ap', 'AP', ['a', 'b'], 'AP', {'AP': [0.5, 0.25]}),
        Table('classes', 'Classes', ['class'], [['a']]),
    ]
    return Evaluation('a toy', {'epoch': 1}, 'data', {}, [Section('S', blocks)])


def names(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith('.'))


def test_charts_are_drawn_where_asked(evaluation, tmp_path):
    evaluation.write(str(tmp_path))
    assert names(tmp_path) == ['classes.csv', 'evaluation.json']
    evaluation.write(str(tmp_path), draw=True)
    assert names(tmp_path) == ['ap.png', 'classes.csv', 'evaluation.json', 'loss.png']
    assert cv2.imread(str(tmp_path / 'loss.png')).shape[1] > 1400
    assert read_evaluation(str(tmp_path)).sections == evaluation.sections


def test_a_chart_that_fails_is_a_warning(
    evaluation, tmp_path, monkeypatch, warnings_logged
):
    draw = charts.png

    def png(block):
        if block.key == 'loss':
            raise ValueError('no such mark')
        return draw(block)

    monkeypatch.setattr(charts, 'png', png)
    evaluation.write(str(tmp_path), draw=True)
    assert names(tmp_path) == ['ap.png', 'classes.csv', 'evaluation.json']
    assert warnings_logged == ["loss was not drawn: ValueError('no such mark')"]
