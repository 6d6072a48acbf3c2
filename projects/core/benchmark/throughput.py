"""Inputs per second of models that take turns, and the machine's matrix rate.

Unlike :mod:`projects.core.benchmark.run`, which waits for the GPU at the ends of
each part, steps follow each other here as they do in a run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from projects.core.benchmark.meters import NoMeter, allocations, synchronize
from projects.core.benchmark.model import BenchmarkedModel
from projects.core.benchmark.statistics import quartiles, ratio
from projects.core.engine.speed import FlopCounter

DTYPES = dict(float32=torch.float32, bfloat16=torch.bfloat16)
STEPS = ('forward', 'predict', 'train')


@dataclass(frozen=True)
class Mode:
    """How models run.

    Args:
        batch_size: Inputs of a step.
        dtype: 'float32', or 'bfloat16' for autocast.
        channels_last: Memory format of weights and maps.
        compile: Whether ``torch.compile`` gets the network.
    """

    batch_size: int
    dtype: str = 'float32'
    channels_last: bool = False
    compile: bool = False

    @property
    def name(self) -> str:
        """Without the batch size."""
        return (
            self.dtype
            + (', channels-last' if self.channels_last else '')
            + (', compiled' if self.compile else '')
        )


def prepare(model: BenchmarkedModel, mode: Mode) -> None:
    """Let a model run in a mode."""
    model.settings = replace(
        model.settings, dtype=DTYPES[mode.dtype], compile=mode.compile
    )
    model.batch_size = mode.batch_size
    model.channels_last = mode.channels_last
    model.prepare()


def steps_of(model: BenchmarkedModel) -> dict[str, Callable[[], object]]:
    """What is timed: the network alone in eval mode, a prediction, a training step."""
    meter = NoMeter()

    @torch.no_grad()
    def forward():
        model.model.eval()
        with model.autocast():
            return model.network(model.batches['predict']['inputs'])

    return dict(
        forward=forward,
        predict=lambda: model.predict_step(meter),
        train=lambda: model.train_step(meter),
    )


def flops_of(model: BenchmarkedModel) -> dict[str, float]:
    """Floating-point operations of the network per input, two for a multiplication
    and an addition, by step: those of matrix products and convolutions."""
    flops = {}
    for name in ('forward', 'train'):
        with FlopCounter() as counter:  # torch's bears no gradient of a gradient
            steps_of(model)[name]()
        flops[name] = counter.flops / model.batch_size
    return flops


def time_in_turns(
    steps: dict[str, Callable[[], object]],
    device: torch.device,
    seconds: float,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of a call of each step, ``repeats`` samples that take turns.

    A sample is as many calls in a row as take some ``seconds / repeats``, so that a
    GPU is not waited for in between. The order alternates: who comes first finds
    other caches.
    """

    def seconds_of(step: Callable, calls: int) -> float:
        synchronize(device)
        start = clock()
        for _ in range(calls):
            step()
        synchronize(device)
        return (clock() - start) / calls

    calls, samples = {}, {name: [] for name in steps}
    for name, step in steps.items():
        once = seconds_of(step, 1)
        calls[name] = max(1, int(seconds / repeats / max(once, 1e-6)))
    for i in range(repeats):
        for name in steps if i % 2 == 0 else reversed(steps):
            samples[name].append(seconds_of(steps[name], calls[name]))
    return samples


def measure(
    models: dict[str, BenchmarkedModel],
    mode: Mode,
    seconds: float,
    repeats: int,
    failure: Callable[[Exception], str],
) -> dict[str, dict]:
    """Measure models in a mode, in turns.

    Args:
        models: By name; ratios are those of the others to the first.
        mode: How they run.
        seconds: Of measuring each step of each model, about.
        repeats: Samples of each.
        failure: Words for what a model raised, which leaves the others alone.

    Returns:
        dict: By name and step either ``failure``, or ``ms`` (quartiles),
        ``per_second``, ``ratio`` to the first's time (median and quartiles of the
        pairs; not of the first) and, of prediction and training, ``peak_bytes``.
    """
    results = {name: {} for name in models}
    (first, *others), device = models, next(iter(models.values())).settings.device

    def attempt(name: str, step: str, function: Callable[[], object]) -> bool:
        try:
            function()
        except Exception as error:
            results[name][step] = dict(failure=failure(error))
            return False
        return True

    for name, model in models.items():
        if not attempt(name, 'all', lambda model=model: prepare(model, mode)):
            reason = results[name].pop('all')
            results[name] = dict.fromkeys(STEPS, reason)
    for step in STEPS:
        ready = {}
        for name, model in models.items():
            function = steps_of(model)[step]
            # twice: compilation and choice of kernels, then what they allocate
            if step not in results[name] and attempt(
                name, step, lambda function=function: (function(), function())
            ):
                ready[name] = function
        samples = time_in_turns(ready, device, seconds, repeats)
        for name, times in samples.items():
            numbers = quartiles(times)
            per_second = 1000 * mode.batch_size / numbers['median']
            results[name][step] = dict(ms=numbers, per_second=per_second)
        for name in others:
            if first in samples and name in samples:
                results[name][step]['ratio'] = ratio(samples[first], samples[name])
        for name in ready if step != 'forward' else ():
            try:
                results[name][step]['peak_bytes'] = peak_bytes(models[name], step)
            except Exception as error:
                results[name][step] = dict(failure=failure(error))
    return results


def peak_bytes(model: BenchmarkedModel, phase: str) -> int:
    """Most bytes at any moment of a step, with what is held throughout."""
    with allocations(model.settings.device) as measured:
        getattr(model, f'{phase}_step')(NoMeter())
    return model.held_bytes(phase) + measured.peak


def matrix_rates(device: torch.device, size: int, seconds: float) -> dict[str, float]:
    """TFLOP/s of a large square matrix product, by kind of number.

    Args:
        device: Where.
        size: Rows of a matrix.
        seconds: Of measuring each.

    Returns:
        dict: ``float32`` (TF32 off) and ``bfloat16``; on CUDA also ``tf32``.
    """
    kinds = [
        ('float32', torch.float32, 'highest'),
        ('bfloat16', torch.bfloat16, 'high'),
    ]
    if device.type == 'cuda':
        kinds.insert(1, ('tf32', torch.float32, 'high'))
    before, rates = torch.get_float32_matmul_precision(), {}
    try:
        for name, dtype, precision in kinds:
            torch.set_float32_matmul_precision(precision)
            a, b = (torch.randn(size, size, device=device).to(dtype) for _ in 'ab')
            step = dict(product=lambda a=a, b=b: a @ b)
            (times,) = time_in_turns(step, device, seconds, 5).values()
            rates[name] = 2 * size**3 / quartiles(times)['median'] * 1000 / 1e12
    finally:
        torch.set_float32_matmul_precision(before)
    return rates


def kind_of_rate(mode: Mode, device: torch.device) -> str:
    """Which of :func:`matrix_rates` bounds a network in a mode; convolutions in
    float32 are by TF32 on CUDA unless it is switched off."""
    if mode.dtype == 'float32' and device.type == 'cuda':
        return 'tf32' if torch.backends.cudnn.allow_tf32 else 'float32'
    return mode.dtype
