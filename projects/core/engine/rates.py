"""Learning rates and schedules of a run, as they would be at another place in it."""

import copy
import warnings
from collections.abc import Iterator

from mmengine.runner import EpochBasedTrainLoop

from projects.core.engine.optimizers import wrappers_of


class Rates:
    """What optimizers and schedules began with.

    Args:
        groups: Settings of each group of parameters, without the parameters.
        schedules: States of the schedulers.
    """

    def __init__(self, groups: list[dict], schedules: list[dict]) -> None:
        self.groups, self.schedules = groups, schedules

    @classmethod
    def of(cls, runner) -> 'Rates':
        """Those of a runner that has not begun."""
        return cls(
            [
                {k: copy.copy(v) for k, v in group.items() if k != 'params'}
                for group in _groups(runner)
            ],
            [copy.deepcopy(s.state_dict()) for s in _schedulers(runner)],
        )

    def replay(self, runner) -> None:
        """Set them, and step to where the runner's loop stands.

        A schedule that follows a metric stays where it is.
        """
        for group, settings in zip(_groups(runner), self.groups, strict=True):
            group.update(copy.deepcopy(settings))
        schedulers = [s for s in _schedulers(runner) if not _follows_a_metric(s)]
        states = [
            state
            for s, state in zip(_schedulers(runner), self.schedules, strict=True)
            if not _follows_a_metric(s)
        ]
        for scheduler, state in zip(schedulers, states, strict=True):
            scheduler.load_state_dict(copy.deepcopy(state))
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        length = len(loop.dataloader) if by_epoch else None
        with warnings.catch_warnings():  # it misses the steps of the optimizer
            warnings.filterwarnings('ignore', 'Detected call of')
            for iteration in range(1, loop.iter + 1):
                for scheduler in schedulers:
                    if not scheduler.by_epoch or (by_epoch and iteration % length == 0):
                        scheduler.step()


def _groups(runner) -> Iterator[dict]:
    for wrapper in wrappers_of(runner.optim_wrapper).values():
        yield from wrapper.param_groups


def _schedulers(runner) -> list:
    schedulers = runner.param_schedulers or []
    if isinstance(schedulers, dict):  # of several optimizers
        return [s for some in schedulers.values() for s in some]
    return list(schedulers)


def _follows_a_metric(scheduler) -> bool:
    return getattr(scheduler, 'need_val_args', False)
