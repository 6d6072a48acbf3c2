"""Texts to numbers and back, by the library tokenizers.

A tokenizer is trained on the training split alone, and is a text (JSON) of its own:
it is saved beside the data and carried in every checkpoint.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HFTokenizer
from torch import Tensor

from projects.core.errors import UserError, described
from projects.core.values import Rule

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
        """Tokens of a text, without those of its beginning and end."""
        if self._of_byte is not None:
            raw = np.frombuffer(text.encode('utf-8', 'replace'), np.uint8)
            return self._of_byte[raw].tolist()
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of many texts, by all cores."""
        if self._of_byte is not None:
            return [self.encode(text) for text in texts]
        return [
            e.ids
            for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]

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

    @cached_property
    def _of_byte(self) -> np.ndarray | None:
        """(256,) token of each byte, where there are no others: the library takes
        thirty times as long."""
        if not isinstance(self._tokenizer.decoder, decoders.ByteLevel) or (
            len(self) - len(self.special) != 256
        ):
            return None
        vocab = self._tokenizer.get_vocab()
        return np.array([vocab[c] for c in byte_characters()])

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """(V,) bytes of text that each token stands for, 0 of special ones.

        An unknown character is counted as one byte.
        """
        is_bytes = isinstance(self._tokenizer.decoder, decoders.ByteLevel)
        lengths = np.zeros(len(self), np.int64)
        for token, i in self._tokenizer.get_vocab().items():
            if i == self.unk:
                lengths[i] = 1
            elif i not in self.special:
                lengths[i] = len(token if is_bytes else token.encode())
        return lengths


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
        UserError: If the kind is none of these, or one that learns has no size.
    """
    if refusal := KIND.refusal(kind):
        raise UserError(f'tokenizer.kind: {refusal}')
    if kind in ('bpe', 'wordpiece') and vocab_size is None:
        raise UserError(f'tokenizer.vocab_size: {kind} needs the number of tokens')
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = dict(special_tokens=list(SPECIAL), show_progress=False)
    if vocab_size is not None:
        options['vocab_size'] = vocab_size
    if kind == 'wordpiece':
        tokenizer = HFTokenizer(models.WordPiece(unk_token='[UNK]'))
        from tokenizers.normalizers import BertNormalizer

        tokenizer.normalizer = BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(**options)
    elif kind == 'chars':
        tokenizer = HFTokenizer(models.WordLevel(unk_token='[UNK]'))
        # each character alone, line breaks too
        tokenizer.pre_tokenizer = pre_tokenizers.Split(
            Regex(r'[\s\S]'), behavior='isolated'
        )
        tokenizer.decoder = decoders.Fuse()
        trainer = trainers.WordLevelTrainer(**{'vocab_size': 2**20, **options})
    else:
        tokenizer = HFTokenizer(models.BPE())
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=kind == 'bpe'
        )
        if kind == 'bytes':
            vocab = {t: i for i, t in enumerate([*SPECIAL, *byte_characters()])}
            tokenizer.model = models.BPE(vocab=vocab, merges=[])
            tokenizer.add_special_tokens(
                [AddedToken(token, special=True) for token in SPECIAL]
            )
            return Tokenizer(tokenizer.to_str())
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **options)
    tokenizer.train_from_iterator(texts, trainer)
    return Tokenizer(tokenizer.to_str())


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
        return tokenizer_of_checkpoint(path)
    try:
        if file.name == 'vocab.txt':
            from tokenizers import BertWordPieceTokenizer

            tokenizer = BertWordPieceTokenizer(str(file))
            tokenizer.add_special_tokens(list(SPECIAL))
        elif file.name == 'vocab.json':
            from tokenizers import ByteLevelBPETokenizer

            merges = file.with_name('merges.txt')
            tokenizer = ByteLevelBPETokenizer(str(file), str(merges))
            tokenizer.add_special_tokens(['<|endoftext|>'])
        else:
            return Tokenizer(file.read_text(encoding='utf-8'), path)
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read: {described(error)}') from error
    except UserError:
        raise
    except Exception as error:  # of the library's own kind
        raise UserError(f'{path} is no tokenizer: {described(error)}') from error
    return Tokenizer(tokenizer.to_str(), path)


def enclosed(
    tokenizer: Tokenizer, tokens: list[int], max_length: int | None = None
) -> Tensor:
    """(T,) tokens between those of beginning and end, cut to ``max_length``."""
    ends = [[] if t is None else [t] for t in (tokenizer.bos, tokenizer.eos)]
    if max_length is not None:
        tokens = tokens[: max_length - len(ends[0]) - len(ends[1])]
    return torch.tensor([*ends[0], *tokens, *ends[1]], dtype=torch.long)


def tokenizer_of_checkpoint(path: str) -> Tokenizer:
    """The tokenizer that a checkpoint carries.

    Raises:
        UserError: If it carries none.
    """
    from projects.core.weights import read_checkpoint

    meta = read_checkpoint(path).get('meta')
    tokenizer = tokenizer_of_meta(meta if isinstance(meta, dict) else {}, path)
    if tokenizer is None:
        raise UserError(f'{path} carries no tokenizer')
    return tokenizer


def tokenizer_of_meta(meta: dict, source: str) -> Tokenizer | None:
    """The tokenizer in the meta data of a checkpoint, None without one."""
    dataset_meta = meta.get('dataset_meta')
    text = dataset_meta.get('tokenizer') if isinstance(dataset_meta, dict) else None
    return Tokenizer(text, f'the tokenizer of {source}') if text else None
