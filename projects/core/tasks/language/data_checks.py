"""What a config leaves to its data, and what is wrong with them, before a run."""

import copy

import torch
from mmengine.registry import DefaultScope

from projects.core.config.walk import walk
from projects.core.datasets.files import SPLITS
from projects.core.errors import UserError, listed, one_line
from projects.core.tasks.language.backbones import EncoderDecoderBackbone
from projects.core.tasks.language.datasets import TextDataset, make_tokenizer
from projects.core.tasks.language.models import EncoderDecoder
from projects.core.tasks.language.tokenizers import Tokenizer, tokenizer_of_checkpoint
from projects.registry import DATASETS, MODELS, TASK_UTILS


def complete(cfg) -> None:
    """Fill in what a config leaves to the tokenizer and the data.

    Raises:
        UserError: If the data or the tokenizer are not there.
    """
    datasets = _text_datasets(cfg)
    if not datasets:
        return
    first = next(iter(datasets.values()))
    corpus = TASK_UTILS.build(copy.deepcopy(first.corpus))
    file = cfg.get('load_from')
    tokenizer = tokenizer_of_checkpoint(file) if file else None
    if tokenizer is not None:
        for dataset in datasets.values():
            dataset.tokenizer = dict(file=file)
    else:
        tokenizer = make_tokenizer(first.get('tokenizer') or {}, corpus)
    for entry in walk(cfg.model, 'model'):
        if entry.value is None and str(entry.key).endswith('vocab_size'):
            entry.parent[entry.key] = len(tokenizer)
        elif entry.value is None and entry.key == 'num_classes':
            entry.parent[entry.key] = len(getattr(corpus, 'classes', ())) or None
    if issubclass(MODELS.get(cfg.model.type), EncoderDecoder):
        cfg.model.setdefault('begin_token', tokenizer.bos)
        cfg.model.setdefault('end_token', tokenizer.eos)


def check_text_data(cfg) -> list[str]:
    """Look over the data and compare them with the model.

    Raises:
        UserError: At the first flaw: a file that is missing, more tokens or classes
            than the model has, a sequence longer than its positions, data sets with
            tokenizers of their own.
    """
    datasets = _text_datasets(cfg)
    if not datasets:
        return []
    scope = DefaultScope.overwrite_default_scope(cfg.get('default_scope'))
    with scope, torch.device('meta'):
        model = MODELS.build(copy.deepcopy(cfg.model))
    limit = getattr(model.backbone, 'max_length', None)
    first: Tokenizer | None = None
    for split, settings in datasets.items():
        dataset: TextDataset = DATASETS.build(copy.deepcopy(settings))
        where = f'{split}_dataloader.dataset'
        tokenizer = dataset.tokenizer
        first = first or tokenizer
        if tokenizer != first:
            raise UserError(
                f'{where}.tokenizer is another one than that of the data before: one '
                'and the same is needed, learnt of the training texts'
            )
        _check_vocabulary(model, len(tokenizer), where)
        classes = getattr(dataset.corpus, 'classes', None)
        outputs = getattr(getattr(model, 'head', None), 'out_features', None)
        if classes is not None and outputs not in (None, len(classes)):
            raise UserError(
                f'model.num_classes is {outputs}, but the data of {where} have '
                f'{len(classes)} classes ({listed(classes)}): set '
                f'model.num_classes={len(classes)}'
            )
        if limit is not None and dataset.longest > limit:
            raise UserError(f'{where}: {_too_long(dataset, limit)}')
    return []


def _check_vocabulary(model, num_tokens: int, where: str) -> None:
    sizes = dict(vocab_size=model.backbone.vocab_size)
    if isinstance(model.backbone, EncoderDecoderBackbone):
        sizes['source_vocab_size'] = model.backbone.source_vocab_size
    for name, size in sizes.items():
        if size < num_tokens:
            raise UserError(
                f'model.backbone.{name} is {size}, but the tokenizer of {where} has '
                f'{num_tokens} tokens; set it to that, or to None'
            )


def _too_long(dataset: TextDataset, limit: int) -> str:
    """The longest sequence, and the model's limit."""
    lengths = [dataset.length_of(i) for i in range(len(dataset))]
    worst = max(range(len(lengths)), key=lengths.__getitem__)
    num = sum(length > limit for length in lengths)
    text = dataset[worst]['data_samples'].get('text', '')
    return (
        f'{num} of {len(dataset)} sequences are longer than the {limit} positions of '
        f'the model, the longest has {lengths[worst]} tokens ({one_line(text, 60)}); '
        'shorten them, or build the model with a greater max_length'
    )


def _text_datasets(cfg) -> dict:
    """Settings of the data sets of texts by split, that of training first."""
    datasets = {}
    for split in SPLITS:
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset') or {}
        if dataset.get('corpus'):
            datasets[split] = dataset
    return datasets
