"""A sheet of suspects: a row of pictures for each finding, with captions.

Pictures are (H, W, 3) uint8, RGB.
"""

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from projects.core.datasets.decoding import UnreadableImageError, as_picture, decode
from projects.core.datasets.findings import ERROR, MAX_SUSPECTS, Finding, Suspect

FONTS = f'{matplotlib.get_data_path()}/fonts/ttf'
TILE = (216, 162)  # pixels, width and height of a picture
GAP = 12
LINE = 16
HEADING = 30
CAPTION_LINES = 3
MAX_ROWS = 16  # the sheet stays below 4,000 pixels
BOX = (255, 60, 60)


def draw_sheet(findings: list[Finding], as_stored: bool = False) -> np.ndarray | None:
    """The sheet; None where no finding has a picture.

    Args:
        findings: The worst first.
        as_stored: Whether an orientation (EXIF) is not followed.
    """
    shown = [f for f in findings if f.suspects][:MAX_ROWS]
    if not shown:
        return None
    bold = ImageFont.truetype(f'{FONTS}/DejaVuSans-Bold.ttf', 15)
    font = ImageFont.truetype(f'{FONTS}/DejaVuSans.ttf', 12)
    row = HEADING + TILE[1] + CAPTION_LINES * LINE + GAP
    columns = max(len(f.suspects[:MAX_SUSPECTS]) for f in shown)
    width = max(3, columns) * (TILE[0] + GAP) + GAP
    sheet = Image.new('RGB', (width, row * len(shown) + GAP), 'white')
    draw = ImageDraw.Draw(sheet)
    for number, finding in enumerate(shown):
        top = number * row + GAP
        colour = (190, 0, 0) if finding.level == ERROR else (150, 95, 0)
        heading = f'{finding.level}: {finding.kind} ({finding.split})'
        heading = _fitting(heading, width - 2 * GAP, bold)
        draw.text((GAP, top), heading, colour, bold)
        for place, suspect in enumerate(finding.suspects[:MAX_SUSPECTS]):
            left = GAP + place * (TILE[0] + GAP)
            tile = _tile(suspect, as_stored)
            sheet.paste(Image.fromarray(tile), (left, top + HEADING - 6))
            lines = [
                line
                for text in suspect.caption.split('\n')
                for line in _wrapped(text, TILE[0], font)
            ]
            if len(lines) > CAPTION_LINES:
                lines = [*lines[: CAPTION_LINES - 1], f'{lines[CAPTION_LINES - 1]}…']
            for i, line in enumerate(lines):
                y = top + HEADING + TILE[1] - 2 + i * LINE
                draw.text((left, y), line, (30, 30, 30), font)
    return np.asarray(sheet)


def _tile(suspect: Suspect, as_stored: bool) -> np.ndarray:
    """The image with its boxes, as large as fits, on grey."""
    tile = np.full((TILE[1], TILE[0], 3), 225, np.uint8)
    image = suspect.image
    if isinstance(image, str):
        try:
            with open(image, 'rb') as file:
                image = decode(file.read(), as_stored=as_stored)[0]
        except (OSError, ValueError, UnreadableImageError):
            cv2.line(tile, (0, 0), TILE, (160, 160, 160), 1, cv2.LINE_AA)
            cv2.line(tile, (0, TILE[1]), (TILE[0], 0), (160, 160, 160), 1, cv2.LINE_AA)
            return tile
    image = as_picture(image)[..., ::-1]
    height, width = image.shape[:2]
    factor = min(TILE[0] / width, TILE[1] / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = cv2.INTER_NEAREST if factor > 1 else cv2.INTER_AREA
    image = cv2.resize(np.ascontiguousarray(image), size, interpolation=how)
    for x, y, w, h in suspect.boxes:
        corners = np.nan_to_num([x, y, x + w, y + h]) * factor
        x1, y1, x2, y2 = corners.clip(-9999, 9999).round().astype(int).tolist()
        # at least a pixel, and inside where the box ends with the image
        x2, y2 = (max(low + 1, high - 1) for low, high in ((x1, x2), (y1, y2)))
        cv2.rectangle(image, (x1, y1), (x2, y2), (255, 255, 255), 3)
        cv2.rectangle(image, (x1, y1), (x2, y2), BOX, 1)
    top, left = (TILE[1] - size[1]) // 2, (TILE[0] - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = image
    return tile


def _fitting(text: str, width: int, font) -> str:
    """The text; of a long one its end, which tells files apart."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f'…{text}') > width:
        text = text[1:]
    return f'…{text}'


def _wrapped(text: str, width: int, font) -> list[str]:
    """Lines that are not wider, broken at blanks; a long word loses its beginning."""
    text = ''.join(c if c.isprintable() else ' ' for c in text)
    lines: list[str] = []
    for word in text.split():
        longer = f'{lines[-1]} {word}' if lines else ''
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_fitting(word, width, font))
    return lines
