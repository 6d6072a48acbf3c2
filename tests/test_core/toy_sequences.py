"""Small models of sequences, small texts, and configs of runs that take a second.

Legend: B sequences, S and T tokens, V tokens of the vocabulary.
"""

import itertools
import random

import torch
from torch import nn

from projects.core.tasks.language.backbones import (
    EncoderDecoderBackbone,
    SequenceBackbone,
)
from projects.core.tasks.language.corpora import (
    DocumentCorpus,
    LabelledCorpus,
    PairCorpus,
)
from projects.core.variants import config_root
from projects.registry import MODELS, TASK_UTILS


@MODELS.register_module()
class ToyReader(SequenceBackbone):
    """A GRU: its state is that of the last token."""

    def __init__(self, vocab_size, embed_dims=16, max_length=None, dropout=0.0):
        super().__init__()
        self.vocab_size = vocab_size
        self.embed_dims = embed_dims
        self.max_length = max_length
        self.embedding = nn.Embedding(vocab_size, embed_dims)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(embed_dims, embed_dims, batch_first=True)

    def forward(self, tokens, lengths=None, state=None, token_types=None):
        self.check_length(tokens.shape[1])
        before = None if state is None else state[0].transpose(0, 1).contiguous()
        hidden, after = self.gru(self.dropout(self.embedding(tokens)), before)
        return hidden, (after.transpose(0, 1),)

    def logits(self, hidden):
        return hidden @ self.embedding.weight.T

    def begin(self, batch_size, max_length):
        return (self.embedding.weight.new_zeros(batch_size, 1, self.embed_dims),)


@MODELS.register_module()
class ToyTranslator(EncoderDecoderBackbone):
    """A token hangs on the two before it and on how often each stands in the
    source: what beam search finds can be found by trying everything."""

    def __init__(self, vocab_size, source_vocab_size=None, max_length=None, seed=0):
        super().__init__()
        self.vocab_size = vocab_size
        self.source_vocab_size = source_vocab_size or vocab_size
        self.max_length = max_length
        rng = torch.Generator().manual_seed(seed)
        shape = vocab_size, vocab_size, vocab_size
        self.table = nn.Parameter(1.5 * torch.randn(shape, generator=rng))
        shape = self.source_vocab_size, vocab_size
        self.source = nn.Parameter(torch.randn(shape, generator=rng))

    def encode(self, source, lengths=None):
        scores = self.source[source]
        if lengths is not None:
            places = torch.arange(source.shape[1])
            scores = scores * (places < lengths[:, None])[..., None]
        return (scores.sum(1),)

    def decode(self, target, memory, state=None):
        first = target[:, :1] if state is None else state[0]
        before = torch.cat([first, target[:, :-1]], 1)
        scores = self.table[before, target] + memory[0][:, None]
        return scores, None if state is None else (target[:, -1:],)

    def begin(self, memory, max_length):
        return (torch.full((len(memory[0]), 1), 2),)


def rows(split, num):
    """Letters, of each split others."""
    rng = random.Random(split)
    return [''.join(rng.choices('abcdef', k=rng.randint(1, 6))) for _ in range(num)]


@TASK_UTILS.register_module()
class ToyDocuments(DocumentCorpus):
    """Lines in which every letter is followed by the next one."""

    description = 'rows of letters'

    def __init__(self, data_root='data', num=3):
        self.data_root = data_root
        self.num = num

    def documents(self, split):
        letters = itertools.cycle('abcdefgh ')
        return [
            (f'{split} {i}', ''.join(next(letters) for _ in range(90 + i)))
            for i in range(self.num)
        ]


@TASK_UTILS.register_module()
class ToyPairs(PairCorpus):
    """A word and itself backwards."""

    description = 'words, backwards'

    def __init__(self, data_root='data', num=24):
        self.data_root = data_root
        self.num = num

    def pairs(self, split):
        return [(word, word[::-1]) for word in rows(split, self.num)]


@TASK_UTILS.register_module()
class ToyClasses(LabelledCorpus):
    """Words by their first letter."""

    description = 'words by their first letter'
    classes = tuple('abcdef')

    def __init__(self, data_root='data', num=24):
        self.data_root = data_root
        self.num = num

    def labelled(self, split):
        return [(w, self.classes.index(w[0])) for w in rows(split, self.num)]


SHARED = f"""
_base_ = [{str(config_root() / '_base_/iter_runtime.py')!r}]
default_scope = 'mmengine'
train_cfg = dict(by_epoch=False, max_iters=6, val_interval=6)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
param_scheduler = []
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=3, save_best=None))
train_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='projects.DATASET', corpus=dict(type='projects.CORPUS'),
                 split='train', tokenizer=dict(kind='chars')OPTIONS))
val_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset={{**train_dataloader['dataset'], 'split': 'val'}})
test_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset={{**train_dataloader['dataset'], 'split': 'test'}})
val_evaluator = dict(type='projects.METRIC')
test_evaluator = val_evaluator
"""


def config(dataset, corpus, metric, model, options=''):
    text = SHARED.replace('DATASET', dataset).replace('CORPUS', corpus)
    return text.replace('METRIC', metric).replace('OPTIONS', options) + model


READER = config(
    'StreamDataset',
    'ToyDocuments',
    'LanguageMetric',
    """
model = dict(type='projects.CausalLanguageModel', backbone=dict(
    type='projects.ToyReader', vocab_size=None, dropout=0.1))
""",
    ', length=16',
)
TRANSLATOR = config(
    'PairDataset',
    'ToyPairs',
    'TranslationMetric',
    """
model = dict(type='projects.EncoderDecoder', search=dict(max_length=8), backbone=dict(
    type='projects.ToyTranslator', vocab_size=None, source_vocab_size=None))
""",
)
CLASSIFIER = config(
    'LabelledTextDataset',
    'ToyClasses',
    'Accuracy',
    """
model = dict(type='projects.SequenceClassifier', num_classes=None, backbone=dict(
    type='projects.ToyReader', vocab_size=None))
""",
)
