"""Data sets of tokens: windows, pairs, classes."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from toy_sequences import ToyDocuments, ToyReader  # noqa: F401

from projects.core.errors import UserError
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.corpora import (
    DocumentCorpus,
    LabelledCorpus,
    PairCorpus,
)
from projects.core.tasks.language.datasets import make_tokenizer
from projects.core.tasks.language.metrics import LanguageMetric
from projects.core.variants import config_root
from projects.registry import DATASETS, MODELS, TASK_UTILS

BYTES = dict(kind='bytes')
BPE = dict(kind='bpe', vocab_size=270)


class Given:
    """What a corpus has: the texts of its arguments."""

    description = 'given texts'

    def __init__(self, train=(), val=(), test=(), data_root='data'):
        self.texts = dict(train=train, val=val, test=test)
        self.data_root = data_root


@TASK_UTILS.register_module()
class GivenDocuments(Given, DocumentCorpus):
    def documents(self, split):
        return [(f'{split} {i}', text) for i, text in enumerate(self.texts[split])]


@TASK_UTILS.register_module()
class GivenPairs(Given, PairCorpus):
    def pairs(self, split):
        return list(self.texts[split])


@TASK_UTILS.register_module()
class GivenClasses(Given, LabelledCorpus):
    classes = ('no', 'yes')

    def labelled(self, split):
        return list(self.texts[split])


def stream(texts, split='val', tokenizer=BYTES, **kwargs):
    corpus = dict(type='projects.GivenDocuments', **{split: texts})
    return DATASETS.build(
        dict(
            type='projects.StreamDataset',
            corpus=corpus,
            split=split,
            tokenizer=tokenizer,
            **kwargs,
        )
    )


@pytest.mark.parametrize('context', [0, 1, 5, 7])
@pytest.mark.parametrize('num', [2, 7, 8, 9, 10, 16, 17, 50])
def test_every_token_is_predicted_once(num, context):
    text = ''.join(chr(97 + i % 26) for i in range(num - 1))
    data = stream([text], length=8, context=context)
    assert len(data.tokens) == num  # with that of the beginning
    labels, num_bytes = [], 0
    for i in range(len(data)):
        sample = data[i]
        tokens, target = sample['inputs']['tokens'], sample['data_samples']['labels']
        assert len(tokens) == len(target) <= 8
        known = target != IGNORE
        # what is read only was predicted in the window before
        assert (~known).sum() == (context if i else 0)
        assert torch.equal(tokens[1:][known[:-1]], target[:-1][known[:-1]])
        labels += target[known].tolist()
        num_bytes += sample['data_samples']['num_bytes']
    assert labels == data.tokens[1:].tolist()
    assert num_bytes == len(text)
    assert data.longest == 8


def test_documents_follow_each_other():
    data = stream(['ab', '', 'é'], length=20)
    begin = data.tokenizer.bos
    assert data.tokens.tolist() == [
        begin,
        *data.tokenizer.encode('ab'),
        begin,
        begin,
        *data.tokenizer.encode('é'),
    ]
    assert data[0]['data_samples']['num_bytes'] == 4
    assert data.place_of(0) == "val 0: 'abé'"
    assert data.place_of(3) == "val 1: 'é'"
    assert data.place_of(4).startswith('val 2: ')


def test_windows_of_training_are_drawn():
    text = ''.join(chr(32 + i) for i in range(90))
    data = stream([text], 'train', length=8)
    assert len(data) == 90 // 8
    np.random.seed(0)
    starts = set()
    for _ in range(3000):
        sample = data[0]
        tokens, labels = sample['inputs']['tokens'], sample['data_samples']['labels']
        assert torch.equal(tokens[1:], labels[:-1])
        assert len(labels) == 8
        starts.add(int(labels[0]))
    # at every place: the first token and the last are seen
    assert len(starts) == 91 - 8


def test_a_text_of_one_window_is_enough():
    data = stream(['abcdefgh'], 'train', length=8)
    assert len(data) == 1
    assert data[0]['data_samples']['labels'].tolist() == data.tokens[1:].tolist()


@pytest.mark.parametrize(
    ('texts', 'split', 'num'),
    [([], 'val', 0), ([''], 'val', 1), (['abcdefg'], 'train', 8), ([''], 'train', 1)],
)
def test_a_text_too_short_is_refused(texts, split, num):
    message = f'{split} split of given texts has {num} tokens, too few for windows of 8'
    with pytest.raises(UserError, match=message):
        stream(texts, split, length=8)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(length=0), 'length: a whole number of at least 1, not 0'),
        (dict(length=8, context=8), 'context: a whole number from 0 to 7, not 8'),
        (dict(length=8, context=-1), 'from 0 to 7, not -1'),
        (dict(length=8, indices=0), 'indices: a whole number of at least 1, not 0'),
    ],
)
def test_refused_arguments(kwargs, message):
    with pytest.raises(UserError, match=message):
        stream(['some text'], **kwargs)


def test_an_unknown_split():
    corpus = dict(type='projects.GivenDocuments', val=['text'])
    with pytest.raises(UserError, match="split 'valid': one of 'train', 'val', 'test'"):
        DATASETS.build(
            dict(type='projects.StreamDataset', corpus=corpus, split='valid', length=4)
        )


def test_a_share_of_the_samples():
    whole = stream(['a' * 100], length=8)
    some = stream(['a' * 100], length=8, indices=3)
    assert (len(whole), len(some)) == (13, 3)
    assert len(stream(['a' * 100], length=8, indices=99)) == 13


def metrics_of(model, data, batch_size, order):
    metric = LanguageMetric()
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            batch = pseudo_collate([data[i] for i in order[start : start + batch_size]])
            batch = model.data_preprocessor(batch)
            metric.process(batch, model(**batch, mode='predict'))
    return metric.evaluate(len(order))


def test_bits_per_byte_hang_on_no_batch_and_no_order():
    data = stream(['The text — of 日本 and others. ' * 7, 'And more.'], length=16)
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='projects.CausalLanguageModel',
            backbone=dict(type='projects.ToyReader', vocab_size=len(data.tokenizer)),
        )
    ).eval()
    order = list(range(len(data)))
    assert len(data[order[-1]]['inputs']['tokens']) < 16  # the last one is shorter
    found = [
        metrics_of(model, data, size, rows)
        for size, rows in ((1, order), (3, order), (100, order), (4, order[::-1]))
    ]
    assert 5 < found[0]['language/bits_per_byte'] < 12
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-5)


def test_tokenizers_agree_on_the_bytes():
    texts = ['the cat sat on the mat ' * 9, 'déjà vu']
    for tokenizer in (BYTES, BPE):
        data = DATASETS.build(
            dict(
                type='projects.StreamDataset',
                corpus=dict(type='projects.GivenDocuments', train=texts, val=texts),
                split='val',
                length=8,
                context=3,
                tokenizer=tokenizer,
            )
        )
        counted = sum(data[i]['data_samples']['num_bytes'] for i in range(len(data)))
        assert counted == sum(len(text.encode()) for text in texts)


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures('in_folder')
def test_tokens_of_long_texts_are_saved(tmp_path, monkeypatch):
    texts = ['the cat sat on the mat ' * 9, '', 'déjà vu']
    make_tokenizer(BPE, GivenDocuments(train=texts))
    (file,) = tmp_path.glob('data/tokenizers/*.json')
    settings = dict(length=8, tokenizer=dict(file=str(file)))
    whole = stream(texts, **settings)
    monkeypatch.setattr('projects.core.tasks.language.datasets.LONG', 100)
    for _ in range(2):
        data = stream(texts, **settings)
        assert np.array_equal(data.tokens, whole.tokens)
        assert np.array_equal(data.starts, whole.starts)
        for i in (0, len(data) - 1):
            assert data[i]['data_samples']['text'] == whole[i]['data_samples']['text']
            torch.testing.assert_close(data[i]['inputs'], whole[i]['inputs'])
    (file,) = tmp_path.glob('data/tokens/*.npy')
    stream(['another text ' * 9], **settings)
    stream(['another text ' * 9], length=8)  # bytes are not saved
    assert len(list(tmp_path.glob('data/tokens/*.npy'))) == 2
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(
        UserError, match=r'cannot be read: .*; delete it, and it is made'
    ):
        stream(texts, **settings)


@pytest.mark.usefixtures('in_folder')
def test_pairs():
    pairs = [('ab', 'ba'), ('', 'c'), ('abc', 'cabcab')]
    data = DATASETS.build(
        dict(
            type='projects.PairDataset',
            corpus=dict(type='projects.GivenPairs', train=pairs, val=[('az', 'b')]),
            split='train',
            tokenizer=dict(kind='chars'),
        )
    )
    a, b, c = (data.tokenizer.encode(letter)[0] for letter in 'abc')
    begin, end = data.tokenizer.bos, data.tokenizer.eos
    sample = data[0]
    assert sample['inputs']['tokens'].tolist() == [a, b, end]
    assert sample['inputs']['target'].tolist() == [begin, b, a]
    assert sample['data_samples']['labels'].tolist() == [b, a, end]
    assert sample['data_samples']['reference'] == 'ba'
    assert sample['data_samples']['text'] == 'ab -> ba'
    assert data[1]['inputs']['tokens'].tolist() == [end]  # an empty source
    assert [data.length_of(i) for i in range(3)] == [3, 2, 7]
    assert data.longest == 7
    assert (c, data.metainfo['corpus']) == (7, 'given texts')
    # a character of the split val alone is unknown
    val = DATASETS.build(
        dict(
            type='projects.PairDataset',
            corpus=dict(type='projects.GivenPairs', train=pairs, val=[('az', 'b')]),
            split='val',
            tokenizer=dict(kind='chars'),
        )
    )
    assert val[0]['inputs']['tokens'].tolist() == [a, val.tokenizer.unk, end]
    assert val.tokenizer == data.tokenizer


@pytest.mark.usefixtures('in_folder')
def test_classes():
    rows = [('abcdef', 1), ('', 0), ('b', 1)]

    def build(**kwargs):
        return DATASETS.build(
            dict(
                type='projects.LabelledTextDataset',
                corpus=dict(type='projects.GivenClasses', train=rows),
                split='train',
                tokenizer=dict(kind='chars'),
                **kwargs,
            )
        )

    data = build()
    begin, end = data.tokenizer.bos, data.tokenizer.eos
    tokens = data[0]['inputs']['tokens'].tolist()
    assert (tokens[0], tokens[-1], len(tokens)) == (begin, end, 8)
    assert data[1]['inputs']['tokens'].tolist() == [begin, end]
    assert data[0]['data_samples']['labels'] == 1
    assert data.metainfo['classes'] == ('no', 'yes')
    assert [data.length_of(i) for i in range(3)] == [8, 2, 3]
    short = build(max_length=4)
    assert short[0]['inputs']['tokens'].tolist() == [*tokens[:3], end]
    assert short.longest == 4
    with pytest.raises(UserError, match='max_length: a whole number of at least 3'):
        build(max_length=2)


FILES = {
    'text_files': ['data/text/train.txt', 'data/text/val.txt', 'data/text/test.txt'],
    'wikitext103': [
        f'data/wikitext-103-raw/wiki.{s}.raw' for s in ('train', 'valid', 'test')
    ],
    'parallel_files': [
        f'data/wmt14_en_de/{split}.{language}'
        for split in ('train', 'val', 'test')
        for language in ('en', 'de')
    ],
}


@pytest.mark.usefixtures('in_folder')
@pytest.mark.parametrize('name', FILES)
def test_configs_of_local_files(tmp_path, name):
    cfg = Config.fromfile(config_root() / f'_base_/datasets/{name}.py')
    with pytest.raises(UserError, match='cannot be read: No such file'):
        DATASETS.build(cfg.train_dataloader.dataset)
    for file in FILES[name]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(' A line of a text .\n' * 300)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        data = DATASETS.build(loader.dataset)
        assert len(data) >= 1
        assert 'line of a text' in data.tokenizer.decode(data[0]['inputs']['tokens'])
    assert len(data.tokenizer) < 300


@pytest.mark.usefixtures('in_folder')
@pytest.mark.parametrize(
    'name', ['dates', 'dates_three', 'dates_between', 'source_bytes']
)
def test_configs_of_embedded_texts(name):
    cfg = Config.fromfile(config_root() / f'_base_/datasets/{name}.py')
    for split in ('train', 'val', 'test'):
        settings = cfg[f'{split}_dataloader'].dataset
        if 'dates' in name:
            settings.corpus.num = dict(train=3_000, val=20, test=20)
        data = DATASETS.build(settings)
        assert data.split == split
        sample = data[0]
        if name == 'source_bytes':
            assert len(sample['inputs']['tokens']) == 256
            assert '.py: ' in sample['data_samples']['text']
        else:
            assert (
                data.tokenizer.decode(sample['data_samples']['labels'])
                == (sample['data_samples']['reference'])
            )
