"""Checks of data in VOC's format: a list of images, and an XML of each.

mmdet's XMLDataset parses every XML before a training begins; so does the check, at
about a second for 5,000 of them. What mmdet does with a flaw is stated as that
class does it: it keeps all boxes of the classes of the config, as they are, and
leaves out objects of other names.

Legend: I images, N boxes; corners are xyxy in pixels, counted from 1.
"""

import os.path as osp
import re
import reprlib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Container

import numpy as np

from projects.core.datasets.files import (
    CONTROL,
    files_in,
    read_lines,
    twice,
    what_is_there,
)
from projects.core.errors import UserError, listed
from projects.core.tasks.detection.box_checks import (
    LARGEST,
    box_notices,
    check_filter,
    flaws_of,
)


class MissingFilesError(UserError):
    """Files of some names of a list are missing, without which the rest can be read.

    Args:
        message: For the user.
        path: The list.
        names: Those whose files are missing.
    """

    def __init__(self, message: str, path: str, names: list[str]) -> None:
        super().__init__(message)
        self.path = path
        self.names = names


CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


def check_voc(
    dataset: dict,
    paths: dict[str, str],
    classes: list[str],
    split: str,
    folders: dict[str, set[str]],
    unsound: Container[str] = (),
) -> list[str]:
    """Notices on a list of images, whose XML and JPEG files must be there.

    Args:
        dataset: Of the config.
        paths: Its ``ann_file`` and ``sub_data_root``, joined with data_root.
        classes: Those of the config.
        split: 'train', 'val' or 'test'.
        folders: Listings so far.
        unsound: Names that are left out.

    Raises:
        UserError: At the first flaw with which a run is impossible or wrong.
    """
    path = paths['ann_file']
    names = [name for name in image_names(path) if name not in unsound]
    xml_folder, image_folder = voc_folders(dataset, paths)
    for folder, suffix, what in (
        (xml_folder, '.xml', 'XML files'),
        (image_folder, '.jpg', 'images'),
    ):
        _check_files(path, names, folder, suffix, what, folders)
    repeated = twice(names)
    notices = []
    if repeated:
        notices.append(
            f'{path}: {len(repeated)} names stand there twice ({listed(repeated, 3)}): '
            'these images are trained on or counted as often'
        )
    xmls = [VocXml(osp.join(xml_folder, f'{name}.xml'), classes) for name in names]
    counts = Counter()
    for xml in xmls:
        counts.update(xml.names)
    notices += _check_names(path, counts, classes, split)
    sizes = np.array([xml.size for xml in xmls], np.float64)  # (I, 2)
    has_boxes = np.array([bool(xml.boxes) for xml in xmls])
    if has_boxes.any():
        notices += _check_boxes(path, xmls, sizes, split)
    if split == 'train':
        filter_cfg = dataset.get('filter_cfg') or {}
        notices += check_filter(path, sizes, has_boxes, filter_cfg)
    return notices


def voc_folders(dataset: dict, paths: dict[str, str]) -> tuple[str, str]:
    """Folders of the XMLs and of the images, see :func:`check_voc`.

    mmdet joins both to sub_data_root, and data_root only to that.
    """
    prefix = paths.get('sub_data_root', '')
    return (
        osp.join(prefix, dataset.get('ann_subdir', 'Annotations')),
        osp.join(prefix, dataset.get('img_subdir', 'JPEGImages')),
    )


def image_names(path: str) -> list[str]:
    """Names of images in a list, one a line.

    Raises:
        UserError: If it cannot be read, or holds another thing.
    """
    names = read_lines(path)
    if not names:
        raise UserError(f'{path} is empty; it must name one image per line')
    for number, name in enumerate(names, 1):
        if not name.strip() or CONTROL.search(name):
            raise UserError(
                f'{path}, line {number} is {name!r}; it must be the name of an '
                'image without its suffix, and nothing else'
            )
    return names


def _check_files(
    path: str,
    names: list[str],
    folder: str,
    suffix: str,
    what: str,
    folders: dict[str, set[str]],
) -> None:
    missing = []
    for name in names:
        parent, base = osp.split(osp.join(folder, name + suffix))
        if base not in files_in(parent, folders):
            missing.append(name)
    if not missing:
        return
    first = missing[0] + suffix
    stem, end = osp.splitext(missing[0].strip())
    if re.fullmatch(r'\S+\s+-?[01]\s*', missing[0]):
        hint = (
            'Each line is a name and a flag, as in the lists that VOC has for single '
            'classes; take the list of a whole split, such as '
            'ImageSets/Main/trainval.txt'
        )
    elif end.lower() in ('.jpg', '.jpeg', '.png', '.xml'):
        hint = f'Names in the list have no suffix: write {stem}'
    elif missing[0] != missing[0].strip():
        hint = f'Remove the blanks around the name, {missing[0]!r}'
    else:
        hint = (
            'Set data_root and data_prefix=dict(sub_data_root=...) of the '
            'dataset, or restore the files'
        )
    raise MissingFilesError(
        f'{len(missing)} of {len(names)} {what} of {path} are missing '
        f'in {osp.abspath(folder)}, e.g. {first}: '
        f'{what_is_there(*osp.split(osp.join(folder, first)))}. {hint}',
        path,
        missing,
    )


class VocXml:
    """What mmdet reads of an annotation.

    ``size`` is (W, H), NaN where the file has none; ``names`` those of all
    objects; ``boxes`` corners, whether to ignore it, and the number in the file,
    of each object of the classes.
    """

    def __init__(self, path: str, classes: list[str]) -> None:
        self.path = path
        try:
            root = ET.parse(path).getroot()
        except ET.ParseError as error:
            raise UserError(
                f'{path} is not valid XML: {error}; make or copy it again'
            ) from error
        except OSError as error:
            raise UserError(f'{path} cannot be read: {error.strerror}') from error
        except (LookupError, ValueError) as error:
            raise UserError(f'{path} is in an unknown encoding: {error}') from error
        size = root.find('size')
        self.size = (np.nan, np.nan)  # mmdet opens the image then
        if size is not None:
            self.size = tuple(
                self._number(size, key, 'size', int, 'a whole number, 1 or more', 1)
                for key in ('width', 'height')
            )
        self.names, self.boxes = [], []
        for number, obj in enumerate(root.findall('object'), 1):
            where = f'object {number}'
            self.names.append(self._text(obj, 'name', where))
            if self.names[-1] not in classes:
                continue
            box = obj.find('bndbox')
            if box is None:
                raise UserError(f'{path}: {where} has no <bndbox>')
            corners = [
                self._number(
                    box, key, f'bndbox of {where}', lambda t: int(float(t)), 'a number'
                )
                for key in CORNERS
            ]
            ignored = obj.find('difficult') is not None and self._number(
                obj, 'difficult', where, int, '0 or 1'
            )
            self.boxes.append((corners, bool(ignored), number))

    def _text(self, parent: ET.Element, key: str, where: str) -> str | None:
        element = parent.find(key)
        if element is None:
            raise UserError(f'{self.path}: {where} has no <{key}>')
        return element.text

    def _number(
        self,
        parent: ET.Element,
        key: str,
        where: str,
        read: Callable[[str], int],
        must_be: str,
        least: int = -LARGEST,
    ) -> float:
        text = self._text(parent, key, where)
        try:
            number = float(read(text or ''))
        except (ValueError, OverflowError):
            number = np.nan
        if not least <= number < LARGEST:
            raise UserError(
                f'{self.path}: <{key}> of {where} is {reprlib.repr(text)}; it must be '
                f'{must_be}'
            )
        return number


def boxes_of_corners(corners: list) -> np.ndarray:
    """(N, 4) xywh, in pixels from 0, of VOC's corners."""
    boxes = np.array(corners, np.float64).reshape(-1, 4)
    boxes[:, :2] -= 1  # both corners are inside of the box
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _check_names(
    path: str, counts: Counter, classes: list[str], split: str
) -> list[str]:
    """Notice on objects that are of no class of the config."""
    total = sum(counts.values())
    matched = sum(counts[name] for name in classes)
    others = [(name, count) for name, count in counts.most_common()]
    others = [(name, count) for name, count in others if name not in classes]
    alike = {name.strip().casefold(): name for name in classes}
    close = [
        f'{name!r} for {alike[name.strip().casefold()]!r}'
        for name, _ in others
        if name and name.strip().casefold() in alike
    ]
    hint = f'; written otherwise are {listed(close)}' if close else ''
    if split == 'train' and not matched:
        raise UserError(
            f'none of the {total} objects in the XML files of {path} is of a class of '
            f'the config: the files have {listed(map(repr, counts))}, the config has '
            f'{listed(classes)}{hint}. Set metainfo=dict(classes=...) of the dataset '
            'to the names in the files, and num_classes of the head to their number'
        )
    if matched == total:
        return [] if total else [f'{path}: no XML file holds an object, mAP will be 0']
    left_out = listed(f'{name!r} ({count})' for name, count in others)
    return [
        f'{path}: {matched} of {total} objects are of a class of the config; left '
        f'out: {left_out}{hint}'
    ]


def _check_boxes(
    path: str, xmls: list[VocXml], sizes: np.ndarray, split: str
) -> list[str]:
    """Notices on the boxes of our classes."""
    names, corners, ignored, image_of = [], [], [], []
    for i, xml in enumerate(xmls):
        for box, is_ignored, number in xml.boxes:
            names.append(f'{osp.basename(xml.path)} object {number}')
            corners.append(box)
            ignored.append(is_ignored)
            image_of.append(i)
    boxes = boxes_of_corners(corners)
    flaws = flaws_of(boxes, np.ones(len(boxes)), sizes[image_of])
    reversed_ = (boxes[:, 2:] <= 0).any(1)
    unsound = reversed_ | flaws['outside']
    if split == 'train' and (unsound | np.array(ignored)).all():
        raise UserError(
            f'{path}: none of the {len(names)} boxes can be trained on: '
            f'{reversed_.sum()} have xmax < xmin or ymax < ymin, '
            f'{flaws["outside"].sum()} lie outside the image, '
            f'{sum(ignored)} are marked as difficult'
        )
    fate = 'mmdet takes them as they are, fix the files'
    return box_notices(
        path,
        names,
        [
            (reversed_, 'have xmax < xmin or ymax < ymin', fate),
            (flaws['outside'], 'lie wholly outside the image', fate),
            (
                flaws['over'],
                'reach over the border of the image',
                "clipped by mmdet's Resize"
                if split == 'train'
                else 'the evaluation takes them as they are',
            ),
        ],
        'in',
    )
