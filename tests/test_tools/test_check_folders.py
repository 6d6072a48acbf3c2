"""Flaws of class folders and of VOC's are named; sound ones have no finding."""

import cv2
import pytest
from flawed_data import Folders, found, picture
from PIL import Image

from projects.core.diagnosis.check_data import check_data

pytestmark = pytest.mark.usefixtures('fresh')


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
        (few, 'warning', 'few samples', 'train'),
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
