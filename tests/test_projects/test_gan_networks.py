"""Networks of DCGAN and WGAN-GP: counts, sizes, gradients, what is refused."""

import math

import pytest
import torch
from gan_layers import randomised
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from projects.gan import (
    DCGANDiscriminator,
    DCGANGenerator,
    MLPImageDiscriminator,
    MLPImageGenerator,
    WGANGPCIFARCritic,
    WGANGPCritic,
    WGANGPGenerator,
    WGANGPMNISTCritic,
    WGANGPMNISTGenerator,
)

NARROW = dict(
    dcgan=(
        lambda: DCGANGenerator(latent_dim=5, base_channels=2, image_size=32),
        lambda: DCGANDiscriminator(base_channels=2, image_size=32),
        (3, 32, 32),
    ),
    dcgan_5=(
        lambda: DCGANGenerator(5, 2, image_size=28, out_channels=1, kernel_size=5),
        lambda: DCGANDiscriminator(2, image_size=28, in_channels=1, kernel_size=5),
        (1, 28, 28),
    ),
    dcgan_without_norm=(
        lambda: DCGANGenerator(5, 2, image_size=16, out_channels=1),
        lambda: DCGANDiscriminator(2, image_size=16, in_channels=1, batch_norm=False),
        (1, 16, 16),
    ),
    cifar=(
        lambda: WGANGPGenerator((4, 6, 6, 4), latent_dim=5),
        lambda: WGANGPCIFARCritic(4),
        (3, 32, 32),
    ),
    image_64=(
        lambda: WGANGPGenerator((6, 6, 5, 4, 3), latent_dim=5, bias=False),
        lambda: WGANGPCritic((3, 4, 5, 6, 6)),
        (3, 64, 64),
    ),
    mnist=(
        lambda: WGANGPMNISTGenerator(latent_dim=5, base_channels=2),
        lambda: WGANGPMNISTCritic(base_channels=2),
        (1, 28, 28),
    ),
    perceptrons=(
        lambda: MLPImageGenerator(5, (7,), image_shape=(3, 2, 4)),
        lambda: MLPImageDiscriminator((7,), image_shape=(3, 2, 4)),
        (3, 2, 4),
    ),
)
CRITICS = ['dcgan_without_norm', 'cifar', 'image_64', 'mnist', 'perceptrons']


# parameters and billions of multiply-additions: the reference table's, and those of
# two small ones of ours. Of the critic
# of 64 pixels the table has 1.7855, with shortcuts that halve maps after their
# convolution; the authors' halve them before, which spares three quarters of it:
# 3/4 * (64 * 128 * 64**2 + 128 * 256 * 32**2 + 256 * 512 * 16**2 + 512 * 512 * 8**2)
@pytest.mark.parametrize(
    ('name', 'size', 'generator', 'discriminator'),
    [
        ('dcgan_64', (3, 64, 64), (3_576_704, 0.1046), (2_765_568, 0.1038)),
        ('dcgan_paper', (3, 64, 64), (18_855_040, 0.6406), (17_232_768, 0.6390)),
        ('wgan_gp_cifar', (3, 32, 32), (1_204_483, 0.4222), (1_053_825, 0.2721)),
        ('wgan_gp_64', (3, 64, 64), (8_540_483, 1.7865), (7_491_841, 1.6974)),
        ('wgan_gp_mnist', (1, 28, 28), (1_554_177, 0.02398), (1_030_145, 0.02346)),
        ('dcgan_mini', (1, 32, 32), (142_032, 0.002507), (94_368, 0.002459)),
        ('wgan_gp_mini', (1, 8, 8), (90_688, 9.011e-5), (82_689, 8.218e-5)),
    ],
)
def test_variants_have_their_counts(
    build_on_meta, name, size, generator, discriminator
):
    model = build_on_meta(name).eval()
    latents = torch.empty(1, model.latent_dim, device='meta')
    images = torch.empty(1, *size, device='meta')
    for net, x, shape, (num_params, gmacs) in (
        (model.generator, latents, images.shape, generator),
        (model.discriminator, images, (1,), discriminator),
    ):
        assert sum(p.numel() for p in net.parameters()) == num_params
        with FlopCounterMode(display=False) as counter:
            assert net(x).shape == shape
        assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, rel=5e-4)


@pytest.mark.parametrize('name', NARROW)
def test_one_sample_is_mapped_as_among_others(name):
    make_generator, make_discriminator, size = NARROW[name]
    generator, discriminator = map(randomised, (make_generator(), make_discriminator()))
    latents = torch.randn(3, 5)
    with torch.no_grad():
        images = generator(latents)
        assert images.shape == (3, *size)
        assert images.abs().max() <= 1
        scores = discriminator(images)
        assert scores.shape == (3,)
        torch.testing.assert_close(generator(latents[:1]), images[:1])
        torch.testing.assert_close(discriminator(images[:1]), scores[:1])


@pytest.mark.parametrize('name', NARROW)
def test_each_parameter_has_a_gradient(name):
    make_generator, make_discriminator, _ = NARROW[name]
    torch.manual_seed(0)
    nets = nn.ModuleList([make_generator(), make_discriminator()])
    for net in nets:
        net.init_weights()
    images = nets[0](torch.randn(8, 5))
    (images.square().mean() + nets[1](images).square().mean()).backward()
    for parameter_name, parameter in nets.named_parameters():
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize('name', CRITICS)
def test_the_slope_of_a_critic_has_a_gradient_for_each_weight(name):
    _, make_critic, size = NARROW[name]
    torch.manual_seed(0)
    critic = make_critic()
    critic.init_weights()
    x = torch.randn(4, *size, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    (slope.flatten(1).norm(dim=1) - 1).square().mean().backward()
    for parameter_name, parameter in critic.named_parameters():
        if parameter.dim() > 1:  # an offset may leave the slope as it is
            assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize('name', CRITICS)
def test_a_critic_scores_each_sample_alone_in_training_too(name):
    _, make_critic, size = NARROW[name]
    critic = make_critic().train()
    x = torch.randn(4, *size)
    with torch.no_grad():
        torch.testing.assert_close(critic(x)[:1], critic(x[:1]))


@pytest.mark.parametrize('image_size', [28, 32, 64, 96, 8])
@pytest.mark.parametrize('kernel_size', [4, 5])
def test_sizes_of_dcgan(image_size, kernel_size):
    size = dict(base_channels=1, image_size=image_size, kernel_size=kernel_size)
    images = DCGANGenerator(**size)(torch.randn(2, 100))
    assert images.shape == (2, 3, image_size, image_size)
    assert DCGANDiscriminator(**size)(images).shape == (2,)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: DCGANGenerator(image_size=4), 'image_size 4 is not 4, 5, 6 or 7'),
        (lambda: DCGANDiscriminator(image_size=36), 'image_size 36'),
        (lambda: DCGANGenerator(kernel_size=3), 'kernel_size 3 is neither 4 nor 5'),
        (lambda: DCGANDiscriminator(kernel_size=6), 'kernel_size 6'),
        (lambda: WGANGPGenerator(channels=(8,)), 'leave no block'),
        (lambda: WGANGPCritic(channels=(8,)), 'leave no block'),
        (lambda: WGANGPCritic(image_size=40), '40 cannot be halved 4 times'),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_image_of_a_perceptron_lies_in_rows():
    """A pixel is one number of the last layer, row by row, as a critic reads it."""
    generator = MLPImageGenerator(2, (), image_shape=(1, 2, 3)).eval()
    critic = MLPImageDiscriminator((), image_shape=(1, 2, 3)).eval()
    weight = torch.arange(6.0)[:, None] * torch.tensor([[0.1, 0.0]])
    generator.load_state_dict(
        {'layers.0.weight': weight, 'layers.0.bias': weight[:, 1]}
    )
    critic.load_state_dict(
        {'layers.0.weight': torch.eye(6)[4:5], 'layers.0.bias': torch.tensor([1.0])}
    )
    with torch.no_grad():
        image = generator(torch.tensor([[1.0, 5.0]]))
        wanted = torch.tensor([[0, 0.1, 0.2], [0.3, 0.4, 0.5]]).tanh()
        torch.testing.assert_close(image[0, 0], wanted)
        # the fifth number is the middle one of the second row
        assert critic(image).item() == pytest.approx(1 + math.tanh(0.4))
