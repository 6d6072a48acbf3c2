"""Building a model that is to be filled with the weights of a file."""

import weakref
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from projects.core.weights.loading import covers
from projects.core.weights.memory import parameters_without_memory


def build_for(
    weights: Mapping[str, Tensor], build: Callable[[], nn.Module]
) -> nn.Module | None:
    """A model without memory for its parameters, where a file has them all.

    A large model then takes memory once it is filled, by
    :func:`projects.core.weights.load_weights`, and is not initialised in vain.

    Args:
        weights: Of the file, by name.
        build: Makes the model.

    Returns:
        The model; None where the file lacks a weight or a persistent buffer, or
        the model looks at its parameters while it is built, or holds weak references
        to them: such a one is to be built and initialised as ever.
    """
    try:
        with parameters_without_memory():
            model = build()
        if any(b.is_meta for b in model.buffers()) or not covers(model, weights):
            return None
        # torch's recurrent layers: a parameter that another refers to cannot be
        # given memory in its place
        if any(weakref.getweakrefcount(p) for p in model.parameters()):
            return None
    except (RuntimeError, NotImplementedError):  # of what has no numbers
        return None
    for module in model.modules():
        if hasattr(module, 'is_init'):  # a runner would initialise it
            module.is_init = True
    return model
