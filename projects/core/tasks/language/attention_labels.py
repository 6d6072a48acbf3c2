"""Which attention of a model of texts is shown, and what its tokens are called.

Legend: N heads, L queries, S keys.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from projects.core.errors import UserError, did_you_mean, listed
from projects.core.tasks.language.tokenizers import Tokenizer, byte_characters

# shown by a sign of their own; DejaVu Sans has them
VISIBLE = {' ': '␣', '\n': '↵', '\t': '⇥'}


def labels_of(name: str, labels: Mapping[str, list[str]]) -> tuple[list[str], ...]:
    """Names of the queries and of the keys of a layer."""
    if 'target' not in labels or not name.startswith('decoder'):
        return labels['tokens'], labels['tokens']
    keys = 'tokens' if name.startswith('decoder to encoder') else 'target'
    return labels['written'], labels[keys]


def label(tokenizer: Tokenizer, token: int) -> str:
    """How a token is shown: its text, its name, or bytes that are no text."""
    name = tokenizer.token(token)
    if token in tokenizer.special:
        return name
    text = tokenizer.decode([token])
    if '\ufffd' in text and '\ufffd' not in name:  # part of a character
        characters = byte_characters()
        text = bytes(map(characters.index, name)).hex(' ').upper()
    return ''.join(
        VISIBLE.get(c) or (c if c.isprintable() else code_point(c)) for c in text
    )


def code_point(character: str) -> str:
    """How a character is shown that has no sign, as U+200F."""
    return f'U+{ord(character):04X}'


def chosen_maps(
    maps: Mapping[str, Tensor],
    layers: str | Sequence[str] | None = None,
    heads: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Those to draw.

    Args:
        maps: (N, L, S) attention by the name of its layer.
        layers: See :func:`~projects.core.tasks.language.attention_pictures.
            draw_text_attention`.
        heads: See :func:`~projects.core.tasks.language.attention_pictures.
            draw_text_attention`.

    Returns:
        dict: (L, S) attention by the title of its panel.

    Raises:
        UserError: If there is no such layer or head.
    """
    if layers is None:
        # a later one of the same kind takes the place of the one before
        layers = {name.rstrip('0123456789'): name for name in maps}.values()
    elif isinstance(layers, str):
        layers = [layers]
    chosen = {}
    for name in layers:
        if name not in maps:
            raise UserError(
                f"--layer '{name}': the model has {listed(maps, 20)}"
                + did_you_mean(name, maps)
            )
        attention = maps[name]
        if len(attention) == 1:
            chosen[name] = attention[0]
        elif heads is None:
            chosen[f'{name}, mean of {len(attention)} heads'] = attention.mean(0)
        for head in (
            ()
            if heads is None or len(attention) == 1
            else heads or range(len(attention))
        ):
            if head >= len(attention):
                raise UserError(
                    f'--heads {head}: {name} has {len(attention)} heads, from 0'
                )
            chosen[f'{name}, head {head}'] = attention[head]
    return chosen
