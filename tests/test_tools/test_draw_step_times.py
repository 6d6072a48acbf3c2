"""The picture of training steps: two models, each length."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from projects.core.errors import UserError
from projects.transformer import draw_steps as module
from projects.transformer.draw_steps import draw_steps

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/draw_step_times.py'


def test_each_length_is_timed(tmp_path, monkeypatch):
    seen = []

    def step_of(model, data):
        tokens = data['inputs']['tokens']
        return lambda: seen.append((type(model.backbone).__name__, *tokens.shape))

    monkeypatch.setattr(module, 'step_of', step_of)
    threads = torch.get_num_threads()
    out = tmp_path / 'steps.png'
    seconds = draw_steps([2, 3], 5, repeats=2, threads=2, out=str(out))
    assert torch.get_num_threads() == threads
    # in turns, one more than is timed
    models = ['Transformer', 'Seq2Seq'] * 3
    assert seen == [(name, 5, n) for n in (2, 3) for name in models]
    assert list(seconds) == ['Transformer', 'GRU with attention']
    assert all(len(taken) == 2 for taken in seconds.values())
    assert cv2.imread(str(out)).std() > 5


def test_a_step_gives_all_gradients():
    data = dict(inputs=dict(tokens=torch.tensor([[3, 1, 2]])))
    data['inputs']['target'] = data['inputs']['tokens']
    data['data_samples'] = dict(labels=data['inputs']['tokens'])
    for backbone in module.BACKBONES.values():
        model = module.MODELS.build(
            dict(type='projects.EncoderDecoder', backbone=backbone)
        )
        module.step_of(model, data)()
        assert all(w.grad is not None for w in model.parameters())


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (dict(lengths=[0]), 'lengths'),
        (dict(repeats=0), 'repeats'),
    ],
)
def test_refused(option, message):
    with pytest.raises(UserError, match=message):
        draw_steps(**{'lengths': [2], **option})


@pytest.mark.slow
def test_tool(tmp_path):
    command = [sys.executable, str(TOOL), '--lengths', '2', '--repeats', '1']
    result = subprocess.run(
        [*command, '--out', 'steps.png'], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'steps.png').is_file()
    assert '2 tokens: Transformer' in result.stdout + result.stderr
