"""Python API of ``tools/export.py``."""

import os.path as osp
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.export import Dim

from projects.core.config import explained
from projects.core.config.saved import registered_types_only
from projects.core.engine.inference import check_finite, load_model
from projects.core.errors import UserError, described
from projects.core.export.formats import FORMATS, quiet_export
from projects.core.files import check_outputs, output_file
from projects.core.quiet import quiet_libraries
from projects.core.tasks.task import Exported, ExportOptions, task_of
from projects.core.values import (
    FLAG,
    PATH,
    Rule,
    above,
    checked,
    optional,
    pair,
    whole,
)

# axes whose length is left open, besides that of the batch
DYNAMIC = ('none', 'batch', 'size')
BATCH_SIZES = (1, 3)
ROUNDS = 3  # of random inputs for each size of a batch and of an input
SECONDS = 2.0  # of the comparison of speeds


class Result(NamedTuple):
    """What came of an export.

    Attributes:
        file: The graph.
        differences: Greatest difference of each output, by name, from the model's, as
            a share of its greatest value where that is above 1.
        speedup: Time of the model in torch's eager mode over that of the file's.
    """

    file: str
    differences: dict[str, float]
    speedup: float


@checked(
    checkpoint=PATH,
    format=Rule(' or '.join(map(repr, FORMATS)), lambda v: v in FORMATS),
    raw=FLAG,
    dynamic=Rule(' or '.join(map(repr, DYNAMIC)), lambda v: v in DYNAMIC),
    input_size=optional(pair(whole(1))),
    image=optional(PATH),
    out=optional(PATH),
    tolerance=above(0),
)
def export(
    checkpoint: str,
    format: str = 'onnx',
    raw: bool = False,
    dynamic: str = 'batch',
    input_size: Sequence[int] | None = None,
    image: str | None = None,
    out: str | None = None,
    tolerance: float = 1e-4,
) -> Result:
    """Write a checkpoint of ``tools/train.py`` for other programs.

    The file is run on random inputs, and on the user's, before it appears: its
    outputs are those of the model, or there is no file.

    Args:
        checkpoint: File that holds the weights and the config.
        format: 'onnx', or 'torch' for a program of torch.export.
        raw: Boxes and scores of a detector before NMS.
        dynamic: Axes whose length is left open: 'none', that of the 'batch', or
            'size' for the height and width of images besides.
        input_size: Height and width of images; those of the test pipeline by default.
        image: An image, or a folder of images, to compare the outputs on as well.
        out: File to write; the checkpoint's name with another ending by default.
        tolerance: Greatest difference of an output, as a share of its greatest value
            where that is above 1.

    Raises:
        UserError: If the model cannot be exported, or a file cannot be read or
            written, or the outputs differ.
    """
    quiet_libraries()
    kind = FORMATS[format]
    kind.check()
    out = out or osp.splitext(checkpoint)[0] + kind.suffix
    if not out.endswith(kind.suffix):
        raise UserError(f'--out {out}: name a file that ends in {kind.suffix}')
    check_outputs([out], '--out')
    model, cfg, meta = load_model(checkpoint)
    check_finite(model, checkpoint)
    size = None if input_size is None else tuple(input_size)
    with explained(cfg), registered_types_only(), torch.no_grad():
        exported = task_of(cfg).exported(
            model, cfg, meta, ExportOptions(checkpoint, raw, size)
        )
        kind.check(exported)
        cases = list(_cases(exported, dynamic))
        if image is not None:
            batch = exported.inputs_of(image)
            if dynamic == 'none':
                batch = tuple(x[:1] for x in batch)
            cases.append(Case(image, batch, exported.expected(*batch)))
        written = _written(exported, kind, dynamic)
        differences = _differences(exported, written, cases, dynamic)
        worst = max(differences.values())
        if not worst <= tolerance:
            hint = '; try --dynamic batch' if dynamic == 'size' else ''
            raise UserError(
                f'{checkpoint}: what {kind.runner} computes differs from the model '
                f'by {worst:.1e}, above --tolerance {tolerance:g}: nothing is '
                f'written{hint}'
            )
        speed = _speed(exported, written, cases[0].inputs)
    with output_file(out, '--out') as file:
        file.write(written.data)
    lines = [
        f'{out}: {len(written.data) / 1e6:.1f} MB, {_axes(exported, dynamic)}',
        f'in: {exported.convention}',
        *(f'out: {name} {words}' for name, words in exported.outputs.items()),
        *kind.needs(exported),
        f'{kind.runner} gives what the model gives on {len(cases)} batches'
        f'{exported.contents([case.expected for case in cases])}: greatest difference '
        + ', '.join(f'{name} {value:.1e}' for name, value in differences.items()),
        f'one input takes {kind.runner} {speed.seconds * 1e3:.2f} ms, torch '
        f'{speed.torch_seconds * 1e3:.2f} ms: {speed.ratio:.2f} times as fast, '
        f'{_threads()} each, medians of {speed.rounds} turns',
    ]
    for line in lines:
        print_log(line, 'current')
    return Result(out, differences, speed.ratio)


def _threads() -> str:
    num = torch.get_num_threads()
    return f'{num} thread{"s" * (num > 1)}'


class Case(NamedTuple):
    """Inputs, and what the model makes of them."""

    name: str
    inputs: tuple[Tensor, ...]
    expected: tuple[Tensor, ...]


def _cases(exported: Exported, dynamic: str) -> Iterator[Case]:
    """Random ones, of several sizes where those are left open.

    Raises:
        UserError: If the model takes inputs of one size alone.
    """
    rng = torch.Generator().manual_seed(0)
    size = exported.input_size
    sizes = [size]
    if dynamic == 'size':
        if not size:
            raise UserError('--dynamic size: the inputs have no size; use batch')
        sizes += _other_sizes(size)
    for size in sizes:
        for batch_size in (1,) if dynamic == 'none' else BATCH_SIZES:
            for i in range(ROUNDS):
                inputs = exported.random_inputs(rng, batch_size, size)
                try:
                    expected = exported.expected(*inputs)
                except (RuntimeError, ValueError) as error:
                    if size == exported.input_size:
                        raise
                    raise _one_size(exported, error) from error
                yield Case(f'{i} of {(batch_size, *size)}', inputs, expected)


def _other_sizes(size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Images whose sides change apart and together; shorter sequences, as a model
    may have a greatest length."""
    if len(size) == 1:
        return [(size[0] // 2,), (size[0] - 1,)]
    height, width = size
    return [(height + 32, width + 64), (height + 64, width), (height + 64, width + 64)]


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _one_size(exported: Exported, error: BaseException) -> UserError:
    error = _first_cause(error)
    size = ' x '.join(map(str, exported.input_size))
    return UserError(
        f'--dynamic size: this {exported.facts["model"]} bears no other size than '
        f'{size} in a file ({described(error)}); use --dynamic batch, and --input-size '
        'for another one'
    )


def _written(exported: Exported, kind: type, dynamic: str):
    """The graph in its file's format."""
    # a length of 1 would be taken for one that stays
    size = exported.input_size
    batch_size = 1
    if dynamic != 'none':
        batch_size = 2
    if dynamic == 'size' and len(size) == 2:
        # maps of small images shrink to one pixel, too
        size = (2 * size[0], 3 * size[1])
    rng = torch.Generator().manual_seed(1)
    example = exported.random_inputs(rng, batch_size, size)
    kind.prepare(exported.graph)
    try:
        with quiet_export():
            program = torch.export.export(
                exported.graph,
                example,
                dynamic_shapes=tuple(
                    {i: Dim.DYNAMIC for i, n in enumerate(axes) if _open(n, dynamic)}
                    for axes in exported.inputs.values()
                ),
                strict=False,
            )
            return kind(program, exported)
    except Exception as error:  # of whatever class, for whatever reason
        if dynamic == 'size':
            raise _one_size(exported, error) from error
        cause = _first_cause(error)
        raise UserError(
            f'this {exported.facts["model"]} cannot be written as {kind.suffix}: '
            f'{described(cause)}'
        ) from error


def _open(axis: str | None, dynamic: str) -> bool:
    """Whether the length of an axis is left open."""
    return axis is not None and (dynamic == 'size' or axis == dynamic)


def _axes(exported: Exported, dynamic: str) -> str:
    axes = [name for axes in exported.inputs.values() for name in axes]
    names = dict.fromkeys(name for name in axes if _open(name, dynamic))
    words = (name.replace('batch', 'batch size') for name in names)
    return f'for any {", ".join(words)}' if names else 'for a single input'


def _differences(
    exported: Exported, written, cases: list[Case], dynamic: str
) -> dict[str, float]:
    """The greatest of each output."""
    greatest = dict.fromkeys(exported.outputs, 0.0)
    for case in cases:
        try:
            outs = written.run(*case.inputs)
        except Exception as error:  # onnxruntime's and torch's
            if dynamic == 'size':
                raise _one_size(exported, error) from error
            raise
        found = exported.differences(outs, case.expected)
        greatest = {name: max(value, found[name]) for name, value in greatest.items()}
    return greatest


class Speed(NamedTuple):
    """Medians of turns."""

    seconds: float
    torch_seconds: float
    rounds: int

    @property
    def ratio(self) -> float:
        return self.torch_seconds / self.seconds


def _speed(exported: Exported, written, inputs: tuple[Tensor, ...]) -> Speed:
    """Of the file, and of the graph in torch's eager mode, in turns."""
    seconds: dict = {written.run: [], exported.graph: []}
    for run in seconds:
        run(*inputs)  # what is made once
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS or len(seconds[written.run]) < 3:
        for run, times in seconds.items():
            before = time.perf_counter()
            run(*inputs)
            times.append(time.perf_counter() - before)
    times, torch_times = seconds.values()
    return Speed(median(times), median(torch_times), len(times))
