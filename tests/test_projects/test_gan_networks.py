"""DCGAN and the networks of WGAN-GP against plain lists of the published layers."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from projects.core.errors import UserError
from projects.core.tasks.generation.torch_net import (
    TorchDCGAN,
    dcgan_discriminator,
    dcgan_generator,
    torch_config,
)
from projects.core.variants import config_root
from projects.gan import (
    DCGANDiscriminator,
    DCGANGenerator,
    WGANGPCIFARCritic,
    WGANGPCritic,
    WGANGPGenerator,
    WGANGPMNISTCritic,
    WGANGPMNISTGenerator,
)
from projects.registry import MODELS

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
)


def randomised(net):
    """A network all of whose weights and statistics are random, in eval mode."""
    rng = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            fan_in = value[0].numel() if value.dim() > 1 else 4
            value.normal_(0, fan_in**-0.5, generator=rng)
            if name.endswith('running_var'):
                value.abs_().add_(0.5)
    return net.eval()


def outputs_of(net, layers, x):
    """Outputs of some of a network's layers, by their name, and its own."""
    outs = {}
    hooks = [
        # a copy: the next layer may write over it
        layer.register_forward_hook(
            lambda _, __, out, n=n: outs.update({n: out.clone()})
        )
        for n, layer in layers.items()
    ]
    with torch.no_grad():
        outs['net'] = net(x)
    for hook in hooks:
        hook.remove()
    return outs


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, out in theirs.items():
        assert out.std() > 1e-3  # else all could be the same
        torch.testing.assert_close(ours[name], out, rtol=0, atol=1e-5, msg=name)


# parameters and billions of multiply-additions: the reference table's. Of the critic
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
    ],
)
def test_variants_are_the_published_networks(
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


@pytest.mark.parametrize('name', ['dcgan_without_norm', 'cifar', 'image_64', 'mnist'])
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


@pytest.mark.parametrize('name', ['dcgan_without_norm', 'cifar', 'image_64', 'mnist'])
def test_a_critic_scores_each_sample_alone_in_training_too(name):
    _, make_critic, size = NARROW[name]
    critic = make_critic().train()
    x = torch.randn(4, *size)
    with torch.no_grad():
        torch.testing.assert_close(critic(x)[:1], critic(x[:1]))


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


def test_dcgan_has_the_names_of_the_example():
    # as a checkpoint of PyTorch's example has them
    assert list(DCGANGenerator().state_dict())[:4] == [
        'main.0.weight',
        'main.1.weight',
        'main.1.bias',
        'main.1.running_mean',
    ]
    assert {name.split('.')[1] for name, _ in DCGANGenerator().named_parameters()} == {
        '0',
        '1',
        '3',
        '4',
        '6',
        '7',
        '9',
        '10',
        '12',
    }
    assert {
        name.split('.')[1] for name, _ in DCGANDiscriminator().named_parameters()
    } == {'0', '2', '3', '5', '6', '8', '9', '11'}


class Authors:
    """The authors' TensorFlow functions (tflib), on weights by our names.

    Maps are (B, C, H, W) there, too.
    """

    def __init__(self, net):
        self.w = net.state_dict()

    def conv(self, name, x):
        weight = self.w[f'{name}.weight']
        half = weight.shape[-1] // 2
        return F.conv2d(F.pad(x, [half] * 4), weight, self.w.get(f'{name}.bias'))

    def linear(self, name, x):
        return x @ self.w[f'{name}.weight'].T + self.w[f'{name}.bias']

    def norm(self, name, x):
        """As the network has it: the statistics of a batch, of a map, or none."""
        if f'{name}.weight' not in self.w:
            return x
        if f'{name}.running_mean' in self.w:
            mean, var = (
                self.w[f'{name}.running_{s}'][:, None, None] for s in ('mean', 'var')
            )
        else:
            mean = x.mean((1, 2, 3), keepdim=True)
            var = x.var((1, 2, 3), keepdim=True, correction=0)
        scale, offset = (
            self.w[f'{name}.{s}'][:, None, None] for s in ('weight', 'bias')
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + offset

    @staticmethod
    def pooled(x):
        return (
            x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2]
            + x[:, :, 1::2, 1::2]
        ) / 4  # fmt: skip

    @staticmethod
    def upsampled(x):
        """Four copies of the channels, laid out as squares of 2 x 2."""
        batch, channels, height, width = x.shape
        copies = torch.stack([x] * 4, -1).reshape(batch, channels, height, width, 2, 2)
        return copies.permute(0, 1, 2, 4, 3, 5).reshape(
            batch, channels, 2 * height, 2 * width
        )

    def block(self, name, x, resample, shortcut='shortcut.1'):
        if resample == 'down':
            left = self.pooled(self.conv(f'{name}.{shortcut}', x))
        elif resample == 'up':
            left = self.conv(f'{name}.shortcut.1', self.upsampled(x))
        else:
            left = x
        out = F.relu(self.norm(f'{name}.norm1', x))
        out = self.upsampled(out) if resample == 'up' else out
        out = F.relu(self.norm(f'{name}.norm2', self.conv(f'{name}.conv1', out)))
        out = self.conv(f'{name}.conv2', out)
        return left + (self.pooled(out) if resample == 'down' else out)


def authors_generator(net, latents):
    tf, outs = Authors(net), {}
    x = tf.linear('input', latents).reshape(len(latents), -1, 4, 4)
    for i in range(len(net.blocks)):
        outs[str(i)] = x = tf.block(f'blocks.{i}', x, 'up')
    outs['net'] = torch.tanh(tf.conv('output', F.relu(tf.norm('norm', x))))
    return outs


def authors_cifar_critic(net, x):
    tf, outs = Authors(net), {}
    left = tf.conv('blocks.0.shortcut.1', tf.pooled(x))
    x = tf.conv('blocks.0.conv2', F.relu(tf.conv('blocks.0.conv1', x)))
    outs['0'] = x = left + tf.pooled(x)
    for i, resample in ((1, 'down'), (2, None), (3, None)):
        outs[str(i)] = x = tf.block(f'blocks.{i}', x, resample)
    outs['net'] = tf.linear('output', F.relu(x).mean((2, 3))).reshape(-1)
    return outs


def authors_critic(net, x):
    tf, outs = Authors(net), {}
    x = tf.conv('input', x)
    for i in range(4):
        # pooled before its convolution: 1 x 1 and linear, it commutes
        outs[str(i)] = x = tf.block(f'blocks.{i}', x, 'down', 'shortcut.2')
    outs['net'] = tf.linear('output', x.reshape(len(x), -1)).reshape(-1)
    return outs


@pytest.mark.parametrize(
    ('name', 'size', 'authors_critic'),
    [('wgan_gp_cifar', 32, authors_cifar_critic), ('wgan_gp_64', 64, authors_critic)],
)
def test_residual_networks_are_the_authors(name, size, authors_critic):
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py').model
    generator = randomised(MODELS.build(cfg.generator))
    critic = randomised(MODELS.build(cfg.discriminator))
    for net, authors, x in (
        (generator, authors_generator, torch.randn(2, 128)),
        (critic, authors_critic, torch.rand(2, 3, size, size) * 2 - 1),
    ):
        blocks = {str(i): block for i, block in enumerate(net.blocks)}
        assert_close(outputs_of(net, blocks, x), authors(net, x))


def same_conv(x, weight, bias):
    """TensorFlow's 'SAME' with a stride of 2, on (B, C, H, W)."""
    total = [max((math.ceil(n / 2) - 1) * 2 + 5 - n, 0) for n in x.shape[2:]]
    before = [n // 2 for n in total]  # the rest comes after
    pad = (before[1], total[1] - before[1], before[0], total[0] - before[0])
    return F.conv2d(F.pad(x, pad), weight, bias, 2)


def same_transpose(x, weight, bias):
    """TensorFlow's ``conv2d_transpose``: the gradient of 'SAME' by its input."""
    size = (len(x), weight.shape[1], 2 * x.shape[2], 2 * x.shape[3])
    images = torch.zeros(size, requires_grad=True)
    with torch.enable_grad():
        out = same_conv(images, weight, None)
    (out,) = torch.autograd.grad(out, images, x)
    return out + bias[:, None, None]


def turned(x):
    """By 180 degrees."""
    return x.flip(-2, -1)


def test_mnist_generator_is_the_authors_turned():
    net = randomised(WGANGPMNISTGenerator())
    w = net.state_dict()
    latents = torch.randn(2, 128)
    x = F.relu(latents @ w['input.weight'].T + w['input.bias']).reshape(2, 256, 4, 4)
    x, outs = turned(x), {}
    for i in (1, 2, 3):
        x = same_transpose(
            x, turned(w[f'double{i}.weight']), w[f'double{i}.bias']
        ).detach()
        outs[f'double{i}'] = turned(x)
        x = F.relu(x)[:, :, :7, :7] if i == 1 else F.relu(x)
    outs['net'] = outs['double3'].sigmoid()
    layers = {f'double{i}': getattr(net, f'double{i}') for i in (1, 2, 3)}
    assert_close(outputs_of(net, layers, latents), outs)


def test_mnist_critic_is_the_authors_turned():
    net = randomised(WGANGPMNISTCritic())
    w = net.state_dict()
    images = torch.rand(2, 1, 28, 28)
    x, outs = turned(images), {}
    for i in (1, 2, 3):
        x = same_conv(x, turned(w[f'halve{i}.weight']), w[f'halve{i}.bias'])
        outs[f'halve{i}'] = turned(x)
        x = F.leaky_relu(x, 0.2)
    x = turned(x).reshape(2, -1)
    outs['net'] = (x @ w['output.weight'].T + w['output.bias']).reshape(-1)
    layers = {f'halve{i}': getattr(net, f'halve{i}') for i in (1, 2, 3)}
    assert_close(outputs_of(net, layers, images), outs)


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


def test_initial_weights_of_wgan_gp():
    """He's deviation before a ReLU, sqrt(4 / (fan_in + fan_out)), else Glorot's."""
    block = WGANGPGenerator().blocks[0]
    assert deviation(block.conv1) == pytest.approx((4 / (128 * 18)) ** 0.5, rel=0.02)
    assert deviation(block.shortcut[1]) == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    # with a stride of 2 a pixel of the larger map is in a quarter of the kernels
    wanted = (4 / (25 * 64 + 25 * 128 / 4)) ** 0.5
    assert deviation(WGANGPMNISTCritic().halve2) == pytest.approx(wanted, rel=0.02)
    wanted = (4 / (25 * 256 / 4 + 25 * 128)) ** 0.5
    assert deviation(WGANGPMNISTGenerator().double1) == pytest.approx(wanted, rel=0.02)
    for net in (block, WGANGPMNISTCritic(), WGANGPMNISTGenerator()):
        for name, parameter in net.named_parameters():
            if name.endswith('bias'):
                assert not parameter.any(), name


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
            # half the gradient; its sign alone decides on the first step of a weight
            gradient = adam.state[a]['exp_avg']
            their_gradient = their_adam.state[b]['exp_avg']
            scale = gradient.abs().max().item()
            torch.testing.assert_close(
                their_gradient, gradient, rtol=0, atol=1e-3 * scale
            )
            assert (a - b).abs().median() < 1e-7


def test_plain_dcgan_is_found_by_name():
    model = MODELS.build(torch_config('torch.dcgan_64').model).eval()
    images = torch.zeros(2, 3, 64, 64)
    rows = model(images, mode='predict')
    assert [row['fake'].shape for row in rows] == [(3, 64, 64)] * 2
    assert rows[0]['real'].unique().tolist() == [128]  # 127.5, rounded to even
    with pytest.raises(UserError, match=r'there is torch\.dcgan_64'):
        torch_config('torch.dcgan')
