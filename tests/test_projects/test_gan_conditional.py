"""Conditional GANs: the paper's networks, and what a class changes."""

import copy
import math

import pytest
import torch
from gan_layers import assert_close, outputs_of, randomised
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from projects.core.variants import config_root
from projects.gan import (
    CGANDiscriminator,
    CGANGenerator,
    ConditionalDCGANDiscriminator,
    ConditionalDCGANGenerator,
    Maxout,
)

LABELS = torch.tensor([2, 0, 1, 2, 0, 1])
PAIRS = [
    (CGANGenerator(num_classes=3), CGANDiscriminator(num_classes=3), (1, 28, 28)),
    (
        ConditionalDCGANGenerator(
            num_classes=3, base_channels=4, image_size=32, latent_dim=9
        ),
        ConditionalDCGANDiscriminator(num_classes=3, base_channels=4, image_size=32),
        (3, 32, 32),
    ),
    (
        ConditionalDCGANGenerator(
            num_classes=3, base_channels=4, image_size=28, out_channels=1
        ),
        ConditionalDCGANDiscriminator(
            num_classes=3, base_channels=4, image_size=28, in_channels=1
        ),
        (1, 28, 28),
    ),
    (
        ConditionalDCGANGenerator(num_classes=3, base_channels=4),
        ConditionalDCGANDiscriminator(num_classes=3, base_channels=4, batch_norm=False),
        (3, 64, 64),
    ),
]
pairs = pytest.mark.parametrize(
    ('generator', 'discriminator', 'shape'),
    PAIRS,
    ids=['paper', 'dcgan_32', 'dcgan_28', 'dcgan_64'],
)


def num_params(net):
    return sum(p.numel() for p in net.parameters())


# DCGAN's own at 64 pixels 3,576,704 and 2,765,568. The class adds an embedding of 50
# and 50 more inputs of the first 512 x 4 x 4 weights; an embedding of 512 x 4 x 4.
# Of 32 pixels: G (100 + 50) * 256 * 16 + 16 * (256 * 128 + 128 * 64 + 64 * 3), of
# norms 2 * (256 + 128 + 64), and the embedding 500; D 16 * (3 * 64 + 64 * 128 + 128 *
# 256) + 2 * (128 + 256) + 4096, and the embedding 40,960. Of 28: G 150 * 128 * 49 + 16
# * (128 * 64 + 64) + 2 * 192 + 500, D 16 * (64 + 64 * 128) + 256 + 6272 + 62,720.
@pytest.mark.parametrize(
    ('variant', 'generator', 'discriminator'),
    [
        ('cgan_mnist', 2_413_984, 1_224_351),
        ('cgan_mini', 4224 + 704 + 49_408 + 16_448, 33_280 + 2816 + 98_816 + 129),
        ('dcgan_conditional_64', 3_576_704 + 500 + 50 * 8192, 2_765_568 + 10 * 8192),
        ('dcgan_conditional_32', 614_400 + 658_432 + 896 + 500, 658_432 + 768 + 45_056),
        (
            'dcgan_conditional_mini',
            233_472 + 500 + 164_352 + 448,
            164_352 + 384 + 22_528,
        ),
        ('dcgan_conditional_28', 940_800 + 132_096 + 384 + 500, 132_096 + 256 + 68_992),
    ],
)
def test_number_of_parameters(variant, generator, discriminator, build_on_meta):
    model = build_on_meta(variant)
    assert num_params(model.generator) == generator
    assert num_params(model.discriminator) == discriminator


def test_maxout_by_hand():
    layer = Maxout(2, units=2, pieces=3)
    with torch.no_grad():
        # of the first unit x, y and -1, of the second x + y, 2 x and -y
        layer.linear.weight.copy_(
            torch.tensor([[1, 0], [0, 1], [0, 0], [1, 1], [2, 0], [0, -1.0]])
        )
        layer.linear.bias.copy_(torch.tensor([0, 0, -1, 0, 0, 0.0]))
    x = torch.tensor([[3, 1], [-2, -4.0]])
    # max(3, 1, -1), max(4, 6, -1); max(-2, -4, -1), max(-6, -4, 4)
    assert layer(x).tolist() == [[3, 6], [-1, 4]]


class PlainGenerator(nn.Module):
    """Mirza and Osindero, Sec. 4.1, layer by layer."""

    def __init__(self):
        super().__init__()
        self.latent = nn.Sequential(nn.Linear(100, 200), nn.ReLU())
        self.label = nn.Sequential(nn.Linear(10, 1000), nn.ReLU())
        self.joint = nn.Sequential(nn.Linear(1200, 1200), nn.ReLU())
        self.image = nn.Sequential(nn.Linear(1200, 784), nn.Sigmoid())

    def forward(self, z, y):
        hidden = self.joint(
            torch.cat([self.latent(z), self.label(torch.eye(10)[y])], 1)
        )
        return self.image(hidden).reshape(-1, 1, 28, 28)


class PlainMaxout(nn.Module):
    def __init__(self, num_inputs, units, pieces):
        super().__init__()
        self.pieces = nn.ModuleList(nn.Linear(num_inputs, units) for _ in range(pieces))

    def forward(self, x):
        best = self.pieces[0](x)
        for piece in self.pieces[1:]:
            best = torch.maximum(best, piece(x))
        return best


class PlainDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = PlainMaxout(784, 240, 5)
        self.label = PlainMaxout(10, 50, 5)
        self.joint = PlainMaxout(290, 240, 4)
        self.score = nn.Linear(240, 1)

    def forward(self, x, y):
        images = self.image(x.reshape(-1, 784))
        hidden = self.joint(torch.cat([images, self.label(torch.eye(10)[y])], 1))
        return self.score(hidden)[:, 0]


def test_generator_is_the_plain_one():
    ours, plain = randomised(CGANGenerator()), PlainGenerator()
    for name in ('latent', 'label', 'joint', 'image'):
        getattr(plain, name)[0].load_state_dict(getattr(ours, name).state_dict())
    layers = {n: getattr(plain, n)[0] for n in ('latent', 'label', 'joint', 'image')}
    given = torch.rand(6, 100), torch.tensor([9, 0, 3, 3, 5, 1])
    assert_close(
        outputs_of_two(ours, {n: getattr(ours, n) for n in layers}, given),
        outputs_of_two(plain, layers, given),
    )


def test_discriminator_is_the_plain_one():
    ours, plain = randomised(CGANDiscriminator()), PlainDiscriminator()
    names = 'image', 'label', 'joint'
    for name in names:
        theirs, linear = getattr(plain, name).pieces, getattr(ours, name).linear
        units, pieces = getattr(ours, name).shape
        for i, piece in enumerate(theirs):
            # the pieces of a unit follow each other
            piece.weight.data = linear.weight.data.reshape(units, pieces, -1)[:, i]
            piece.bias.data = linear.bias.data.reshape(units, pieces)[:, i]
    plain.score.load_state_dict(ours.score.state_dict())
    given = torch.rand(6, 1, 28, 28), torch.tensor([9, 0, 3, 3, 5, 1])
    assert_close(
        outputs_of_two(ours, {n: getattr(ours, n) for n in names}, given),
        outputs_of_two(plain, {n: getattr(plain, n) for n in names}, given),
    )


def outputs_of_two(net, layers, given):
    """As ``outputs_of``, of a network of two inputs."""
    return outputs_of(lambda both: net(*both), layers, given)


def test_projection_is_a_last_layer_for_each_class():
    net = randomised(
        ConditionalDCGANDiscriminator(num_classes=3, base_channels=4, image_size=32)
    )
    images = torch.rand(6, 3, 32, 32)
    with torch.no_grad():
        scores = net(images, LABELS)
        for k in range(3):
            plain = copy.deepcopy(net.main)
            plain[-1].weight += net.embedding.weight[k].reshape(plain[-1].weight.shape)
            of_class = LABELS == k
            torch.testing.assert_close(
                scores[of_class], plain(images[of_class]).flatten(), rtol=0, atol=1e-5
            )


def test_the_embedding_stands_beside_the_latent():
    net = randomised(PAIRS[1][0])
    latents = torch.randn(6, 9)
    given = torch.cat([latents, net.embedding.weight[LABELS]], 1)
    with torch.no_grad():
        images = net(latents, LABELS)
        torch.testing.assert_close(images, net.main(given[:, :, None, None]))


@pairs
@pytest.mark.parametrize('batch', [1, 6])
def test_shapes_and_range(generator, discriminator, shape, batch):
    with torch.no_grad():
        latents = torch.randn(batch, generator.latent_dim)
        images = generator.eval()(latents, LABELS[:batch])
        assert images.shape == (batch, *shape)
        lowest = 0 if isinstance(generator, CGANGenerator) else -1
        assert lowest <= images.min() < images.max() <= 1
        assert discriminator.eval()(images, LABELS[:batch]).shape == (batch,)


def normalise(net, *given):
    """Let batch norms know what they are given, or it fades on its way."""
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
    with torch.no_grad():
        net.train()(*given)
    net.eval()


@pairs
def test_the_class_matters(generator, discriminator, shape):
    generator, discriminator = randomised(generator), randomised(discriminator)
    latents = torch.randn(1, generator.latent_dim).expand(3, -1)
    normalise(generator, latents, torch.arange(3))
    with torch.no_grad():
        images = generator(latents, torch.arange(3))
        other = generator(latents, torch.tensor([0, 2, 2]))
        scores = discriminator(images[:1].expand(3, -1, -1, -1), torch.arange(3))
    apart = [(images[i] - images[i - 1]).std() / images.std() for i in range(3)]
    assert min(apart) > 0.05
    # it changes its own image only
    assert torch.allclose(images[[0, 2]], other[[0, 2]], atol=1e-6)
    assert torch.allclose(other[1], images[2], atol=1e-6)
    assert min((scores[i] - scores[i - 1]).abs() for i in range(3)) > 1e-4


@pairs
def test_gradients_reach_each_parameter_and_the_class_alone(
    generator, discriminator, shape
):
    generator, discriminator = randomised(generator), randomised(discriminator)
    labels = torch.tensor([0, 2, 0, 2, 2, 0])
    images = generator(torch.randn(6, generator.latent_dim), labels)
    discriminator(images, labels).sigmoid().sum().backward()
    for net in (generator, discriminator):
        assert all(p.grad is not None and p.grad.any() for p in net.parameters())
        if hasattr(net, 'embedding'):
            rows = net.embedding.weight.grad
            assert rows[0].any()
            assert not rows[1].any()
            assert rows[2].any()
        net.zero_grad()


def test_dropout_in_training_only():
    for net, x in (
        (CGANGenerator(), torch.rand(6, 100)),
        (CGANDiscriminator(), torch.rand(6, 1, 28, 28)),
    ):
        net.train()
        assert not torch.equal(net(x, LABELS), net(x, LABELS))
        net.eval()
        assert torch.equal(net(x, LABELS), net(x, LABELS))


def test_initial_weights():
    generator, discriminator = CGANGenerator(), CGANDiscriminator()
    conditional = ConditionalDCGANDiscriminator()
    for net in (generator, discriminator, conditional):
        net.init_weights()
    assert generator.joint.weight.abs().max().item() == pytest.approx(0.05, rel=0.01)
    assert discriminator.image.linear.weight.abs().max().item() == pytest.approx(
        0.005, rel=0.01
    )
    assert conditional.embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert conditional.main[-1].weight.std().item() == pytest.approx(0.02, rel=0.1)


def schedulers_of_the_paper():
    config = Config.fromfile(config_root() / 'gan/cgan_1xb100-300k_mnist.py')
    settings = config.optim_wrapper.generator.optimizer
    assert config.optim_wrapper.discriminator.optimizer == settings
    parameter = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=settings.lr, momentum=settings.momentum)
    built = [
        PARAM_SCHEDULERS.build({**s, 'optimizer': optimizer})
        for s in config.param_scheduler
    ]
    return optimizer, built, config.train_cfg.max_iters


def test_rate_and_momentum_of_the_paper():
    optimizer, schedulers, max_iters = schedulers_of_the_paper()
    group = optimizer.param_groups[0]
    optimizer.step()
    assert group['momentum'] == pytest.approx(0.5)
    for step in range(2000):
        assert group['lr'] == pytest.approx(0.1 / 1.00004**step, rel=1e-9)
        for scheduler in schedulers:
            scheduler.step()
    assert group['momentum'] == pytest.approx(0.5 + 0.2 * 2000 / 150_000, rel=1e-3)
    # the floor of 1e-6 is where the decay ends, within the run
    (decay, _) = schedulers
    end = math.log(0.1 / 1e-6) / math.log(1.00004)
    assert decay.end == pytest.approx(end, abs=2)
    assert end < max_iters
