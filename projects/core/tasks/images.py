"""What the tasks on images have in common: files in, a picture of each out."""

import json
import os.path as osp
import time
from abc import abstractmethod
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger

from projects.core.config import explained, test_pipeline_of
from projects.core.errors import UserError
from projects.core.files import make_folder
from projects.core.layers.batch_norm import fold_batch_norm
from projects.core.tasks.image_parts import channels_of
from projects.core.tasks.task import InferOptions, Task

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
# in a shorter prediction folding takes longer than it saves
LEAST_TO_FOLD = 32
WHITE_ON_BLACK = ('DigitsDataset', 'FashionMNIST', 'MNIST')


class ImageResults:
    """What is made of a model's output on image files.

    ``name`` is that of the JSON file and of the default folder.
    """

    name: str

    @abstractmethod
    def of(
        self, image: np.ndarray, sample, index: int, file_name: str
    ) -> tuple[np.ndarray, list[dict]]:
        """The picture, (H, W, 3) BGR, and the rows of the JSON file of an image."""

    @abstractmethod
    def summary(self, rows: list[dict]) -> str:
        """The rows in words."""


class ImageTask(Task):
    """A task whose data are images."""

    unit = 'images'

    @abstractmethod
    def results(self, meta: dict, options: InferOptions) -> ImageResults:
        """What ``tools/infer.py`` makes of a model's output."""

    def prepare(self, cfg) -> None:
        hooks = list(cfg.get('custom_hooks') or [])
        for key, name in (
            ('channels_last', 'projects.ChannelsLastHook'),
            ('fold_batch_norm', 'projects.FoldBatchNormHook'),
        ):
            present = [hook for hook in hooks if hook['type'] == name]
            if not is_on(cfg, key):
                hooks = [hook for hook in hooks if hook not in present]
            elif not present:
                hooks.append(dict(type=name))
        cfg.custom_hooks = hooks

    def names_of(self, inputs: dict) -> list[str]:
        return [
            getattr(sample, 'img_path', 'unnamed')
            for sample in inputs.get('data_samples') or []
        ]

    def infer(
        self, model, cfg, meta: dict, inputs: str, options: InferOptions
    ) -> list[dict]:
        logger = MMLogger.get_current_instance()
        paths = image_paths(inputs)
        output = self.results(meta, options)
        with explained(cfg):
            pipeline = Compose(_test_pipeline(cfg, model))
        out_dir = options.out_dir or osp.join(output.name, Path(inputs).stem)
        if osp.realpath(out_dir) == osp.realpath(paths[0].parent):
            raise UserError(
                f'--out-dir {out_dir} is the folder of the images, '
                'which the pictures could replace'
            )
        make_folder(out_dir, '--out-dir')

        if is_on(cfg, 'channels_last'):
            model.to(memory_format=torch.channels_last)
        is_to_fold = is_on(cfg, 'fold_batch_norm') and len(paths) >= LEAST_TO_FOLD
        rows, names, unreadable = [], set(), []
        bright = 0
        start = time.monotonic()
        for first in range(0, len(paths), options.batch_size):
            batch, batch_paths = [], []
            for i, path in enumerate(paths[first : first + options.batch_size], first):
                try:
                    batch.append(pipeline(dict(img_path=str(path), img_id=i)))
                    batch_paths.append((i, path))
                except UserError as error:
                    if len(paths) == 1:
                        raise
                    unreadable.append(path)
                    reason = str(error).partition('. Restore')[0]
                    logger.warning(f'{reason}; left out')
            if not batch:
                continue
            data = pseudo_collate(batch)
            if is_to_fold:
                fold_batch_norm(model, data)
                is_to_fold = False
            with torch.no_grad():
                samples = model.test_step(data)
            for (i, path), sample in zip(batch_paths, samples, strict=True):
                # a.jpg and a.png of one folder must not share a picture
                name = f'{path.name if path.stem in names else path.stem}.png'
                names.add(path.stem)
                image = cv2.imread(str(path))
                bright += _has_bright_border(image)
                picture, found = output.of(image, sample.cpu(), i, path.name)
                cv2.imwrite(osp.join(out_dir, name), picture)
                rows += found
        num_read = len(paths) - len(unreadable)
        if not num_read:
            raise UserError(f'none of the {len(paths)} images in {inputs} can be read')
        with open(osp.join(out_dir, f'{output.name}.json'), 'w') as file:
            json.dump(rows, file)
        if bright and _learnt_white_on_black(cfg):
            logger.warning(
                f'{bright} of {num_read} images are bright at the '
                'border: the model learnt white on black; invert black '
                'ink on white before'
            )
        logger.info(
            f'{num_read} images in {time.monotonic() - start:.1f} s, '
            f'{output.summary(rows)}: pictures and {output.name}.json '
            f'in {osp.relpath(out_dir)}'
        )
        return rows


def is_on(cfg, key: str) -> bool:
    """Whether a config leaves on what makes runs on images faster.

    Raises:
        UserError: If it says neither True nor False.
    """
    value = cfg.get(key, True)
    if not isinstance(value, bool):
        raise UserError(f'{key} = {value!r} in the config: must be True or False')
    return value


def image_paths(images: str) -> list[Path]:
    """The image, or the images of the folder, sorted by name.

    Raises:
        UserError: If there is none.
    """
    path = Path(images)
    if path.is_dir():
        paths = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise UserError(
                f'the folder {images} holds no image ({", ".join(IMAGE_SUFFIXES)})'
            )
        return paths
    if not path.is_file():
        raise UserError(f'there is no image or folder {images}')
    return [path]


def _test_pipeline(cfg, model) -> list[dict]:
    """The config's test pipeline on image files without annotations."""
    steps = [  # our loader names a file that it cannot read
        {**step, 'type': 'projects.LoadImageFromFile'}
        if step.type.rpartition('.')[2] == 'LoadImageFromFile'
        else step
        for step in test_pipeline_of(cfg)
        if 'LoadAnnotations' not in step.type
    ]
    if any(step['type'] == 'projects.LoadImageFromFile' for step in steps):
        return steps
    # the data set was in memory, grey or RGB
    if channels_of(model) == 1:
        return [
            dict(type='projects.LoadImageFromFile', color_type='grayscale'),
            *steps,
        ]
    to_rgb = (
        []
        if model.data_preprocessor.to_rgb
        else [dict(type='NumpyToPIL', to_rgb=True), dict(type='PILToNumpy')]
    )
    return [dict(type='projects.LoadImageFromFile'), *to_rgb, *steps]


def _has_bright_border(image: np.ndarray) -> bool:
    """Whether most of the outermost pixels are nearer to white."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool(np.median(border) > 127)


def _learnt_white_on_black(cfg) -> bool:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    return str(dataset.get('type')).rpartition('.')[2] in WHITE_ON_BLACK
