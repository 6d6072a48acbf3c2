"""What a config does that its writer may not have meant, and that a run can do."""

from collections.abc import Iterator

from mmengine.config import Config

from projects.core.config.find import find_config
from projects.core.config.load import RUNNER_KEYS
from projects.core.config.overrides import base_of
from projects.core.config.passed_on import check_passed_on
from projects.core.config.trace import trace
from projects.core.config.walk import type_name
from projects.core.errors import listed

# what lowers a rate up to its end, and leaves it there
DECAYS = ('CosineAnnealingLR', 'PolyLR', 'LinearLR')
SHORT = 0.8  # of a run: a decay that ends before leaves a part of it without one


def config_notices(
    cfg: Config, path: str, cfg_options: list[str] | None = None, training: bool = True
) -> list[str]:
    """Look for what is possible and seldom meant.

    Args:
        cfg: As :func:`projects.core.config.load_config` returns it.
        path: The config, as given to that function.
        cfg_options: The same.
        training: Whether the config is trained, not tested alone.

    Returns:
        Variables of which a part of the config keeps the former value, a test that
        does not follow a changed validation; of a training hooks of the base that a new
        list leaves out, and rates whose schedule ends long before or after the run.
    """
    file = str(find_config(path))
    notices = check_passed_on(cfg, file, cfg_options or (), RUNNER_KEYS)
    if training:
        notices += [*_lost_hooks(cfg, file), *_schedule(cfg)]
    return [f'{path}: {notice}' for notice in notices]


def _lost_hooks(cfg: Config, file: str) -> Iterator[str]:
    def names(config: dict) -> list[str]:
        hooks = config.get('custom_hooks') or []
        return [type_name(hook) for hook in hooks]

    try:
        base, hooks = names(base_of(file)), trace(file).nodes['custom_hooks']
    except Exception:  # a notice must not keep a run from starting
        return
    # a list that is made of the base's leaves out what it means to, as an empty one
    variables = [v for _, n in hooks.nodes() for v in n.setting.variables()]
    if not hooks.children or any(v.name == 'custom_hooks' for v in variables):
        return
    if lost := [name for name in base if name not in names(cfg)]:
        yield (
            f'custom_hooks replaces the list of its base and leaves out {listed(lost)}'
            '; custom_hooks = [*_base_.custom_hooks, ...] keeps what is there'
        )


def _schedule(cfg: Config) -> Iterator[str]:
    """Rates that change after the end of the run, or long before it no more."""
    loop = cfg.get('train_cfg') or {}
    unit = 'epochs' if loop.get('by_epoch', 'max_epochs' in loop) else 'iters'
    length = loop.get(f'max_{unit}')
    schedulers = cfg.get('param_scheduler') or []
    if not isinstance(schedulers, (list, tuple)) or not length:
        return  # several optimizers have one each, by name
    if unit == 'iters':
        for scheduler in schedulers:
            if scheduler.get('by_epoch', True) and not scheduler.get(
                'convert_to_iter_based'
            ):
                yield (
                    f'param_scheduler: {type_name(scheduler)} counts '
                    'epochs, and the run is one, of iterations: the rate never '
                    'changes; by_epoch=False counts those'
                )
    by_epoch = unit == 'epochs'
    schedulers = [s for s in schedulers if s.get('by_epoch', True) == by_epoch]
    ends = []
    for scheduler in schedulers:
        name = type_name(scheduler)
        if late := [m for m in scheduler.get('milestones') or () if m >= length]:
            yield (
                f'param_scheduler: the run ends after {length} {unit}, and {name} has '
                f'milestones that it does not reach: {listed(late)}'
            )
        end = scheduler.get('end')
        if name not in DECAYS or end is None or _warms_up(scheduler):
            continue
        ends.append(end)
        if end > length:
            yield (
                f'param_scheduler: the run ends after {length} {unit}, and {name} '
                f'lowers the learning rate up to {end}: it does not get to its end'
            )
    others = sum(not _warms_up(s) for s in schedulers) - len(ends)
    if ends and not others and max(ends) < SHORT * length:
        yield (
            f'param_scheduler: the learning rate stays as it is from {max(ends)} '
            f'{unit} on, to the end after {length}'
        )


def _warms_up(scheduler: dict) -> bool:
    return type_name(scheduler) == 'LinearLR' and (
        scheduler.get('end_factor', 1) >= scheduler.get('start_factor', 1 / 3)
    )
