import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.insight.look_inside import look_inside
from projects.core.layers import ScaledDotProductAttention
from projects.core.tasks.attention_maps import (
    attention_rollout,
    draw_attention,
)
from projects.core.tasks.attention_recording import recorded_attention
from projects.registry import MODELS
from projects.vit import VisionTransformer
from projects.vit.draw_positions import draw_positions, similarities

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / 'tools/analysis_tools'
LENET = str(ROOT / 'configs/lenet/lenet5_1xb64-40e_digits.py')
# 4 x 5 patches of 8 pixels, the last of a column half in the image
CONFIG = f"""
_base_ = ['{ROOT}/configs/_base_/models/vit_b_16.py',
          '{ROOT}/configs/_base_/recipes/digits_32.py']
model = _base_.grey_model
model['backbone'].update(arch=(16, 3, 2, 16), patch_size=8, img_size=32)
model['head']['in_channels'] = 16
test_pipeline = [dict(type='Resize', scale=(36, 32)), dict(type='PackInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""


@pytest.fixture
def run(tmp_path, fresh):
    """Config, checkpoint and image, as the tools take them."""
    config = tmp_path / 'vit.py'
    config.write_text(CONFIG)
    cfg = Config.fromfile(config)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    checkpoint = tmp_path / 'vit.pth'
    torch.save(model.state_dict(), checkpoint)
    image = tmp_path / 'seven.png'
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 255, (8, 9), np.uint8))
    return str(config), str(checkpoint), str(image)


def small_vit():
    torch.manual_seed(0)
    return VisionTransformer((16, 3, 2, 16), patch_size=8, img_size=32).eval()


def test_recorded_is_softmax_of_what_the_block_computes():
    model = small_vit()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        with recorded_attention(model) as recorded:
            outs = model(images)
        expected = model(images)
        block = model.encoder.layers[0]
        x = block.ln_1(model.embed(images))
        weight, bias = block.self_attention.in_proj_weight, None
        query, key, _ = torch.nn.functional.linear(x, weight, bias).chunk(3, -1)
    # the biases begin as 0; of the second head, 8 channels
    scores = query[..., 8:] @ key[..., 8:].mT / 8**0.5
    assert [tuple(a.shape) for a in recorded] == [(2, 2, 17, 17)] * 3
    torch.testing.assert_close(recorded[0][:, 1], scores.softmax(-1))
    torch.testing.assert_close(outs[0], expected[0], rtol=1e-4, atol=1e-5)


def test_recording_leaves_the_model_as_it_was():
    model = small_vit()
    modules = [m for m in model.modules() if isinstance(m, ScaledDotProductAttention)]
    modules[1].fused = False
    with pytest.raises(RuntimeError), recorded_attention(model) as recorded:
        model(torch.randn(1, 5, 32, 32))  # of other channels
    with torch.no_grad():
        model(torch.randn(1, 3, 32, 32))
    assert recorded == []
    assert [m.fused for m in modules] == [True, False, True]


def test_rollout_by_hand():
    """Two tokens: the second looks at the first, block after block."""
    attention = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])  # one head
    first, second = attention_rollout([attention, attention])
    # the half of itself that the shortcut keeps, and then the half of that
    assert first.tolist() == [[1, 0], [0.5, 0.5]]
    assert second.tolist() == [[1, 0], [0.75, 0.25]]


def test_heads_are_averaged_and_rows_stay_distributions():
    torch.manual_seed(0)
    attentions = torch.randn(4, 3, 5, 5).softmax(-1)
    rollouts = attention_rollout(list(attentions))
    assert len(rollouts) == 4
    # a head's mean of a block, by itself
    expected = (sum(attentions[0]) / 3 + torch.eye(5)) / 2
    torch.testing.assert_close(rollouts[0], expected)
    torch.testing.assert_close(rollouts[-1].sum(-1), torch.ones(5))


def test_pictures_have_a_panel_per_head_and_block(run, tmp_path, caplog):
    files = draw_attention(*run, out=str(tmp_path / 'maps'), block=1, rollout=True)
    assert [Path(file).name for file in files] == [
        'seven_block1.png',
        'seven_rollout.png',
    ]
    # 2 inches of 80 pixels: the image, two heads, their mean; and of three blocks
    for file in files:
        assert cv2.imread(file).shape == (180, 4 * 160, 3)


def test_a_patch_is_looked_from_and_other_blocks_differ(run, tmp_path):
    drawn = {}
    for name, options in (
        ('last', {}),
        ('first', dict(block=0)),
        ('patch', dict(block=0, query=(3, 4))),
        ('last again', dict(block=2)),
    ):
        (file,) = draw_attention(*run, out=str(tmp_path / name), **options)
        drawn[name] = Path(file).read_bytes()
    assert drawn['last'] == drawn['last again']
    assert len(set(drawn.values())) == 3


def test_look_inside_draws_the_same_block(run, tmp_path, error_of):
    config, checkpoint, image = run
    options = dict(config=config, out_dir=str(tmp_path / 'look'))
    first, last, heat = (
        Path(look_inside(checkpoint, image, what, **options, **choice)[0]).read_bytes()
        for what, choice in (
            ('attention', dict(block=0)),
            ('attention', {}),
            ('heat-map', {}),
        )
    )
    assert len({first, last, heat}) == 3
    # the image, two heads, their mean, the rollout: 2 inches of 100 pixels each
    shape = cv2.imread(str(tmp_path / 'look/seven_attention.png')).shape
    assert shape == (225, 5 * 200, 3)
    message = error_of(look_inside, checkpoint, image, 'attention', block=3, **options)
    assert message == '--block 3: VisionTransformer has 3 blocks, from 0'


def test_heat_is_taken_where_patches_still_reach_the_class_token():
    model = small_vit()
    assert model.heat_map_layer is model.encoder.layers[2].ln_1
    tokens = []
    model.heat_map_layer.register_forward_hook(lambda _, __, out: tokens.append(out))
    model.pool = 'token'
    model(torch.randn(1, 3, 32, 32))[0].square().sum().backward(inputs=tokens)
    assert (tokens[0].grad[0, 1:].abs().sum(1) > 0).all()


def test_mistakes_are_said(run, tmp_path, error_of):
    config, checkpoint, image = run
    out = str(tmp_path / 'maps')

    def error(*args, **kwargs):
        return error_of(draw_attention, *args, out=out, **kwargs)

    assert '--block 3: ' in error(*run, block=3)
    assert 'has 3 blocks, from 0' in error(*run, block=-4)
    assert '--query 4 0: the image has 4 x 5 patches' in error(*run, query=(4, 0))
    assert 'query: two values, each a whole number of at least 0' in error(
        *run, query=(1, -2)
    )
    variant = str(ROOT / 'configs/_base_/models/vit_tiny_16.py')
    assert 'give a run config' in error(variant, checkpoint, image)
    none = str(tmp_path / 'none.png')
    assert f'cannot read the image {none}' in error(config, checkpoint, none)
    message = error(LENET, checkpoint, image)
    assert 'the attention of a LeNet cannot be drawn' in message
    assert 'such as projects.VisionTransformer' in message
    assert not Path(out).exists()


class TestPositions:
    def test_similar_by_hand(self):
        """A class token, then patches of angles 0, 90, 180 and 45 degrees."""
        embedding = torch.tensor([[[9.0, 9], [2, 0], [0, 1], [-1, 0], [3, 3]]])
        similar = similarities(embedding, (2, 2))
        half = 0.5**0.5
        expected = [[1, 0], [-1, half]]
        torch.testing.assert_close(similar[0, 0], torch.tensor(expected))
        torch.testing.assert_close(similar[1, 1].flatten()[1].item(), half)

    def test_a_second_panel_for_another_size(self, run, tmp_path):
        config, checkpoint, _ = run
        shapes = []
        for i, size in enumerate((None, (48, 80))):
            out = str(tmp_path / f'{i}.png')
            draw_positions(config, checkpoint, size, out)
            shapes.append(cv2.imread(out).shape)
        # 4.5 inches of 90 pixels a panel
        assert shapes == [(405, 405, 3), (405, 810, 3)]

    def test_mistakes_are_said(self, run, tmp_path, error_of):
        config, checkpoint, _ = run
        message = error_of(draw_positions, LENET, checkpoint)
        assert 'has no projects.VisionTransformer' in message
        message = error_of(draw_positions, config, checkpoint, (48,))
        assert 'size: two values, each a whole number of at least 1' in message


@pytest.mark.parametrize('tool', ['draw_attention', 'draw_position_embedding'])
def test_help_needs_no_torch(tool):
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOLS / f'{tool}.py'), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--cfg-options' in done.stdout
    assert ' torch' not in done.stderr
