"""Variables at the top of a config that are passed on to its data.

A variable of a base that a child changes reaches nothing in MMEngine: the base has
used its value before. Of these names the new value is passed on by
:func:`projects.core.datasets.own_data.take_own_data`.
"""

import copy
from typing import Any

from mmengine.config import Config

SPLITS = ('train', 'val', 'test')
PASSED_ON = ('data_root', 'classes', *SPLITS)


def state_of(cfg: dict) -> dict[str, Any]:
    """The variables as a config has them."""
    return {key: cfg[key] for key in PASSED_ON if key in cfg}


def data_of(cfg: dict) -> dict[str, Any]:
    """A copy of the variables and of what they are passed on to."""
    keys = [f'{s}_{kind}' for s in SPLITS for kind in ('dataloader', 'evaluator')]
    return {k: copy.deepcopy(cfg[k]) for k in (*PASSED_ON, *keys) if k in cfg}


def base_of(cfg: dict, file: str, state: dict[str, Any]) -> dict | None:
    """What a config was made of before its variables had their values.

    Args:
        cfg: The config in ``file``.
        file: Its path; its bases are looked at where it has the values already.
        state: The values, as :func:`state_of` gives them.

    Returns:
        dict: None if no base has other values, so that there is nothing to pass on.
    """
    if state_of(cfg) != state:
        return cfg
    base: dict[str, Any] = {}
    for name in Config._get_base_files(file):
        path = str(Config._get_cfg_path(name, file)[0])
        content = Config.fromfile(path)._cfg_dict
        base.update(base_of(content, path, state) or {})
    return base or None
