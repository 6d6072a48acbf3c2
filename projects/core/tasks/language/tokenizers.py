"""Texts to numbers and back, by the library tokenizers.

A tokenizer is trained on the training split alone, and is a text (JSON) of its own:
it is saved beside the data and carried in every checkpoint.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Regex,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from tokenizers import Tokenizer as HFTokenizer
from torch import Tensor

from projects.core.errors import UserError, described
from projects.core.values import Rule, whole

#: what the tokenizers that are trained here begin with, in this order: padding,
#: unknown, beginning, end, masked
SPECIAL = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
#: names that published tokenizers give them
NAMES = dict(
    pad=('[PAD]', '<pad>'),
    unk=('[UNK]', '<unk>'),
    bos=('[CLS]', '<s>', '<|endoftext|>'),
    eos=('[SEP]', '</s>', '<|endoftext|>'),
    mask=('[MASK]', '<mask>'),
)
#: how the tokenizer of characters cuts a text, as the library writes it
CHARACTERS = dict(
    type='Split', pattern=dict(Regex=r'[\s\S]'), behavior='Isolated', invert=False
)
#: between two lines, and not among several blanks, which are one token
PIECE_END = re.compile(r'\n(?= \S)|(?<=\S)\n(?=\S)')
PIECES = 512  # that are encoded at once
KINDS = ('bytes', 'chars', 'bpe', 'wordpiece')
KIND = Rule(f'one of {", ".join(map(repr, KINDS))}', lambda v: v in KINDS)


class Tokenizer:
    """A tokenizer, with the tokens that have a meaning of their own.

    Args:
        text: JSON, as :attr:`text` of another and a published
            ``tokenizer.json`` hold it.
        source: Where it is from, for messages.

    Raises:
        UserError: If it is none.
    """

    def __init__(self, text: str, source: str = 'the tokenizer') -> None:
        try:
            self._tokenizer = HFTokenizer.from_str(text)
        except Exception as error:  # of the library's own kind
            raise UserError(f'{source} is no tokenizer: {described(error)}') from error
        # published ones may ask for them
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.text = text
        ids = {
            role: next(
                (i for n in names if (i := self._tokenizer.token_to_id(n)) is not None),
                None,
            )
            for role, names in NAMES.items()
        }
        self.pad, self.unk, self.bos, self.eos, self.mask = ids.values()

    def __len__(self) -> int:
        """Tokens of the vocabulary."""
        return self._tokenizer.get_vocab_size()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without those of its beginning and end.

        The name of a special token, as '[MASK]', is that token here; in the texts of
        a corpus, which the other methods are for, it is a text like any other.
        """
        text = _without_surrogates(text)
        if any(self.token(i) in text for i in self.special):
            return self._tokenizer.encode(text, add_special_tokens=False).ids
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of many texts, by all cores."""
        if self._of_byte is not None:
            return [self.encode_long(text).tolist() for text in texts]
        texts = [*map(_without_surrogates, texts)]
        if self._of_character is not None:
            of, unk = self._of_character, self.unk
            return [[of.get(character, unk) for character in text] for text in texts]
        self._tokenizer.encode_special_tokens = True
        try:
            found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        finally:
            self._tokenizer.encode_special_tokens = False
        return [e.ids for e in found]

    def encode_long(self, text: str) -> np.ndarray:
        """(T,) tokens of a text of any length, as integers of 32 bits."""
        if self._of_byte is not None:
            raw = np.frombuffer(text.encode('utf-8', 'replace'), np.uint8)
            return self._of_byte[raw]
        parts = [np.zeros(0, np.int32)]
        pieces = pieces_of(text)
        while some := list(islice(pieces, PIECES)):
            parts += [np.array(tokens, np.int32) for tokens in self.encode_all(some)]
        return np.concatenate(parts)

    def encode_with_places(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokens of a text, and where each begins and ends in it, in characters."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return encoded.ids, encoded.offsets

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, without the special ones."""
        return self._tokenizer.decode([int(t) for t in tokens])

    def token(self, index: int) -> str:
        """How a token is shown: its text, or its name."""
        return self._tokenizer.id_to_token(int(index)) or f'<{index}>'

    @cached_property
    def special(self) -> frozenset[int]:
        """Tokens that stand for no text."""
        return frozenset(
            i
            for i, token in self._tokenizer.get_added_tokens_decoder().items()
            if token.special
        )

    @property
    def is_of_bytes(self) -> bool:
        """Whether the tokens are the 256 bytes, which are made at once."""
        return self._of_byte is not None

    @cached_property
    def _of_byte(self) -> np.ndarray | None:
        """(256,) token of each byte, where there are no others: the library takes
        thirty times as long."""
        if not isinstance(self._tokenizer.decoder, decoders.ByteLevel) or (
            len(self) - len(self.special) != 256
        ):
            return None
        vocab = self._tokenizer.get_vocab()
        return np.array([vocab[c] for c in byte_characters()], np.int32)

    @cached_property
    def _of_character(self) -> dict[str, int] | None:
        """Token of each character, where there are no others; else None."""
        settings = json.loads(self.text)
        if settings['pre_tokenizer'] != CHARACTERS or settings['normalizer']:
            return None
        return self._tokenizer.get_vocab(with_added_tokens=False)

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """(V,) bytes of text that each token stands for, 0 of special ones.

        An unknown character is counted as one byte.
        """
        is_bytes = isinstance(self._tokenizer.decoder, decoders.ByteLevel)
        is_wordpiece = isinstance(self._tokenizer.decoder, decoders.WordPiece)
        lengths = np.zeros(len(self), np.int64)
        for token, i in self._tokenizer.get_vocab().items():
            if i == self.unk:
                lengths[i] = 1
            elif i not in self.special:
                if is_wordpiece:
                    token = token.removeprefix('##')
                lengths[i] = len(token if is_bytes else token.encode())
        return lengths


def _without_surrogates(text: str) -> str:
    """What UTF-8 cannot hold, as of a damaged file name, becomes '?'."""
    return text.encode('utf-8', 'replace').decode()


def pieces_of(text: str, size: int = 2**13) -> Iterator[str]:
    """Pieces of a long text: at least ``size`` characters each but for the last one.

    The library needs a hundred times the memory of what it encodes at once, and takes
    longer for long texts. A piece
    ends with a line, where no token of byte-level BPE or WordPiece goes over it.
    """
    start = 0
    while cut := PIECE_END.search(text, start + size):
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


def byte_characters() -> list[str]:
    """The character that stands for each byte in GPT-2's tokens: itself where it
    can be printed, else one from 256 on, in order."""
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(i if i in printed else next(others)) for i in range(256)]


def train_tokenizer(
    kind: str, texts: Iterable[str], vocab_size: int | None = None
) -> Tokenizer:
    """Learn a tokenizer from texts.

    ============  =============================================================
    kind          tokens
    ============  =============================================================
    'bytes'       the 256 bytes; nothing is learnt
    'chars'       the characters of the texts, the most frequent ones
    'bpe'         bytes, and pairs of tokens that are frequent (Sennrich et al.,
                  ACL 2016; on bytes: Radford et al., GPT-2, 2019)
    'wordpiece'   parts of lower-case words (Devlin et al., BERT, 2019)
    ============  =============================================================

    Args:
        kind: See above.
        texts: Those of the training split.
        vocab_size: Most tokens, those of ``SPECIAL`` among them; None for as many
            as there are (261 of bytes).

    Raises:
        UserError: If the kind is none of these, if one that learns has no size, or
            the size is none of the kind.
    """
    if refusal := KIND.refusal(kind):
        raise UserError(f'tokenizer.kind: {refusal}')
    least = len(SPECIAL) + (256 if kind == 'bpe' else 1)
    if vocab_size is None:
        if kind in ('bpe', 'wordpiece'):
            raise UserError(f'tokenizer.vocab_size: {kind} needs the number of tokens')
    elif kind == 'bytes':
        raise UserError('tokenizer.vocab_size: bytes are 261 tokens; leave it out')
    elif refusal := whole(least).refusal(vocab_size):
        raise UserError(f'tokenizer.vocab_size: {refusal}')
    if kind == 'chars':
        return _of_characters(texts, vocab_size)
    if kind == 'bytes':
        vocab = {t: i for i, t in enumerate([*SPECIAL, *byte_characters()])}
        return _with_special(_byte_level(models.BPE(vocab, []), use_regex=False))
    options = dict(
        special_tokens=list(SPECIAL), show_progress=False, vocab_size=vocab_size
    )
    if kind == 'wordpiece':
        tokenizer = _of_words(models.WordPiece(unk_token='[UNK]'))
        trainer = trainers.WordPieceTrainer(**options)
    else:
        tokenizer = _byte_level(models.BPE())
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **options)
    tokenizer.train_from_iterator(texts, trainer)
    return Tokenizer(tokenizer.to_str())


def _byte_level(model: models.BPE, use_regex: bool = True) -> HFTokenizer:
    """GPT-2's: bytes; its regular expression keeps words apart."""
    tokenizer = HFTokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(False, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _of_words(model: models.WordPiece) -> HFTokenizer:
    """BERT's, of lower case."""
    tokenizer = HFTokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _of_characters(texts: Iterable[str], vocab_size: int | None) -> Tokenizer:
    counts = Counter()
    for text in texts:
        counts.update(text)
    frequent = sorted(counts, key=lambda c: (-counts[c], c))
    if vocab_size is not None:
        frequent = frequent[: vocab_size - len(SPECIAL)]
    vocab = {token: i for i, token in enumerate([*SPECIAL, *frequent])}
    tokenizer = HFTokenizer(models.WordLevel(vocab, unk_token='[UNK]'))
    # each character alone, line breaks too
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(CHARACTERS['pattern']['Regex']), behavior='isolated'
    )
    tokenizer.decoder = decoders.Fuse()
    return _with_special(tokenizer)


def _with_special(
    tokenizer: HFTokenizer,
    special: Sequence[str] = SPECIAL,
    source: str = 'the tokenizer',
) -> Tokenizer:
    """With special tokens, which the vocabulary holds."""
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in special])
    return Tokenizer(tokenizer.to_str(), source)


def read_tokenizer(path: str) -> Tokenizer:
    """A published tokenizer.

    Args:
        path: ``tokenizer.json``, or a folder that holds it; or GPT-2's
            ``vocab.json`` beside ``merges.txt``; or BERT's ``vocab.txt``, of lower
            case. Also a checkpoint of ``tools/train.py``, whose tokenizer it is.

    Raises:
        UserError: If there is none.
    """
    file = Path(path)
    if file.is_dir():
        for name in ('tokenizer.json', 'vocab.json', 'vocab.txt'):
            if (file / name).is_file():
                return read_tokenizer(str(file / name))
        raise UserError(
            f'the folder {path} holds no tokenizer: tokenizer.json, vocab.json and '
            'merges.txt, or vocab.txt'
        )
    if not file.is_file():
        raise UserError(f'there is no tokenizer {path}')
    if file.suffix in ('.pth', '.pt'):
        tokenizer = tokenizer_of_checkpoint(path)
        if tokenizer is None:
            raise UserError(f'{path} carries no tokenizer')
        return tokenizer
    try:
        if file.name == 'vocab.txt':
            model = models.WordPiece.from_file(str(file), unk_token='[UNK]')
            tokenizer, special = _of_words(model), SPECIAL
        elif file.name == 'vocab.json':
            merges = file.with_name('merges.txt')
            tokenizer = _byte_level(models.BPE.from_file(str(file), str(merges)))
            special = ('<|endoftext|>',)
        else:
            return Tokenizer(file.read_text(encoding='utf-8'), path)
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read: {described(error)}') from error
    except UserError:
        raise
    except Exception as error:  # of the library's own kind
        raise UserError(f'{path} is no tokenizer: {described(error)}') from error
    return _with_special(tokenizer, special, path)


def enclosed(
    tokenizer: Tokenizer, tokens: list[int], max_length: int | None = None
) -> Tensor:
    """(T,) tokens between those of beginning and end, cut to ``max_length``."""
    ends = [[] if t is None else [t] for t in (tokenizer.bos, tokenizer.eos)]
    if max_length is not None:
        tokens = tokens[: max_length - len(ends[0]) - len(ends[1])]
    return torch.tensor([*ends[0], *tokens, *ends[1]], dtype=torch.long)


def tokenizer_of_checkpoint(path: str) -> Tokenizer | None:
    """The tokenizer that a checkpoint carries, None where it carries none."""
    try:
        file = os.stat(path)
    except OSError:
        return None  # the reader of the weights says so
    return _carried(os.path.realpath(path), file.st_mtime_ns, file.st_size)


@lru_cache(4)
def _carried(path: str, *_version: int) -> Tokenizer | None:
    from projects.core.weights import read_checkpoint

    meta = read_checkpoint(path).get('meta')
    return tokenizer_of_meta(meta if isinstance(meta, dict) else {}, path)


def tokenizer_of_meta(meta: dict, source: str) -> Tokenizer | None:
    """The tokenizer in the meta data of a checkpoint, None without one."""
    dataset_meta = meta.get('dataset_meta')
    text = dataset_meta.get('tokenizer') if isinstance(dataset_meta, dict) else None
    return Tokenizer(text, f'the tokenizer of {source}') if text else None
