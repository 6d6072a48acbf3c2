"""Flaws of data in VOC's format are named before a run begins."""

import re

import numpy as np
import pytest
from mmdet.datasets import VOCDataset
from mmengine.config import Config

from projects.core.errors import UserError
from projects.core.tasks.detection.data_checks import check_detection_data

pytestmark = pytest.mark.usefixtures('few_objects')
LIST = 'VOC2007/ImageSets/Main/train.txt'
SIZE = '<size><width>500</width><height>375</height><depth>3</depth></size>'
BOX = '<xmin>10</xmin><ymin>20</ymin><xmax>100</xmax><ymax>200</ymax>'
OBJECT = f'<object><name>dog</name><bndbox>{BOX}</bndbox></object>'


def xml_of(*parts):
    return f'<annotation>{"".join(parts)}</annotation>'


SOUND = xml_of(SIZE, OBJECT)


@pytest.fixture
def voc(tmp_path):
    year = tmp_path / 'VOCdevkit' / 'VOC2007'
    for folder in ('ImageSets/Main', 'Annotations', 'JPEGImages'):
        (year / folder).mkdir(parents=True)
    (year / 'ImageSets/Main/train.txt').write_text('000005\n000007\n')
    for name in ('000005', '000007'):
        (year / f'Annotations/{name}.xml').write_text(SOUND)
        (year / f'JPEGImages/{name}.jpg').touch()
    return year


def voc_dataset(voc, **changes):
    return dict(
        dict(
            type='VOCDataset',
            data_root=f'{voc.parent}/',
            ann_file=LIST,
            data_prefix=dict(sub_data_root='VOC2007/'),
        ),
        **changes,
    )


def check(dataset, split='train', **others):
    loader = {f'{split}_dataloader': dict(dataset=dataset)}
    return check_detection_data(Config(dict(default_scope='mmdet', **loader, **others)))


def load(dataset):
    """What mmdet itself reads."""
    return VOCDataset(**{k: v for k, v in dataset.items() if k != 'type'}, pipeline=[])


def test_sound_voc_data(voc):
    assert check(voc_dataset(voc)) == []
    assert load(voc_dataset(voc)).get_data_info(1)['instances'][0]['bbox'] == [
        *(9, 19, 99, 199)
    ]
    with pytest.raises(UserError, match=r'have 20 classes \(aeroplane'):
        check(voc_dataset(voc), model=dict(bbox_head=dict(num_classes=80)))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(data_root='nowhere/VOCdevkit'),
            'no folder .*nowhere/VOCdevkit .*VOC2007 of VOCdevkit',
        ),
        (
            dict(ann_file='VOC2007/ImageSets/Main/val.txt'),
            r'no annotation file .*val\.txt .*Main holds train\.txt.*list of image',
        ),
        (
            dict(data_prefix=dict(sub_data_root='VOC2012/')),
            r'2 of 2 XML files .*VOC2012/Annotations, e\.g\. 000005\.xml: there is '
            r'no folder .*VOCdevkit holds VOC2007\. Set data_root',
        ),
    ],
)
def test_voc_settings_that_lead_nowhere(voc, changes, message):
    with pytest.raises(UserError, match=message):
        check(voc_dataset(voc, **changes))


@pytest.mark.parametrize(
    ('path', 'message'),
    [
        (
            'Annotations/000007.xml',
            r'1 of 2 XML files .*VOC2007/Annotations, e\.g\. 000007\.xml',
        ),
        (
            'JPEGImages/000007.jpg',
            r'1 of 2 images .*VOC2007/JPEGImages, e\.g\. 000007\.jpg',
        ),
    ],
)
def test_missing_voc_files(voc, path, message):
    (voc / path).unlink()
    with pytest.raises(UserError, match=message):
        check(voc_dataset(voc))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'train.txt is empty'),
        (b'000005\n\n000007\n', "line 2 is ''; it must be the name of an image"),
        (b'000005\n\n', "line 2 is ''"),
        (b'000005.jpg\n', 'have no suffix: write 000005'),
        (b'000005.xml\n', 'have no suffix: write 000005'),
        (b'000005 -1\n000007  1\n', 'take the list of a whole split'),
        (b'000005 0\n', 'a name and a flag'),
        (b'000005 \n', "Remove the blanks around the name, '000005 '"),
        (b'000005\x00\n', 'line 1 is'),
        (b'\xef\xbb\xbf000005\n', 'begins with a byte order mark'),
        ('000005\n'.encode('utf-16'), 'it is in UTF-16'),
    ],
)
def test_lists_that_name_no_files(voc, content, message):
    (voc / 'ImageSets/Main/train.txt').write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        check(voc_dataset(voc))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize('content', [b'000005\r\n000007\r\n', b'000005\n000007'])
def test_lists_that_are_read_all_the_same(voc, content):
    (voc / 'ImageSets/Main/train.txt').write_bytes(content)
    assert check(voc_dataset(voc)) == []
    assert len(load(voc_dataset(voc))) == 2


def test_a_name_that_stands_there_twice_is_noticed(voc):
    (voc / 'ImageSets/Main/train.txt').write_text('000005\n000005\n')
    (notice,) = check(voc_dataset(voc))
    assert '1 names stand there twice (000005)' in notice


@pytest.mark.parametrize(
    ('xml', 'message'),
    [
        ('', 'is not valid XML: no element found: line 1'),
        ('version https://git-lfs', 'is not valid XML'),
        (SOUND[:100], 'is not valid XML'),
        (f'{SOUND}<x/>', 'is not valid XML: junk after document element'),
        (f'<?xml version="1.0" encoding="x"?>{SOUND}', 'unknown encoding'),
        # the size of the image
        (SOUND.replace('<height>375</height>', ''), 'size has no <height>'),
        (SOUND.replace('500', ''), '<width> of size is None; it must be a whole'),
        (SOUND.replace('500', '0'), "<width> of size is '0'; it must be a whole numbe"),
        (SOUND.replace('500', '-5'), "<width> of size is '-5'"),
        (SOUND.replace('500', '500.5'), "<width> of size is '500.5'"),
        (SOUND.replace('500', 'wide'), "<width> of size is 'wide'"),
        (SOUND.replace('500', '9' * 5000), "<width> of size is '99"),
        # an object
        (SOUND.replace('<name>dog</name>', ''), 'object 1 has no <name>'),
        (SOUND.replace('bndbox', 'box'), 'object 1 has no <bndbox>'),
        (SOUND.replace('<xmin>10</xmin>', ''), 'bndbox of object 1 has no <xmin>'),
        (SOUND.replace('>10<', '><'), '<xmin> of bndbox of object 1 is None'),
        (SOUND.replace('>10<', '>ten<'), "<xmin> of bndbox of object 1 is 'ten'"),
        (SOUND.replace('>10<', '>nan<'), "is 'nan'; it must be a number"),
        (SOUND.replace('>10<', '>inf<'), "is 'inf'; it must be a number"),
        (SOUND.replace('>10<', '>1e308<'), "is '1e308'; it must be a number"),
        (
            SOUND.replace('<bndbox>', '<difficult>no</difficult><bndbox>'),
            "<difficult> of object 1 is 'no'; it must be 0 or 1",
        ),
    ],
)
def test_an_xml_that_mmdet_cannot_read(voc, xml, message):
    (voc / 'Annotations/000007.xml').write_text(xml)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        check(voc_dataset(voc))
    assert '000007.xml' in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    'xml',
    [
        SOUND.replace('10', '10.7').replace('500', ' 500\n'),
        # mmdet reads no box of an object that is of no class
        SOUND.replace('</annotation>', '<object><name>x</name></object></annotation>'),
        f'<?xml version="1.0" encoding="latin-1"?><!-- \xe9 -->{SOUND}',
        xml_of(OBJECT, SIZE, '<x>&lt;</x>'),
    ],
)
def test_an_xml_that_mmdet_can_read(voc, xml):
    (voc / 'Annotations/000007.xml').write_text(xml, encoding='latin-1')
    assert not any('000007.xml' in notice for notice in check(voc_dataset(voc)))
    assert len(load(voc_dataset(voc)).get_data_info(1)['instances']) == 1


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('Dog', "left out: 'Dog' (1); written otherwise are 'Dog' for 'dog'"),
        (' dog', "written otherwise are ' dog' for 'dog'"),
        ('wolf', "1 of 2 objects are of a class of the config; left out: 'wolf' (1)"),
        ('', 'left out: None (1)'),
    ],
)
def test_names_that_are_no_class(voc, name, hint):
    xml = voc / 'Annotations/000007.xml'
    xml.write_text(SOUND.replace('dog', name))
    (notice,) = check(voc_dataset(voc))
    assert hint in notice
    assert load(voc_dataset(voc)).get_data_info(1)['instances'] == []
    (voc / 'Annotations/000005.xml').write_text(xml.read_text())
    with pytest.raises(UserError, match='none of the 2 objects in the XML files of'):
        check(voc_dataset(voc))


def test_no_object_at_all(voc):
    for name in ('000005', '000007'):
        (voc / f'Annotations/{name}.xml').write_text(xml_of(SIZE))
    with pytest.raises(UserError, match='none of the 0 objects'):
        check(voc_dataset(voc))
    (notice,) = check(voc_dataset(voc), 'val')
    assert 'no XML file holds an object, mAP will be 0' in notice


@pytest.mark.parametrize(
    ('old', 'new', 'flaw', 'is_alone_refused'),
    [
        ('>10<', '>150<', 'have xmax < xmin or ymax < ymin', True),
        ('>200<', '>2<', 'have xmax < xmin or ymax < ymin', True),
        ('<width>500', '<width>5', 'lie wholly outside the image', True),
        ('>100<', '>501<', 'reach over the border of the image', False),
        ('>10<', '>0<', 'reach over the border of the image', False),
    ],
)
def test_flawed_boxes_are_counted(voc, old, new, flaw, is_alone_refused):
    xml = SOUND.replace(old, new)
    (voc / 'Annotations/000007.xml').write_text(xml)
    (notice,) = check(voc_dataset(voc))
    assert f'1 of 2 boxes {flaw} (in 000007.xml object 1)' in notice
    assert len(load(voc_dataset(voc)).get_data_info(1)['instances']) == 1  # as it is
    (voc / 'Annotations/000005.xml').write_text(xml)
    if is_alone_refused:
        with pytest.raises(UserError, match='none of the 2 boxes can be trained on'):
            check(voc_dataset(voc))
    assert f'2 of 2 boxes {flaw}' in check(voc_dataset(voc), 'val')[0]


def test_difficult_objects_are_nothing_to_train_on(voc):
    for name in ('000005', '000007'):
        (voc / f'Annotations/{name}.xml').write_text(
            SOUND.replace('<bndbox>', '<difficult>1</difficult><bndbox>')
        )
    with pytest.raises(UserError, match='2 are marked as difficult'):
        check(voc_dataset(voc))
    assert check(voc_dataset(voc), 'val') == []


def test_images_below_the_least_size(voc):
    dataset = voc_dataset(voc, filter_cfg=dict(filter_empty_gt=True, min_size=400))
    with pytest.raises(UserError, match=r'2 of 2 images .*filter_cfg\.min_size=400'):
        check(dataset)
    (voc / 'Annotations/000007.xml').write_text(SOUND.replace('375', '400'))
    assert '1 of 2 images' in check(dataset)[0]
    assert len(load(dataset)) == 1


def test_the_image_tells_a_size_that_the_xml_does_not(voc):
    import cv2

    (voc / 'Annotations/000007.xml').write_text(xml_of(OBJECT))
    image = np.zeros((375, 500, 3), np.uint8)
    cv2.imwrite(str(voc / 'JPEGImages/000007.jpg'), image)
    assert check(voc_dataset(voc)) == []
    assert load(voc_dataset(voc)).get_data_info(1)['width'] == 500
