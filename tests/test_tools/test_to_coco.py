"""A COCO file is written in a foreign layout, and read back from there."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from projects.core.tasks.detection.to_coco import to_coco

TOOL = str(Path(__file__).parents[2] / 'tools/dataset_tools/to_coco.py')
NAMES = ['owl', 'cat']  # not in the order of the alphabet
SIZES = {'a.png': (64, 48), 'b.png': (40, 80), 'empty.png': (30, 20)}
# image, class, xywh, difficult
BOXES = [
    ('a.png', 'cat', [3, 4, 20, 10], 0),
    ('a.png', 'owl', [0, 0, 64, 48], 0),
    ('b.png', 'owl', [10, 30, 12, 25], 1),
    ('b.png', 'owl', [20, 8, 16, 50], 0),
]


@pytest.fixture
def said(monkeypatch):
    """Function that gives what was logged so far."""
    messages = []
    monkeypatch.setattr(
        sys.modules[to_coco.__module__], 'print_log', lambda m, _: messages.append(m)
    )
    return lambda: '\n'.join(messages)


def expected(names, crowds=False):
    """The COCO file of these boxes."""
    images = [
        dict(id=i, file_name=name, width=w, height=h)
        for i, (name, (w, h)) in enumerate(SIZES.items(), 1)
    ]
    annotations = [
        dict(
            id=i,
            image_id=list(SIZES).index(image) + 1,
            category_id=names.index(name) + 1,
            bbox=box,
            area=box[2] * box[3],
            iscrowd=difficult if crowds else 0,
            segmentation=[],
        )
        for i, (image, name, box, difficult) in enumerate(BOXES, 1)
    ]
    categories = [dict(id=i, name=name) for i, name in enumerate(names, 1)]
    return dict(images=images, annotations=annotations, categories=categories)


def draw(folder):
    folder.mkdir(parents=True)
    for name, (width, height) in SIZES.items():
        cv2.imwrite(str(folder / name), np.zeros((height, width, 3), np.uint8))


def of_image(name):
    return [box for box in BOXES if box[0] == name]


def voc(root):
    draw(root / 'JPEGImages')
    (root / 'Annotations').mkdir()
    for name in SIZES:
        objects = ''.join(
            f'<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>'
            f'<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w + 1}</xmax>'
            f'<ymax>{y + h + 1}</ymax></bndbox></object>'
            for _, label, (x, y, w, h), difficult in of_image(name)
        )
        (root / 'Annotations' / f'{name[:-4]}.xml').write_text(
            f'<annotation><filename>{name}</filename>{objects}</annotation>'
        )


def yolo(root):
    draw(root / 'images')
    (root / 'labels').mkdir()
    (root / 'classes.txt').write_text('\n'.join(NAMES) + '\n')
    for name, (width, height) in SIZES.items():
        if name == 'empty.png':  # an image without a file has no object
            continue
        lines = [
            f'{NAMES.index(label)} {(x + w / 2) / width} {(y + h / 2) / height} '
            f'{w / width} {h / height}'
            for _, label, (x, y, w, h), _ in of_image(name)
        ]
        (root / 'labels' / f'{name[:-4]}.txt').write_text('\n'.join(lines))


def labelme(root):
    draw(root)
    for name in SIZES:
        shapes = [
            dict(
                label=label,
                shape_type='rectangle',
                # a person may have begun at any corner
                points=[[x + w, y], [x, y + h]],
            )
            for _, label, (x, y, w, h), _ in of_image(name)
        ]
        data = dict(shapes=shapes, imagePath=name)
        (root / f'{name[:-4]}.json').write_text(json.dumps(data))


def table(header, row):
    """Writer of a CSV with a header, and a function of a box's row."""

    def write(root):
        draw(root)
        lines = [header]
        for name, label, box, _ in BOXES:
            lines.append(row(name, label, *box, *SIZES[name]))
        names = ('filename', 'image_name', 'ImageID')
        lines.append(','.join('empty.png' * (c in names) for c in header.split(',')))
        (root / 'boxes.csv').write_text('\n'.join(lines) + '\n')

    return write


def row_tf(name, label, x, y, w, h, width, height):
    return f'{name},{width},{height},{label},{x},{y},{x + w},{y + h}'


def row_xywh(name, label, x, y, w, h, width, height):
    return f'{label},{x},{y},{w},{h},{name}'


def row_relative(name, label, x, y, w, h, width, height):
    return (
        f'{name[:-4]},{label},{x / width},{(x + w) / width},{y / height},'
        f'{(y + h) / height}'
    )


LAYOUTS = {
    'voc': (voc, sorted(NAMES)),
    'yolo': (yolo, NAMES),
    'labelme': (labelme, sorted(NAMES)),
    'csv of TensorFlow': (
        table('filename,width,height,class,xmin,ymin,xmax,ymax', row_tf),
        sorted(NAMES),
    ),
    'csv with sizes': (
        table('label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name', row_xywh),
        sorted(NAMES),
    ),
    'csv of OpenImages': (
        table('ImageID,LabelName,XMin,XMax,YMin,YMax', row_relative),
        sorted(NAMES),
    ),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_round_trip(tmp_path, layout, said):
    write, names = LAYOUTS[layout]
    write(tmp_path / 'data')
    out = tmp_path / 'coco.json'
    document = to_coco(tmp_path / 'data', out=out)
    assert json.loads(out.read_text()) == document
    right = expected(names, crowds=layout == 'voc')
    assert document['images'] == right['images']
    assert document['categories'] == right['categories']
    for found, ann in zip(document['annotations'], right['annotations'], strict=True):
        assert found.pop('bbox') == pytest.approx(ann.pop('bbox'))
        assert found.pop('area') == pytest.approx(ann.pop('area'))
        assert found == ann
    text = said()
    assert '3 images (1 without box), 4 boxes, 2 classes' in text
    assert "train = dict(ann_file='coco.json', img=" in text
    assert ('1 difficult boxes are crowds' in text) == (layout == 'voc')


def test_classes_are_ordered_and_chosen(tmp_path, said):
    voc(tmp_path / 'data')
    found = to_coco(tmp_path / 'data', tmp_path / 'a.json', classes=['owl', 'cat'])
    assert [c['name'] for c in found['categories']] == ['owl', 'cat']
    found = to_coco(tmp_path / 'data', tmp_path / 'b.json', classes='owl')
    assert len(found['annotations']) == 3
    text = said()
    assert "left out: 1 boxes of the class 'cat', which is not wanted (" in text
    assert 'a.xml, object 1)' in text


def test_a_list_names_the_images(tmp_path):
    voc(tmp_path / 'data')
    (tmp_path / 'val.txt').write_text('b\nempty\n')
    found = to_coco(tmp_path / 'data', tmp_path / 'a.json', names=tmp_path / 'val.txt')
    assert [image['file_name'] for image in found['images']] == ['b.png', 'empty.png']


class TestYolo:
    @pytest.fixture
    def root(self, tmp_path):
        yolo(tmp_path / 'data')
        return tmp_path / 'data'

    @pytest.mark.parametrize('names', ['[owl, cat]', '{0: owl, 1: cat}'])
    def test_splits_of_data_yaml(self, root, tmp_path, names):
        (root / 'classes.txt').unlink()
        (root / 'list.txt').write_text('./images/b.png\nimages/none.png\n')
        (root / 'data.yaml').write_text(
            f'train: ../images\nval: list.txt\nnames: {names}\n'
        )
        found = to_coco(root, tmp_path / 'train.json', split='train')
        assert len(found['images']) == 3
        found = to_coco(root, tmp_path / 'val.json', split='val')
        assert [image['file_name'] for image in found['images']] == ['b.png']
        assert len(found['annotations']) == 2

    def test_outlines(self, root, tmp_path):
        # of 64 x 48 pixels: a triangle
        (root / 'labels/a.txt').write_text('1 0.25 0.5 0.75 0.5 0.25 0.75')
        found = to_coco(root, tmp_path / 'a.json')['annotations'][0]
        assert found['segmentation'] == [[16, 24, 48, 24, 16, 36]]
        assert found['bbox'] == [16, 24, 32, 12]
        assert found['area'] == 32 * 12 / 2

    @pytest.mark.parametrize(
        ('line', 'said'),
        [
            ('0 0.5 0.5 0.1 0.1 0.9', 'line 2 has 6 numbers: a confidence'),
            ('0 0.5 0.5', 'line 2 has 3 numbers; it must have 5'),
            ('2 0.5 0.5 0.1 0.1', 'the class 2 is none of 0 to 1 (owl, cat)'),
            ('0 0.5 0.5 0.1 x', "line 2: a coordinate is 'x'; it must be a number"),
            ('0 32 24 10 10', 'line 2: 32 is no share of the image'),
        ],
    )
    def test_bad_lines(self, root, tmp_path, error_of, line, said):
        (root / 'labels/b.txt').write_text('0 0.5 0.5 0.1 0.1\n' + line)
        message = error_of(to_coco, root, tmp_path / 'out.json')
        assert f'{root / "labels/b.txt"}, line 2' in message
        assert said in message
        assert not (tmp_path / 'out.json').exists()

    def test_annotations_without_image_are_said(self, root, tmp_path, said):
        (root / 'labels/gone.txt').write_text('0 0.5 0.5 0.1 0.1')
        (root / 'labels/README.txt').write_text('What there is to know of it')
        to_coco(root, tmp_path / 'out.json')
        assert 'left out: 1 annotations without their image (' in said()
        assert 'gone.txt)' in said()

    def test_without_names(self, root, tmp_path, error_of):
        (root / 'classes.txt').unlink()
        message = error_of(to_coco, root, tmp_path / 'out.json', format='yolo')
        assert 'does not say which classes there are' in message


def test_outlines_of_labelme_and_other_shapes(tmp_path, said):
    draw(tmp_path / 'data')
    shapes = [
        dict(label='cat', points=[[1, 1], [5, 1], [5, 4]], shape_type='polygon'),
        dict(label='cat', points=[[20, 20], [23, 24]], shape_type='circle'),
        dict(label='cat', points=[[1, 1], [5, 1]], shape_type='line'),
    ]
    (tmp_path / 'data/a.json').write_text(
        json.dumps(dict(shapes=shapes, imagePath='..\\other\\a.png'))
    )
    polygon, circle = to_coco(tmp_path / 'data', tmp_path / 'o.json')['annotations']
    assert polygon['segmentation'] == [[1, 1, 5, 1, 5, 4]]
    assert (polygon['bbox'], polygon['area']) == ([1, 1, 4, 3], 6)
    assert circle['bbox'] == [15, 15, 10, 10]
    assert circle['area'] == pytest.approx(25 * np.pi)
    assert "1 shapes of the type 'line', which have no box" in said()


def test_boxes_are_cut_and_those_outside_left_out(tmp_path, said):
    draw(tmp_path / 'data')
    (tmp_path / 'data/boxes.csv').write_text(
        'filename,class,xmin,ymin,xmax,ymax\n'
        'a.png,cat,-5,4,20,60\n'
        'a.png,cat,70,4,80,10\n'
        'none.png,cat,1,2,3,4\n'
    )
    found = to_coco(tmp_path / 'data/boxes.csv', tmp_path / 'out.json')
    assert [ann['bbox'] for ann in found['annotations']] == [[0, 4, 20, 44]]
    text = said()
    assert 'cut at the border of the image: 2 boxes (' in text
    assert 'left out: 1 boxes without area inside of their image (' in text
    assert 'boxes.csv, line 3)' in text
    assert 'left out: 1 images that are not there (none.png, ' in text


def test_size_is_that_of_the_image_as_shown(tmp_path):
    """A camera that was held upright stores the image on its side."""
    (tmp_path / 'data').mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (40, 30)).save(tmp_path / 'data/a.jpg', exif=exif)
    (tmp_path / 'data/boxes.csv').write_text('image,label,x,y,w,h\na.jpg,cat,1,30,9,9')
    found = to_coco(tmp_path / 'data', tmp_path / 'out.json')
    assert (found['images'][0]['width'], found['images'][0]['height']) == (30, 40)
    assert found['annotations'][0]['bbox'] == [1, 30, 9, 9]


class TestBadInput:
    @pytest.mark.parametrize(
        ('file', 'text', 'said'),
        [
            ('Annotations/a.xml', '', 'a.xml is not valid XML: no element found'),
            ('Annotations/a.xml', '<annotation>', 'a.xml is not valid XML'),
            (
                'Annotations/a.xml',
                '<annotation><object><name>cat</name></object></annotation>',
                'a.xml, object 1 has no <bndbox>',
            ),
            (
                'Annotations/a.xml',
                '<annotation><object><name>cat</name><bndbox><xmin>x</xmin></bndbox>'
                '</object></annotation>',
                "a.xml, object 1: <xmin> is 'x'; it must be a number",
            ),
            ('JPEGImages/a.png', 'no image', 'a.png cannot be read'),
            ('more/boxes.csv', 'a,b', 'holds annotations of voc and csv'),
        ],
    )
    def test_voc(self, tmp_path, error_of, file, text, said):
        voc(tmp_path / 'data')
        path = tmp_path / 'data' / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        assert said in error_of(to_coco, tmp_path / 'data', tmp_path / 'out.json')
        assert not (tmp_path / 'out.json').exists()

    @pytest.mark.parametrize(
        ('text', 'said'),
        [
            ('', 'is empty'),
            ('a,b\n1,2\n', 'line 1: its columns are a, b; there must be filename'),
            (
                'filename,class,x,y,w,h\na.png,cat,1,2\n',
                'line 2 has 4 columns, the header 6',
            ),
            (
                'filename,class,x,y,w,h\na.png,cat,1,2,3,inf\n',
                "line 2: h is 'inf'; it must be a number",
            ),
            ('filename,class,x,y,w,h\n,cat,1,2,3,4\n', 'line 2 names no image'),
            (
                'filename,class,x,y,w,h\na.png,,1,2,3,4\n',
                'line 2 has a box, but no class',
            ),
        ],
    )
    def test_csv(self, tmp_path, error_of, text, said):
        draw(tmp_path / 'data')
        path = tmp_path / 'data/boxes.csv'
        path.write_text(text)
        message = error_of(to_coco, path, tmp_path / 'out.json')
        assert str(path) in message
        assert said in message

    def test_what_is_asked_for(self, tmp_path, error_of):
        voc(tmp_path / 'data')
        out = tmp_path / 'out.json'
        for options, said in (
            (dict(source=tmp_path / 'none'), 'there is no '),
            (dict(out=tmp_path / 'out.txt'), 'COCO is JSON'),
            (
                dict(format='kitti'),
                'format: one of voc, yolo, labelme, csv or None, not',
            ),
            (dict(images=tmp_path / 'none'), 'is no folder'),
            (dict(format='csv'), 'data holds 0 CSV files; give one of them'),
            (dict(split='train'), 'voc has no splits'),
            (dict(classes=['dog']), 'no box is of the classes dog; there are cat, owl'),
            (dict(source=tmp_path / 'data/JPEGImages'), 'no annotations that are'),
            (dict(source=tmp_path / 'data/JPEGImages/a.png'), 'is no CSV file'),
        ):
            message = error_of(
                to_coco, **dict(dict(source=tmp_path / 'data', out=out), **options)
            )
            assert said in message
        (tmp_path / 'data/more').mkdir()
        to_coco(tmp_path / 'data', tmp_path / 'data/more/coco.json')
        message = error_of(to_coco, tmp_path / 'data/more', out)
        assert 'coco.json is in COCO format already' in message
        out.write_text('mine')
        assert 'is there already' in error_of(to_coco, tmp_path / 'data', out)
        assert out.read_text() == 'mine'


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', TOOL, '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--classes' in done.stdout
    assert ' torch' not in done.stderr
