"""Metrics of sequences, against values worked out by hand."""

import math

import pytest

from projects.core.errors import UserError
from projects.core.tasks.language.metrics import (
    LanguageMetric,
    MaskedTokenMetric,
)
from projects.core.tasks.language.tokenizers import train_tokenizer
from projects.registry import METRICS

CHARS = train_tokenizer('chars', ['abcdefgh .'])


def evaluated(metric, samples, batch_size=2):
    for start in range(0, len(samples), batch_size):
        metric.process(None, samples[start : start + batch_size])
    return metric.evaluate(len(samples))


def test_language_by_hand():
    # 4 tokens at 1/2 each, 2 at 1/8: 4 + 6 = 10 bits for 6 tokens of 5 bytes
    samples = [
        dict(nll=4 * math.log(2), num_tokens=4, num_right=3, num_bytes=3, text='x'),
        dict(nll=2 * math.log(8), num_tokens=2, num_right=0, num_bytes=2, text='y'),
    ]
    metrics = evaluated(LanguageMetric(), samples)
    assert metrics == {
        'language/perplexity': pytest.approx(2 ** (10 / 6)),
        'language/bits_per_byte': pytest.approx(2.0),
        'language/accuracy': pytest.approx(50.0),
    }


def test_batches_and_their_order_weigh_nothing():
    samples = [
        dict(nll=0.1 * i, num_tokens=i + 1, num_right=i % 3, num_bytes=2 * i + 1)
        for i in range(50)
    ]
    found = [
        evaluated(LanguageMetric(), rows, size)
        for size, rows in ((1, samples), (7, samples), (50, samples[::-1]))
    ]
    assert found[0] == found[1] == found[2]


def test_without_bytes_there_are_no_bits():
    metrics = evaluated(LanguageMetric(), [dict(nll=1.0, num_tokens=1, num_right=1)])
    assert sorted(metrics) == ['language/accuracy', 'language/perplexity']


def test_perplexity_beyond_floats_is_infinite():
    metrics = evaluated(LanguageMetric(), [dict(nll=1e9, num_tokens=1, num_right=0)])
    assert metrics['language/perplexity'] == math.inf


def test_nothing_labelled_is_no_number():
    metrics = evaluated(LanguageMetric(), [dict(nll=0.0, num_tokens=0, num_right=0)])
    assert math.isnan(metrics['language/accuracy'])
    assert math.isnan(metrics['language/perplexity'])


def test_masked_tokens_by_hand():
    samples = [
        dict(nll=math.log(4), num_tokens=2, num_right=1, nsp_right=True),
        dict(nll=0.0, num_tokens=0, num_right=0, nsp_right=False),
        dict(nll=math.log(2), num_tokens=1, num_right=1, nsp_right=True),
    ]
    assert evaluated(MaskedTokenMetric(), samples) == {
        'masked/accuracy': pytest.approx(100 * 2 / 3),
        'masked/perplexity': pytest.approx(2.0),  # 3 bits of 3 tokens
        'masked/next_sentence_acc': pytest.approx(100 * 2 / 3),
    }


def test_masked_tokens_alone():
    metrics = evaluated(MaskedTokenMetric(), [dict(num_tokens=4, num_right=1)])
    assert metrics == {'masked/accuracy': 25.0}


def translation(**kwargs):
    metric = METRICS.build(dict(type='projects.TranslationMetric', **kwargs))
    metric.dataset_meta = dict(tokenizer=CHARS.text)
    return metric


def sample(written, reference, nll=0.0):
    return dict(
        tokens=CHARS.encode(written), reference=reference, nll=nll, num_tokens=2
    )


def test_translation_by_hand():
    # words: 4 of 4 and 3 of 4 right, pairs 3 of 3 and 2 of 3, triples 2 and 1 of 2,
    # fours 1 and 0 of 1: (7/8 * 5/6 * 3/4 * 1/2) ** (1/4), no brevity penalty; of
    # characters, without the blanks, there are as many, and chrF is their mean
    samples = [
        sample('a b c d', 'a b c d', nll=math.log(16)),
        sample('a b c e', 'a b c d'),
    ]
    metrics = evaluated(translation(), samples, 1)
    bleu = 100 * (7 / 8 * 5 / 6 * 3 / 4 * 1 / 2) ** 0.25
    assert metrics == {
        'translation/exact_match': 50.0,
        'translation/bleu': pytest.approx(bleu, rel=1e-9),
        'translation/chrf': pytest.approx(100 * (7 / 8 + 5 / 6 + 3 / 4 + 1 / 2) / 4),
        'translation/perplexity': pytest.approx(2.0),  # 4 bits of 4 tokens
    }


def test_brevity_penalty():
    metrics = evaluated(translation(), [sample('a b c d', 'a b c d e f')])
    assert metrics['translation/bleu'] == pytest.approx(100 * math.exp(1 - 6 / 4))


def test_nothing_written_and_tokens_without_a_text():
    metrics = evaluated(translation(), [sample('', 'a')])
    assert metrics['translation/exact_match'] == 0
    assert metrics['translation/bleu'] == 0
    tokens = [*CHARS.encode('a'), CHARS.eos]
    row = dict(tokens=tokens, reference='a', nll=0.0, num_tokens=1)
    assert evaluated(translation(), [row])['translation/exact_match'] == 100


def test_tokenizer_of_bleu(caplog):
    # as characters all but one of 8 are right, as a word none is
    row = sample('abcdefgh', 'abcdefga')
    words = evaluated(translation(), [row])['translation/bleu']
    characters = evaluated(translation(tokenize='char'), [row])['translation/bleu']
    assert words < 1
    assert characters == pytest.approx(100 * (7 / 8 * 6 / 7 * 5 / 6 * 4 / 5) ** 0.25)
    assert not caplog.records  # sacrebleu warns of texts that seem to be tokens
    with pytest.raises(UserError, match="'words' is none of none, zh, 13a"):
        translation(tokenize='words')


def test_data_without_a_tokenizer():
    metric = translation()
    metric.dataset_meta = {}
    with pytest.raises(
        UserError, match='the metainfo of the data set has no tokenizer'
    ):
        metric.process(None, [sample('a', 'a')])
