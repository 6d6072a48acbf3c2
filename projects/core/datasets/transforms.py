"""Loading of image files that names the file it could not read or trust."""

import inspect
import logging
import os
from pathlib import Path

import numpy as np
from mmcv.image.io import imread_flags, supported_backends
from mmcv.transforms import LoadImageFromFile as _LoadImageFromFile
from mmengine import fileio
from mmengine.logging import print_log

from projects.core.config.walk import walk
from projects.core.datasets.decoding import (
    SIDEWAYS,
    Header,
    UnreadableImageError,
    as_picture,
    decode,
)
from projects.core.errors import UserError, did_you_mean
from projects.registry import TRANSFORMS

THEIR_NAMES = [
    f'{scope}LoadImageFromFile' for scope in ('', 'mmcv.', 'mmdet.', 'mmpretrain.')
]


@TRANSFORMS.register_module()
class LoadImageFromFile(_LoadImageFromFile):
    """Load ``results['img_path']``; an unreadable file is named, or skipped.

    Sets ``img``, an (H, W, C) array, ``img_shape`` and ``ori_shape``, both
    (H, W), as mmcv's transform of the same name does. What kinds of files are
    read, and how, is said in :mod:`projects.core.datasets.decoding`.

    Where the data set states the image's ``height`` and ``width``, they must be
    those of the image that was loaded: boxes are in pixels of that size.

    Args:
        to_float32: Give float32 values in place of uint8.
        color_type: 'color' (BGR), 'grayscale' or another flag of
            :func:`mmcv.imfrombytes`.
        imdecode_backend: Decoder of :func:`mmcv.imfrombytes`.
        skip_unreadable: Give None for a file that is missing, damaged or cut
            short, with one warning per file: in training, MMEngine's datasets
            then draw another sample. In a test no sample may be left out, so
            that MMEngine refuses the None. An image of another size than is
            stated is refused all the same: it is the annotations that are wrong.
        as_stored: True if annotations are of the images as they are stored, so
            that an orientation (EXIF) is not followed. With None it is followed,
            and a warning names the first file of stated size whose orientation
            leaves the size alone, so that only the user can know.
        backend_args: File backend of :func:`mmengine.fileio.get`.

    Raises:
        UserError: If the file is unreadable and ``skip_unreadable`` is False; if
            its size is not the stated one; if ``color_type`` or ``imdecode_backend``
            is unknown.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        skip_unreadable: bool = False,
        as_stored: bool | None = None,
        backend_args: dict | None = None,
    ) -> None:
        for name, value, known in (
            ('color_type', color_type, imread_flags),
            ('imdecode_backend', imdecode_backend, supported_backends),
        ):
            if value is not None and value not in known:
                raise UserError(
                    f'{name}={value!r} of projects.LoadImageFromFile is none of '
                    + ', '.join(known)
                    + did_you_mean(str(value), known)
                )
        super().__init__(
            to_float32=to_float32,
            color_type=color_type,
            imdecode_backend=imdecode_backend,
            backend_args=backend_args,
        )
        self.skip_unreadable = skip_unreadable
        self.as_stored = as_stored
        self._warned: set[str] = set()

    def transform(self, results: dict) -> dict | None:
        path = str(results['img_path'])
        try:
            img, header = self._load(path)
        except UnreadableImageError as error:
            message = f'cannot read the image {path}: {error}'
            if not self.skip_unreadable:
                raise UserError(
                    f'{message}. Restore the file or take it out of the '
                    'annotations; in training, skip_unreadable=True of '
                    'projects.LoadImageFromFile goes on without such files'
                ) from error
            self._warn_once(path, f'{message}; it is skipped')
            return None
        self._check_size(path, img, header.orientation if header else 1, results)
        if header is not None and header.num_frames > 1:
            self._warn_once(
                'frames',
                f'{path} holds {header.num_frames} frames or pages, of which '
                'the first is read, as of all such files',
            )
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = img.shape[:2]
        results['ori_shape'] = img.shape[:2]
        return results

    def picture(self, path: str) -> np.ndarray:
        """The image of a file as the model is given it, to draw on.

        Returns:
            np.ndarray: (H, W, 3) BGR uint8.

        Raises:
            UserError: If it is unreadable.
        """
        try:
            return as_picture(self._load(str(path))[0])
        except UnreadableImageError as error:
            raise UserError(f'cannot read the image {path}: {error}') from error

    def _load(self, path: str) -> tuple[np.ndarray, Header | None]:
        """See :func:`projects.core.datasets.decoding.decode`."""
        try:
            if os.path.exists(path) and not os.path.isfile(path):
                # a pipe would be waited for
                raise UnreadableImageError('it is no file')
            image_bytes = fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            folder = Path(path).parent
            raise UnreadableImageError(
                'there is no such file'
                if folder.is_dir()
                else f'there is no folder {folder}'
            ) from error
        except (OSError, ValueError) as error:  # the latter of a NUL in the name
            raise UnreadableImageError(
                getattr(error, 'strerror', None) or str(error)
            ) from error
        return decode(
            image_bytes, self.color_type, self.imdecode_backend, bool(self.as_stored)
        )

    def _check_size(
        self, path: str, img: np.ndarray, turned: int, results: dict
    ) -> None:
        """Compare with what the data set states, where it does."""
        stated = results.get('height'), results.get('width')
        if None in stated:
            return
        loaded = img.shape[:2]
        if loaded == stated:
            # sizes are exchanged, and so tell, unless they are alike
            tells = turned in SIDEWAYS and loaded[0] != loaded[1]
            if turned != 1 and not tells and self.as_stored is None:
                self._warn_once(
                    'orientation',
                    f'{path} bears the orientation {turned} (EXIF), which is '
                    'followed; whether its boxes are of the image so turned cannot '
                    'be told from the size. Look at the pictures, and say '
                    'as_stored=True or False of projects.LoadImageFromFile',
                )
            return
        sizes = (
            f'{path} is {loaded[1]} x {loaded[0]} pixels (width x height), but the '
            f'annotations state {stated[1]} x {stated[0]}'
        )
        if turned in SIDEWAYS and loaded == stated[::-1]:
            raise UserError(
                f'{sizes}: the file bears the orientation {turned} (EXIF), and the '
                'annotations are of the image '
                + (
                    'as it is turned by that; leave as_stored=True of '
                    if self.as_stored
                    else 'as it is stored; set as_stored=True of '
                )
                + 'projects.LoadImageFromFile '
                + ('out of' if self.as_stored else 'in')
                + ' the pipelines of training and of tests'
            )
        raise UserError(
            f'{sizes}: their boxes would not lie on the objects. Restore the file '
            'that was annotated, or correct width, height and boxes'
        )

    def _warn_once(self, about: str, message: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            warn(message)

    def __repr__(self) -> str:
        return (
            f'{super().__repr__()[:-1]}, skip_unreadable={self.skip_unreadable}, '
            f'as_stored={self.as_stored})'
        )


def warn(message: str) -> None:
    """Log a warning about files, whose names may hold bytes that are no text."""
    message = message.encode(errors='backslashreplace').decode()
    print_log(message, logger='current', level=logging.WARNING)


OUR_SETTINGS = inspect.signature(LoadImageFromFile).parameters


def loader_of(dataset) -> LoadImageFromFile:
    """The step that loads the images of a data set, to draw what the model saw.

    Args:
        dataset: Of MMEngine's kind, maybe in wrappers.

    Returns:
        LoadImageFromFile: One of usual settings where the data set has none.
    """
    while dataset is not None:
        steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
        for step in steps:
            if isinstance(step, LoadImageFromFile):
                return step
        inner = getattr(dataset, 'datasets', None)
        dataset = inner[0] if inner else getattr(dataset, 'dataset', None)
    return LoadImageFromFile()


def use_our_loader(cfg) -> None:
    """Let every pipeline of a config load images as :class:`LoadImageFromFile` does,
    where it says so by the name of mmcv's transform.

    Args:
        cfg: Config of a run.
    """
    for entry in walk(dict(cfg.items())):
        step = entry.parent
        if (
            entry.key == 'type'
            and entry.value in THEIR_NAMES
            and not set(step) - {'type', 'ignore_empty', *OUR_SETTINGS}
        ):
            step['type'] = 'projects.LoadImageFromFile'
            if 'ignore_empty' in step:
                step['skip_unreadable'] = step.pop('ignore_empty')


def loading_steps(is_grey: bool, is_rgb: bool) -> list[dict]:
    """First steps of a pipeline on image files, for one whose images were in memory.

    Args:
        is_grey: Whether the model takes one channel.
        is_rgb: Whether the model's data preprocessor makes BGR to RGB.
    """
    if is_grey:
        return [dict(type='projects.LoadImageFromFile', color_type='grayscale')]
    to_rgb = [dict(type='NumpyToPIL', to_rgb=True), dict(type='PILToNumpy')]
    return [dict(type='projects.LoadImageFromFile'), *([] if is_rgb else to_rgb)]
