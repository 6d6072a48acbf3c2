"""Images of two domains, A and B, without pairs.

A sample is ``dict(inputs=dict(a=(C, H, W), b=(C, H, W)), data_samples=DataSample)``,
images uint8. The data sample has ``sample_idx``, of files
``img_path``, that of A, and ``img_path_b``, and where the domains have classes
``label_a`` and ``label_b``.

Legend: C channels, H and W height and width in pixels.
"""

import os.path as osp
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import Compose
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from projects.core.datasets.decoding import IMAGE_SUFFIXES
from projects.core.datasets.files import entries, what_is_there
from projects.core.errors import UserError, listed
from projects.core.values import whole
from projects.registry import DATASETS

SPLITS = ('train', 'test')
REFETCHES = 1000  # draws for an image that can be read, as in mmengine


class TwoDomains(Dataset):
    """Images of domain A in their order, each with one of domain B.

    There are as many samples as the larger domain has images. The image of A goes by
    the number of the sample; that of B is drawn at random, or, with ``test_mode``,
    goes by the number, too.

    Args:
        pipeline: Transforms that end with ``PackInputs``.
        test_mode: Draw nothing.
        indices: How many of the first samples there are; None for all.

    Raises:
        UserError: If ``indices`` is no whole number above 0.
    """

    metainfo: dict = {}

    def __init__(
        self,
        pipeline: Sequence[dict],
        test_mode: bool = False,
        indices: int | None = None,
    ) -> None:
        if indices is not None and (refusal := whole(1).refusal(indices)):
            raise UserError(f'indices: {refusal}')
        self.pipeline = Compose(pipeline)
        self.test_mode = test_mode
        self.a, self.b = self.load('A'), self.load('B')
        self._length = max(len(self.a), len(self.b))
        if indices is not None:
            self._length = min(self._length, indices)

    @abstractmethod
    def load(self, domain: str) -> list[dict]:
        """What the pipeline is given of each image of 'A' or 'B'."""

    def __len__(self) -> int:
        return self._length

    def content(self) -> list:
        """Names of the image files, or the images; for a checksum."""
        return [
            len(self),
            *(
                [
                    {k: osp.basename(v) if k == 'img_path' else v for k, v in i.items()}
                    for i in images
                ]
                for images in (self.a, self.b)
            ),
        ]

    def views(self, index: int) -> dict[str, dict]:
        """What the pipeline is given for a sample, by the name of the domain."""
        place = index if self.test_mode else np.random.randint(len(self.b))
        return dict(
            A=dict(self.a[index % len(self.a)]), B=dict(self.b[place % len(self.b)])
        )

    def finished(self, domain: str, packed: dict) -> dict:
        """What the data set makes of the pipeline's results for a domain."""
        return packed

    def __getitem__(self, index: int) -> dict:
        place = index if self.test_mode else np.random.randint(len(self.b))
        a = self._transformed(self.a, index % len(self.a))
        b = self._transformed(self.b, place % len(self.b))
        fields: dict = dict(sample_idx=index)
        for path, label, packed in (
            ('img_path', 'label_a', a['data_samples']),
            ('img_path_b', 'label_b', b['data_samples']),
        ):
            if 'img_path' in packed:
                fields[path] = packed.img_path
            if 'gt_label' in packed:
                fields[label] = int(packed.gt_label)
        return dict(
            inputs=dict(a=a['inputs'], b=b['inputs']),
            data_samples=DataSample(metainfo=fields),
        )

    def _transformed(self, images: Sequence[dict], index: int) -> dict:
        for _ in range(REFETCHES):
            results = self.pipeline(dict(images[index]))
            if results is not None:
                return results
            if self.test_mode:
                break
            index = np.random.randint(len(images))
        raise UserError(
            f'{images[index].get("img_path")} gives no image, nor do others beside it; '
            'the log says why'
        )


@DATASETS.register_module()
class UnpairedDataset(TwoDomains):
    """Image files of two folders, laid out as the authors' data sets are.

    ``<data_root>/trainA``, ``trainB``, ``testA`` and ``testB`` hold images, files of
    other kinds are passed by; they need not be equally many. Sources, such as
    horse2zebra, are listed in the authors' ``datasets/download_cyclegan_dataset.sh``.

    OpenCV reads BGR; a model of RGB has ``data_preprocessor=dict(to_rgb=True)``.

    Args:
        data_root: Folder of the folders.
        split: 'train' or 'test'.
        pipeline: See :class:`TwoDomains`; it begins with
            ``projects.LoadImageFromFile``.
        test_mode: See :class:`TwoDomains`.
        indices: See there.

    Raises:
        ValueError: If the split is another.
        UserError: If a folder is missing or holds no image.
    """

    def __init__(
        self,
        data_root: str,
        split: str,
        pipeline: Sequence[dict],
        test_mode: bool = False,
        indices: int | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split {split!r} not in {SPLITS}')
        self.data_root, self.split = data_root, split
        super().__init__(pipeline, test_mode, indices)

    def load(self, domain: str) -> list[dict]:
        return [dict(img_path=file) for file in image_files(self.folder(domain))]

    def folder(self, domain: str) -> str:
        """That of 'A' or 'B'."""
        return osp.join(self.data_root, f'{self.split}{domain}')


def image_files(folder: str) -> list[str]:
    """Paths of the images in a folder, by their names.

    Raises:
        UserError: If it is missing or holds none.
    """
    if not osp.isdir(folder):
        wanted = osp.basename(folder)
        raise UserError(
            f'there is no folder {osp.abspath(folder)} of images: '
            f'{what_is_there(osp.dirname(folder), wanted)}; set data_root of the '
            'projects.UnpairedDataset'
        )
    files = [entry.path for entry in entries(folder) if not entry.is_dir()]
    images = [f for f in files if Path(f).suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise UserError(
            f'{osp.abspath(folder)} holds no image, but '
            f'{listed(sorted(map(osp.basename, files)))}; images end in '
            + ', '.join(IMAGE_SUFFIXES)
        )
    return sorted(images)
