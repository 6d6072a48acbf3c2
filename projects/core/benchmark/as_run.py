"""Runs against runs: this project's defaults beside those of another library."""

import gc
import json
import logging
import os
from collections import defaultdict

import numpy as np
import torch

from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
from projects.core.benchmark.run import project_logger, using_threads
from projects.core.benchmark.statistics import ratio
from projects.core.config import find_config_or_model
from projects.core.devices import device_name, find_device
from projects.core.engine.stopwatch import Stopwatch
from projects.core.errors import UserError
from projects.core.files import check_outputs, write_text
from projects.core.layers.batch_norm import fold_batch_norm
from projects.core.quiet import quiet_libraries
from projects.core.values import checked, optional, several, whole

PHASES = dict(train='training step', predict='prediction')


@checked(
    warmup=whole(0),
    objects=whole(0),
    input_size=optional(several(whole(1))),
    threads=optional(whole(1, 4096)),
)
def compare_runs(
    configs: list[str],
    batch_size: int | None = None,
    iters: int = 20,
    warmup: int = 3,
    input_size: tuple[int, int] | None = None,
    objects: int = 5,
    device: str | None = None,
    threads: int | None = None,
    cfg_options: list[str] | None = None,
    out: str | None = None,
) -> dict:
    """Compare configs as the tools run them, pair by pair.

    The first of a pair runs as ``tools/train.py`` and ``tools/test.py`` run it:
    channels-last and with batch norm folded in prediction, unless its config says
    otherwise. The second runs as its library's tools run it, without either. The
    two take turns in one process, an iteration each, in alternating order, first
    with training steps (forward, loss, backward, optimiser), then with
    predictions.

    Args:
        configs: Config files or names of models: the first pair, the second, ...
        batch_size: Images a step; 8 by default.
        iters: Timed iterations of each phase.
        warmup: Iterations before them.
        input_size: Height and width in pixels; by default each config's own, else
            that of the other, else 448 (224 for classifiers).
        objects: Objects in each image, for detectors.
        device: 'cpu' or 'cuda'; a GPU where there is one by default.
        threads: Threads of torch on the CPU; as they are by default.
        cfg_options: Settings over those of each config, as ``key.sub=value``.
        out: File to write the result to, as JSON.

    Returns:
        dict: The settings, the machine and ``pairs``: per pair ``configs`` and, per
        phase, ``seconds`` of each iteration for both and the ``speed`` of the first
        in times that of the second: ``median``, ``q1`` and ``q3`` of the pairs of
        iterations.

    Raises:
        UserError: On a mistake in a config or the arguments.
    """
    quiet_libraries()
    logger = project_logger()
    if len(configs) % 2:
        raise UserError(f'--as-run: {len(configs)} configs; give pairs of them')
    for name, value in (('iters', iters), ('batch-size', batch_size or 1)):
        if value < 1:
            raise UserError(f'--{name} {value}: must be 1 or more')
    if out is not None:
        check_outputs([out], '--out')
    device = find_device(device)
    settings = dict(
        batch_size=batch_size or BenchmarkedModel.default_batch_size,
        input_size=input_size,
        objects=objects,
        device=torch.device(device),
        dtype=torch.float32,
        compile=False,
        data=False,
        cfg_options=cfg_options,
    )
    with using_threads(threads):
        result = dict(
            batch_size=settings['batch_size'],
            iters=iters,
            device=device_name(settings['device']),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            load_average=os.getloadavg()[0] if hasattr(os, 'getloadavg') else None,
            pairs=[],
        )
        for names in zip(configs[::2], configs[1::2], strict=True):
            result['pairs'].append(_compare(names, settings, iters, warmup, logger))
            gc.collect()  # two models of 140 million parameters and their optimisers
    logger.info('\n' + markdown(result))
    if out is not None:
        write_text(out, json.dumps(result, indent=1), '--out')
        logger.info(f'all numbers: {out}')
    return result


def _compare(
    names: tuple[str, str],
    settings: dict,
    iters: int,
    warmup: int,
    logger: logging.Logger,
) -> dict:
    models = [
        BenchmarkedModel(
            find_config_or_model(name),
            BenchmarkSettings(channels_last=channels_last, **settings),
        )
        for name, channels_last in zip(names, (None, False), strict=True)
    ]
    sizes = [s.input_size for s in models if s.input_size]
    for model in models:
        if not model.input_size:
            model.input_size = (sizes or [model.default_input_size])[0]
        model.prepare()
    row = dict(configs=list(names), input_sizes=[s.input_size for s in models])
    for phase in PHASES:
        if phase == 'predict' and models[0].folds_batch_norm:
            ours = models[0]
            ours.model.eval()
            fold_batch_norm(ours.model, ours.batches[phase], is_preprocessed=True)
        times = defaultdict(list)
        for i in range(-warmup, iters):
            # who comes first finds other caches: take turns in that too
            for k in (0, 1) if i % 2 == 0 else (1, 0):
                watch = Stopwatch(models[k].settings.device)
                getattr(models[k], f'{phase}_step')(watch)
                if i >= 0:
                    times[k].append(sum(watch.seconds.values()))
        row[phase] = dict(seconds=[times[0], times[1]], speed=ratio(times[0], times[1]))
    logger.info(
        f'{names[0]} beside {names[1]}: '
        + ', '.join(f'{label} {_speed(row[p])}' for p, label in PHASES.items())
    )
    return row


def _speed(measured: dict) -> str:
    return '{median:.2f} ({q1:.2f}-{q3:.2f})'.format(**measured['speed'])


def markdown(result: dict) -> str:
    """The table: how many times as fast as the second the first of each pair is."""
    lines = [
        f'Batch {result["batch_size"]}, {result["device"]}, {result["threads"]} '
        f'threads, torch {result["torch"]}: times as fast as the other, median of '
        f'{result["iters"]} pairs (quartiles).',
        '',
        f'| run | other | {" | ".join(PHASES.values())} |',
        '|---|---|---|---|',
    ]
    for row in result['pairs']:
        speeds = ' | '.join(_speed(row[phase]) for phase in PHASES)
        lines.append(f'| `{row["configs"][0]}` | `{row["configs"][1]}` | {speeds} |')
    for label, function in (('median', np.median), ('least', np.min)):
        values = [
            function([row[phase]['speed']['median'] for row in result['pairs']])
            for phase in PHASES
        ]
        lines.append(f'| {label} | | {" | ".join(f"{v:.2f}" for v in values)} |')
    return '\n'.join(lines)
