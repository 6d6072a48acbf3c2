"""DCGAN and its training as plain PyTorch has them, to compare with.

The networks are the lists of layers of PyTorch's example and the loop is its loop
<https://github.com/pytorch/examples/tree/main/dcgan>.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.tasks.generation.latents import fixed_latents
from projects.core.tasks.generation.models import GenerativeModel
from projects.registry import MODELS

LATENT_DIM = 100


def dcgan_generator() -> nn.Sequential:
    """(B, 100, 1, 1) latents to (B, 3, 64, 64) images in [-1, 1]."""
    return nn.Sequential(
        nn.ConvTranspose2d(LATENT_DIM, 512, 4, 1, 0, bias=False),
        nn.BatchNorm2d(512),
        nn.ReLU(True),
        nn.ConvTranspose2d(512, 256, 4, 2, 1, bias=False),
        nn.BatchNorm2d(256),
        nn.ReLU(True),
        nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(True),
        nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def dcgan_discriminator() -> nn.Sequential:
    """(B, 3, 64, 64) images to (B,) scores, before the example's sigmoid."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(128, 256, 4, 2, 1, bias=False),
        nn.BatchNorm2d(256),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(256, 512, 4, 2, 1, bias=False),
        nn.BatchNorm2d(512),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(512, 1, 4, 1, 0, bias=False),
        nn.Flatten(0),
    )


@MODELS.register_module()
class TorchDCGAN(GenerativeModel):
    """The example's two networks, two optimizers and loop.

    The example makes its images once in an iteration and lets the second backward
    pass compute gradients of the discriminator, which nobody uses;
    ``projects.GAN`` makes them twice and spares that. A forward pass of each network
    taken as one unit and its gradients by inputs and by weights as one each, either
    comes to twelve.

    Args:
        lr: Learning rate of both optimizers.
        **kwargs: Of :class:`~projects.core.tasks.generation.models.GenerativeModel`.
    """

    latent_dim = LATENT_DIM

    def __init__(self, lr: float = 0.0002, **kwargs) -> None:
        super().__init__(**kwargs)
        self.generator = dcgan_generator()
        self.discriminator = dcgan_discriminator()
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.999))
            for net in (self.discriminator, self.generator)
        ]

    def train_step(self, data: dict, optim_wrapper) -> dict:
        """A step of each network, by the model's own optimizers.

        Args:
            data: A batch.
            optim_wrapper: Not used.
        """
        real = self.data_preprocessor(data, True)['inputs']
        ones = torch.ones(len(real), device=real.device)
        zeros = torch.zeros_like(ones)
        for_discriminator, for_generator = self.optimizers

        self.discriminator.zero_grad()
        on_real = self._loss(self.discriminator(real), ones)
        on_real.backward()
        latents = torch.randn(len(real), LATENT_DIM, 1, 1, device=real.device)
        fake = self.generator(latents)
        on_fake = self._loss(self.discriminator(fake.detach()), zeros)
        on_fake.backward()
        for_discriminator.step()

        self.generator.zero_grad()
        loss = self._loss(self.discriminator(fake), ones)
        loss.backward()
        for_generator.step()
        return dict(
            loss_discriminator=(on_real + on_fake).detach(),
            loss_generator=loss.detach(),
        )

    @staticmethod
    def _loss(scores: Tensor, labels: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(scores, labels)

    @staticmethod
    def sample_shape() -> tuple[int, int, int]:
        return 3, 64, 64

    def network(self, inputs: Tensor) -> Tensor:
        return self.generator(inputs[:, :, None, None])

    @torch.no_grad()
    def predictions(self, inputs: Tensor, data_samples: list | None) -> list[dict]:
        latents = fixed_latents(range(len(inputs)), LATENT_DIM).to(inputs.device)
        images = map(self.data_preprocessor.restored, (inputs, self.network(latents)))
        return [dict(real=x, fake=y) for x, y in zip(*images, strict=True)]
