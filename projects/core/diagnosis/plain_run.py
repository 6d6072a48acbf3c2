"""A config of a training without all that is not the model, its loss and its data."""

import inspect

import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS as ANY_SCHEDULERS
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.config import optim_wrappers_of, walk
from projects.core.config.walk import type_name

VALIDATIONS = 40  # at most
# of the config's own, what the run needs; all others change the model or write
KEPT_HOOKS = ('SeedHook', 'NonFiniteLossHook', 'ChannelsLastHook')
AUGMENTS = ('augments', 'batch_augments')
DROPPED = ('drop', 'drop_path', 'drop_prob', 'dropout', 'stochastic_depth_prob')
EPOCH = 100  # iterations, where a schedule counts epochs
MOST_STEPS = 20_000  # of a schedule that are looked at


def switch_off(cfg: Config, steps: int, own_hooks: list[str]) -> list[str]:
    """Leave nothing but the model, its loss and a constant rate; what is left out."""
    off = ['augmentation (the pipeline is that of the validation)']
    for entry in list(walk(cfg.model, 'model')):
        if entry.key in AUGMENTS and entry.value:
            entry.parent[entry.key] = None
            off.append(f'{entry.path}')
    rates = []
    for wrapper in optim_wrappers_of(cfg).values():
        optimizer = wrapper['optimizer']
        class_ = getattr(torch.optim, str(optimizer.get('type')), None)
        if optimizer.get('weight_decay') or (
            class_ and 'weight_decay' in inspect.signature(class_).parameters
        ):
            optimizer['weight_decay'] = 0.0
            off.append('weight decay')
        if wrapper.pop('accumulative_counts', 1) > 1:
            off.append('accumulation of gradients')
        if optimizer.get('lr') is not None:
            optimizer['lr'] = peak_rate(cfg, optimizer['lr'])
            rates.append(optimizer['lr'])
    if cfg.get('param_scheduler'):
        off.append('the schedule')
    cfg.param_scheduler, cfg.auto_scale_lr = [], None
    hooks = cfg.get('custom_hooks') or []
    kept = [h for h in hooks if type_name(h) in KEPT_HOOKS]
    off += [n for h in hooks if h not in kept and (n := type_name(h)) in own_hooks]
    cfg.custom_hooks = kept
    interval = max(1, min(25, steps // VALIDATIONS))
    cfg.train_cfg = dict(by_epoch=False, max_iters=steps, val_interval=interval)
    cfg.default_hooks = dict(
        logger=dict(
            type='projects.LoggerHook', interval=interval, log_metric_by_epoch=False
        ),
        checkpoint=dict(type='CheckpointHook', interval=-1, save_last=False),
    )
    cfg.log_processor = dict(by_epoch=False)
    cfg.val_cfg = cfg.get('val_cfg') or {}
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    cfg.resume = False
    shown = ', '.join(f'{lr:.3g}' for lr in rates)
    return [*dict.fromkeys(off), f'any change of the learning rate ({shown})']


def without_dropout(model: nn.Module) -> int:
    """Set all probabilities of dropout to 0; of how many modules."""
    changed = 0
    for module in model.modules():
        names = [
            name
            for name, value in vars(module).items()
            if isinstance(value, float)
            and value > 0
            and (
                name in DROPPED
                or (name == 'p' and 'drop' in type(module).__name__.lower())
                or (name == 'p' and 'Depth' in type(module).__name__)
            )
        ]
        for name in names:
            setattr(module, name, 0.0)
        changed += bool(names)
    return changed


def peak_rate(cfg: Config, lr: float) -> float:
    """The highest learning rate of a config's schedule, which may multiply ``lr``.

    ``lr`` itself where the schedule cannot be followed.
    """
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)
    schedule = cfg.get('param_scheduler') or []
    settings = [schedule] if isinstance(schedule, dict) else schedule
    train = cfg.get('train_cfg') or {}
    length = train.get('max_iters') or EPOCH * (train.get('max_epochs') or 1)
    try:
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
            schedulers = [_scheduler(dict(s), optimizer) for s in settings]
        peak = optimizer.param_groups[0]['lr'] if schedulers else lr
        for iteration in range(1, min(length, MOST_STEPS) + 1):
            optimizer.step()
            for scheduler in schedulers:
                if not scheduler.by_epoch or iteration % EPOCH == 0:
                    scheduler.step()
            peak = max(peak, optimizer.param_groups[0]['lr'])
        return peak
    except Exception:  # as of one that follows a metric
        return lr


def _scheduler(settings: dict, optimizer):
    if settings.pop('convert_to_iter_based', False):
        class_ = ANY_SCHEDULERS.get(settings.pop('type'))
        return class_.build_iter_from_epoch(
            optimizer=optimizer, **settings, epoch_length=EPOCH
        )
    return ANY_SCHEDULERS.build(settings, default_args=dict(optimizer=optimizer))
