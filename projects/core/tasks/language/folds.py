"""Folds of texts, for cross-validation."""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from projects.core.datasets.files import SPLITS
from projects.core.datasets.folds import Fold, Folds, folds_of
from projects.core.errors import UserError
from projects.core.tasks.language.corpora import Corpus
from projects.registry import TASK_UTILS


@TASK_UTILS.register_module()
class FoldCorpus(Corpus):
    """A corpus whose 'val' is a fold of its 'train', and 'train' all other folds.

    A tokenizer is learnt of the training texts that are left, so that nothing of the
    fold is known. 'test' is that of the corpus.

    Args:
        corpus: Config of a corpus. Documents, pairs, texts with a class are what is
            split, the latter by class.
        index: Fold, from 0.
        of: Number of folds.
        seed: Of the shuffling.
    """

    def __init__(self, corpus: dict, index: int, of: int, seed: int) -> None:
        self.corpus = TASK_UTILS.build(corpus)
        self.fold = Fold(index, of, seed)
        self.data_root = self.corpus.data_root
        self.description = f'{self.corpus.description}, fold {index} of {of} held out'
        if hasattr(self.corpus, 'classes'):
            self.classes = self.corpus.classes

    def documents(self, split: str) -> list[tuple[str, str]]:
        """See :class:`~projects.core.tasks.language.corpora.DocumentCorpus`."""
        return self._part('documents', split)

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """See :class:`~projects.core.tasks.language.corpora.PairCorpus`."""
        return self._part('pairs', split)

    def labelled(self, split: str) -> list[tuple[str, int]]:
        """See :class:`~projects.core.tasks.language.corpora.LabelledCorpus`."""
        return self._part('labelled', split)

    def training_texts(self) -> Iterable[str]:
        # as the corpus does it, of the training texts of this one
        return type(self.corpus).training_texts(self)

    def folds(self) -> Folds:
        """Those of the training split.

        Raises:
            UserError: If there are fewer texts than folds.
        """
        kind = next(k for k in KINDS if hasattr(self.corpus, k))
        return _folds(kind, getattr(self.corpus, kind)('train'), self.fold)

    def _part(self, kind: str, split: str) -> list[tuple]:
        read = getattr(self.corpus, kind)
        if split == 'test':
            return read(split)
        texts = read('train')
        is_held_out = _folds(kind, texts, self.fold).numbers == self.fold.index
        chosen = np.flatnonzero(is_held_out == (split == 'val'))
        return [texts[i] for i in chosen]


KINDS = ('documents', 'pairs', 'labelled')


def _folds(kind: str, texts: list[tuple], fold: Fold) -> Folds:
    labels = [text[1] if kind == 'labelled' else None for text in texts]
    return folds_of(labels, fold)


def hold_out_texts(cfg, fold: Fold) -> Folds:
    """Let a config train on all but a fold of its texts, and validate on that.

    Args:
        cfg: Config of a training on texts, which is changed.
        fold: The fold.

    Raises:
        UserError: If the data are of no corpus, or have fewer texts than folds.
    """
    corpus = cfg.train_dataloader.dataset.get('corpus')
    if not corpus:
        raise UserError(
            f'--folds {fold.of}: train_dataloader.dataset is a '
            f'{cfg.train_dataloader.dataset.type}, whose samples are of no corpus and '
            'cannot be split; --repeat draws other random numbers'
        )
    part = dict(type='projects.FoldCorpus', corpus=corpus, **asdict(fold))
    for split in SPLITS:  # of all, as they have one tokenizer
        loader = cfg.get(f'{split}_dataloader')
        if loader and loader.dataset.get('corpus'):
            own = part if split != 'test' else {**part, 'corpus': loader.dataset.corpus}
            loader.dataset.corpus = own
    return TASK_UTILS.build(part).folds()
