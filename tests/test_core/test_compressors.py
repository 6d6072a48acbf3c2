"""Bits per byte by other means, against values worked out by hand."""

import gzip
import math

import pytest

from projects.core.tasks.language import compressors
from projects.core.tasks.language.compressors import order_2_bits, yardsticks


def test_order_2_model_by_hand():
    # Training 'aab', alpha 1. One byte: n(a) = 2, n(b) = 1 of 3. After 0, a, a came
    # a, a, b; after 00, 0a, aa the same. Held out 'ab', contexts 00 and 0a:
    p_a, p_b = (2 + 1 / 256) / 4, (1 + 1 / 256) / 4
    # of 'a' after 00: once after one 0, once after two of them
    first = (1 + (1 + p_a) / 2) / 2
    # of 'b' after 'a': once of two; after 0a: never, once came a
    second = (0 + (1 + p_b) / 3) / 2
    bits = -(math.log2(first) + math.log2(second)) / 2
    assert order_2_bits(b'aab', b'ab', prior=1.0) == pytest.approx(bits, rel=1e-12)


def test_order_2_model_knows_nothing_without_a_text():
    assert order_2_bits(b'', b'any text') == pytest.approx(8)


def test_blocks_change_nothing(monkeypatch):
    train, held_out = b'the cat sat on the mat ' * 20, b'the mat sat on the cat'
    whole = order_2_bits(train, held_out)
    monkeypatch.setattr(compressors, 'BLOCK', 70)
    assert order_2_bits(train, held_out) == pytest.approx(whole, rel=1e-12)


def test_yardsticks():
    train = b'It was the best of times, it was the worst of times. ' * 50
    held_out = b'it was the age of wisdom, it was the age of foolishness'
    found = yardsticks(train, held_out)
    assert found['gzip'] == 8 * len(gzip.compress(held_out, 9)) / len(held_out)
    assert found['xz after the training text'] < found['xz']
    assert found['order-2 model'] == order_2_bits(train, held_out)
    # what was seen before costs nearly nothing
    again = yardsticks(train + held_out, held_out)
    assert again['xz after the training text'] < found['xz after the training text']
    assert again['gzip'] == found['gzip']


def test_nothing_held_out_is_refused():
    with pytest.raises(ValueError, match='no held-out text'):
        yardsticks(b'a text', b'')
