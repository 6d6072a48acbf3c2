"""Loading of image files that names the file it could not read."""

import logging
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile as _LoadImageFromFile
from mmengine import fileio
from mmengine.logging import print_log

from projects.core.errors import UserError
from projects.registry import TRANSFORMS

JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'


def is_cut_short(image_bytes: bytes) -> bool:
    """Whether a JPEG file lacks its end-of-image marker.

    A decoder refuses a JPEG whose bytes run out, but fills in grey without an
    error where they go on as zeros, which is what an interrupted download
    into a file of reserved length leaves. Other formats carry checksums.
    """
    if not image_bytes.startswith(JPEG_START):
        return False
    # Cameras may write more after the marker, hence the search; and scan data
    # never holds it, as an 0xFF in there is followed by 0x00. The preview
    # image of an EXIF header has a marker of its own: skip the header.
    return not (
        image_bytes.endswith(JPEG_END)
        or image_bytes.find(JPEG_END, _header_length(image_bytes)) > 0
    )


def _header_length(jpeg: bytes) -> int:
    """Offset of the first start-of-scan marker, or where the header breaks."""
    offset = len(JPEG_START)
    while offset + 4 <= len(jpeg) and jpeg[offset] == 0xFF:
        if jpeg[offset + 1] == 0xDA:
            return offset
        # two bytes of marker, then a segment that states its own length
        offset += 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], 'big')
    return min(offset, len(jpeg))


@TRANSFORMS.register_module()
class LoadImageFromFile(_LoadImageFromFile):
    """Load ``results['img_path']``; an unreadable file is named, or skipped.

    Sets ``img``, an (H, W, C) array, ``img_shape`` and ``ori_shape``, both
    (H, W), as mmcv's transform of the same name does.

    Args:
        to_float32: Give float32 values in place of uint8.
        color_type: 'color' (BGR), 'grayscale' or another flag of
            :func:`mmcv.imfrombytes`.
        imdecode_backend: Decoder of :func:`mmcv.imfrombytes`.
        skip_unreadable: Give None for a file that is missing, damaged or cut
            short, with one warning per file: in training, MMEngine's datasets
            then draw another sample. In a test no sample may be left out, so
            that MMEngine refuses the None.
        backend_args: File backend of :func:`mmengine.fileio.get`.

    Raises:
        UserError: If the file is unreadable and ``skip_unreadable`` is False.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        skip_unreadable: bool = False,
        backend_args: dict | None = None,
    ) -> None:
        super().__init__(
            to_float32=to_float32,
            color_type=color_type,
            imdecode_backend=imdecode_backend,
            backend_args=backend_args,
        )
        self.skip_unreadable = skip_unreadable
        self._warned: set[str] = set()

    def transform(self, results: dict) -> dict | None:
        path = str(results['img_path'])
        img, reason = self._load(path)
        if img is None:
            message = f'cannot read the image {path}: {reason}'
            if not self.skip_unreadable:
                raise UserError(
                    f'{message}. Restore the file or take it out of the '
                    'annotations; in training, skip_unreadable=True of '
                    'projects.LoadImageFromFile goes on without such files'
                )
            if path not in self._warned:
                self._warned.add(path)
                print_log(
                    f'{message}; it is skipped', logger='current', level=logging.WARNING
                )
            return None
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = img.shape[:2]
        results['ori_shape'] = img.shape[:2]
        return results

    def _load(self, path: str) -> tuple[np.ndarray | None, str]:
        """The (H, W, C) image and ''; or None and what is wrong."""
        try:
            image_bytes = fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                folder = Path(path).parent
                return None, (
                    'there is no such file'
                    if folder.is_dir()
                    else f'there is no folder {folder}'
                )
            return None, error.strerror or str(error)
        if not image_bytes:
            return None, 'the file is empty'
        if is_cut_short(image_bytes):
            return None, (
                'the JPEG is cut short, its end marker is missing '
                f'({len(image_bytes)} bytes)'
            )
        try:
            img = mmcv.imfrombytes(
                image_bytes, flag=self.color_type, backend=self.imdecode_backend
            )
        # What decoders raise for bad bytes; SyntaxError is Pillow's. Anything
        # else, such as an unknown color_type, is no fault of the file.
        except (OSError, SyntaxError, cv2.error) as error:
            return None, f'{type(error).__name__}: {error}'
        if img is None:  # OpenCV's way to refuse
            return None, (
                'the decoder refuses it: it is damaged, cut short '
                f'or not an image ({len(image_bytes)} bytes)'
            )
        return img, ''

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, skip_unreadable={self.skip_unreadable})'
