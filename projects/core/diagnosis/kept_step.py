"""Reading the step that a training kept, as data."""

import importlib
import re
from typing import Any

import torch
from mmengine.structures import BaseDataElement

from projects.core.config.saved import SCOPES
from projects.core.errors import UserError, listed
from projects.core.weights import read_checkpoint

KEYS = dict(
    inputs=object,
    losses=dict,
    random=dict,
    own_step=bool,
    iter=int,
    names=list,
    lr=dict,
    state_dict=dict,
    meta=dict,
)


def read_step(file: str) -> dict:
    """What a :class:`projects.core.engine.hooks.NonFiniteLossHook` wrote, as data.

    Data samples are made anew of their fields: their classes are those of the
    libraries and of this project, which hold data and run nothing.

    Raises:
        UserError: If it is no such file, or more than data.
    """
    classes = []
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:  # no file of torch, which reading it says
        names = []
    for name in names:
        if re.fullmatch(rf'({"|".join(SCOPES)})\.structures(\.\w+)+', name):
            importlib.import_module(f'{name.partition(".")[0]}.structures')
            module, _, cls = name.rpartition('.')
            try:
                found = getattr(importlib.import_module(module), cls)
            except (ImportError, AttributeError):
                continue
            if isinstance(found, type) and _holds_data(found):
                classes.append(found)
    with torch.serialization.safe_globals(classes):
        try:
            saved = read_checkpoint(file)
        except UserError as error:
            reason, is_code, asked = str(error).partition('it asks for ')
            if not is_code:
                raise
            raise UserError(
                f'{reason}it asks for {asked.partition(". ")[0]}, which is no data '
                'sample of the libraries or of this project'
            ) from error
    if lacks := [k for k, cls in KEYS.items() if not isinstance(saved.get(k), cls)]:
        raise UserError(
            f'{file} is no step that a training kept (it lacks {listed(lacks)}); give '
            'the nonfinite_loss.pth of a work dir that this version of tools/train.py '
            'wrote'
        )
    return saved


def _holds_data(cls: type) -> bool:
    return issubclass(cls, BaseDataElement) or any(
        base.__name__ == 'BaseBoxes' for base in cls.__mro__
    )


def moved(value: Any, device: torch.device) -> Any:
    """A batch on another device."""
    if isinstance(value, dict):
        return {k: moved(v, device) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(moved(v, device) for v in value)
    return value.to(device) if hasattr(value, 'to') else value
