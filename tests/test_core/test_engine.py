"""What happens to a run: resumed, killed, diverged, misused."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OneCycleLR

from projects.core.engine import train
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.errors import UserError
from projects.core.weights import read_checkpoint
from projects.registry import HOOKS


@HOOKS.register_module()
class KilledHook(Hook):
    """Ends a run as a kill does: nothing after it happens."""

    priority = 'LOWEST'

    def __init__(self, place, epoch):
        self.place, self.epoch = place, epoch

    def _end(self, place, runner):
        if (place, runner.epoch) == (self.place, self.epoch):
            raise InterruptedError

    def after_train_epoch(self, runner):  # after the saving
        self._end('after_train_epoch', runner)

    def before_train_epoch(self, runner):
        self._end('before_train_epoch', runner)


def killed(place, epoch):
    return f"""
custom_hooks = [*_base_.custom_hooks,
                dict(type='projects.KilledHook', place='{place}',
                     epoch={epoch})]
"""


def scalars(work_dir, key='loss'):
    """Values by step of a run, which may have had several processes."""
    values = {}
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if key in row:
                values[row['step']] = row[key]
    return values


def assert_same_run(work_dir, other):
    """To the last bit: losses, learning rates, scores and weights."""
    for key in ('loss', 'lr', 'coco/bbox_mAP_50'):
        values = scalars(work_dir, key)
        assert values == scalars(other, key)
        assert len(set(values.values())) > 1 or key != 'loss'
    checkpoints = [
        read_checkpoint(newest_checkpoint(str(d))) for d in (work_dir, other)
    ]
    assert checkpoints[0]['meta']['epoch'] == checkpoints[1]['meta']['epoch']
    states = [c['state_dict'] for c in checkpoints]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    infos = [c['message_hub']['runtime_info'] for c in checkpoints]
    assert infos[0]['best_score'] == infos[1]['best_score']


@pytest.mark.parametrize('num_workers', [0, 2])
def test_resumed_run_is_the_uninterrupted_one(write_config, fresh, num_workers):
    # the config has dropout, jitter, shuffling, warm-up and a decay
    options = [f'train_dataloader.num_workers={num_workers}', 'train_cfg.max_epochs=4']
    train(write_config(), 'whole', cfg_options=options)
    fresh()
    with pytest.raises(InterruptedError):
        train(
            write_config(killed('before_train_epoch', 2)),
            'resumed',
            cfg_options=options,
        )
    assert sorted(scalars('resumed')) == list(range(1, 9))  # 4 steps an epoch
    fresh()
    train(write_config(), 'resumed', resume=True, cfg_options=options)
    assert sorted(scalars('whole')) == list(range(1, 17))
    assert_same_run('resumed', 'whole')


def test_each_epoch_draws_other_numbers(write_config):
    # no learning: the epochs differ by what is drawn alone
    train(
        write_config(),
        'a',
        cfg_options=[
            'optim_wrapper.optimizer.lr=0',
            'train_dataloader.sampler.shuffle=0',
            'train_dataloader.num_workers=1',
            'train_cfg.max_epochs=3',
        ],
    )
    losses = scalars('a')
    assert len({losses[1], losses[5], losses[9]}) == 3


def test_validation_that_a_kill_cut_off_is_made_up_for(write_config, fresh):
    train(write_config(), 'whole')
    fresh()
    with pytest.raises(InterruptedError):  # saved, not yet validated
        train(write_config(killed('after_train_epoch', 1)), 'resumed')
    assert sorted(scalars('resumed', 'coco/bbox_mAP')) == [1]
    fresh()
    train(write_config(), 'resumed', resume=True)
    assert sorted(scalars('resumed', 'coco/bbox_mAP')) == [1, 2]
    assert_same_run('resumed', 'whole')


def test_resumed_run_without_its_best_file_says_so(write_config, fresh):
    runner = train(write_config(), 'a')
    best = Path(runner.message_hub.get_info('best_ckpt'))
    best.unlink()
    fresh()
    runner = train(
        write_config(), 'a', resume=True, cfg_options=['train_cfg.max_epochs=3']
    )
    logs = sorted(Path('a').glob('*/*.log'))
    text = ''.join(log.read_text() for log in logs)
    assert f'the best checkpoint {best} is gone' in text
    assert Path(runner.message_hub.get_info('best_ckpt')).is_file()


def test_resume_takes_the_seed_of_the_run(write_config, fresh):
    train(write_config(), 'whole', seed=5, cfg_options=['train_cfg.max_epochs=2'])
    fresh()
    train(write_config(), 'resumed', seed=5, cfg_options=['train_cfg.max_epochs=1'])
    fresh()
    train(
        write_config(), 'resumed', resume=True, cfg_options=['train_cfg.max_epochs=2']
    )
    assert scalars('resumed') == scalars('whole')
    with pytest.raises(UserError, match='has the seed 5'):
        train(write_config(), 'resumed', resume=True, seed=6)


# a fork costs none of the imports, and leaves a process that may be killed
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import projects
import yapf.yapflib.yapf_api as yapf_api
import mmengine.fileio.backends as backends
import mmengine.runner.runner as runner
from projects.core.engine import train
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.weights import read_checkpoint
import projects.core.tasks.detection.data_checks, mmdet.models

yapf_api.FormatCode = lambda text, **kwargs: (text, True)
runner.collect_env = dict
config_file, work_dir = sys.argv[1:]
half, stall = Path('half'), Path('stall')
num_saved = 0

def put(self, content, path):
    global num_saved
    num_saved += 1
    with open(path, 'wb') as file:
        file.write(content[:len(content) // 2])
        file.flush()
        if stall.exists() and num_saved == 2:
            half.touch()  # now half of the file is written
            time.sleep(600)  # until the kill
        file.write(content[len(content) // 2:])
backends.LocalBackend.put = put

def start():
    pid = os.fork()
    if pid:
        return pid
    try:
        sys.stdout = open('screen.txt', 'a')
        train(config_file, work_dir,
              resume=newest_checkpoint(work_dir) is not None)
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)

random.seed(0)
half_written = 0
for kill in range(4):
    half.unlink(missing_ok=True)
    stall.unlink(missing_ok=True)
    if kill < 3:  # amid the second saving
        stall.touch()
    pid = start()
    if kill < 3:
        while not half.exists() and os.waitpid(pid, os.WNOHANG)[0] == 0:
            time.sleep(0.01)
    else:
        time.sleep(random.uniform(0.2, 1.5))
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        pass  # it had finished
    half_written += len(list(Path(work_dir).glob('*.partial')))
    for file in Path(work_dir).glob('*.pth'):
        assert 'state_dict' in read_checkpoint(str(file)), file
assert half_written >= 3, half_written
stall.unlink(missing_ok=True)
status = os.waitpid(start(), 0)[1]
assert status == 0, status
print('partial files:', half_written)
"""


def test_kills_at_any_moment_leave_a_run_that_goes_on(write_config, tmp_path):
    config = write_config('\ntrain_cfg.update(max_epochs=5)\n')
    train(config, 'whole')
    done = subprocess.run(
        [sys.executable, '-c', KILLER, config, 'killed'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(Path('killed').glob('*.partial'))
    assert_same_run('killed', 'whole')


def test_partial_files_are_no_checkpoints(tmp_path):
    for name in (
        'epoch_3.pth',
        'epoch_12.pth',
        'epoch_13.pth.partial',
        'best_coco_bbox_mAP_epoch_14.pth',
        'epoch_x.pth',
    ):
        (tmp_path / name).touch()
    assert newest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_12.pth')


def test_ctrl_c_is_one_word(write_config, tmp_path):
    tool = Path(__file__).parents[2] / 'tools/train.py'
    with subprocess.Popen(
        [
            sys.executable,
            str(tool),
            write_config('\ntrain_cfg.update(max_epochs=99)\n'),
            '--cfg-options',
            'train_dataloader.num_workers=1',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
        # ignored by what a shell starts in the background, such as these tests
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        rest = ''
        for line in process.stdout:
            rest += line
            # in epochs 2, 12, 22, ...: Python drops an interrupt that comes
            # within a finaliser, and a user presses again
            if re.search(r'Epoch\(train\) +\[\d*2\] *\[1/', line):
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does
                rest = ''
    assert process.returncode == 130
    assert rest.endswith('\ninterrupted\n')
    assert 'Traceback' not in rest


# a schedule of each kind, an average of the weights
SCHEDULES = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
    dict(type='MultiStepLR', milestones=[1], by_epoch=True),
    dict(type='CosineAnnealingLR', T_max=4, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='PolyLR', by_epoch=False), dict(type='ExponentialLR', gamma=.9),
    dict(type='ConstantLR', factor=0.5),
    dict(type='OneCycleLR', eta_max=0.01, total_steps=99, by_epoch=False),
]
custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', momentum=0.1)]
"""


def test_checkpoints_of_all_schedules_and_ema_are_mere_data(write_config, fresh):
    config = write_config(SCHEDULES)
    options = ['optim_wrapper.optimizer.betas=(0.9,0.99)']
    train(config, 'whole', cfg_options=options)
    fresh()
    with pytest.raises(InterruptedError):
        train(
            write_config(
                SCHEDULES
                + """
custom_hooks += [dict(type='projects.KilledHook', place='before_train_epoch',
                      epoch=1)]
""",
                name='killed.py',
            ),
            'resumed',
            cfg_options=options,
        )
    fresh()
    train(config, 'resumed', resume=True, cfg_options=options)
    assert_same_run('resumed', 'whole')
    for file in Path('whole').glob('*.pth'):
        assert read_checkpoint(str(file))[
            'ema_state_dict' if 'epoch_2' in file.name else 'state_dict'
        ]
    averages = [
        read_checkpoint(f'{d}/epoch_2.pth')['ema_state_dict']
        for d in ('whole', 'resumed')
    ]
    assert all(torch.equal(averages[0][k], averages[1][k]) for k in averages[0])


def test_onecycle_holds_code_by_itself():
    """So that the test above shows that ResumeHook takes it out."""
    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1)
    state = OneCycleLR(optimizer, eta_max=0.1, total_steps=9).state_dict()
    assert any(callable(v) for v in state.values())


@pytest.mark.parametrize('source', ['lr', 'image'])
def test_nonfinite_loss_stops_and_can_be_replayed(write_config, source, error_of):
    options, extra = [], ''
    if source == 'lr':
        options = [
            'optim_wrapper.optimizer.lr=1e30',
            'param_scheduler=[]',
            'optim_wrapper.clip_grad=None',
        ]
    else:
        extra = "\nmodel['data_preprocessor'] = dict(std=[1e-45, 1, 1])\n"
    error = error_of(
        train,
        write_config(extra),
        'run',
        seed=0,
        auto_scale_lr=False,
        cfg_options=[*options, 'train_dataloader.batch_size=2'],
    )
    step = 2 if source == 'lr' else 1
    where, images, fix = error.splitlines()
    assert where.startswith(
        f'the loss is not finite at epoch 1, iteration {step}: loss_coord '
    )
    assert fix.startswith('the batch and the weights are in ')
    assert not list(Path('run').glob('epoch_*.pth'))
    assert len(scalars('run')) == step - 1

    saved = torch.load('run/nonfinite_loss.pth', weights_only=False)
    assert images == 'images: ' + ', '.join(saved['names'])
    assert len(saved['names']) == len(saved['inputs']['data_samples']) == 2
    assert all(Path(image).is_file() for image in saved['names'])
    assert (saved['epoch'], saved['iter']) == (0, step - 1)
    assert saved['lr']['lr'][0] == (1e30 if source == 'lr' else pytest.approx(0.0004))
    model = build_model(write_config(extra))
    model.load_state_dict(saved['state_dict'])
    losses = model.train()(**saved['inputs'])
    assert losses.keys() == saved['losses'].keys()
    finite = [loss.isfinite().item() for loss in losses.values()]
    assert finite == [v.isfinite().all().item() for v in saved['losses'].values()]
    assert not all(finite)


def build_model(config):
    from mmengine.registry import DefaultScope

    from projects.core.config import load_config
    from projects.registry import MODELS

    cfg = load_config(config)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(cfg.model)


def test_finite_losses_are_left_alone(write_config):
    runner = train(write_config(), 'run')
    assert all(map(math.isfinite, scalars('run').values()))
    assert not Path('run/nonfinite_loss.pth').exists()
    assert not runner.model._forward_hooks


def test_worker_seeds_are_set_for_numpy_and_python():
    import random

    from projects.core.engine.seeding import seed_worker

    torch.manual_seed(3)
    seed_worker(0)
    first = np.random.rand(), random.random()
    np.random.rand()
    seed_worker(1)
    assert (np.random.rand(), random.random()) == first
    torch.manual_seed(4)
    seed_worker(0)
    assert np.random.rand() != first[0]


def test_neither_torch_nor_mmengine_is_imported_too_soon():
    subprocess.run(
        [
            sys.executable,
            '-c',
            'import projects, sys; '
            'assert "torch" not in sys.modules; '
            'assert "mmengine" not in sys.modules',
        ],
        check=True,
    )
