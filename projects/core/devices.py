"""The device that a user names."""

import torch

from projects.core.errors import UserError, did_you_mean
from projects.core.machine import cpu_name


def find_device(name: str | None = None) -> str:
    """A device that is there.

    Args:
        name: 'cpu', 'cuda', 'cuda:1', ...; a GPU where there is one by default.

    Raises:
        UserError: If there is no such device here.
    """
    if name is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise UserError(
            f"there is no device '{name}'"
            + (
                did_you_mean(str(name), ('cpu', 'cuda', 'mps', 'xpu'))
                or '; there are cpu, cuda, cuda:1, ...'
            )
        ) from None
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserError(f"device '{name}': torch sees no GPU here; use cpu")
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device '{name}': the last GPU here is "
            f'cuda:{torch.cuda.device_count() - 1}'
        )
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # each kind of device says it in another way
        raise UserError(f"device '{name}' cannot be used here; use cpu") from error
    return str(name)


def device_name(device: torch.device) -> str:
    """The model of a GPU, or of the processor."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return cpu_name()
