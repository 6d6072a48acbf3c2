"""The table of a plugin's page: its variants beside other libraries'."""

import json
import os
from collections.abc import Sequence

from mmengine.config import Config

from projects.core.benchmark.references import references_of
from projects.core.benchmark.run import benchmark
from projects.core.benchmark.tables import MIB, spread
from projects.core.config import values_of
from projects.core.errors import UserError, did_you_mean
from projects.core.files import check_outputs, make_folder, write_text
from projects.core.values import PATH, checked
from projects.core.variants import config_root, list_models
from projects.registry import MODELS

PREDICT = {'predict.step': 'predict'}
PARTS = {**PREDICT, 'train.passes': 'forward and backward'}
# of models that take steps of their own
WHOLE = {**PREDICT, 'train.step': 'training step'}


def variants_of(plugin: str) -> list[str]:
    """Variants whose model has a part of a plugin.

    Raises:
        UserError: If there is none.
    """
    found, plugins = [], set()
    for name in list_models():
        cfg = Config.fromfile(config_root() / '_base_/models' / f'{name}.py')
        types = values_of(cfg.model, 'type')
        rooms = {
            MODELS.get(t).__module__.split('.')[1]
            for t in types
            if isinstance(t, str) and t.startswith('projects.') and MODELS.get(t)
        } - {'core'}
        plugins |= rooms
        if plugin in rooms:
            found.append(name)
    if not found:
        raise UserError(
            f"no variant of a plugin '{plugin}'"
            + (did_you_mean(plugin, plugins) or f'; there are {sorted(plugins)}')
        )
    return found


@checked(out=PATH)
def compare(names: Sequence[str], out: str, **options) -> str:
    """Measure variants beside each of their references, a table row each.

    Both sides run in torch's usual memory format: the architectures are compared,
    not what a run adds (:mod:`projects.core.benchmark.as_run` compares runs).

    Args:
        names: A plugin, or variants.
        out: Folder for ``table.md``, and a JSON file of each comparison. What is
            there already is not measured again.
        **options: Of :func:`projects.core.benchmark.benchmark`.

    Returns:
        The table, Markdown.

    Raises:
        UserError: As the benchmark does; if no reference of any variant is known.
    """
    variants = [
        variant
        for name in names
        for variant in ([name] if name in list_models() else variants_of(name))
    ]
    make_folder(out, '--out')
    table_file = os.path.join(out, 'table.md')
    check_outputs([table_file], '--out')
    results: dict[str, dict[str, dict]] = {}
    for variant in variants:
        for library, config in references_of(variant).items():
            file = os.path.join(out, f'{variant}_{library}.json')
            if not os.path.isfile(file):
                benchmark([variant, config], **options, channels_last=False, out=file)
            with open(file) as text:
                results.setdefault(variant, {})[library] = json.load(text)
        write_text(table_file, table(results), '--out')
    if not results:
        raise UserError(f'{", ".join(names)}: no other library has these models')
    return table(results)


def table(results: dict[str, dict[str, dict]]) -> str:
    """Results of the benchmark by variant and library as Markdown; ratios are of
    their times to ours, above 1 where ours is faster."""
    libraries = list(dict.fromkeys(k for found in results.values() for k in found))
    one = next(iter(next(iter(results.values())).values()))
    parts = PARTS if PARTS.keys() <= one['configs'][0]['parts'].keys() else WHOLE
    heads = ['variant', 'batch', 'input']
    for label in parts.values():
        heads += [f'{label}, ms', *(f'{library} / ours' for library in libraries)]
    heads.append(f'peak MiB of a step: ours / {" / ".join(libraries)}')
    lines = [heads, ['---'] * len(heads)]
    for variant, found in results.items():
        one = next(iter(found.values()))
        ours = one['configs'][0]
        line = [f'`{variant}`', str(one['batch_size'])]
        line.append(' x '.join(map(str, ours['input_size'])))
        for part in parts:
            median = ours['parts'][part]['median']
            line.append(f'{median:,.0f}' if median >= 100 else f'{median:.1f}')
            line += [
                spread(found[k]['ratios'].get(part) if k in found else None, 2)
                for k in libraries
            ]
        theirs = [found[k]['configs'][1] if k in found else None for k in libraries]
        line.append(
            ' / '.join(
                '-' if e is None else f'{e["memory"]["train.step"] / MIB:,.0f}'
                for e in [ours, *theirs]
            )
        )
        lines.append(line)
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'
