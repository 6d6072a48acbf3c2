"""Folds of the training data, for cross-validation.

Which sample is in which fold follows from the number of samples, their classes and
the seed alone: two configs on the same data have the same folds, and may be compared
fold by fold.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope

from projects.core.datasets.files import dataset_class
from projects.core.errors import UserError
from projects.registry import DATASETS


@dataclass(frozen=True)
class Fold:
    """One of several parts of the training data, which is held out.

    Args:
        index: Which, from 0.
        of: How many there are, K.
        seed: Of the shuffling.
    """

    index: int
    of: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f'fold {self.index} of {self.of}')


@dataclass(frozen=True)
class Folds:
    """All parts of some data.

    Args:
        numbers: (N,) index of the fold of each sample, in [0, K).
        stratified: Whether each fold has its share of each class.
    """

    numbers: np.ndarray
    stratified: bool

    @property
    def sizes(self) -> list[int]:
        """Samples of each fold."""
        return np.bincount(self.numbers).tolist()

    @property
    def checksum(self) -> str:
        """That of two is the same where all samples are in the same folds."""
        return hashlib.sha256(self.numbers.astype('<i4').tobytes()).hexdigest()[:16]


def folds_of(labels: Sequence, fold: Fold) -> Folds:
    """Shuffle samples into folds of one size, one more or less.

    Args:
        labels: Class of each sample; where one has no single class, as of an image
            with boxes, the folds are not stratified.
        fold: Of which the index is not looked at.

    Raises:
        UserError: If there are fewer samples than folds, or of no class so many.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    if len(labels) < fold.of:
        raise UserError(
            f'--folds {fold.of}: there are {len(labels)} samples to train on; give at '
            f'most {len(labels)}'
        )
    stratified = all(isinstance(label, Integral) for label in labels)
    splitter = KFold
    if stratified:
        most = max(Counter(labels).values())
        if most < fold.of:
            raise UserError(
                f'--folds {fold.of}: no class has more than {most} samples to train '
                f'on, so that folds lack classes; give at most {most}'
            )
        splitter = StratifiedKFold
    numbers = np.empty(len(labels), int)
    splits = splitter(fold.of, shuffle=True, random_state=fold.seed)
    with warnings.catch_warnings():  # of a class in fewer samples than folds
        warnings.simplefilter('ignore', UserWarning)
        for i, (_, held_out) in enumerate(splits.split(np.zeros(len(labels)), labels)):
            numbers[held_out] = i
    return Folds(numbers, stratified)


@DATASETS.register_module()
def dataset_of_fold(
    dataset: dict, index: int, of: int, seed: int, held_out: bool
) -> BaseDataset:
    """A data set without the samples of one fold, or with them alone.

    What is filtered is so afterwards, and in training alone: an image without
    objects is in a fold, too.

    Args:
        dataset: Config of one that descends from mmengine's ``BaseDataset``.
        index: Fold, from 0.
        of: Number of folds.
        seed: Of the shuffling.
        held_out: Whether it is the fold, to validate on, or all the others.

    Returns:
        BaseDataset: The data set itself, no wrapper.
    """
    built = DATASETS.build({**dataset, 'lazy_init': True})
    load = built.load_data_list

    def load_part() -> list[dict]:
        samples = load()
        numbers = folds_of(_labels(samples), Fold(index, of, seed)).numbers
        return [
            sample
            for sample, number in zip(samples, numbers, strict=True)
            if (number == index) == held_out
        ]

    built.load_data_list, built.test_mode = load_part, held_out
    built.full_init()
    del built.load_data_list  # a function of a function cannot be sent to a worker
    return built


def hold_out(cfg, fold: Fold) -> tuple[Folds, BaseDataset]:
    """Let a config train on all but a fold of its data, and validate on that.

    The held-out samples go through the pipeline of the validation, whose own data are
    not used.

    Args:
        cfg: Config of a training, which is changed.
        fold: The fold.

    Returns:
        The folds, and the data set of training, without its samples.

    Raises:
        UserError: If the data cannot be split.
    """
    dataset = cfg.train_dataloader.dataset
    class_ = dataset_class(dataset.get('type'), cfg.get('default_scope'))
    if not (isinstance(class_, type) and issubclass(class_, BaseDataset)):
        name = getattr(class_, '__name__', dataset.get('type'))
        raise UserError(
            f'--folds {fold.of}: train_dataloader.dataset is a {name}, which cannot be '
            "split; folds need a data set that descends from mmengine's BaseDataset "
            'and is in no wrapper, or texts of a corpus'
        )
    pipeline = cfg.val_dataloader.dataset.get('pipeline')
    if pipeline is None:
        raise UserError(
            f'--folds {fold.of}: val_dataloader.dataset states no pipeline for the '
            'samples that are held out'
        )
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        built = DATASETS.build({**dataset, 'lazy_init': True, 'pipeline': []})
        folds = folds_of(_labels(built.load_data_list()), fold)
    part = dict(type='projects.dataset_of_fold', **vars(fold))
    cfg.train_dataloader.dataset = dict(part, held_out=False, dataset=dataset)
    cfg.val_dataloader.dataset = dict(
        part, held_out=True, dataset={**dataset, 'pipeline': pipeline}
    )
    return folds, built


def _labels(samples: Sequence[dict]) -> list:
    return [sample.get('gt_label') for sample in samples]
