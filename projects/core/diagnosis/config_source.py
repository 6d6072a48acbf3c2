"""A config that is looked at: its values, and where each was written."""

import copy
import os.path as osp
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from projects.core.config import explained
from projects.core.config.find import find_config, shown_path
from projects.core.config.load import load_config, read_config
from projects.core.config.saved import saved_config
from projects.core.config.trace import trace
from projects.core.config.written import Setting, Trace
from projects.core.engine.training import complete, set_up
from projects.core.errors import UserError
from projects.core.reports.differences import MISSING, settings_of
from projects.core.reports.runs import read_run
from projects.core.tasks.task import task_of
from projects.core.weights import read_checkpoint

Keys = tuple[str | int, ...]
ENGINE = 'set by the engine'
CHECKPOINTS = ('.pth', '.pt', '.safetensors')


@dataclass
class Source:
    """A config to print, and what is known of its values.

    Args:
        name: As the user gave it.
        cfg: As it runs.
        read: As it is read, before the engine completes it.
        traced: Where its values were written; None if that is not known.
        refusals: Why a run would not start.
        incomplete: Why the engine could not complete it here, if so.
        is_file: Whether it is the user's own file, which has run as a program.
    """

    name: str
    cfg: Config
    read: dict = field(default_factory=dict)
    traced: Trace | None = None
    refusals: list[str] = field(default_factory=list)
    incomplete: str = ''
    is_file: bool = False

    def label(self, keys: Keys) -> str:
        """Where a value comes from, in short; '' if that is not known."""
        value = value_at(self.cfg._cfg_dict, keys)
        if self.traced is None:
            return ''
        if repr(value_at(self.read, keys)) != repr(value):
            return ENGINE
        setting = self.traced.setting_of(keys)
        return place(setting.first) if setting is not None else ''


def read_source(path: str, cfg_options: list[str] | None = None) -> Source:
    """A config, the one in a checkpoint, or that of a run.

    Raises:
        UserError: If there is none.
    """
    if osp.isdir(path) or path.endswith(CHECKPOINTS):
        if cfg_options:
            raise UserError(f'--cfg-options are for configs, and {path} is none')
        if osp.isdir(path):
            settings = settings_of(read_run(path))
            if not settings:
                raise UserError(f'{path} holds no config that can be read')
            return Source(path, Config(settings))
        meta = read_checkpoint(path, mapped=True).get('meta')
        return Source(path, saved_config(meta if isinstance(meta, dict) else {}, path))
    file = str(find_config(path))
    cfg = read_config(path, cfg_options)
    read = copy.deepcopy(cfg._cfg_dict.to_dict())
    source = Source(path, cfg, read, is_file=True)
    try:
        source.traced = trace(file, cfg_options or ())
    except Exception:  # of the kind that imports its bases
        source.traced = None
    try:
        source.cfg = load_config(path, cfg_options)
    except UserError as error:
        source.refusals.append(str(error))
        return source
    try:
        if source.cfg.get('model') and source.cfg.get('train_cfg'):
            with explained(source.cfg):
                set_up(source.cfg, path, None, 'none')
                complete(source.cfg)
                task_of(source.cfg).prepare(source.cfg)
    except UserError as error:  # as of data that are not here
        source.incomplete = str(error)
    return source


def value_at(config: Any, keys: Keys) -> Any:
    """What stands at some keys; :data:`MISSING` if nothing does."""
    for key in keys:
        try:
            config = config[key]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return config


def place(setting: Setting) -> str:
    """'file:line' of what was written."""
    line = f':{setting.line}' if setting.line else ''
    return f'{shown_path(setting.file)}{line}'
