"""Generative adversarial networks, after Goodfellow et al., "Generative Adversarial
Nets", NeurIPS 2014 <https://arxiv.org/abs/1406.2661>.

With other losses, with a penalty or with clipped weights it is a least-squares GAN or
a Wasserstein GAN; with networks that are given a class, a conditional GAN (Mirza and
Osindero 2014, <https://arxiv.org/abs/1411.1784>).

Legend: B samples, L size of a latent.
"""

from collections.abc import Sequence

import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from projects.core.tasks.generation.adversarial import (
    AdversarialModel,
    frozen,
    means,
    plain,
)
from projects.core.tasks.generation.latents import (
    NORMAL,
    Distribution,
    check_distribution,
    draw,
    fixed_latents,
    way_between,
)
from projects.core.tasks.generation.models import (
    Generator,
    check_classes,
    index_of,
    label_of,
    labels_of,
)
from projects.registry import MODELS


@MODELS.register_module()
class GAN(AdversarialModel, Generator):
    """A generator that learns to make what a discriminator takes for real.

    A step of training is ``critic_steps`` steps of the discriminator, each on its part
    of the batch, and one of the generator. So a data loader draws ``critic_steps``
    times the batch of the paper.

    Args:
        generator: Config. It maps (B, L) latents, and (B,) classes if it has
            ``num_classes``, to samples, and has ``latent_dim``, L.
        discriminator: Config. It gives scores of data, and of their classes if the
            generator knows such.
        loss: Config of a loss of :mod:`projects.gan.losses`.
        latent: 'normal', or the range (low, high) of a uniform distribution.
        critic_steps: Steps of the discriminator for one of the generator.
        generator_batches: Batch of the generator's step, in batches of the
            discriminator's.
        penalty: Config of what is added to the discriminator's loss, such as
            :class:`projects.gan.losses.GradientPenalty`.
        clip: Greatest absolute value of the discriminator's parameters, to which they
            are clipped after each step (Arjovsky et al. 2017, Algorithm 1).
        ema: Decay of an average of the generator's weights, from which samples are
            then made; None for none.
        **kwargs: Of :class:`projects.core.tasks.generation.models.GenerativeModel`.

    Raises:
        ValueError: If the numbers make no sense.
    """

    def __init__(
        self,
        generator: dict,
        discriminator: dict,
        loss: dict,
        latent: Distribution = NORMAL,
        critic_steps: int = 1,
        generator_batches: int = 1,
        penalty: dict | None = None,
        clip: float | None = None,
        ema: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_distribution(latent)
        if critic_steps < 1 or generator_batches < 1:
            raise ValueError(
                f'critic_steps {critic_steps} and generator_batches '
                f'{generator_batches} must be at least 1'
            )
        if clip is not None and clip <= 0:
            raise ValueError(f'clip {clip} is not above 0')
        if ema is not None and not 0 < ema < 1:
            raise ValueError(f'ema {ema} is not between 0 and 1')
        self.generator = MODELS.build(generator)
        self.discriminator = MODELS.build(discriminator)
        known = getattr(self.discriminator, 'num_classes', None)
        if known != self.num_classes:
            raise ValueError(
                f'num_classes of the generator is {self.num_classes}, of the '
                f'discriminator {known}; give both the same'
            )
        self.loss = MODELS.build(loss)
        self.penalty = None if penalty is None else MODELS.build(penalty)
        self.generator_ema = None
        if ema is not None:
            self.generator_ema = Average(
                self.generator, momentum=1 - ema, update_buffers=True
            )
        self.latent = latent
        self.critic_steps = critic_steps
        self.generator_batches = generator_batches
        self.clip = clip

    @property
    def num_classes(self) -> int | None:
        return plain(self.generator).num_classes

    @property
    def latent_dim(self) -> int:
        return plain(self.generator).latent_dim

    def step(
        self, inputs: Tensor, data_samples: list, optim_wrapper: OptimWrapperDict
    ) -> dict:
        parts = inputs.chunk(self.critic_steps)
        labels: Sequence[tuple[Tensor, ...]] = [()] * len(parts)
        if self.num_classes is not None:
            classes = labels_of(data_samples, self.num_classes, inputs)
            labels = [(part,) for part in classes.chunk(self.critic_steps)]
        for real, given in zip(parts, labels, strict=True):
            log = self._train_discriminator(real, given, optim_wrapper['discriminator'])
        given = tuple(part.repeat(self.generator_batches) for part in given)
        num = len(real) * self.generator_batches
        log |= self._train_generator(num, given, optim_wrapper['generator'])
        if self.generator_ema is not None:
            self.generator_ema.update_parameters(plain(self.generator))
        return log

    def _latents(self, num: int) -> Tensor:
        like = next(self.generator.parameters())
        return draw(num, self.latent_dim, like=like, latent=self.latent)

    def _train_discriminator(self, real: Tensor, given: tuple, wrapper) -> dict:
        with wrapper.optim_context(self.discriminator):
            with torch.no_grad(), frozen(self.generator) as (generator,):
                fake = generator(self._latents(len(real)), *given)
            scores = self.discriminator(real, *given).float()
            fake_scores = self.discriminator(fake, *given).float()
            loss = self.loss.discriminator(scores, fake_scores)
            log = dict(
                loss_discriminator=loss.detach(),
                **means(score_real=scores, score_fake=fake_scores),
            )
            if self.penalty is not None:
                penalty = self.penalty(
                    plain(self.discriminator), real, fake.float(), *given
                )
                log['penalty'] = penalty.detach()
                loss = loss + penalty
        wrapper.update_params(loss)
        if self.clip is not None:
            with torch.no_grad():
                for parameter in self.discriminator.parameters():
                    parameter.clamp_(-self.clip, self.clip)
        return log

    def _train_generator(self, num: int, given: tuple, wrapper) -> dict:
        with wrapper.optim_context(self.generator):
            with frozen(self.discriminator) as (discriminator,):
                fake = self.generator(self._latents(num), *given)
                loss = self.loss.generator(discriminator(fake, *given).float())
        wrapper.update_params(loss)
        return dict(loss_generator=loss.detach())

    @property
    def sampler(self):
        """The generator that makes samples: the averaged one, if there is one."""
        if self.generator_ema is not None:
            return self.generator_ema
        return plain(self.generator)

    def network(self, inputs: Tensor, *labels: Tensor) -> Tensor:
        return self.sampler(inputs, *labels)

    @torch.no_grad()
    def samples(
        self, indices: Sequence[int], labels: Tensor | None = None, seed: int = 0
    ) -> Tensor:
        latents = fixed_latents(indices, self.latent_dim, self.latent, seed)
        return self._made_of(latents, labels)

    def between(
        self, first: int, last: int, num: int, label: int | None = None, seed: int = 0
    ) -> Tensor:
        ends = fixed_latents((first, last), self.latent_dim, self.latent, seed)
        latents = way_between(*ends, num, self.latent)
        labels = None if label is None else torch.full((num,), label)
        return self._made_of(latents, labels)

    @torch.no_grad()
    def _made_of(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        device = next(self.generator.parameters()).device
        given: tuple[Tensor, ...] = ()
        if self.num_classes is not None:
            check_classes(
                [None] if labels is None else labels.tolist(), self.num_classes
            )
            given = (labels.to(device),)
        return self.data_preprocessor.restored(self.sampler(latents.to(device), *given))

    def predictions(self, inputs: Tensor, data_samples: list | None) -> list[dict]:
        data_samples = data_samples or [None] * len(inputs)
        indices = [index_of(sample, i) for i, sample in enumerate(data_samples)]
        labels = None
        if self.num_classes is not None:
            labels = labels_of(data_samples, self.num_classes, inputs)
        pairs = zip(
            self.data_preprocessor.restored(inputs),
            self.samples(indices, labels),
            data_samples,
            strict=True,
        )
        conditional = self.num_classes is not None
        return [
            dict(real=real, fake=fake, label=label_of(sample), conditional=conditional)
            for real, fake, sample in pairs
        ]


class Average(ExponentialMovingAverage):
    """mmengine's average of weights and buffers, wherever they have been moved.

    That one keeps the tensors it was built with. A model that is taken to another
    device, or to channels-last, gets new ones, and these would stay as they were.
    """

    def update_parameters(self, model: nn.Module) -> None:
        self.avg_parameters = self.module.state_dict()
        super().update_parameters(model)
