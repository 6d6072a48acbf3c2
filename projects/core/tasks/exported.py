"""What a network computes outside of this project: the contract of ``tools/export.py``.

Legend: B samples of a batch, H and W in pixels.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from projects.core.errors import UserError

Size = tuple[int, int]


@dataclass
class ExportOptions:
    """What an export is asked for.

    Args:
        checkpoint: Its file, for messages.
        raw: Whether detections are given as they are before NMS.
        input_size: (H, W) of images; None for that of the test pipeline.
    """

    checkpoint: str
    raw: bool = False
    input_size: Size | None = None


def refuse_export_options(
    options: ExportOptions, kind: str, takes_images: bool = True
) -> None:
    """Refuse what only a detector, or only a model of images, has a use of.

    Raises:
        UserError: If it is asked for.
    """
    for option, is_given in (
        ('--raw', options.raw),
        ('--input-size', options.input_size is not None and not takes_images),
    ):
        if is_given:
            raise UserError(
                f'{option}: {options.checkpoint} holds {kind}, which has no use of it; '
                'leave it out'
            )


class Exported:
    """A network as other programs run it.

    Attributes:
        graph: Tensors in, a tuple of tensors out, traceable by torch.export. It may
            share no module with the model, which the outputs are compared with.
        inputs: By name, the names of the axes, None for one whose length is fixed:
            'batch' of samples; all others hang on the size of what comes in.
        outputs: By name, what it is, in words.
        convention: What has to be given to the graph, in words.
        facts: What else a user needs, to be stored with the graph as JSON.
        input_size: (H, W) of images, (T,) of sequences, () where there is none.
        operators: Of torch.library, that torch cannot translate to ONNX, each with a
            function that gives the translation: only an export needs onnxscript.
    """

    graph: nn.Module
    inputs: dict[str, tuple[str | None, ...]]
    outputs: dict[str, str]
    convention: str
    facts: dict[str, Any]
    input_size: tuple[int, ...] = ()
    operators: dict[Callable, Callable[[], Callable]] = {}

    @abstractmethod
    def random_inputs(
        self, rng: torch.Generator, batch_size: int, input_size: tuple[int, ...]
    ) -> tuple[Tensor, ...]:
        """A batch that the graph can be given."""

    def inputs_of(self, path: str) -> tuple[Tensor, ...]:
        """A batch made of the user's images.

        Raises:
            UserError: If it cannot be.
        """
        raise UserError(f'--image {path}: the {self.facts["model"]} takes none')

    @abstractmethod
    def expected(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the model itself makes of a batch, in the form of the outputs."""

    def differences(
        self, outputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]
    ) -> dict[str, float]:
        """Greatest difference of each output, by name, as a share of the greatest
        expected value where that is above 1; infinite where shapes differ or a
        number is not finite."""
        return {
            name: difference(got, wanted)
            for name, got, wanted in zip(self.outputs, outputs, expected, strict=True)
        }

    def contents(self, expected: list[tuple[Tensor, ...]]) -> str:
        """What outputs were compared on besides the number of batches, in words."""
        return ''


def difference(got: Tensor, wanted: Tensor) -> float:
    """See :meth:`Exported.differences`."""
    if got.shape != wanted.shape:
        return float('inf')
    if not (got.isfinite().all() and wanted.isfinite().all()):
        return float('inf')
    if not got.numel():
        return 0.0
    scale = wanted.abs().max().clamp(min=1)
    return ((got - wanted).abs().max() / scale).item()


def prepared_for_deployment(model: nn.Module) -> nn.Module:
    """A model whose backbone is what it is meant to be after its training: branches
    of a RepVGG are one convolution. In place."""
    backbone = getattr(model, 'backbone', None)
    if hasattr(backbone, 'switch_to_deploy') and not getattr(backbone, 'deploy', False):
        backbone.switch_to_deploy()
    return model
