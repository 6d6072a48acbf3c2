"""Parameters without memory, until there is something to fill it with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook


@contextmanager
def parameters_without_memory() -> Iterator[None]:
    """Parameters of modules that are built here are on torch's meta device: they
    have a shape and no numbers, and initialising them costs nothing.

    All other tensors are as ever, such as buffers, whose numbers no file has where
    they are not persistent.
    """
    hook = register_module_parameter_registration_hook(_without_memory)
    try:
        yield
    finally:
        hook.remove()


def _without_memory(
    module: nn.Module, name: str, parameter: nn.Parameter | None
) -> nn.Parameter | None:
    if type(parameter) is not nn.Parameter or parameter.is_meta:
        return None  # it stays as it is
    return nn.Parameter(parameter.detach().to('meta'), parameter.requires_grad)


def give_memory(model: nn.Module) -> None:
    """Memory, of any content, for parameters that have none.

    They are the same objects as before: what is shared stays shared.
    """
    for parameter in model.parameters():
        if parameter.is_meta:
            real = nn.Parameter(
                torch.empty_like(parameter, device='cpu'), parameter.requires_grad
            )
            real.__dict__.update(parameter.__dict__)
            torch.utils.swap_tensors(parameter, real)
