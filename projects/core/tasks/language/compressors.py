"""Yardsticks for a language model: what other means need for the same text."""

import gzip
import lzma
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

#: of the training text xz reads so many bytes, the last ones
XZ_BYTES = 2**24
#: weight of what a shorter context predicts, in occurrences of the longer one
PRIOR = 16.0
BLOCK = 2**23  # bytes that are counted at once


def yardsticks(train: bytes, held_out: bytes) -> dict[str, float]:
    """Bits per byte of a text by compressors and a model of two bytes of context.

    ===========================  ================================================
    'gzip'                       level 9; of the held-out text alone
    'xz'                         preset 9; of the held-out text alone
    'xz after the training text' by how much the compressed training text grows
                                 where the held-out text stands behind it
    'order-2 model'              see :func:`order_2_bits`; fitted on the training
                                 text
    ===========================  ================================================

    gzip and xz know nothing of the training text, which a language model does. The
    others do; xz of its last 16 MB.

    Args:
        train: The training text.
        held_out: At least one byte.

    Raises:
        ValueError: If there is no held-out text.
    """
    if not held_out:
        raise ValueError('there is no held-out text')
    known = train[-XZ_BYTES:]
    with ThreadPoolExecutor(2) as pool:  # compressing frees the interpreter
        before, after = pool.map(xz_size, (known, known + held_out), (6, 6))
    return {
        **of_text_alone(held_out),
        'xz after the training text': 8 * (after - before) / len(held_out),
        'order-2 model': order_2_bits(train, held_out),
    }


def of_text_alone(text: bytes) -> dict[str, float]:
    """Bits per byte by gzip and xz, which read nothing else.

    Raises:
        ValueError: If there is no text.
    """
    if not text:
        raise ValueError('there is no held-out text')
    sizes = dict(gzip=len(gzip.compress(text, 9)), xz=xz_size(text, 9))
    return {name: 8 * size / len(text) for name, size in sizes.items()}


def xz_size(text: bytes, preset: int) -> int:
    """Bytes of a compressed text; the dictionary holds all of it."""
    size = max(2**16, len(text))
    filters = [dict(id=lzma.FILTER_LZMA2, preset=preset, dict_size=size)]
    return len(lzma.compress(text, filters=filters))


def order_2_bits(train: bytes, held_out: bytes, prior: float = PRIOR) -> float:
    r"""Bits per byte by a model that sees the two bytes before.

    .. math:: p(c \mid ab) = \frac{n(abc) + \alpha\, p(c \mid b)}{n(ab) + \alpha}

    with n counted in the training text; p(c | b) alike from p(c), and that from
    1/256 (MacKay and Peto, "A hierarchical Dirichlet language model", 1995, with one
    alpha). Before a text stand two zero bytes.

    Args:
        train: The text that is counted.
        held_out: The text of which the bits are.
        prior: alpha.
    """
    counts = [np.zeros(256**order, np.int64) for order in (1, 2, 3)]
    totals = [np.zeros(256**order, np.int64) for order in (0, 1, 2)]
    for codes in _triples(train):
        for order, (count, total) in enumerate(zip(counts, totals, strict=True), 1):
            code = codes % 256**order
            np.add.at(count, code, 1)
            np.add.at(total, code // 256, 1)
    bits = 0.0
    for codes in _triples(held_out):
        chance = np.full(len(codes), 1 / 256)
        for order, (count, total) in enumerate(zip(counts, totals, strict=True), 1):
            code = codes % 256**order
            chance = (count[code] + prior * chance) / (total[code // 256] + prior)
        bits -= float(np.log2(chance).sum())
    return bits / len(held_out)


def _triples(text: bytes) -> Iterator[np.ndarray]:
    """Each byte after the two before it, as numbers of 24 bits."""
    for start in range(0, len(text), BLOCK):
        block = text[max(0, start - 2) : start + BLOCK]
        block = np.frombuffer(block if start else b'\0\0' + block, np.uint8)
        first, second, third = (
            block[i : len(block) - 2 + i].astype(np.int64) for i in range(3)
        )
        yield (first << 16) | (second << 8) | third
