"""Networks of WGAN-GP against the authors' functions, written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from gan_layers import assert_close, outputs_of, randomised
from mmengine.config import Config

from projects.core.variants import config_root
from projects.gan import WGANGPGenerator, WGANGPMNISTCritic, WGANGPMNISTGenerator
from projects.registry import MODELS


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
    torch.manual_seed(0)
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
    torch.manual_seed(0)
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
    torch.manual_seed(0)
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
