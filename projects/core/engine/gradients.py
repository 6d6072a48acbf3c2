"""The norm of the gradients in the log of every run."""

from functools import partial

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper
from torch import Tensor

from projects.core.engine.optimizers import wrappers_of
from projects.registry import HOOKS


def gradient_norm(optimizer: torch.optim.Optimizer) -> Tensor | None:
    """L2 norm of all gradients of an optimizer, (); None where there are none.

    A gradient that the optimizer is still to divide by the scale of the loss, as
    fused ones do under mixed precision, counts as divided.
    """
    grads = [
        (p.grad.coalesce().values() if p.grad.is_sparse else p.grad).detach()
        for group in optimizer.param_groups
        for p in group['params']
        if p.grad is not None
    ]
    if not grads:
        return None
    norm = torch.nn.utils.get_total_norm(grads)
    scale = getattr(optimizer, 'grad_scale', None)
    return norm if scale is None else norm / scale.to(norm.device)


@HOOKS.register_module()
class GradientNormHook(Hook):
    """Logs the norm of the gradients, before they are clipped, as ``grad_norm``.

    :class:`projects.core.engine.Runner` registers it by itself. It is computed at the
    steps that are logged alone, and what is logged is that step's, or under gradient
    accumulation that of the last step before, and no mean. An optimizer wrapper that
    clips by the norm logs it itself, of every step, and is left alone; of several
    optimizers each has its own, ``<name>.grad_norm``. A step that mixed precision
    leaves out, since its gradients are not finite, has none.
    """

    def before_train(self, runner) -> None:
        self._handles: list = []
        self._norms: dict[str, Tensor] = {}
        self._is_wanted = False
        self._logger = next(
            (h for h in runner.hooks if isinstance(h, LoggerHook)), None
        )
        if self._logger is None or not is_main_process():
            return
        wrappers = {
            name: wrapper
            for name, wrapper in wrappers_of(runner.optim_wrapper).items()
            if isinstance(wrapper, OptimWrapper)  # not those of other systems
        }
        self._counts = max(
            (w._accumulative_counts for w in wrappers.values()), default=1
        )
        for name, wrapper in wrappers.items():
            key = f'{name}.grad_norm' if name else 'grad_norm'
            if not wrapper.clip_grad_kwargs:
                measure = partial(self._measure, key)
                handle = wrapper.optimizer.register_step_pre_hook(measure)
                self._handles.append(handle.remove)
            elif name or wrapper.grad_name != 'grad_norm':
                self._measure_before_clipping(key, wrapper)

    def _measure_before_clipping(self, key: str, wrapper) -> None:
        clip = wrapper._clip_grad

        def measured() -> None:
            self._measure(key, wrapper.optimizer)
            clip()

        wrapper._clip_grad = measured
        self._handles.append(partial(vars(wrapper).pop, '_clip_grad', None))

    def _measure(self, key: str, optimizer, *_) -> None:
        if self._is_wanted:
            norm = gradient_norm(optimizer)
            if norm is not None:
                self._norms[key] = norm

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        if not self._handles:
            return
        loader, logger = runner.train_dataloader, self._logger
        # what is accumulated in this step may be logged before the next
        self._is_wanted = any(
            logger.every_n_inner_iters(batch_idx + i, logger.interval)
            or logger.end_of_epoch(loader, batch_idx + i)
            for i in range(self._counts)
        )

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        for key, norm in self._norms.items():
            # one value: the log's mean would be of steps far apart
            runner.message_hub.log_scalars[f'train/{key}'] = HistoryBuffer()
            runner.message_hub.update_scalar(f'train/{key}', norm.item())
        self._norms.clear()

    def after_train(self, runner) -> None:
        for remove in self._handles:
            remove()
