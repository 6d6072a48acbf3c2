"""The generators for a CPU, stopped in the middle of a run and resumed."""

import pytest
from test_engine import scalars
from test_stopped_runs import with_sigterm

from projects.core.config import load_config, run_configs
from projects.core.engine import train
from projects.core.weights import read_checkpoint

DATA = ('digits', 'ring8', 'grid25')
ON_A_CPU = sorted(
    path
    for path in run_configs()
    if path.parent.name == 'gan' and any(name in path.stem for name in DATA)
)
QUICK = 'wgan-gp-mlp_1xb64-4500i_ring8'


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(
            path,
            marks=[] if path.stem == QUICK else pytest.mark.slow,
            id=path.stem,
        )
        for path in ON_A_CPU
    ],
)
def test_losses_and_weights_are_those_of_an_undisturbed_run(path, tmp_path, fresh):
    cfg = load_config(str(path))
    steps = cfg.model.get('critic_steps', 1)
    options = [
        'train_cfg.max_iters=6',
        'train_cfg.val_interval=6',
        f'train_dataloader.batch_size={4 * steps}',
        'val_dataloader.batch_size=8',
        'val_evaluator=' + repr(dict(_delete_=True, type='projects.SamplesReport')),
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=6',
        'default_hooks.checkpoint.save_best=None',
    ]
    if 'Mixture' in cfg.val_dataloader.dataset.type:
        options.append('val_dataloader.dataset.num=8')
    if cfg.model.type == 'projects.CycleGAN':  # soon full, so that it draws
        options.append('model.pool_size=8')
    options += [
        f'param_scheduler.{i}.begin=0' for i in range(len(cfg.param_scheduler or []))
    ]
    stop = tmp_path / 'stop.py'
    stop.write_text(f"_base_ = '{path}'\n" + with_sigterm('step', 3))

    train(str(path), 'whole', cfg_options=options)
    fresh()
    with pytest.raises(SystemExit):
        train(str(stop), 'stopped', cfg_options=options)
    fresh()
    train(str(path), 'stopped', resume=True, cfg_options=options)
    losses = scalars('whole', 'loss_generator')
    assert len(set(losses.values())) == 6
    assert scalars('stopped', 'loss_generator') == losses
    weights = [
        read_checkpoint(f'{folder}/iter_6.pth')['state_dict']
        for folder in ('whole', 'stopped')
    ]
    assert all((weights[0][k] == weights[1][k]).all() for k in weights[0])
