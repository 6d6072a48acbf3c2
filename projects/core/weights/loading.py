"""Loading weights without leaving any in silence."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mmengine.logging import print_log
from torch import Tensor, nn

from projects.core.errors import UserError, listed
from projects.core.weights.memory import give_memory


@dataclass
class ConvertedStateDict:
    """A file's weights in a model's own names.

    Args:
        state_dict: Weights by the model's names, or by the file's where the
            model has none for them.
        renamed: The file's name by the model's, where they differ.
        reshaped: What was done to the numbers, by the model's name.
        kept: Names of the model that the file has no numbers for and that may
            stay as they are.
        unused: What the file has and the model needs no numbers for, as masks
            that are computed: the reason, by the file's name.
    """

    state_dict: dict[str, Tensor]
    renamed: dict[str, str] = field(default_factory=dict)
    reshaped: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    unused: dict[str, str] = field(default_factory=dict)


Converter = Callable[[nn.Module, Mapping[str, Tensor]], ConvertedStateDict | None]
_converters: list[Converter] = []


def register_converter(converter: Converter) -> Converter:
    """Let :func:`load_weights` read files that name weights in another way.

    ``converter(model, state_dict)`` returns None where the file or the model is
    not of its kind. The last one that was registered is asked first, so that
    a plugin's goes before the general ones.
    """
    _converters.insert(0, converter)
    return converter


def load_weights(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    source: str,
    allow_new_head: bool = False,
    strict: bool = True,
) -> str:
    """Load weights by name into a model; all of it or none.

    Args:
        model: Where they go. Its head is what its attribute ``head_prefixes``
            names, a tuple of names of child modules or of parameters, as
            ``('embedding', 'decoder.out')``; without that, what it has beside
            its ``backbone``; without either it has no head.
        state_dict: Weights by name; a leading 'module.' is taken off.
        source: The file they are from, for messages.
        allow_new_head: Whether weights of the head may be missing or of
            another shape, as when the number of classes changes. They keep
            their initial values and the report names them.
        strict: False to load whatever fits and to report the rest.

    Returns:
        A short table: what was loaded, renamed, reshaped and left out, as
        counts and as shares of the parameters. Names that differ in their
        numbers alone share a line, ``layer*.*.NAME``, with their count.

    Raises:
        UserError: If a weight of the model is missing from the file or has
            another shape there, or the file has one too many; with both
            sides' first differing names.
    """
    wanted, given, fitting = _matched(model, state_dict)
    missing = [k for k in wanted if k not in fitting and k not in given.kept]
    unknown = [k for k in given.state_dict if k not in wanted]
    covered = bool(fitting) and not any(
        _is_of_backbone(model, k) for k in (*missing, *unknown)
    )
    if strict and (missing or unknown) and not (allow_new_head and covered):
        message = _difference(wanted, given, fitting, missing, unknown, source)
        heads = getattr(model, 'head_prefixes', None)
        if allow_new_head and heads:
            message += f'; only its head may differ: {", ".join(heads)}'
        raise UserError(message)
    weights = {k: given.state_dict[k] for k in fitting}
    try:
        if odd := [
            k for k, v in weights.items() if v.is_complex() > wanted[k].is_complex()
        ]:
            raise RuntimeError(f'{odd[0]} is complex')
        _warn_of_not_finite(weights, source)
        give_memory(model)
        model.load_state_dict(weights, strict=False)
    except (
        RuntimeError,
        NotImplementedError,
    ) as error:  # sparse, quantized, without storage, ...
        raise UserError(
            f'{source} holds weights of a form that this model cannot take: '
            f'{str(error).strip().splitlines()[-1].strip()}'
        ) from error
    return _report(model, wanted, given, fitting, missing, unknown, source)


def _matched(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], ConvertedStateDict, set[str]]:
    """Weights of a model, those of a file in the model's names, and the names of
    those that fit."""
    state_dict = {k.removeprefix('module.'): v for k, v in state_dict.items()}
    wanted = model.state_dict()
    given = ConvertedStateDict(state_dict)
    if _shapes(state_dict) != _shapes(wanted):
        conversions = (converter(model, state_dict) for converter in _converters)
        given = next(filter(None, conversions), given)
    fitting = {
        k
        for k, v in wanted.items()
        if k in given.state_dict and given.state_dict[k].shape == v.shape
    }
    return wanted, given, fitting


def covers(model: nn.Module, state_dict: Mapping[str, Tensor]) -> bool:
    """Whether a file has each weight of a model in its shape; see
    :func:`load_weights`."""
    wanted, given, fitting = _matched(model, state_dict)
    return wanted.keys() == fitting and not any(
        weight.is_meta for weight in given.state_dict.values()
    )


def _shapes(state_dict: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in state_dict.items()}


def _warn_of_not_finite(weights: Mapping[str, Tensor], source: str) -> None:
    names = [
        name
        for name, weight in weights.items()
        if weight.is_floating_point() and not weight.isfinite().all()
    ]
    if names:
        print_log(
            f'{source}: {len(names)} of {len(weights)} weights hold values that are '
            f'not finite ({listed(names)}); what the model gives means nothing',
            'current',
            logging.WARNING,
        )


def _is_of_backbone(model: nn.Module, name: str) -> bool:
    """Whether a weight of the model or of a file is one that no new head excuses."""
    heads = getattr(model, 'head_prefixes', None)
    if heads is None and hasattr(model, 'backbone'):
        return name.startswith('backbone.')
    if any(f'{name}.'.startswith(f'{head}.') for head in heads or ()):
        return False
    return name.partition('.')[0] in {
        *dict(model.named_children()),
        *model._parameters,
        *model._buffers,
    }


def _difference(
    wanted: Mapping[str, Tensor],
    given: ConvertedStateDict,
    fitting: set[str],
    missing: list[str],
    unknown: list[str],
    source: str,
) -> str:
    """The first names that differ, the model's and the file's."""
    lines = [
        f'{source} does not fit this model: {len(fitting)} of its '
        f'{len(wanted)} weights match; the first that differ (model | '
        'file):'
    ]
    for k in missing[:4]:
        found = given.state_dict.get(k)
        lines.append(
            f'  {k} {tuple(wanted[k].shape)} | '
            + (
                'missing'
                if found is None
                else f'{given.renamed.get(k, "")} {tuple(found.shape)}'.lstrip()
            )
        )
    lines += [
        f'  missing | {given.renamed.get(k, k)} {tuple(given.state_dict[k].shape)}'
        for k in unknown[:4]
    ]
    lines.append('give the config that this checkpoint was trained with')
    return '\n'.join(lines)


def _report(
    model: nn.Module,
    wanted: Mapping[str, Tensor],
    given: ConvertedStateDict,
    fitting: set[str],
    missing: list[str],
    unknown: list[str],
    source: str,
) -> str:
    """What became of each weight, as text."""
    sizes = {
        k: p.numel()
        for k, p in model.state_dict(keep_vars=True).items()
        if isinstance(p, nn.Parameter)
    }

    def share(names: Iterable[str]) -> str:
        part = sum(sizes.get(k, 0) for k in names)
        return f'{part / max(sum(sizes.values()), 1):.1%}'

    lines = [
        f'{len(fitting)} of {len(wanted)} weights ({share(fitting)} of '
        f'the parameters) loaded from {source}'
    ]

    def row(
        label: str, names: Iterable[str], texts: Iterable[str], with_share: bool = True
    ) -> None:
        names = list(names)
        if names:
            of_all = share(names) if with_share else ''
            lines.append(
                f'  {label:<9}{len(names):>5}{of_all:>7}  '
                + f'\n{"":25}'.join(_grouped(texts))
            )

    renamed = {new: old for new, old in given.renamed.items() if new in fitting}
    row('renamed', renamed, (_renaming(old, new) for new, old in renamed.items()))
    reshaped = {new: how for new, how in given.reshaped.items() if new in fitting}
    row('reshaped', reshaped, (f'{new}: {how}' for new, how in reshaped.items()))
    left = [*missing, *(k for k in given.kept if k not in fitting)]
    row(
        'left out',
        left,
        (
            f'{k} {tuple(wanted[k].shape)}: '
            + (
                f'the file has {tuple(given.state_dict[k].shape)}'
                if k in given.state_dict
                else 'not in the file'
            )
            for k in left
        ),
    )
    row(
        'not used',
        [*unknown, *given.unused],
        (
            *(
                f'{given.renamed.get(k, k)} {tuple(given.state_dict[k].shape)}'
                for k in unknown
            ),
            *(f'{name}: {reason}' for name, reason in given.unused.items()),
        ),
        with_share=False,
    )
    return '\n'.join(lines)


def _renaming(old: str, new: str) -> str:
    """'fc.weight', 'head.fc.weight' as "NAME -> head.NAME"."""
    olds, news = old.split('.'), new.split('.')
    common: list[str] = []
    while olds and news and olds[-1] == news[-1]:
        common = ['NAME']
        olds.pop()
        news.pop()
    return ' -> '.join('.'.join([*parts, *common]) for parts in (olds, news))


def _grouped(texts: Iterable[str]) -> list[str]:
    """Texts that differ in the numbers within names alone, as one with their
    count, where there are many."""
    groups: dict[str, list[str]] = {}
    for text in (texts := list(texts)):
        pattern = re.sub(r'(?<=\.)\d+(?=\.)|(?<=[a-z_])\d+(?=\.)', '*', text)
        groups.setdefault(pattern, []).append(text)
    if len(texts) <= 4 and len(set(texts)) == len(texts):
        return texts
    return [
        of[0] if len(of) == 1 else f'{pattern} ({len(of)})'
        for pattern, of in groups.items()
    ]
