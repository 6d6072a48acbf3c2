"""What a config sets over its bases."""

from typing import Any

from mmengine.config import Config

from projects.core.config.find import find_config
from projects.core.errors import one_line

LENGTH = 200  # of a value's text, at most
_ABSENT = object()


def overrides_of(cfg: Config, path: str) -> list[dict[str, Any]]:
    """What a config, with the options over it, sets otherwise than its ``_base_``.

    Of a config without bases it is what the options set.

    Args:
        cfg: As :func:`projects.core.config.load_config` returns it.
        path: The config, as given to that function.

    Returns:
        list: ``key``, with dots, ``base`` and ``value`` of each setting that differs,
        by their keys. Values are texts as Python writes them, lists whole, cut to
        ``LENGTH`` letters. ``base`` is None where the key is new, ``value`` where it
        is left out.
    """
    try:
        base = base_of(str(find_config(path)))
    except Exception:  # what is for the reader must not keep a run from starting
        return []
    old, new = _leaves(base), _leaves(cfg._cfg_dict)
    # a dict in place of None, or the reverse, is told by its settings alone
    within = {key[:i] for key in (*old, *new) for i, c in enumerate(key) if c == '.'}
    return [
        dict(key=key, base=_text(old, key), value=_text(new, key))
        for key in sorted(old.keys() | new.keys())
        if repr(old.get(key, _ABSENT)) != repr(new.get(key, _ABSENT))
        and not (key in within and (key not in old or key not in new))
    ]


def base_of(file: str) -> dict[str, Any]:
    """Settings of a config's bases together, its own where it has none."""
    bases = Config._get_base_files(file)
    base: dict[str, Any] = {}
    for name in bases:
        base.update(Config.fromfile(Config._get_cfg_path(name, file)[0])._cfg_dict)
    return base if bases else Config.fromfile(file)._cfg_dict


def _leaves(node: dict, prefix: str = '') -> dict[str, Any]:
    """Values that are no dicts, or empty ones, by their keys with dots."""
    leaves = {}
    for key, value in node.items():
        if key == '_scope_':  # of mmengine, where a base is of another library
            continue
        if isinstance(value, dict) and value:
            leaves.update(_leaves(value, f'{prefix}{key}.'))
        else:
            leaves[f'{prefix}{key}'] = value
    return leaves


def _text(leaves: dict[str, Any], key: str) -> str | None:
    return one_line(repr(leaves[key]), LENGTH) if key in leaves else None
