"""What a report of a model of sequences shows that needs the model, or other data.

Legend: N heads, L queries, S keys.
"""

import re

import torch
from mmengine.dataset import pseudo_collate

from projects.core.errors import one_line
from projects.core.reports.blocks import Bars, Block, Matrix, Section, Table, Text
from projects.core.tasks.language.attention_labels import (
    chosen_maps,
    label,
    labels_of,
)
from projects.core.tasks.language.compressors import of_text_alone, yardsticks
from projects.core.tasks.language.corpora import DocumentCorpus
from projects.core.tasks.language.datasets import StreamDataset, TextDataset
from projects.core.tasks.language.generation import generate
from projects.core.tasks.language.models import CausalLanguageModel

PROMPT, CONTINUATION = 32, 64  # tokens
CELLS = 40  # queries and keys that are shown, at most
LONGEST = 256  # tokens of a sequence whose attention is computed
LOOKED_AT = 50  # sequences among which an example is looked for
SHOWN = 8  # texts of each table
LONGEST_TEXT = 300  # characters
MOST_BYTES = 2**20  # of a text that is compressed at each of the best validations


@torch.no_grad()
def sections_of(
    model, dataset, metrics: dict[str, float], is_test: bool
) -> list[Section]:
    """Compressors beside a language model, what it writes, what it attends to.

    Args:
        model: In eval mode.
        dataset: Of the evaluation.
        metrics: By name.
        is_test: Whether the yardsticks that take long are wanted, too.
    """
    if not isinstance(dataset, TextDataset):
        return []
    sections = []
    if isinstance(dataset, StreamDataset):
        blocks = compressor_block(dataset, metrics, is_test)
        if isinstance(model, CausalLanguageModel):
            blocks += continuation_block(model, dataset)
        if blocks:
            sections.append(Section('Text', blocks))
    if hasattr(getattr(model, 'backbone', None), 'attention_maps'):
        blocks = attention_blocks(model, dataset)
        if blocks:
            sections.append(
                Section(
                    'Attention',
                    blocks,
                    'Of one sequence of the data. Rows are queries, of sum 1, columns '
                    'keys; of each kind of attention the last layer, the mean of its '
                    'heads.',
                )
            )
    return sections


def compressor_block(
    dataset: StreamDataset, metrics: dict[str, float], is_test: bool
) -> list[Block]:
    """Bits per byte beside what compressors need for the same text."""
    bits = next((v for k, v in metrics.items() if k.endswith('bits_per_byte')), None)
    if bits is None or not isinstance(dataset.corpus, DocumentCorpus):
        return []
    found = dict(model=bits)
    if is_test:
        found |= yardsticks_of(dataset)
    elif len(text := held_out_text(dataset)) <= MOST_BYTES:
        found |= of_text_alone(text)
    return [
        Bars(
            'bits-per-byte',
            'Bits per byte',
            list(found),
            'bits per byte',
            {'bits per byte': list(found.values())},
            note='Of the same text; less is better. gzip and xz know nothing of the '
            'training text but where that is said.',
        )
    ]


def held_out_text(dataset: TextDataset, split: str | None = None) -> bytes:
    """The documents of a split, that of the data set by default."""
    documents = dataset.corpus.documents(split or dataset.split)
    return ''.join(text for _, text in documents).encode('utf-8', 'replace')


def yardsticks_of(dataset: TextDataset) -> dict[str, float]:
    """See :func:`projects.core.tasks.language.compressors.yardsticks`; computed once
    for a data set."""
    if not hasattr(dataset, 'yardsticks'):
        train, held_out = (held_out_text(dataset, s) for s in ('train', None))
        dataset.yardsticks = yardsticks(train, held_out)
    return dataset.yardsticks


def continuation_block(
    model: CausalLanguageModel, dataset: StreamDataset
) -> list[Block]:
    """How the model goes on from the first words of the data."""
    tokenizer, tokens = dataset.tokenizer, dataset.tokens
    num = min(PROMPT, len(tokens) // 2)
    prompt = [int(token) for token in tokens[:num]]
    rest = tokens[num : num + CONTINUATION]
    device = next(model.parameters()).device
    texts = {
        'Beginning': tokenizer.decode(prompt),
        'The text itself goes on': tokenizer.decode(rest),
    }
    for name, temperature in (
        ('The model, the likeliest token each time', 0),
        ('The model, drawn by its probabilities', 1),
    ):
        (written,) = generate(
            model.backbone,
            prompt,
            CONTINUATION,
            temperature=temperature,
            end=tokenizer.bos,
            generator=torch.Generator(device).manual_seed(0),
        )
        texts[name] = tokenizer.decode(written)
    text = '\n\n'.join(f'[{name}]\n{value}' for name, value in texts.items())
    text = re.sub(r'\n{4,}', '\n\n\n', text)  # what little a model may know, at first
    note = f'{num} tokens of the data, and up to {CONTINUATION} after them.'
    return [Text('continuation', 'A text, continued', text, verbatim=True, note=note)]


def attention_blocks(model, dataset: TextDataset) -> list[Block]:
    """The attention of one sequence, of each kind the last layer, as matrices."""
    sample = example_of(dataset, isinstance(model, CausalLanguageModel))
    if sample is None:
        return []
    inputs = model.data_preprocessor(pseudo_collate([sample]))['inputs']
    maps = model.backbone.attention_maps(inputs)
    if not maps:  # built without
        return []
    names = {
        kind: [label(dataset.tokenizer, int(token)) for token in tokens]
        for kind, tokens in dict(
            tokens=sample['inputs']['tokens'],
            target=sample['inputs'].get('target', ()),
            written=sample['data_samples'].get('labels', ()),
        ).items()
        if kind == 'tokens' or 'target' in sample['inputs']
    }
    last = {name.rstrip('0123456789'): name for name in maps}
    blocks: list[Block] = []
    for kind, name in last.items():
        (attention,) = chosen_maps({name: maps[name][0].float().cpu()}, name).values()
        queries, keys = labels_of(name, names)
        attention = attention[:CELLS, :CELLS]
        blocks.append(
            Matrix(
                f'attention-{kind.strip().replace(" ", "-")}',
                f'Attention of {name}',
                'query',
                'key',
                numbered(queries[: len(attention)]),
                numbered(keys[: attention.shape[1]]),
                attention.tolist(),
                share=False,
            )
        )
    return blocks


def examples_of(outcome, dataset) -> list[Section]:
    """The texts that a classifier is surest of, right and wrong.

    Args:
        outcome: Of the report of the classes, which has ``surest`` and ``described``;
            None without one.
        dataset: Data; nothing is shown where they are in another order than they
            were evaluated in.
    """
    if outcome is None or not isinstance(dataset, TextDataset):
        return []
    blocks: list[Block] = []
    for key, title, right in (
        ('wrong-texts', 'Surest of the wrong', False),
        ('right-texts', 'Surest of the right', True),
    ):
        rows = []
        for i in outcome.surest(right, SHOWN):
            sample, found = dataset[i]['data_samples'], outcome.described(i)
            labels = sample.get('pair_labels', sample.get('labels'))
            if labels.numel() != 1 or int(labels) != found['true_label']:
                return []
            best = found['predictions'][0]
            text = one_line(sample['text'], LONGEST_TEXT)
            rows.append([text, found['true_class'], best['class'], best['score']])
        if rows:
            heads = ['text', 'true class', 'predicted class', 'confidence']
            blocks.append(Table(key, title, heads, rows))
    return [Section('Examples', blocks)] if blocks else []


def numbered(names: list[str]) -> list[str]:
    """Names of which no two are alike: a sequence may hold a token twice."""
    return [f'{i}: {name}' for i, name in enumerate(names, 1)]


def example_of(dataset: TextDataset, is_causal: bool) -> dict | None:
    """A sequence that can be shown as a whole, the longest of the first ones, or the
    shortest where all are longer; None where that is too long.

    Args:
        dataset: Data.
        is_causal: Whether later tokens change nothing, and can be left out.
    """
    best, best_length = None, 0
    for i in range(min(len(dataset), LOOKED_AT)):
        sample = dataset[i]
        if is_causal:
            sample['inputs']['tokens'] = sample['inputs']['tokens'][:CELLS]
            return sample
        inputs = sample['inputs']
        length = max(len(inputs[k]) for k in ('tokens', 'target') if k in inputs)
        if best is None or (
            (best_length < length <= CELLS)
            or (best_length > CELLS and length < best_length)
        ):
            best, best_length = sample, length
    return best if best_length <= LONGEST else None
