"""CycleGAN: images of one domain become such of another, without pairs to learn from.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017 <https://arxiv.org/abs/1703.10593>.

Legend: B images, C channels, H and W height and width in pixels; G maps domain A to
B, F maps B to A, D_A and D_B tell real images of their domain from made ones. Where
the paper writes X and Y it is A and B here. The authors' code calls our D_B
``netD_A``, after the generator that it trains.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapperDict
from torch import Tensor

from projects.core.errors import UserError
from projects.core.tasks.generation.adversarial import (
    AdversarialModel,
    frozen,
    means,
    plain,
)
from projects.core.tasks.generation.models import Translator
from projects.gan.image_pool import ImagePool
from projects.gan.losses import LeastSquaresLoss
from projects.registry import MODELS

#: what a data set knows of an image and its translation
PASSED_ON = ('label_a', 'label_b', 'true_a', 'true_b')


class Generators(BaseModule):
    """Both directions as one module, which one optimizer trains.

    Args:
        ab: Config of G.
        ba: Config of F.
    """

    def __init__(self, ab: dict, ba: dict) -> None:
        super().__init__()
        self.ab = MODELS.build(ab)
        self.ba = MODELS.build(ba)

    def forward(self, real_a: Tensor, real_b: Tensor, *wanted: str) -> dict:
        """Images by name.

        Args:
            real_a: (B, C, H, W) images of domain A.
            real_b: Of domain B.
            *wanted: 'again', images that were there and back, and 'same', images
                that were in the domain that they were brought to.
        """
        images = dict(fake_b=self.ab(real_a), fake_a=self.ba(real_b))
        if 'again' in wanted:
            images['again_a'] = self.ba(images['fake_b'])
            images['again_b'] = self.ab(images['fake_a'])
        if 'same' in wanted:
            images['same_a'] = self.ba(real_a)
            images['same_b'] = self.ab(real_b)
        return images


class Discriminators(BaseModule):
    """Both judges as one module, which one optimizer trains.

    Args:
        discriminator: Config of each.
    """

    def __init__(self, discriminator: dict) -> None:
        super().__init__()
        self.a = MODELS.build(discriminator)
        self.b = MODELS.build(discriminator)

    def forward(self, images_a: Tensor, images_b: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of images in A, and of such in B."""
        return self.a(images_a), self.b(images_b)


class TwoWayTranslator(AdversarialModel, Translator):
    """A model that translates both ways.

    Args:
        generator: Config of G, which maps (B, C, H, W) images in [-1, 1] to such of
            the other domain.
        generator_ba: Config of F; that of G by default.
        **kwargs: Of :class:`projects.core.tasks.generation.models.GenerativeModel`.
    """

    directions = ('AtoB', 'BtoA')

    def __init__(
        self, generator: dict, generator_ba: dict | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.generators = Generators(generator, generator_ba or generator)

    def towards(self, direction: str) -> BaseModule:
        """The generator of a direction."""
        if direction not in self.directions:
            raise UserError(
                f'direction {direction!r}: there are ' + ' and '.join(self.directions)
            )
        generators = plain(self.generators)
        return generators.ab if direction == 'AtoB' else generators.ba

    def network(self, inputs: Tensor) -> Tensor:
        return self.towards('AtoB')(inputs)

    @torch.no_grad()
    def translations(self, images: Tensor, direction: str) -> Tensor:
        return self.data_preprocessor.restored(self.towards(direction)(images))

    @torch.no_grad()
    def predictions(self, inputs: Mapping, data_samples: list | None) -> list[dict]:
        """Beside what all translators give ``again_a`` and ``again_b``, images that
        were there and back, and what a data sample has of ``PASSED_ON``."""
        real_a, real_b = inputs['a'], inputs['b']
        images = dict(real_a=real_a, real_b=real_b)
        generators = plain(self.generators)
        images |= generators(real_a, real_b, 'again')
        restored = {k: self.data_preprocessor.restored(v) for k, v in images.items()}
        rows = []
        for i, sample in enumerate(data_samples or [None] * len(real_a)):
            row = {name: values[i] for name, values in restored.items()}
            rows.append(
                row | {k: getattr(sample, k) for k in PASSED_ON if hasattr(sample, k)}
            )
        return rows


@MODELS.register_module()
class CycleGAN(TwoWayTranslator):
    """Two generators that must deceive two discriminators and undo each other.

    A step of the generators minimises, with images a and b of the domains,

        (D_B(G(a)) - 1)^2 + (D_A(F(b)) - 1)^2                             adversarial
        + w_A |F(G(a)) - a| + w_B |G(F(b)) - b|                           cycle, eq. 2
        + w_id (w_A |F(a) - a| + w_B |G(b) - b|)                          identity, 5.2

    each a mean over images and pixels or patches. Then one of the discriminators
    minimises half of ``(D(real) - 1)^2 + D(made)^2`` in each domain, where what was
    made comes from a pool of what was made lately (Sec. 4).

    The optimizers are ``generators`` and ``discriminators``, each of two networks as
    in the authors' code.

    Args:
        generator: See :class:`TwoWayTranslator`.
        discriminator: Config of a network that gives scores of images; there are two.
        cycle_weights: w_A and w_B.
        identity_weight: w_id, 0 for none.
        pool_size: Images in the pool of each domain.
        **kwargs: Of :class:`TwoWayTranslator`.

    Raises:
        ValueError: If a weight is below 0.
    """

    hooks = ('projects.ImagePoolHook',)

    def __init__(
        self,
        generator: dict,
        discriminator: dict,
        cycle_weights: tuple[float, float] = (10.0, 10.0),
        identity_weight: float = 0.5,
        pool_size: int = 50,
        **kwargs,
    ) -> None:
        super().__init__(generator, **kwargs)
        if min(*cycle_weights, identity_weight) < 0:
            raise ValueError(
                f'cycle_weights {cycle_weights} and identity_weight {identity_weight} '
                'must be at least 0'
            )
        self.discriminators = Discriminators(discriminator)
        self.loss = LeastSquaresLoss()
        self.pool_a, self.pool_b = ImagePool(pool_size), ImagePool(pool_size)
        self.cycle_weights = cycle_weights
        self.identity_weight = identity_weight

    def step(
        self, inputs: Mapping, data_samples: list, optim_wrapper: OptimWrapperDict
    ) -> dict:
        real_a, real_b = inputs['a'], inputs['b']
        log, fake_a, fake_b = self._train_generators(
            real_a, real_b, optim_wrapper['generators']
        )
        fake_a, fake_b = self.pool_a(fake_a), self.pool_b(fake_b)
        wrapper = optim_wrapper['discriminators']
        with wrapper.optim_context(self.discriminators):
            real = [score.float() for score in self.discriminators(real_a, real_b)]
            fake = [score.float() for score in self.discriminators(fake_a, fake_b)]
            pairs = zip(real, fake, strict=True)
            losses = [self.loss.discriminator(*pair) for pair in pairs]
            loss = losses[0] + losses[1]
        wrapper.update_params(loss)
        log['loss_discriminator'] = loss.detach()
        scores = dict(zip(('score_real_a', 'score_real_b'), real, strict=True))
        scores |= dict(zip(('score_fake_a', 'score_fake_b'), fake, strict=True))
        return log | means(**scores)

    def _train_generators(self, real_a: Tensor, real_b: Tensor, wrapper) -> tuple:
        wanted = ('again', 'same') if self.identity_weight else ('again',)
        with wrapper.optim_context(self.generators):
            images = self.generators(real_a, real_b, *wanted)
            images = {name: image.float() for name, image in images.items()}
            fake_a, fake_b = images['fake_a'], images['fake_b']
            with frozen(self.discriminators) as (discriminators,):
                score_a, score_b = discriminators(fake_a, fake_b)
            # without the half of that loss, which the weights of the others are for
            terms = dict(
                adversarial_ab=2 * self.loss.generator(score_b.float()),
                adversarial_ba=2 * self.loss.generator(score_a.float()),
                cycle_a=self.cycle_weights[0] * F.l1_loss(images['again_a'], real_a),
                cycle_b=self.cycle_weights[1] * F.l1_loss(images['again_b'], real_b),
            )
            for name, real, weight in zip(
                ('a', 'b'), (real_a, real_b), self.cycle_weights, strict=True
            ):
                if self.identity_weight:
                    difference = F.l1_loss(images[f'same_{name}'], real)
                    terms[f'identity_{name}'] = (
                        self.identity_weight * weight * difference
                    )
            loss = sum(terms.values())
        wrapper.update_params(loss)
        return dict(loss_generator=loss.detach(), **means(**terms)), fake_a, fake_b


@MODELS.register_module()
class PairedTranslator(TwoWayTranslator):
    """The same generators, which are shown pairs: what CycleGAN can reach at best.

    Both minimise the mean absolute difference to the other image of the pair. The
    optimizer is ``generators``.
    """

    def step(
        self, inputs: Mapping, data_samples: list, optim_wrapper: OptimWrapperDict
    ) -> dict:
        real_a, real_b = inputs['a'], inputs['b']
        wrapper = optim_wrapper['generators']
        with wrapper.optim_context(self.generators):
            images = self.generators(real_a, real_b)
            terms = dict(
                pairs_ab=F.l1_loss(images['fake_b'].float(), real_b),
                pairs_ba=F.l1_loss(images['fake_a'].float(), real_a),
            )
            loss = sum(terms.values())
        wrapper.update_params(loss)
        return dict(loss_generator=loss.detach(), **means(**terms))
