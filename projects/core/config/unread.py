"""Keys of a model's config that no source reads."""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.config.walk import type_name, walk
from projects.core.errors import UserError, close_names, did_you_mean
from projects.registry import MODELS

# of which any module may read what a model passes on
LIBRARIES = ('mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'projects')
# what is in these is named by the user: parts of a network, classes, keys of a file
FREE = {'custom_keys', 'key_mapping', 'metainfo', 'override', 'rename'}
IDENTIFIER = re.compile(r'[A-Za-z_]\w*')


def unread_keys(cfg: Config) -> list[str]:
    """Look for keys below ``model`` whose word is in no source that could read it.

    Constructors refuse a key that they do not know; what stands in a dict that they
    keep, such as ``test_cfg``, nobody does. Of such a key the word must occur in the
    sources of the libraries or of the packages of the model's classes.

    Args:
        cfg: The config; the classes that it names are imported.

    Returns:
        A notice of each key without a close name.

    Raises:
        UserError: If such a key is like one that the classes of the model read.
    """
    model = cfg._cfg_dict.to_dict().get('model') or {}
    keys = dict(_free_keys(model, 'model'))
    classes = list(_classes(model, cfg.get('default_scope')))
    if type_name(model) not in {cls.__name__ for cls in classes}:
        return []  # not found, or one that stands in for what is not installed
    near = _words(_files_of(classes))
    unknown = {path: key for path, key in keys.items() if key not in near}
    if not unknown:
        return []
    everywhere = _words(_files_of_packages(classes))
    notices = []
    for path, key in unknown.items():
        if key in everywhere:
            continue
        message = f"{cfg.filename}: {path}: nothing reads the key '{key}'"
        for names, cutoff in ((near, 0.8), (everywhere, 0.88)):
            if close_names(key, names, cutoff):
                raise UserError(message + did_you_mean(key, names, cutoff))
        notices.append(message)
    return notices


def _free_keys(node: Any, path: str) -> Iterator[tuple[str, str]]:
    for entry in walk(node, path):
        names = entry.path.split('.')
        if (
            isinstance(entry.parent, dict)
            and isinstance(entry.key, str)
            and IDENTIFIER.fullmatch(entry.key)
            and not FREE.intersection(names[:-1])
        ):
            yield entry.path, entry.key


def _classes(model: Any, scope: str | None) -> Iterator[type]:
    """Those that a model's config names, as far as they are found."""
    types = {e.value for e in walk({'model': model}) if e.key == 'type'}
    with DefaultScope.overwrite_default_scope(scope):
        for type_ in types:
            if isinstance(type_, str):
                name = f'{scope}.{type_}' if scope and '.' not in type_ else type_
                try:
                    type_ = MODELS.get(name)
                except Exception:  # no model; building says what is wrong with it
                    continue
            if inspect.isclass(type_):
                yield type_


def _files_of(classes: Iterable[type]) -> frozenset[str]:
    """Sources of classes and of their bases."""
    modules = {base.__module__ for cls in classes for base in cls.__mro__}
    return frozenset(filter(None, (_file(sys.modules.get(m)) for m in modules)))


def _files_of_packages(classes: Iterable[type]) -> frozenset[str]:
    """All sources that are loaded of the libraries, and of the classes' packages."""
    packages = {cls.__module__.partition('.')[0] for cls in classes}
    packages.update(LIBRARIES)
    packages.discard('torch')  # its layers take arguments alone
    return frozenset(
        filter(
            None,
            (
                _file(module)
                for name, module in list(sys.modules.items())
                if name.partition('.')[0] in packages
            ),
        )
    )


def _file(module) -> str | None:
    file = getattr(module, '__file__', None)
    return file if isinstance(file, str) and Path(file).is_file() else None


@cache
def _words_of_file(file: str) -> frozenset[str]:
    text = Path(file).read_text(encoding='utf-8', errors='replace')
    return frozenset(IDENTIFIER.findall(text))


def _words(files: Iterable[str]) -> set[str]:
    return set().union(*map(_words_of_file, files))
