"""Early stopping: a run ends where its validations no longer get better."""

import math

from mmengine.hooks import Hook

from projects.core.engine.checkpoint_hook import CheckpointHook
from projects.core.engine.hooks import progress_of
from projects.core.errors import UserError
from projects.core.values import whole
from projects.registry import HOOKS

STATE = 'patience'  # among what a checkpoint keeps of the run
REASON = 'stopped_early'


@HOOKS.register_module()
class PatienceHook(Hook):
    """Ends a training after some validations without improvement.

    Of the metric that CheckpointHook's ``save_best`` watches, by its rule: the first
    of several. As good as before is no improvement, nor is NaN. The checkpoint of the
    end is saved and knows of it, so that ``--resume`` with the same patience has
    nothing left to do, and with a greater one goes on.

    mmengine's EarlyStoppingHook forgets at a resume what it has seen, and does not
    count a metric that stays the same.

    Args:
        patience: Validations in a row.

    Raises:
        ValueError: If it is no whole number of at least 1.
        UserError: In training, if no best checkpoint is kept, or nothing validated.
    """

    priority = 'LOWEST'  # after CheckpointHook, which knows the metric

    def __init__(self, patience: int) -> None:
        if refusal := whole(1).refusal(patience):
            raise ValueError(f'patience: {refusal}')
        self.patience = patience

    def before_train(self, runner) -> None:
        if runner.val_loop is None:
            raise UserError(
                f'--patience {self.patience}: the config validates nothing, so that '
                'there is nothing to wait for; give it val_dataloader and val_evaluator'
            )
        if self._checkpoint_hook(runner) is None:
            raise UserError(
                f'--patience {self.patience}: default_hooks.checkpoint.save_best names '
                "no metric to watch; set it, as to 'auto'"
            )
        state = runner.message_hub.runtime_info.get(STATE) or {}
        if state.get('waited', 0) >= self.patience:
            runner.train_loop.stop_training = True
        else:
            runner.message_hub.update_info(REASON, None)

    def after_val_epoch(self, runner, metrics=None) -> None:
        if runner._train_loop is None or not metrics:
            return
        hook = self._checkpoint_hook(runner)
        if hook is None:  # CheckpointHook has said that the rule is not known
            return
        name, rule = hook.key_indicators[0], hook.rules[0]
        score = metrics.get(name)
        if score is None:
            return
        unit, step = progress_of(runner)
        hub = runner.message_hub
        state = dict(hub.runtime_info.get(STATE) or {})
        best = state.get('best')
        if best is None:
            better = not math.isnan(score)
        else:
            better = score < best if rule == 'less' else score > best
        if better:
            state = dict(best=float(score), at=step, waited=0)
        else:
            state['waited'] = state.get('waited', 0) + 1
        hub.update_info(STATE, state)
        if state['waited'] < self.patience:
            return
        since = (
            f'{best:.4f} of {unit} {state["at"]}' if best is not None else 'it began'
        )
        reason = (
            f'stopped early at {unit} {step}: {name} has not improved on {since} in '
            f'{self.patience} validation{"s" * (self.patience > 1)}'
        )
        hub.update_info(REASON, reason)
        runner.train_loop.stop_training = True
        if hook.interval > 0:  # which knows of the end
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            hook._save_checkpoint_with_step(runner, step, meta)

    def _checkpoint_hook(self, runner) -> CheckpointHook | None:
        return next(
            (h for h in runner.hooks if isinstance(h, CheckpointHook) and h.save_best),
            None,
        )
