"""Each flaw is planted in sound data and named; sound data have no finding."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from large_coco import write_large_coco
from PIL import Image

from projects.core.datasets.files import different_splits
from projects.core.diagnosis.check_data import check_data, run
from projects.core.diagnosis.duplicates import near_pairs
from projects.core.tasks.detection.box_table import MaskReader

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/dataset_tools/check_data.py'
pytestmark = pytest.mark.usefixtures('fresh')


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


@pytest.fixture
def coco(tmp_path):
    return Coco(tmp_path / 'coco')


def found(diagnosis):
    return {(f.level, f.kind, f.split) for f in diagnosis.findings}


def test_sound_data_have_no_finding(coco):
    diagnosis = coco.check()
    assert str(diagnosis).endswith('\nnothing found')
    assert '12 images, 24 boxes of 2 classes' in str(diagnosis)
    assert diagnosis.sheet is None
    assert not Path('suspects.png').exists()


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


REFUSED = ('error', 'refused by a run')
CASES = [
    (twice, 'error', 'duplicate boxes'),
    (of_two_classes, 'warning', 'two classes, one box'),
    (whole_image, 'warning', 'whole-image boxes'),
    (corners, 'error', 'corners for sizes'),
    (too_large_area, 'error', 'area above the box'),
    (area_of_box, 'warning', 'area of the box'),
    (area_of_another_scale, 'warning', 'area off the mask'),
    (masks_of_another_scale, 'error', 'box off its mask'),
    (crowd_by_polygon, 'warning', 'crowds by polygons'),
    (crowds, 'error', 'crowds'),
    (rare_class, 'warning', 'imbalance'),
    (empty_class, 'warning', 'empty class'),
    (cut_short, 'error', 'unreadable images'),
    (cut_short_png, 'error', 'unreadable images'),
    (no_image, 'error', 'unreadable images'),
    (another_size, 'error', 'mis-sized images'),
    (turned, 'error', 'rotated images'),
    (upside_down, 'warning', 'rotated images'),
    (blank, 'warning', 'blank images'),
    (same_image, 'warning', 'duplicates'),
    (other_format, 'warning', 'duplicates'),
    (compressed, 'warning', 'near-duplicates'),
    (missing, *REFUSED),
    (text_for_a_number, *REFUSED),
    (id_twice, *REFUSED),
    (unknown_image, *REFUSED),
    (outside, 'warning', 'noticed by a run'),
]
ON_TOP = {  # what follows from the flaw
    'corners': {('warning', 'noticed by a run'), ('error', 'box off its mask')},
    'masks_of_another_scale': {('warning', 'area off the mask')},
}


@pytest.mark.parametrize(
    ('plant', 'level', 'kind'), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_a_planted_flaw_is_named(coco, plant, level, kind):
    plant(coco)
    diagnosis = coco.check(json_file='out.json')
    names = {(level, kind) for level, kind, _ in found(diagnosis)}
    assert names - ON_TOP.get(plant.__name__, set()) == {(level, kind)}
    saved = json.loads(Path('out.json').read_text())
    assert saved['status'] == (level == 'error')
    assert [f['kind'] for f in saved['findings']].count(kind) == 1
    assert len(coco.data['annotations']) >= saved['findings'][0]['count']


def test_it_goes_on_after_flaws_that_end_a_run(coco):
    for plant in (text_for_a_number, missing, twice):
        plant(coco)
    coco.boxes[6]['id'] = coco.boxes[7]['id']
    coco.boxes[12]['image_id'] = 77
    coco.data['images'][11]['width'] = 0
    Path(coco.file(5)).write_bytes(Path(coco.file(9)).read_bytes())
    diagnosis = coco.check()
    texts = [f.text for f in diagnosis.findings if f.kind == 'refused by a run']
    for text in (
        "bbox of annotation 6 is ['5', ",
        '1 of 11 images of ',
        '1 annotation ids are used more than once',
        '1 of 21 annotations refer to image ids',
        'width of image 11 is 0',
    ):
        assert sum(text in t for t in texts) == 1, texts
    assert len(texts) == 5
    kinds = {f.kind for f in diagnosis.findings}
    assert {'duplicate boxes', 'duplicates'} <= kinds


def test_the_sheet_shows_each_finding(coco):
    for plant in (twice, cut_short, same_image):
        plant(coco)
    diagnosis = coco.check(sheet='sheet.png')
    rows = sum(bool(f.suspects) for f in diagnosis.findings)
    assert cv2.imread('sheet.png').shape[0] == 12 + rows * (30 + 162 + 3 * 16 + 12)
    assert 'pictures of suspects: sheet.png' in str(diagnosis)


def test_a_folder_of_coco_files(tmp_path):
    """Splits are told by the names of the files, images by those of the folders."""
    root = tmp_path / 'data'
    (root / 'annotations').mkdir(parents=True)
    trees = {}
    for seed, split in enumerate(('train', 'val')):
        tree = trees[split] = Coco(tmp_path / split, seed)
        tree.folder.rename(root / f'{split}2017')
        path = root / f'annotations/instances_{split}2017.json'
        path.write_text(json.dumps(tree.data))
    assert check_data(str(root)).findings == []
    image = (root / 'train2017/3.png').read_bytes()
    (root / 'val2017/7.png').write_bytes(image)
    trees['val'].data['categories'].reverse()  # labels follow their order
    path.write_text(json.dumps(trees['val'].data))
    assert found(check_data(str(root))) == {
        ('error', 'leakage by duplicates', 'train, val'),
        ('error', 'refused by a run', 'val'),
    }
    # boxes alone, far from any folder of images
    alone = tmp_path / 'alone.json'
    alone.write_text(json.dumps(trees['val'].data))
    diagnosis = check_data(str(alone))
    assert diagnosis.findings == []
    assert 'images were not read' in str(diagnosis)


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


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / 'pictures')


def leak(folders):
    folders.copy('train/cat/3.jpg', 'val/cat/9.jpg')


def leak_resized(folders):
    img = cv2.imread(str(folders.root / 'train/cat/3.jpg'))
    cv2.imwrite(str(folders.root / 'val/cat/9.jpg'), cv2.resize(img, (160, 120)))


def of_both(folders):
    folders.copy('train/cat/3.jpg', 'train/dog/3.jpg')


def never_seen(folders):
    for i in range(12):
        (folders.root / f'train/dog/{i}.jpg').unlink()


def never_measured(folders):
    for i in range(4):
        (folders.root / f'val/dog/{i}.jpg').unlink()


def only_in_train(folders):
    (folders.root / 'train/cow').mkdir()
    cv2.imwrite(str(folders.root / 'train/cow/0.jpg'), picture(5))


def few(folders):
    for i in range(9):
        (folders.root / f'train/dog/{i}.jpg').unlink()


def bears_exif(folders):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(4)).save(folders.root / 'train/dog/3.jpg', exif=exif)


def test_sound_folders_have_no_finding(folders):
    diagnosis = check_data(str(folders.root))
    assert diagnosis.findings == []
    assert '24 images of 2 classes' in str(diagnosis)


@pytest.mark.parametrize(
    ('plant', 'level', 'kind', 'split'),
    [
        (leak, 'error', 'leakage by duplicates', 'train, val'),
        (leak_resized, 'error', 'leakage by near-duplicates', 'train, val'),
        (of_both, 'error', 'duplicates of two classes', 'train'),
        (never_seen, 'error', 'class never seen', 'train, val'),
        (never_measured, 'warning', 'class never measured', 'val'),
        (only_in_train, 'error', 'refused by a run', 'train, val'),
        (few, 'warning', 'imbalance', 'train'),
        (bears_exif, 'warning', 'rotated images', 'train'),
    ],
)
def test_a_flaw_in_folders_is_named(folders, plant, level, kind, split):
    plant(folders)
    names = found(check_data(str(folders.root)))
    assert (level, kind, split) in names
    assert ('error' in {name[0] for name in names}) == (level == 'error')


BOX = '<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>50</xmax><ymax>40</ymax></bndbox>'


@pytest.fixture
def voc(tmp_path):
    """Four images in VOC's format, with a cup each."""
    root = tmp_path / 'VOC2007'
    for folder in ('ImageSets/Main', 'Annotations', 'JPEGImages'):
        (root / folder).mkdir(parents=True)
    size = '<size><width>80</width><height>60</height></size>'
    cup = f'<object><name>cup</name>{BOX}</object>'
    for i in range(12):
        cv2.imwrite(str(root / f'JPEGImages/{i}.jpg'), picture(i))
        xml = f'<annotation>{size}{cup}</annotation>'
        (root / f'Annotations/{i}.xml').write_text(xml)
    for name, numbers in (('train', range(8)), ('val', range(8, 12))):
        lines = ''.join(f'{i}\n' for i in numbers)
        (root / f'ImageSets/Main/{name}.txt').write_text(lines)
    return root


def test_voc(voc):
    assert check_data(str(voc)).findings == []
    file = voc / 'Annotations/3.xml'
    file.write_text(
        file.read_text().replace(
            '</object>', f'</object><object><name>cup</name>{BOX}</object>', 1
        )
    )
    (voc / 'Annotations/4.xml').write_text('<annotation>')
    (voc / 'JPEGImages/9.jpg').write_bytes((voc / 'JPEGImages/2.jpg').read_bytes())
    (voc / 'JPEGImages/5.jpg').unlink()
    names = {
        ('error', 'duplicate boxes', 'train'),
        ('error', 'leakage by duplicates', 'train, val'),
        ('error', 'refused by a run', 'train'),
    }
    diagnosis = check_data(str(voc))
    assert found(diagnosis) == names
    texts = ' '.join(f.text for f in diagnosis.findings)
    assert '4.xml is not valid XML' in texts
    assert '1 of 7 images' in texts
    # the list by itself
    one = check_data(str(voc / 'ImageSets/Main/train.txt'))
    assert found(one) == {n for n in names if n[2] == 'train'}


def test_a_config_and_its_model(write_config, digits_coco):
    config = write_config()
    diagnosis = check_data(config)
    few = {  # of 16 + 6 images
        ('warning', 'imbalance', 'train'),
        ('warning', 'class never measured', 'val'),
    }
    assert found(diagnosis) == few
    assert [part.split for part in diagnosis.splits] == ['train', 'val']
    # an epoch learns one object of the only cell
    options = ['model.bbox_head.grid_size=1']
    names = found(check_data(config, read_images=False, cfg_options=options))
    assert names - few == {('warning', 'out of the reach of the model', 'train')}
    options = ['model.bbox_head.num_classes=3']
    names = found(check_data(config, read_images=False, cfg_options=options))
    assert ('error', 'refused by a run', 'train') in names


def test_images_in_memory():
    config = ROOT / 'configs/lenet/lenet5_1xb64-40e_digits.py'
    diagnosis = check_data(config)
    assert diagnosis.findings == []
    assert '1,500 images of 10 classes' in str(diagnosis)
    assert 'images below 32 pixels' in str(diagnosis)


def test_status_of_the_tool(coco, error_of, capsys):
    coco.check()
    source = str(coco.root / 'train.json')
    run(source=source)
    assert 'nothing found' in capsys.readouterr().out
    blank(coco)
    run(source=source)  # a warning
    assert 'in the data of' in error_of(run, source=source, strict=True)
    twice(coco)
    coco.check()
    message = error_of(run, source=source)
    assert message == f'1 finding in the data of {source}: duplicate boxes'


def test_mistakes_are_said(coco, tmp_path, error_of):
    coco.check()
    source = str(coco.root / 'train.json')
    assert 'there is no file or folder none.json' in error_of(check_data, 'none.json')
    assert 'is none of: a run config' in error_of(check_data, str(coco.folder))
    assert 'there is no folder of images none' in error_of(check_data, source, 'none')
    assert 'name a file that ends in .png' in error_of(check_data, source, sheet='a.x')
    assert 'source: a path' in error_of(check_data, '')
    Path('suspects.png').write_text('mine')
    assert 'was not made by this tool' in error_of(check_data, source)
    Path('suspects.png').unlink()
    assert 'is a config, which says itself' in error_of(check_data, 'x.py', source)
    (coco.root / 'train.json').write_text('{"images": [')
    assert 'is not valid JSON' in error_of(check_data, source)
    assert not Path('suspects.png').exists()


def test_data_of_another_task(error_of):
    config = next((ROOT / 'configs/gpt').glob('*.py'))
    message = error_of(check_data, str(config))
    assert 'cannot be checked, only those of' in message
    assert 'a detector' in message


@pytest.mark.parametrize('distance', [0, 3, 6])
def test_near_hashes_are_those_of_all_pairs(distance):
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 60).astype(np.uint64)
    for i in range(20):  # 0 to 9 bits off another
        flips = rng.choice(64, i % 10, replace=False).astype(np.uint64)
        for bit in flips:
            hashes[i] ^= np.uint64(1) << bit
        hashes[i + 20] = hashes[i]
        for bit in flips:
            hashes[i + 20] ^= np.uint64(1) << bit
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = np.argwhere(np.triu(bits <= distance, 1))
    assert len(expected) >= 2
    pairs = np.sort(np.concatenate(list(near_pairs(hashes, distance))), 1)
    np.testing.assert_array_equal(np.unique(pairs, axis=0), expected)


def test_outlines_of_masks_by_hand():
    """Two triangles; what was read before has a number already."""
    polygons = [[0, 0, 10, 0, 0, 10], [20, 20, 20, 24, 24, 20]]
    reader = MaskReader()
    rows = reader.rows([reader(polygons), None, dict(counts=[9], size=[3, 3]), 7.5])
    np.testing.assert_array_equal(rows[0], [1, 0, 0, 24, 24, 50 + 8])
    assert rows[1:, 0].tolist() == [0, 2, 3]  # none, run lengths, no mask


def test_splits_of_the_same_data_are_one():
    dataset = dict(type='CocoDataset', ann_file='a.json', pipeline=[])
    wrapped = dict(type='RepeatDataset', times=3, dataset=dataset)
    cfg = dict(
        train_dataloader=dict(dataset=wrapped),
        val_dataloader=dict(dataset=dict(dataset, ann_file='b.json')),
        test_dataloader=dict(dataset=dict(dataset, ann_file='b.json', pipeline=[1])),
    )
    assert [split for split, _ in different_splits(cfg)] == ['train', 'val']


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--strict' in done.stdout
    assert ' torch' not in done.stderr


@pytest.mark.slow
def test_a_file_as_large_as_coco_fits_into_2_gib(tmp_path):
    write_large_coco(tmp_path / 'train.json')
    done = subprocess.run(
        [sys.executable, str(TOOL), 'train.json'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '118,000 images, 860,000 boxes of 80 classes' in done.stdout
    # in KiB, of the largest child so far
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 * 2**20
