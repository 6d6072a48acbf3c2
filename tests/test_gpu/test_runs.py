"""Training, test and inference on a GPU: what a CPU cannot show."""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from projects.core.engine import evaluate, infer, train
from projects.core.engine.inference import load_model
from projects.core.variants import config_root
from projects.core.weights import read_checkpoint

TRAIN = Path(__file__).parents[2] / 'tools/train.py'
PLAIN = """
model['bbox_head']['predictor'] = dict(
    _delete_=True, type='projects.YOLOv1ConvPredictor')
auto_scale_lr = None
"""
KILLED = """
from mmengine.hooks import Hook
from projects.registry import HOOKS

@HOOKS.register_module(force=True)
class KilledOnGPUHook(Hook):
    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            raise InterruptedError
"""


def losses_of(work_dir):
    """Loss by iteration."""
    (file, *_) = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [row['loss'] for row in rows if 'loss' in row]


def weights_of(work_dir, epoch=2):
    return read_checkpoint(f'{work_dir}/epoch_{epoch}.pth')['state_dict']


def test_it_trains_on_the_gpu(write_config):
    runner = train(write_config(PLAIN), 'run')
    assert {p.device.type for p in runner.model.parameters()} == {'cuda'}
    assert len(losses_of('run')) == 8
    assert all(map(math.isfinite, losses_of('run')))


def test_mixed_precision_trains_and_keeps_its_scale(write_config, fresh):
    config = write_config(PLAIN)
    train(config, 'plain')
    fresh()
    runner = train(config, 'amp', amp=True)
    assert type(runner.optim_wrapper).__name__ == 'AmpOptimWrapper'
    # the first step has the same weights: half precision moves its loss a little
    assert losses_of('amp')[0] == pytest.approx(losses_of('plain')[0], rel=0.02)
    assert losses_of('amp')[0] != losses_of('plain')[0]
    assert all(map(math.isfinite, losses_of('amp')))
    saved = torch.load('amp/epoch_2.pth', weights_only=False)
    assert saved['optimizer']['loss_scaler']['scale'] > 0
    fresh()
    train(config, 'amp', amp=True, resume=True, cfg_options=['train_cfg.max_epochs=3'])
    assert Path('amp/epoch_3.pth').is_file()


def test_deterministic_runs_are_the_same_to_the_bit(write_config, fresh):
    config = write_config()  # with dropout
    for work_dir in ('a', 'b'):
        train(config, work_dir, deterministic=True)
        fresh()
    assert losses_of('a') == losses_of('b')
    a, b = weights_of('a'), weights_of('b')
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_resumed_run_is_the_uninterrupted_one(write_config, fresh, monkeypatch):
    Path('killed_on_gpu.py').write_text(KILLED)
    monkeypatch.syspath_prepend('.')
    train(write_config(), 'whole', deterministic=True)
    fresh()
    killed = write_config(
        "custom_imports = dict(imports=['killed_on_gpu'])\n"
        "custom_hooks = [*_base_.custom_hooks, dict(type='projects.KilledOnGPUHook')]",
        name='killed.py',
    )
    with pytest.raises(InterruptedError):
        train(killed, 'resumed', deterministic=True)
    fresh()
    train(write_config(), 'resumed', deterministic=True, resume=True)
    whole, resumed = weights_of('whole'), weights_of('resumed')
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_nonfinite_loss_is_reported_and_can_be_replayed(write_config, error_of):
    error = error_of(
        train,
        write_config(),
        'run',
        auto_scale_lr=False,
        cfg_options=[
            'optim_wrapper.optimizer.lr=1e30',
            'param_scheduler=[]',
            'optim_wrapper.clip_grad=None',
        ],
    )
    assert error.startswith('the loss is not finite at epoch 1, iteration 2: ')
    saved = torch.load('run/nonfinite_loss.pth', weights_only=False)
    assert saved['inputs']['inputs'].device.type == 'cuda'
    assert not all(v.isfinite().all() for v in saved['losses'].values())


def test_test_and_inference_detect_what_a_cpu_does(by_heart, checkpoint, digits_coco):
    metrics = evaluate(by_heart, checkpoint, 'run')
    assert metrics['coco/bbox_mAP'] > 0.05
    images = str(digits_coco / 'train')
    rows = {
        device: infer(checkpoint, images, f'out {device}', device=device)
        for device in ('cpu', 'cuda')
    }
    strong = {k: [r for r in v if r['score'] > 0.3] for k, v in rows.items()}
    assert len(strong['cpu']) > 10
    # TF32 moves scores a little: some of them across the threshold
    assert len(strong['cuda']) == pytest.approx(len(strong['cpu']), rel=0.1)
    assert load_model(checkpoint, 'cuda')[0].data_preprocessor.device.type == 'cuda'


def test_one_process_by_nccl_trains(write_config):
    done = launch(write_config(PLAIN), [dict(RANK='0', LOCAL_RANK='0')], 'nccl')
    assert 'on 1 x cuda' in done[0]
    assert all(map(math.isfinite, losses_of('nccl')))


@pytest.mark.parametrize('backend', ['gloo', 'nccl'])
def test_two_processes_are_one_run(write_config, backend):
    """By gloo they share a GPU where there is one; NCCL wants two."""
    count = torch.cuda.device_count()
    if backend == 'nccl' and count < 2:
        pytest.skip('NCCL wants a GPU for each process, and there is one')
    ranks = [dict(RANK=str(i), LOCAL_RANK=str(i % count)) for i in range(2)]
    done = launch(write_config(PLAIN), ranks, backend)
    assert 'on 2 x cuda' in done[0]
    assert len(losses_of(backend)) == 4  # half the steps
    assert all(map(math.isfinite, losses_of(backend)))


def launch(config, ranks, backend):
    """Outputs of a training in processes; its work dir is named as the backend."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    options = ['--launcher', 'pytorch', '--work-dir', backend, '--cfg-options']
    options.append(f'env_cfg.dist_cfg.backend={backend}')
    processes = [
        subprocess.Popen(
            [sys.executable, str(TRAIN), config, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                **rank,
                'WORLD_SIZE': str(len(ranks)),
                'MASTER_ADDR': '127.0.0.1',
                'MASTER_PORT': port,
            },
        )
        for rank in ranks
    ]
    try:
        outputs = [process.communicate(timeout=150)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [p.returncode for p in processes] == [0] * len(ranks), outputs
    return outputs


GAN = f"""
_base_ = ['{config_root()}/_base_/datasets/digits_gan_32.py',
          '{config_root()}/_base_/schedules/gan_adam.py',
          '{config_root()}/_base_/iter_runtime.py']
default_scope = 'mmpretrain'
net = dict(image_size=32, base_channels=16)
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.DCGANGenerator', out_channels=1, **net),
    discriminator=dict(
        type='projects.DCGANDiscriminator', in_channels=1, batch_norm=False, **net),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty'),
    critic_steps=2, ema=0.9)
train_dataloader = dict(batch_size=32)
val_evaluator = dict(_delete_=True, type='projects.SamplesReport')
test_evaluator = val_evaluator
train_cfg = dict(max_iters=8, val_interval=4)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=4, save_best=None))
"""


def test_a_gan_trains_in_mixed_precision_and_is_resumed(tmp_path, fresh):
    """The slope of the penalty is computed in single precision."""
    config = tmp_path / 'gan.py'
    config.write_text(GAN)
    runner = train(str(config), 'whole', amp=True)
    kinds = {type(w).__name__ for w in runner.optim_wrapper.values()}
    assert kinds == {'AmpOptimWrapper'}
    scalars = runner.message_hub.log_scalars
    for name in ('loss_discriminator', 'loss_generator', 'penalty'):
        values = scalars[f'train/{name}'].data[0]
        assert len(values) == 8
        assert all(map(math.isfinite, values)), name
    fresh()
    train(str(config), 'half', amp=True, cfg_options=['train_cfg.max_iters=4'])
    fresh()
    resumed = train(str(config), 'half', amp=True, resume=True)
    for name in ('loss_discriminator', 'loss_generator'):
        again = resumed.message_hub.log_scalars[f'train/{name}'].data[0]
        # kernels on a GPU add up in no fixed order
        assert again == pytest.approx(scalars[f'train/{name}'].data[0], rel=0.2)
    assert len(infer('half/iter_8.pth', num=4)) == 4
