"""Wrapping a model for several processes, on a GPU each or on the CPU."""

import os

import torch
from mmengine.model import (
    BaseModel,
    MMDistributedDataParallel,
    MMSeparateDistributedDataParallel,
)
from torch import nn

from projects.core.errors import UserError


def has_own_step(model: nn.Module) -> bool:
    """Whether its class has a ``train_step`` other than mmengine's.

    Such a step may use several optimizers and compute losses outside of
    ``forward``.
    """
    return getattr(type(model), 'train_step', None) is not BaseModel.train_step


def distributed_model(model: nn.Module, find_unused_parameters: bool = False):
    """Average gradients over the processes.

    mmengine's usual wrapper replaces the model's ``train_step``. A model with
    one of its own keeps it, and each of its child modules is wrapped instead;
    the names of its weights in a checkpoint stay those of a single process.

    Args:
        model: On its device.
        find_unused_parameters: For models whose step leaves parameters out.

    Raises:
        UserError: If a model with its own ``train_step`` has trainable
            parameters outside of its child modules, which no one would average.
    """
    options = dict(
        broadcast_buffers=False, find_unused_parameters=find_unused_parameters
    )
    if torch.cuda.is_available():  # without ids: on the CPU
        options['device_ids'] = [int(os.environ['LOCAL_RANK'])]
    if not has_own_step(model):
        return MMDistributedDataParallel(model, **options)
    for name, parameter in model.named_parameters(recurse=False):
        if parameter.requires_grad:
            raise UserError(
                f'{type(model).__name__} has its own train_step and its parameter '
                f"'{name}' is of none of its child modules, so that processes "
                'cannot average its gradient: move it into a child module'
            )
    wrapped = MMSeparateDistributedDataParallel(model, **options)
    parts = [
        name
        for name, part in model.named_children()
        if isinstance(part, MMDistributedDataParallel)
    ]

    def rename(state_dict: dict, olds: list[str], news: list[str]) -> None:
        for key in list(state_dict):  # all, so that the order stays
            value = state_dict.pop(key)
            for old, new in zip(olds, news, strict=True):
                if key.startswith(old):
                    key = new + key.removeprefix(old)
                    break
            state_dict[key] = value

    inside, outside = [f'{p}.module.' for p in parts], [f'{p}.' for p in parts]
    model.register_state_dict_post_hook(
        lambda module, state_dict, prefix, _: rename(state_dict, inside, outside)
    )
    model.register_load_state_dict_pre_hook(
        lambda module, state_dict, *_: rename(state_dict, outside, inside)
    )
    return wrapped


def check_launcher(launcher: str) -> None:
    """Refuse a launcher that did not launch this process.

    Raises:
        UserError: If it did not, or needs a GPU that is not there.
    """
    needed = dict(
        pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_LOCAL_RANK'
    ).get(launcher)
    if needed is not None and needed not in os.environ:
        raise UserError(
            f'--launcher {launcher}: {needed} is not set, so {launcher} has '
            'not started this process; use tools/dist_train.sh or '
            'tools/slurm_train.sh, or their siblings for tests'
        )
    if launcher != 'none' and launcher != 'pytorch' and (not torch.cuda.is_available()):
        raise UserError(
            f'--launcher {launcher} needs a GPU for each process, '
            'and torch sees none here; on the CPU use '
            'tools/dist_train.sh'
        )
