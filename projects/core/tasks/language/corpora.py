"""What texts there are: the contract, and how a corpus is found.

A corpus knows its texts by split and nothing of tokens; a data set of
:mod:`projects.core.tasks.language.datasets` makes samples of them.
"""

from abc import abstractmethod
from collections.abc import Iterable

from projects.core.datasets.files import SPLITS
from projects.core.errors import UserError
from projects.core.tasks.language.tokenizers import pieces_of


class Corpus:
    """Texts by split.

    Attributes:
        data_root: Folder beside which the tokenizer is saved.
        description: What it is, for reports, as 'the standard library of Python
            3.11.9'.
    """

    data_root: str
    description: str = ''

    @abstractmethod
    def training_texts(self) -> Iterable[str]:
        """Texts of the training split, of which a tokenizer is learnt."""

    @abstractmethod
    def content(self, split: str) -> list:
        """All that a split holds, for its checksum."""


class DocumentCorpus(Corpus):
    """Documents, each a text by itself."""

    @abstractmethod
    def documents(self, split: str) -> list[tuple[str, str]]:
        """Name, for messages, and text of each document of a split."""

    def training_texts(self) -> Iterable[str]:
        return (
            piece for _, text in self.documents('train') for piece in pieces_of(text)
        )

    def content(self, split: str) -> list:
        return [text for _, text in self.documents(split)]  # names have folders


class PairCorpus(Corpus):
    """Pairs of texts: what is read and what is written."""

    @abstractmethod
    def pairs(self, split: str) -> list[tuple[str, str]]:
        """Source and target of each pair of a split."""

    def training_texts(self) -> Iterable[str]:
        return (text for pair in self.pairs('train') for text in pair)

    def content(self, split: str) -> list:
        return self.pairs(split)


class LabelledCorpus(Corpus):
    """Texts, each of a class.

    Attributes:
        classes: Names of the classes.
    """

    classes: tuple[str, ...]

    @abstractmethod
    def labelled(self, split: str) -> list[tuple[str, int]]:
        """Text and index of its class, of a split."""

    def training_texts(self) -> Iterable[str]:
        return (text for text, _ in self.labelled('train'))

    def content(self, split: str) -> list:
        return self.labelled(split)


def check_split(split: str) -> str:
    """Refuse what is no split.

    Raises:
        UserError: If it is none of ``SPLITS``.
    """
    if split not in SPLITS:
        raise UserError(f'split {split!r}: one of {", ".join(map(repr, SPLITS))}')
    return split
