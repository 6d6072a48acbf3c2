"""DCGAN against plain lists of the published layers, and their plain loop."""

import pytest
import torch
import torch.nn.functional as F
from gan_layers import assert_close, outputs_of, randomised
from torch import nn

from projects.core.engine.optimizers import PartsOptimWrapperConstructor
from projects.core.tasks.generation.torch_net import (
    TorchDCGAN,
    dcgan_discriminator,
    dcgan_generator,
)
from projects.gan import DCGANDiscriminator, DCGANGenerator
from projects.registry import MODELS


def paper_generator(width):
    """The figure of the paper: fractional strides, kernels of 5, no biases."""
    layers = [nn.ConvTranspose2d(100, 8 * width, 4, bias=False)]
    for before, after in ((8, 4), (4, 2), (2, 1)):
        layers += [
            nn.BatchNorm2d(before * width),
            nn.ReLU(),
            nn.ConvTranspose2d(
                before * width, after * width, 5, 2, 2, output_padding=1, bias=False
            ),
        ]
    last = nn.ConvTranspose2d(width, 3, 5, 2, 2, output_padding=1, bias=False)
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), last, nn.Tanh())


def paper_discriminator(width):
    """The mirror of it."""
    layers = [nn.Conv2d(3, width, 5, 2, 2, bias=False), nn.LeakyReLU(0.2)]
    for before, after in ((1, 2), (2, 4), (4, 8)):
        layers += [
            nn.Conv2d(before * width, after * width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(after * width),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, bias=False), nn.Flatten(0))


@pytest.mark.parametrize(
    ('ours', 'plain'),
    [
        (DCGANGenerator(), dcgan_generator()),
        (DCGANDiscriminator(), dcgan_discriminator()),
        (DCGANGenerator(base_channels=8, kernel_size=5), paper_generator(8)),
        (DCGANDiscriminator(base_channels=8, kernel_size=5), paper_discriminator(8)),
    ],
    ids=['generator', 'discriminator', 'paper_generator', 'paper_discriminator'],
)
def test_dcgan_is_the_plain_list_of_layers(ours, plain):
    torch.manual_seed(0)
    x = torch.randn(2, 100)
    z = x[:, :, None, None]
    if isinstance(ours, DCGANDiscriminator):
        x = z = torch.rand(2, 3, 64, 64) * 2 - 1
    # the example's names: main.0.weight, main.1.weight, main.1.bias, ...
    plain.load_state_dict(randomised(ours).main.state_dict())
    layers = list(zip(ours.main, plain.eval(), strict=False))
    found = outputs_of(ours, {str(i): layer for i, (layer, _) in enumerate(layers)}, x)
    wanted = outputs_of(
        plain, {str(i): layer for i, (_, layer) in enumerate(layers)}, z
    )
    assert_close(found, wanted)


@pytest.mark.parametrize(
    ('type_', 'plain'),
    [('DCGANGenerator', dcgan_generator), ('DCGANDiscriminator', dcgan_discriminator)],
)
def test_a_file_of_the_example_loads_as_it_is(tmp_path, type_, plain):
    """There a network is ``main`` of a module, whose state_dict is saved."""
    example = nn.Module()
    example.main = plain()
    file = str(tmp_path / 'net_epoch_24.pth')
    torch.save(example.state_dict(), file)
    net = MODELS.build(
        dict(
            type=f'projects.{type_}',
            init_cfg=dict(type='projects.Pretrained', checkpoint=file),
        )
    )
    net.init_weights()
    for name, value in example.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name


def deviation(layer):
    return layer.weight.std().item()


def test_initial_weights_of_dcgan():
    for net in (DCGANGenerator(), DCGANDiscriminator()):
        net.init_weights()
        for layer in net.main:
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.01)
                assert not layer.bias.any()
            if getattr(layer, 'weight', None) is not None:
                assert deviation(layer) == pytest.approx(0.02, rel=0.25)


def test_plain_dcgan_takes_the_steps_of_two_adams():
    """A step of each network, worked out with the networks of ours."""
    torch.manual_seed(0)
    model = TorchDCGAN().train()
    generator, discriminator = DCGANGenerator(), DCGANDiscriminator()
    generator.main.load_state_dict(model.generator.state_dict())
    discriminator.main.load_state_dict(model.discriminator.state_dict())
    images = [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in range(3)]

    torch.manual_seed(1)
    log = model.train_step(dict(inputs=images), None)

    torch.manual_seed(1)
    fake = generator(torch.randn(3, 100, 1, 1).flatten(1))
    real = torch.stack(images).float() / 127.5 - 1
    adams = [
        torch.optim.Adam(net.parameters(), 0.0002, (0.5, 0.999))
        for net in (discriminator, generator)
    ]
    loss = (
        F.softplus(-discriminator(real)).mean()
        + F.softplus(discriminator(fake.detach())).mean()
    )
    loss.backward()
    adams[0].step()
    assert log['loss_discriminator'].item() == pytest.approx(loss.item(), rel=1e-5)
    loss = F.softplus(-discriminator(fake)).mean()
    loss.backward()
    adams[1].step()
    assert log['loss_generator'].item() == pytest.approx(loss.item(), rel=1e-4)
    nets = (discriminator, model.discriminator), (generator, model.generator)
    for (ours, theirs), adam, their_adam in zip(
        nets, adams, model.optimizers, strict=True
    ):
        assert their_adam.defaults['lr'] == 0.0002
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            # half the gradient; on a first step its sign alone counts, and a sign that
            # rounding decides changes what the other network is told a little
            gradient = adam.state[a]['exp_avg']
            difference = their_adam.state[b]['exp_avg'] - gradient
            assert difference.norm() < 0.02 * gradient.norm()
            assert (a - b).abs().median() < 1e-7


def test_plain_dcgan_makes_images():
    model = MODELS.build(dict(type='projects.TorchDCGAN')).eval()
    rows = model(torch.zeros(2, 3, 64, 64), mode='predict')
    assert [row['fake'].shape for row in rows] == [(3, 64, 64)] * 2
    assert rows[0]['real'].unique().tolist() == [128]  # 127.5, rounded to even


def test_the_average_follows_weights_that_were_moved():
    """A runner takes a model to its device and to channels-last after building it."""
    size = dict(base_channels=2, image_size=16)
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='projects.GAN',
            generator=dict(type='projects.DCGANGenerator', latent_dim=3, **size),
            discriminator=dict(type='projects.DCGANDiscriminator', **size),
            loss=dict(type='projects.NonSaturatingLoss'),
            ema=0.75,
        )
    )
    model.init_weights()
    model.to(memory_format=torch.channels_last)
    adam = dict(optimizer=dict(type='Adam', lr=0.01))
    wrapper = PartsOptimWrapperConstructor(dict(generator=adam, discriminator=adam))(
        model
    )
    images = list(torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8))
    wanted = None
    for _ in range(3):
        model.train_step(dict(inputs=images), wrapper)
        now = {
            k: v.clone()
            for k, v in model.generator.state_dict().items()
            if v.is_floating_point()
        }
        if wanted is None:
            wanted = now
        wanted = {k: 0.75 * v + 0.25 * now[k] for k, v in wanted.items()}
    average = model.generator_ema.module.state_dict()
    for name, value in wanted.items():
        torch.testing.assert_close(average[name], value, msg=name)
        assert not torch.equal(value, now[name])
