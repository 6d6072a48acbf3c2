"""Sound data to plant flaws in, and flaws of COCO's files and their images."""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from projects.core.diagnosis.check_data import check_data


def picture(seed, width=80, height=60):
    """Soft blotches, (H, W, 3) uint8: no two seeds look alike."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


class Coco:
    """Twelve images, each with a cat and a dog; one has a crowd of dogs."""

    def __init__(self, root, seed=0):
        self.root, self.folder = root, root / 'images'
        self.folder.mkdir(parents=True)
        self.data = dict(images=[], annotations=[], categories=[dict(id=1, name='cat')])
        self.data['categories'].append(dict(id=2, name='dog'))
        for i in range(12):
            name = f'{i}.png'
            cv2.imwrite(str(self.folder / name), picture(100 * seed + i))
            self.data['images'].append(dict(id=i, file_name=name, width=80, height=60))
            self.add(i, 1, [5 + i, 5, 20, 30])
            self.add(i, 2, [40, 10 + i, 25.5, 20])
        self.boxes[0].update(iscrowd=1, segmentation=dict(counts=[9], size=[60, 80]))

    @property
    def boxes(self):
        return self.data['annotations']

    def add(self, image, category, bbox, **more):
        x, y, w, h = bbox
        # a rhomb, of half the box's area
        rhomb = [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]
        row = dict(id=len(self.boxes) + 1, image_id=image, category_id=category)
        row.update(bbox=bbox, area=w * h / 2, iscrowd=0, segmentation=[rhomb])
        self.boxes.append({**row, **more})

    def file(self, i):
        return str(self.folder / f'{i}.png')

    def check(self, **options):
        path = self.root / 'train.json'
        path.write_text(json.dumps(self.data))
        return check_data(str(path), str(self.folder), **options)


def twice(coco):
    coco.add(3, 1, [8, 5, 20, 30])


def of_two_classes(coco):
    coco.add(3, 2, [8, 5, 20, 30])


def whole_image(coco):
    coco.add(3, 2, [0, 0, 80, 60])


def corners(coco):
    for row in coco.boxes:
        x, y, w, h = row['bbox']
        row['bbox'] = [x, y, x + w, y + h]


def too_large_area(coco):
    coco.boxes[5]['area'] = 700


def area_of_box(coco):
    for row in coco.boxes:
        row['area'] = row['bbox'][2] * row['bbox'][3]


def area_of_another_scale(coco):
    for row in coco.boxes:
        row['area'] /= 4


def masks_of_another_scale(coco):
    for row in coco.boxes[1:]:
        row['segmentation'] = [[v * 2 for v in row['segmentation'][0]]]


def crowd_by_polygon(coco):
    coco.boxes[5]['iscrowd'] = 1


def crowds(coco):
    for row in coco.boxes[:8]:
        row.update(iscrowd=1, segmentation=dict(counts=[9], size=[60, 80]))


def rare_class(coco):
    for row in coco.boxes[2:]:
        row['category_id'] = 2


def empty_class(coco):
    coco.data['categories'].append(dict(id=3, name='cow'))


def cut_short(coco):
    data = cv2.imencode('.jpg', picture(4))[1].tobytes()
    Path(coco.file(4)).write_bytes(data[: len(data) // 2])


def cut_short_png(coco):
    data = Path(coco.file(4)).read_bytes()
    Path(coco.file(4)).write_bytes(data[: len(data) // 2])


def no_image(coco):
    Path(coco.file(4)).write_text('<html>not found</html>')


def another_size(coco):
    cv2.imwrite(coco.file(4), picture(4, 60, 60))


def turned(coco, orientation=6, size=(80, 60)):
    """As a camera held upright writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(4, *size)).save(coco.file(4), exif=exif)


def upside_down(coco):
    turned(coco, orientation=3)


def blank(coco):
    cv2.imwrite(coco.file(4), np.full((60, 80, 3), 77, np.uint8))


def same_image(coco):
    Path(coco.file(4)).write_bytes(Path(coco.file(9)).read_bytes())


def other_format(coco):
    """The same pixels in other bytes."""
    cv2.imwrite(coco.file(4), picture(9), [cv2.IMWRITE_PNG_COMPRESSION, 0])


def compressed(coco):
    data = cv2.imencode('.jpg', picture(9), [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    Path(coco.file(4)).write_bytes(data.tobytes())


def missing(coco):
    Path(coco.file(4)).unlink()


def text_for_a_number(coco):
    coco.boxes[5]['bbox'][0] = '5'


def id_twice(coco):
    coco.boxes[5]['id'] = coco.boxes[6]['id']


def unknown_image(coco):
    coco.boxes[5]['image_id'] = 77


def outside(coco):
    coco.boxes[5]['bbox'][0] += 200
    coco.boxes[5]['segmentation'] = None


class Folders:
    """Two classes of twelve images in train, of four in val."""

    def __init__(self, root):
        self.root = root
        seed = 1000
        for split, num in (('train', 12), ('val', 4)):
            for name in ('cat', 'dog'):
                folder = root / split / name
                folder.mkdir(parents=True)
                for i in range(num):
                    seed += 1
                    cv2.imwrite(str(folder / f'{i}.jpg'), picture(seed))

    def copy(self, one, other):
        (self.root / other).write_bytes((self.root / one).read_bytes())


def found(diagnosis):
    return {(f.level, f.kind, f.split) for f in diagnosis.findings}
