"""Two domains of digits whose true mapping is known, and shown to no model.

Legend: B images, H and W height and width in pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from projects.core.datasets.digits import DigitsDataset
from projects.core.tasks.generation.unpaired import TwoDomains
from projects.registry import DATASETS, TASK_UTILS


@TASK_UTILS.register_module()
class ColouredNegative:
    """Grey images in negative, in one colour on a ground of another.

    A pixel of grey g in [0, 255] becomes ``ground + g / 255 (ink - ground)``.

    Args:
        ground: RGB of what is black.
        ink: RGB of what is white.
    """

    def __init__(
        self,
        ground: Sequence[int] = (255, 190, 60),
        ink: Sequence[int] = (30, 20, 110),
    ) -> None:
        self.ground = torch.tensor(ground).view(3, 1, 1)
        self.way = torch.tensor(ink).view(3, 1, 1) - self.ground

    def there(self, images: Tensor) -> Tensor:
        """(..., 3, H, W) uint8 of grey ones, whose channels are averaged."""
        grey = images.float().mean(-3, keepdim=True) / 255
        ground, way = self.ground.to(grey), self.way.to(grey)
        return (ground + grey * way).round().to(torch.uint8)

    def back(self, images: Tensor) -> Tensor:
        """The inverse; of other colours the grey of the nearest of the mapping."""
        ground, way = self.ground.to(images.device), self.way.to(images.device).float()
        way = way / way.square().sum()
        grey = ((images.float() - ground) * way).sum(-3, keepdim=True).clamp(0, 1)
        return (255 * grey).round().to(torch.uint8).expand(images.shape)


@DATASETS.register_module()
class DigitDomains(TwoDomains):
    """Digits in grey, and other people's digits in another look.

    In training domain A are the first 750 of the 1,500 digits, domain B the others,
    in the look of the mapping; hardly any writer is in both. In a test both are the
    297 that are held out, in an order that shows no pairs; there a data sample has the
    true translations ``true_a``, of B, and ``true_b``, of A, for pictures.

    Args:
        split: 'train' or 'val', see :class:`~projects.core.datasets.digits.
            DigitsDataset`.
        mapping: Config of the true mapping, which has ``there`` and ``back``.
        pipeline: See :class:`~projects.core.tasks.generation.unpaired.TwoDomains`.
        pairs: Show in training true pairs, of the digits of domain A, to compare with.
        test_mode: Draw nothing.
        indices: How many of the first samples there are; None for all.
    """

    def __init__(
        self,
        split: str,
        mapping: dict,
        pipeline: Sequence[dict],
        pairs: bool = False,
        test_mode: bool = False,
        indices: int | None = None,
    ) -> None:
        self.mapping = TASK_UTILS.build(mapping)
        self.mapping_cfg = dict(mapping)
        self.digits = DigitsDataset(split, num_channels=3)
        self.metainfo = self.digits.metainfo
        self.pairs = pairs
        super().__init__(pipeline, test_mode, indices)

    def load(self, domain: str) -> list[dict]:
        digits = [self.digits.get_data_info(i) for i in range(len(self.digits))]
        half = len(digits) // 2
        if not self.test_mode:
            return digits[:half] if domain == 'A' else digits[half:]
        return digits if domain == 'A' else digits[half:] + digits[:half]

    def content(self) -> list:
        return [self.mapping_cfg, self.pairs, *super().content()]

    def views(self, index: int) -> dict[str, dict]:
        views = super().views(index)
        return dict(views, B=dict(views['A'])) if self.pairs else views

    def finished(self, domain: str, packed: dict) -> dict:
        if domain == 'A':
            return packed
        # after the pipeline: what that makes of A is what the mapping is of
        return {**packed, 'inputs': self.mapping.there(packed['inputs'])}

    def __getitem__(self, index: int) -> dict:
        sample = super().__getitem__(index)
        inputs, data_sample = sample['inputs'], sample['data_samples']
        if self.pairs:
            inputs['b'] = inputs['a']
            data_sample.set_metainfo(dict(label_b=data_sample.label_a))
        inputs['b'] = self.mapping.there(inputs['b'])
        if self.test_mode:
            true_b = self.mapping.there(inputs['a'])
            true_a = self.mapping.back(inputs['b'])
            data_sample.set_metainfo(dict(true_a=true_a, true_b=true_b))
        return sample
