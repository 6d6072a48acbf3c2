"""What data sets of foreign layouts have that their makers did not mean."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from projects.core.errors import UserError
from projects.core.tasks.detection.to_coco import to_coco

VOC = (
    '<annotation><filename>{}</filename><size><width>20</width><height>10</height>'
    '</size><object><name>cat</name><bndbox><xmin>2</xmin><ymin>2</ymin>'
    '<xmax>8</xmax><ymax>9</ymax></bndbox></object></annotation>'
)


@pytest.fixture
def said(monkeypatch):
    """Function that gives what was logged so far."""
    messages = []
    monkeypatch.setattr(
        sys.modules[to_coco.__module__], 'print_log', lambda m, _: messages.append(m)
    )
    return lambda: '\n'.join(messages)


def write(root, files):
    """Texts and bytes as they are; of other names images of 20 x 10."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(path)
        else:
            path.write_bytes(content.encode())
    return str(root)


def convert(root, **options):
    return to_coco(str(root / 'data'), str(root / 'out.json'), **options)


def boxed(document):
    """Names of the images with a box."""
    name_of = {image['id']: image['file_name'] for image in document['images']}
    return [name_of[ann['image_id']] for ann in document['annotations']]


def yolo(root, **files):
    labels = 'names: {"0": no, "1": cat}\n'
    return write(root / 'data', {'data.yaml': labels, 'images/a.png': None, **files})


class TestYolo:
    def test_labels_of_another_split_are_not_taken(self, tmp_path):
        names = ('train/a.png', 'val/a.png', 'val/b.png')
        files = {f'images/{name}': None for name in names}
        files['labels/train/a.txt'] = files['labels/val/b.txt'] = '1 .5 .5 .5 .5'
        write(tmp_path / 'data', {**files, 'classes.txt': 'dog\ncat\n'})
        assert boxed(convert(tmp_path)) == ['train/a.png', 'val/b.png']

    def test_classes_are_text_and_a_byte_order_mark_none(self, tmp_path):
        yolo(tmp_path, **{'labels/a.txt': '\ufeff0 .5 .5 .5 .5\r\n1\t.5\t.5\t1\t1\r\n'})
        document = convert(tmp_path)
        assert [c['name'] for c in document['categories']] == ['no', 'cat']
        assert len(document['annotations']) == 2

    @pytest.mark.parametrize(
        ('names', 'words'),
        [
            ('cat', 'names must be a list of classes'),
            ('{0: cat, 2: dog}', 'names must be a list of classes'),
            ('[cat, cat]', 'the class cat is named twice'),
        ],
    )
    def test_names_that_are_none(self, tmp_path, names, words):
        yolo(
            tmp_path, **{'data.yaml': f'names: {names}', 'labels/a.txt': '0 .5 .5 1 1'}
        )
        with pytest.raises(UserError, match=words):
            convert(tmp_path)
        assert not (tmp_path / 'out.json').exists()

    def test_darknet_is_known_by_obj_names(self, tmp_path):
        files = {'obj.names': 'cat\n', 'd/a.png': None, 'd/a.txt': '0 .5 .5 1 1'}
        write(tmp_path / 'data', files)
        assert boxed(convert(tmp_path)) == ['a.png']


@pytest.mark.parametrize(
    'lines',
    ['my cat.png\na.b.c\nnone', 'my cat 1\na.b.c -1\nnone 0', '.\\x\\a.b.c.png'],
)
def test_a_list_of_names_with_blanks_dots_and_flags(tmp_path, said, lines):
    names = ('my cat', 'a.b.c', 'z')
    files = {f'{name}.xml': VOC.format(f'{name}.png') for name in names}
    files.update({f'{name}.png': None for name in names})
    write(tmp_path / 'data', files)
    write(tmp_path, {'list.txt': lines})
    found = boxed(convert(tmp_path, names=str(tmp_path / 'list.txt')))
    assert found == (['a.b.c.png', 'my cat.png'] if 'my' in lines else ['a.b.c.png'])
    missing = 'left out: 1 names of the list that no annotation has (none)'
    assert (missing in said()) == ('none' in lines)


LABELME = json.dumps(
    dict(
        shapes=[dict(label='cat', points=[[1, 1], [9, 9]], shape_type='rectangle')],
        imagePath='..\\x\\a.png',
        imageWidth=40,
        imageHeight=20,
    )
)
TABLE = 'filename|width|height|class|xmin|ymin|xmax|ymax\na.png|40|20|cat|1|1|9|9'


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('a.xml', VOC.format('a.png').replace('>20<', '>40<')),
        ('a.json', LABELME),
        ('a.csv', '\ufeff' + TABLE),
    ],
)
def test_images_of_another_size_than_stated(tmp_path, said, name, text):
    write(tmp_path / 'data', {name: text, 'a.png': None})
    convert(tmp_path)
    assert '1 images are of another size than their annotations state (' in said()


def test_why_no_box_is_left(tmp_path):
    text = TABLE.replace('1|1|9|9', '9|9|1|1')
    write(tmp_path / 'data', {'a.csv': text, 'a.png': None})
    with pytest.raises(UserError, match='no box is left: 1 boxes without area'):
        convert(tmp_path)
