"""Annotations in the COCO format, and the images that they are of, in a folder."""

import os.path as osp
import re
from collections.abc import Iterator
from typing import NamedTuple

from projects.core.datasets.coco_json import read_tables
from projects.core.datasets.own_data.places import WORDS, Place, entries_below, there
from projects.core.errors import UserError, listed

DEPTH = 2  # folders below data_root in which annotations are looked for
IMAGE_DEPTH = 4  # and images
IMAGE_FOLDERS = ('images', 'img', 'imgs', 'JPEGImages', 'data', 'image')
# of COCO's other tasks, with categories of the same names
OTHERS = re.compile('(captions|image_info|panoptic|person_keypoints|stuff)_')
SAMPLES = 8  # images by which a folder is recognised


class Annotations(NamedTuple):
    """An annotation file, its image folder (both below ``data_root``) and content.

    ``categories`` are in the order of the file, by which mmdet numbers the labels;
    ``unused`` are those without a box.
    """

    ann_file: str
    img: str
    categories: list[str]
    unused: list[str]
    num_images: int


def wanted(split: str) -> str:
    """What is looked for of a split, in words."""
    first, *others = WORDS[split]
    return (
        f'annotations/instances_{first}*.json, annotations/{first}*.json, '
        f'{first}*.json, {first}/*.json'
        + ''.join(f' (or {word})' for word in others[:1])
    )


def _ranks(path: str, word: str) -> Iterator[bool]:
    """Whether a file is of the split that goes by ``word``: from sure to likely."""
    folder, name = osp.split(path.lower())
    stem, parent = osp.splitext(name)[0], osp.basename(folder)
    yield parent == 'annotations' and stem.startswith(f'instances_{word}')
    begins = re.match(f'{word}(?![a-z])', stem) is not None
    yield parent in ('annotations', '') and begins
    yield stem.startswith(f'instances_{word}')
    yield parent == word and name == '_annotations.coco.json'
    yield re.match(f'{word}(?![a-z])', parent) is not None and not OTHERS.match(stem)
    has = re.search(f'(?<![a-z]){word}(?![a-z])', stem) is not None
    yield has and not OTHERS.match(stem)


def _of_split(files: list[str], split: str) -> list[str]:
    """The files that are of a split by their names, as sure as they can be."""
    ranked = [
        (rank, file)
        for file in files
        for word in WORDS[split]
        for rank, fits in enumerate(_ranks(file, word))
        if fits
    ]
    best = min((rank for rank, _ in ranked), default=None)
    return sorted({file for rank, file in ranked if rank == best})


def json_files(root: str) -> list[str]:
    """Files of JSON in a folder, below it."""
    return [
        osp.join(folder, name)
        for folder, _, names in entries_below(root, DEPTH)
        for name in names
        if name.lower().endswith('.json')
    ]


def find_annotations(root: str, split: str, place: Place) -> Annotations | None:
    """The annotations of a split.

    Args:
        root: ``data_root``.
        split: 'train', 'val' or 'test'.
        place: What the config says of it.

    Returns:
        Annotations: None if there are none, and ``place`` names no file.

    Raises:
        UserError: If several files could be meant, one is no annotation file, or its
            images are not found.
    """
    ann_file = place.ann_file
    if ann_file is None:
        files = json_files(root)
        found = _of_split(files, split)
        if len(found) > 1:
            raise UserError(
                f"data_root = '{root}': {listed(found)} could all be the annotations "
                f"for {split}; choose one, {split}='{found[0]}'"
            )
        named = {f for s in WORDS for f in _of_split(files, s)}
        if not found and split == 'train' and len(files) == 1 and not named:
            found = files
        if not found:
            return None
        ann_file = found[0]
    path = osp.join(root, ann_file)
    folder = osp.dirname(path)
    if not osp.isfile(path):
        raise UserError(
            f"{split}='{ann_file}' in the config: there is no annotation file "
            f'{path}; {there(folder if osp.isdir(folder) else root)}'
        )
    data, _ = read_tables(path, split, read_mask=lambda mask: None)
    used = {_field(row, 'category_id') for row in data.get('annotations') or ()}
    categories = {str(_field(c, 'name')): _field(c, 'id') for c in data['categories']}
    img = place.img
    if img is None:
        names = [_field(row, 'file_name') for row in data['images']]
        img = _image_folder(root, ann_file, [str(name) for name in names])
    return Annotations(
        ann_file,
        img,
        list(categories),
        [name for name, id_ in categories.items() if id_ not in used],
        len(data['images']),
    )


def _field(row, name: str):
    """A field of a row, of which the checks say later what is wrong with it."""
    value = row.get(name) if isinstance(row, dict) else None
    return value if isinstance(value, (str, int)) else None


def _image_folder(root: str, ann_file: str, names: list[str]) -> str:
    """The folder below ``root`` from which the names of the images lead to files."""
    step = max(1, len(names) // SAMPLES)
    samples = names[::step][:SAMPLES]
    folders = list(dict.fromkeys(_image_folders(root, ann_file)))
    best, most = '', 0
    for folder in folders:
        num = sum(osp.isfile(osp.join(root, folder, name)) for name in samples)
        if num > most:
            best, most = folder, num
        if num == len(samples):
            break
    if samples and not most:
        looked = [f'{folder}/' if folder else './' for folder in folders]
        raise UserError(
            f'{osp.join(root, ann_file)} names the image {samples[0]}, which is in no '
            f'folder of {root} (looked in {listed(looked, 8)}); '
            "name the folder of the images, as in train=dict(img='...'), or restore "
            'the files'
        )
    return f'{best}/' if best else ''


def _image_folders(root: str, ann_file: str) -> Iterator[str]:
    """Folders that could hold the images, the likeliest first: another split may have
    images of the same names."""
    folder, name = osp.split(ann_file)
    stem = re.sub('^instances_', '', osp.splitext(name)[0])
    words = [stem]
    for split_words in WORDS.values():
        if any(word in re.split('[^a-z]+', stem.lower()) for word in split_words):
            words += split_words
    if folder.lower() not in ('', 'annotations'):
        yield folder
        for images in IMAGE_FOLDERS:
            yield osp.join(folder, images)
    for word in words:
        yield word
        for images in IMAGE_FOLDERS:
            yield osp.join(images, word)
            yield osp.join(word, images)
    yield from IMAGE_FOLDERS
    yield ''
    for below, _, _ in entries_below(root, IMAGE_DEPTH):
        yield below
