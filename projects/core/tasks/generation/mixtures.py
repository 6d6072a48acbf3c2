"""Points in a plane, of mixtures of Gaussians: data whose distribution is known.

Legend: B points, K modes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from projects.registry import DATASETS, FUNCTIONS


def ring(num_modes: int, scale: float) -> np.ndarray:
    """(K, 2) centres at equal distances on a circle of radius ``scale``."""
    angles = 2 * np.pi * np.arange(num_modes) / num_modes
    return scale * np.stack([np.cos(angles), np.sin(angles)], 1)


def grid(num_modes: int, scale: float) -> np.ndarray:
    """(K, 2) centres in as many rows as columns, from -``scale`` to ``scale``."""
    side = round(num_modes**0.5)
    if side**2 != num_modes or side < 2:
        raise ValueError(f'num_modes {num_modes} is not the square of 2 or more')
    places = np.linspace(-scale, scale, side)
    return np.stack(np.meshgrid(places, places, indexing='ij'), -1).reshape(-1, 2)


LAYOUTS = dict(ring=ring, grid=grid)


@DATASETS.register_module()
class MixtureDataset(Dataset):
    """Points of a mixture of K Gaussians of one standard deviation.

    A batch is made as a whole, so that a thousand points cost no thousand objects; a
    data loader wants ``collate_fn=dict(type='projects.collate_whole')``. It is
    ``dict(inputs=(B, 2))``, with ``data_samples``, which know their ``sample_idx``, in
    a test.

    Args:
        layout: Where the centres are, 'ring' or 'grid'.
        num_modes: K.
        scale: Radius of the ring, half the side of the grid.
        std: Standard deviation of a Gaussian, along each axis.
        weights: Of the K Gaussians, in any unit; None for equal ones.
        num: Points; with ``fresh`` the length of what a sampler takes for a pass.
        indices: How many of the first points there are; None for all.
        seed: Of the points that are not fresh; another one for another split.
        fresh: Whether the points of each batch are drawn anew, by NumPy's global
            generator. :class:`projects.core.engine.seeding.SeededSampler` seeds that by
            the place of the batch in the run, so that a resumed run goes on with the
            points of one that was not stopped.
        test_mode: Whether samples are numbered.

    Attributes:
        metainfo: ``centres`` (K, 2), ``std`` and ``weights`` (K,), of sum 1; as lists,
            since a checkpoint carries it.

    Raises:
        ValueError: If there is no such layout, or the numbers make no mixture.
    """

    def __init__(
        self,
        layout: str,
        num_modes: int,
        scale: float,
        std: float,
        weights: Sequence[float] | None = None,
        num: int = 100_000,
        indices: int | None = None,
        seed: int = 0,
        fresh: bool = False,
        test_mode: bool = False,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f'layout {layout!r} is none of {", ".join(LAYOUTS)}')
        if num_modes < 1 or num < 1 or scale <= 0 or std <= 0:
            raise ValueError(
                f'num_modes {num_modes} and num {num} must be at least 1, scale '
                f'{scale} and std {std} above 0'
            )
        if fresh and test_mode:
            raise ValueError('fresh points cannot be those of a test')
        if weights is None:
            weights = [1] * num_modes
        if len(weights) != num_modes or min(weights) <= 0:
            raise ValueError(f'weights {weights} are not {num_modes} numbers above 0')
        self.centres = LAYOUTS[layout](num_modes, scale)
        self.std = std
        self.weights = np.array(weights) / sum(weights)
        self.num = num if indices is None else min(num, indices)
        self.fresh = fresh
        self.test_mode = test_mode
        if not fresh:
            self.points = self._draw(num, np.random.default_rng(seed))
        self.metainfo = dict(
            centres=self.centres.tolist(), std=std, weights=self.weights.tolist()
        )

    def _draw(self, num: int, rng: np.random.Generator) -> torch.Tensor:
        modes = rng.choice(len(self.centres), num, p=self.weights)
        points = self.centres[modes] + self.std * rng.standard_normal((num, 2))
        return torch.from_numpy(points.astype(np.float32))

    def __len__(self) -> int:
        return self.num

    def content(self) -> list:
        """The distribution and, unless they are drawn anew, its points; for a
        checksum."""
        points = 'fresh' if self.fresh else self.points[: self.num]
        return [self.metainfo, self.num, points]

    def __getitems__(self, indices: list[int]) -> dict:
        """A batch."""
        if self.fresh:
            seed = np.random.randint(2**32, size=4, dtype=np.uint32)
            return dict(inputs=self._draw(len(indices), np.random.default_rng(seed)))
        batch = dict(inputs=self.points[indices])
        if self.test_mode:
            batch['data_samples'] = [
                DataSample(metainfo=dict(sample_idx=i)) for i in indices
            ]
        return batch

    def __getitem__(self, index: int) -> dict:
        return {name: values[0] for name, values in self.__getitems__([index]).items()}


@FUNCTIONS.register_module()
def collate_whole(batch):
    """Leaves a batch as it is that a data set made as a whole.

    Samples that come one by one, as from data sets around another, are collated as
    mmengine does it.
    """
    return batch if isinstance(batch, dict) else pseudo_collate(batch)
