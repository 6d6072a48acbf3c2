"""tools/infer.py: detections of images from a checkpoint alone."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from projects.core.engine import evaluate, infer, train

KEYS = ('category_id', 'bbox', 'score')


def by_file(results, names=None):
    """Detections per file name, the best first."""
    files = {}
    for r in sorted(results, key=lambda r: -r['score']):
        name = names[r['image_id']] if names else r['file_name']
        files.setdefault(name, []).append({k: r[k] for k in KEYS})
    return files


def test_same_detections_as_in_the_test(by_heart, checkpoint, digits_coco):
    config = by_heart
    evaluate(config, checkpoint, 'run', 'test.json')
    Path(config).unlink()  # the checkpoint holds it
    shutil.copy(checkpoint, 'alone.pth')
    results = infer('alone.pth', str(digits_coco / 'train'), 'out')
    assert json.loads(Path('out/detections.json').read_text()) == results
    data = json.loads((digits_coco / 'annotations/train.json').read_text())
    names = {i['id']: i['file_name'] for i in data['images']}
    expected = by_file(json.loads(Path('test.json').read_text()), names)
    found = by_file(results)
    assert found.keys() == expected.keys()
    for name in found:
        assert len(found[name]) == len(expected[name]) > 0
        for a, b in zip(found[name], expected[name], strict=True):
            assert a['category_id'] == b['category_id']
            assert a['score'] == pytest.approx(b['score'], abs=1e-5)
            assert a['bbox'] == pytest.approx(b['bbox'], abs=1e-2)
    assert {p.stem for p in Path('out').glob('*.png')} == {
        p.stem for p in (digits_coco / 'train').iterdir()
    }


def test_category_ids_are_those_of_the_annotation_file(
    write_config, digits_coco, tmp_path, fresh
):
    shutil.copytree(digits_coco, tmp_path / 'own')
    for split in ('train', 'val'):  # neither in order nor from 1
        path = Path(f'own/annotations/{split}.json')
        data = json.loads(path.read_text())
        for item in data['categories']:
            item['id'] = 90 - 3 * item['id']
        for ann in data['annotations']:
            ann['category_id'] = 90 - 3 * ann['category_id']
        path.write_text(json.dumps(data))
    # in a wrapper, as for small sets
    config = write_config("""
train_dataloader['dataset'] = dict(
    _delete_=True, type='RepeatDataset', times=2, dataset=dict(
        type='CocoDataset', data_root='own', pipeline=train_pipeline,
        ann_file='annotations/train.json', data_prefix=dict(img='train/'),
        metainfo=dict(classes=tuple('0123456789'))))
val_dataloader = val_cfg = val_evaluator = None
""")
    train(config, 'run', cfg_options=['train_cfg.max_epochs=1'])
    results = infer('run/epoch_1.pth', 'own/val', 'out')
    assert len({r['category_id'] for r in results}) > 1
    assert all(r['category_id'] == 90 - 3 * (int(r['category']) + 1) for r in results)


def test_score_threshold_decides_what_is_drawn_not_what_is_written(
    checkpoint, digits_coco, fresh
):
    image = str(next((digits_coco / 'val').glob('*.jpg')))
    results = infer(checkpoint, image, 'all', score_thr=0.0)
    assert infer(checkpoint, image, 'none', score_thr=2.0) == results
    drawn, plain = (
        cv2.imread(str(next(Path(d).glob('*.png')))) for d in ('all', 'none')
    )
    photo = cv2.resize(cv2.imread(image), None, fx=7, fy=7)
    assert np.array_equal(plain, photo)
    assert not np.array_equal(drawn, photo)


def test_unreadable_image_of_a_folder_is_named(
    checkpoint, digits_coco, tmp_path, fresh, capsys, error_of
):
    shutil.copytree(digits_coco / 'val', tmp_path / 'images')
    bad = Path('images/000002.jpg')
    bad.write_bytes(bad.read_bytes()[:300])
    results = infer(checkpoint, 'images', 'out', score_thr=0)
    assert f'cannot read the image {bad}: ' in capsys.readouterr().out
    found = {r['file_name'] for r in results}
    assert '000003.jpg' in found
    assert bad.name not in found
    assert error_of(infer, checkpoint, str(bad), 'out2').startswith(
        f'cannot read the image {bad}: '
    )


def test_pictures_never_land_among_the_images(checkpoint, digits_coco, fresh, error_of):
    folder = str(digits_coco / 'val')
    assert '--out-dir' in error_of(infer, checkpoint, folder, folder)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(state_dict=dict(a=torch.zeros(1))), 'holds no config'),
        (dict(state_dict=dict(a=1)), 'holds no weights by name'),
        ([1], 'holds no weights by name'),
    ],
)
def test_checkpoints_that_do_not_serve(digits_coco, fresh, error_of, content, message):
    torch.save(content, 'other.pth')
    error = error_of(infer, 'other.pth', str(digits_coco / 'val'))
    assert error.startswith(f'other.pth {message}')


def test_no_image(checkpoint, fresh, error_of, tmp_path):
    Path('empty').mkdir()
    assert error_of(infer, checkpoint, 'empty').startswith(
        'the folder empty holds no image'
    )
    assert error_of(infer, checkpoint, 'no.jpg') == (
        'there is no image or folder no.jpg'
    )
