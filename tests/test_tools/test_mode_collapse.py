import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from projects.core.config import load_config
from projects.core.tasks.generation.mixtures import ring
from projects.core.weights import read_weights
from projects.gan import mode_collapse
from projects.gan.mode_collapse import (
    DATA,
    FILES,
    LOSSES,
    Run,
    config_of,
    measure_mode_collapse,
    table,
)
from projects.gan.mode_pictures import film, modes_over_time, moments
from projects.registry import MODELS

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/mode_collapse.py'
TINY = (
    'train_cfg.max_iters=4',
    'train_cfg.val_interval=4',
    'val_dataloader.dataset.num=60',
    'model.generator.hidden_dims=(8,)',
    'model.discriminator.hidden_dims=(8,)',
)


def run_of(loss, seed, modes, seconds=9):
    scores = dict(
        modes=modes, good_samples=90.0, kl=0.1, js=0.01, wasserstein=0.5
    ) | dict(wasserstein_floor=0.25)
    points = np.random.default_rng(seed).normal(size=(3, 30, 2))
    return Run(
        data='ring8',
        loss=loss,
        seed=seed,
        seconds=seconds,
        iterations=[10, 20, 30],
        scores=[scores] * 3,
        points=list(points),
        centres=ring(8, 2.0),
    )


RUNS = [run_of('gan', 0, 3), run_of('gan', 1, 5, None), run_of('wgan-gp', 0, 8)]


def test_table():
    lines = table(RUNS).splitlines()
    assert 'modes, seeds 0, 1' in lines[0]
    assert lines[2] == (
        '| ring of 8 | non-saturating | 3, 5 | 90.00, 90.00 | 0.1000, 0.1000 | '
        '0.0100, 0.0100 | 0.500 (0.250) | 9 |'
    )
    assert lines[3].startswith('| ring of 8 | Wasserstein, penalty | 8 | 90.00 |')


@pytest.mark.parametrize('draw', [moments, modes_over_time])
def test_pictures(draw):
    picture = np.frombuffer(draw(RUNS, DATA, LOSSES), np.uint8)
    assert cv2.imdecode(picture, cv2.IMREAD_COLOR).std() > 5


def test_film_has_a_frame_for_each_moment():
    images = Image.open(io.BytesIO(film(RUNS, DATA, LOSSES)))
    assert images.n_frames == 3


@pytest.mark.parametrize('loss', LOSSES)
def test_networks_of_all_runs_are_the_same(loss):
    """And what else there is, but for the loss, and what that asks of the critic."""
    first, *others = (load_config(config_of(data, loss)) for data in DATA)
    cfg = load_config(config_of('ring8', 'gan'))
    for other in (first, *others):
        assert other.model.generator == cfg.model.generator
        assert other.model.discriminator == cfg.model.discriminator
        assert other.param_scheduler == cfg.param_scheduler
        steps = other.model.get('critic_steps', 1)
        batch = other.train_dataloader.batch_size
        assert batch == steps * cfg.train_dataloader.batch_size
    (other,) = others
    model = {**other.model, 'data_preprocessor': first.model.data_preprocessor}
    assert model == first.model


def test_a_complete_run_is_taken_up(tmp_path, monkeypatch):
    """With the points and the scores that its checkpoints give."""
    cfg = load_config(config_of('ring8', 'gan'), list(TINY))
    folder = tmp_path / Path(config_of('ring8', 'gan')).stem / 'seed_7'
    folder.mkdir(parents=True)
    for i in range(1, 5):
        torch.manual_seed(i)
        weights = MODELS.build(cfg.model).state_dict()
        torch.save(dict(state_dict=weights, meta={}), folder / f'iter_{i}.pth')

    def train(*args):
        raise AssertionError('it was complete')

    monkeypatch.setattr(mode_collapse, 'train', train)
    text = measure_mode_collapse(
        str(tmp_path), seeds=(7,), data=('ring8',), losses=('gan',), cfg_options=TINY
    )
    assert text.splitlines()[2].startswith('| ring of 8 | non-saturating | 0 | ')
    assert sorted(FILES) == sorted(
        f.name for f in tmp_path.iterdir() if f.suffix in {'.md', '.png', '.gif'}
    )


def test_refused(tmp_path, error_of):
    error = error_of(measure_mode_collapse, str(tmp_path), data=('ring9',))
    assert error == 'ring9 is none of ring8, grid25'
    error = error_of(measure_mode_collapse, str(tmp_path), losses=('wgan', 'hinge'))
    assert error == 'hinge is none of gan-minmax, gan, lsgan, wgan, wgan-gp'


@pytest.mark.slow
def test_a_stopped_run_goes_on(tmp_path):
    """To the numbers of one that was not stopped, which are those of its log."""
    options = dict(seeds=(3,), data=('grid25',), losses=('wgan-gp',), cfg_options=TINY)
    text = measure_mode_collapse(str(tmp_path), **options)
    folder = tmp_path / Path(config_of('grid25', 'wgan-gp')).stem / 'seed_3'
    (log,) = folder.glob('*/vis_data/scalars.json')
    last = json.loads(log.read_text().splitlines()[-1])
    assert f'{last["mixture/kl"]:.4f}' in text
    before = read_weights(str(folder / 'iter_4.pth'))['state_dict']
    (folder / 'iter_4.pth').unlink()
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_3.pth'))
    again = measure_mode_collapse(str(tmp_path), **options)
    assert again.rsplit('|', 2)[0] == text.rsplit('|', 2)[0]  # but for the seconds
    after = read_weights(str(folder / 'iter_4.pth'))['state_dict']
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_help_needs_no_torch():
    code = subprocess.run(
        [sys.executable, '-X', 'importtime', TOOL, '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--losses NAME' in code.stdout
    assert ' torch\n' not in code.stderr
