"""Python API behind ``tools/analysis_tools/benchmark.py``."""

import json
import logging
import os
import os.path as osp
import platform
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import MMLogger

from projects.core.benchmark.meters import MemoryMeter, Stopwatch
from projects.core.benchmark.subject import PARTS, Subject, SubjectSettings
from projects.core.config import find_config_or_model
from projects.core.errors import UserError
from projects.core.quiet import quiet_libraries

MIB = 2**20


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
        configs: One or two of: config file, name of a model variant.
        batch_size: Images a step; by default that of the first
            ``train_dataloader`` among the configs, else 8.
        iters: Timed iterations.
        warmup: Iterations before them.
        input_size: Height and width in pixels; by default that of the
            config's test pipeline, else of the other config's, else 448 (224
            for a classifier).
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
        ``memory`` (bytes) and ``nms``; for two, ``ratios`` of the second to
        the first, part by part.

    Raises:
        UserError: On a mistake in a config or the arguments.
    """
    quiet_libraries()
    logger = open_logger()
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
    settings = SubjectSettings(
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
    with _threads(threads):
        subjects = [
            Subject(find_config_or_model(config), settings) for config in configs
        ]
        _settle(subjects)
        result = dict(
            batch_size=subjects[0].batch_size,
            objects=objects,
            dtype=dtype,
            compile=compile,
            iters=iters,
            warmup=warmup,
            device=_device_name(torch.device(device)),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            load_average=os.getloadavg()[0] if hasattr(os, 'getloadavg') else None,
        )
        for subject in subjects:
            subject.prepare()
        result['configs'] = [
            dict(config=config, **subject.description())
            for config, subject in zip(configs, subjects, strict=True)
        ]
        logger.info('\n' + header(result))
        samples = _run(subjects, iters, warmup, logger)
        for subject, entry, times in zip(
            subjects, result['configs'], samples, strict=True
        ):
            entry.update(_summary(times, subject.batch_size))
            entry['memory'] = _memory(subject)
            entry['nms'] = dict(calls=subject.nms.calls, boxes=subject.nms.boxes)
    if len(subjects) == 2:
        result['ratios'] = _ratios(*result['configs'])
    logger.info('\n' + table(result))
    if out is not None:
        os.makedirs(osp.dirname(osp.abspath(out)), exist_ok=True)
        with open(out, 'w') as file:
            json.dump(result, file, indent=1)
        logger.info(f'all numbers: {out}')
    return result


def open_logger() -> logging.Logger:
    if MMLogger.check_instance_created('mmatlas'):  # which warns of a level
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


@contextmanager
def _threads(count: int | None):
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _settle(subjects: list[Subject]) -> None:
    """Give to a config without batch or input size the other's."""
    for key in ('batch_size', 'input_size'):
        stated = [getattr(s, key) for s in subjects if getattr(s, key)]
        for subject in subjects:
            if key == 'batch_size' and stated:  # one for all
                subject.batch_size = stated[0]
            elif not getattr(subject, key):
                setattr(
                    subject,
                    key,
                    stated[0] if stated else getattr(subject, f'default_{key}'),
                )


def _run(
    subjects: list[Subject], iters: int, warmup: int, logger: logging.Logger
) -> list[dict[str, list[float]]]:
    """Seconds of each timed iteration by part, per config."""
    samples = [defaultdict(list) for _ in subjects]
    pairs = list(zip(subjects, samples, strict=True))
    for i in range(-warmup, iters):
        start = time.monotonic()
        # who comes first finds other caches: take turns in that too
        for subject, times in pairs if i % 2 == 0 else pairs[::-1]:
            watch = Stopwatch(subject.settings.device)
            subject.draw(watch)
            subject.train_step(watch)
            subject.predict_step(watch)
            if i >= 0:
                for part in PARTS:
                    if part in watch.seconds:
                        times[part].append(watch.seconds[part])
        if i == -1 and warmup > 1:  # the first compiles, allocates, ...
            seconds = (time.monotonic() - start) * iters
            logger.info(f'{iters} iterations, about {seconds:.0f} s')
    return samples


def _summary(times: dict[str, list[float]], batch_size: int) -> dict:
    """Quartiles of the parts and of the sums of parts; images a second."""
    parts = {}
    for phase in ('train', 'predict'):
        names = [part for part in times if part.startswith(f'{phase}.')]
        for name in names:
            parts[name] = _quartiles(times[name])
        total = sum(parts[name]['median'] for name in names)
        for name in names:
            parts[name]['share'] = parts[name]['median'] / total
        parts[f'{phase}.step'] = _quartiles(np.sum([times[name] for name in names], 0))
    if 'data' in times:
        parts['data'] = _quartiles(times['data'])
    return dict(
        parts=parts,
        images_per_second={
            phase: batch_size / parts[f'{phase}.step']['median'] * 1000
            for phase in ('train', 'predict')
        },
    )


def _quartiles(seconds) -> dict:
    values = np.asarray(seconds) * 1000
    low, q1, median, q3, high = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
    return dict(median=median, q1=q1, q3=q3, min=low, max=high, samples=values.tolist())


def _memory(subject: Subject) -> dict[str, int]:
    """Bytes: peak of each part above its start; of a step in all."""
    device, memory = subject.settings.device, {}
    for phase in ('train', 'predict'):
        held = subject.held_bytes(phase)
        meter = MemoryMeter(device, held)
        getattr(subject, f'{phase}_step')(meter)
        memory.update(meter.peaks)
        memory[f'{phase}.held'], memory[f'{phase}.step'] = held, meter.peak
    return memory


def _ratios(first: dict, second: dict) -> dict[str, dict]:
    """Second over first: of the medians; quartiles of iteration by iteration.

    The iterations of a pair follow each other, so that a machine that is slow
    for a while moves their ratio less than their times.
    """
    ratios = {}
    for name, a in first['parts'].items():
        b = second['parts'].get(name)
        if b is None or not a['median']:
            continue
        pairs = [y / x for x, y in zip(a['samples'], b['samples'], strict=True) if x]
        q1, q3 = np.percentile(pairs, (25, 75)).tolist()
        ratios[name] = dict(of_medians=b['median'] / a['median'], q1=q1, q3=q3)
    return ratios


def _device_name(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    cpuinfo = Path('/proc/cpuinfo')
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [
        line.partition(':')[2].strip()
        for line in lines
        if line.startswith('model name')
    ]
    return names[0] if names else platform.processor() or platform.machine()


def header(result: dict) -> str:
    """What is measured, on what."""
    lines = []
    for letter, entry in zip('AB', result['configs'], strict=False):
        height, width = entry['input_size']
        lines.append(
            f'{letter}: {entry["config"]}\n   {entry["model"]}, '
            f'{entry["parameters"] / 1e6:.2f} M parameters, input {height} x '
            f'{width}, {entry["optimizer"]}'
            + (', channels-last' if entry['channels_last'] else '')
            + (f'; no data: {entry["no_data"]}' if entry['no_data'] else '')
        )
    load = result['load_average']
    lines.append(
        f'batch {result["batch_size"]}, {result["objects"]} objects an image, '
        f'{result["dtype"]}'
        + (', compiled' if result['compile'] else '')
        + f'; {result["device"]}, {result["threads"]} threads, torch '
        f'{result["torch"]}' + (f', load {load:.1f}' if load is not None else '')
    )
    if len({tuple(entry['input_size']) for entry in result['configs']}) > 1:
        lines.append('the input sizes differ: set --input-size to compare')
    return '\n'.join(lines)


def table(result: dict) -> str:
    """The measurements as text, a row per part."""
    entries, ratios = result['configs'], result.get('ratios', {})
    head = f'{"ms: median (q1-q3)":20}' + ''.join(
        f'{letter:>26}{"share":>8}' for letter in 'AB'[: len(entries)]
    )
    lines = [head + (f'{"B/A":>20}' if ratios else '')]
    for part, label in PARTS.items():
        line = f'{label:20}'
        for times in (entry['parts'].get(part) for entry in entries):
            line += f'{_spread(times, "median", 1):>26}' + (
                f'{times["share"]:>8.1%}' if times and 'share' in times else ' ' * 8
            )
        if ratios:
            line += f'{_spread(ratios.get(part), "of_medians", 2):>20}'
        lines.append(line.rstrip())
    lines.append('')
    for phase in ('train', 'predict'):
        lines.append(
            _row(
                f'images/s, {phase}',
                [entry['images_per_second'][phase] for entry in entries],
            )
        )
    lines += ['', 'peak MiB of tensors; parts: above what they begin with']
    for part, label in PARTS.items():
        if part in entries[0]['memory']:
            label = (
                'predict decode + NMS'
                if part == 'predict.decode'
                else (f'{label}, total' if part.endswith('.step') else label)
            )
            lines.append(
                _row(label, [entry['memory'][part] / MIB for entry in entries])
            )
    for letter, entry in zip('AB', entries, strict=False):
        calls, boxes = entry['nms']['calls'], entry['nms']['boxes']
        if calls:
            lines.append(
                f'{letter}: {boxes:,} boxes into NMS a prediction, calls: {calls}'
            )
    return '\n'.join(lines)


def _spread(numbers: dict | None, key: str, digits: int) -> str:
    """Median and quartiles; "-" for what was not measured."""
    return (
        '-'
        if numbers is None
        else (
            f'{numbers[key]:.{digits}f} ({numbers["q1"]:.{digits}f}-'
            f'{numbers["q3"]:.{digits}f})'
        )
    )


def _row(label: str, values: list[float]) -> str:
    line = f'{label:20}' + ''.join(f'{v:>26,.2f}' + ' ' * 8 for v in values)
    if len(values) == 2 and values[0]:
        line += f'{values[1] / values[0]:>20.2f}'
    return line.rstrip()
