import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.capsnet import CapsuleHead, dynamic_routing
from projects.capsnet.draw_capsules import (
    _coupling_maps,
    _tiled,
    _tweaked_images,
    draw_capsules,
)
from projects.core.variants import config_root
from projects.registry import MODELS

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/draw_capsules.py'
NARROW = f"""
_base_ = '{config_root()}/capsnet/capsnet-mini_1xb32-36e_digits.py'
model = dict(backbone=dict(channels=(4, 16)), head=dict(in_channels=16))
"""
COLOURED = """
model['backbone']['in_channels'] = 3
model['head']['image_shape'] = (3, 28, 28)
test_dataloader = dict(dataset=dict(num_channels=3))
"""


@pytest.fixture
def write_run(tmp_path, fresh):
    """Function that writes a config and random weights for it; their paths."""

    def write(extra='', name='run'):
        config = tmp_path / f'{name}.py'
        config.write_text(NARROW + extra)
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(Config.fromfile(config).model)
        torch.save(dict(state_dict=model.state_dict()), tmp_path / f'{name}.pth')
        return str(config), str(tmp_path / f'{name}.pth')

    return write


@pytest.mark.parametrize('extra', ['', COLOURED])
def test_three_pictures(write_run, tmp_path, capsys, extra):
    draw_capsules(*write_run(extra), out=str(tmp_path / 'out'), index=4, num_images=3)
    log = capsys.readouterr().out
    assert 'image 4: 3 as ' in log  # the fifth held-out digit
    assert 'share of the primary capsules over the iterations is 10.0, ' in log
    pictures = {
        path.name: cv2.imread(str(path)) for path in (tmp_path / 'out').glob('*.png')
    }
    assert pictures.keys() == {'reconstructions.png', 'tweaks.png', 'routing.png'}
    for picture in pictures.values():
        # the frame is white, and there is something in it
        assert (picture[0] == 255).all()
        assert len(np.unique(picture)) > 20
    # 100 pixels an inch: ten classes and the image, three iterations
    assert pictures['routing.png'].shape == (445, 1240, 3)


def test_tiles_by_hand():
    images = torch.tensor([[0.0, 0.25], [0.5, 0.75], [0.2, 2.0]])
    tiles = _tiled(images.view(3, 2, 1, 1, 1).expand(3, 2, 1, 2, 3))
    # three rows of 2 pixels and two columns of 3, each in a frame of 2
    assert tiles.shape == (3 * 6, 2 * 7, 3)
    assert (tiles[2:4, 9:12] == 0.25).all()
    assert (tiles[8:10, 2:5] == 0.5).all()
    assert (tiles[14:16, 9:12] == 1).all()
    assert (tiles[:, :2] == 1).all()


def small_head():
    torch.manual_seed(0)
    return CapsuleHead(3, 8, 2, primary_dims=4, digit_dims=5, image_shape=(1, 4, 4))


@torch.no_grad()
def test_one_dimension_of_one_capsule_is_changed():
    head, capsules = small_head(), torch.rand(3, 5)
    images = _tweaked_images(head, capsules, 2)
    assert images.shape == (5, 11, 1, 4, 4)
    for dim, column, change in (
        (0, 0, -0.25),
        (3, 5, 0.0),
        (4, 6, 0.05),
        (4, 10, 0.25),
    ):
        changed = capsules.clone()
        changed[2, dim] += change
        expected = head.reconstruct(changed[None], torch.tensor([2]))[0]
        torch.testing.assert_close(images[dim, column], expected)


def test_coupling_maps_are_averages_by_length():
    head = small_head()
    # two types at 2 x 2 positions, of lengths 3 and 1 everywhere
    primary = torch.zeros(1, 8, 4)
    primary[0, :4, 0], primary[0, 4:, 1] = 3, 1
    _, steps = dynamic_routing(torch.randn(1, 3, 8, 5), 2, return_steps=True)
    maps = _coupling_maps(head, primary, steps)
    assert maps.shape == (2, 3, 2, 2)
    torch.testing.assert_close(maps[0], torch.full((3, 2, 2), 1 / 3))
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 2, 2))
    couplings = steps[1].couplings[0, 1].view(2, 2, 2)  # (type, y, x) of class 1
    torch.testing.assert_close(maps[1, 1], (3 * couplings[0] + couplings[1]) / 4)


def test_mistakes_are_said(write_run, error_of, tmp_path):
    config, checkpoint = write_run()
    lenet = str(config_root() / 'lenet/lenet5_1xb64-40e_digits.py')
    assert error_of(draw_capsules, lenet, checkpoint) == (
        f'{lenet} has no projects.CapsNetClassifier with a projects.CapsuleHead, and '
        'so no capsules'
    )
    bare = write_run("model['head']['reconstruction_weight'] = 0\n", 'bare')
    assert 'has no decoder to draw with' in error_of(draw_capsules, *bare)
    _, other = write_run("model['head']['digit_dims'] = 4\n", 'other')
    message = error_of(draw_capsules, config, other)
    assert message.startswith(f'{other} does not fit this model: ')
    assert 'head.digit_capsules.weight (72, 8, 10, 16) | (72, 8, 10, 4)' in message
    missing = str(tmp_path / 'none.pth')
    assert error_of(draw_capsules, config, missing) == (
        f'there is no checkpoint {missing}'
    )
    assert 'there is no image 297: the test set of' in error_of(
        draw_capsules, config, checkpoint, index=297
    )
    assert error_of(draw_capsules, config, checkpoint, num_images=0) == (
        'num_images: a whole number from 1 to 50, not 0'
    )
    out = str(tmp_path / 'run.py/pictures')
    assert 'cannot be written' in error_of(draw_capsules, config, checkpoint, out=out)
    assert not list(tmp_path.glob('**/*.png'))


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--num-images' in done.stdout
    assert ' torch' not in done.stderr
