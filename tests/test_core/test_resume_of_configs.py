"""Every config for a CPU, stopped in the middle of an epoch and resumed."""

import pytest
from test_engine import scalars
from test_stopped_runs import with_sigterm

from projects.core.config import load_config, run_configs
from projects.core.engine import train
from projects.core.weights import read_checkpoint

ON_A_CPU = sorted(
    path
    for path in run_configs()
    if 'digits' in path.stem and path.parent.name != 'gan'
)
QUICK = ('lenet5-modern',)


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(
            path,
            marks=[] if path.stem.startswith(QUICK) else pytest.mark.slow,
            id=path.stem,
        )
        for path in ON_A_CPU
    ],
)
def test_losses_and_weights_are_those_of_an_undisturbed_run(
    path, digits_coco, tmp_path, fresh
):
    options = [
        'train_cfg.max_epochs=3',
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=4',
        'train_dataloader.num_workers=1',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        'default_hooks.logger.interval=1',
        f'train_dataloader.dataset.indices={list(range(12))}',
        'val_dataloader.dataset.indices=8',
        'model.init_cfg=None',  # weights of another run
    ]
    if 'coco' in path.stem:
        options += [
            f'{split}_dataloader.dataset.data_root={digits_coco}'
            for split in ('train', 'val')
        ] + [f'val_evaluator.ann_file={digits_coco}/annotations/val.json']
    stop = tmp_path / 'stop.py'
    stop.write_text(f"_base_ = '{path}'\n" + with_sigterm('step', 5))

    train(str(path), 'whole', cfg_options=options)
    fresh()
    with pytest.raises(SystemExit):
        train(str(stop), 'stopped', cfg_options=options)
    # gradients that are added up over several steps are not cut off
    counts = load_config(str(path)).optim_wrapper.get('accumulative_counts', 1)
    assert sorted(scalars('stopped')) == list(range(1, -(-5 // counts) * counts + 1))
    fresh()
    train(str(path), 'stopped', resume=True, cfg_options=options)
    assert len(set(scalars('whole').values())) == 9
    assert scalars('stopped') == scalars('whole')
    weights = [
        read_checkpoint(f'{folder}/epoch_3.pth')['state_dict']
        for folder in ('whole', 'stopped')
    ]
    assert all((weights[0][k] == weights[1][k]).all() for k in weights[0])
