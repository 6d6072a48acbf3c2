"""CycleGAN and its training as plain PyTorch has them, to compare with.

The networks are lists of layers, and the loop is that of the authors
<https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix>: a step of both generators,
then one of both discriminators, on what a pool of earlier images gives.
"""

import itertools
import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.tasks.generation.adversarial import AdversarialModel
from projects.core.tasks.generation.models import Translator
from projects.registry import MODELS

CYCLE, IDENTITY, POOL = 10.0, 0.5, 50


class Residual(nn.Sequential):
    """What it holds, beside the way around it."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def resnet_generator(num_blocks: int) -> nn.Sequential:
    """(B, 3, H, W) images in [-1, 1] to such of the other domain."""
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, 64, 7),
        nn.InstanceNorm2d(64),
        nn.ReLU(True),
        nn.Conv2d(64, 128, 3, 2, 1),
        nn.InstanceNorm2d(128),
        nn.ReLU(True),
        nn.Conv2d(128, 256, 3, 2, 1),
        nn.InstanceNorm2d(256),
        nn.ReLU(True),
        *[
            Residual(
                nn.ReflectionPad2d(1),
                nn.Conv2d(256, 256, 3),
                nn.InstanceNorm2d(256),
                nn.ReLU(True),
                nn.ReflectionPad2d(1),
                nn.Conv2d(256, 256, 3),
                nn.InstanceNorm2d(256),
            )
            for _ in range(num_blocks)
        ],
        nn.ConvTranspose2d(256, 128, 3, 2, 1, output_padding=1),
        nn.InstanceNorm2d(128),
        nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 3, 2, 1, output_padding=1),
        nn.InstanceNorm2d(64),
        nn.ReLU(True),
        nn.ReflectionPad2d(3),
        nn.Conv2d(64, 3, 7),
        nn.Tanh(),
    )


def patch_discriminator() -> nn.Sequential:
    """(B, 3, H, W) images to (B, 1, H', W') scores of 70 x 70 pixels each."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 128, 4, 2, 1),
        nn.InstanceNorm2d(128),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(128, 256, 4, 2, 1),
        nn.InstanceNorm2d(256),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(256, 512, 4, 1, 1),
        nn.InstanceNorm2d(512),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(512, 1, 4, 1, 1),
    )


class Pool:
    """The authors': half of the time an old image for a new one, once it is full."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        given = []
        for image in images.detach():
            if len(self.images) < POOL:
                self.images.append(image)
                given.append(image)
            elif random.uniform(0, 1) > 0.5:
                place = random.randint(0, POOL - 1)
                given.append(self.images[place])
                self.images[place] = image
            else:
                given.append(image)
        return torch.stack(given)


@MODELS.register_module()
class TorchCycleGAN(AdversarialModel, Translator):
    """Two generators, two discriminators, two optimizers and the loop.

    A step is taken by the model's own optimizers, whatever the config says.

    Args:
        num_blocks: Residual blocks of a generator.
        lr: Learning rate of both optimizers.
        **kwargs: Of :class:`~projects.core.tasks.generation.models.GenerativeModel`.
    """

    directions = ('AtoB', 'BtoA')

    def __init__(self, num_blocks: int = 9, lr: float = 0.0002, **kwargs) -> None:
        super().__init__(**kwargs)
        self.generator_ab = resnet_generator(num_blocks)
        self.generator_ba = resnet_generator(num_blocks)
        self.discriminator_a = patch_discriminator()
        self.discriminator_b = patch_discriminator()
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(
                itertools.chain(*(net.parameters() for net in nets)),
                lr=lr,
                betas=(0.5, 0.999),
            )
            for nets in (
                (self.generator_ab, self.generator_ba),
                (self.discriminator_a, self.discriminator_b),
            )
        )
        self.pool_a, self.pool_b = Pool(), Pool()

    def step(self, inputs: dict, data_samples, optim_wrapper) -> dict:
        real_a, real_b = inputs['a'], inputs['b']
        ab, ba = self.generator_ab, self.generator_ba
        fake_b, fake_a = ab(real_a), ba(real_b)
        again_a, again_b = ba(fake_b), ab(fake_a)

        self._let_learn(False)
        self.optimizer_g.zero_grad()
        same = F.l1_loss(ba(real_a), real_a) + F.l1_loss(ab(real_b), real_b)
        cycle = F.l1_loss(again_a, real_a) + F.l1_loss(again_b, real_b)
        deceive = _mean_square(self.discriminator_b(fake_b), 1.0)
        deceive = deceive + _mean_square(self.discriminator_a(fake_a), 1.0)
        loss_g = deceive + CYCLE * cycle + CYCLE * IDENTITY * same
        loss_g.backward()
        self.optimizer_g.step()

        self._let_learn(True)
        self.optimizer_d.zero_grad()
        loss_d = 0.0
        for net, real, fake in (
            (self.discriminator_b, real_b, self.pool_b.query(fake_b)),
            (self.discriminator_a, real_a, self.pool_a.query(fake_a)),
        ):
            half = _mean_square(net(real), 1.0) + _mean_square(net(fake), 0.0)
            (0.5 * half).backward()
            loss_d += 0.5 * half.detach()
        self.optimizer_d.step()
        return dict(loss_generator=loss_g.detach(), loss_discriminator=loss_d)

    def _let_learn(self, discriminators: bool) -> None:
        for net in (self.discriminator_a, self.discriminator_b):
            net.requires_grad_(discriminators)

    def network(self, inputs: Tensor) -> Tensor:
        return self.generator_ab(inputs)

    @torch.no_grad()
    def translations(self, images: Tensor, direction: str) -> Tensor:
        if direction not in self.directions:
            raise UserError(f'direction {direction!r}: none of {self.directions}')
        net = self.generator_ab if direction == 'AtoB' else self.generator_ba
        return self.data_preprocessor.restored(net(images))

    def predictions(self, inputs: dict, data_samples: list | None) -> list[dict]:
        images = dict(
            real_a=self.data_preprocessor.restored(inputs['a']),
            real_b=self.data_preprocessor.restored(inputs['b']),
            fake_b=self.translations(inputs['a'], 'AtoB'),
            fake_a=self.translations(inputs['b'], 'BtoA'),
        )
        return [
            {name: values[i] for name, values in images.items()}
            for i in range(len(inputs['a']))
        ]


def _mean_square(scores: Tensor, target: float) -> Tensor:
    return F.mse_loss(scores, torch.full_like(scores, target))
