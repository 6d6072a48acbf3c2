"""What the values of a config may be, and which keys are read where that is known."""

import inspect
import re
from collections.abc import Iterable

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from projects.core.config.walk import walk
from projects.core.errors import UserError, close_names, did_you_mean, listed
from projects.core.values import (
    FLAG,
    SEED,
    TEXT,
    Rule,
    above,
    either,
    number,
    of_type,
    optional,
    several,
    whole,
)

DICT = of_type('a dict', dict)
DICTS = several(DICT)
# by the key's path: `*` is a key or a part of one, `**` any number of keys
RULES: dict[str, Rule] = {
    'model': DICT,
    '(train|val|test)_dataloader': optional(DICTS),
    '(train|val|test)_cfg': optional(DICT),
    '(val|test)_evaluator': optional(DICTS),
    'optim_wrapper': optional(DICT),
    'param_scheduler': optional(DICTS),
    'default_hooks': optional(DICT),
    'default_hooks.*': optional(DICT),
    'custom_hooks': optional(of_type('a list', list, tuple)),
    'custom_hooks.*': DICT,
    'env_cfg': DICT,
    'env_cfg.(mp|dist)_cfg': DICT,
    'env_cfg.cudnn_benchmark': FLAG,
    'env_cfg.resource_limit': whole(1),
    'randomness': DICT,
    'log_processor': optional(DICT),
    'visualizer': optional(DICT),
    'auto_scale_lr': optional(DICT),
    'data_preprocessor': optional(DICT),
    '**.data_preprocessor.std.*': above(0),
    'compile': either(FLAG, DICT),
    'model_wrapper_cfg': optional(DICT),
    '(find_unused_parameters|efficient_conv_bn_eval)': optional(either(FLAG, DICT)),
    'default_scope': optional(TEXT),
    'experiment_name': optional(TEXT),
    'work_dir': optional(TEXT),
    'load_from': optional(TEXT),
    'launcher': TEXT,
    'resume': either(FLAG, TEXT),
    'log_level': either(TEXT, whole(0)),
    'randomness.seed': optional(SEED),
    'randomness.(deterministic|diff_rank_seed)': FLAG,
    'auto_scale_lr.enable': FLAG,
    'auto_scale_lr.base_batch_size': whole(1),
    '*_dataloader.batch_size': optional(whole(1)),
    # each is a process: thousands of them would stop the machine
    '*_dataloader.num_workers': whole(0, 256),
    '*_dataloader.prefetch_factor': optional(whole(1)),
    '*_dataloader.timeout': number(0),
    '*_dataloader.num_batch_per_epoch': optional(whole(1)),
    '*_dataloader.(persistent_workers|pin_memory|drop_last)': FLAG,
    '*_dataloader.dataset': DICT,
    '*_dataloader.(sampler|batch_sampler)': optional(DICT),
    '*_dataloader.**.pipeline': of_type('a list', list, tuple),
    'train_cfg.by_epoch': FLAG,
    'train_cfg.max_(epochs|iters)': whole(1),
    'train_cfg.val_interval': either(
        whole(1), Rule('1.0, 2.0, ...', lambda v: type(v) is float and v % 1 == 0 < v)
    ),
    'train_cfg.val_begin': whole(0),
    'train_cfg.dynamic_intervals': optional(of_type('a list', list, tuple)),
    '(val|test)_cfg.fp16': FLAG,
    'optim_wrapper.**.optimizer': DICT,
    'optim_wrapper.**.optimizer.lr': optional(number(0)),
    'optim_wrapper.**.optimizer.weight_decay': number(0),
    'optim_wrapper.**.optimizer.momentum': number(0),
    'optim_wrapper.**.accumulative_counts': whole(1),
    'optim_wrapper.**.clip_grad': optional(DICT),
    'optim_wrapper.**.clip_grad.max_norm': above(0),
    'optim_wrapper.**.paramwise_cfg': optional(DICT),
    'optim_wrapper.**.paramwise_cfg.*_mult': number(),
    'optim_wrapper.**.paramwise_cfg.custom_keys': DICT,
    'optim_wrapper.**.paramwise_cfg.custom_keys.**.*_mult': number(),
    'param_scheduler.**.(begin|by_epoch_begin)': whole(0),
    'param_scheduler.**.end': whole(1),
    'param_scheduler.**.by_epoch': FLAG,
    'param_scheduler.**.convert_to_iter_based': FLAG,
    'param_scheduler.**.(gamma|factor|start_factor|end_factor|power)': number(0),
    'param_scheduler.**.eta_min': optional(number(0)),
    'param_scheduler.**.eta_min_ratio': optional(number(0)),
    'param_scheduler.**.(T_max|step_size)': optional(whole(1)),
    'param_scheduler.**.milestones': of_type('a list', list, tuple),
    'param_scheduler.**.milestones.*': whole(0),
    'default_hooks.logger.interval': whole(1),
    'default_hooks.checkpoint.by_epoch': FLAG,
    'default_hooks.checkpoint.save_best': optional(several(TEXT)),
    'default_hooks.checkpoint.rule': optional(several(TEXT)),
    'default_hooks.checkpoint.save_last': FLAG,
    'log_processor.window_size': whole(1),
    'log_processor.by_epoch': FLAG,
    'model.**.num_classes': optional(whole(1)),
    '(val|test)_evaluator.**.topk': several(whole(1)),
    '**.type': Rule(
        'the name of a type',
        lambda v: callable(v) or (isinstance(v, str) and v.strip() != ''),
    ),
}
# where 0 and -1 have a meaning of their own, or one of them has none
RULES |= {
    'default_hooks.checkpoint.interval': Rule(
        'a whole number of at least 1, or -1 for none',
        lambda v: v == -1 or whole(1).fits(v),
    ),
    'default_hooks.checkpoint.max_keep_ckpts': Rule(
        'a whole number of at least 1, or -1 for all',
        lambda v: v == -1 or whole(1).fits(v),
    ),
}


def _compiled(pattern: str) -> re.Pattern:
    parts = (
        r'(?:\S+?\.)?' if part == '**' else part.replace('*', '[^.]*') + r'\.'
        for part in pattern.split('.')
    )
    return re.compile(''.join(parts))


PATTERNS = [(_compiled(pattern), rule) for pattern, rule in RULES.items()]


def _arguments(function) -> set[str]:
    return set(inspect.signature(function).parameters) - {'self'}


LOADER_KEYS = _arguments(DataLoader) | {'num_batch_per_epoch'}
# what mmengine reads of a dict and ignores all else, or passes on to a function
KNOWN_KEYS: dict[str, set[str]] = {
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': _arguments(set_multi_processing) - {'distributed'},
    'randomness': _arguments(Runner.set_randomness),
    'auto_scale_lr': {'base_batch_size', 'enable'},
    **{f'{split}_dataloader': LOADER_KEYS for split in ('train', 'val', 'test')},
}
PARAMWISE_KEYS = {
    'bias_decay_mult',
    'bias_lr_mult',
    'bypass_duplicate',
    'custom_keys',
    'dcn_offset_lr_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'norm_decay_mult',
}
# by constructor; one of another kind reads keys of its own
DEFAULT_CONSTRUCTOR = 'DefaultOptimWrapperConstructor'
KEYS_OF_CONSTRUCTOR = {
    DEFAULT_CONSTRUCTOR: PARAMWISE_KEYS,
    'projects.LayerDecayOptimWrapperConstructor': PARAMWISE_KEYS | {'layer_decay_rate'},
}
HOOK_NAMES = {
    'checkpoint',
    'logger',
    'param_scheduler',
    'runtime_info',
    'sampler_seed',
    'timer',
}


def check_values(config: dict, source: str) -> None:
    """Look at every value of which the meaning is known, before anything is built.

    Args:
        config: The config, or a part of one.
        source: Its file, for messages.

    Raises:
        UserError: On the first that has no meaning, with its path and what it
            may be.
    """
    for entry in walk(config):
        path = f'{entry.path}.'
        for pattern, rule in PATTERNS:
            if pattern.fullmatch(path) and (refusal := rule.refusal(entry.value)):
                raise UserError(f'{source}: {entry.path}: {refusal}')


def check_keys(config: dict, source: str) -> None:
    """Look for keys that mmengine does not read.

    Raises:
        UserError: On the first, with close names.
    """
    known = dict(KNOWN_KEYS)
    for entry in walk(config.get('optim_wrapper') or {}, 'optim_wrapper'):
        if entry.key == 'paramwise_cfg':
            constructor = entry.parent.get('constructor', DEFAULT_CONSTRUCTOR)
            known[entry.path] = KEYS_OF_CONSTRUCTOR.get(constructor)
    for entry in walk(config):
        names = known.get(entry.path)
        if names is None or not isinstance(entry.value, dict):
            continue
        for key in entry.value:
            if key not in names and not _is_mmengine_s(key):
                raise UserError(
                    f"{source}: {entry.path}.{key}: nothing reads the key '{key}'"
                    + (
                        _reader_of(key)
                        or did_you_mean(key, names)
                        or f'; there are {listed(sorted(names), 9)}'
                    )
                )
    hooks = config.get('default_hooks') or {}
    for name in hooks.keys() - HOOK_NAMES:
        _refuse_close(name, HOOK_NAMES, f'{source}: default_hooks.{name}')
    _check_checkpoint_hook(hooks.get('checkpoint') or {}, source)


def _reader_of(key: str) -> str:
    readers = [name for name, keys in KEYS_OF_CONSTRUCTOR.items() if key in keys]
    return f" but the constructor '{readers[0]}'" if len(readers) == 1 else ''


def _is_mmengine_s(key) -> bool:
    return str(key).startswith('_')  # as _scope_ and _delete_


def _refuse_close(name: str, names: Iterable[str], where: str) -> None:
    if close_names(name, names, 0.8):
        raise UserError(
            f"{where}: nothing reads the key '{name}'" + did_you_mean(name, names)
        )


def _check_checkpoint_hook(hook: dict, source: str) -> None:
    """Refuse misspelt settings, which it passes on and misses an epoch later."""
    if str(hook.get('type')).removeprefix('projects.') != 'CheckpointHook':
        return
    known = _arguments(Runner.save_checkpoint) | _arguments(CheckpointHook)
    for key in hook.keys() - known - {'type', 'priority'}:
        if _is_mmengine_s(key):
            continue
        raise UserError(
            f'{source}: default_hooks.checkpoint.{key}: '
            f"CheckpointHook takes no '{key}'" + did_you_mean(key, known)
        )
