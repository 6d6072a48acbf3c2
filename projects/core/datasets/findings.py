"""What a look over data finds, whatever kind the data are of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: spoils results, or ends a run: status 1 of the tool
ERROR = 'error'
#: may lower results: to be looked at
WARNING = 'warning'
LEVELS = (ERROR, WARNING)
# tiles of a finding, a row of the contact sheet
MAX_SUSPECTS = 6


def some_of(rows: Sequence[int]) -> list[int]:
    """At most :data:`MAX_SUSPECTS` rows from all over."""
    num = min(len(rows), MAX_SUSPECTS)
    places = np.linspace(0, len(rows) - 1, num).astype(int)
    return np.asarray(rows, int)[places].tolist()


@dataclass
class Suspect:
    """An image to look at.

    Args:
        image: Its file, or the image itself, (H, W) or (H, W, 3) BGR uint8.
        caption: A line or two.
        boxes: xywh, in pixels of the image as the model is given it.
    """

    image: str | np.ndarray
    caption: str
    boxes: list = field(default_factory=list)


@dataclass
class Finding:
    """A flaw of data.

    Args:
        level: :data:`ERROR` or :data:`WARNING`.
        kind: What it is, in two words or three.
        split: Where: 'train', 'val', 'test', or 'train, val' of what is between them.
        text: What was found, in a sentence, with the numbers.
        advice: What to do.
        names: Of the images or boxes; a list of names for those that belong together.
        suspects: Some to look at.
    """

    level: str
    kind: str
    split: str
    text: str
    advice: str = ''
    names: list = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The finding without its pictures."""
        shown = {k: v for k, v in vars(self).items() if k != 'suspects'}
        return {**shown, 'count': len(self.names)}


@dataclass
class SplitOfData:
    """The images of a split, and what is known of them before they are read.

    Args:
        split: 'train', 'val' or 'test'.
        images: I files, or I images, (H, W) or (H, W, C) uint8; empty where the
            folder of the images is not known.
        names: I, as messages show them.
        sizes: (I, 2) width and height that the annotations state; NaN where they
            state none.
        labels: Class of each image; empty where one may be of several.
        as_stored: Whether an orientation (EXIF) is not followed; None where the
            config leaves that open, and it is.
        facts: What was counted, by name.
    """

    split: str
    images: list
    names: list[str]
    sizes: np.ndarray
    labels: list[str] = field(default_factory=list)
    as_stored: bool | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Examination:
    """What a task found before the images are read, and the images."""

    splits: list[SplitOfData]
    findings: list[Finding]
