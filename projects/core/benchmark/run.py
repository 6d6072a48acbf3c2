"""Python API behind ``tools/analysis_tools/benchmark.py``."""

import json
import logging
import os
import time
from collections import defaultdict
from contextlib import contextmanager

import torch
from mmengine.logging import MMLogger

from projects.core.benchmark.meters import MemoryMeter
from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
from projects.core.benchmark.statistics import ratios, summary
from projects.core.benchmark.tables import header, table
from projects.core.config import find_config_or_model
from projects.core.devices import device_name
from projects.core.engine.stopwatch import Stopwatch
from projects.core.errors import UserError
from projects.core.files import check_outputs, write_text
from projects.core.quiet import quiet_libraries


def benchmark(
    configs: list[str],
    batch_size: int | None = None,
    iters: int = 20,
    warmup: int = 3,
    input_size: tuple[int, int] | None = None,
    objects: int = 5,
    device: str | None = None,
    threads: int | None = None,
    dtype: str = 'float32',
    channels_last: bool | None = None,
    compile: bool = False,
    data: bool = False,
    cfg_options: list[str] | None = None,
    out: str | None = None,
) -> dict:
    """Measure the parts of a training step and of a prediction.

    Random images with random boxes go through models with random weights,
    alike for every config of the same input size and number of classes. The
    learning rate is 0, so that no step changes the work of the next. The
    configs take turns, an iteration each, in alternating order, so that what
    else the machine does hurts them alike. Peak memory comes from one more
    iteration, which is not timed.

    Args:
        configs: One or two of: config file, name of a model variant,
            ``torchvision.NAME``, ``timm.NAME``, ``mmdet::PATH`` of a config in a
            library's wheel.
        batch_size: Images a step; by default that of the first
            ``train_dataloader`` among the configs, else 8.
        iters: Timed iterations.
        warmup: Iterations before them.
        input_size: Height and width in pixels; by default that of the
            config's test pipeline, else of the other config's, else what
            the first variant is made for.
        objects: Objects in each image.
        device: 'cpu' or 'cuda'; a GPU where there is one by default.
        threads: Threads of torch on the CPU; as they are by default.
        dtype: 'float32', or 'bfloat16' for autocast.
        channels_last: Weights in that memory format, or not; by default as
            ``tools/train.py`` would run the config, and not for a model or a
            config out of another library.
        compile: ``torch.compile`` the network: backbone, neck and the
            convolutions of the head.
        data: Insist on the time to draw a batch of the training data, in this
            process; by default it is taken where the data is there.
        cfg_options: Settings over those of each config, as ``key.sub=value``.
        out: File to write the result to, as JSON.

    Returns:
        The settings and the machine; ``configs``, per config ``parts`` (ms:
        ``median``, ``q1``, ``q3``, ``min``, ``max``, ``samples``, and
        ``share`` of the training step or prediction), ``images_per_second``,
        ``memory`` (bytes) and ``counts``, as of boxes into suppression; for two,
        ``ratios`` of the second to the first, part by part: ``median``, ``q1`` and
        ``q3`` of the iterations' pairs.

    Raises:
        UserError: On a mistake in a config or the arguments.
    """
    quiet_libraries()
    logger = project_logger()
    _check(
        configs,
        batch_size,
        iters,
        warmup,
        input_size,
        objects,
        threads,
        dtype,
        compile,
        out,
    )
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise UserError(f'--device {device}: torch sees no GPU here')
    settings = BenchmarkSettings(
        batch_size,
        input_size,
        objects,
        torch.device(device),
        getattr(torch, dtype),
        channels_last,
        compile,
        data,
        cfg_options,
    )
    with using_threads(threads):
        models = [
            BenchmarkedModel(find_config_or_model(config), settings)
            for config in configs
        ]
        _settle(models)
        result = dict(
            batch_size=models[0].batch_size,
            objects=objects,
            dtype=dtype,
            compile=compile,
            iters=iters,
            warmup=warmup,
            device=device_name(torch.device(device)),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            load_average=os.getloadavg()[0] if hasattr(os, 'getloadavg') else None,
        )
        for model in models:
            model.prepare()
        result['configs'] = [
            dict(config=config, **model.description())
            for config, model in zip(configs, models, strict=True)
        ]
        logger.info('\n' + header(result))
        samples = _run(models, iters, warmup, logger)
        for model, entry, times in zip(models, result['configs'], samples, strict=True):
            entry.update(summary(times, model.batch_size))
            entry['memory'] = memory_of(model)
            entry['counts'] = dict(model.counts)
    if len(models) == 2:
        result['ratios'] = ratios(*result['configs'])
    logger.info('\n' + table(result))
    if out is not None:
        write_text(out, json.dumps(result, indent=1), '--out')
        logger.info(f'all numbers: {out}')
    return result


def project_logger() -> logging.Logger:
    """The project's logger, which shows all that is no debugging."""
    if MMLogger.check_instance_created('mmatlas'):  # it would warn of a level
        return MMLogger.get_instance('mmatlas')
    return MMLogger.get_instance('mmatlas', log_level=logging.INFO)


def _check(
    configs,
    batch_size,
    iters,
    warmup,
    input_size,
    objects,
    threads,
    dtype,
    compile,
    out,
) -> None:
    if len(configs) not in (1, 2):
        raise UserError(f'{len(configs)} configs; give one, or two to compare')
    for name, value, least in (
        ('batch-size', batch_size, 1),
        ('iters', iters, 1),
        # compilation, and what an optimiser allocates at its first step
        ('warmup', warmup, 1 if compile else 0),
        ('objects', objects, 0),
        ('threads', threads, 1),
        ('input-size', min(input_size) if input_size else None, 1),
    ):
        if value is not None and value < least:
            raise UserError(f'--{name} {value}: must be {least} or more')
    if dtype not in ('float32', 'bfloat16'):
        raise UserError(f'--dtype {dtype}: must be float32 or bfloat16')
    if out is not None and not out.endswith('.json'):
        raise UserError(f'--out {out}: must end in .json')
    if out is not None:
        check_outputs([out], '--out')


@contextmanager
def using_threads(count: int | None):
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _settle(models: list[BenchmarkedModel]) -> None:
    """Give to a config without batch or input size the other's."""
    for key in ('batch_size', 'input_size'):
        stated = [getattr(s, key) for s in models if getattr(s, key)]
        for model in models:
            if key == 'batch_size' and stated:  # one for all
                model.batch_size = stated[0]
            elif not getattr(model, key):
                default = getattr(models[0], f'default_{key}')
                setattr(model, key, stated[0] if stated else default)


def _run(
    models: list[BenchmarkedModel], iters: int, warmup: int, logger: logging.Logger
) -> list[dict[str, list[float]]]:
    """Seconds of each timed iteration by part, per config."""
    samples = [defaultdict(list) for _ in models]
    pairs = list(zip(models, samples, strict=True))
    for i in range(-warmup, iters):
        start = time.monotonic()
        # who comes first finds other caches: take turns in that too
        for model, times in pairs if i % 2 == 0 else pairs[::-1]:
            watch = Stopwatch(model.settings.device)
            model.draw(watch)
            model.train_step(watch)
            model.predict_step(watch)
            if i >= 0:
                for part, seconds in watch.seconds.items():
                    times[part].append(seconds)
        if i == -1 and warmup > 1:  # the first compiles, allocates, ...
            seconds = (time.monotonic() - start) * iters
            logger.info(f'{iters} iterations, about {seconds:.0f} s')
    return samples


def memory_of(model: BenchmarkedModel) -> dict[str, int]:
    """Bytes: peak of each part above its start; of a step in all."""
    device, memory = model.settings.device, {}
    for phase in ('train', 'predict'):
        held = model.held_bytes(phase)
        meter = MemoryMeter(device, held)
        getattr(model, f'{phase}_step')(meter)
        memory.update(meter.peaks)
        memory[f'{phase}.held'], memory[f'{phase}.step'] = held, meter.peak
    return memory
