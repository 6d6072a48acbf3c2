"""CycleGAN: networks, what each step minimises, the pool, a resumed run."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmpretrain.structures import DataSample
from torch import nn

from projects.core.engine import train
from projects.core.errors import UserError
from projects.core.tasks.generation import torch_cyclegan
from projects.core.tasks.generation.torch_cyclegan import (
    TorchCycleGAN,
    patch_discriminator,
    resnet_generator,
)
from projects.core.variants import config_root
from projects.core.weights import load_weights, read_checkpoint
from projects.gan import CycleGAN, CycleGANGenerator, PatchDiscriminator, image_pool
from projects.gan.image_pool import ImagePool
from projects.registry import MODELS

TINY = dict(
    generator=dict(type='projects.CycleGANGenerator', num_blocks=1, base_channels=2),
    discriminator=dict(
        type='projects.PatchDiscriminator', num_strides=1, base_channels=2
    ),
)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def random_weights(module, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0, 0.05)
    return module


def copy_in_order(source, target):
    theirs, ours = list(source.parameters()), list(target.parameters())
    assert [p.shape for p in ours] == [p.shape for p in theirs]
    with torch.no_grad():
        for p, q in zip(ours, theirs, strict=True):
            p.copy_(q)


class TestNetworks:
    @pytest.mark.parametrize(
        ('variant', 'generator'),
        [('cyclegan_resnet9', 11_378_179), ('cyclegan_resnet6', 7_837_699)],
    )
    def test_parameters_are_those_of_the_reference_table(
        self, variant, generator, build_on_meta
    ):
        model = build_on_meta(variant)
        for one in (model.generators.ab, model.generators.ba):
            assert num_params(one) == generator
        for one in (model.discriminators.a, model.discriminators.b):
            assert num_params(one) == 2_764_737
        assert num_params(model) == 2 * (generator + 2_764_737)

    def test_parameters_of_the_small_one(self, build_on_meta):
        assert num_params(build_on_meta('cyclegan_mini')) == 732_616

    @pytest.mark.parametrize('num_blocks', [6, 9])
    def test_generator_equals_the_published_layers(self, num_blocks):
        reference = random_weights(resnet_generator(num_blocks))
        ours = CycleGANGenerator(num_blocks)
        copy_in_order(reference, ours)
        x = torch.rand(2, 3, 32, 20) * 2 - 1
        torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=1e-5)

    def test_discriminator_equals_the_published_layers(self):
        reference = random_weights(patch_discriminator())
        ours = PatchDiscriminator()
        copy_in_order(reference, ours)
        x = torch.rand(2, 3, 48, 64) * 2 - 1
        torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=1e-5)

    @pytest.mark.parametrize(('num_strides', 'patch'), [(1, 16), (2, 34), (3, 70)])
    def test_a_score_sees_its_patch(self, num_strides, patch):
        """Without norms, which see the whole image."""
        net = PatchDiscriminator(num_strides, 2).double()
        net.model = nn.Sequential(
            *[m for m in net.model if not isinstance(m, nn.InstanceNorm2d)]
        )
        random_weights(net)
        x = torch.rand(1, 3, 128, 128, dtype=torch.double, requires_grad=True)
        scores = net(x)
        middle = scores.shape[-1] // 2
        scores[0, 0, middle, middle].backward()
        rows = x.grad[0].abs().sum((0, 2)).nonzero()
        assert rows[-1] - rows[0] + 1 == patch

    def test_30_by_30_scores_of_256_pixels(self):
        with torch.device('meta'):
            assert PatchDiscriminator()(torch.rand(1, 3, 256, 256)).shape[2:] == (
                30,
                30,
            )

    def test_names_are_the_authors(self):
        generator = list(CycleGANGenerator(9, 1).state_dict())
        layers = ['model.1', 'model.4', 'model.7']
        for i in range(10, 19):
            layers += [f'model.{i}.conv_block.1', f'model.{i}.conv_block.5']
        layers += ['model.19', 'model.22', 'model.26']
        assert generator == [f'{n}.{end}' for n in layers for end in ('weight', 'bias')]
        names = [
            f'model.{i}.{end}' for i in (0, 2, 5, 8, 11) for end in ('weight', 'bias')
        ]
        assert list(PatchDiscriminator(3, 1).state_dict()) == names

    @pytest.mark.parametrize('size', [(33, 32), (32, 30)])
    def test_sides_that_would_grow_are_refused(self, size):
        with pytest.raises(UserError, match='takes multiples of 4; resize or crop'):
            CycleGANGenerator(1, 2)(torch.rand(1, 3, *size))

    def test_no_stride_is_refused(self):
        with pytest.raises(ValueError, match='num_strides 0 is not at least 1'):
            PatchDiscriminator(0)

    def test_initial_weights_are_the_papers(self):
        model = CycleGAN(**TINY)
        model.init_weights()
        for name, weight in model.named_parameters():
            if name.endswith('bias'):
                assert not weight.any(), name
        kernel = model.generators.ab.model[10].conv_block[1].weight
        assert kernel.std().item() == pytest.approx(0.02, rel=0.15)


def published(num_blocks, with_statistics):
    """A state dict by the authors' names, of a generator of two channels."""
    torch.manual_seed(3)
    shapes = {'model.1': (2, 3, 7, 7), 'model.4': (4, 2, 3, 3), 'model.7': (8, 4, 3, 3)}
    for i in range(10, 10 + num_blocks):
        shapes[f'model.{i}.conv_block.1'] = shapes[f'model.{i}.conv_block.5'] = (
            8, 8, 3, 3,
        )  # fmt: skip
    i = 10 + num_blocks
    shapes |= {f'model.{i}': (8, 4, 3, 3), f'model.{i + 3}': (4, 2, 3, 3)}
    shapes[f'model.{i + 7}'] = (3, 2, 7, 7)
    state = {}
    for name, shape in shapes.items():
        transposed = name in (f'model.{i}', f'model.{i + 3}')
        state[f'{name}.weight'] = torch.randn(shape)
        state[f'{name}.bias'] = torch.randn(shape[1 if transposed else 0])
    if with_statistics:
        for name, size in (('model.2', 2), ('model.10.conv_block.6', 8)):
            state[f'{name}.running_mean'] = torch.randn(size)
            state[f'{name}.running_var'] = torch.rand(size)
            state[f'{name}.num_batches_tracked'] = torch.tensor(7)
    return state


class TestPublishedGenerators:
    @pytest.mark.parametrize('with_statistics', [False, True])
    def test_one_is_loaded_into_each_direction(self, with_statistics, tmp_path):
        state = published(1, with_statistics)
        torch.save(state, tmp_path / 'latest_net_G.pth')
        init_cfg = dict(
            type='projects.Pretrained', checkpoint=str(tmp_path / 'latest_net_G.pth')
        )
        model = CycleGAN(
            {**TINY['generator'], 'init_cfg': init_cfg},
            TINY['discriminator'],
            generator_ba=TINY['generator'],
        )
        model.init_weights()
        loaded = model.generators.ab.state_dict()
        assert len(loaded) == 16
        assert all(torch.equal(loaded[name], state[name]) for name in loaded)
        other = model.generators.ba.state_dict()
        assert not torch.equal(other['model.1.weight'], state['model.1.weight'])

    @pytest.mark.parametrize('with_statistics', [False, True])
    def test_one_is_loaded_into_a_whole_model(self, with_statistics):
        state, model = published(1, with_statistics), CycleGAN(**TINY)
        before = copy.deepcopy(model.state_dict())
        report = load_weights(model, state, 'horse2zebra.pth')
        assert report.startswith('16 of 44 weights')
        assert 'discriminators' in report.partition('left out')[2]
        assert ('statistics of an instance norm' in report) == with_statistics
        for name, weight in model.state_dict().items():
            end = name.removeprefix('generators.ab.')
            expected = before[name] if end == name else state[end]
            assert weight.equal(expected), name

    @pytest.mark.parametrize('num_blocks', [0, 2])
    def test_a_whole_model_takes_no_other(self, num_blocks):
        with pytest.raises(UserError, match='zebra does not fit this model'):
            load_weights(CycleGAN(**TINY), published(num_blocks, False), 'zebra')

    def test_one_of_another_depth_is_refused(self, tmp_path):
        torch.save(published(2, True), tmp_path / 'x.pth')
        init_cfg = dict(type='projects.Pretrained', checkpoint=str(tmp_path / 'x.pth'))
        model = CycleGANGenerator(1, 2, init_cfg=init_cfg)
        with pytest.raises(UserError, match='does not fit this model'):
            model.init_weights()


@MODELS.register_module()
class ToyShift(BaseModule):
    """Adds a number."""

    def __init__(self, shift):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return x + self.shift


@MODELS.register_module()
class ToySlope(BaseModule):
    """A score for each pixel."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.slope * x


def toy(**kwargs):
    """G adds 0.5, F takes 0.25; D_A has slope 2, D_B 1."""
    model = CycleGAN(
        dict(type='ToyShift', shift=0.5),
        dict(type='ToySlope'),
        generator_ba=dict(type='ToyShift', shift=-0.25),
        data_preprocessor=dict(mean=0, std=1),
        **kwargs,
    )
    with torch.no_grad():
        model.discriminators.a.slope.fill_(2.0)
    return model


def sgd(model, lr_generators=0.01, lr_discriminators=0.01):
    rates = dict(generators=lr_generators, discriminators=lr_discriminators)
    return OptimWrapperDict(
        **{
            name: OptimWrapper(torch.optim.SGD(getattr(model, name).parameters(), lr))
            for name, lr in rates.items()
            if hasattr(model, name)
        }
    )


# a = 0.2 and b = -0.6, so that G(a) = 0.7 and F(b) = -0.85
BATCH = dict(
    inputs=dict(a=torch.full((2, 1, 2, 3), 0.2), b=torch.full((2, 1, 2, 3), -0.6))
)


class TestStep:
    def test_losses_by_hand(self):
        model = toy()
        log = model.train_step(BATCH, sgd(model))
        expected = dict(
            adversarial_ab=(0.7 - 1) ** 2,
            adversarial_ba=(2 * -0.85 - 1) ** 2,
            cycle_a=10 * 0.25,  # F(G(a)) = 0.45
            cycle_b=10 * 0.25,  # G(F(b)) = -0.35
            identity_a=0.5 * 10 * 0.25,  # F(a) = -0.05
            identity_b=0.5 * 10 * 0.5,  # G(b) = -0.1
        )
        expected['loss_generator'] = sum(expected.values())
        # of A (0.4, -1.7), of B (-0.6, 0.7): real scores to 1, made ones to 0
        expected['loss_discriminator'] = (0.6**2 + 1.7**2) / 2 + (1.6**2 + 0.7**2) / 2
        expected |= dict(
            score_real_a=0.4, score_fake_a=-1.7, score_real_b=-0.6, score_fake_b=0.7
        )
        assert {k: v.item() for k, v in log.items()} == pytest.approx(expected)

    def test_steps_by_hand(self):
        """Each network goes down its own loss alone, whatever the other's does."""
        model = toy()
        model.train_step(BATCH, sgd(model))
        # shift of G: adversarial 2 (0.7 - 1), both cycles 10, identity 5
        assert model.generators.ab.shift.item() == pytest.approx(0.5 - 0.244)
        # of F: 2 (-1.7 - 1) 2, both cycles 10, identity of a negative shift -5
        assert model.generators.ba.shift.item() == pytest.approx(-0.25 - 0.042)
        # slope of D_A: (0.4 - 1) 0.2 + (-1.7) (-0.85); of D_B: (-1.6) (-0.6) + 0.7^2
        assert model.discriminators.a.slope.item() == pytest.approx(2 - 0.01325)
        assert model.discriminators.b.slope.item() == pytest.approx(1 - 0.0145)
        assert all(p.requires_grad for p in model.parameters())

    def test_weights_of_the_terms(self):
        model = toy(cycle_weights=(3.0, 7.0), identity_weight=2.0)
        log = model.train_step(BATCH, sgd(model))
        got = [
            log[k].item() for k in ('cycle_a', 'cycle_b', 'identity_a', 'identity_b')
        ]
        assert got == pytest.approx([0.75, 1.75, 1.5, 7.0])

    def test_without_identity_the_loss_and_its_passes_are_gone(self):
        model, calls = toy(identity_weight=0.0), []
        model.generators.ab.register_forward_hook(lambda *_: calls.append(1))
        log = model.train_step(BATCH, sgd(model))
        assert not [name for name in log if name.startswith('identity')]
        assert len(calls) == 2

    def test_discriminators_are_shown_the_pool(self):
        model = toy(pool_size=1)
        model.train_step(BATCH, sgd(model, 0.0, 0.0))
        model.pool_a.images[0] = torch.full((1, 2, 3), 9.0)
        seen = {
            model.train_step(BATCH, sgd(model, 0.0, 0.0))['score_fake_a'].item()
            for _ in range(20)
        }
        assert any(score > 0 for score in seen)

    @pytest.mark.parametrize('name', ['generators', 'discriminators'])
    def test_a_rate_of_0_leaves_its_networks_as_they_were(self, name):
        model = random_weights(CycleGAN(**TINY))
        before = {k: v.clone() for k, v in model.state_dict().items()}
        batch = dict(inputs={k: torch.rand(1, 3, 16, 16) * 255 for k in 'ab'})
        model.train_step(batch, sgd(model, **{f'lr_{name}': 0.0}))
        changed = {
            k.partition('.')[0]
            for k, v in model.state_dict().items()
            if not torch.equal(v, before[k])
        }
        assert changed == {'generators', 'discriminators'} - {name}

    def test_steps_equal_those_of_the_plain_loop(self):
        reference = TorchCycleGAN(num_blocks=1)
        model = CycleGAN(
            dict(type='projects.CycleGANGenerator', num_blocks=1),
            dict(type='projects.PatchDiscriminator'),
        )
        pairs = (
            (reference.generator_ab, model.generators.ab),
            (reference.generator_ba, model.generators.ba),
            (reference.discriminator_a, model.discriminators.a),
            (reference.discriminator_b, model.discriminators.b),
        )
        for theirs, ours in pairs:
            copy_in_order(theirs, ours)
        # Adam makes steps of one size of the rounding in biases before a norm
        for name in ('optimizer_g', 'optimizer_d'):
            (group,) = getattr(reference, name).param_groups
            setattr(reference, name, torch.optim.SGD(group['params'], 0.01))
        torch.manual_seed(1)
        for _ in range(2):
            batch = dict(inputs={k: torch.rand(1, 3, 24, 24) * 255 for k in 'ab'})
            expected = reference.train_step(batch, None)
            log = model.train_step(batch, sgd(model))
            for name, loss in expected.items():
                torch.testing.assert_close(log[name], loss, rtol=1e-4, atol=1e-5)
        for theirs, ours in pairs:
            for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
                torch.testing.assert_close(p, q, rtol=0, atol=1e-5)

    def test_pairs_by_hand(self):
        model = MODELS.build(
            dict(
                type='projects.PairedTranslator',
                generator=dict(type='ToyShift', shift=0.5),
                data_preprocessor=dict(mean=0, std=1),
            )
        )
        log = model.train_step(BATCH, sgd(model))
        # 0.2 + 0.5 to -0.6, -0.6 + 0.5 to 0.2
        expected = dict(loss_generator=1.6, pairs_ab=1.3, pairs_ba=0.3)
        assert {k: v.item() for k, v in log.items()} == pytest.approx(expected)
        assert model.generators.ab.shift.item() == pytest.approx(0.49)
        assert model.generators.ba.shift.item() == pytest.approx(0.51)

    @pytest.mark.parametrize(
        'settings', [dict(cycle_weights=(-1.0, 1.0)), dict(identity_weight=-0.5)]
    )
    def test_weights_below_0_are_refused(self, settings):
        with pytest.raises(ValueError, match='must be at least 0'):
            CycleGAN(**TINY, **settings)


class TestTranslations:
    def test_predictions(self):
        model = toy().eval()
        model.data_preprocessor.mean = model.data_preprocessor.std = 100.0
        images = torch.full((2, 1, 2, 2), 150.0)
        batch = dict(inputs=dict(a=images, b=images - 30))
        row, _ = model.val_step(batch)
        values = {k: int(v.max()) for k, v in row.items()}
        assert values == dict(
            real_a=150, real_b=120, fake_b=200, fake_a=95, again_a=175, again_b=145
        )
        assert row['fake_a'].dtype == torch.uint8
        batch['data_samples'] = [DataSample(metainfo=dict(label_b=k)) for k in (3, 4)]
        assert [row.get('label_b') for row in model.val_step(batch)] == [3, 4]

    def test_directions(self):
        model = toy().eval()
        x = torch.full((1, 1, 2, 2), 3.0)
        assert model.translations(x, 'AtoB').unique().item() == 4  # 3.5 to even
        assert model.translations(x, 'BtoA').unique().item() == 3
        with pytest.raises(UserError, match="'BtoC': there are AtoB and BtoA"):
            model.translations(x, 'BtoC')
        assert model(x).unique().item() == 3.5


def numbered(*numbers):
    return torch.tensor(numbers, dtype=torch.float).view(-1, 1, 1, 1)


class TestPool:
    def test_the_rule(self, monkeypatch):
        """Two pass, and stay; then draws decide, which image goes by the second."""
        pool = ImagePool(2)
        monkeypatch.setattr(
            torch,
            'rand',
            lambda n, _: torch.tensor([[0.9, 0.0], [0.9, 0.9], [0.5, 0.9], [0.6, 0.4]])[
                :n
            ],
        )
        assert pool(numbered(1, 2)).flatten().tolist() == [1, 2]
        # both draws above a half: the first of the pool for 3, the second for 4
        assert pool(numbered(3, 4)).flatten().tolist() == [1, 2]
        # 7 passes at a half, 8 takes the first place, in which 5 stood by now
        assert pool(numbered(5, 6, 7, 8)).flatten().tolist() == [3, 4, 7, 5]
        assert [int(x) for x in pool.images] == [8, 6]

    def test_half_of_them_are_old(self):
        torch.manual_seed(0)
        pool = ImagePool(50)
        given = torch.cat([pool(numbered(i)) for i in range(1050)]).flatten()
        assert given[:50].tolist() == list(range(50))
        old = (given[50:] != torch.arange(50, 1050)).float().mean()
        assert old == pytest.approx(0.5, abs=0.05)
        assert len(pool.images) == 50
        # none is given back twice: it has left the pool
        assert len(set(given[50:].tolist()) - set(range(50))) > 900

    def test_none(self):
        x = numbered(1, 2)
        assert ImagePool(0)(x).equal(x)
        with pytest.raises(ValueError, match='size -1 is below 0'):
            ImagePool(-1)

    def test_what_it_gives_has_no_gradient(self):
        pool, x = ImagePool(1), numbered(1).requires_grad_()
        assert not pool(x).requires_grad
        assert not any(image.requires_grad for image in pool.images)

    def test_two_processes_have_the_pool_of_one(self, monkeypatch):
        steps = [list(range(6 * i, 6 * i + 6)) for i in range(9)]
        torch.manual_seed(0)
        pool = ImagePool(4)
        expected = [pool(numbered(*step)) for step in steps]
        for rank in (0, 1):
            for name, value in (
                ('get_world_size', lambda: 2),
                ('get_rank', lambda rank=rank: rank),
                ('broadcast', lambda data: None),
            ):
                monkeypatch.setattr(image_pool, name, value)
            torch.manual_seed(0)
            part = ImagePool(4)
            for step, one in zip(steps, expected, strict=True):
                shares = [numbered(*step[r::2]) for r in (0, 1)]
                monkeypatch.setattr(image_pool, 'all_gather', lambda _, s=shares: s)
                assert part(shares[rank]).equal(one[rank::2])


RUN = f"""
_base_ = ['{config_root()}/_base_/datasets/digits_domains.py',
          '{config_root()}/_base_/iter_runtime.py']
default_scope = 'mmpretrain'
model = dict(type='projects.CycleGAN', pool_size=3, **{TINY})
pipeline = [dict(type='Resize', scale=(8, 8)), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
val_evaluator = dict(judge=None)
test_dataloader = test_evaluator = None
adam = dict(type='Adam', lr=0.002, betas=(0.5, 0.999))
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generators=dict(optimizer=adam), discriminators=dict(optimizer=adam))
train_cfg = dict(by_epoch=False, max_iters=10, val_interval=10)
val_cfg = dict()
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=6))
"""


def losses(work_dir):
    rows = {}
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if 'loss_discriminator' in row:
                rows[row['step']] = row['loss_generator'], row['loss_discriminator']
    return rows


def test_a_resumed_run_has_the_same_losses(tmp_path, fresh, monkeypatch):
    config = tmp_path / 'tiny.py'
    config.write_text(RUN)
    train(str(config), 'whole')
    fresh()
    whole = losses('whole')
    assert len(whole) == 10
    for name in ('resumed', 'forgetful'):  # what a kill leaves after iteration 6
        Path(name).mkdir()
        shutil.copy('whole/iter_6.pth', name)
        Path(name, 'last_checkpoint').write_text(f'{name}/iter_6.pth')
    train(str(config), 'resumed', resume=True)
    fresh()
    assert losses('resumed') == {i: whole[i] for i in range(7, 11)}
    # the weights have no pool among them, the checkpoint has both
    checkpoint = read_checkpoint('whole/iter_10.pth')
    assert {k.partition('.')[0] for k in checkpoint['state_dict']} == {
        'generators',
        'discriminators',
    }
    pools = checkpoint['image_pools']
    assert {k: len(v) for k, v in pools.items()} == dict(pool_a=3, pool_b=3)
    # and the losses tell: without the hook they are others
    monkeypatch.setattr(CycleGAN, 'hooks', ())
    train(str(config), 'forgetful', resume=True)
    assert losses('forgetful')[10] != whole[10]


# in a training, too, the image of B goes by the number: processes draw on their own
TWO = """
train_dataloader['batch_size'] = 4
train_dataloader['dataset']['test_mode'] = True
sgd = dict(type='SGD', lr=0.003)
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generators=dict(optimizer=sgd), discriminators=dict(optimizer=sgd))
train_cfg['max_iters'] = 2  # from then on rounding grows: maps of 2 x 2 are normalised
default_hooks['checkpoint'].update(interval=1, max_keep_ckpts=9)
custom_imports = dict(imports=['projects'])
"""


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path, fresh, train_in_two):
    """Gradients are averaged, and the pool is that of all."""
    config = tmp_path / 'tiny.py'
    config.write_text(RUN + TWO)
    train_in_two(config, 'two', 2)
    train(str(config), 'one')
    one, two, before = (
        read_checkpoint(f'{name}.pth')
        for name in ('one/iter_2', 'two/iter_2', 'one/iter_1')
    )
    for name, weight in one['state_dict'].items():
        torch.testing.assert_close(two['state_dict'][name], weight, rtol=0, atol=1e-5)
    for name, images in one['image_pools'].items():
        torch.testing.assert_close(
            torch.stack(two['image_pools'][name]),
            torch.stack(images),
            rtol=0,
            atol=1e-4,
        )
    # so much a step moves
    name = 'generators.ab.model.1.weight'
    moved = one['state_dict'][name] - before['state_dict'][name]
    assert moved.abs().max() > 1e-3


def test_the_pool_of_the_reference_is_the_authors(monkeypatch):
    """As TestPool.test_the_rule, with Python's random numbers."""
    draws, places = iter([0.9, 0.9, 0.5, 0.6]), iter([0, 1, 0])
    monkeypatch.setattr(torch_cyclegan, 'POOL', 2)
    monkeypatch.setattr(torch_cyclegan.random, 'uniform', lambda *_: next(draws))
    monkeypatch.setattr(torch_cyclegan.random, 'randint', lambda *_: next(places))
    pool = torch_cyclegan.Pool()
    assert pool.query(numbered(1, 2)).flatten().tolist() == [1, 2]
    given = pool.query(numbered(5, 6, 7, 8)).flatten().tolist()
    assert given == [1, 2, 7, 5]
    assert [int(x) for x in pool.images] == [8, 6]
