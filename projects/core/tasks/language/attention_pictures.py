"""What a model of texts attends to, drawn as tables of queries and keys.

It needs one thing of a model: ``attention_maps(inputs)`` of its backbone gives the
attention of each layer by its name, 'encoder 0', 'decoder 1' or
'decoder to encoder 1', (B, N, L, S), whose rows are queries and of sum 1.

Legend: B sequences, N heads, L queries, S keys.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache

import torch
from matplotlib import font_manager
from matplotlib.figure import Figure
from mmengine.logging import print_log
from torch import Tensor, nn

from projects.core.errors import UserError, listed
from projects.core.files import check_outputs, output_file
from projects.core.tasks.drawing import MAX_SIDE, shortened
from projects.core.tasks.language.attention_labels import (
    chosen_maps,
    code_point,
    label,
    labels_of,
)
from projects.core.tasks.language.models import CausalLanguageModel, EncoderDecoder
from projects.core.tasks.language.tokenizers import Tokenizer, tokenizer_of_meta
from projects.core.values import PATH, TEXT, checked, optional, several, whole

FONT = 'DejaVu Sans'  # matplotlib's own
DPI = 100
CELL = 0.17  # inches; of a query and a key
LABEL = 0.12  # inches; least room of a label
MAX_LABEL = 10  # characters
# fonts with a box for every character there is
PLACEHOLDERS = ('Last Resort', 'LastResort', 'Unifont Upper', 'Adobe Blank')


@checked(
    texts=several(TEXT),
    out=PATH,
    layers=optional(several(TEXT)),
    heads=optional(several(whole(0))),
)
def draw_text_attention(
    model: nn.Module,
    meta: dict,
    texts: str | Sequence[str],
    out: str = 'attention.png',
    layers: str | Sequence[str] | None = None,
    heads: Sequence[int] | None = None,
) -> str:
    """Draw what a model attends to in a text.

    A model that reads one text and writes another is asked what it writes.

    Args:
        model: In eval mode; with its meta data, as
            :func:`projects.core.engine.inference.load_model` gives it.
        meta: Of its checkpoint; the tokenizer is in there.
        texts: A text; for a model that knows pairs, also two.
        out: PNG file to write. A panel for each layer and head; the rows are
            queries, the columns keys.
        layers: Names of layers; the last one of each kind by default.
        heads: Numbers of heads; an empty list for all, None for their mean.

    Returns:
        The file.

    Raises:
        UserError: If the model is none that can be drawn, or has no such layer or
            head, or a file cannot be read or written.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    check_outputs([out], '--out')
    tokenizer = tokenizer_of_meta(meta, 'the checkpoint')
    backbone = getattr(model, 'backbone', None)
    if tokenizer is None or not hasattr(backbone, 'attention_maps'):
        raise UserError(
            f'a {type(model).__name__} of a {type(backbone).__name__} has no '
            'attention on text that could be drawn'
        )
    with torch.no_grad():
        inputs, labels = read_texts(model, tokenizer, texts)
        maps = backbone.attention_maps(inputs)
    maps = {name: attention[0].float() for name, attention in maps.items()}
    if not maps:
        raise UserError(
            f'this {type(backbone).__name__} was built without attention: there is '
            'nothing to draw'
        )
    maps = chosen_maps(maps, layers, heads)
    figure, missing = attention_figure(
        {
            name: (attention, *labels_of(name, labels))
            for name, attention in maps.items()
        }
    )
    with output_file(out, '--out') as stream:
        figure.savefig(stream, format='png', dpi=DPI)
    if 'written' in labels:
        print_log(f'{texts[0]} -> {"".join(labels["text"])}', 'current')
    if missing:
        print_log(
            f'no installed font has {listed(sorted(missing))}: these are shown by '
            'their code points; install a font that has them, such as Noto Sans CJK',
            'current',
        )
    print_log(f'{", ".join(maps)}: {out}', 'current')
    return out


def read_texts(
    model: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """A batch of one sample, as the data sets make it, and names of its tokens.

    Returns:
        tuple: Inputs of the model, and names of ``tokens`` and, where the model
        writes, of ``target`` (what it has read of it at each step), ``written``
        (what it writes at each step) and ``text`` (what that is in one piece).

    Raises:
        UserError: If these are too many texts.
    """
    begin, end = ([] if t is None else [t] for t in (tokenizer.bos, tokenizer.eos))
    pairs = not isinstance(model, (CausalLanguageModel, EncoderDecoder))
    if len(texts) > 1 + pairs:
        raise UserError(
            f'{len(texts)} texts: {type(model).__name__} takes '
            + ('one or two' if pairs else 'one at a time')
        )
    first, *rest = (tokenizer.encode(text) for text in texts)
    inputs, labels = {}, {}
    if isinstance(model, EncoderDecoder):
        tokens = [*first, *end]
        inputs['tokens'] = torch.tensor([tokens])
        inputs['target'] = torch.tensor([begin])
        (written,) = model.write(inputs)
        inputs['target'] = torch.tensor([[*begin, *written]])
        labels['target'] = [label(tokenizer, t) for t in (*begin, *written)]
        labels['written'] = [label(tokenizer, t) for t in (*written, *end)]
        labels['text'] = [tokenizer.decode(written)]
    elif pairs:
        tokens = [*begin, *first, *end]
        types = [0] * len(tokens)
        for second in rest:
            tokens += [*second, *end]
            types += [1] * (len(second) + len(end))
            inputs['token_types'] = torch.tensor([types])
        inputs['tokens'] = torch.tensor([tokens])
    else:
        tokens = [*begin, *first]
        inputs['tokens'] = torch.tensor([tokens])
    labels['tokens'] = [label(tokenizer, t) for t in tokens]
    return inputs, labels


def attention_figure(
    maps: Mapping[str, tuple[Tensor, Sequence[str], Sequence[str]]],
) -> tuple[Figure, set[str]]:
    """Panels with labels, each up to its own maximum.

    Args:
        maps: By title, (L, S) attention and the names of its queries and keys.

    Returns:
        tuple: The figure, and characters that no installed font has; they are shown
        as U+65E5.
    """
    characters = {
        c for _, *names in maps.values() for side in names for c in ''.join(side)
    }
    fonts, missing = fonts_for(frozenset(characters))

    def shown(names: Sequence[str]) -> list[str]:
        return [
            shortened(
                ''.join(code_point(c) if c in missing else c for c in name),
                MAX_LABEL,
            )
            for name in names
        ]

    queries, keys = (max(a.shape[i] for a, *_ in maps.values()) for i in (0, 1))
    # inches of a panel's labels, title and space to the next
    margin = 0.35 + 0.075 * max(
        len(name)
        for _, *names in maps.values()
        for side in names
        for name in shown(side)
    )
    most = MAX_SIDE / DPI
    cell = min(
        max(CELL, 2.4 / max(queries, keys)), (most - margin) / max(queries, keys)
    )
    width, height = cell * keys + margin, cell * queries + margin + 0.25
    columns = max(1, min(len(maps), int(most / max(width, 2.4))))
    rows = -(-len(maps) // columns)
    figure = Figure(
        figsize=(max(width, 2.4) * columns, height * rows), layout='constrained'
    )
    figure.supylabel('query', fontsize=8)
    figure.supxlabel('key', fontsize=8)
    step = math.ceil(LABEL / cell)  # of so many labels one is shown
    for i, (title, (attention, *names)) in enumerate(maps.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(attention.numpy(), cmap='Blues', vmin=0, aspect='equal')
        axes.set_title(f'{title} (up to {attention.max():.2f})', fontsize=9)
        query_names, key_names = map(shown, names)
        font = dict(family=fonts, fontsize=8)
        axes.set_yticks(range(0, len(query_names), step), query_names[::step], **font)
        axes.set_xticks(range(0, len(key_names), step), key_names[::step], **font)
        for text in axes.get_xticklabels():
            text.set_rotation(0 if len(text.get_text()) == 1 else 90)
        axes.tick_params(length=0, pad=2)
        # lines between the cells
        axes.set_xticks([j + 0.5 for j in range(len(key_names) - 1)], minor=True)
        axes.set_yticks([j + 0.5 for j in range(len(query_names) - 1)], minor=True)
        axes.grid(which='minor', color='0.9', linewidth=0.4)
        axes.tick_params(which='minor', length=0)
    return figure, missing


@cache
def fonts_for(characters: frozenset[str]) -> tuple[list[str], set[str]]:
    """Families of installed fonts that set characters, in the order in which they are
    tried, and the characters that none of them has."""
    families, missing = [], set(characters)
    entries = sorted(
        font_manager.fontManager.ttflist,
        key=lambda e: (e.name != FONT, e.style != 'normal', abs(int(e.weight) - 400)),
    )
    for entry in entries:
        if families and not missing:
            break
        if entry.name in families or entry.name.startswith(PLACEHOLDERS):
            continue
        try:
            font = font_manager.get_font(entry.fname)
            found = {c for c in missing if font.get_char_index(ord(c))}
        except (OSError, RuntimeError):  # a file that matplotlib cannot read
            continue
        if found or not families:
            families.append(entry.name)
            missing -= found
    return families, missing
