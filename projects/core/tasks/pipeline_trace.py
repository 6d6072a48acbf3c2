"""What a data set's pipeline makes of an image, step by step.

Images are (H, W) or (H, W, C); a sample may be changed by each of the transforms.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import ClassBalancedDataset as BalancedDataset
from mmengine.dataset import ConcatDataset, RepeatDataset

from projects.core.datasets.decoding import as_picture
from projects.core.datasets.transforms import LoadImageFromFile
from projects.core.errors import UserError, one_line

MAX_NEWS = 60  # characters of an entry's value
MIXES = 15  # draws for partners of an image, as in mmdet
# entries that are drawn or said otherwise
NO_NEWS = {
    'data_samples',
    'img',
    'img_shape',
    'inputs',
    'instances',
    'mix_results',
    'ori_shape',
}


@dataclass
class Stage:
    """A sample after a step of its pipeline.

    Args:
        name: Class of the transform, 'data set' for what it begins with.
        settings: Arguments of the transform.
        results: The sample; None where the transform gave it up.
        is_rgb: Whether the channels of a colour image are RGB, not BGR.
        previous: The stage before.
        news: Entries that the transform set or changed, as 'flip=True'.
    """

    name: str
    settings: str
    results: dict | None
    is_rgb: bool
    previous: 'Stage | None' = None
    news: list[str] = field(default_factory=list)

    @property
    def image(self) -> Any:
        """An array, a PIL image or, when it is packed, a tensor (C, H, W); None
        before an image is loaded."""
        results = self.results or {}
        return results.get('inputs', results.get('img'))


class Source:
    """Where a sample of a data set comes from: inside its wrappers.

    Args:
        dataset: MMEngine's kind, or one with ``views``.
        settings: Its config.
        index: Number of the sample.

    Attributes:
        dataset: The innermost data set.
        settings: Its config.
        index: Number of the sample in it.
        mixers: Transforms and configs of wrappers that mix several images, as mmdet's
            ``MultiImageMixDataset``, the innermost first, each with its data set.
    """

    def __init__(self, dataset, settings: dict, index: int) -> None:
        self.mixers: list[tuple[Any, list, list]] = []
        while True:
            if isinstance(dataset, ConcatDataset):
                place, index = dataset._get_ori_dataset_idx(index)
                dataset = dataset.datasets[place]
                parts = settings.get('datasets')
                settings = parts[place] if parts else settings
            elif isinstance(dataset, (RepeatDataset, BalancedDataset)):
                index = dataset._get_ori_dataset_idx(index)
                dataset, settings = dataset.dataset, settings.get('dataset', {})
            elif isinstance(getattr(dataset, 'pipeline', None), list):
                inner = dataset.dataset
                self.mixers.insert(
                    0, (inner, dataset.pipeline, settings.get('pipeline', []))
                )
                dataset, settings = inner, settings.get('dataset', {})
            else:
                break
        self.dataset, self.settings, self.index = dataset, settings, index
        if not hasattr(dataset, 'pipeline') or not (
            hasattr(dataset, 'views') or hasattr(dataset, 'get_data_info')
        ):
            raise UserError(
                f'a {type(dataset).__name__} has no pipeline whose steps could be '
                'looked at'
            )

    def views(self) -> dict[str, dict]:
        """What the pipeline is given, by the name of the view; '' where there is one.

        A data set of two domains has ``views(index)``, and ``finished(view, results)``
        for what it makes of the pipeline's results.
        """
        if hasattr(self.dataset, 'views'):
            return self.dataset.views(self.index)
        return {'': self.dataset.get_data_info(self.index)}

    def trace(self, view: str, info: dict) -> list[Stage]:
        """The stages of a view, the first as the data set has it."""
        transforms = self.dataset.pipeline.transforms
        # files are read as BGR; images that data sets hold are RGB
        stage = Stage('data set', '', copy.deepcopy(info), 'img' in info)
        stages = [stage]
        configs = self.settings.get('pipeline') or self.settings.get('transforms') or []
        stages += _run(stage, transforms, configs)
        for inner, mixers, mixer_configs in self.mixers:
            if stages[-1].results is None:
                break
            stages += _run(stages[-1], mixers, mixer_configs, inner)
        last = stages[-1]
        if view and last.results is not None:
            results = self.dataset.finished(view, last.results)
            if results is not last.results:
                name = type(self.dataset).__name__
                stages.append(Stage(name, '', results, last.is_rgb, last))
        return stages


def _run(
    stage: Stage, transforms: Sequence, configs: Sequence[dict], inner=None
) -> Iterator[Stage]:
    if len(configs) != len(transforms):
        configs = [None] * len(transforms)
    for transform, config in zip(transforms, configs, strict=True):
        results = copy.deepcopy(stage.results)
        news = []
        if hasattr(transform, 'get_indexes') and inner is not None:
            for _ in range(MIXES):
                indices = np.atleast_1d(transform.get_indexes(inner)).tolist()
                partners = [copy.deepcopy(inner[i]) for i in indices]
                if None not in partners:
                    break
            results['mix_results'] = partners
            news.append(f'mixed with images {", ".join(map(str, indices))}')
        results = transform(results)
        is_rgb = stage.is_rgb
        name = type(transform).__name__
        if isinstance(transform, LoadImageFromFile):
            is_rgb = False
        elif name == 'NumpyToPIL':
            is_rgb ^= transform.to_rgb
        elif name == 'PILToNumpy':
            is_rgb ^= transform.to_bgr
        if results is not None:
            news += _news(stage.results, results, config or {})
        stage = Stage(name, _settings(transform, config), results, is_rgb, stage, news)
        yield stage
        if results is None:
            return


def _settings(transform, config: dict | None) -> str:
    if config is None:
        return one_line(repr(transform).partition('(')[2].removesuffix(')'), 300)
    return ', '.join(
        f'{k}={one_line(repr(_plain(v)), 120)}'
        for k, v in config.items()
        if k != 'type'
    )


def _plain(value: Any) -> Any:
    if isinstance(value, type):
        return value.__name__
    return value.to_dict() if hasattr(value, 'to_dict') else value


def _news(before: dict, after: dict, config: dict) -> list[str]:
    """Short entries that are new or changed, and not just arguments."""
    news = []
    for key, value in after.items():
        if (
            key in NO_NEWS
            or key in config
            or not isinstance(value, (str, bool, int, float, tuple, list, type(None)))
        ):
            continue
        old = before.get(key, NO_NEWS)
        if type(old) is type(value) and old == value:
            continue
        if isinstance(value, tuple):
            value = tuple(round(v, 4) if isinstance(v, float) else v for v in value)
        if len(text := repr(value)) <= MAX_NEWS and value is not None:
            news.append(f'{key}={text}')
    return news


def as_drawn(image: Any, is_rgb: bool) -> np.ndarray:
    """An image of any stage as (H, W, 3) uint8 BGR.

    Numbers that are not in [0, 255], and those in [0, 1], are scaled from their least
    to their greatest.
    """
    array = as_array(image)
    if array.dtype.kind == 'f' and array.size:
        low, high = float(np.nanmin(array)), float(np.nanmax(array))
        if low < 0 or high > 255 or high <= 1:
            array = (array - low) * (255 / max(high - low, 1e-12))
    picture = as_picture(array)
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if is_rgb else picture


def as_array(image: Any) -> np.ndarray:
    """(H, W) or (H, W, C)."""
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        return (image.permute(1, 2, 0) if image.dim() == 3 else image).numpy()
    return np.asarray(image)


def described(image: Any) -> str:
    """Shape, type and range: '28 x 28 x 1 uint8, 0 to 255'; of a tensor in its own
    order of axes."""
    shape = ' x '.join(map(str, np.shape(image)))
    kind = type(image).__name__
    if isinstance(image, torch.Tensor):
        shape, kind = f'({", ".join(map(str, image.shape))})', 'tensor'
    elif not isinstance(image, np.ndarray):
        kind = 'PIL image'
    array = as_array(image)
    if not array.size:
        return f'{shape}, empty'
    low, high = array.min(), array.max()
    if array.dtype.kind == 'b':
        low, high = int(low), int(high)
    is_float = array.dtype.kind == 'f'
    digits = '.3g' if is_float else 'd'
    text = f'{shape} {array.dtype} {kind}'.removesuffix(' ndarray')
    text += f', {low:{digits}} to {high:{digits}}'
    if is_float:
        text += f', mean {array.mean():.3g}, std {array.std():.3g}'
    return text
