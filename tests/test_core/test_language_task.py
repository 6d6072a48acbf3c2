"""Models of texts under the tools: trained, resumed, tested, asked."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from test_iteration_runs import log, rows
from toy_sequences import CLASSIFIER, READER, TRANSLATOR, ToyDocuments, ToyReader

from projects.core.benchmark import benchmark
from projects.core.engine import evaluate, infer, train
from projects.core.tasks.language.compressors import yardsticks
from projects.core.tasks.language.models import CausalLanguageModel
from projects.core.tasks.language.tokenizers import Tokenizer
from projects.core.weights import read_checkpoint

HERE = Path(__file__).parent


@pytest.fixture
def write(tmp_path, fresh):
    """Function that writes a run config."""

    def call(text, extra=''):
        path = tmp_path / 'toy.py'
        path.write_text(f'{text}\n{extra}\n')
        return str(path)

    return call


def weights(work_dir, iteration=6):
    return read_checkpoint(f'{work_dir}/iter_{iteration}.pth')['state_dict']


def difference(a, b):
    assert list(a) == list(b)
    return max((a[k] - b[k]).abs().max().item() for k in a)


KINDS = pytest.mark.parametrize(
    ('text', 'metric'),
    [
        (READER, 'language/bits_per_byte'),
        (TRANSLATOR, 'translation/exact_match'),
        (CLASSIFIER, 'accuracy/top1'),
    ],
    ids=['reader', 'translator', 'classifier'],
)


@KINDS
def test_trained_and_tested(write, fresh, text, metric):
    config = write(text)
    runner = train(config, 'run')
    assert runner.iter == 6
    assert math.isfinite(rows('run', metric)[6])
    speeds = re.findall(r'time: \d.*tokens_per_s: (\d+)', log('run'))
    assert len(speeds) == 6
    assert all(int(speed) > 0 for speed in speeds)
    fresh()
    metrics = evaluate(config, 'run/iter_6.pth', 'tested', out='out.json')
    assert math.isfinite(metrics[metric])
    samples = json.loads(Path('out.json').read_text())
    assert len(samples) == len(runner.val_dataloader.dataset)
    end = log('tested')
    assert f'{metric} {metrics[metric]:.4f}' in end
    assert 'predictions: out.json' in end


def test_a_language_model_is_compared_with_compressors(write, fresh):
    config = write(READER)
    train(config, 'run')
    fresh()
    evaluate(config, 'run/iter_6.pth', 'tested')
    train_text, test_text = (
        ''.join(text for _, text in ToyDocuments().documents(split)).encode()
        for split in ('train', 'test')
    )
    (line,) = (row for row in log('tested').splitlines() if 'gzip' in row)
    assert f'bits per byte of the same {len(test_text)} bytes: the model' in line
    for name, value in yardsticks(train_text, test_text).items():
        assert f'{name} {value:.3f}' in line


@KINDS
def test_resumed_run_is_the_uninterrupted_one(write, fresh, text, metric):
    train(write(text), 'whole')
    fresh()
    train(write(text, "train_cfg['max_iters'] = 3"), 'resumed')
    fresh()
    train(write(text), 'resumed', resume=True)
    assert rows('whole') == rows('resumed')
    assert difference(weights('whole'), weights('resumed')) == 0
    assert difference(weights('whole', 3), weights('whole')) > 1e-3


EPOCHS = """
train_cfg = dict(by_epoch=True, max_epochs=EPOCHS, val_interval=1)
train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=True)
train_dataloader['batch_sampler'] = dict(type='projects.LengthBatchSampler', pool=2)
default_hooks['checkpoint'].update(by_epoch=True, interval=1)
log_processor = dict(by_epoch=True)
"""


def test_two_epochs_and_two_are_four(write, fresh):
    train(write(TRANSLATOR, EPOCHS.replace('=EPOCHS', '=4')), 'whole')
    fresh()
    train(write(TRANSLATOR, EPOCHS.replace('=EPOCHS', '=2')), 'resumed')
    fresh()
    train(write(TRANSLATOR, EPOCHS.replace('=EPOCHS', '=4')), 'resumed', resume=True)
    assert len(rows('whole')) == 4 * 6  # 24 words, four in a batch
    assert rows('whole') == rows('resumed')
    whole, resumed = (
        read_checkpoint(f'{folder}/epoch_4.pth')['state_dict']
        for folder in ('whole', 'resumed')
    )
    assert difference(whole, resumed) == 0


@pytest.mark.slow  # detectors and GANs do so in the default run
def test_two_processes_take_the_steps_of_one(write, fresh, train_in_two):
    """Although one has more tokens than the other."""
    extra = """
custom_imports = dict(imports=['projects', 'toy_sequences'])
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.5))
train_cfg['max_iters'] = 3
"""
    config = write(TRANSLATOR, extra)
    option = 'train_dataloader.batch_size=2'
    train_in_two(config, 'two', 2, HERE)
    train(config, 'one')
    fresh()
    train(config, 'half', cfg_options=[option])
    one = weights('one', 3)
    assert difference(one, weights('half', 3)) > 1e-3
    assert difference(one, weights('two', 3)) < 1e-5


def test_nonfinite_loss_names_the_texts(write, error_of):
    # float32 ends at 3.4e38
    extra = "optim_wrapper = dict(optimizer=dict(type='SGD', lr=1e38))"
    error = error_of(train, write(TRANSLATOR, extra), 'run')
    assert error.startswith('the loss is not finite at iteration 2')
    line = next(row for row in error.splitlines() if row.startswith('sequences: '))
    assert len(re.findall(r'(\w+) -> (\w+)', line)) == 4
    assert all(a == b[::-1] for a, b in re.findall(r'(\w+) -> (\w+)', line))


class TestTokenizer:
    def test_is_saved_beside_the_data_and_in_the_checkpoint(self, write):
        train(write(READER), 'run')
        (file,) = Path('data/tokenizers').glob('chars-*.json')
        meta = read_checkpoint('run/iter_6.pth')['meta']['dataset_meta']
        assert meta['tokenizer'] == file.read_text()
        # five special tokens, eight letters and the space
        assert len(Tokenizer(meta['tokenizer'])) == 14
        assert weights('run')['backbone.embedding.weight'].shape == (14, 16)

    def test_that_of_the_checkpoint_counts(self, write, fresh):
        config = write(READER)
        train(config, 'run')
        fresh()
        other = write(
            READER,
            'for l in (train_dataloader, val_dataloader, '
            "test_dataloader):\n    l['dataset']['tokenizer'] = "
            "dict(kind='bytes')\ndel l",
        )
        metrics = evaluate(other, 'run/iter_6.pth', 'tested')
        fresh()
        assert evaluate(config, 'run/iter_6.pth', 'tested too') == metrics
        fresh()
        runner = train(other, 'tuned', cfg_options=['load_from=run/iter_6.pth'])
        assert len(runner.train_dataloader.dataset.tokenizer) == 14

    def test_too_small_a_vocabulary(self, write, error_of):
        config = write(READER, "model['backbone']['vocab_size'] = 13")
        assert error_of(train, config, 'run').endswith(
            'model.backbone.vocab_size is 13, but the tokenizer of '
            'train_dataloader.dataset has 14 tokens; set it to that, or to None'
        )

    def test_data_sets_with_tokenizers_of_their_own(self, write, error_of):
        extra = "val_dataloader['dataset']['tokenizer'] = dict(kind='bytes')"
        assert 'val_dataloader.dataset.tokenizer is another one than' in error_of(
            train, write(READER, extra), 'run'
        )

    def test_misspelt(self, write, error_of):
        extra = "train_dataloader['dataset']['tokenizer'] = dict(kind='char')"
        assert "tokenizer.kind: one of 'bytes', 'chars'" in error_of(
            train, write(READER, extra), 'run'
        )


def test_number_of_classes_is_that_of_the_data(write, error_of):
    config = write(CLASSIFIER, "model['num_classes'] = 5")
    error = error_of(train, config, 'run')
    assert 'model.num_classes is 5, but the data of train_dataloader.dataset' in error
    assert 'have 6 classes (a, b, c, d, e, ...): set model.num_classes=6' in error


def test_more_tokens_than_positions(write, error_of):
    config = write(READER, "model['backbone']['max_length'] = 15")
    error = error_of(train, config, 'run')
    assert 'sequences are longer than the 15 positions of the model' in error
    assert 'the longest has 16 tokens' in error
    config = write(CLASSIFIER, "model['backbone']['max_length'] = 7")
    # a word of six letters, its beginning and its end
    assert 'the longest has 8 tokens' in error_of(train, config, 'run')


@pytest.fixture
def trained_texts(make_once):
    """Function that gives the checkpoint of a kind, trained once."""
    texts = dict(reader=READER, translator=TRANSLATOR, classifier=CLASSIFIER)

    def get(kind):
        def fill(folder):
            path = folder / 'toy.py'
            path.write_text(texts[kind])
            train(str(path), str(folder / 'run'))

        return str(make_once(f'texts_{kind}', fill) / 'run/iter_6.pth')

    return get


@pytest.mark.usefixtures('fresh')
class TestInfer:
    def test_completes(self, trained_texts):
        (row,) = infer(
            trained_texts('reader'), 'abc', num_samples=2, max_new_tokens=9, seed=1
        )
        assert row['text'] == 'abc'
        first, second = row['continuations']
        assert first != second
        assert max(len(first), len(second)) <= 9
        again = infer(
            trained_texts('reader'), 'abc', num_samples=2, max_new_tokens=9, seed=1
        )
        assert again == [row]

    def test_completes_nothing(self, trained_texts):
        (row,) = infer(trained_texts('reader'), '', max_new_tokens=3)
        assert len(row['continuations'][0]) <= 3

    def test_a_file_is_completed_as_a_whole(self, trained_texts):
        Path('a.txt').write_text('abc\ndef\n')
        (row,) = infer(trained_texts('reader'), 'a.txt', max_new_tokens=0)
        assert row == dict(text='abc\ndef\n', continuations=[''])

    def test_translates_lines(self, trained_texts):
        Path('a.txt').write_text('abc\n\nde\r\nf\n', encoding='utf-8-sig')
        found = infer(
            trained_texts('translator'), 'a.txt', 'out', batch_size=2, beam_size=2
        )
        assert [row['text'] for row in found] == ['abc', 'de', 'f']
        assert json.loads(Path('out/answers.json').read_text()) == found
        # alone as in a batch
        (alone,) = infer(trained_texts('translator'), 'de', beam_size=2)
        assert alone == found[1]

    def test_names_classes(self, trained_texts):
        (row,) = infer(trained_texts('classifier'), 'cab')
        assert {p['class'] for p in row['predictions']} <= set('abcdef')
        scores = [p['score'] for p in row['predictions']]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 5

    def test_unknown_letters(self, trained_texts):
        infer(trained_texts('classifier'), 'été 日')
        infer(trained_texts('translator'), '日', max_new_tokens=2)

    @pytest.mark.parametrize(
        ('kind', 'options', 'message'),
        [
            (
                'reader',
                dict(beam_size=2),
                '--beam-size: .* holds a CausalLanguageModel',
            ),
            ('translator', dict(top_k=2), '--top-k: .* holds a EncoderDecoder, which'),
            ('classifier', dict(seed=2), '--seed: .* holds a SequenceClassifier'),
            ('reader', dict(top_p=2.0), 'top_p: a number from 0 to 1 or None, not 2.0'),
        ],
    )
    def test_options_that_mean_nothing(
        self, trained_texts, error_of, kind, options, message
    ):
        assert re.match(message, error_of(infer, trained_texts(kind), 'a', **options))

    def test_image_models_write_no_text(self, lenet, error_of):
        assert error_of(infer, lenet, 'a.png', temperature=0.5) == (
            f'--temperature: {lenet} holds an image classifier, which has no use of '
            'it; leave it out'
        )

    def test_files_that_cannot_be_read(self, trained_texts, error_of):
        Path('a.txt').write_bytes(b'ab\nc\xff\n')
        Path('empty.txt').write_text('\n \n')
        Path('folder').mkdir()
        checkpoint = trained_texts('translator')
        assert 'a.txt, line 2: the bytes b' in error_of(infer, checkpoint, 'a.txt')
        assert error_of(infer, checkpoint, 'empty.txt') == 'empty.txt holds no text'
        assert 'folder is a folder; give a text or' in error_of(
            infer, checkpoint, 'folder'
        )

    def test_checkpoint_without_a_tokenizer(self, trained_texts, error_of):
        checkpoint = torch.load(trained_texts('reader'), weights_only=False)
        del checkpoint['meta']['dataset_meta']['tokenizer']
        torch.save(checkpoint, 'bare.pth')
        assert 'bare.pth carries no tokenizer' in error_of(infer, 'bare.pth', 'a')
        checkpoint['meta']['dataset_meta']['tokenizer'] = '{"a": 1}'
        torch.save(checkpoint, 'odd.pth')
        error = error_of(infer, 'odd.pth', 'a')
        assert error.startswith('the tokenizer of odd.pth is no tokenizer: ')


@pytest.mark.parametrize('text', [READER, TRANSLATOR, CLASSIFIER])
def test_benchmarked(write, text, capfd):
    text = text.replace('vocab_size=None', 'vocab_size=9')
    config = write(text.replace('num_classes=None', 'num_classes=3'))
    result = benchmark([config], iters=1, warmup=0, batch_size=2, input_size=(5,))
    (entry,) = result['configs']
    assert entry['input_size'] == [5]
    assert entry['parts']['train.step']['median'] > 0
    assert entry['parts']['predict.step']['median'] > 0
    assert 'sequences/s, train' in capfd.readouterr().out


def test_states_are_carried_over():
    torch.manual_seed(0)
    model = CausalLanguageModel(dict(type='projects.ToyReader', vocab_size=9)).eval()
    assert isinstance(model.backbone, ToyReader)
    tokens = torch.randint(0, 9, (3, 8))
    whole, _ = model.backbone(tokens)
    state, parts = None, []
    for part in tokens.split(3, dim=1):
        hidden, state = model.backbone(part, state=state)
        parts.append(hidden)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
