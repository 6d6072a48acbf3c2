"""Contact sheets of a data set: images before and after their pipeline.

Pictures are (H, W, 3) uint8 BGR.
"""

import os.path as osp
from collections.abc import Sequence
from typing import Any

import cv2
import matplotlib
import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from projects.core.files import check_outputs
from projects.core.tasks.browsed import Browsed
from projects.core.tasks.drawing import (
    COLOURS,
    FONT,
    WHITE,
    in_one_line,
    padded,
    write_picture,
)
from projects.core.tasks.pipeline_trace import Source, Stage, as_drawn, described

PLAIN_FONT = f'{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf'
SIDE, STEP_SIDE = 320, 400  # pixels of a panel
ROWS = 6  # of a page; an image of two domains has two
STEP_COLUMNS = 4
PIXELS = 4  # times an image is enlarged, from which on its pixels are shown
GAP = 8  # pixels
LINE = 18  # pixels
HEADING = (225, 225, 225)
DROPPED = (200, 200, 200)
NUM_PARTNERS = 3  # images beside one in its batch
MAX_SHARES = 3  # classes of a mixed label

Line = tuple[str, tuple[int, int, int] | None]  # text, colour behind it (RGB)


class Marks:
    """What is known of an image: here its class.

    Args:
        classes: Names; may be empty.
    """

    unit = 'labels'

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes

    def name(self, label: int) -> str:
        """A class's name, or its number where it has none."""
        known = 0 <= label < len(self.classes)
        return str(self.classes[label]) if known else f'class {label}'

    def draw(self, picture: np.ndarray, stage: Stage, factor: float) -> np.ndarray:
        """Draw on an image that is ``factor`` times as large as it was."""
        return picture

    def lines(self, stage: Stage) -> list[Line]:
        """The class, or the classes; after Mixup and the like with their shares."""
        results = stage.results
        sample = results.get('data_samples')
        score = getattr(sample, 'gt_score', None)
        label = results.get('gt_label', getattr(sample, 'gt_label', None))
        if score is not None:
            best = score.float().topk(min(MAX_SHARES, len(score)))
            shares = [
                (i, value)
                for value, i in zip(*(b.tolist() for b in best), strict=True)
                if value > 0.005
            ]
        elif label is not None:
            values = np.atleast_1d(
                label.cpu().numpy() if isinstance(label, Tensor) else label
            )
            shares = [(int(i), 1.0) for i in values[:MAX_SHARES]]
        else:
            return []
        return [
            (
                self.name(i) + (f', {100 * share:.0f} %' if share < 0.995 else ''),
                COLOURS[i % len(COLOURS)],
            )
            for i, share in shares
        ]

    def count(self, stage: Stage) -> int | None:
        """Objects; None where none are counted."""
        return None


def browse_images(browsed: Browsed, marks: Marks) -> list[str]:
    """Write contact sheets, or with ``steps`` a picture of each image's pipeline.

    Returns:
        The files.

    Raises:
        UserError: If the data set has no pipeline, or a file cannot be written.
    """
    stem = osp.join(browsed.out_dir, browsed.split)
    if browsed.steps:
        files = [f'{stem}_{i}_steps.png' for i in browsed.indices]
    else:
        num_rows = ROWS // 2 if hasattr(browsed.dataset, 'views') else ROWS
        pages = [
            browsed.indices[i : i + num_rows]
            for i in range(0, len(browsed.indices), num_rows)
        ]
        files = [f'{stem}.png', *(f'{stem}_{i + 1}.png' for i in range(1, len(pages)))]
    check_outputs(files, '--out-dir')
    if browsed.steps:
        for index, file in zip(browsed.indices, files, strict=True):
            write_picture(file, _steps_picture(browsed, marks, index), '--out-dir')
        return files
    tally = [0, 0]
    for indices, file in zip(pages, files, strict=True):
        write_picture(file, _page(browsed, marks, indices, tally), '--out-dir')
    if tally[0]:
        lost = tally[0] - tally[1]
        print_log(
            f'{tally[1]} of {tally[0]} {marks.unit} are left after the pipeline, '
            f'{lost} lost ({lost / tally[0]:.1%}); images x draws: '
            f'{len(browsed.indices)} x {browsed.draws}',
            'current',
        )
    return files


def _page(
    browsed: Browsed, marks: Marks, indices: Sequence[int], tally: list[int]
) -> np.ndarray:
    """A row for each view of each image: as loaded, draws, what the model is given."""
    rows: list[list[np.ndarray]] = []
    firsts: list[Stage] = []  # the first draw of each row
    for index in indices:
        source = Source(browsed.dataset, browsed.settings, index)
        browsed.reseed(index, 0)
        for view, info in source.views().items():
            row = []
            for draw in range(browsed.draws):
                browsed.reseed(index, draw)
                stages = source.trace(view, info)
                first, last = _first_with_image(stages), stages[-1]
                if not draw:
                    head = ', '.join(filter(None, (f'image {index}', view)))
                    row.append(_tile(first, marks, SIDE, head))
                    firsts.append(last)
                before = marks.count(first)
                head = f'draw {draw + 1}' if browsed.draws > 1 else 'after the pipeline'
                if before is not None and last.results is not None:
                    after = marks.count(last)
                    head += f': {after} of {before} {marks.unit}'
                    tally[0] += before
                    tally[1] += after
                row.append(_tile(last, marks, SIDE, head))
            rows.append(row)
    browsed.reseed(*indices)
    seen = _as_the_model_sees(browsed, firsts)
    head = 'the model is given' + (', of draw 1' if browsed.draws > 1 else '')
    for row, stage in zip(rows, seen, strict=True):
        if stage is not None:
            row.append(_tile(stage, marks, SIDE, head))
    return stacked(rows)


def _steps_picture(browsed: Browsed, marks: Marks, index: int) -> np.ndarray:
    """A panel for each step of an image's pipeline, and for what the model is given."""
    source = Source(browsed.dataset, browsed.settings, index)
    browsed.reseed(index, 0)
    tiles = []
    for view, info in source.views().items():
        browsed.reseed(index, 0)
        stages = source.trace(view, info)
        name = ', '.join(filter(None, (f'image {index}', view)))
        before, is_begun = None, False
        for number, stage in enumerate(stages):
            if stage.image is None and stage.results is not None:
                continue
            head = f'{number} {stage.name}' if number else stage.name
            if not is_begun:
                head, is_begun = f'{name}: {head}', True
            count = marks.count(stage) if stage.results is not None else None
            note = ''
            if before is not None and count is not None and count < before:
                note = f'{before - count} of {before} {marks.unit} lost here'
            before = count if count is not None else before
            tiles.append(_tile(stage, marks, STEP_SIDE, head, note, settings=True))
        partners = [
            i for i in browsed.others(index, NUM_PARTNERS) if stages[-1].results
        ]
        batch = [stages[-1]]
        for i in partners:
            other = Source(browsed.dataset, browsed.settings, i)
            batch.append(other.trace(*next(iter(other.views().items())))[-1])
        if (stage := _as_the_model_sees(browsed, batch)[0]) is not None:
            head = f'the model is given, in a batch of {1 + len(partners)}'
            tiles.append(_tile(stage, marks, STEP_SIDE, head, settings=True))
    return stacked(
        [tiles[i : i + STEP_COLUMNS] for i in range(0, len(tiles), STEP_COLUMNS)]
    )


def _first_with_image(stages: Sequence[Stage]) -> Stage:
    return next((s for s in stages if s.image is not None), stages[-1])


def _as_the_model_sees(browsed: Browsed, packed: Sequence[Stage]) -> list[Stage | None]:
    """Each sample as the data preprocessor makes it, all of them in a batch."""
    stages: list[Stage | None] = [None] * len(packed)
    places = [i for i, s in enumerate(packed) if 'inputs' in (s.results or {})]
    if not places:
        return stages
    collated = pseudo_collate([packed[i].results for i in places])
    data = browsed.preprocessor(collated, browsed.split == 'train')
    name = type(browsed.preprocessor).__name__
    augments = getattr(browsed.preprocessor, 'batch_augments', None)
    settings = f'{augments}' if augments and browsed.split == 'train' else ''
    for i, place in enumerate(places):
        samples = data.get('data_samples')
        results = dict(inputs=data['inputs'][i], data_samples=samples and samples[i])
        is_rgb = packed[place].is_rgb ^ _swaps_channels(browsed.preprocessor)
        stages[place] = Stage(name, settings, results, is_rgb, packed[place])
    return stages


def _swaps_channels(preprocessor) -> bool:
    """Whether it turns BGR to RGB, or back; mmpretrain's and ours say so in a word,
    mmdet's in another."""
    names = ('to_rgb', '_channel_conversion')
    return any(getattr(preprocessor, name, False) for name in names)


def _tile(
    stage: Stage,
    marks: Marks,
    side: int,
    head: str,
    note: str = '',
    settings: bool = False,
) -> np.ndarray:
    """A panel: a heading, the image with its marks, and what is known of both."""
    if stage.results is None:
        text = f'{stage.name} gave the sample up: the data set draws another one'
        blank = np.full((side, side, 3), DROPPED, np.uint8)
        return captioned_tile(blank, side, head, [(text, None)])
    picture = as_drawn(stage.image, stage.is_rgb)
    factor = side / max(picture.shape[:2])
    enlarged = cv2.resize(
        picture,
        [max(1, round(length * factor)) for length in picture.shape[1::-1]],
        interpolation=cv2.INTER_AREA
        if factor < 1
        else cv2.INTER_NEAREST  # a few pixels are to be seen one by one
        if factor >= PIXELS
        else cv2.INTER_LINEAR,
    )
    drawn = marks.draw(enlarged, stage, factor)
    lines: list[Line] = list(marks.lines(stage))
    if settings and stage.settings:
        lines.append((stage.settings, None))
    lines.append((described(stage.image), None))
    if settings:
        lines += [(text, None) for text in stage.news]
    if note:
        lines.append((note, (250, 170, 150)))
    return captioned_tile(drawn, side, head, lines)


def captioned_tile(
    picture: np.ndarray, width: int, head: str, lines: Sequence[Line]
) -> np.ndarray:
    """A picture between its heading and lines of text, which are wrapped."""
    bold, plain = (ImageFont.truetype(f, 13) for f in (FONT, PLAIN_FONT))
    heads = wrapped(head, bold, width - 8)
    texts = [
        (part, colour, bold if colour else plain)
        for text, colour in lines
        for part in wrapped(text, bold if colour else plain, width - 8)
    ]
    strips = []
    for rows in ([(h, HEADING, bold) for h in heads], texts):
        strip = Image.new('RGB', (width, max(1, LINE * len(rows))), 'white')
        pen = ImageDraw.Draw(strip)
        for i, (text, colour, font) in enumerate(rows):
            y = i * LINE
            if colour:
                pen.rectangle((0, y, width - 1, y + LINE - 2), fill=tuple(colour))
            pen.text((4, y), text, fill='black', font=font)
        strips.append(np.array(strip)[..., ::-1])
    body = padded(picture, 0, width)[:, : max(width, picture.shape[1])]
    wide = body.shape[1]
    return np.vstack([padded(strips[0], 0, wide), body, padded(strips[1], 0, wide)])


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of a text, none longer than ``width`` pixels; a long word is broken."""
    lines, line = [], ''
    for word in in_one_line(text).split(' '):
        while font.getlength(word) > width:
            cut = next(
                n
                for n in range(len(word), 0, -1)
                if n == 1 or font.getlength(word[:n]) <= width
            )
            if line:
                lines.append(line)
                line = ''
            lines.append(word[:cut])
            word = word[cut:]
        longer = f'{line} {word}'.strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line] if line else lines


def stacked(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of pictures on white, one beside and below the other."""
    bands = []
    for row in rows:
        height = max(tile.shape[0] for tile in row)
        bands.append(
            np.hstack([padded(t, height + GAP, t.shape[1] + GAP) for t in row])
        )
    width = max(band.shape[1] for band in bands)
    sheet = np.vstack([padded(band, 0, width) for band in bands])
    return cv2.copyMakeBorder(sheet, GAP, 0, GAP, 0, cv2.BORDER_CONSTANT, value=WHITE)


def class_names(dataset: Any) -> Sequence[str]:
    """Names of a data set's classes; none where it has none."""
    return (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
