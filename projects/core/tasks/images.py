"""What the tasks on images have in common: files in, a picture of each out."""

import json
import os.path as osp
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log

from projects.core.config import explained, test_pipeline_of
from projects.core.config.walk import type_name
from projects.core.datasets.decoding import IMAGE_SUFFIXES, as_picture
from projects.core.datasets.transforms import (
    LoadImageFromFile,
    loading_steps,
    use_our_loader,
    warn,
)
from projects.core.errors import UserError, listed
from projects.core.files import JOURNAL, check_outputs, write_text
from projects.core.layers.batch_norm import fold_batch_norm
from projects.core.tasks.custom_hooks import add_hooks
from projects.core.tasks.image_parts import channels_of
from projects.core.tasks.overfitting import (
    check_validation,
    innermost,
    use_samples,
)
from projects.core.tasks.task import Browsed, InferOptions, LookOptions, Task

if TYPE_CHECKING:
    from projects.core.tasks.browsing import Marks

# in a shorter prediction folding takes longer than it saves
LEAST_TO_FOLD = 32
CHANNELS_LAST = 'projects.ChannelsLastHook'
# levels that channels of a grey image may differ by, from its compression
GREY_TOLERANCE = 24
WHITE_ON_BLACK = ('DigitsDataset', 'FashionMNIST', 'MNIST')


class ImageResults:
    """What is made of a model's output on image files.

    ``name`` is that of the JSON file and of the default folder.
    """

    name: str

    @abstractmethod
    def draw(self, image: np.ndarray, sample) -> np.ndarray:
        """The picture of an image, both (H, W, 3) BGR uint8."""

    @abstractmethod
    def rows_of(self, sample, index: int, file_name: str) -> list[dict]:
        """The rows of the JSON file of an image."""

    @abstractmethod
    def summary(self, rows: list[dict]) -> str:
        """The rows in words."""


class ImageTask(Task):
    """A task whose data are images."""

    unit = 'images'
    inputs = 'an image or a folder of images'
    #: metrics, by the ends of their names, from which on samples are known by heart
    known_from: Mapping[str, float] = MappingProxyType({})

    @abstractmethod
    def results(self, meta: dict, options: InferOptions) -> ImageResults:
        """What ``tools/infer.py`` makes of a model's output."""

    def prepare(self, cfg) -> None:
        use_our_loader(cfg)
        switch_hook(cfg, 'channels_last', CHANNELS_LAST)
        switch_hook(cfg, 'fold_batch_norm', 'projects.FoldBatchNormHook')

    def browse(self, browsed: Browsed) -> list[str]:
        from projects.core.tasks.browsing import browse_images

        return browse_images(browsed, self.marks(browsed.dataset))

    def marks(self, dataset) -> 'Marks':
        """What is drawn on and said of the images of a data set."""
        from projects.core.tasks.browsing import Marks, class_names

        return Marks(class_names(dataset))

    def overfit(self, cfg, num: int) -> dict[str, float]:
        check_validation(cfg, num)
        train = innermost(cfg.train_dataloader.dataset)
        steps = innermost(cfg.val_dataloader.dataset).get('pipeline') or []
        pipeline = self.fixed_pipeline(train.get('pipeline') or [], steps)
        use_samples(
            cfg,
            num,
            {**train, 'pipeline': pipeline},
            # of training, too: in a test images are left out by other rules
            {**train, 'pipeline': steps},
        )
        return dict(self.known_from)

    def fixed_pipeline(self, train: list[dict], val: list[dict]) -> list[dict]:
        """A pipeline to train on that does nothing random.

        Args:
            train: That of the training.
            val: That of the validation.
        """
        return val

    def names_of(self, inputs: dict) -> list[str]:
        return [
            getattr(sample, 'img_path', 'unnamed')
            for sample in inputs.get('data_samples') or []
        ]

    @abstractmethod
    def explain(
        self, model, data: dict, meta: dict, options: LookOptions
    ) -> dict[str, Any]:
        """``prediction``, ``scores``, ``targets`` and ``classes`` of a
        :class:`projects.core.tasks.subject.Subject`.

        Args:
            model: In eval mode.
            data: Arguments of its ``forward``, of one image.
            meta: Of the checkpoint.
            options: What is asked for.
        """

    def subject(self, model, cfg, meta: dict, image: str, options: LookOptions):
        # matplotlib
        from projects.core.tasks.subject import Subject

        if Path(image).is_dir():
            raise UserError(f'{image} is a folder: give one image')
        paths, _ = image_paths(image)
        with explained(cfg):
            pipeline = ImagePipeline(cfg, model)
        read = list(pipeline.read(paths, 0))
        if not read:
            raise UserError(pipeline.last_error)
        *_, stored, packed = read[0]
        _warn_of_looks(cfg, pipeline.num_coloured, int(_has_bright_border(stored)), 1)
        picture = as_picture(packed['inputs'].permute(1, 2, 0).numpy())
        pre = model.data_preprocessor
        with torch.no_grad():
            data = pre(pseudo_collate([packed]), False)
        turned = getattr(pre, 'to_rgb', False) or getattr(
            pre, '_channel_conversion', False
        )
        return Subject(
            model,
            image,
            data['inputs'],
            data['data_samples'],
            picture if pipeline.gives_rgb else picture[..., ::-1],
            pipeline.gives_rgb or turned,
            **self.explain(model, data, meta, options),
        )

    def infer(
        self, model, cfg, meta: dict, inputs: str, options: InferOptions
    ) -> list[dict]:
        # training needs none of matplotlib
        from projects.core.tasks.drawing import PictureFolder, picture_names

        paths, rest = image_paths(inputs)
        output = self.results(meta, options)
        with explained(cfg):
            pipeline = ImagePipeline(cfg, model)
        out_dir = options.out_dir or osp.join(output.name, Path(inputs).stem)
        refuse_own_folder(out_dir, paths, 'pictures')
        names = picture_names([str(path) for path in paths])
        json_file = osp.join(out_dir, f'{output.name}.json')
        files = [osp.join(out_dir, name) for name in names.values()]
        check_outputs([json_file, *files], '--out-dir')
        if rest:
            warn(f'{inputs} also holds {rest}')

        if is_on(cfg, 'channels_last'):
            model.to(memory_format=torch.channels_last)
        is_to_fold = is_on(cfg, 'fold_batch_norm') and len(paths) >= LEAST_TO_FOLD
        pictures = PictureFolder(out_dir, '--out-dir')
        rows: list[dict] = []
        num_read = bright = 0
        start = time.monotonic()
        for first in range(0, len(paths), options.batch_size):
            batch = list(
                pipeline.read(paths[first : first + options.batch_size], first)
            )
            if not batch:
                continue
            data = pseudo_collate([packed for *_, packed in batch])
            if is_to_fold:
                fold_batch_norm(model, data)
                is_to_fold = False
            with torch.no_grad():
                samples = model.test_step(data)
            for (i, path, image, _), sample in zip(batch, samples, strict=True):
                num_read += 1
                bright += _has_bright_border(image)
                sample = sample.cpu()
                rows += output.rows_of(sample, i, path.name)
                pictures.add(
                    names[str(path)],
                    str(path),
                    lambda image=image, sample=sample: output.draw(image, sample),
                )
        if not num_read:
            raise pipeline.nothing_read(paths, inputs)
        write_text(json_file, json.dumps(rows), '--out-dir')
        _warn_of_looks(cfg, pipeline.num_coloured, bright, num_read)
        if pictures.failures:
            warn(f'{pictures.failures} pictures are missing')
        print_log(
            f'{num_read} images in {time.monotonic() - start:.1f} s, '
            f'{output.summary(rows)}: pictures and {output.name}.json '
            f'in {osp.relpath(out_dir)}',
            'current',
        )
        return rows


def _warn_of_looks(cfg, num_coloured: int, num_bright: int, num_read: int) -> None:
    """Warn of images that look other than what the model learnt from."""
    if num_coloured:
        warn(
            f'{num_coloured} of {num_read} images are in colour; the '
            'model takes grey images, and was given them turned grey'
        )
    if num_bright and _learnt_white_on_black(cfg):
        warn(
            f'{num_bright} of {num_read} images are bright at the '
            'border: the model learnt white on black; invert black '
            'ink on white before'
        )


class ImagePipeline:
    """The config's test pipeline, on files one by one.

    Args:
        cfg: Of the model.
        model: The model.
    """

    def __init__(self, cfg, model) -> None:
        steps = Compose(_test_pipeline(cfg, model)).transforms
        place = next(i for i, s in enumerate(steps) if isinstance(s, LoadImageFromFile))
        self._before = Compose(steps[: place + 1])
        self._after = Compose(steps[place + 1 :])
        #: whether images leave it as RGB, not as BGR
        self.gives_rgb = any(getattr(step, 'to_rgb', False) for step in steps)
        loader = steps[place]
        # to see whether an image for a grey model is in colour
        self._in_colour = (
            LoadImageFromFile(as_stored=loader.as_stored)
            if loader.color_type.startswith('grayscale')
            else None
        )
        self.num_coloured = 0
        self.last_error = ''

    def nothing_read(self, paths: list[Path], inputs: str) -> UserError:
        """What to raise where no image could be read."""
        rest = f'; none of the {len(paths)} images in {inputs} can be read'
        return UserError(self.last_error + rest * (len(paths) > 1))

    def read(
        self, paths: list[Path], first: int
    ) -> Iterator[tuple[int, Path, np.ndarray, dict]]:
        """Index, path, picture and what the model is given of each image.

        One that cannot be read is named and left out.

        Args:
            paths: Images.
            first: Index of the first one.
        """
        for i, path in enumerate(paths, first):
            try:
                loaded = self._before(dict(img_path=str(path), img_id=i))
                image = as_picture(loaded['img']).copy()
                packed = self._after(loaded)
            except Exception as error:  # of whatever step: the others go on
                self.last_error = (
                    str(error).partition('. Restore')[0]
                    if isinstance(error, UserError)
                    else f'cannot prepare the image {path} for the model: {error!r}'
                )
                warn(f'{self.last_error}; left out')
                continue
            if self._in_colour is not None:
                picture = self._in_colour.picture(str(path))
                self.num_coloured += bool(np.ptp(picture, 2).max() > GREY_TOLERANCE)
            yield i, path, image, packed


def switch_hook(cfg, key: str, type_: str) -> None:
    """Add a hook to a config, or take it out where the config says ``key = False``."""
    if is_on(cfg, key):
        add_hooks(cfg, type_)
    else:
        hooks = cfg.get('custom_hooks') or []
        cfg.custom_hooks = [hook for hook in hooks if hook['type'] != type_]


def is_on(cfg, key: str) -> bool:
    """Whether a config leaves on what makes runs on images faster.

    Raises:
        UserError: If it says neither True nor False.
    """
    value = cfg.get(key, True)
    if not isinstance(value, bool):
        raise UserError(f'{key} = {value!r} in the config: must be True or False')
    return value


def refuse_own_folder(out_dir: str, paths: list[Path], what: str) -> None:
    """Refuse to write among the images that are read.

    Raises:
        UserError: If ``out_dir`` is their folder.
    """
    if osp.realpath(out_dir) == osp.realpath(paths[0].parent):
        raise UserError(
            f'--out-dir {out_dir} is the folder of the images, among which the '
            f'{what} would be; choose another folder'
        )


def image_paths(images: str) -> tuple[list[Path], str]:
    """The image, or the images of the folder, sorted by name; and what else the
    folder holds, in words.

    Raises:
        UserError: If there is none.
    """
    if not images.strip():
        raise UserError('images: an image or a folder of images, not an empty text')
    path = Path(images)
    if not path.is_dir():
        if not path.exists():
            raise UserError(f'there is no image or folder {images}')
        return [path], ''
    try:
        entries = sorted(p for p in path.iterdir() if p.name != JOURNAL)
    except OSError as error:
        raise UserError(f'cannot read the folder {images}: {error.strerror}') from error
    folders = [p for p in entries if p.is_dir()]
    files = [p for p in entries if p not in folders]
    paths = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES]
    others = [p for p in files if p not in paths]
    rest = ' and '.join(
        f'{len(found)} {kind} ({listed(p.name for p in found)})'
        for found, kind in (
            (others, 'files of other kinds'),
            (folders, 'folders, which are not entered'),
        )
        if found
    )
    if not paths:
        raise UserError(
            f'the folder {images} holds no image ({", ".join(IMAGE_SUFFIXES)})'
            + (f'; it holds {rest}' if rest else '')
        )
    return paths, rest


def _test_pipeline(cfg, model) -> list[dict]:
    """The config's test pipeline on image files without annotations."""
    use_our_loader(cfg)
    steps = [s for s in test_pipeline_of(cfg) if 'LoadAnnotations' not in s['type']]
    if any(step['type'] == 'projects.LoadImageFromFile' for step in steps):
        return steps
    # the data set was in memory, grey or RGB
    is_rgb = model.data_preprocessor.to_rgb
    return [*loading_steps(channels_of(model) == 1, is_rgb), *steps]


def _has_bright_border(image: np.ndarray) -> bool:
    """Whether most of the outermost pixels are nearer to white."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool(np.median(border) > 127)


def _learnt_white_on_black(cfg) -> bool:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    return type_name(dataset) in WHITE_ON_BLACK
