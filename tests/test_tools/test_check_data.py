"""Each flaw is planted in sound data and named; sound data have no finding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import flawed_data as flaws
import numpy as np
import pytest
from flawed_data import Coco, found
from large_coco import write_large_coco

from projects.core.datasets.files import different_splits
from projects.core.diagnosis.check_data import check_data, run
from projects.core.diagnosis.duplicates import near_pairs
from projects.core.tasks.detection.box_table import MaskReader

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/dataset_tools/check_data.py'
pytestmark = pytest.mark.usefixtures('fresh')


@pytest.fixture
def coco(tmp_path):
    return Coco(tmp_path / 'coco')


def test_sound_data_have_no_finding(coco):
    diagnosis = coco.check()
    assert str(diagnosis).endswith('\nnothing found')
    assert '12 images, 24 boxes of 2 classes' in str(diagnosis)
    assert diagnosis.sheet is None
    assert not Path('suspects.png').exists()


REFUSED = ('error', 'refused by a run')
CASES = [
    (flaws.twice, 'error', 'duplicate boxes'),
    (flaws.of_two_classes, 'warning', 'two classes, one box'),
    (flaws.whole_image, 'warning', 'whole-image boxes'),
    (flaws.corners, 'error', 'corners for sizes'),
    (flaws.too_large_area, 'error', 'area above the box'),
    (flaws.area_of_box, 'warning', 'area of the box'),
    (flaws.area_of_another_scale, 'warning', 'area off the mask'),
    (flaws.masks_of_another_scale, 'error', 'box off its mask'),
    (flaws.crowd_by_polygon, 'warning', 'crowds by polygons'),
    (flaws.crowds, 'error', 'crowds'),
    (flaws.rare_class, 'warning', 'few samples'),
    (flaws.empty_class, 'warning', 'empty class'),
    (flaws.cut_short, 'error', 'unreadable images'),
    (flaws.cut_short_png, 'error', 'unreadable images'),
    (flaws.no_image, 'error', 'unreadable images'),
    (flaws.another_size, 'error', 'mis-sized images'),
    (flaws.turned, 'error', 'rotated images'),
    (flaws.upside_down, 'warning', 'rotated images'),
    (flaws.blank, 'warning', 'blank images'),
    (flaws.same_image, 'warning', 'duplicates'),
    (flaws.other_format, 'warning', 'duplicates'),
    (flaws.compressed, 'warning', 'near-duplicates'),
    (flaws.missing, *REFUSED),
    (flaws.text_for_a_number, *REFUSED),
    (flaws.id_twice, *REFUSED),
    (flaws.unknown_image, *REFUSED),
    (flaws.outside, 'warning', 'noticed by a run'),
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
    for plant in (flaws.text_for_a_number, flaws.missing, flaws.twice):
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


@pytest.mark.parametrize(
    ('table', 'key'),
    [('annotations', 'area'), ('images', 'width'), ('annotations', ''), ('images', '')],
)
def test_a_table_without_a_sound_row(coco, table, key):
    for row in coco.data[table]:
        row.pop(key, None)
    if not key:
        coco.data[table].clear()
    assert ('error', 'refused by a run', 'train') in found(coco.check())


def test_the_sheet_shows_each_finding(coco):
    for plant in (flaws.twice, flaws.cut_short, flaws.same_image):
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


def test_a_config_and_its_model(write_config, digits_coco):
    config = write_config()
    diagnosis = check_data(config)
    few = {  # of 16 + 6 images
        ('warning', 'few samples', 'train'),
        ('warning', 'class never measured', 'val'),
    }
    assert found(diagnosis) == few
    assert [part.split for part in diagnosis.splits] == ['train', 'val']
    # an epoch learns one object of the only cell
    options = ['model.bbox_head.grid_size=1']
    names = found(check_data(config, read_images=False, cfg_options=options))
    assert names - few == {('warning', 'out of the reach of the model', 'train')}
    options = ["model.bbox_head.grid_size='x'"]
    (text,) = [
        f.text
        for f in check_data(config, read_images=False, cfg_options=options).findings
        if f.level == 'error'
    ]
    assert 'model.bbox_head.predictor' in text
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
    flaws.blank(coco)
    run(source=source)  # a warning
    assert 'in the data of' in error_of(run, source=source, strict=True)
    flaws.twice(coco)
    coco.check()
    message = error_of(run, source=source)
    assert message == f'1 finding in the data of {source}: duplicate boxes'


def test_mistakes_are_said(coco, tmp_path, error_of):
    coco.check()
    source = str(coco.root / 'train.json')
    for none in ('none.json', 'none/', 'none'):
        assert f'there is no file or folder {none}' in error_of(check_data, none)
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
    with open(tmp_path / 'out.txt', 'w+') as out:
        process = subprocess.Popen(
            [sys.executable, str(TOOL), 'train.json'], cwd=tmp_path, stdout=out
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    text = (tmp_path / 'out.txt').read_text()
    assert '118,000 images, 860,000 boxes of 80 classes' in text
    assert usage.ru_maxrss < 2 * 2**20  # KiB
