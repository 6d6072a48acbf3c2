"""What a validation or a test leaves to look at."""

import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.hooks import EMAHook, Hook

from projects.core.engine.checkpoint_hook import best_checkpoints
from projects.core.engine.hooks import progress_of, spared
from projects.core.reports.blocks import Section
from projects.core.reports.evaluation import TEST, VALIDATION, Evaluation
from projects.core.tasks.task import task_of
from projects.registry import HOOKS

_spared = spared('report of the evaluation')


@HOOKS.register_module()
class EvaluationHook(Hook):
    """Writes what the metrics report, beside their numbers.

    A metric reports by a method ``sections(dataset)``, asked for after its
    ``evaluate``, that returns a list of :class:`projects.core.reports.blocks.Section`.
    What needs the model, or what a run has written, the task adds:
    :meth:`projects.core.tasks.task.Task.sections`.
    Of the validations of a training the best is kept, in ``<work_dir>/evaluation``;
    the last one where the config names no best. A test writes to
    ``<work_dir>/test_evaluation``, and to ``beside`` where that is set, its charts as
    pictures, too: not during a training, of which drawing takes time and memory.
    :class:`projects.core.engine.Runner` registers the hook by itself; a report that
    fails is a warning.
    """

    priority = 'LOWEST'  # after CheckpointHook, which knows the best

    def __init__(self) -> None:
        #: a second folder for the evaluation of a test, of the option --out
        self.beside: str | None = None
        #: number and kinds of the views of each datum that a test merges
        self.views: str | None = None
        #: folders that were written to last
        self.written: list[str] = []
        self.has_failed = False
        self._best: list[tuple] = []

    def before_train(self, runner) -> None:
        self._best = list(best_checkpoints(runner))

    @_spared
    def after_val_epoch(self, runner, metrics=None) -> None:
        if runner._train_loop is None:
            return
        best, before = list(best_checkpoints(runner)), self._best
        self._best = best
        folder = osp.join(runner.work_dir, VALIDATION)
        if best and best == before and osp.isdir(folder):
            return
        at = dict([progress_of(runner)])
        self._write(runner, runner.val_loop, folder, at, metrics)

    @_spared
    def after_test_epoch(self, runner, metrics=None) -> None:
        folder = osp.join(runner.work_dir, TEST)
        at = {'checkpoint': runner.cfg.get('load_from')}
        self._write(
            runner, runner.test_loop, folder, at, metrics, self.beside, draw=True
        )

    def _write(
        self,
        runner,
        loop,
        folder: str,
        at: dict,
        metrics: dict | None,
        beside: str | None = None,
        draw: bool = False,
    ) -> None:
        self.written = []
        dataset = loop.dataloader.dataset
        task = task_of(runner.cfg)
        sections: list[Section] = []
        for metric in loop.evaluator.metrics:
            if hasattr(metric, 'sections'):
                sections += metric.sections(dataset)
        with _evaluated_weights(runner):
            sections += task.sections(runner, loop, metrics or {})
        data = f'{type(dataset).__name__}, {len(dataset)} {task.unit}'
        if self.views is not None:
            data += f', with test-time augmentation: {self.views}'
        evaluation = Evaluation(task.name, at, data, dict(metrics or {}), sections)
        evaluation.write(folder, draw=draw)
        self.written.append(folder)
        if beside is not None:
            evaluation.write(beside, '--out', draw=draw)
            self.written.append(beside)


@contextmanager
def _evaluated_weights(runner) -> Iterator[None]:
    """The model as it was evaluated: hooks of averages have already put back the
    weights that are trained."""
    averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for hook in averages:
        hook.before_val_epoch(runner)
    try:
        yield
    finally:
        for hook in reversed(averages):
            hook.after_val_epoch(runner)
