"""Python API of ``tools/analysis_tools/layers.py``."""

import copy
import csv as csv_format
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.benchmark.references import input_size_of
from projects.core.config import explained, load_config
from projects.core.config.find import find_config_or_model
from projects.core.config.load import CHECKPOINTS
from projects.core.engine.inference import load_model
from projects.core.errors import UserError, listed
from projects.core.files import check_outputs, write_text
from projects.core.insight.layer_counts import (
    BYTES,
    LayerCounts,
    ModelCounts,
    count_layers,
    on_meta,
)
from projects.core.insight.opening import bare_model
from projects.core.quiet import quiet_libraries
from projects.core.tasks.task import library_config, task_of, task_of_class
from projects.core.values import PATH, checked, either, optional, pair, whole
from projects.core.variants import config_root

DEPTH = 2
MOST = 8192  # pixels of a side: an input is made, if no memory for what follows
WIDTHS = (27, 21, 15)  # characters of name, class and shape
TOLD = 8  # operators without MACs that are listed, of the greatest share


@checked(
    model=PATH,
    input_size=optional(either(whole(1, MOST), pair(whole(1, MOST)))),
    depth=whole(0),
    csv=optional(PATH),
)
def layers(
    model: str,
    input_size: int | Sequence[int] | None = None,
    depth: int = DEPTH,
    csv: str | None = None,
    cfg_options: list[str] | None = None,
) -> ModelCounts:
    """Print a table of a model's modules, with what each costs for one input.

    By what rules parameters, operations and memory are counted is said in
    :mod:`projects.core.insight.layer_counts`. Nothing is computed: tensors have shapes
    alone, so that the largest model takes a second.

    Args:
        model: Config, name of a variant or of a library's model such as
            ``torchvision.resnet18``, or a checkpoint of ``tools/train.py``.
        input_size: Height and width of an image, or one number for both; length of a
            sequence. What the config or the variant is for by default.
        depth: Levels that are shown; 0 for the model alone. Deeper modules are in the
            numbers of those that hold them.
        csv: File for all levels as CSV, with exact numbers.
        cfg_options: Settings over the config's, as ``key.sub=value``.

    Returns:
        The counts.

    Raises:
        UserError: If a file cannot be read or written, or the layers of such a model
            cannot be run by themselves.
    """
    quiet_libraries()
    if csv is not None:
        if not csv.endswith('.csv'):
            raise UserError(f'--csv {csv}: name a file that ends in .csv')
        check_outputs([csv], '--csv')
    opened = _open(model, cfg_options)
    with (
        explained(opened.cfg),
        DefaultScope.overwrite_default_scope(opened.cfg.get('default_scope')),
    ):
        # on the CPU: it is not counted, and its own numbers are needed
        preprocessor = copy.deepcopy(opened.model.data_preprocessor)
        built = on_meta(opened.model).eval()
        task = task_of_class(type(built))
        parts = task.parts_of(built)
        if parts is None:
            raise UserError(
                f'{model}: how to run the layers of a {type(built).__name__} '
                f'({task.name}) by themselves is not known, so that they cannot be '
                'counted'
            )
        size = _size(opened, parts, input_size, model)
        batch = parts.random_batch(torch.Generator().manual_seed(0), 1, size, 1)
        inputs = preprocessor(batch, False)['inputs']
        counts = count_layers(built, parts.network, inputs)
    sys.stdout.write(table_of(counts, depth) + '\n')
    shape = ' x '.join(map(str, size))
    for line in [*total_lines(counts, shape), *uncounted_lines(counts)]:
        sys.stdout.write(line + '\n')
    if csv is not None:
        write_text(csv, csv_of(counts), '--csv')
        print_log(f'all {len(counts.layers)} modules: {csv}', 'current')
    return counts


@dataclass
class _Opened:
    """What is counted.

    Args:
        cfg: Config.
        model: Built, maybe without memory.
        variant: Name of a variant; None of a run config.
    """

    cfg: Config
    model: nn.Module
    variant: str | None


def _open(name: str, cfg_options: list[str] | None) -> _Opened:
    if name.endswith(CHECKPOINTS):
        if cfg_options:
            raise UserError(
                '--cfg-options: a checkpoint holds its own config; leave them out'
            )
        model, cfg, _ = load_model(name)
        return _Opened(cfg, model, None)
    cfg = library_config(name)
    variant = None
    if cfg is None:
        file = find_config_or_model(name)
        cfg = load_config(file, cfg_options)
        if Path(file).parent == config_root() / '_base_/models':
            variant = Path(file).stem
    if not cfg.get('model'):
        raise UserError(f'{name} holds no model')
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        if cfg.get('train_dataloader'):
            task_of(cfg).prepare(cfg)  # a vocabulary may be that of the data
        return _Opened(cfg, bare_model(cfg), variant)


def _size(
    opened: _Opened, parts, wanted: int | Sequence[int] | None, name: str
) -> tuple[int, ...]:
    """Size of an input, as the user or the config says."""
    dims = len(parts.default_input_size)
    if wanted is None:
        if opened.variant is not None:
            return tuple(input_size_of(opened.variant, parts))
        return tuple(parts.input_size_of(opened.cfg) or parts.default_input_size)
    if getattr(parts, 'makes_one_size', False):
        raise UserError(
            f'--input-size: {name} makes samples of one size, '
            f'{" x ".join(map(str, parts.default_input_size))}; leave it out'
        )
    numbers = [wanted] if isinstance(wanted, int) else list(wanted)
    if len(numbers) > dims:
        raise UserError(
            f'--input-size {" ".join(map(str, numbers))}: an input of {name} has '
            f'{dims} number, its length'
        )
    return tuple(numbers * dims)[:dims]


def table_of(counts: ModelCounts, depth: int = DEPTH) -> str:
    """The table, not wider than 100 characters."""
    name_width, kind_width, shape_width = WIDTHS
    heads = ('module', 'class', 'output', 'parameters', 'MACs', 'memory')
    lines = [_row(*heads)]
    lines.append('-' * len(lines[0]))
    shown = [layer for layer in counts.layers if _is_shown(layer, depth)]
    parents = {layer.name.rpartition('.')[0] for layer in shown if layer.name}
    for layer in shown:
        indent = '  ' * max(0, layer.depth - 1)
        name = indent + (layer.name.rpartition('.')[2] or 'model')
        if layer.calls > 1:
            name += f' x{layer.calls}'
        used = _is_used(layer)
        lines.append(
            _row(
                _cut(name, name_width),
                _cut(layer.kind, kind_width),
                _cut(shape_text(layer), shape_width),
                f'{layer.num_params:,}' + '*' * layer.shared,
                in_units(layer.macs) if used else '-',
                in_units(layer.activation_bytes, 'B') if used else '-',
            )
        )
        if layer.own_macs and layer.name in parents:
            indent = '  ' * layer.depth
            macs = in_units(layer.own_macs)
            lines.append(_row(f'{indent}(in no submodule)', '', '', '', macs, ''))
    if any(layer.shared for layer in shown):
        lines.append('* has parameters that are counted above, where they come first')
    if any(layer.num_params and not _is_used(layer) for layer in shown):
        lines.append('- is not called by a prediction, and in none of its sums')
    if any(layer.calls > 1 for layer in shown):
        lines.append('xN: called N times; the output is that of the last call')
    return '\n'.join(lines)


def _is_shown(layer: LayerCounts, depth: int) -> bool:
    """The model, and what is called or has parameters down to a depth."""
    has_part = layer.calls or layer.num_params or layer.shared
    return not layer.name or bool(layer.depth <= depth and has_part)


def _is_used(layer: LayerCounts) -> bool:
    """Whether a module is called, or one in it, as of a ``nn.ModuleList``."""
    return bool(layer.calls or layer.macs or layer.elements)


def _row(name: str, kind: str, shape: str, params: str, macs: str, memory: str) -> str:
    a, b, c = WIDTHS
    row = f'{name:{a}} {kind:{b}} {shape:{c}} {params:>14} {macs:>8} {memory:>8}'
    return row.rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f'{text[: width - 1]}…'


def shape_text(layer: LayerCounts) -> str:
    """'64 x 56 x 56', '-' where there is no one tensor."""
    return ' x '.join(map(str, layer.shape)) if layer.shape else '-'


def in_units(value: float, unit: str = '') -> str:
    """Three digits and a power of thousand: '1.81 G', '205 MB'."""
    for factor, prefix in ((1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if value >= 0.9995 * factor:
            return f'{value / factor:.3g} {prefix}{unit}'
    return f'{value:.0f} {unit}'.rstrip()


def total_lines(counts: ModelCounts, size: str) -> list[str]:
    """What the whole costs."""
    total = counts.total
    lines = [
        '',
        f'for one sample of {size}: {total.num_params:,} parameters '
        f'({in_units(BYTES * total.num_params, "B")}),',
        f'{total.macs:,} MACs, {in_units(total.activation_bytes, "B")} of activations',
        'a MAC is a multiplication and an addition; memory is of float32, activations '
        'are the results of',
        'all operations, which a training step keeps at most; a module includes what '
        'is in it',
    ]
    if counts.unknown:
        lines.append(
            'the MACs lack operators without a known formula: '
            + listed(sorted(counts.unknown))
        )
    return lines


def uncounted_lines(counts: ModelCounts) -> list[str]:
    """Operators without MACs, by the elements that they go through."""
    elements = sum(counts.uncounted.values())
    whole_ = counts.total.macs + elements
    if not whole_:
        return []
    rows = [
        f'  {name:32} {counts.calls[name]:6} calls {in_units(number):>8} elements '
        f'{number / whole_:8.2%}'
        for name, number in counts.uncounted.most_common(TOLD)
    ]
    rest = counts.uncounted.most_common()[TOLD:]
    if rest:
        number, calls = sum(n for _, n in rest), sum(counts.calls[k] for k, _ in rest)
        rows.append(
            f'  {f"{len(rest)} others":32} {calls:6} calls {in_units(number):>8} '
            f'elements {number / whole_:8.2%}'
        )
    return [
        f'not counted as MACs, {elements / whole_:.2%} of all if an element is an '
        'operation:',
        *rows,
    ]


def csv_of(counts: ModelCounts) -> str:
    """All modules, with exact numbers."""
    text = io.StringIO()
    writer = csv_format.writer(text, lineterminator='\n')
    writer.writerow(
        ('module', 'class', 'depth', 'calls', 'output', 'parameters', 'own_parameters',
         'shared', 'macs', 'activation_bytes')
    )  # fmt: skip
    for layer in counts.layers:
        writer.writerow(
            (layer.name, layer.kind, layer.depth, layer.calls, shape_text(layer),
             layer.num_params, layer.own_params, int(layer.shared), layer.macs,
             layer.activation_bytes)
        )  # fmt: skip
    return text.getvalue()
