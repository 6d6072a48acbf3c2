"""Reading checkpoints as data, and saying what a file is that is none."""

import os.path as osp
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from projects.core.errors import UserError


def _history_method(cls: type, name: str) -> Callable:
    """Stands in for ``getattr``, by which HistoryBuffer pickles its methods."""
    if cls is not HistoryBuffer or name not in ('current', 'max', 'mean', 'min'):
        raise pickle.UnpicklingError(f'it asks for {name} of {cls}')
    return getattr(cls, name)


# what a run's own checkpoint holds besides tensors and plain Python
SAFE_TYPES = [
    (_history_method, 'builtins.getattr'),
    (_history_method, '__builtin__.getattr'),
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    np._core.multiarray._reconstruct,
    np._core.multiarray.scalar,
    *(type(np.dtype(kind)) for kind in ('f4', 'f8', 'i4', 'i8', 'u4', '?')),
]
# how files begin that are saved under a checkpoint's name by mistake
KINDS = {
    b'version https://git-lfs': 'a pointer of Git LFS, in place of the file itself; '
    'fetch that with: git lfs pull',
    b'<!doctype html': 'a web page, as a download without access gives; fetch the '
    'file again',
    b'<html': 'a web page, as a download without access gives; fetch the file again',
    b'<?xml': 'an XML file, as a failed download gives; fetch the file again',
    b'\x89png': 'an image',
    b'\xff\xd8\xff': 'an image',
    b'gif8': 'an image',
    b'\x1f\x8b\x08': 'a gzip archive; unpack it',
    b'7z\xbc\xaf': 'a 7z archive; unpack it',
    b'%pdf': 'a PDF document',
    b'\x89hdf': 'an HDF5 file, as Keras writes',
    b'\x7felf': 'a program',
}


def read_checkpoint(
    path: str, map_location='cpu', unpickle: bool = False, mapped: bool = False
) -> dict:
    """A checkpoint with its weights under 'state_dict'.

    Nothing in the file is executed: it is read with ``weights_only``. Read
    are files of torch and of safetensors; weights that stand under 'model', as
    in those of torchvision's own training, are taken from there.

    Args:
        path: The file.
        map_location: Device of the tensors.
        unpickle: Run what the file says where it is more than data. Only for
            a file whose maker you trust.
        mapped: Whether weights may stay in the file, of which they are read as
            they are used: for a caller that copies them at once.

    Raises:
        UserError: If the file is missing, damaged, no checkpoint, or would
            have to be unpickled.
    """
    path = str(path)
    check_file(path)
    if reason := _what_else(path):
        raise UserError(f'{path} is no checkpoint: {reason}')
    if path.endswith('.safetensors'):
        checkpoint = _read_safetensors(path)
    else:
        checkpoint = _read_torch(path, map_location, unpickle, mapped)
    for key in ('state_dict', 'model', None):
        weights = (
            checkpoint
            if key is None
            else (isinstance(checkpoint, Mapping) and checkpoint.get(key))
        )
        if isinstance(weights, Mapping) and all(
            isinstance(k, str) and isinstance(v, Tensor) for k, v in weights.items()
        ):
            rest = {} if key is None else checkpoint
            return {**rest, 'state_dict': weights}
    raise UserError(f'{path} holds no weights by name')


def check_file(path: str) -> None:
    """Look whether there is a file.

    Raises:
        UserError: If not.
    """
    if osp.isdir(path):
        raise UserError(f'{path} is a folder; give a checkpoint in it')
    if not osp.isfile(path):
        raise UserError(f'there is no checkpoint {path}')


def _read_torch(path: str, map_location, unpickle: bool, mapped: bool):
    try:
        with open(path, 'rb') as file:  # older files cannot be mapped
            mapped = mapped and file.read(4) == b'PK\x03\x04'
        with torch.serialization.safe_globals(SAFE_TYPES), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # on the form of older files
            checkpoint = torch.load(path, map_location, weights_only=True, mmap=mapped)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # torch does not look at them
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(f'the checksum of {damaged} is wrong')
        return checkpoint
    except Exception as error:  # damaged bytes may raise anything
        if unpickle and isinstance(error, pickle.UnpicklingError):
            return torch.load(path, map_location, weights_only=False)
        if code := _code_in(error):
            raise UserError(
                f'{path} is not read, because that would run code: it asks for '
                f'{code}. Give a file of weights alone; if you made this one, '
                'unpickle=True of create_model and of projects.Pretrained reads it'
            ) from error
        if isinstance(error, MemoryError) or 'CUDA' in str(error):
            raise
        lines = str(error).strip().splitlines() or ['it ends early']
        reason = lines[0].partition('. Please')[0].partition('WeightsUnpickler error: ')
        reason = reason[2] or ('its content breaks off' if reason[1] else reason[0])
        if 'Weights only load failed' in reason:
            reason = 'its content cannot be decoded'
        raise UserError(
            f'{path} is damaged or no checkpoint: {reason}; copy or make it again, or '
            'use another'
        ) from error


def _code_in(error: Exception) -> str:
    """The function or class that a checkpoint wants called, by torch's message."""
    for start in ('Unsupported global: GLOBAL ', 'Unsupported class ', 'it asks for '):
        _, found, rest = str(error).partition(start)
        if found:
            return rest.split(' was not ')[0].splitlines()[0][:100]
    return ''


def _what_else(path: str) -> str:
    """What a file is, where that is seen at its beginning, and is no checkpoint."""
    try:
        with open(path, 'rb') as file:
            start = file.read(1024)
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}') from error
    if not start:
        return 'the file is empty'
    for beginning, kind in KINDS.items():
        if start.lstrip().lower().startswith(beginning):
            return f'it is {kind}'
    if not start.strip(b'\0'):
        return 'it begins with zeros, as a download that was cut short; fetch it again'
    is_bmp = start[:2] == b'BM' and start[6:10] == bytes(4)
    if is_bmp or (start[:4] == b'RIFF' and start[8:12] == b'WEBP'):
        return 'it is an image'
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if not any(name.endswith('data.pkl') for name in archive.namelist()):
                    return 'it is a zip archive of other things; unpack it'
            return ''
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError):
        return ''  # torch says how it is damaged
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # more than a character that is cut
            return ''
        text = start[: error.start].decode()
    if text.isprintable() or all(c.isprintable() or c.isspace() for c in text):
        line = text.strip().splitlines()[0][:50] if text.strip() else ''
        return f'it is a text that begins with {line!r}'
    return ''


def _read_safetensors(path: str):
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(
            f'{path} needs the package safetensors: pip install safetensors'
        ) from error
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f'{path} is damaged or no checkpoint: {error}; copy '
            'or make it again, or use another'
        ) from error
