"""What an evaluation of a model of sequences reports, as blocks of a page."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_sequences import CLASSIFIER, READER, TRANSLATOR

from projects.core.engine import evaluate, train
from projects.core.reports.evaluation import read_evaluation
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.metrics import LanguageMetric
from projects.core.tasks.language.model_sections import (
    CELLS,
    attention_blocks,
    example_of,
    examples_of,
    sections_of,
)
from projects.core.tasks.language.scores import masked_token_scores, token_scores
from projects.core.tasks.language.sections import by_length, ends_of, sequence_table
from projects.core.tasks.language.task import LanguageTask
from projects.core.tasks.language.token_statistics import (
    ALONE,
    NUM_PLACES,
    TokenStatistics,
    place_groups,
)
from projects.core.tasks.language.tokenizers import train_tokenizer
from projects.core.weights import read_checkpoint
from projects.registry import DATASETS, METRICS, MODELS

CHARS = train_tokenizer('chars', ['abcdefgh .'])


def blocks_of(sections):
    return {block.key: block for section in sections for block in section.blocks}


# ------------------------------------------------------------ tokens of predictions
# probabilities of three tokens; the likeliest is 2, 0, 1
CHANCES = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.2, 0.6, 0.2]])


def test_tokens_by_hand():
    labels = torch.tensor([[2, 1, IGNORE], [IGNORE, IGNORE, IGNORE]])
    scores = torch.stack([CHANCES.log() + 3, torch.zeros(3, 3)])
    first, second = token_scores(scores, labels)
    assert first['nll'] == pytest.approx(-math.log(0.7 * 0.25), rel=1e-6)
    assert (first['num_tokens'], first['num_right']) == (2, 1)
    assert first['places'].tolist() == [0, 1]
    assert first['guesses'].tolist() == [2, 0]
    assert first['labels'].tolist() == [2, 1]
    torch.testing.assert_close(first['chances'], torch.tensor([0.7, 0.5]))
    assert (second['nll'], second['num_tokens'], len(second['nlls'])) == (0, 0, 0)


def test_scores_of_the_labelled_alone_give_the_same():
    torch.manual_seed(0)
    scores = torch.randn(3, 5, 4)
    labels = torch.randint(4, (3, 5)).where(torch.rand(3, 5) < 0.5, IGNORE)
    for a, b in zip(
        token_scores(scores, labels),
        masked_token_scores(scores[labels != IGNORE], labels),
        strict=True,
    ):
        assert a.keys() == b.keys()
        assert a['nll'] == pytest.approx(b['nll'], abs=1e-5)
        for name in ('places', 'nlls', 'chances', 'guesses', 'labels'):
            torch.testing.assert_close(a[name], b[name])


# ------------------------------------------------------------------- sums over tokens
def test_groups_of_places():
    places = np.arange(1000)
    groups = place_groups(places)
    assert groups[:ALONE].tolist() == list(range(ALONE))
    assert set(np.diff(groups)) == {0, 1}
    # a fourth of a doubling of the 16 places counted from 1, and the next doubling
    assert groups[31] - groups[15] == 5
    assert groups[63] - groups[31] == 4
    assert place_groups(np.array([2**40])) == NUM_PLACES - 1


def row(places, chances, rights, nll=1.0):
    num = len(places)
    return dict(
        places=torch.tensor(places),
        nlls=torch.full((num,), nll),
        chances=torch.tensor(chances),
        guesses=torch.full((num,), 4),
        labels=torch.tensor([4 if right else 5 for right in rights]),
    )


def test_calibration_and_loss_by_place_by_hand():
    found = TokenStatistics()
    # at place 0 all are of loss 1, at place 1 of loss 3; 30 of the 40 are right
    found.add([row([0], [0.92], [True])] * 20)
    found.add([row([1], [0.56], [i < 10], nll=3.0) for i in range(20)])
    found.add([row([2], [0.5], [True])] * 19)  # too few for a mean
    found.add([row([0], [float('nan')], [True]), row([1], [0.5], [True], math.inf)])
    found.add([dict(nll=1.0)])  # of a model that knows no single tokens
    by_place, calibration, mistakes = found.blocks(CHARS)
    (series,) = by_place.series
    assert (series.x, series.y) == ([1, 2], [1, 3])
    points = [(p.x, p.y) for p in calibration.points]
    # 20 of 0.56 and 19 of 0.5 fall into one range
    expected = [((20 * 0.56 + 19 * 0.5) / 39, 29 / 39), (0.92, 1)]
    for point, values in zip(points, expected, strict=True):
        assert point == pytest.approx(values, abs=1e-6)
    # |11.2 + 9.5 - 29| and |18.4 - 20|, of 59 tokens
    assert f'{(8.3 + 1.6) / 59:.1%}' in calibration.note
    assert mistakes.rows == [['[MASK] for ␣', 10, 100]]


def test_nothing_and_one_place_have_no_curve():
    assert TokenStatistics().blocks(CHARS) == []
    found = TokenStatistics()
    found.add([row([3], [0.5], [True])] * 30)
    assert [block.key for block in found.blocks()] == ['token-calibration']


# ------------------------------------------------------------------------ sequences
def test_ends_are_never_in_both():
    rows = list('dacb')
    assert ends_of(rows, [4, 1, 3, 2]) == (['a', 'b'], ['d', 'c'])
    assert ends_of(['x'], [1]) == (['x'], [])
    low, high = ends_of(list(range(40)), list(range(40)))
    assert (low, high) == ([0, 1, 2, 3, 4], [39, 38, 37, 36, 35])


def test_hardest_and_easiest_sequences():
    rows = [
        dict(text=f'text {i}', nll=i * math.log(2) * 2, num_tokens=2, num_right=1)
        for i in range(12)
    ]
    rows += [dict(nll=9.0, num_tokens=1), dict(text='no token', nll=0.0, num_tokens=0)]
    rows += [dict(text='broken', nll=math.nan, num_tokens=1)]
    (table,) = sequence_table(rows)
    assert [r[0] for r in table.rows[:5]] == [f'text {i}' for i in (11, 10, 9, 8, 7)]
    assert [r[0] for r in table.rows[5:]] == [f'text {i}' for i in range(5)]
    assert table.rows[0][1:] == ['hardest', pytest.approx(2**11), 50, 2]
    assert sequence_table(rows[-3:]) == []


@pytest.mark.parametrize('kind', ['LanguageMetric', 'TranslationMetric'])
def test_metrics_that_saw_nothing_report_nothing(kind):
    metric = METRICS.build(dict(type=f'projects.{kind}'))
    assert metric.sections(None) == []


def test_a_metric_reports_its_last_evaluation_alone():
    metric = LanguageMetric()
    for text in ('first', 'second'):
        rows = [dict(text=text, nll=1.0, num_tokens=2, num_right=1)]
        metric.process(None, rows)
        metric.evaluate(1)
    (section,) = metric.sections(None)
    assert [r[0] for r in section.blocks[0].rows] == ['second']


def translated(*pairs):
    metric = METRICS.build(dict(type='projects.TranslationMetric'))
    metric.dataset_meta = dict(tokenizer=CHARS.text)
    rows = [
        dict(
            tokens=CHARS.encode(written),
            reference=reference,
            source=f'source of {reference}',
            nll=1.0,
            num_tokens=len(reference),
        )
        for written, reference in pairs
    ]
    metric.process(None, rows)
    return metric, metric.evaluate(len(rows))


def test_lines_by_hand():
    metric, scores = translated(
        ('abcd', 'abcd'), ('efgh', 'abcd'), ('abcde', 'abcde'), ('', 'ab')
    )
    blocks = blocks_of(metric.sections(None))
    rows = dict(blocks['translation'].rows)
    assert rows['lines that are the reference (%)'] == 50
    assert rows['BLEU'] == scores['translation/bleu']
    assert rows['chrF'] == scores['translation/chrf']
    # four words written? three: one line is empty
    assert rows['words written, of 100 in the references'] == 75
    bars = blocks['lines-by-length']
    assert bars.labels == ['1 to 4 tokens (3)', '5 to 8 tokens (1)']
    assert bars.series['exact match'] == [pytest.approx(100 / 3), 100]
    assert bars.series['mean chrF'] == [pytest.approx(100 / 3), 100]
    worst = blocks['worst-lines'].rows
    assert [r[1] for r in worst] == ['', 'efgh']  # of two at 0 the shorter is first
    assert worst[0] == ['source of ab', '', 'ab', 0]
    # of two that are right the longer one
    assert [r[1] for r in blocks['best-lines'].rows] == ['abcde', 'abcd']


def test_lines_of_one_length_have_no_bars():
    rows = [dict(num_tokens=3, written='a', reference='a', chrf=100.0)] * 4
    assert by_length(rows, '') == []


# --------------------------------------------------------------------- of the model
@pytest.fixture
def pairs(fresh):
    return DATASETS.build(
        dict(
            type='projects.PairDataset',
            corpus=dict(type='projects.ToyPairs'),
            split='val',
            tokenizer=dict(kind='chars'),
        )
    )


@pytest.fixture
def stream(fresh):
    return DATASETS.build(
        dict(
            type='projects.StreamDataset',
            corpus=dict(type='projects.ToyDocuments'),
            split='val',
            tokenizer=dict(kind='chars'),
            length=64,
        )
    )


def built(dataset, model, **backbone):
    torch.manual_seed(0)
    backbone = dict(vocab_size=len(dataset.tokenizer), **backbone)
    cfg = dict(type=f'projects.{model}', backbone=backbone)
    return MODELS.build(cfg).eval()


def seq2seq(dataset, attention):
    return built(
        dataset,
        'EncoderDecoder',
        type='projects.Seq2Seq',
        attention=attention,
        embed_dims=4,
        hidden_dims=6,
        num_layers=1,
    )


def gpt(dataset):
    return built(
        dataset,
        'CausalLanguageModel',
        type='projects.GPT',
        arch=(8, 2, 2),
        max_length=64,
    )


def test_attention_of_a_translator(pairs):
    (matrix,) = attention_blocks(seq2seq(pairs, 'additive'), pairs)
    assert matrix.key == 'attention-decoder-to-encoder'
    np.testing.assert_allclose(np.sum(matrix.values, 1), 1, rtol=1e-5)
    sample = example_of(pairs, False)
    source, target = sample['data_samples']['text'].split(' -> ')
    names = [f'{i}: {c}' for i, c in enumerate([*source, '[SEP]'], 1)]
    assert matrix.columns == names
    # a step is named by what it should write
    names = [f'{i}: {c}' for i, c in enumerate([*target, '[SEP]'], 1)]
    assert matrix.rows == names


def test_without_attention_there_is_no_matrix(pairs):
    assert attention_blocks(seq2seq(pairs, None), pairs) == []


def test_attention_of_a_language_model_looks_back(stream):
    (matrix,) = attention_blocks(gpt(stream), stream)
    values = np.array(matrix.values)
    assert values.shape == (CELLS, CELLS)  # of 64 tokens
    assert (np.triu(values, 1) == 0).all()
    np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
    assert len(set(matrix.rows)) == CELLS  # letters come again


def test_the_example_can_be_shown(pairs):
    lengths = [max(map(len, dataset_pair)) for dataset_pair in pairs.pairs]
    sample = example_of(pairs, False)
    assert len(sample['inputs']['tokens']) == 1 + max(lengths)
    long = [dict(inputs=dict(tokens=torch.zeros(n)), data_samples={}) for n in (90, 70)]
    assert len(example_of(long, False)['inputs']['tokens']) == 70
    long[1] = dict(inputs=dict(tokens=torch.zeros(999)), data_samples={})
    assert len(example_of(long, False)['inputs']['tokens']) == 90
    assert example_of(long[1:], False) is None
    assert example_of([], False) is None


def test_reports_leave_the_random_numbers_alone(stream):
    model, before = gpt(stream), torch.get_rng_state()
    sections = sections_of(model, stream, {'language/bits_per_byte': 2.0}, False)
    assert blocks_of(sections).keys() == {
        'bits-per-byte',
        'continuation',
        'attention-decoder',
    }
    assert torch.equal(torch.get_rng_state(), before)


def test_a_continuation_stands_beside_the_truth(stream):
    text = blocks_of(sections_of(gpt(stream), stream, {}, False))['continuation'].text
    whole = ''.join(text for _, text in stream.corpus.documents('val'))
    assert text.startswith(f'[Beginning]\n{whole[:31]}\n')  # after the first token
    assert f'goes on]\n{whole[31:80]}' in text


def test_a_long_text_is_not_compressed_at_every_validation(stream, monkeypatch):
    from projects.core.tasks.language import model_sections

    monkeypatch.setattr(model_sections, 'MOST_BYTES', 10)
    sections = sections_of(None, stream, {'language/bits_per_byte': 2.0}, False)
    assert blocks_of(sections)['bits-per-byte'].labels == ['model']


def test_strange_data_have_no_sections():
    assert sections_of(None, [1, 2], {}, False) == []
    assert examples_of(None, [1, 2]) == []


# ------------------------------------------------------------------ under the tools
@pytest.fixture
def write(tmp_path, fresh):
    def call(text):
        path = tmp_path / 'toy.py'
        path.write_text(text)
        return str(path)

    return call


REPORTED = pytest.mark.parametrize(
    ('text', 'keys'),
    [
        (READER, {'token-calibration', 'sequences', 'bits-per-byte', 'continuation'}),
        (TRANSLATOR, {'translation', 'worst-lines', 'best-lines', 'lines-by-length'}),
        (CLASSIFIER, {'classes', 'confusion', 'calibration', 'wrong-texts'}),
    ],
    ids=['reader', 'translator', 'classifier'],
)


@REPORTED
def test_a_training_and_a_test_report(write, fresh, text, keys):
    config = write(text)
    train(config, 'run')
    found = read_evaluation('run/evaluation')
    blocks = blocks_of(found.sections)
    assert keys <= blocks.keys()
    assert found.at == {'iter': 6}
    fresh()
    evaluate(config, 'run/iter_6.pth', 'tested')
    tested = blocks_of(read_evaluation('tested/test_evaluation').sections)
    assert keys <= tested.keys()
    if 'bits-per-byte' in keys:
        assert blocks['bits-per-byte'].labels == ['model', 'gzip', 'xz']
        assert len(tested['bits-per-byte'].labels) == 5
    if 'wrong-texts' in keys:
        for shown, true, predicted, confidence in blocks['wrong-texts'].rows:
            assert true == shown[0] != predicted  # words by their first letter
            assert 0 < confidence < 1


def test_the_model_of_a_report_is_the_one_that_was_evaluated(write, monkeypatch):
    seen = {}

    def sections(self, runner, loop, metrics):
        weights = runner.model.state_dict().items()
        seen.update({name: value.clone() for name, value in weights})
        raise ValueError('and a report that fails leaves the trained ones')

    monkeypatch.setattr(LanguageTask, 'sections', sections)
    average = "custom_hooks = [dict(type='EMAHook', momentum=0.5)]\n"
    runner = train(write(f'{READER}\n{average}'), 'run')
    checkpoint = read_checkpoint('run/iter_6.pth')
    trained = runner.model.state_dict()
    assert seen
    for name, value in seen.items():
        assert torch.equal(value, checkpoint['state_dict'][name])
        averaged = checkpoint['ema_state_dict'][f'module.{name}']
        assert torch.equal(trained[name], averaged)  # they change places in the file
        assert not torch.equal(value, trained[name])


def test_texts_in_another_order_are_not_shown(fresh):
    dataset = DATASETS.build(
        dict(
            type='projects.LabelledTextDataset',
            corpus=dict(type='projects.ToyClasses'),
            split='val',
            tokenizer=dict(kind='chars'),
        )
    )
    labels = np.array([label for _, label in dataset.labelled])

    def outcome(true):
        return SimpleNamespace(
            surest=lambda right, num: np.flatnonzero((true == 0) == right)[:num],
            described=lambda i: dict(
                true_label=true[i],
                true_class='x',
                predictions=[{'class': 'a', 'score': 0.5}],
            ),
        )

    assert len(examples_of(outcome(labels), dataset)[0].blocks) == 2
    assert examples_of(outcome(labels[::-1]), dataset) == []
