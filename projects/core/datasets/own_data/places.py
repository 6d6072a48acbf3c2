"""Where the parts of a data set of one's own lie, as far as its owner says so."""

import os
import os.path as osp
from collections.abc import Iterator
from typing import NamedTuple

from projects.core.errors import UserError, did_you_mean, listed

# names of files and folders that stand for a split, the usual one first
WORDS = dict(
    train=('train', 'training'),
    val=('val', 'valid', 'validation'),
    test=('test', 'testing'),
)
LISTS = ('.json', '.txt')  # an annotation file; else it is a folder


class Place(NamedTuple):
    """Annotation file and image folder of a split below ``data_root``.

    None where the owner leaves it to be found.
    """

    ann_file: str | None = None
    img: str | None = None


def place_of(value, split: str) -> Place:
    """What ``train``, ``val`` or ``test`` at the top of a config says.

    Args:
        value: ``dict(ann_file=..., img=...)``, or one of the two as text.

    Raises:
        UserError: If it is neither.
    """
    example = f"{split}=dict(ann_file='{split}.json', img='images/')"
    if isinstance(value, str) and value.strip():
        is_list = value.lower().endswith(LISTS)
        return Place(ann_file=value) if is_list else Place(img=value)
    if not isinstance(value, dict):
        raise UserError(
            f'{split} = {value!r} in the config: it says where the data lie below '
            f"data_root; write {example}, or the folder alone, {split}='{split}/'"
        )
    for key, path in value.items():
        if key not in Place._fields:
            raise UserError(
                f"{split}.{key} in the config: nothing reads the key '{key}'"
                + (did_you_mean(key, Place._fields) or f'; write {example}')
            )
        if path is not None and not isinstance(path, str):
            raise UserError(
                f'{split}.{key} = {path!r} in the config: it must be a path, as text'
            )
    return Place(**value)


def place_in(dataset: dict) -> Place:
    """What a data set of a config says of its place."""
    prefix = dataset.get('data_prefix')
    if isinstance(prefix, dict):
        prefix = prefix.get('img', prefix.get('img_path'))
    values = (dataset.get('ann_file'), prefix)
    return Place(*(v if isinstance(v, str) and v else None for v in values))


def check_root(data_root) -> None:
    """Refuse what is no folder, with what is there.

    Raises:
        UserError: If it is none.
    """
    from projects.core.datasets.files import what_is_there

    if not isinstance(data_root, str) or not data_root.strip():
        raise UserError(
            f'data_root = {data_root!r} in the config: it must be a folder, as text'
        )
    if not osp.isdir(data_root):
        found = (
            'is a file, not a folder'
            if osp.isfile(data_root)
            else what_is_there(data_root, '')
        )
        raise UserError(f'data_root = {data_root!r} in the config: {found}')


def entries_below(root: str, depth: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folder below ``root`` ('' for itself), its folders and its files, the shallow
    ones first and by name; hidden ones are left out.

    Args:
        depth: Levels of folders below ``root`` that are looked into.
    """
    level = ['']
    for _ in range(depth + 1):
        below = []
        for folder in level:
            try:
                found = [
                    e
                    for e in os.scandir(osp.join(root, folder))
                    if not e.name.startswith('.')
                ]
            except OSError:  # one that is closed to us holds none of the data
                continue
            folders = sorted(e.name for e in found if e.is_dir())
            yield folder, folders, sorted(e.name for e in found if not e.is_dir())
            below += [osp.join(folder, name) for name in folders]
        level = below


def there(root: str) -> str:
    """What lies in a folder, in words: folders end in '/'."""
    _, folders, files = next(entries_below(root, 0))
    return f'{root} holds {listed([f"{f}/" for f in folders] + files, 8)}'
