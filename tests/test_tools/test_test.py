"""tools/test.py: numbers, results in COCO's format, pictures."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from projects.core.engine import evaluate
from projects.core.reports.evaluation import read_evaluation
from projects.core.tasks.detection.pictures import COLOURS

KEYS = [
    'mAP',
    'mAP_50',
    'mAP_75',
    'mAP_s',
    'mAP_m',
    'mAP_l',
    'AR@1',
    'AR@10',
    'AR@100',
    'AR_s',
    'AR_m',
    'AR_l',
]


def test_results_file_gives_pycocotools_the_same_twelve_numbers(
    by_heart, checkpoint, digits_coco, capsys
):
    metrics = evaluate(by_heart, checkpoint, 'run', 'out/results.json')
    screen = capsys.readouterr().out
    gt = COCO(digits_coco / 'annotations/train.json')
    assert len(json.loads(Path('out/results.json').read_text())) > 20
    coco_eval = COCOeval(gt, gt.loadRes('out/results.json'), 'bbox')
    coco_eval.evaluate()
    coco_eval.accumulate()
    coco_eval.summarize()
    assert [metrics[f'coco/bbox_{key}'] for key in KEYS] == pytest.approx(
        coco_eval.stats.tolist(), abs=1e-12
    )
    assert metrics['coco/bbox_mAP'] > 0.05  # or the numbers say little
    assert screen.count('Average Precision  (AP)') == 6
    assert screen.count('Average Recall     (AR)') == 6
    rows = re.findall(r'^\| (\d) +\| (\d+) ', screen, re.MULTILINE)
    assert [name for name, _ in rows] == list('0123456789')
    assert sum(int(n) for _, n in rows) == len(gt.anns)
    assert 'detections: out/results.json' in screen
    assert re.search(r'bbox, by (pycocotools|faster-coco-eval) \d', screen)
    for folder in ('run/test_evaluation', 'out/results_evaluation'):
        assert f'evaluation: {folder}\n' in screen
        blocks = {
            block.key: block
            for section in read_evaluation(folder).sections
            for block in section.blocks
        }
        table = blocks['classes']
        assert sum(row[1] for row in table.rows) == len(gt.anns)
        mean = np.mean([row[table.columns.index('AP50')] for row in table.rows])
        assert mean == pytest.approx(coco_eval.stats[1], abs=1e-4)  # 4 digits
        pictures = blocks['best-images'].pictures
        assert re.fullmatch(
            r'image \d+: \d of \d found(, \d+ false)?', pictures[0].caption
        )
        assert max(cv2.imread(pictures[0].file).shape) <= 256
        csv = Path(folder, 'classes.csv').read_text().splitlines()
        assert len(csv) == 1 + len(table.rows)


def test_evaluation_of_another_is_not_replaced(by_heart, checkpoint, error_of):
    Path('out_evaluation').mkdir()
    Path('out_evaluation/evaluation.json').write_text('of mine')
    error = error_of(evaluate, by_heart, checkpoint, 'run', 'out.json')
    assert 'out_evaluation/evaluation.json is there already' in error
    assert Path('out_evaluation/evaluation.json').read_text() == 'of mine'
    assert not Path('run').exists()  # before anything else


def constant_detector(checkpoint, cls_score):
    """The checkpoint with a last layer that is the same everywhere.

    In each of the 4 x 4 cells it finds digit 3, of ``cls_score``, in a box of the
    cell's size in the cell's middle.
    """
    saved = torch.load(checkpoint, weights_only=False)
    conv = 'bbox_head.predictor.conv'
    saved['state_dict'][f'{conv}.weight'].zero_()
    # ten classes, the confidence, (x, y) in the cell and root of (w, h)
    saved['state_dict'][f'{conv}.bias'].copy_(
        torch.tensor([0, 0, 0, cls_score, *[0] * 6, 1, 0.5, 0.5, 0.5, 0.5])
    )
    torch.save(saved, 'constant.pth')
    return 'constant.pth'


@pytest.mark.parametrize('score', [0.0, 0.5])
def test_pictures_of_all_images(by_heart, checkpoint, digits_coco, score):
    evaluate(by_heart, constant_detector(checkpoint, score), 'run', show_dir='pictures')
    names = {p.stem for p in (digits_coco / 'train').iterdir()}
    assert len(names) == 16
    assert {p.stem for p in Path('pictures').glob('*.png')} == names
    # ground truth is white: the first box, 64 x 64 pixels enlarged by 7
    data = json.loads((digits_coco / 'annotations/train.json').read_text())
    ann = data['annotations'][0]
    image = cv2.imread(f'pictures/{ann["image_id"]:06d}.png')
    assert image.shape == (448, 448, 3)
    x, y = (round(7 * v) for v in ann['bbox'][:2])
    w, h = (round(7 * v) for v in ann['bbox'][2:])
    border = np.concatenate([image[y, x : x + w], image[y : y + h, x]])
    white = (border == 255).all(1).mean()
    # the colour of digit 3 at the left of each cell of 112 pixels, below the text
    left = np.concatenate([image[y + 40 : y + 80, ::112] for y in range(0, 448, 112)])
    coloured = (left == COLOURS[3][::-1]).all(2)
    if score:  # detections lie above the ground truth
        assert coloured.all()
    else:
        assert not coloured.any()
        assert white == 1


def test_test_leaves_the_training_as_it_is(write_config, trained):
    trained = shutil.copytree(trained, Path('trained'))  # others read it
    names = {p.name for p in trained.iterdir()}
    before = (trained / 'tiny.py').read_bytes()
    evaluate(write_config(), str(trained / 'epoch_2.pth'), str(trained))
    assert (trained / 'tiny.py').read_bytes() == before
    log, evaluation = sorted({p.name for p in trained.iterdir()} - names)
    assert re.fullmatch(r'\d{8}_\d{6}', log)
    assert evaluation == 'test_evaluation'  # beside that of the best validation


@pytest.mark.parametrize('out', ['results.pkl', 'results', 'json'])
def test_out_of_another_suffix_is_refused(write_config, checkpoint, error_of, out):
    error = error_of(evaluate, write_config(), checkpoint, 'run', out)
    assert error.startswith(f'--out {out}: the COCO results format is JSON')
    assert not Path('run').exists()


def test_checkpoint_of_another_model(write_config, trained, error_of):
    checkpoint = str(trained / 'epoch_2.pth')
    config = write_config("\nmodel['bbox_head']['num_boxes'] = 3\n")
    error = error_of(evaluate, config, checkpoint, 'run')
    assert error.startswith(f'{checkpoint} does not fit this model: ')
    assert 'bbox_head.predictor.layers.4.weight (400, 32) | (' in error
    assert error.endswith('give the config that this checkpoint was trained with')
    assert error_of(evaluate, config, 'no.pth') == ('there is no checkpoint no.pth')


def test_pictures_never_replace_images(
    write_config, trained, error_of, digits_coco, tmp_path
):
    shutil.copytree(digits_coco, tmp_path / 'own')
    data = json.loads(Path('own/annotations/val.json').read_text())
    for image in data['images']:  # as PNG they have the pictures' names
        file = Path('own/val', image['file_name'])
        cv2.imwrite(str(file.with_suffix('.png')), cv2.imread(str(file)))
        image['file_name'] = file.with_suffix('.png').name
    Path('own/annotations/val.json').write_text(json.dumps(data))
    before = [p.read_bytes() for p in sorted(Path('own/val').iterdir())]
    error = error_of(
        evaluate,
        write_config(data_root=tmp_path / 'own'),
        str(trained / 'epoch_2.pth'),
        'run',
        show_dir='own/val',
    )
    assert 'own/val/000001.png is there already and was not made' in error
    assert [p.read_bytes() for p in sorted(Path('own/val').iterdir())] == before


@pytest.mark.parametrize('as_stored', [None, True])
def test_annotations_of_images_as_they_are_stored(
    write_config, by_heart_text, checkpoint, digits_coco, tmp_path, error_of, as_stored
):
    """Photos bear an orientation: a viewer turns them, their JSON may not."""
    images = shutil.copytree(digits_coco, tmp_path / 'own') / 'train'
    file = tmp_path / 'own/annotations/train.json'
    data = json.loads(file.read_text())
    exif = Image.Exif()
    exif[0x112] = 6
    for image in data['images']:
        image['width'] += 2  # a square would not tell
        path = images / image['file_name']
        wider = ImageOps.expand(Image.open(path), (0, 0, 2, 0))
        wider.save(path, exif=exif, quality=95)
    file.write_text(json.dumps(data))
    config = write_config(
        by_heart_text.replace('DATA', str(tmp_path / 'own'))
        + f"test_pipeline[0]['as_stored'] = {as_stored}\n"
        + "test_dataloader['dataset'].update(type='CocoDataset', data_prefix=dict("
        + "img='train/'), ann_file='annotations/train.json', metainfo=dict("
        + "classes=tuple('0123456789')))\ntest_dataloader['dataset'].pop('split')\n"
        + "test_dataloader['dataset']['_delete_'] = True\n",
        data_root=tmp_path / 'own',
    )
    if as_stored:
        metrics = evaluate(config, checkpoint, 'run', show_dir='pictures')
        assert metrics['coco/bbox_mAP'] > 0.5
        picture = cv2.imread('pictures/000001.png')
        assert picture.shape == (64 * 7, 66 * 7, 3)  # drawn as stored, too
    else:
        error = error_of(evaluate, config, checkpoint, 'run')
        assert '000001.jpg is 64 x 66 pixels' in error
        assert 'set as_stored=True of projects.LoadImageFromFile' in error
