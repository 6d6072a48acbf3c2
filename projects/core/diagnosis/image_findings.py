"""What the images of a data set are found to be, as findings."""

from collections import Counter
from itertools import combinations

import numpy as np

from projects.core.datasets.findings import (
    ERROR,
    MAX_SUSPECTS,
    WARNING,
    Finding,
    SplitOfData,
    Suspect,
    some_of,
)
from projects.core.diagnosis.duplicates import near_groups, same_groups
from projects.core.diagnosis.image_scan import Scan, is_blank, turned_sideways
from projects.core.errors import listed


def findings_of_split(part: SplitOfData, scan: Scan) -> list[Finding]:
    """Images that cannot be read, are of another size, turned or blank."""
    rows = [(i, error) for i, error in enumerate(scan.errors) if error]
    reasons = Counter(error.partition(' (')[0] for _, error in rows)
    findings = _finding(
        part,
        [i for i, _ in rows],
        ERROR,
        'unreadable images',
        'cannot be read: '
        + listed(f'{reason} ({num})' for reason, num in reasons.most_common()),
        'Restore the files, or take them out of the data',
        lambda i: scan.errors[i],
    )
    findings += _sizes(part, scan)
    return findings + _finding(
        part,
        np.flatnonzero(is_blank(scan)).tolist(),
        WARNING,
        'blank images',
        'are of a single colour',
        'Take them out, unless they are meant as pictures of nothing',
    )


def _finding(
    part: SplitOfData, rows: list[int], level, kind, text, advice, caption=None
) -> list[Finding]:
    if not rows:
        return []
    return [
        Finding(
            level,
            kind,
            part.split,
            f'{len(rows):,} of {len(part.images):,} images {text} '
            f'({listed((part.names[i] for i in rows), 3)})',
            advice,
            [part.names[i] for i in rows],
            [
                Suspect(
                    part.images[i],
                    part.names[i] + (f'\n{caption(i)}' if caption else ''),
                )
                for i in some_of(rows)
            ],
        )
    ]


def _sizes(part: SplitOfData, scan: Scan) -> list[Finding]:
    """Stated sizes, and orientations, against the files'."""
    readable = np.array([not error for error in scan.errors], bool)
    stated = part.sizes
    known = readable & np.isfinite(stated).all(1)
    sideways = turned_sideways(scan)
    as_stored = part.as_stored is True
    # an orientation that is not followed leaves the image as it is stored
    loaded = np.where((sideways & as_stored)[:, None], scan.sizes[:, ::-1], scan.sizes)
    off = known & (loaded != stated).any(1)
    by_turn = off & sideways & (loaded[:, ::-1] == stated).all(1)
    # by the size alone it cannot be told whether the boxes are of the turned image
    open_ = (
        readable
        & (scan.orientations != 1)
        & ~off
        & (~known | ~sideways | (loaded[:, 0] == loaded[:, 1]))
        & (part.as_stored is None)
    )

    def sizes_in_words(i: int) -> str:
        width, height = loaded[i]
        return f'{width} x {height}, stated {stated[i, 0]:.0f} x {stated[i, 1]:.0f}'

    return (
        _finding(
            part,
            np.flatnonzero(off & ~by_turn).tolist(),
            ERROR,
            'mis-sized images',
            'are of another size than the annotations state',
            'Their boxes do not lie on the objects, and a run stops at the first: '
            'restore the files that were annotated, or correct width, height and boxes',
            sizes_in_words,
        )
        + _finding(
            part,
            np.flatnonzero(by_turn).tolist(),
            ERROR,
            'rotated images',
            'bear an orientation (EXIF), and are annotated '
            + ('as turned by it' if as_stored else 'as they are stored'),
            ('Leave as_stored=True out of' if as_stored else 'Set as_stored=True of')
            + ' projects.LoadImageFromFile in the pipelines of training and of tests, '
            'or save the images without it',
            sizes_in_words,
        )
        + _finding(
            part,
            np.flatnonzero(open_).tolist(),
            WARNING,
            'rotated images',
            'bear an orientation (EXIF), which is followed',
            'Look whether they (and boxes) stand upright; other tools may not follow '
            'it: save the images turned and without it, or say as_stored=True or False '
            'of projects.LoadImageFromFile'
            if known.any()
            else 'Other tools may not follow it: save the images turned and without it',
            lambda i: f'orientation {scan.orientations[i]}',
        )
    )


class _Images:
    """The images of all parts, one after the other."""

    def __init__(self, parts: list[SplitOfData]) -> None:
        self.files = [image for part in parts for image in part.images]
        self.names = [name for part in parts for name in part.names]
        self.splits = [part.split for part in parts for _ in part.images]
        self.labels = [
            label for part in parts for label in part.labels or [''] * len(part.images)
        ]

    def name_of(self, i: int, with_split: bool) -> str:
        """Name of an image, which may be the same in two splits."""
        return f'{self.splits[i]} {self.names[i]}' if with_split else self.names[i]

    def by_place(self, groups: list[list[int]]) -> dict[tuple, list[list[int]]]:
        """Groups between two splits, of two classes ('torn') and within a split."""
        found: dict[tuple, list[list[int]]] = {}
        for group in groups:
            splits = list(dict.fromkeys(self.splits[i] for i in group))
            for pair in combinations(splits, 2):
                both = [i for i in group if self.splits[i] in pair]
                found.setdefault(('between', ', '.join(pair)), []).append(both)
            for split in splits:
                inside = [i for i in group if self.splits[i] == split]
                torn = len({self.labels[i] for i in inside}) > 1
                if len(inside) > 1:
                    key = ('torn' if torn else 'within', split)
                    found.setdefault(key, []).append(inside)
        return found


def duplicate_findings(parts: list[SplitOfData], scan: Scan) -> list[Finding]:
    """Images that are there more than once.

    Args:
        scan: Of the images of all parts, one after the other.
    """
    images = _Images(parts)
    same = same_groups(scan)
    first = {i: group[0] for group in same for i in group}
    # of the very same ones the first stands for all
    near = [sorted({first.get(i, i) for i in group}) for group in near_groups(scan)]
    near = [group for group in near if len(group) > 1]
    return [
        _duplicates(images, kind, where, found, exact)
        for exact, groups in ((True, same), (False, near))
        for (kind, where), found in images.by_place(groups).items()
    ]


def _duplicates(
    images: _Images, kind: str, where: str, groups: list[list[int]], exact: bool
) -> Finding:
    num = sum(map(len, groups))
    shown = [i for g in groups[: MAX_SUSPECTS // 2] for i in (g[0], _other(g, images))]
    example = ' = ' if exact else ' ~ '
    with_split = kind == 'between'
    some = listed(
        (example.join(images.name_of(i, with_split) for i in g[:3]) for g in groups), 2
    )
    alike = 'the same pixels' if exact else 'nearly the same picture'
    near = '' if exact else 'near-'
    if kind == 'between':
        name, level = f'leakage by {near}duplicates', ERROR
        two = where.replace(', ', ' and ')
        torn = sum(len({images.labels[i] for i in group}) > 1 for group in groups)
        text = f'{num:,} images are in {two}, {alike} ({some})'
        text += f'; {torn:,} of the groups are of several classes' if torn else ''
        advice = (
            'What is validated was trained on, and scores are too good: take them out '
            'of one, and split by scene, video or person rather than by image'
        )
    elif kind == 'torn':
        name, level = f'{near}duplicates of two classes', ERROR if exact else WARNING
        text = f'{num:,} images have {alike} and different classes ({some})'
        advice = 'Keep each in one class: no model can learn both'
    else:
        name, level = f'{near}duplicates', WARNING
        text = f'{num:,} images have {alike} as another ({some})'
        advice = 'Keep one of each group: the others count it twice'
    return Finding(
        level,
        name,
        where,
        text,
        advice,
        [[images.name_of(i, with_split) for i in group] for group in groups],
        [Suspect(images.files[i], _caption(i, images)) for i in shown],
    )


def _caption(i: int, images: _Images) -> str:
    label = f', {images.labels[i]}' if images.labels[i] else ''
    return f'{images.names[i]}\n{images.splits[i]}{label}'


def _other(group: list[int], images: _Images) -> int:
    """One of a group that is most unlike the first: of another split or class."""
    traits = [(images.splits[i], images.labels[i]) for i in group]
    return next(
        (i for i, t in zip(group, traits, strict=True) if t != traits[0]), group[1]
    )
