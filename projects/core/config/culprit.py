"""Which entry of a config a traceback is about."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from mmengine.runner import BaseLoop, Runner, TestLoop, ValLoop

from projects.core.config.walk import type_name, walk

# the runner's methods that use one entry each; what they build, a registry does
METHODS = {
    '_check_scheduler_cfg': 'param_scheduler',
    'build_evaluator': 'val_evaluator',
    'build_log_processor': 'log_processor',
    'build_logger': 'log_level',
    'build_optim_wrapper': 'optim_wrapper',
    'build_param_scheduler': 'param_scheduler',
    'build_test_loop': 'test_cfg',
    'build_train_loop': 'train_cfg',
    'build_val_loop': 'val_cfg',
    'build_visualizer': 'visualizer',
    'load_or_resume': 'load_from',
    'register_custom_hooks': 'custom_hooks',
    'register_default_hooks': 'default_hooks',
    'scale_lr': 'auto_scale_lr',
    'set_randomness': 'randomness',
    'setup_env': 'env_cfg',
}
# as torch passes on the traceback of a data loader's worker
WORKER_LINE = re.compile(r'^  File "(.+)", line (\d+), in ', re.M)


def is_under_way(frames: list[FrameType]) -> bool:
    """Whether a run had done its first step, or its first validation, by then."""
    loops = [
        frame.f_locals['self']
        for frame in frames
        if isinstance(frame.f_locals.get('self'), BaseLoop)
    ]
    runners = [v for f in frames for v in f.f_locals.values() if isinstance(v, Runner)]
    if not runners:
        return False
    runner = runners[-1]
    if loops and isinstance(loops[-1], (TestLoop, ValLoop)):
        split = 'val' if isinstance(loops[-1], ValLoop) else 'test'
        scores = {key for key in runner.message_hub.log_scalars if f'{split}/' in key}
        return bool(scores - {f'{split}/time', f'{split}/data_time'})
    loop, hooks = getattr(runner, '_train_loop', None), getattr(runner, '_hooks', [])
    # where the run began: a resumed one does not begin at 0
    start = [hook.start_iter for hook in hooks if hasattr(hook, 'start_iter')] or [0]
    return isinstance(loop, BaseLoop) and loop.iter > start[0]


def culprit(config: dict, frames: list[FrameType], error: Exception) -> str | None:
    """Path of the entry that was being built or used when an error was raised.

    Args:
        config: The config as plain dicts and lists.
        frames: Those of the traceback, the outermost first.
        error: The error, for what the worker of a data loader says in it.
    """
    found: set[str] = set()
    places = [_used_in_worker(config, str(error))]
    places += [_used_in(config, frame) for frame in reversed(frames)]
    for paths in filter(None, places):
        if not found:
            found = paths
        else:  # a frame further out tells which of several like ones it is
            found = {
                path for path in found if any(_within(path, outer) for outer in paths)
            } or found
        if len(found) == 1:
            break
    phase = _phase(frames)
    return (
        min(found, key=lambda p: (not p.startswith(phase), _order(config, p)))
        if (found)
        else None
    )


def _order(config: dict, path: str) -> tuple:
    """Shallow entries first, then as they stand in the config."""
    return path.count('.'), list(config).index(path.partition('.')[0])


def _within(path: str, other: str) -> bool:
    return f'{path}.'.startswith(f'{other}.') or f'{other}.'.startswith(f'{path}.')


def _phase(frames: list[FrameType]) -> str:
    for frame in frames:
        loop = frame.f_locals.get('self')
        if isinstance(loop, ValLoop) or frame.f_code.co_name == 'build_val_loop':
            return 'val'
        if isinstance(loop, TestLoop) or frame.f_code.co_name == 'build_test_loop':
            return 'test'
    return 'train'


def _used_in(config: dict, frame: FrameType) -> set[str]:
    """Entries that a frame builds or is a method of."""
    variables = frame.f_locals
    name, self = frame.f_code.co_name, variables.get('self')
    if name == 'build_from_cfg':
        return _equal_entries(config, variables.get('cfg'))
    if name == 'build_dataloader':  # it takes the settings apart
        settings = variables.get('dataloader')
        dataset = settings.get('dataset') if isinstance(settings, dict) else None
        return {p.rpartition('.')[0] for p in _equal_entries(config, dataset)}
    if isinstance(self, Runner):
        if name in METHODS and METHODS[name] in config:
            return {METHODS[name]}
        if name in ('__init__', 'from_cfg'):
            return set()  # it holds them all
    elif self is not None and (paths := _entries_of_type(config, type(self).__name__)):
        return paths
    candidates = [
        _equal_entries(config, value)
        for value in list(variables.values())
        if isinstance(value, dict)
    ]
    paths = set().union(*candidates)
    shallow = min((p.count('.') for p in paths), default=0)
    return {p for p in paths if p.count('.') == shallow}


def _used_in_worker(config: dict, text: str) -> set[str]:
    """Entries of the class that a data loader's worker was in at last."""
    for file, line in reversed(WORKER_LINE.findall(text)):
        paths = _entries_of_type(config, _class_at(file, int(line)))
        paths = {p for p in paths if '_dataloader.' in f'{p}.'}
        if paths:
            return paths
    return set()


@cache
def _class_at(file: str, line: int) -> str | None:
    """Name of the class that a line of a source file is in."""
    try:
        tree = ast.parse(Path(file).read_text(encoding='utf-8'))
    except (OSError, ValueError, SyntaxError):
        return None
    classes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.lineno <= line <= node.end_lineno
    ]
    return classes[-1].name if classes else None


def _entries_of_type(config: dict, name: str | None) -> set[str]:
    return {
        entry.path.rpartition('.')[0]
        for entry in walk(config)
        if entry.key == 'type' and '.' in entry.path and type_name(entry.parent) == name
    }


def _equal_entries(config: dict, value: Any) -> set[str]:
    """Entries that are equal to a dict, or to what it was before it was added to."""
    if not isinstance(value, dict) or not value:
        return set()
    # plainly: mmengine's dicts compare as copies of themselves
    value = dict(dict.items(value))
    dicts = [e for e in _dicts(config) if e.value and e.value.keys() <= value.keys()]
    equal = {e.path for e in dicts if len(e.value) == len(value) and _same(e, value)}
    return equal or {e.path for e in dicts if 'type' in e.value and _same(e, value)}


def _dicts(config: dict) -> Iterator:
    return (entry for entry in walk(config) if isinstance(entry.value, dict))


def _same(entry, value: dict) -> bool:
    try:
        return all(bool(value[k] == v) for k, v in entry.value.items())
    except Exception:  # an array does not say in a word whether it is equal
        return False
