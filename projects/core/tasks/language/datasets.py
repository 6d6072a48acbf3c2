"""Samples of a corpus: windows of a stream, pairs, texts with a class.

A sample is ``dict(inputs=dict(tokens=(T,), ...), data_samples=dict(labels=...,
text=...))``; see :class:`projects.core.tasks.language.preprocessor.
TextDataPreprocessor`.

Legend: T tokens.
"""

import hashlib
import os.path as osp
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from projects.core.errors import UserError, described, one_line
from projects.core.files import output_file, write_text
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.corpora import Corpus, check_split
from projects.core.tasks.language.tokenizers import (
    KINDS,
    Tokenizer,
    enclosed,
    read_tokenizer,
    train_tokenizer,
)
from projects.core.values import whole
from projects.registry import DATASETS, TASK_UTILS

ROWS = 10_000  # texts that are encoded at once
LONG = 2**24  # characters from which on the tokens of a stream are saved


def make_tokenizer(settings: Mapping, corpus: Corpus) -> Tokenizer:
    """The tokenizer that a config asks for.

    One that is learnt is saved as ``tokenizers/<kind>-<digest>.json`` beside the
    data, and read there the next time. The digest is of the settings and the
    training texts.

    Args:
        settings: ``dict(file=PATH)`` for one that is there, see
            :func:`read_tokenizer`; else the arguments ``kind`` and ``vocab_size``
            of :func:`train_tokenizer`.
        corpus: Of whose training split it is learnt.

    Raises:
        UserError: If there is no such file or kind.
    """
    settings = dict(settings)
    if 'file' in settings:
        return read_tokenizer(settings['file'])
    if unknown := settings.keys() - {'kind', 'vocab_size'}:
        raise UserError(
            f"tokenizer: nothing reads the key '{min(unknown)}'; there are kind, "
            'vocab_size and file'
        )
    kind = settings.setdefault('kind', 'bytes')
    if kind not in KINDS or kind == 'bytes':  # which learns nothing
        return train_tokenizer(texts=(), **settings)
    texts = list(corpus.training_texts())
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    for text in texts:
        digest.update(text.encode('utf-8', 'surrogatepass'))
        digest.update(b'\0')
    name = f'{kind}-{digest.hexdigest()[:16]}.json'
    file = osp.join(corpus.data_root, 'tokenizers', name)
    if osp.isfile(file):
        try:
            return read_tokenizer(file)
        except UserError as error:
            raise UserError(f'{error}; delete it, and it is learnt anew') from error
    tokenizer = train_tokenizer(texts=texts, **settings)
    write_text(file, tokenizer.text, 'corpus.data_root')
    return tokenizer


class TextDataset(Dataset):
    """Samples of one split of a corpus.

    Args:
        corpus: Config of a :class:`~projects.core.tasks.language.corpora.Corpus`.
        split: 'train', 'val' or 'test'.
        tokenizer: See :func:`make_tokenizer`.
        indices: How many of the first samples there are; None for all.

    Attributes:
        metainfo: ``tokenizer`` (its text), ``corpus`` (what it is) and, where the
            corpus has classes, ``classes``. A checkpoint carries it.
    """

    def __init__(
        self,
        corpus: dict,
        split: str,
        tokenizer: dict | None = None,
        indices: int | None = None,
    ) -> None:
        self.corpus = TASK_UTILS.build(corpus)
        self.split = check_split(split)
        self.tokenizer = make_tokenizer(tokenizer or {}, self.corpus)
        self.metainfo = dict(
            tokenizer=self.tokenizer.text, corpus=self.corpus.description
        )
        if hasattr(self.corpus, 'classes'):
            self.metainfo['classes'] = tuple(self.corpus.classes)
        self.load()
        self._length = self.count()
        self.indices = indices
        if indices is not None:
            if refusal := whole(1).refusal(indices):
                raise UserError(f'indices: {refusal}')
            self._length = min(self._length, indices)

    @abstractmethod
    def load(self) -> None:
        """Make tokens of the texts of the split."""

    @abstractmethod
    def count(self) -> int:
        """Number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> dict:
        """A sample."""

    def __len__(self) -> int:
        return self._length

    def content(self) -> list:
        """The texts, for a checksum: neither their tokens nor their windows."""
        return [self.indices, self.corpus.content(self.split)]

    def length_of(self, index: int) -> int:
        """Tokens of a sample, by which samples of like length come together."""
        raise NotImplementedError

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that a model is given."""
        return max(self.length_of(i) for i in range(len(self)))


def stream_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Tokens of each text, after one of its beginning where there is such."""
    head = np.array([] if tokenizer.bos is None else [tokenizer.bos], np.int32)
    return [np.concatenate([head, tokenizer.encode_long(text)]) for text in texts]


def saved_stream(
    tokenizer: Tokenizer, texts: Sequence[str], data_root: str
) -> np.ndarray:
    """(T,) tokens of all texts, from ``tokens/<digest>.npy`` beside the data.

    The file is made the first time, and read as far as it is needed.

    Raises:
        UserError: If it is damaged.
    """
    digest = hashlib.sha256(tokenizer.text.encode())
    for text in texts:
        digest.update(text.encode('utf-8', 'replace'))
        digest.update(b'\0')
    file = osp.join(data_root, 'tokens', f'{digest.hexdigest()[:16]}.npy')
    if not osp.isfile(file):
        with output_file(file, 'corpus.data_root') as saved:
            np.save(saved, np.concatenate(stream_of(tokenizer, texts)))
    try:
        return np.load(file, mmap_mode='r')
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f'{file} cannot be read: {described(error)}; delete it, and it is made anew'
        ) from error


@DATASETS.register_module()
class StreamDataset(TextDataset):
    """Windows of one long text, for a model of the next token.

    The documents of the split stand one after the other, a beginning token before
    each. A sample of the training split is a window at a random place. Those of
    the others follow each other, so that every token is predicted once.

    Args:
        corpus: Config of a :class:`~projects.core.tasks.language.corpora.
            DocumentCorpus`.
        split: 'train', 'val' or 'test'.
        length: T, tokens of a window.
        context: Of a window in evaluation, how many of its first tokens were
            predicted in the window before and are only read here.
        **kwargs: Of :class:`TextDataset`.

    Raises:
        UserError: If the text is shorter than a window of training.
    """

    def __init__(
        self, corpus: dict, split: str, length: int, context: int = 0, **kwargs
    ) -> None:
        if refusal := whole(1).refusal(length):
            raise UserError(f'length: {refusal}')
        if refusal := whole(0, length - 1).refusal(context):
            raise UserError(f'context: {refusal}, below length')
        self.window = length
        self.context = context
        super().__init__(corpus, split, **kwargs)

    def load(self) -> None:
        documents = self.corpus.documents(self.split)
        self.names = [name for name, _ in documents]
        begin = self.tokenizer.bos
        texts = [text for _, text in documents]
        is_long = sum(map(len, texts)) >= LONG
        if is_long and begin is not None and not self.tokenizer.is_of_bytes:
            self.tokens = saved_stream(self.tokenizer, texts, self.corpus.data_root)
            self.starts = np.flatnonzero(self.tokens == begin)
        else:
            # one whose tokenizer has no such token begins with its first text's
            parts = stream_of(self.tokenizer, texts)
            self.starts = np.cumsum([0, *map(len, parts)])[:-1]
            self.tokens = np.concatenate([np.zeros(0, np.int32), *parts])
        if len(self.tokens) < (self.window + 1 if self.split == 'train' else 2):
            raise UserError(
                f'the {self.split} split of {self.corpus.description} has '
                f'{len(self.tokens)} tokens, too few for windows of {self.window}'
            )

    def count(self) -> int:
        if self.split == 'train':
            return max(1, (len(self.tokens) - 1) // self.window)
        rest = len(self.tokens) - 1 - self.window
        return 1 + max(0, -(-rest // (self.window - self.context)))

    def length_of(self, index: int) -> int:
        return self.window

    @property
    def longest(self) -> int:
        return self.window

    def __getitem__(self, index: int) -> dict:
        if self.split == 'train':
            start, read = np.random.randint(len(self.tokens) - self.window), 0
        else:
            start = index * (self.window - self.context)
            read = self.context if index else 0
        window = self.tokens[start : start + self.window + 1]
        labels = torch.from_numpy(window[1:].astype(np.int64))
        num_bytes = int(self.tokenizer.byte_lengths[window[1 + read :]].sum())
        labels[:read] = IGNORE
        return dict(
            inputs=dict(tokens=torch.from_numpy(window[:-1].astype(np.int64))),
            data_samples=dict(
                labels=labels, num_bytes=num_bytes, text=self.place_of(int(start))
            ),
        )

    def place_of(self, start: int) -> str:
        """The document in which a window begins, and its first words."""
        name = self.names[np.searchsorted(self.starts, start, side='right') - 1]
        text = self.tokenizer.decode(self.tokens[start : start + 40])
        return f'{name}: {one_line(text, 60)!r}'


class TokenRows:
    """Tokens of many texts in one array: millions of lists would take ten times the
    memory.

    Args:
        tokenizer: Makes the tokens.
        texts: At least one.

    Attributes:
        lengths: (N,) tokens of each text.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
        parts, lengths = [], []
        for start in range(0, len(texts), ROWS):
            rows = tokenizer.encode_all(texts[start : start + ROWS])
            lengths += map(len, rows)
            parts.append(np.fromiter(chain.from_iterable(rows), np.int32))
        self.lengths = np.array(lengths)
        self._tokens = np.concatenate(parts)
        self._starts = np.cumsum([0, *lengths])

    def __getitem__(self, index: int) -> np.ndarray:
        return self._tokens[self._starts[index] : self._starts[index + 1]]


def as_tensor(*parts: Sequence[int]) -> Tensor:
    """(T,) tokens of parts that follow each other."""
    return torch.from_numpy(np.concatenate(parts, dtype=np.int64))


@DATASETS.register_module()
class PairDataset(TextDataset):
    """Pairs of texts, for a model that reads one and writes the other.

    ``tokens`` are the source and an end token, ``target`` a beginning token and
    the target, ``labels`` the target and an end token.

    Args:
        corpus: Config of a :class:`~projects.core.tasks.language.corpora.
            PairCorpus`.
        split: 'train', 'val' or 'test'.
        **kwargs: Of :class:`TextDataset`.

    Raises:
        UserError: If the tokenizer has no beginning or no end token.
    """

    def load(self) -> None:
        if None in (self.tokenizer.bos, self.tokenizer.eos):
            raise UserError(
                'the tokenizer has no token for the beginning or the end of a text'
            )
        self.pairs = self.corpus.pairs(self.split)
        self.sources, self.targets = (
            TokenRows(self.tokenizer, [pair[i] for pair in self.pairs]) for i in (0, 1)
        )

    def count(self) -> int:
        return len(self.pairs)

    def length_of(self, index: int) -> int:
        return 1 + int(max(self.sources.lengths[index], self.targets.lengths[index]))

    @property
    def longest(self) -> int:
        rows = self.sources.lengths, self.targets.lengths
        return 1 + max(int(lengths[: len(self)].max()) for lengths in rows)

    def __getitem__(self, index: int) -> dict:
        source, target = self.pairs[index]
        begin, end = self.tokenizer.bos, self.tokenizer.eos
        return dict(
            inputs=dict(
                tokens=as_tensor(self.sources[index], [end]),
                target=as_tensor([begin], self.targets[index]),
            ),
            data_samples=dict(
                labels=as_tensor(self.targets[index], [end]),
                text=f'{source} -> {target}',
                source=source,
                reference=target,
            ),
        )


@DATASETS.register_module()
class LabelledTextDataset(TextDataset):
    """Texts with a class each.

    ``tokens`` are a beginning token, the text and an end token, where the
    tokenizer has such.

    Args:
        corpus: Config of a :class:`~projects.core.tasks.language.corpora.
            LabelledCorpus`.
        split: 'train', 'val' or 'test'.
        max_length: Tokens beyond are cut off; None for none.
        **kwargs: Of :class:`TextDataset`.
    """

    def __init__(
        self, corpus: dict, split: str, max_length: int | None = None, **kwargs
    ) -> None:
        if max_length is not None and (refusal := whole(3).refusal(max_length)):
            raise UserError(f'max_length: {refusal}')
        self.max_length = max_length
        super().__init__(corpus, split, **kwargs)

    def load(self) -> None:
        self.labelled = self.corpus.labelled(self.split)
        encoded = self.tokenizer.encode_all([text for text, _ in self.labelled])
        self.tokens = [enclosed(self.tokenizer, e, self.max_length) for e in encoded]

    def count(self) -> int:
        return len(self.labelled)

    def length_of(self, index: int) -> int:
        return len(self.tokens[index])

    def __getitem__(self, index: int) -> dict:
        text, label = self.labelled[index]
        return dict(
            inputs=dict(tokens=self.tokens[index].clone()),
            data_samples=dict(labels=torch.tensor(label), text=text),
        )
