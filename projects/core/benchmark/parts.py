"""What the benchmark asks of a model: its step, taken apart."""

from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import torch
from mmengine.config import Config


@runtime_checkable
class Parts(Protocol):
    """The parts of a step of one model.

    A task hands it out by :meth:`projects.core.tasks.task.Task.parts_of`; it need
    not descend from this class. ``losses(network(x), samples)`` has to be what the
    model's own ``forward(x, samples, mode='loss')`` gives, and ``predictions`` what
    mode 'predict' makes, so that the parts add up to the step that users run.

    Attributes:
        default_input_size: Size of an input where neither the user nor the config
            says one: (height, width) of an image, (length, ) of a text.
        inner_parts: Labels of what :meth:`metered` measures, by the part's name.
    """

    default_input_size: tuple[int, ...]
    inner_parts: dict[str, str]

    def input_size_of(self, cfg: Config) -> tuple[int, ...] | None:
        """Size of an input that the config's test pipeline makes, None where it
        does not say."""

    def random_batch(
        self,
        rng: torch.Generator,
        batch_size: int,
        input_size: tuple[int, ...],
        objects: int,
    ) -> dict[str, Any]:
        """A random batch as it comes out of a data loader.

        Args:
            rng: Where all of it is drawn from; two models of a kind with as many
                classes get the same batch from the same state.
            batch_size: Inputs.
            input_size: Of each.
            objects: Things to be found in each input, if the kind has such.

        Returns:
            dict: ``inputs`` and ``data_samples`` for the data preprocessor.
        """

    def network(self, inputs: torch.Tensor) -> Any:
        """All layers with weights: what ``torch.compile`` gets."""

    def losses(self, outs: Any, samples: list) -> dict:
        """Losses by name from the outputs of :meth:`network` in training.

        Not asked of a model with a ``train_step`` of its own, which is measured in one.
        """

    def predictions(self, outs: Any, samples: list) -> Any:
        """Predictions from the outputs of :meth:`network` in evaluation."""

    def metered(self, meter) -> AbstractContextManager[dict[str, int]]:
        """Context in which parts inside :meth:`predictions` are measured, each by
        ``meter.part(name)`` with a name of ``inner_parts``; yields what it counts
        there, by label."""
