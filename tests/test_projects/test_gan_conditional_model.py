"""A GAN that is asked for classes: its step, its samples, what it refuses."""

import copy
from functools import partial

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmpretrain.structures import DataSample

from projects.core.engine import train
from projects.core.errors import UserError
from projects.core.variants import config_root
from projects.core.weights import read_checkpoint
from projects.registry import MODELS


def small(**settings):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='projects.GAN',
            generator=dict(
                type='projects.ConditionalDCGANGenerator',
                latent_dim=5,
                num_classes=3,
                embed_dims=4,
                base_channels=2,
                image_size=16,
                out_channels=1,
            ),
            discriminator=dict(
                type='projects.ConditionalDCGANDiscriminator',
                num_classes=3,
                base_channels=2,
                image_size=16,
                in_channels=1,
                batch_norm=False,
            ),
            loss=dict(type='projects.NonSaturatingLoss'),
            **settings,
        )
    )
    return model.train()


@pytest.mark.parametrize(
    ('discriminator', 'known'),
    [
        (dict(type='projects.DCGANDiscriminator'), None),
        (dict(type='projects.ConditionalDCGANDiscriminator', num_classes=4), 4),
    ],
)
def test_networks_that_know_other_classes_are_refused(discriminator, known):
    message = f'of the generator is 3, of the discriminator {known}'
    with pytest.raises(ValueError, match=message):
        MODELS.build(
            dict(
                type='projects.GAN',
                generator=dict(
                    type='projects.ConditionalDCGANGenerator', num_classes=3
                ),
                discriminator=discriminator,
                loss=dict(type='projects.NonSaturatingLoss'),
            )
        )


def optimizers(model):
    return OptimWrapperDict(
        **{
            name: OptimWrapper(torch.optim.SGD(getattr(model, name).parameters(), 0.1))
            for name in ('generator', 'discriminator')
        }
    )


def batch(labels):
    torch.manual_seed(1)
    images = torch.randint(256, (len(labels), 1, 16, 16), dtype=torch.uint8)
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in range(len(labels))]
    for sample, label in zip(samples, labels, strict=True):
        if label is not None:
            sample.set_gt_label(label)
    return dict(inputs=list(images), data_samples=samples)


PENALTY = dict(type='projects.GradientPenalty')


@pytest.mark.parametrize('critic_steps', [1, 3])
@pytest.mark.parametrize('generator_batches', [1, 2])
def test_each_sample_is_asked_for_the_class_of_its_datum(
    critic_steps, generator_batches
):
    model = small(
        critic_steps=critic_steps, generator_batches=generator_batches, penalty=PENALTY
    )
    shown, asked = [], []
    model.discriminator.register_forward_pre_hook(
        lambda module, args: shown.append((args[0], args[1].tolist()))
    )
    model.generator.register_forward_pre_hook(
        lambda module, args: asked.append(args[1].tolist())
    )
    labels = [0, 1, 2, 2, 1, 0]
    data = batch(labels)
    before = [p.detach().clone() for p in model.parameters()]
    model.train_step(data, optimizers(model))
    parts = [part.tolist() for part in torch.tensor(labels).chunk(critic_steps)]
    # the data, the samples, and what lies between them, of one part of the batch
    assert [given for _, given in shown[:-1]] == [p for p in parts for _ in range(3)]
    real = torch.cat([images for images, _ in shown[:-1:3]])
    wanted = model.data_preprocessor(dict(inputs=data['inputs']))['inputs']
    assert torch.equal(real, wanted)
    last = parts[-1] * generator_batches
    assert asked == [*parts, last]
    assert shown[-1][1] == last
    after = list(model.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ([0, None, 2], 'one of 3 classes, and there are no labels'),
        ([0, 3, 2], 'there is a label 3, and the generator knows 3 classes'),
        ([0, -1, 2], 'there is a label -1'),
    ],
)
@pytest.mark.parametrize('training', [True, False])
def test_labels_that_are_refused(labels, message, training):
    model = small().train(training)
    step = model.val_step
    if training:
        step = partial(model.train_step, optim_wrapper=optimizers(model))
    with pytest.raises(UserError, match=message):
        step(batch(labels))


def test_data_without_samples_are_refused():
    model = small()
    data = dict(inputs=batch([0, 1])['inputs'])
    with pytest.raises(UserError, match='there are no labels'):
        model.train_step(data, optimizers(model))


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (None, 'there are no labels'),
        (torch.tensor([0, 3]), 'there is a label 3'),
    ],
)
def test_classes_that_cannot_be_asked_for(labels, message):
    with pytest.raises(UserError, match=message):
        small().eval().samples([0, 1], labels)


def test_a_walk_of_a_class():
    model = small().eval()
    walk = model.between(0, 1, 3, label=2)
    ends = model.samples([0, 1], torch.tensor([2, 2]))
    assert (walk[[0, -1]].int() - ends.int()).abs().max() <= 1
    with pytest.raises(UserError, match='there is a label 9'):
        model.between(0, 1, 3, label=9)


def test_predictions_are_of_the_class_of_their_datum():
    model = small(ema=0.5)
    model.train_step(batch([0, 1, 2]), optimizers(model))
    rows = model.eval().val_step(batch([2, 0, 1]))
    assert [row['label'] for row in rows] == [2, 0, 1]
    assert all(row['conditional'] for row in rows)
    alone = model.samples([1], torch.tensor([0]))[0]
    assert (rows[1]['fake'].int() - alone.int()).abs().max() <= 1
    assert rows[1]['fake'].dtype == torch.uint8
    others = model.samples([1], torch.tensor([2]))[0]
    assert (others.int() - alone.int()).abs().max() > 1


@pytest.mark.parametrize(
    'how', [dict(memory_format=torch.channels_last), dict(dtype=torch.float64)]
)
def test_the_average_follows_a_model_that_is_moved(how):
    """As it is to a GPU; each changes the tensors of the weights."""
    model = small(ema=0.5).to(**how)
    dtype = how.get('dtype', torch.float32)
    states = []
    for _ in range(2):
        with torch.no_grad():
            for parameter in model.generator.parameters():
                parameter.add_(1)
        model.generator_ema.update_parameters(model.generator)
        states.append(copy.deepcopy(model.generator.state_dict()))
    for name, value in model.generator_ema.module.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == dtype
            wanted = (states[0][name] + states[1][name]) / 2
            torch.testing.assert_close(value, wanted)


RUN = f"""
_base_ = ['{config_root()}/_base_/datasets/digits_gan_32.py',
          '{config_root()}/_base_/schedules/gan_adam.py',
          '{config_root()}/_base_/iter_runtime.py']
default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.CGANGenerator', image_shape=(1, 32, 32), dropout=0.0),
    discriminator=dict(
        type='projects.CGANDiscriminator', image_shape=(1, 32, 32), dropout=0.0),
    loss=dict(type='projects.NonSaturatingLoss'), latent=(0, 1),
    penalty=dict(type='projects.GradientPenalty', weight=0.1),
    critic_steps=2, generator_batches=2, data_preprocessor=dict(mean=0, std=255))
train_dataloader = dict(batch_size=16)
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = test_evaluator = test_cfg = None
sgd = dict(type='SGD', lr=0.5, _delete_=True)
optim_wrapper = dict(
    generator=dict(optimizer=sgd), discriminator=dict(optimizer=sgd))
train_cfg = dict(max_iters=3)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1, save_best=None))
custom_imports = dict(imports=['projects'])
"""


@pytest.mark.slow
def test_two_processes_ask_for_the_classes_of_one(tmp_path, fresh, train_in_two):
    config = tmp_path / 'digits.py'
    config.write_text(RUN)
    train_in_two(config, 'two', 8)
    train(str(config), 'one')
    one, two, before = (
        read_checkpoint(file)['state_dict']
        for file in ('one/iter_3.pth', 'two/iter_3.pth', 'one/iter_2.pth')
    )
    assert list(one) == list(two)
    assert max((one[k] - before[k]).abs().max() for k in one) > 1e-3
    assert max((one[k] - two[k]).abs().max() for k in one) < 1e-5
