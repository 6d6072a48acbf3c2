"""What a sample of a text is after tokenisation, as a text.

Legend: T tokens.
"""

import os.path as osp
from collections.abc import Sequence

import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from torch import Tensor

from projects.core.errors import UserError, one_line
from projects.core.files import check_outputs, write_text
from projects.core.tasks.browsed import Browsed, refuse_steps
from projects.core.tasks.language.attention_labels import label
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.tokenizers import Tokenizer

SHOWN, SAMPLES = 12, 2  # rows of a table, and samples, on the screen; the file has all
IS_TOKEN = ('tokens', 'target', 'labels')  # of which the numbers are tokens


def browse_texts(browsed: Browsed) -> list[str]:
    """Write a table of the tokens of each sample, and what the model is given.

    Returns:
        The file.

    Raises:
        UserError: If the data set has no tokenizer, or steps of a pipeline are asked
            for.
    """
    if not hasattr(browsed.dataset, 'tokenizer'):
        raise UserError(
            f'{browsed.config}: a {type(browsed.dataset).__name__} has no tokenizer '
            'whose tokens could be shown'
        )
    refuse_steps(browsed, 'texts')
    file = osp.join(browsed.out_dir, f'{browsed.split}.txt')
    check_outputs([file], '--out-dir')
    dataset, tokenizer = browsed.dataset, browsed.dataset.tokenizer
    classes = dataset.metainfo.get('classes', ())
    parts, samples = [], []
    for index in browsed.indices:
        drawn: list[dict] = []
        for draw in range(browsed.draws):
            browsed.reseed(index, draw)
            sample = dataset[index]
            if any(_same(sample, other) for other in drawn):
                break  # nothing is drawn
            drawn.append(sample)
            head = f'sample {index}' + (f', draw {draw + 1}' if draw else '')
            parts.append((head, *tables_of(sample, tokenizer, classes)))
        samples.append(drawn[0])
    given = given_lines(browsed, samples)
    kind = 'bytes' if tokenizer.is_of_bytes else 'tokens'
    about = (
        f'{browsed.config}, {browsed.split}: {len(dataset)} samples of '
        f'{type(dataset).__name__}; a vocabulary of {len(tokenizer)} {kind}'
    )
    write_text(file, _text(about, parts, given), '--out-dir')
    first = [part for part in parts if 'draw' not in part[0]][:SAMPLES]
    print_log('\n' + _text(about, first, given, SHOWN).rstrip(), 'current')
    return [file]


def tables_of(
    sample: dict, tokenizer: Tokenizer, classes: Sequence[str]
) -> tuple[list[str], list[list[list[str]]]]:
    """What is known of a sample as a whole, and a table for each of its sequences.

    Args:
        sample: Of a :class:`projects.core.tasks.language.datasets.TextDataset`.
        tokenizer: Its.
        classes: Names of the classes, of a data set of labelled texts.

    Returns:
        tuple: Lines; and tables, each of columns, the heading first.
    """
    fields = {**sample['inputs'], **sample['data_samples']}
    lines, by_length = [], {}
    for name, value in fields.items():
        if isinstance(value, Tensor) and value.dim() == 1:
            by_length.setdefault(name, value)
        elif name != 'text':
            number = int(value) if isinstance(value, Tensor) else value
            known = isinstance(number, int) and name == 'labels' and classes
            named = f' ({classes[number]})' if known else ''
            lines.append(f'{name}: {one_line(number, 80)}{named}')
    if 'text' in fields:
        lines.insert(0, f'text: {one_line(fields["text"], 160)!r}')
    tables = []
    while by_length:
        first = next(iter(by_length))
        length = len(by_length[first])
        # labels belong to what the model writes
        like = [
            name
            for name, value in by_length.items()
            if len(value) == length
            and not (first == 'tokens' and 'target' in by_length and name != 'tokens')
        ]
        columns = [['place', *map(str, range(length))]]
        for name in like:
            columns += _columns(name, by_length.pop(name).tolist(), tokenizer)
        tables.append(columns)
    return lines, tables


def _columns(name: str, values: list[int], tokenizer: Tokenizer) -> list[list[str]]:
    if name not in IS_TOKEN:
        return [[name, *map(str, values)]]
    texts = ['-' if v == IGNORE else label(tokenizer, v) for v in values]
    ids = ['-' if v == IGNORE else str(v) for v in values]
    return [[name, *texts], ['id', *ids]]


def given_lines(browsed: Browsed, samples: list[dict]) -> list[str]:
    """What the data preprocessor makes of the samples, in one batch."""
    data = browsed.preprocessor(pseudo_collate(samples), browsed.split == 'train')
    fields = {**data['inputs'], **data['data_samples']}
    lines = [f'the model is given, in a batch of {len(samples)}:']
    for name, value in fields.items():
        if not isinstance(value, Tensor):
            continue
        text = (
            f'  {name}: {tuple(value.shape)} {str(value.dtype).removeprefix("torch.")}'
        )
        ignored = (value == IGNORE).float().mean().item() if value.numel() else 0
        if ignored:
            text += f', {ignored:.0%} of them {IGNORE}, for which there is no loss'
        if value.dim() == 1 and name.endswith('lengths'):
            text += f', {value.tolist()}'
        lines.append(text)
    lengths = data['inputs'].get('lengths')
    if lengths is not None:
        total = len(lengths) * data['inputs']['tokens'].shape[1]
        share = 1 - int(lengths.sum()) / total
        lines.append(f'  {share:.0%} of tokens is padding')
    return lines


def _text(about: str, parts: list[tuple], given: list[str], limit: int = 0) -> str:
    blocks = [about]
    for head, lines, tables in parts:
        blocks.append('\n'.join([head, *(f'  {line}' for line in lines)]))
        for columns in tables:
            rows = list(zip(*columns, strict=True))
            rest = len(rows) - 1 - limit if limit else 0
            if rest > 0:
                rows = rows[: limit + 1]
            widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
            shown = [
                '  '
                + '  '.join(
                    cell.ljust(width) if i else cell.rjust(width)
                    for i, (cell, width) in enumerate(zip(row, widths, strict=True))
                ).rstrip()
                for row in rows
            ]
            blocks.append(
                '\n'.join(shown + [f'  ... {rest} more rows in the file'] * (rest > 0))
            )
    return '\n\n'.join([*blocks, '\n'.join(given)]) + '\n'


def _same(one: dict, other: dict) -> bool:
    """Whether two draws of a sample are of the same tokens."""
    return all(
        torch.equal(value, other['inputs'][name])
        for name, value in one['inputs'].items()
    )
