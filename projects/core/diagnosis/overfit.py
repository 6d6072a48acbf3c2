"""Python API of ``tools/train.py --overfit N``: a few samples, learnt by heart.

A model that cannot learn a handful of samples has a mistake, in its labels, its loss,
its gradients or its decoding, whatever the rest of a training does.
"""

import os.path as osp
import time
from copy import deepcopy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from projects.core.config import explained, load_config
from projects.core.config.walk import type_name
from projects.core.diagnosis.nonfinite import tensors_in
from projects.core.diagnosis.plain_run import switch_off, without_dropout
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.engine.evaluation_hook import EvaluationHook
from projects.core.engine.record_hook import RecordHook
from projects.core.engine.step_times import StepTimesHook
from projects.core.engine.training import RULES, set_up
from projects.core.errors import UserError, listed
from projects.core.files import make_folder
from projects.core.metric_names import rule_of
from projects.core.quiet import quiet_libraries
from projects.core.tasks.task import task_of
from projects.core.values import checked, whole
from projects.registry import DATASETS, RUNNERS

STEPS = 1000
FALLEN = 0.5  # of the loss at the beginning, what is left where it fell


@checked(**RULES, samples=whole(1), steps=whole(1))
def overfit(
    config: str,
    samples: int,
    work_dir: str | None = None,
    resume: bool | str = False,
    amp: bool = False,
    seed: int | None = None,
    deterministic: bool = False,
    auto_scale_lr: bool = True,
    launcher: str = 'none',
    cfg_options: list[str] | None = None,
    patience: int | None = None,
    tensorboard: bool = False,
    steps: int = STEPS,
) -> int:
    """Train on a few samples until the model knows them, and say whether it did.

    Nothing random is done to the samples or within the model, as far as that can be
    switched off (the log says what is); the learning rate is the highest of
    the config's schedule, all the time, and there is no weight decay.

    Args:
        config: Config file.
        samples: Number of samples.
        work_dir: Folder for the log; ``work_dirs/<config's name>_overfit`` by
            default. There are no checkpoints.
        resume: Only False: it is over in minutes.
        amp: Only False.
        seed: Of all random numbers; the config's, or 0, by default.
        deterministic: Deterministic algorithms only.
        auto_scale_lr: Of no meaning: the rate is not scaled.
        launcher: Only 'none'.
        cfg_options: Settings over the config's, as ``key.sub=value``.
        patience: Only None: it ends when the samples are known.
        tensorboard: Only False.
        steps: Most steps of training.

    Returns:
        Steps after which the samples were known.

    Raises:
        UserError: If they were not known in the end, with what to look at; on a
            mistake in the config, the data or the arguments; of a model that learns
            nothing by heart.
    """
    for option, is_set in (
        ('--resume', resume),
        ('--amp', amp),
        ('--launcher', launcher != 'none'),
        ('--patience', patience is not None),
        ('--tensorboard', tensorboard),
    ):
        if is_set:
            raise UserError(f'--overfit {samples} goes without {option}: leave it out')
    quiet_libraries()
    cfg = load_config(config, cfg_options)
    with explained(cfg):
        name = f'{Path(config).stem}_overfit'
        set_up(cfg, config, work_dir or osp.join('work_dirs', name), launcher)
        if newest_checkpoint(cfg.work_dir) or list(
            Path(cfg.work_dir).glob('best_*.pth')
        ):
            raise UserError(
                f'{cfg.work_dir} holds checkpoints of a training: choose another '
                'folder with --work-dir'
            )
        task = task_of(cfg)
        own_hooks = [type_name(hook) for hook in cfg.get('custom_hooks') or []]
        # before the work of the data's checks, too
        task.overfit(Config(cfg.to_dict()), samples)
        task.prepare(cfg)
        notices = task.check_data(cfg)
        goals = task.overfit(cfg, samples)
        off = switch_off(cfg, steps, own_hooks)
        cfg.randomness = dict(cfg.get('randomness') or {}, deterministic=deterministic)
        if seed is not None or cfg.randomness.get('seed') is None:
            cfg.randomness['seed'] = seed or 0
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
            DATASETS.build(deepcopy(cfg.train_dataloader['dataset']))
        make_folder(cfg.work_dir)
        runner = RUNNERS.build(cfg)
        beside = (RecordHook, EvaluationHook, StepTimesHook)  # it is no run to keep
        runner._hooks = [h for h in runner.hooks if not isinstance(h, beside)]
        model = getattr(runner.model, 'module', runner.model)
        if dropped := without_dropout(model):
            off.append(f'dropout in {dropped} modules')
        learning = LearningHook(goals)
        runner.register_hook(learning)
        for notice in notices:
            runner.logger.warning(notice)
        runner.logger.info(
            f'overfitting {samples} of the {task.unit} of {config}, in {steps} steps '
            f'at most; off: {", ".join(off)}; what else is random in the model, stays'
        )
        start = time.monotonic()
        runner.train()
    seconds = time.monotonic() - start
    verdict = learning.verdict(model, runner, samples, task.unit, seconds)
    runner.logger.info(f'log: {osp.relpath(runner.log_dir)}')
    if verdict is not None:
        raise UserError(verdict)
    return learning.known_at


class LearningHook(Hook):
    """Ends a training when the samples are known, and notes what was learnt how.

    Args:
        goals: See :meth:`projects.core.tasks.task.Task.overfit`.

    Attributes:
        known_at: Steps after which they were known; None where they never were.
    """

    priority = 'LOWEST'

    def __init__(self, goals: dict[str, float]) -> None:
        self.goals = goals
        self.known_at: int | None = None
        self.losses: list[float] = []
        self.scores: dict[str, list[float]] = {}
        self._largest: dict[str, float] = {}

    def before_train(self, runner) -> None:
        self._handles = []
        for name, parameter in runner.model.named_parameters():
            if parameter.requires_grad:

                def note(gradient: Tensor, name=name) -> None:
                    largest = gradient.detach().abs().max().item()
                    self._largest[name] = max(largest, self._largest.get(name, 0.0))

                self._handles.append(parameter.register_hook(note))

    def after_train(self, runner) -> None:
        for handle in self._handles:
            handle.remove()

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        loss = (outputs or {}).get('loss')
        if loss is not None:
            self.losses.append(torch.as_tensor(loss).detach().item())

    def after_val_epoch(self, runner, metrics=None) -> None:
        found = {
            name: (value, goal)
            for end, goal in self.goals.items()
            for name, value in metrics.items()
            if name.endswith(end)
        }
        if not found:
            raise UserError(
                f'val_evaluator: of {listed(metrics)} none says whether samples are '
                f'known by heart; that are {listed(self.goals)}'
            )
        for name, (value, goal) in found.items():
            self.scores.setdefault(name, []).append(value)
            is_less = rule_of(name) == 'less'
            if self.known_at is None and (value <= goal if is_less else value >= goal):
                self.known_at = runner.iter
                runner.train_loop.stop_training = True

    def verdict(
        self, model: nn.Module, runner, num: int, unit: str, seconds: float
    ) -> str | None:
        """Log whether the samples are known; if not, what to look at."""
        parameters = dict(model.named_parameters())
        trained = [n for n, p in parameters.items() if p.requires_grad]
        never = [n for n in trained if n not in self._largest]
        zero = [n for n in trained if self._largest.get(n) == 0]
        scores = ', '.join(f'{name} {v[-1]:.4g}' for name, v in self.scores.items())
        loss = (
            f', loss {self.losses[0]:.4g} to {self.losses[-1]:.4g}'
            if self.losses
            else ''
        )
        result = f'{scores}{loss}, in {len(self.losses)} steps and {seconds:.0f} s'
        if zero:
            runner.logger.warning(
                f'gradients were 0 in each step for {_shown(zero, parameters)}'
            )
        expected = runner.cfg.get('find_unused_parameters')
        if self.known_at is not None and (not never or expected):
            runner.logger.info(f'the model knows the {num} {unit} by heart: {result}')
            return None
        if self.known_at is not None:
            return (
                f'the model knows the {num} {unit} by heart ({result}), but no '
                f'gradient ever came to {_shown(never, parameters)}: a detach(), a '
                'no_grad() or a part that forward leaves out; if that is meant, say '
                'find_unused_parameters=True'
            )
        goals = ' or '.join(f'{name} {value:g}' for name, value in self.goals.items())
        reasons = self._reasons(model, runner, never, parameters)
        return (
            f'the model does not know the {num} {unit} by heart ({result}; asked for: '
            f'{goals}). ' + '; '.join(reasons)
        )

    def _reasons(self, model, runner, never: list[str], parameters: dict) -> list[str]:
        """What to look at, what says most first."""
        reasons = []
        if never:
            reasons.append(
                f'no gradient ever came to {_shown(never, parameters)}: look for a '
                'detach(), a no_grad() or a part that forward leaves out'
            )
        if changing := _changing(runner.train_dataloader.dataset):
            reasons.append(
                f'{changing} of a sample change each time it is read (what draws them?)'
            )
        if _same_outputs(model, runner):
            reasons.append(
                'the outputs are the same for all inputs: the model does not look at '
                'them, or its activations have died'
            )
        few = max(1, len(self.losses) // 20)
        first = sum(self.losses[:few]) / few
        last = sum(self.losses[-few:]) / few
        tenth = max(1, len(self.losses) // 10)
        before = sum(self.losses[-4 * tenth : -3 * tenth]) / tenth
        improved = any(
            abs(v[-1] - v[0]) > 0.1 * max(abs(v[0]), abs(v[-1]))
            for v in self.scores.values()
        )
        best = any(
            v[-1] >= 0.8 * goal
            for name, v in self.scores.items()
            for end, goal in self.goals.items()
            if name.endswith(end)
        )
        if last > FALLEN * first:
            reasons.append(
                f'the loss hardly fell ({first:.4g} to {last:.4g}): do the labels '
                'belong to the samples, the same each time? Is the learning rate too '
                'low, or so high that the loss jumps?'
            )
        elif last > 0.05 * first and last > 0.9 * before:
            reasons.append(
                f'the loss fell from {first:.4g} and stays at {last:.4g}: a part of it '
                'cannot be learnt; do the labels belong to the samples, is a term of '
                'it in the way of another?'
            )
        elif best or (improved and last > 0.05 * first):
            reasons.append(
                f'the loss is still falling ({first:.4g} to {last:.4g}): give more '
                'steps with --overfit-steps, or a higher learning rate'
            )
        else:
            if any(isinstance(module, _BatchNorm) for module in model.modules()):
                reasons.append(
                    'batch norms are validated with running statistics, which follow '
                    'late and fit a small batch badly: give more samples, or more '
                    'steps with --overfit-steps'
                )
            reasons.append(
                f'the loss fell ({first:.4g} to {last:.4g}), but the metric did not '
                'follow: look at how predictions are decoded (scales, order of '
                'coordinates, class numbers, thresholds), and whether the loss is of '
                'what is predicted'
            )
        return reasons


def _shown(names: list[str], parameters: dict) -> str:
    """Names of parameters, of a whole part the part's."""
    parts: dict[str, list[str]] = {}
    for name in names:
        parts.setdefault(name.partition('.')[0], []).append(name)
    shown = []
    for part, members in parts.items():
        total = sum(n.partition('.')[0] == part for n in parameters)
        whole_part = len(members) == total and total > 1
        shown += [f'{part}.* (all {total})'] if whole_part else members
    return f'{len(names)} of {len(parameters)} parameters: {listed(shown, 6)}'


def _changing(dataset) -> str | None:
    """Names of the tensors that a sample does not have the same twice."""
    names = []
    for i in range(min(4, len(dataset))):
        once, again = (dict(tensors_in(dataset[i])) for _ in range(2))
        names += [
            name
            for name, tensor in once.items()
            if name not in again or not torch.equal(tensor, again[name])
        ]
    return listed(dict.fromkeys(names)) if names else None


def _same_outputs(model: nn.Module, runner) -> bool:
    """Whether the raw outputs of a batch are alike for all samples of it."""
    batch = next(iter(runner.val_dataloader))
    try:
        with torch.no_grad():
            data = model.eval().data_preprocessor(batch, False)
            inputs = [t for _, t in tensors_in(data)]
            outputs = [t for _, t in tensors_in(model._run_forward(data, 'tensor'))]
    except Exception:  # a model without raw outputs
        return False
    size = next((len(t) for t in inputs if t.dim()), 0)
    outputs = [
        t.float()
        for t in outputs
        if t.dim() and len(t) == size and t.is_floating_point()
    ]
    return (
        bool(outputs)
        and size > 1
        and all(
            torch.allclose(t, t[:1].expand_as(t), rtol=1e-4, atol=1e-6) for t in outputs
        )
    )
