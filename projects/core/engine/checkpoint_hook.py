"""Saving checkpoints, the best one by a metric of either direction."""

import re

from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from projects.core.errors import UserError, listed
from projects.registry import HOOKS

# Of names: words that may be a part of a longer one, as in FrechetInceptionDistance
LESS_PARTS = ('distance', 'divergence', 'entropy', 'error', 'frechet', 'loss')
LESS_PARTS += ('perplexity',)
GREATER_PARTS = ('acc', 'auc', 'bleu', 'dice', 'inception', 'iou', 'precision')
GREATER_PARTS += ('recall', 'rouge')
# and those that count as a whole word only
LESS_WORDS = {'bits', 'bpb', 'bpc', 'bpd', 'cer', 'ece', 'eer', 'epe', 'err', 'fid'}
LESS_WORDS |= {'kid', 'lpips', 'mae', 'mape', 'mse', 'nll', 'ppl', 'rmse', 'wer'}
GREATER_WORDS = {'ap', 'ar', 'map', 'psnr', 'ssim', 'top', 'f', 'r'}  # F1, R2


def rule_of(metric: str) -> str | None:
    """Which values of a metric are better, by its name.

    Args:
        metric: As 'accuracy/top1'; the last part counts first.

    Returns:
        'greater', 'less' or, where the name does not say, None.
    """
    for name in (metric.rpartition('/')[2], metric):
        words = re.findall('[a-z]+', name.lower())
        # first: a top-1 error is an error
        for rule, parts, wholes in (
            ('less', LESS_PARTS, LESS_WORDS),
            ('greater', GREATER_PARTS, GREATER_WORDS),
        ):
            if any(w in wholes or any(p in w for p in parts) for w in words):
                return rule
    return None


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """mmengine's, which also knows metrics of which less is better.

    With ``save_best='auto'`` the first metric of a validation decides, and where
    its name does not say whether more or less is better a warning does, and no
    best checkpoint is kept. Arguments are those of
    :class:`mmengine.hooks.CheckpointHook`.

    Raises:
        UserError: If ``save_best`` names a metric of which the name does not say
            it and ``rule`` does not either, or which no validation gives.
    """

    def before_train(self, runner) -> None:
        # that of the best checkpoint until now
        name = runner.message_hub.runtime_info.get('best_metric')
        if name is not None and self.save_best == ['auto']:
            self._init_rule(self.rules, [name])
        super().before_train(runner)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        if not self.save_best:
            return
        if 'auto' in self.key_indicators:
            name = next(iter(metrics))
            if self.rules == [None] and self._rule_of(name) is None:
                runner.logger.warning(
                    f"whether more or less of '{name}' is better is not known, so "
                    'no best checkpoint is kept; say it by default_hooks.'
                    "checkpoint.rule='less' or 'greater'"
                )
                self.save_best = None
                return
            runner.message_hub.update_info('best_metric', name)
        elif missing := set(self.key_indicators).difference(metrics):
            raise UserError(
                f"default_hooks.checkpoint.save_best: no validation gives '"
                f"{min(missing)}', but {listed(metrics)}"
            )
        super()._save_best_checkpoint(runner, metrics)

    def _init_rule(self, rules: list, key_indicators: list[str]) -> None:
        if len(rules) == 1:
            rules = rules * len(key_indicators)
        rules = list(rules)
        for i, name in enumerate(key_indicators):
            if rules[i] not in (None, 'less', 'greater'):
                raise UserError(
                    f"default_hooks.checkpoint.rule: 'less' or 'greater', not "
                    f"'{rules[i]}'"
                )
            if rules[i] is None and name != 'auto':
                rules[i] = self._rule_of(name)
                if rules[i] is None:
                    raise UserError(
                        'default_hooks.checkpoint: whether more or less of '
                        f"'{name}' is better is not known; say it by rule='less' "
                        "or 'greater'"
                    )
        super()._init_rule(rules, key_indicators)

    def _rule_of(self, metric: str) -> str | None:
        """What the user's own lists say, else the name."""
        for rule, keys, defaults in (
            ('greater', self.greater_keys, self._default_greater_keys),
            ('less', self.less_keys, self._default_less_keys),
        ):
            if keys is not defaults and any(k.lower() in metric.lower() for k in keys):
                return rule
        return rule_of(metric)
