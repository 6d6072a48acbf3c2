import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from projects.ssd.draw_matches import draw_matches

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/draw_default_boxes.py'
# the tiny run's data under the head of SSD-mini
SSD = """
model = dict(backbone=dict(out_indices=(2, 3)), neck=dict(
    _delete_=True,
    type='projects.SSDNeck', in_channels=(96, 192),
    extras=((64, 3, 2, 1), )),
    bbox_head=dict(
        _delete_=True, type='projects.SSDHead', num_classes=10,
        in_channels=(96, 192, 64), default_boxes=dict(
            min_sizes=(12, 24, 40), max_sizes=(24, 40, 60),
            ratios=((1.5, ), ) * 3, steps=(8, 16, 32))))
"""


@pytest.fixture
def config(write_config):
    return write_config(SSD)


def test_picture_has_a_panel_per_level(config, tmp_path, capsys):
    draw_matches(config, index=1, out=str(tmp_path / 'boxes.png'))
    picture = cv2.imread(str(tmp_path / 'boxes.png'))
    # 4 by 4.8 inches of 100 pixels a panel, 8, 4 and 2 positions a side
    assert picture.shape == (480, 1200, 3)
    # the frame of each panel is white
    assert (picture[-1] == 255).all()
    out = capsys.readouterr().out
    # (8^2 + 4^2 + 2^2) * 4 = 336
    assert 'image 1 (64 x 64 px): ' in out
    assert 'of 336 matched; ' in out


def test_same_seed_same_picture(config, tmp_path):
    for name, seed in (('a', 5), ('b', 5), ('c', 6)):
        draw_matches(config, out=str(tmp_path / f'{name}.png'), seed=seed)
    a, b, c = ((tmp_path / f'{name}.png').read_bytes() for name in 'abc')
    assert a == b
    assert a != c  # another augmentation


def test_mistakes_are_said(config, write_config, error_of, tmp_path):
    assert 'there is no image 99: the training set of' in error_of(
        draw_matches, config, index=99
    )
    assert 'has no projects.SSDHead' in error_of(
        draw_matches, write_config(name='yolo.py')
    )
    (tmp_path / 'file').touch()
    assert 'cannot be written' in error_of(
        draw_matches, config, out=str(tmp_path / 'file/a.png')
    )
    assert 'cannot be written' in error_of(
        draw_matches, config, out=str(tmp_path / 'a.txt2')
    )


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--index' in done.stdout
    assert ' torch' not in done.stderr
