"""The step of a GAN: who learns from what, and who is left alone."""

import copy
from contextlib import contextmanager

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmpretrain.structures import DataSample
from torch import nn

from projects.core.engine import train
from projects.core.errors import UserError
from projects.core.tasks.generation.adversarial import frozen
from projects.core.tasks.generation.latents import draw, fixed_latents, way_between
from projects.core.variants import config_root
from projects.core.weights import read_checkpoint
from projects.registry import MODELS

SMALL = dict(
    type='projects.GAN',
    generator=dict(type='projects.MLPGenerator', hidden_dims=(8,)),
    discriminator=dict(type='projects.MLPDiscriminator', hidden_dims=(8,)),
    loss=dict(type='projects.NonSaturatingLoss'),
    data_preprocessor=dict(mean=0, std=1),
)


def build(**settings):
    torch.manual_seed(0)
    model = MODELS.build({**copy.deepcopy(SMALL), **settings})
    model.init_weights()
    return model.train()


def optimizers(model, lr=0.1):
    return OptimWrapperDict(
        **{
            name: OptimWrapper(torch.optim.SGD(getattr(model, name).parameters(), lr))
            for name in ('generator', 'discriminator')
        }
    )


def batch(num=12):
    points = torch.linspace(-1, 1, 2 * num).reshape(num, 2)
    return dict(inputs=list(points))


def weights(part):
    return [p.detach().clone() for p in part.parameters()]


def changed(part, before):
    pairs = zip(part.parameters(), before, strict=True)
    return [not torch.equal(now, then) for now, then in pairs]


def with_norm(model):
    """A batch norm in each network, not after a bias, which it would undo."""
    for part in (model.generator, model.discriminator):
        part.layers.insert(2, nn.BatchNorm1d(8))
    return model


def statistics(part):
    return [b.clone() for b in part.buffers()]


@pytest.mark.parametrize('player', ['generator', 'discriminator'])
def test_a_step_of_one_leaves_the_other_alone(player):
    model = with_norm(build())
    other = dict(generator='discriminator', discriminator='generator')[player]
    mine, its = getattr(model, player), getattr(model, other)
    before = weights(mine), weights(its), statistics(mine), statistics(its)
    wrapper = optimizers(model)[player]
    if player == 'generator':
        model._train_generator(12, (), wrapper)
    else:
        points = torch.stack(batch()['inputs'])
        model._train_discriminator(points, (), wrapper)
    assert all(changed(mine, before[0]))
    assert not any(changed(its, before[1]))
    assert all(p.grad is None for p in its.parameters())
    assert all(p.requires_grad for p in its.parameters())
    same = [
        [torch.equal(a, b) for a, b in zip(statistics(part), then, strict=True)]
        for part, then in ((mine, before[2]), (its, before[3]))
    ]
    assert not any(same[0])
    assert all(same[1])


def test_frozen_norms_still_take_the_statistics_of_the_batch():
    norm = nn.BatchNorm1d(3).train()
    x = torch.arange(12.0).reshape(4, 3)
    with frozen(norm):
        out = norm(x)
    assert out.mean(0) == pytest.approx([0, 0, 0], abs=1e-6)
    assert norm.track_running_stats
    assert norm.num_batches_tracked == 0


def test_frozen_parts_thaw_after_an_error():
    model = with_norm(build())
    frozen_before = model.generator.layers[0].weight.requires_grad_(False)
    with pytest.raises(RuntimeError, match='stop'), frozen(model.generator):
        raise RuntimeError('stop')
    thawed = [p.requires_grad for p in model.generator.parameters()]
    assert thawed == [p is not frozen_before for p in model.generator.parameters()]
    assert model.generator.layers[2].track_running_stats


@pytest.mark.parametrize('critic_steps', [1, 3])
def test_the_batch_is_dealt_out_to_the_steps_of_the_critic(critic_steps, monkeypatch):
    model = build(critic_steps=critic_steps, generator_batches=2)
    shown, made = [], []
    model.discriminator.register_forward_pre_hook(
        lambda module, args: shown.append(args[0])
    )
    model.generator.register_forward_pre_hook(
        lambda module, args: made.append(len(args[0]))
    )
    data = batch()
    log = model.train_step(data, optimizers(model))
    part = 12 // critic_steps
    # data and samples to each step, then the generator's batch of twice the size
    assert [len(x) for x in shown] == [part, part] * critic_steps + [2 * part]
    assert torch.equal(torch.cat(shown[:-1:2]), torch.stack(data['inputs']))
    assert made == [part] * critic_steps + [2 * part]
    assert log.keys() == {
        'loss_discriminator',
        'loss_generator',
        'score_real',
        'score_fake',
    }


def test_clipped_weights():
    model = build(clip=0.01)
    model.train_step(batch(), optimizers(model))
    assert max(p.abs().max() for p in model.discriminator.parameters()) <= 0.01
    assert max(p.abs().max() for p in model.generator.parameters()) > 0.01


def test_average_of_the_generator():
    model = with_norm(build())
    averaged = MODELS.build({**copy.deepcopy(SMALL), 'ema': 0.75})
    averaged.generator, averaged.discriminator = model.generator, model.discriminator
    averaged.generator_ema = type(averaged.generator_ema)(
        model.generator, momentum=0.25, update_buffers=True
    )
    wrapper = optimizers(averaged)
    averaged.train_step(batch(), wrapper)
    first = [v.clone() for v in model.generator.state_dict().values()]
    averaged.train_step(batch(), wrapper)
    second = model.generator.state_dict().values()
    # it begins as the first step left the generator
    for a, b, mean in zip(
        first, second, averaged.generator_ema.module.state_dict().values(), strict=True
    ):
        if mean.is_floating_point():
            assert torch.allclose(mean, 0.75 * a + 0.25 * b, atol=1e-6)
    assert averaged.sampler is averaged.generator_ema
    latents = torch.ones(2, 2)
    averaged.eval()
    assert not torch.allclose(averaged.network(latents), model.generator(latents))


class HalfPrecision(OptimWrapper):
    """As mmengine's for a GPU."""

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def test_losses_are_in_single_precision():
    model = build(penalty=dict(type='projects.GradientPenalty'))
    seen = []
    model.discriminator.register_forward_hook(
        lambda module, args, scores: seen.append(scores.dtype)
    )
    wrappers = OptimWrapperDict(
        **{
            name: HalfPrecision(torch.optim.SGD(part.parameters(), 0.1))
            for name, part in model.named_children()
            if name in ('generator', 'discriminator')
        }
    )
    log = model.train_step(batch(), wrappers)
    # of data and of samples; of points between them; of the generator's samples
    half = torch.bfloat16
    assert seen == [half, half, torch.float32, half]
    assert {value.dtype for value in log.values()} == {torch.float32}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(critic_steps=0), 'critic_steps 0 and generator_batches 1 must be at'),
        (dict(clip=0.0), r'clip 0\.0 is not above 0'),
        (dict(ema=1.0), r'ema 1\.0 is not between 0 and 1'),
        (dict(latent='gauss'), "latent 'gauss' is neither 'normal' nor"),
        (dict(latent=(1, -1)), r'latent \(1, -1\) is neither'),
    ],
)
def test_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_there_is_no_mode_loss():
    with pytest.raises(ValueError, match="mode 'loss': GAN knows 'tensor' and"):
        build()(torch.zeros(1, 2), mode='loss')


def samples_of(model, indices):
    named = [DataSample(metainfo=dict(sample_idx=i)) for i in indices]
    rows = model.val_step(dict(inputs=[torch.ones(2)] * len(named), data_samples=named))
    return torch.stack([row['fake'] for row in rows])


def test_a_sample_is_a_matter_of_its_number_alone():
    model = build().eval()
    together = samples_of(model, [4, 0, 7])
    assert torch.allclose(together[1:2], samples_of(model, [0]), atol=1e-6)
    assert torch.allclose(together[2:], model.samples([7]), atol=1e-6)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert not torch.allclose(model.samples([7]), model.samples([7], seed=1), atol=1e-3)


def test_a_walk_has_its_ends():
    model = build(latent=(-1, 1)).eval()
    walk = model.between(3, 5, 9)
    assert torch.allclose(walk[[0, -1]], model.samples([3, 5]), atol=1e-6)
    assert walk.shape == (9, 2)


def test_the_way_between_normal_latents_is_an_arc():
    first, last = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    middle = way_between(first, last, 3)[1]
    # the line would pass at length sqrt(2)
    assert middle.tolist() == pytest.approx([2**0.5, 2**0.5])
    line = way_between(first, last, 3, (0, 1))[1]
    assert line.tolist() == [1, 1]
    assert way_between(first, first, 3).tolist() == [[2, 0]] * 3


def test_distribution_of_latents():
    normal = fixed_latents(range(4000), 2)
    assert normal.mean(0) == pytest.approx([0, 0], abs=0.06)
    assert normal.std(0) == pytest.approx([1, 1], abs=0.05)
    uniform = fixed_latents(range(4000), 2, (-1, 3))
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert uniform.mean(0) == pytest.approx([1, 1], abs=0.08)
    drawn = draw(4000, 2, like=normal, latent=(-1, 3))
    assert drawn.shape == (4000, 2)
    assert drawn.min() >= -1
    assert drawn.mean(0) == pytest.approx([1, 1], abs=0.08)


RUN = f"""
_base_ = ['{config_root()}/_base_/datasets/ring8.py',
          '{config_root()}/_base_/schedules/gan_adam.py',
          '{config_root()}/_base_/iter_runtime.py']
default_scope = 'mmengine'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.MLPGenerator', hidden_dims=(8, )),
    discriminator=dict(type='projects.MLPDiscriminator', hidden_dims=(8, )),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty', weight=1.0),
    critic_steps=2, ema=0.9, data_preprocessor=dict(mean=0, std=1))
train_dataloader = dict(batch_size=16, dataset=dict(num=400, fresh=False))
val_dataloader = dict(batch_size=50, dataset=dict(num=100))
optim_wrapper = dict(
    generator=dict(optimizer=dict(type='SGD', lr=0.1, _delete_=True)),
    discriminator=dict(optimizer=dict(type='SGD', lr=0.1, _delete_=True)))
train_cfg = dict(max_iters=4, val_interval=2)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=2, save_best=None))
custom_imports = dict(imports=['projects'])
"""


@pytest.fixture
def config(tmp_path, fresh):
    path = tmp_path / 'ring.py'
    path.write_text(RUN)
    return str(path)


def saved(work_dir, iteration=4):
    return read_checkpoint(f'{work_dir}/iter_{iteration}.pth')['state_dict']


def difference(a, b):
    assert list(a) == list(b)
    return max((a[k] - b[k]).abs().max().item() for k in a)


def test_a_resumed_run_is_the_uninterrupted_one(config, fresh):
    train(config, 'whole')
    fresh()
    train(config, 'half', cfg_options=['train_cfg.max_iters=2'])
    fresh()
    train(config, 'half', resume=True)
    assert difference(saved('whole'), saved('half')) == 0
    assert difference(saved('whole', 2), saved('whole')) > 1e-3


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(config, fresh, train_in_two):
    """Gradients of a penalty, two steps of the critic and an average among them."""
    train_in_two(config, 'two', 8)
    train(config, 'one')
    assert difference(saved('one'), saved('one', 2)) > 1e-3
    assert difference(saved('one'), saved('two')) < 1e-5


def test_samples_that_are_not_finite_are_no_images():
    model = build()
    model.generator.layers[0].weight.data[0, 0] = float('nan')
    with pytest.raises(UserError, match='the samples hold numbers that are not finite'):
        model.eval().samples([0, 1])
