"""Hooks that make a run fast, and that say how fast it is."""

import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from projects.core.layers.batch_norm import fold_batch_norm
from projects.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps weights and maps channels-last, in which convolutions on a CPU,
    and on a GPU in half precision, are faster.

    A task on images adds it to every run whose config does not say
    ``channels_last = False``.
    """

    def before_run(self, runner) -> None:
        runner.model.to(memory_format=torch.channels_last)


@HOOKS.register_module()
class FoldBatchNormHook(Hook):
    """Folds batch norms into convolutions while a test runs.

    Validation within a training is left alone. A task on images adds it to every
    test whose config does not say ``fold_batch_norm = False``; see
    :func:`projects.core.layers.batch_norm.fold_batch_norm`.
    """

    # after a test before EMAHook, which goes by the order of the parameters
    priority = 'VERY_HIGH'

    def before_test_epoch(self, runner) -> None:
        self._undo = None

    def before_test_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        if batch_idx == 0:  # EMAHook has put its weights in place
            model = runner.model
            if isinstance(model, BaseTTAModel):  # of each view a batch
                model = model.module
                data_batch = {key: views[0] for key, views in data_batch.items()}
            model = model.module if is_model_wrapper(model) else model
            self._undo = fold_batch_norm(model, data_batch)

    def after_test_epoch(self, runner, metrics=None) -> None:
        if self._undo is not None:
            self._undo()


def _lstm_flops(x, weight_ih, weight_hh, *args, **kwargs) -> int:
    """Of a layer that oneDNN runs: x is (T, B, I)."""
    return 2 * x.shape[0] * x.shape[1] * (weight_ih.numel() + weight_hh.numel())


# operators made of matrix products for which torch has no formula, None for none here
FUSED = {
    'aten::mkldnn_rnn_layer': _lstm_flops,
    # gradients of the input and of the weights, as much each
    'aten::mkldnn_rnn_layer_backward': lambda *args, **kwargs: 2 * _lstm_flops(*args),
    'aten::_cudnn_rnn': None,
    'aten::_native_multi_head_attention': None,
    'aten::_transformer_encoder_layer_fwd': None,
}


class FlopCounter(TorchDispatchMode):
    """Counts floating-point operations of convolutions and matrix products.

    By torch's formulas, forward and backward; a multiplication and an addition
    are two. Unlike ``FlopCounterMode`` it takes no operator apart, so that the
    counted block computes what it would uncounted. An operator whose formula fails, or
    a fused one that is not known (``FUSED``), makes ``flops`` None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops: int | None = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula = flop_registry.get(getattr(func, '_overloadpacket', None))
        if formula is None and (name := func._schema.name) in FUSED:
            formula = FUSED[name]
            if formula is None:
                self.flops = None
        if formula is not None and self.flops is not None:
            try:
                self.flops += formula(*args, **kwargs, out_val=out)
            except Exception:  # a formula must not end a training
                self.flops = None
        return out


@cache
def convolution_rate(device: torch.device, seconds: float = 0.2) -> float:
    """Floating-point operations a second of a convolution on this machine, now.

    3 x 3, 64 to 64 channels, on eight maps of 56 x 56, float32, channels-last,
    with torch's threads. The first call measures for some ``seconds``.
    """
    x = torch.ones(8, 64, 56, 56, device=device)
    weight = torch.ones(64, 64, 3, 3, device=device)
    x, weight = (t.to(memory_format=torch.channels_last) for t in (x, weight))
    flops = 2 * 9 * 64 * x.numel()

    def run() -> float:
        start = time.perf_counter()
        torch.nn.functional.conv2d(x, weight, padding=1)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    with torch.no_grad():
        run()  # which chooses an algorithm and allocates
        times = [run()]
        while sum(times) < seconds:
            times.append(run())
    return flops / statistics.median(times)


def wrap_next_call(owner: Any, name: str, around: Callable) -> None:
    """Have the next call of a method go through ``around``, and no other.

    Args:
        owner: Object with the method.
        name: Of the method.
        around: Gets a function without arguments that makes the call; returns what
            the method is to return.
    """
    method, before = getattr(owner, name), vars(owner).get(name)

    def once(*args, **kwargs):
        vars(owner).pop(name, None)
        if before is not None:
            setattr(owner, name, before)
        return around(partial(method, *args, **kwargs))

    setattr(owner, name, once)


@HOOKS.register_module()
class RateHook(Hook):
    """Says what a step costs, what the machine does, and how long it will take.

    :class:`projects.core.engine.Runner` registers it by itself. Two lines of the
    log: after the first step its GFLOP and the GFLOP/s of a convolution here;
    after some more steps their time, and that of all that are left.

    Args:
        num_steps: Steps that are timed, after the first two.
    """

    priority = 'VERY_LOW'

    def __init__(self, num_steps: int = 10) -> None:
        self.num_steps = num_steps
        self._counter: FlopCounter | None = None

    def before_train(self, runner) -> None:
        self._seconds: list[float] = []
        self._count = 0
        self._last: float | None = None
        # a compiled step cannot be looked into
        if is_main_process() and not runner.cfg.get('compile'):
            wrap_next_call(runner.model, 'train_step', self._counted)

    def _counted(self, step: Callable[[], Any]) -> Any:
        self._counter = FlopCounter()
        with self._counter:
            return step()

    @property
    def flops(self) -> int | None:
        """Floating-point operations of a training step; None while unknown, and of
        a model without convolution or matrix product."""
        return (self._counter.flops if self._counter else None) or None

    def before_train_epoch(self, runner) -> None:
        self._last = None  # the time between two epochs is not a step's

    def after_val_epoch(self, runner, metrics=None) -> None:
        self._last = None

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        if len(self._seconds) == self.num_steps or not is_main_process():
            return
        now = time.perf_counter()
        self._count += 1
        if self._count == 1:
            self._log_cost(runner)
        elif self._last is not None and self._count > 2:
            self._seconds.append(now - self._last)
            if len(self._seconds) == self.num_steps:
                self._log_estimate(runner)
        self._last = time.perf_counter()

    def _log_cost(self, runner) -> None:
        if self.flops is None:
            return
        device = next(runner.model.parameters()).device
        runner.logger.info(
            f'a step is {self.flops / 1e9:.3g} GFLOP; a convolution here: '
            f'{convolution_rate(device) / 1e9:.3g} GFLOP/s'
            + (f' with {torch.get_num_threads()} threads' * (device.type == 'cpu'))
        )

    def _log_estimate(self, runner) -> None:
        seconds = statistics.median(self._seconds)
        steps = runner.max_iters - runner.iter - 1
        runner.logger.info(
            f'about {_in_words(steps * seconds)} to go: {steps} steps x '
            f'{seconds:.2g} s, without validation'
        )


def _in_words(seconds: float) -> str:
    """A duration in its unit: 40 s, 5 min, 3.5 h, 2.1 days."""
    for limit, size, unit, digits in (
        (90, 1, 's', 0),
        (90 * 60, 60, 'min', 0),
        (36 * 3600, 3600, 'h', 1),
    ):
        if seconds < limit:
            return f'{seconds / size:.{digits}f} {unit}'
    return f'{seconds / 86400:.1f} days'
