"""Bytes of an image file to pixels: what is read, and by which rule.

============================  ================================================
What a file holds             What is read of it
============================  ================================================
JPEG, PNG, BMP, WebP, TIFF    decoded by OpenCV
GIF, TIFF with alpha          decoded by Pillow
PPM, PGM, PBM                 as the first row
several frames or pages       the first one; said once
1 bit                         0 and 255
grey                          three equal channels, where colour is asked for
a palette                     its colours
alpha                         is dropped; the colours beneath it stand
16 bits a channel             the upper 8
CMYK, YCbCr                   turned to RGB
colour, where grey is asked   0.299 R + 0.587 G + 0.114 B
an orientation (EXIF)         is followed in every format; with ``as_stored``
                              in none
32 bits a channel, Lab        is refused, by name
more pixels than Pillow       is refused before it is decoded
takes for safe
damaged, cut short, no image  is refused
============================  ================================================

Legend: H, W are height and width in pixels; C is 1 (no axis of its own) or 3.
"""

import io
import warnings
from dataclasses import dataclass

import cv2
import mmcv
import numpy as np
from PIL import Image

IMAGE_SUFFIXES = (
    '.bmp',
    '.gif',
    '.jpeg',
    '.jpg',
    '.pbm',
    '.pgm',
    '.png',
    '.ppm',
    '.tif',
    '.tiff',
    '.webp',
)
COLOR_TYPES = ('color', 'grayscale')  # to which the rules apply
FORMATS = ('BMP', 'GIF', 'JPEG', 'PNG', 'PPM', 'TIFF', 'WEBP')
# of Pillow, as far as a rule above says what becomes of them
MODES = ('1', 'CMYK', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'YCbCr')
JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'
ORIENTATION = 0x0112  # the EXIF and TIFF tag
TURNS = {
    2: lambda img: img[:, ::-1],
    3: lambda img: img[::-1, ::-1],
    4: lambda img: img[::-1],
    5: lambda img: img.swapaxes(0, 1),
    6: lambda img: np.rot90(img, -1),
    7: lambda img: np.rot90(img, 2).swapaxes(0, 1),
    8: lambda img: np.rot90(img),
}
PIXELS = {
    'F': 'floating-point numbers',
    'I': 'integers of 32 bits',
    'LAB': 'Lab colours',
}  # of other modes, in words
INVERSE = {6: 8, 8: 6}  # the others are their own
SIDEWAYS = (5, 6, 7, 8)  # exchange height and width

# Decoders write to the screen by themselves what is said here with the file's name.
# For good: to set a filter aside for a while has other warnings shown anew.
cv2.setLogLevel(0)
warnings.filterwarnings('ignore', module=r'PIL\.')


class UnreadableImageError(Exception):
    """The bytes are no image that is read; says why."""


@dataclass
class Header:
    """What an image file says of itself.

    Args:
        format: Pillow's name.
        mode: Pillow's, of its pixels.
        orientation: 1 (as stored) to 8, as EXIF counts.
        num_frames: Frames or pages.
    """

    format: str
    mode: str
    orientation: int
    num_frames: int


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


def read_header(image_bytes: bytes) -> Header:
    """What an image says of itself; nothing is decoded.

    Raises:
        UnreadableImageError: If it is no image that is read, or too large.
    """
    try:
        image = Image.open(io.BytesIO(image_bytes), formats=FORMATS)
        header = Header(
            'JPEG' if image.format == 'MPO' else image.format,
            image.mode,
            _orientation(image, image_bytes),
            # the other pictures of a JPEG are previews
            1 if image.format == 'MPO' else getattr(image, 'n_frames', 1),
        )
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(
            f'it is too large to be decoded: {str(error).partition(",")[0]}'
        ) from error
    # what Pillow's readers raise for bytes that make no sense
    except Exception as error:
        raise _damaged(image_bytes) from error
    # a PGM of 16 bits, and in some versions a PNG, has the mode of 32
    is_of_16_bits = image.mode.startswith('I;16') or (
        image.mode == 'I' and image.format in ('PNG', 'PPM')
    )
    if image.mode not in MODES and not is_of_16_bits:
        raise UnreadableImageError(
            f'its pixels are {PIXELS.get(image.mode, image.mode)}; '
            'save it with 8 or 16 bits a channel, grey or RGB'
        )
    return header


def _orientation(image: Image.Image, image_bytes: bytes) -> int:
    """1 where there is none, or none that makes sense."""
    try:
        if image.format == 'TIFF':
            value = image.tag_v2.get(ORIENTATION)
        else:
            if image.format == 'PNG' and b'eXIf' in image_bytes:
                image.load()  # the chunk may stand after the pixels
            exif = Image.Exif()
            exif.load(image.info.get('exif') or b'')
            value = exif.get(ORIENTATION)
        return value if value in TURNS else 1
    except Exception:  # of a damaged block, which viewers ignore as well
        return 1


def _damaged(image_bytes: bytes) -> UnreadableImageError:
    return UnreadableImageError(
        'the decoder refuses it: it is damaged, cut short or not an image of a '
        f'kind that is read ({len(image_bytes)} bytes)'
    )


def decode(
    image_bytes: bytes,
    color_type: str = 'color',
    backend: str | None = 'cv2',
    as_stored: bool = False,
) -> tuple[np.ndarray, Header | None]:
    """Pixels of an image file, by the rules above.

    Args:
        image_bytes: The file.
        color_type: 'color' for BGR or 'grayscale'. Another flag of
            :func:`mmcv.imfrombytes` gives what that function makes of it.
        backend: Decoder of :func:`mmcv.imfrombytes`.
        as_stored: Do not follow the orientation.

    Returns:
        The image, (H, W, 3) or (H, W) uint8, and the header; None for that with
        another flag.

    Raises:
        UnreadableImageError: If it is not read.
    """
    if not image_bytes:
        raise UnreadableImageError('the file is empty')
    if is_cut_short(image_bytes):
        raise UnreadableImageError(
            'the JPEG is cut short, its end marker is missing '
            f'({len(image_bytes)} bytes)'
        )
    by_rule = color_type in COLOR_TYPES
    header = read_header(image_bytes) if by_rule else None
    if by_rule and backend != 'turbojpeg':  # which never follows it
        color_type += '_ignore_orientation'
    try:
        if by_rule and (backend == 'pillow' or _is_for_pillow(header)):
            img = _by_pillow(image_bytes, color_type)
        else:
            img = mmcv.imfrombytes(image_bytes, flag=color_type, backend=backend)
    except Exception as error:  # there is nearly none that no decoder raises
        message = ' '.join(str(error).split())
        raise UnreadableImageError(f'{type(error).__name__}: {message}') from error
    if img is None:  # OpenCV's way to refuse
        raise _damaged(image_bytes)
    if not by_rule:
        return img, None
    turn = header.orientation
    if header.format == 'TIFF':  # its decoders turn it, whatever is asked for
        turn = INVERSE.get(turn, turn) if as_stored else 1
    elif as_stored:
        turn = 1
    if turn != 1:
        img = TURNS[turn](img)
    return np.ascontiguousarray(img), header


def _is_for_pillow(header: Header) -> bool:
    """Not every OpenCV reads a GIF; and of a TIFF it multiplies by the alpha."""
    with_alpha = header.mode in ('LA', 'PA', 'RGBA', 'RGBX')
    return header.format == 'GIF' or (header.format == 'TIFF' and with_alpha)


def _by_pillow(image_bytes: bytes, color_type: str) -> np.ndarray:
    image = Image.open(io.BytesIO(image_bytes), formats=FORMATS)
    image.load()
    if image.mode.startswith('I'):  # of 16 bits, which Pillow would clip
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    rgb = image.convert('RGB')
    if color_type.startswith('grayscale'):
        return np.array(rgb.convert('L'))
    return np.array(rgb)[..., ::-1]


def as_picture(img: np.ndarray) -> np.ndarray:
    """What was loaded in whatever way as (H, W, 3) BGR uint8, to draw on.

    Args:
        img: (H, W) or (H, W, C), C being any number, uint8, uint16 or floats from
            0 to 255. Of more than three channels the first three are shown.
    """
    if img.dtype == np.uint16:
        img = img >> 8
    if img.dtype != np.uint8:
        img = np.nan_to_num(img).clip(0, 255).astype(np.uint8)
    if img.ndim == 2:
        img = img[..., None]
    img = img[..., :3] if img.shape[2] >= 3 else img[..., :1].repeat(3, 2)
    return np.ascontiguousarray(img)
