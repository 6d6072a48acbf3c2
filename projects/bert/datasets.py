"""Samples for pre-training: two texts in a sequence, some tokens masked.

Legend: T tokens.
"""

from abc import abstractmethod

import numpy as np
import torch

from projects.bert.masking import Masking, words_of
from projects.core.errors import UserError
from projects.core.tasks.language.datasets import TextDataset
from projects.core.values import whole
from projects.registry import DATASETS

PAIR, NO_PAIR = 0, 1  # as in the authors' files


class MaskedDataset(TextDataset):
    """Sequences ``[CLS] first [SEP] second [SEP]`` with masked tokens.

    What is masked is drawn anew each time in training; in evaluation each sample
    always has the same, so that metrics of two tests can be compared.

    Args:
        corpus: See the subclasses.
        split: 'train', 'val' or 'test'.
        masking: Arguments of :class:`~projects.bert.masking.Masking`.
        **kwargs: Of :class:`~projects.core.tasks.language.datasets.TextDataset`.

    Raises:
        UserError: If the tokenizer lacks one of the tokens that are needed.
    """

    def __init__(
        self, corpus: dict, split: str, masking: dict | None = None, **kwargs
    ) -> None:
        self.masking = Masking(**(masking or {}))
        super().__init__(corpus, split, **kwargs)
        for role in ('bos', 'eos', 'mask'):
            if getattr(self.tokenizer, role) is None:
                raise UserError(
                    'the tokenizer lacks [CLS], [SEP] or [MASK], which BERT needs'
                )

    def words_of(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of a text, and what of it is masked together."""
        return words_of(self.tokenizer, text, self.masking.whole_words)

    @abstractmethod
    def pair(self, index: int, random: np.random.Generator) -> tuple:
        """Tokens and words of the first and of the second text, whether they
        belong together, and what they are called in messages."""

    def __getitem__(self, index: int) -> dict:
        # numpy's own generator is seeded by the engine, for each process of its own
        seed = np.random.randint(2**31) if self.split == 'train' else index
        random = np.random.default_rng(seed)
        first, second, belong, text = self.pair(index, random)
        (a, words_a), (b, words_b) = first, second
        begin, end = self.tokenizer.bos, self.tokenizer.eos
        tokens = np.concatenate([[begin], a, [end], b, [end]])
        words_b = np.where(words_b < 0, -1, words_b + len(a))
        words = np.concatenate([[-1], words_a, [-1], words_b, [-1]])
        masked, labels = self.masking(tokens, words, self.tokenizer, random)
        types = torch.zeros(len(tokens), dtype=torch.long)
        types[len(a) + 2 :] = 1
        return dict(
            inputs=dict(tokens=torch.from_numpy(masked), token_types=types),
            data_samples=dict(
                labels=torch.from_numpy(labels),
                pair_labels=torch.tensor(PAIR if belong else NO_PAIR),
                text=text,
            ),
        )


@DATASETS.register_module()
class MaskedPairDataset(MaskedDataset):
    """Pairs of texts of which the corpus says whether they belong together.

    Args:
        corpus: Config of one that has ``triples(split)``: two texts, and whether
            they belong together.
        split: 'train', 'val' or 'test'.
        **kwargs: Of :class:`MaskedDataset`.
    """

    def load(self) -> None:
        self.triples = self.corpus.triples(self.split)
        texts = {text for triple in self.triples for text in triple[:2]}
        self.encoded = {text: self.words_of(text) for text in texts}

    def count(self) -> int:
        return len(self.triples)

    def length_of(self, index: int) -> int:
        first, second, _ = self.triples[index]
        return 3 + len(self.encoded[first][0]) + len(self.encoded[second][0])

    def pair(self, index: int, random: np.random.Generator) -> tuple:
        first, second, belong = self.triples[index]
        text = f'{first} | {second}'
        return self.encoded[first], self.encoded[second], belong, text


@DATASETS.register_module()
class NextSentenceDataset(MaskedDataset):
    """Two pieces of a text, or of two texts, for pre-training on documents.

    Task #2 of the paper: half of the time the second piece is the one that follows
    the first, else it is of another document. A piece is a run of lines that are not
    empty, as many as fit; a line is to be a sentence or more.

    Args:
        corpus: Config of a :class:`~projects.core.tasks.language.corpora.
            DocumentCorpus`, as ``projects.TextFiles``.
        split: 'train', 'val' or 'test'.
        max_length: Most tokens of a sequence, T.
        **kwargs: Of :class:`MaskedDataset`.

    Raises:
        UserError: If ``max_length`` has no room for two texts, or there are less
            than two documents with two pieces.
    """

    def __init__(
        self, corpus: dict, split: str, max_length: int = 512, **kwargs
    ) -> None:
        if refusal := whole(5).refusal(max_length):
            raise UserError(f'max_length: {refusal}')
        self.max_length = max_length
        super().__init__(corpus, split, **kwargs)

    def load(self) -> None:
        room = (self.max_length - 3) // 2
        self.pieces, self.places = [], []  # of each document; where a first one is
        for name, text in self.corpus.documents(self.split):
            lines = [line for line in text.splitlines() if line.strip()]
            pieces, num = [], room
            for tokens, words in map(self.words_of, lines):
                tokens, words = tokens[:room], words[:room]
                if not len(tokens):
                    continue
                if num + len(tokens) > room:
                    pieces.append(([], []))
                    num = 0
                pieces[-1][0].append(tokens)
                # numbers of words go on from line to line
                pieces[-1][1].append(np.where(words < 0, -1, words + num))
                num += len(tokens)
            if len(pieces) > 1:
                self.places += [
                    (len(self.pieces), i, name) for i in range(len(pieces) - 1)
                ]
                self.pieces.append([tuple(map(np.concatenate, p)) for p in pieces])
        if len(self.pieces) < 2:
            raise UserError(
                f'the {self.split} split of {self.corpus.description} has '
                f'{len(self.pieces)} documents of at least two pieces of {room} '
                'tokens; next sentences need two'
            )

    def count(self) -> int:
        return len(self.places)

    def length_of(self, index: int) -> int:
        document, place, _ = self.places[index]
        pieces = self.pieces[document]
        return 3 + len(pieces[place][0]) + len(pieces[place + 1][0])

    @property
    def longest(self) -> int:
        return self.max_length

    def pair(self, index: int, random: np.random.Generator) -> tuple:
        document, place, name = self.places[index]
        first = self.pieces[document][place]
        belong = bool(random.random() < 0.5)
        if belong:
            second = self.pieces[document][place + 1]
        else:
            other = (document + random.integers(1, len(self.pieces))) % len(self.pieces)
            second = self.pieces[other][random.integers(len(self.pieces[other]))]
        return first, second, belong, f'{name}, piece {place + 1}'
