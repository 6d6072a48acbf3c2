"""Foreign layouts of boxes to one COCO file."""

import json
import os
import os.path as osp
import re
from collections import Counter

from mmengine.logging import print_log

from projects.core.datasets.files import twice
from projects.core.errors import UserError, listed
from projects.core.files import check_outputs, output_file
from projects.core.quiet import quiet_libraries
from projects.core.tasks.detection.coco_checks import check_coco
from projects.core.tasks.detection.csv_layout import read_csv
from projects.core.tasks.detection.foreign_layouts import (
    Box,
    Layout,
    Reader,
    files_below,
    json_of,
    lines_of,
    read_labelme,
    read_voc,
    stem,
)
from projects.core.tasks.detection.yolo_layout import NAME_FILES, read_yolo
from projects.core.values import PATH, TEXT, Rule, checked, optional, several

READERS = dict(voc=read_voc, yolo=read_yolo, labelme=read_labelme, csv=read_csv)
FORMAT = Rule(f'one of {listed(READERS)}', lambda v: v in READERS)
# of VOC's lists for one class
VOC_FLAG = re.compile(r'\s+(-1|0|1)$')
BORDER = 0.01  # pixels that a box may reach over the border by rounding


@checked(
    source=PATH,
    out=PATH,
    format=optional(FORMAT),
    images=optional(PATH),
    classes=optional(several(TEXT)),
    split=optional(TEXT),
    names=optional(PATH),
)
def to_coco(
    source: str,
    out: str,
    format: str | None = None,
    images: str | None = None,
    classes: list[str] | None = None,
    split: str | None = None,
    names: str | None = None,
) -> dict:
    """Convert annotations of boxes to a COCO file, and log what became of them.

    Boxes are cut at the border of their image; those without area are left out.

    Args:
        source: Folder of the annotations, or a CSV file.
        out: COCO file to write; it appears whole, after it was checked.
        format: 'voc', 'yolo', 'labelme' or 'csv'; None to see by what is there.
        images: Folder of the images, where it is not that of the layout.
        classes: Classes in the order of their ids, others are left out; None for all,
            in YOLO's own order or in that of the alphabet.
        split: Entry of YOLO's data.yaml.
        names: List of the images that are wanted, one a line, such as VOC's
            ImageSets/Main/train.txt; None for all.

    Returns:
        The COCO document.

    Raises:
        UserError: If something cannot be read, with its file and line, nothing is
            there, or ``out`` cannot be written.
    """
    quiet_libraries()
    if isinstance(classes, str):
        classes = [classes]
    if not out.endswith('.json'):
        raise UserError(f'--out {out}: COCO is JSON; name a file that ends in .json')
    if not osp.exists(source):
        raise UserError(f'there is no {osp.abspath(source)}')
    if images is not None and not osp.isdir(images):
        raise UserError(f'--images {images} is no folder')
    check_outputs([out], '--out')
    format = format or format_of(source)
    if split is not None and format != 'yolo':
        raise UserError(
            f'--split {split}: {format} has no splits; give a list of the images by '
            '--names'
        )
    reader = Reader(source, images, _listed_names(names) if names else None)
    options = dict(split=split) if format == 'yolo' else {}
    layout = READERS[format](reader, **options)
    root = _image_root(layout, reader)
    document = _document(layout, classes, root)
    _write(document, out)
    _log_summary(document, layout, format, out, root)
    return document


def _listed_names(path: str) -> set[str]:
    """Stems of the images in a list; a name may hold blanks."""
    lines = lines_of(path)
    if all(VOC_FLAG.search(line) for line in lines):
        lines = [VOC_FLAG.sub('', line) for line in lines]
    return {stem(line) for line in lines}


def format_of(source: str) -> str:
    """The layout of what lies there.

    Raises:
        UserError: If it is none, or could be several.
    """
    if osp.isfile(source):
        if source.lower().endswith('.csv'):
            return 'csv'
        raise UserError(
            f'{source} is no CSV file; of the other layouts give the folder'
        )
    found = []
    if files_below(source, ('.xml',)):
        found.append('voc')
    texts = files_below(source, ('.txt',))
    has_names = files_below(source, NAME_FILES)
    if has_names or (files_below(source, ('.yaml', '.yml')) and texts):
        found.append('yolo')
    jsons = files_below(source, ('.json',))
    keys = json_of(jsons[0]) if jsons else None
    if isinstance(keys, dict) and 'shapes' in keys:
        found.append('labelme')
    if len(files_below(source, ('.csv',))) == 1:
        found.append('csv')
    if len(found) == 1:
        return found[0]
    if not found and isinstance(keys, dict) and {'images', 'annotations'} <= set(keys):
        raise UserError(f'{jsons[0]} is in COCO format already')
    raise UserError(
        f'{source} holds annotations of {" and ".join(found)}: say which by --format'
        if found
        else f'{source} holds no annotations that are known: neither XML of VOC, nor '
        'text files of YOLO with data.yaml, classes.txt or obj.names, nor JSON of '
        'LabelMe, nor one CSV file'
    )


def _image_root(layout: Layout, reader: Reader) -> str:
    """The deepest folder that holds all images."""
    if not layout.pictures:
        raise UserError(
            f'{reader.source} has no image with annotations; left out: '
            f'{_dropped(layout)}. Give the folder of the images by --images'
        )
    return osp.commonpath(
        [osp.dirname(osp.abspath(picture.path)) for picture in layout.pictures]
    )


def _dropped(layout: Layout) -> str:
    return listed(f'{n} {what}' for what, n in layout.dropped.items())


def _document(layout: Layout, classes: list[str] | None, root: str) -> dict:
    """The COCO document; what is left out is added to ``layout.dropped``."""
    boxes = [box for picture in layout.pictures for box in picture.boxes]
    counts = Counter(box.name for box in boxes)
    names = classes or layout.classes or sorted(counts)
    if again := twice(names):
        raise UserError(f'the class {again[0]} is named twice: {listed(names)}')
    if not any(counts[name] for name in names):
        raise UserError(
            f'no box is of the classes {listed(names)}; there are {listed(counts)}'
        )
    cat_ids = {name: i for i, name in enumerate(names, 1)}
    images, annotations = [], []
    dropped = layout.dropped
    first: dict[str, str] = {}
    reasons: Counter = Counter()

    def note(reason: str, box: Box) -> None:
        first.setdefault(reason, box.where)
        reasons[reason] += 1

    for picture in layout.pictures:
        width, height = picture.size
        if picture.stated not in (None, picture.size):
            layout.resized.append(picture.path)
        images.append(
            dict(
                id=len(images) + 1,
                file_name=osp.relpath(picture.path, root).replace(os.sep, '/'),
                width=width,
                height=height,
            )
        )
        for box in picture.boxes:
            if box.name not in cat_ids:
                note(f'boxes of the class {box.name!r}, which is not wanted', box)
                continue
            x1, y1, x2, y2 = box.corners
            if min(x1, y1) < -BORDER or x2 > width + BORDER or y2 > height + BORDER:
                layout.cut.append(box.where)
            x1, x2 = (min(max(x, 0.0), width) for x in (x1, x2))
            y1, y2 = (min(max(y, 0.0), height) for y in (y1, y2))
            if x2 <= x1 or y2 <= y1:
                note('boxes without area inside of their image', box)
                continue
            # of 64 bits, the last of which is rounding
            bbox = [round(v, 9) for v in (x1, y1, x2 - x1, y2 - y1)]
            area = bbox[2] * bbox[3]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=len(images),
                    category_id=cat_ids[box.name],
                    bbox=bbox,
                    area=area if box.area is None else min(box.area, area),
                    iscrowd=int(box.crowd),
                    segmentation=[box.polygon] if box.polygon else [],
                )
            )
    for reason, count in reasons.items():
        dropped[f'{reason} ({first[reason]})'] += count
    if not annotations:
        raise UserError(f'no box is left: {_dropped(layout)}')
    return dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=i, name=name) for name, i in cat_ids.items()],
    )


def _write(document: dict, out: str) -> None:
    """Write the file; one that no training would take does not appear."""
    names = [category['name'] for category in document['categories']]
    with output_file(out, '--out') as file:
        file.write(json.dumps(document).encode())
        file.flush()
        try:
            notices, _, _ = check_coco(file.name, names, 'train', {})
        except UserError as error:
            raise UserError(str(error).replace(file.name, out)) from error
    for notice in notices:
        print_log(notice.replace(file.name, out), 'current')


def _log_summary(
    document: dict, layout: Layout, format: str, out: str, root: str
) -> None:
    annotations = document['annotations']
    names = [category['name'] for category in document['categories']]
    crowds = sum(ann['iscrowd'] for ann in annotations)
    with_box = {ann['image_id'] for ann in annotations}
    lines = [
        f'{out}: {len(document["images"])} images '
        f'({len(document["images"]) - len(with_box)} without box), '
        f'{len(annotations)} boxes, {len(names)} classes ({listed(names)}), from '
        f'{format}'
    ]
    if crowds:
        lines.append(f'  {crowds} difficult boxes are crowds (iscrowd=1)')
    lines += [f'  left out: {count} {what}' for what, count in layout.dropped.items()]
    if layout.cut:
        lines.append(
            f'  cut at the border of the image: {len(layout.cut)} boxes '
            f'({layout.cut[0]})'
        )
    if layout.resized:
        lines.append(
            f'  {len(layout.resized)} images are of another size than their '
            f'annotations state ({layout.resized[0]}): see whether the boxes fit'
        )
    lines.append(
        'For a config (or val, or test):\n'
        f'  data_root = {osp.dirname(osp.abspath(out)) + "/"!r}\n'
        f'  train = dict(ann_file={osp.basename(out)!r}, img={root + "/"!r})'
    )
    print_log('\n'.join(lines), 'current')
