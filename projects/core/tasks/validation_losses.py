"""The losses of a validation, from the forward pass that predicts."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from torch import Tensor, nn

#: of a batch, by name; the number of its objects or labels is the second
Labelled = Callable[[list], tuple[list, int]]


class ValidationLosses(AbstractContextManager):
    """Losses of the batches that a model predicts from, inside ``with``.

    What a model computes for its predictions it needs for its losses, too: what
    ``calls`` return is kept during ``model(..., mode='predict')``, and returned once
    more, not computed, when :meth:`add` calls ``model.loss``. So the losses are those
    of ``model.loss`` in evaluation mode, without dropout and with the running
    statistics of batch norm, and their weights are those of the training. Random
    numbers that they take are taken from a copy of the generators.

    A loss that fails is a warning, and there are none from then on.

    Args:
        model: Of mmengine, with ``loss(inputs, data_samples)``; not in a wrapper.
        calls: Objects, and the names of their methods whose outputs are kept. Each
            is called once by a prediction, and gives the same within ``model.loss``.
        labelled: Function of the data samples of a batch that returns those for the
            losses and how many objects, or labels, they have; ``([], 0)`` for images
            without annotations.
    """

    def __init__(
        self,
        model: nn.Module,
        calls: Sequence[tuple[Any, str]],
        labelled: Labelled,
    ) -> None:
        self._model = model
        self._calls = list(calls)
        self._labelled = labelled
        self._replays = False
        self._batch: tuple | None = None

    def __enter__(self) -> 'ValidationLosses':
        self._sums: dict[str, float] = {}
        self._num_images: int | None = 0  # None once a loss failed
        self._num_labels = 0
        self._own = [vars(owner).get(name) for owner, name in self._calls]
        for owner, name in self._calls:
            setattr(owner, name, self._kept(getattr(owner, name)))
        self._handle = self._model.register_forward_hook(self._see, with_kwargs=True)
        return self

    def __exit__(self, *exc_info) -> None:
        self._handle.remove()
        for (owner, name), own in zip(self._calls, self._own, strict=True):
            delattr(owner, name)  # that of the class is below
            if own is not None:
                setattr(owner, name, own)

    def _kept(self, call: Callable) -> Callable:
        outputs = []

        def kept(*args, **kwargs):
            if self._replays and outputs:
                return outputs.pop()
            output = call(*args, **kwargs)
            outputs[:] = [output]
            return output

        return kept

    def _see(self, model, args: tuple, kwargs: dict, output) -> None:
        if kwargs.get('mode') == 'predict':
            self._batch = kwargs['inputs'], kwargs.get('data_samples') or []

    def add(self) -> None:
        """Add the losses of the batch that the model has predicted from last."""
        if self._batch is None or self.failed:
            return
        (inputs, samples), self._batch = self._batch, None
        try:
            samples, num_labels = self._labelled(samples)
            if not samples:
                return
            self._replays = True
            devices = [inputs.device] if inputs.is_cuda else []
            with torch.random.fork_rng(devices):
                losses = self._model.loss(inputs, samples)
            for name, value in losses.items():
                if 'loss' not in name:  # as an accuracy; so does mmengine's sum
                    continue
                values = [value] if isinstance(value, Tensor) else value
                total = sum(v.mean().item() for v in values) * len(samples)
                self._sums[name] = self._sums.get(name, 0) + total
            self._num_images += len(samples)
            self._num_labels += num_labels
        except Exception as error:  # hours of training hang on no number
            self._num_images = None
            print_log(
                f'no loss of the validation: {error!r}', 'current', logging.WARNING
            )
        finally:
            self._replays = False

    @property
    def failed(self) -> bool:
        """Whether a loss failed, of any process once :meth:`means` was called."""
        return self._num_images is None

    def means(self) -> dict[str, float]:
        """Each term by its name, the mean of the images of all processes.

        Empty where there are no losses, or no labels.
        """
        parts = all_gather_object((self._sums, self._num_images, self._num_labels))
        if any(num is None for _, num, _ in parts):
            self._num_images = None  # all processes give up together
            return {}
        if not sum(num_labels for *_, num_labels in parts):
            return {}
        num_images = sum(num for _, num, _ in parts)
        names = dict.fromkeys(name for sums, *_ in parts for name in sums)
        return {
            name: sum(sums.get(name, 0) for sums, *_ in parts) / num_images
            for name in names
        }
