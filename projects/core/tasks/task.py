"""What the engine asks about a model of some kind, and who answers.

A *task* is a kind of model: detection, classification, ... All that only one kind
knows stands in its room, ``projects/core/tasks/<kind>/``, whose ``task.py`` holds
its :class:`Task` as ``TASK``. A distribution of its own joins by an entry point of
the group ``mmatlas.tasks``, whose value is such an object, ``module:TASK``.
"""

import importlib
import pkgutil
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import projects.core.tasks
from projects.core.datasets.checksums import checksum
from projects.core.datasets.findings import Examination
from projects.core.datasets.folds import Fold, Folds, hold_out
from projects.core.errors import UserError, listed
from projects.core.reports.blocks import Section
from projects.core.tasks.browsed import Browsed
from projects.core.tasks.exported import Exported, ExportOptions
from projects.core.tasks.options import InferOptions, LookOptions, TestOptions
from projects.core.tasks.overfitting import use_validation
from projects.core.tasks.views import Views
from projects.registry import MODELS, UnknownTypeError

ENTRY_POINT_GROUP = 'mmatlas.tasks'


class Task:
    """A kind of model, as the engine sees it.

    This class itself answers for a model of no known kind: it trains and is
    tested by the metrics of its config, and that is all.
    """

    #: names the kind in messages, with its article
    name = 'a model of no known kind'
    #: classes, by name, of which a model of this kind descends
    model_bases: tuple[str, ...] = ()
    #: what a data set counts, in the log
    unit = 'samples'
    #: ends of the names of the metrics that say most
    metrics: tuple[str, ...] = ()
    #: fields of ``InferOptions.writing`` that mean something
    writing_options: tuple[str, ...] = ()
    #: what :meth:`infer` is given, in words; None where that may be nothing
    inputs: str | None = 'inputs'
    #: which tools draw a model of this kind from inside, where :meth:`subject` cannot
    drawn_by = ''

    def prepare(self, cfg) -> None:
        """Complete the config of a training or a test by the kind's defaults."""

    def hold_out(self, cfg, fold: Fold) -> Folds:
        """Let a config train on all but a fold of its data, and validate on that.

        Before :meth:`prepare`. Which sample is in which fold hangs on nothing but the
        data, the number of folds and the seed.

        Raises:
            UserError: If data of this kind, or these, cannot be split.
        """
        return hold_out(cfg, fold)[0]

    def overfit(self, cfg, num: int) -> dict[str, float]:
        """Let a config train on a few samples, and validate on just them.

        After :meth:`prepare`. Nothing random is done to the samples.

        Args:
            cfg: Config of a training, of which the data are changed.
            num: Number of samples.

        Returns:
            Metrics, by the ends of their names, with the value from which on the model
            knows the samples by heart; one of them is enough.

        Raises:
            UserError: If a model of this kind learns nothing by heart.
        """
        use_validation(cfg, num)
        return {'accuracy': 100, 'top1': 100, 'mse': 0.001, 'loss': 0.01}

    def check_data(self, cfg) -> list[str]:
        """Look over the data of a config before anything is written.

        Returns:
            list: Notices of flaws with which a run is possible.

        Raises:
            UserError: At the first flaw with which it is not, or not correct.
        """
        return []

    def data_at(self, path: str, images: str | None) -> Any:
        """A config of the data at a path that is no config, to be looked over.

        Args:
            path: A file or a folder.
            images: Folder of the images of a file, where the user said so.

        Returns:
            Config: With ``train_dataloader``, maybe ``val_dataloader``, and no model;
            None if the path holds no data of this kind.
        """
        return None

    def examine_data(self, cfg) -> Examination:
        """Look over the data of a config, beyond :meth:`check_data`.

        Args:
            cfg: A run config, or what :meth:`data_at` gave.

        Returns:
            Examination: What the annotations tell, and the images to be read.

        Raises:
            UserError: If data of this kind cannot be looked over.
        """
        raise UserError(
            f'the data of {self.name} cannot be checked, only those of '
            + listed(task.name for task in tasks() if _examines(task))
        )

    def checksum_of(self, dataset, pipeline: list) -> str | None:
        """Checksum of the data of a run; metrics of the same may be compared.

        Args:
            dataset: The data.
            pipeline: What is made of them, as in the config.
        """
        return checksum(dataset)

    def names_of(self, inputs: dict) -> list[str]:
        """Names of the data in what a model was given, for messages.

        Args:
            inputs: Arguments of the model's ``forward`` by name.
        """
        return []

    def training_results(self, runner) -> list[str]:
        """Last lines of a training's log, beside the scores."""
        return []

    def validation_losses(self, model, dataset) -> Any:
        """What computes the losses of a validation, from its predictions alone.

        Args:
            model: Not in a wrapper.
            dataset: That of the validation.

        Returns:
            projects.core.tasks.validation_losses.ValidationLosses: None for a model
            that has none, or reports its own among its metrics.
        """
        return None

    def train_in_part(self, model_cfg: dict, trainable_stages: int) -> None:
        """Set in a model's config that only its last stages are trained.

        Raises:
            UserError: If a model of this kind cannot be trained in part.
        """
        raise UserError(f'trainable_stages: {self.name} cannot be trained in part')

    def sections(self, runner, loop, metrics: dict[str, float]) -> list[Section]:
        """What a report of an evaluation holds beside what its metrics say.

        Asked for in the main process alone, after a test and after a validation that
        is the best so far, whose training goes on: so the model and torch's random
        numbers are left as they are.

        Args:
            runner: With the model in eval mode, of the weights that were evaluated,
                and its ``work_dir``.
            loop: Of the validation or the test, with ``dataloader`` and ``evaluator``.
            metrics: By name.
        """
        return []

    def prepare_test(self, cfg, options: TestOptions) -> None:
        """Let a test write what is asked for: tables, files, pictures.

        Raises:
            UserError: If it cannot, before anything is written.
        """
        for option, value in (('--out', options.out), ('--show-dir', options.show_dir)):
            if value is not None:
                raise UserError(
                    f'{option} {value}: {options.config} holds {self.name}, of '
                    'which there is nothing to write'
                )

    def close_test(self, runner, metrics: dict, options: TestOptions) -> list[str]:
        """Write what comes last, and say what was written; the log's last lines."""
        return []

    def views(self, cfg, config: str) -> Views:
        """Views of each datum that a test with augmentation merges.

        Args:
            cfg: Config of the run, with its training data.
            config: Its file, for messages.

        Raises:
            UserError: If there are none for a model of this kind, or for these data.
        """
        raise UserError(
            f'--tta: {config} holds {self.name}, whose data have no other view; leave '
            'it out'
        )

    def infer(
        self, model, cfg, meta: dict, inputs: str | None, options: InferOptions
    ) -> list[dict]:
        """Predict, write the results, and return them.

        Args:
            model: In eval mode.
            cfg: Its config.
            meta: What the checkpoint says of itself, with ``dataset_meta``.
            inputs: What to predict from, as the user gave it.
            options: How.

        Raises:
            UserError: If the inputs are not of this kind.
        """
        raise UserError(
            f'{options.checkpoint} holds a {type(model).__name__}, {self.name}, which '
            'this tool cannot apply; there are ' + listed(task.name for task in tasks())
        )

    def subject(self, model, cfg, meta: dict, image: str, options: LookOptions) -> Any:
        """A model and an image, taken apart for pictures of what goes on inside.

        Args:
            model: In eval mode.
            cfg: Its config.
            meta: What the checkpoint says of itself, with ``dataset_meta``.
            image: Image file.
            options: What is asked for.

        Returns:
            projects.core.tasks.subject.Subject: With a prediction.

        Raises:
            UserError: If the model takes no images, or the file cannot be read.
        """
        raise UserError(
            f'{options.checkpoint} holds a {type(model).__name__}, {self.name}, which '
            'takes no image that could be followed through it'
            + (f'; {self.drawn_by}' if self.drawn_by else '')
        )

    def browse(self, browsed: Browsed) -> list[str]:
        """Write what samples of the data are, before and after their pipeline.

        Returns:
            The files.

        Raises:
            UserError: If samples of this kind, or of this data set, cannot be shown.
        """
        raise UserError(
            f'{browsed.config} holds {self.name}, whose data this tool cannot show; '
            'there are ' + listed(task.name for task in tasks())
        )

    def exported(self, model, cfg, meta: dict, options: ExportOptions) -> Exported:
        """The model as ``tools/export.py`` writes it for other programs.

        Args:
            model: In eval mode, on the CPU.
            cfg: Its config.
            meta: What the checkpoint says of itself, with ``dataset_meta``.
            options: What is asked for.

        Raises:
            UserError: If a model of this kind, or this one, cannot be exported.
        """
        raise UserError(
            f'{options.checkpoint} holds a {type(model).__name__}, {self.name}, which '
            'this tool cannot export'
        )

    def library_config(self, name: str) -> Any:
        """Config of a model of this kind that a library builds by its name, to
        compare with; None if ``name``, such as ``torchvision.resnet18``, names no
        library of the kind.

        Raises:
            UserError: If the library is not installed or has none of that name.
        """
        return None

    def parts_of(self, model) -> Any:
        """The parts of a step of ``model`` for the benchmark; None if unknown.

        See :class:`projects.core.benchmark.parts.Parts`.
        """
        return None

    def metered(self, model, meter) -> AbstractContextManager:
        """Context in which parts inside a prediction of ``model`` are measured, each
        by ``meter.part(name)``, with a name for the reader."""
        return nullcontext()


def option_of(name: str) -> str:
    """The option of a tool by the name of the argument: '--top-k' of 'top_k'."""
    return '--' + name.rstrip('_').replace('_', '-')


def refuse_options(model, options: InferOptions) -> None:
    """Refuse what a model has no use of, by its ``writing_options``.

    Raises:
        UserError: With the option.
    """
    for name in options.writing:
        if name not in model.writing_options:
            raise UserError(
                f'{option_of(name)}: {options.checkpoint} holds a '
                f'{type(model).__name__}, which has no use of it; leave it out'
            )


def _examines(task: Task) -> bool:
    return type(task).examine_data is not Task.examine_data


@cache
def tasks() -> tuple[Task, ...]:
    """The kinds that there are, those of other distributions last."""
    rooms = [
        importlib.import_module(f'{projects.core.tasks.__name__}.{room.name}.task').TASK
        for room in pkgutil.iter_modules(projects.core.tasks.__path__)
        if room.ispkg
    ]
    return (*rooms, *(e.load() for e in entry_points(group=ENTRY_POINT_GROUP)))


def library_config(name: str) -> Any:
    """The config that a task makes of a library's model, None if none does; see
    :meth:`Task.library_config`."""
    configs = (task.library_config(name) for task in tasks())
    return next((cfg for cfg in configs if cfg is not None), None)


def task_of(cfg) -> Task:
    """The task of a config, by the class of its model.

    Args:
        cfg: MMEngine Config with ``model`` and, where its type has no scope,
            ``default_scope``.

    Returns:
        Task: A plain :class:`Task` where none of the kinds is the model's.
    """
    return task_of_class(model_class_of(cfg))


def model_class_of(cfg) -> type | None:
    """The class of a config's model; None if there is none of its name."""
    type_ = (cfg.get('model') or {}).get('type')
    if not isinstance(type_, str):
        return type_
    scope = cfg.get('default_scope')
    name = f'{scope}.{type_}' if scope and '.' not in type_ else type_
    try:
        return MODELS.get(name)
    except UnknownTypeError:  # building it says so, and where it stands
        return None


def task_of_class(cls: type | None) -> Task:
    """The task of a model's class, see :func:`task_of`."""
    bases = {base.__name__ for base in getattr(cls, '__mro__', ())}
    for task in tasks():
        if bases.intersection(task.model_bases):
            return task
    return Task()
