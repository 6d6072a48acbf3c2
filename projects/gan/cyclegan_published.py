"""Files of CycleGAN's authors, ``latest_net_G.pth`` and the like.

Their names are ours within a network; see
:mod:`projects.gan.cyclegan_networks`.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.weights.loading import ConvertedStateDict, register_converter
from projects.gan.cyclegan import TwoWayTranslator
from projects.gan.cyclegan_networks import CycleGANGenerator, PatchDiscriminator

GENERATOR_AB = 'generators.ab.'


@register_converter
def convert_instance_norms(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of the time when torch's instance norms kept statistics of the training,
    which they did not use for these networks."""
    if not isinstance(model, (CycleGANGenerator, PatchDiscriminator)):
        return None
    norms = {n for n, m in model.named_modules() if isinstance(m, nn.InstanceNorm2d)}
    statistics = {
        name: 'statistics of an instance norm, which takes those of the image'
        for name in state_dict
        if name.rpartition('.')[0] in norms
    }
    return ConvertedStateDict(
        {name: w for name, w in state_dict.items() if name not in statistics},
        unused=statistics,
    )


@register_converter
def convert_single_generator(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """A generator's file for a whole model: of A to B, in which direction the authors
    publish; the other networks stay as they are, and the report names them."""
    if not isinstance(model, TwoWayTranslator) or not all(
        name.startswith('model.') for name in state_dict
    ):
        return None
    given = convert_instance_norms(model.towards('AtoB'), state_dict)
    if given is None:
        return None
    return ConvertedStateDict(
        {GENERATOR_AB + name: weight for name, weight in given.state_dict.items()},
        renamed={GENERATOR_AB + name: name for name in given.state_dict},
        kept=[k for k in model.state_dict() if not k.startswith(GENERATOR_AB)],
        unused=given.unused,
    )
