"""Checksums of what data sets hold: the same data have the same, wherever they lie."""

import hashlib
import json
import os.path as osp
import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset, IterableDataset

ROWS = 1_000  # samples that are encoded at once


def checksum(dataset: Dataset) -> str | None:
    """SHA-256 of what a data set holds, without what a pipeline makes of it.

    It does not depend on the machine, nor on the folder:

    - of an annotation file in JSON, as of COCO, the file, byte by byte, the classes
      that are asked for and the number of samples; not the image files;
    - of other data sets of mmengine's kind each sample's annotations, with the paths
      as they are below the set's folders, and its image where that is in memory
      (MNIST, CIFAR, digits); not the image files;
    - of a data set with a method ``content()`` what that returns: arrays, tensors,
      texts, numbers, and lists, tuples and dicts of them;
    - of a data set around others (``dataset``, ``datasets``), theirs, and the
      ``indices`` that it takes of them.

    It takes 0.4 s for a JSON file of 500 MB, that of COCO's 118,000 images, which was
    read just before, and 1.5 s for a million images in folders.

    Returns:
        str: 64 hexadecimal digits; None of a stream, or of another kind.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(dataset):
            digest.update(part)
    except (_Unknown, TypeError):  # what JSON has no form for
        return None
    return digest.hexdigest()


class _Unknown(Exception):
    """What the data set holds cannot be told."""


def _parts(dataset: Any) -> Iterator[bytes]:
    if isinstance(dataset, IterableDataset):
        raise _Unknown
    if hasattr(dataset, 'content'):
        yield from _encoded([dataset.content()])
    elif isinstance(dataset, BaseDataset):
        yield from _parts_of_annotations(dataset)
    elif inner := _inner(dataset):
        indices = getattr(dataset, 'indices', None)
        if indices is not None:
            yield from _encoded([indices])
        for one in inner:
            # each by its own sum, or two would be one that is as long
            part = checksum(one)
            if part is None:
                raise _Unknown
            yield part.encode()
    else:
        raise _Unknown


def _inner(dataset: Any) -> list:
    inner = list(getattr(dataset, 'datasets', None) or [])
    return inner or [d for d in [getattr(dataset, 'dataset', None)] if d is not None]


def _parts_of_annotations(dataset: BaseDataset) -> Iterator[bytes]:
    dataset.full_init()
    yield from _encoded([dataset.metainfo.get('classes'), len(dataset)])
    file = str(dataset.ann_file or '')
    if file.endswith('.json') and osp.isfile(file):
        with open(file, 'rb') as opened:
            while block := opened.read(1 << 20):
                yield block
        return
    prefixes = dataset.data_prefix
    roots = [
        dataset.data_root,
        *(prefixes if isinstance(prefixes, dict) else {}).values(),
    ]
    roots = sorted({str(r) for r in roots if r}, key=len, reverse=True)
    for part in _encoded(_samples(dataset)):
        for root in roots:
            # as JSON has it, where a text begins
            begin = json.dumps(root.rstrip('/\\'))[:-1].encode()
            part = part.replace(begin + b'/', b'"').replace(begin + b'\\\\', b'"')
        yield part


def _samples(dataset: BaseDataset) -> Iterator[Any]:
    if not (dataset.serialize_data and hasattr(dataset, 'data_bytes')):
        yield from dataset.data_list
        return
    # as get_data_info, in a tenth of the time
    data, start = memoryview(dataset.data_bytes), 0
    for end in dataset.data_address.tolist():
        yield pickle.loads(data[start:end])
        start = end


def _encoded(values: Iterable[Any]) -> Iterator[bytes]:
    """Values as JSON, some at a time; of arrays their checksums."""
    values = iter(values)
    encoder = json.JSONEncoder(default=_plain, sort_keys=True)
    while rows := [row for _, row in zip(range(ROWS), values, strict=False)]:
        yield encoder.encode(rows).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.numpy(force=True)
    if isinstance(value, np.ndarray) and value.dtype != object:
        data = hashlib.sha256(np.ascontiguousarray(value)).hexdigest()
        return [str(value.dtype), list(value.shape), data]
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (bytes, bytearray)):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, (set, frozenset, range)):
        return sorted(value)
    raise _Unknown
