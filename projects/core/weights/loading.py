"""Reading checkpoints, and loading weights without leaving any in silence."""
import os.path as osp
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from projects.core.errors import UserError


def _history_method(cls: type, name: str) -> Callable:
    """Stands in for ``getattr``, by which HistoryBuffer pickles its methods.
    """
    if cls is not HistoryBuffer or name not in ('current', 'max', 'mean',
                                                'min'):
        raise pickle.UnpicklingError(f'it asks for {name} of {cls}')
    return getattr(cls, name)


# what a run's own checkpoint holds besides tensors and plain Python
SAFE_TYPES = [
    (_history_method, 'builtins.getattr'),
    (_history_method, '__builtin__.getattr'),
    HistoryBuffer, np.ndarray, np.dtype, np._core.multiarray._reconstruct,
    np._core.multiarray.scalar,
    *(type(np.dtype(kind)) for kind in ('f4', 'f8', 'i4', 'i8', 'u4', '?'))
]


def read_checkpoint(path: str, map_location='cpu') -> dict:
    """A checkpoint with its weights under 'state_dict'.

    Nothing in the file is executed: it is read with ``weights_only``.

    Raises:
        UserError: If the file is missing, damaged, no checkpoint, or would
            have to be unpickled.
    """
    if not osp.isfile(path):
        raise UserError(f'there is no checkpoint {path}')
    try:
        with torch.serialization.safe_globals(SAFE_TYPES):
            checkpoint = torch.load(path, map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).partition('WeightsUnpickler error: ')
        reason = (reason[2] or reason[0]).strip().splitlines()[0]
        raise UserError(
            f'{path} is no checkpoint, or one that runs code when it is read: '
            f"{reason.partition('. Please')[0]}") from error
    except (RuntimeError, EOFError, OSError) as error:
        reason = (str(error) or 'it ends early').splitlines()[0]
        raise UserError(f'{path} is damaged or no checkpoint: {reason}; copy '
                        'or make it again, or use another') from error
    if isinstance(checkpoint, Mapping) and 'state_dict' not in checkpoint:
        checkpoint = dict(state_dict=checkpoint)
    if not isinstance(checkpoint, Mapping) or not all(
            isinstance(v, Tensor) for v in checkpoint['state_dict'].values()):
        raise UserError(f'{path} holds no weights by name')
    return checkpoint


@dataclass
class Translation:
    """A file's weights in a model's own names.

    ``notes`` say of each weight what was done to it: 'old -> new', with how
    it was cut or turned, 'name: left out', ... ``kept`` are names of the
    model that the file has no numbers for and that may stay as they are.
    """
    state_dict: dict[str, Tensor]
    notes: list[str]
    kept: list[str] = field(default_factory=list)


Layout = Callable[[nn.Module, Mapping[str, Tensor]], Translation | None]
_layouts: list[Layout] = []


def register_layout(layout: Layout) -> Layout:
    """Let :func:`load_weights` read files that name weights in another way.

    ``layout(model, state_dict)`` returns None where the file or the model is
    not of its kind.
    """
    _layouts.append(layout)
    return layout


def load_weights(model: nn.Module,
                 state_dict: Mapping[str, Tensor],
                 source: str,
                 allow_new_head: bool = False) -> str:
    """Load weights by name into a model; all of it or none.

    Args:
        model: Where they go.
        state_dict: Weights by name; a leading 'module.' is taken off.
        source: The file they are from, for messages.
        allow_new_head: Whether names outside ``backbone`` may be missing or of
            another shape, as when the number of classes changes. They keep
            their initial values and the report names them.

    Returns:
        What was loaded, as counts and as a share of the parameters, and what
        was left out; a line for each weight that a registered layout renamed
        or changed.

    Raises:
        UserError: If a weight of the model is missing from the file or has
            another shape there, or the file has one too many; with both
            sides' first differing names.
    """
    state_dict = {
        k.removeprefix('module.'): v for k, v in state_dict.items()
    }
    wanted = model.state_dict()
    notes, kept = [], []
    if state_dict.keys() != wanted.keys():
        translations = (layout(model, state_dict) for layout in _layouts)
        translation = next(filter(None, translations), None)
        if translation is not None:
            state_dict, notes, kept = (
                translation.state_dict, translation.notes, translation.kept)
    fitting = {
        k for k, v in wanted.items()
        if k in state_dict and state_dict[k].shape == v.shape
    }
    missing = [k for k in wanted if k not in fitting and k not in kept]
    unknown = [k for k in state_dict if k not in wanted]
    covered = all(
        not k.startswith('backbone.') for k in (*missing, *unknown)) and any(
            k.startswith('backbone.') for k in fitting)
    if (missing or unknown) and not (allow_new_head and covered):
        lines = [
            f'{source} does not fit this model: {len(fitting)} of its '
            f'{len(wanted)} weights match; the first that differ (model | '
            'file):'
        ]
        lines += [
            f'  {k} {tuple(wanted[k].shape)} | ' +
            (f'{tuple(state_dict[k].shape)}' if k in state_dict else 'missing')
            for k in missing[:4]
        ]
        lines += [f'  missing | {k} {tuple(state_dict[k].shape)}'
                  for k in unknown[:4]]
        lines.append('give the config that this checkpoint was trained with')
        raise UserError('\n'.join(lines))
    model.load_state_dict({k: state_dict[k] for k in fitting}, strict=False)
    parameters = dict(model.named_parameters())
    share = sum(p.numel() for k, p in parameters.items()
                if k in fitting) / sum(p.numel() for p in parameters.values())
    report = (f'{len(fitting)} of {len(wanted)} weights ({share:.1%} of the '
              f'parameters) loaded from {source}')
    if missing:
        report += '; left as they were: ' + ', '.join(missing)
    if unknown:
        report += '; not of this model: ' + ', '.join(unknown)
    return '\n  '.join([report, *notes])
