"""Saving checkpoints, the best one by a metric of either direction."""

import os.path as osp
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from projects.core.engine.disk import is_disk_full, spared_by_full_disk
from projects.core.engine.stopping import STOPPED, forget_stop
from projects.core.errors import UserError, listed
from projects.core.metric_names import rule_of
from projects.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """mmengine's, which also knows metrics of which less is better, and full disks.

    A checkpoint that cannot be written for lack of space is left out with a warning,
    and the training goes on; it fails at its end if the last one was left out. A
    checkpoint is removed only after that which replaces it is whole, and only in the
    run's own folder.

    With ``save_best='auto'`` the first metric of a validation decides, and where
    its name does not say whether more or less is better a warning does, and no
    best checkpoint is kept. Arguments are those of
    :class:`mmengine.hooks.CheckpointHook`.

    Raises:
        UserError: If ``save_best`` names a metric of which the name does not say
            it and ``rule`` does not either, or which no validation gives.
    """

    _failed: str | None = None  # what could not be written, and why

    def before_train(self, runner) -> None:
        # that of the best checkpoint until now
        name = runner.message_hub.runtime_info.get('best_metric')
        if name is not None and self.save_best == ['auto']:
            self._init_rule(self.rules, [name])
        out_dir = self.out_dir or runner.work_dir
        if out_dir != runner.work_dir:
            out_dir = osp.join(out_dir, osp.basename(runner.work_dir.rstrip(osp.sep)))
        _follow_the_best(runner, out_dir)
        super().before_train(runner)

    def after_train(self, runner) -> None:
        super().after_train(runner)
        if self._failed is not None:
            raise UserError(
                f'the training came to its end, but {self._failed}; '
                f'{self._last_whole()}: make room, and --resume repeats what came after'
            )

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        # mmengine removes the oldest before it has written the new one
        most = self.max_keep_ckpts
        ids = list(self.keep_ckpt_ids) if most > 0 else []
        if most > 0 and step not in ids[-1:]:
            ids.append(step)
        outdated, kept = (ids[:-most], ids[-most:]) if most > 0 else ([], [])
        name = self.filename_tmpl.format(step)
        path = osp.join(self.out_dir, name)
        infos = dict(last_ckpt=path, **(dict(keep_ckpt_ids=kept) if most > 0 else {}))
        settings = dict(
            file_client_args=self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        written = self._written(runner, name, infos, settings)
        if not written and len(ids) > 2:  # make room, where another whole one stays
            self._remove(outdated)
            outdated = []
            written = self._written(runner, name, infos, settings)
        if not written:
            return
        self._failed, self.last_ckpt = None, path
        if most > 0:
            self.keep_ckpt_ids = deque(kept, most)
        if is_main_process():
            self._remove(outdated)
            forget_stop(runner.work_dir)
            note = Path(runner.work_dir, 'last_checkpoint')
            spared_by_full_disk(note.write_text, note.name)(path)

    def _remove(self, steps: list[int]) -> None:
        for step in steps:
            Path(self.out_dir, self.filename_tmpl.format(step)).unlink(missing_ok=True)

    def _written(self, runner, name: str, infos: dict, settings: dict) -> bool:
        """Write a checkpoint that holds these infos; without room, go on without."""
        hub = runner.message_hub
        before = {key: hub.runtime_info.get(key) for key in infos}
        for key, value in infos.items():
            hub.update_info(key, value)
        try:
            runner.save_checkpoint(self.out_dir, name, **settings)
            return True
        except (OSError, RuntimeError) as error:
            if not is_disk_full(error):
                raise
            reason = getattr(error, 'strerror', None) or 'no space left'
        for key, value in before.items():
            if value is None:
                hub.pop_info(key)
            else:
                hub.update_info(key, value)
        failed = f'{name} could not be written: {reason}'
        runner.logger.warning(
            f'{failed}; {self._last_whole()}. The training goes on, and the next '
            'checkpoint is tried'
        )
        if not name.startswith('best_'):
            self._failed = failed
        return False

    def _last_whole(self) -> str:
        whole = newest_checkpoint(self.out_dir)
        return f'the last whole checkpoint is {whole}' if whole else 'there is no other'

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
            self._init_rule(self.rules, [name])
        elif missing := set(self.key_indicators).difference(metrics):
            raise UserError(
                f"default_hooks.checkpoint.save_best: no validation gives '"
                f"{min(missing)}', but {listed(metrics)}"
            )
        step = runner.epoch if self.by_epoch else runner.iter
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        is_better = False
        for key, rule in zip(self.key_indicators, self.rules, strict=True):
            suffix = f'_{key}' if len(self.key_indicators) > 1 else ''
            infos, score = runner.message_hub.runtime_info, metrics[key]
            best = infos.get(f'best_score{suffix}', self.init_value_map[rule])
            if score is None or not self.is_better_than[key](score, best):
                continue
            old = infos.get(f'best_ckpt{suffix}')
            name = f'best_{key}_{self.filename_tmpl.format(step)}'.replace('/', '_')
            path = osp.join(self.out_dir, name)
            if not self._written(
                runner,
                name,
                {f'best_score{suffix}': score, f'best_ckpt{suffix}': path},
                dict(
                    save_optimizer=False,
                    save_param_scheduler=False,
                    meta=dict(meta),
                    by_epoch=False,
                    backend_args=self.backend_args,
                ),
            ):
                continue
            is_better = True
            if suffix:
                self.best_ckpt_path_dict[key] = path
            else:
                self.best_ckpt_path = path
            runner.logger.info(f'best {key} so far, {score:.4f}: {name}')
            if is_main_process() and old not in (None, path):
                Path(old).unlink(missing_ok=True)
        if is_better and self.last_ckpt is not None:  # which shall know of the best
            self._save_checkpoint_with_step(runner, step, meta)

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


def best_checkpoints(runner) -> Iterator[tuple[str, float, str]]:
    """Metric, score and file of each best checkpoint of a training so far."""
    info = runner.message_hub.runtime_info
    for hook in runner.hooks:
        if isinstance(hook, MMEngineCheckpointHook) and hook.save_best:
            keys = hook.key_indicators
            for key in keys:
                suffix = f'_{key}' if len(keys) > 1 else ''  # as it keeps them
                if (file := info.get(f'best_ckpt{suffix}')) is not None:
                    yield key, info[f'best_score{suffix}'], file


def newest_checkpoint(work_dir: str) -> str | None:
    """Path of the last whole checkpoint of a run, None without one."""
    stopped = Path(work_dir, STOPPED)
    if stopped.is_file():  # the next one that is saved removes it
        return str(stopped)
    numbered = [
        (int(p.stem.rpartition('_')[2]), str(p))
        for kind in ('epoch', 'iter')
        for p in Path(work_dir).glob(f'{kind}_*.pth')
        if p.stem.rpartition('_')[2].isdigit()
    ]
    return max(numbered, default=(0, None))[1]


def _follow_the_best(runner, out_dir: str) -> None:
    """Look for the best checkpoints here: the run may have been moved or copied."""
    infos = runner.message_hub.runtime_info
    for key in [k for k in infos if k.startswith('best_ckpt')]:
        best = osp.join(out_dir, osp.basename(str(infos[key])))
        if osp.isfile(best):
            runner.message_hub.update_info(key, best)
            continue
        # killed between the old best and the new one, or left in another folder
        runner.logger.warning(
            f'the best checkpoint {best} is gone; the next validation counts as the '
            'best'
        )
        runner.message_hub.pop_info(key)
        runner.message_hub.pop_info(key.replace('ckpt', 'score', 1))
