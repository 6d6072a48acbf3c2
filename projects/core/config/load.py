"""Reading a config, and finding misspelt keys in it."""

import ast
import inspect

from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from projects.core import imports
from projects.core.config.find import find_config
from projects.core.config.walk import values_of
from projects.core.errors import UserError, close_names, did_you_mean

# what a Runner, or a task, reads of a config besides the constructor's arguments
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) | {
    'activation_checkpointing',
    'channels_last',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'fold_batch_norm',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
}


def load_config(path: str, cfg_options: list[str] | None = None) -> Config:
    """Read a config, merge ``key.sub=value`` options, look for misspellings.

    Raises:
        UserError: If the file is missing or malformed, an option is none, or
            a key is one letter or two from a known one.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file)
    except SyntaxError as error:
        raise UserError(f'{path}, line {error.lineno}: {error.msg}') from error
    except Exception as error:  # a config is a program: it may raise anything
        raise UserError(
            f'{path} cannot be read as a config: {type(error).__name__}: {error}'
        ) from error
    for option in cfg_options or []:
        key, separator, value = option.partition('=')
        if not separator:
            raise UserError(
                f'--cfg-options {option}: expected key=value, '
                'as in model.bbox_head.num_classes=20'
            )
        _check_option(cfg, key)
        try:
            cfg.merge_from_dict({key: _literal(value)})
        except (KeyError, TypeError, IndexError, AssertionError) as error:
            raise UserError(f'--cfg-options {option}: {error}') from error
    for key in cfg:
        if key not in RUNNER_KEYS and close_names(key, RUNNER_KEYS, 0.85):
            raise UserError(
                f"{path}: nothing reads the key '{key}'"
                + did_you_mean(key, RUNNER_KEYS)
            )
    _check_checkpoint_hook(path, cfg)
    types = values_of(cfg._cfg_dict, 'type')
    imports.allow_for({t for t in types if isinstance(t, str)})
    return cfg


def _check_checkpoint_hook(path: str, cfg: Config) -> None:
    """Refuse misspelt settings, which it passes on and misses an epoch later."""
    known = (
        set(inspect.signature(Runner.save_checkpoint).parameters)
        | set(inspect.signature(CheckpointHook).parameters)
        | {'type', 'priority'}
    )
    hook = cfg.get('default_hooks', {}).get('checkpoint') or {}
    for key in hook:
        type_ = str(hook.get('type')).removeprefix('projects.')
        if type_ == 'CheckpointHook' and key not in known:
            raise UserError(
                f'{path}: default_hooks.checkpoint.{key}: '
                f"CheckpointHook takes no '{key}'" + did_you_mean(key, known)
            )


def _literal(value: str):
    """A Python value where the text is one, else the text."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return {'true': True, 'false': False}.get(value.lower(), value)


def _check_option(cfg: Config, key: str) -> None:
    """Refuse an option whose key is new and like one that is there."""
    node, names = cfg._cfg_dict, key.split('.')
    for depth, name in enumerate(names):
        if isinstance(node, (list, tuple)) and name.isdigit():
            if int(name) >= len(node):
                raise UserError(
                    f'--cfg-options {key}: the list '
                    f"'{'.'.join(names[:depth])}' has "
                    f'{len(node)} entries'
                )
            node = node[int(name)]
            continue
        if not isinstance(node, dict):
            return  # merge_from_dict says what is wrong
        if name not in node:
            known = set(node) | (set(RUNNER_KEYS) if depth == 0 else set())
            if name not in known and (depth == 0 or close_names(name, known, 0.8)):
                raise UserError(
                    f"--cfg-options {key}: there is no '{name}'"
                    + (
                        f" in '{'.'.join(names[:depth])}'"
                        if depth
                        else ' in the config'
                    )
                    + did_you_mean(name, known)
                )
            return
        node = node[name]
