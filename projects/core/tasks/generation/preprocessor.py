"""Batches of images or of points, in the range in which generators work."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from projects.core.errors import UserError
from projects.registry import MODELS


@MODELS.register_module()
class GenerativeDataPreprocessor(BaseDataPreprocessor):
    """Makes tensors of a batch: ``(x - mean) / std``.

    From a data loader's ``pseudo_collate`` come lists: ``inputs`` is a list of
    tensors of one shape, (C, H, W) in [0, 255] or (2,), or a dict of such lists,
    of data in two domains. It becomes a tensor (B, ...), or a dict of such;
    ``data_samples`` stay as they came.

    Args:
        mean: By default images come to lie in [-1, 1].
        std: As ``mean``.
        to_rgb: Exchange the first and the last channel: of image files, which are
            read as BGR.
        **kwargs: Of mmengine's.
    """

    def __init__(
        self,
        mean: float = 127.5,
        std: float = 127.5,
        to_rgb: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.mean, self.std = mean, std
        self.to_rgb = to_rgb

    def forward(self, data: dict, training: bool = False) -> dict:
        data = self.cast_data(data)
        return {**data, 'inputs': self._normalized(data['inputs'])}

    def _normalized(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            return {name: self._normalized(values) for name, values in inputs.items()}
        x = inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))
        if self.to_rgb and x.dim() == 4 and x.shape[1] == 3:
            x = x.flip(1)
        return (x.float() - self.mean) / self.std

    def restored(self, x: Tensor) -> Tensor:
        """Samples as numbers of the data: of images uint8, RGB or grey.

        Raises:
            UserError: If they are not finite.
        """
        x = x.detach().float() * self.std + self.mean
        if not x.isfinite().all():  # integers would hide it
            raise UserError(
                'the samples hold numbers that are not finite: the weights, or the '
                'images that they were made of, are damaged'
            )
        return x if x.dim() < 4 else x.round().clamp(0, 255).to(torch.uint8)
