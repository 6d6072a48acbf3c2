"""tools/infer.py on a classifier: labels of images from a checkpoint."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.datasets.digits import DigitsDataset
from projects.core.engine import evaluate, infer
from projects.core.variants import config_root
from projects.registry import MODELS

CONFIG = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')


@pytest.fixture
def digits(fresh, tmp_path):
    """Folder of the first twelve held-out digits as image files."""
    data = DigitsDataset('val')
    (tmp_path / 'digits').mkdir()
    for i in range(12):
        cv2.imwrite(str(tmp_path / f'digits/{i:02}.png'), data.get_data_info(i)['img'])
    return tmp_path / 'digits'


def test_same_classes_as_in_the_test(lenet, digits, capsys):
    evaluate(CONFIG, lenet, 'run', 'test.json')
    capsys.readouterr()
    results = infer(lenet, 'digits', batch_size=5)
    folder = Path('predictions/digits')
    assert json.loads((folder / 'predictions.json').read_text()) == results
    assert [r['file_name'] for r in results] == [f'{i:02}.png' for i in range(12)]
    expected = json.loads(Path('test.json').read_text())
    for found, test in zip(results, expected, strict=False):
        assert len(found['predictions']) == 5
        for a, b in zip(found['predictions'], test['predictions'], strict=True):
            assert (a['label'], a['class']) == (b['label'], b['class'])
            assert a['score'] == pytest.approx(b['score'], abs=1e-5)
    assert {p.name for p in folder.iterdir()} == {
        '.mmatlas.sha256',
        'predictions.json',
        *(f'{i:02}.png' for i in range(12)),
    }
    # 8 x 8 pixels of 56 x 56, five lines below
    picture = cv2.imread(str(folder / '07.png'))
    np.testing.assert_array_equal(
        picture[28:448:56, 28:448:56], cv2.imread('digits/07.png')
    )
    assert picture.shape[0] > 448 + 5 * 18
    screen = capsys.readouterr().out
    assert ': pictures and predictions.json in predictions/digits' in screen
    assert 'classified as ' in screen
    assert 'bright' not in screen


def test_one_image_of_another_size_and_kind(lenet, digits, capsys):
    grey = cv2.imread('digits/03.png', cv2.IMREAD_GRAYSCALE)
    large = cv2.resize(grey, (200, 320), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite('photo.jpg', np.repeat(large[..., None], 3, 2))
    (result,) = infer(lenet, 'photo.jpg', 'out')
    best = result['predictions']
    assert sum(b['score'] for b in best) <= 1
    assert [b['score'] for b in best] == sorted(
        (b['score'] for b in best), reverse=True
    )
    first = f'{best[0]["class"]} {100 * best[0]["score"]:.1f} %, '
    assert f's, {first}' in capsys.readouterr().out
    assert cv2.imread('out/photo.png').shape[1] == 448


def test_black_ink_on_white_is_warned_of(lenet, digits, capsys):
    path = 'digits/00.png'
    cv2.imwrite(path, 255 - cv2.imread(path))
    infer(lenet, 'digits', 'out')
    assert (
        '1 of 12 images are bright at the border: the model learnt white on black'
    ) in capsys.readouterr().out


def test_unreadable_image_is_named(lenet, digits, capsys, error_of):
    Path('digits/04.png').write_bytes(b'no image')
    results = infer(lenet, 'digits', 'out')
    assert len(results) == 11
    assert 'cannot read the image digits/04.png: ' in capsys.readouterr().out
    assert not Path('out/04.png').exists()
    assert error_of(infer, lenet, 'digits/04.png').startswith(
        'cannot read the image digits/04.png: '
    )
    assert error_of(infer, lenet, 'digits/99.png') == (
        'there is no image or folder digits/99.png'
    )
    assert '--out-dir' in error_of(infer, lenet, 'digits', 'digits')


class MeanColour(torch.nn.Module):
    """As a backbone: scores of a classifier that knows colours by heart."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return (x.mean((2, 3)),)


COLOURS = {'red': (0, 0, 255), 'green': (0, 255, 0), 'blue': (255, 0, 0)}


@pytest.mark.parametrize('to_rgb', [False, True])
@pytest.mark.parametrize('in_memory', [False, True])
def test_network_sees_rgb_of_files(fresh, monkeypatch, capsys, to_rgb, in_memory):
    """Of data in memory, as CIFAR, the pipeline loads no file."""
    MODELS.import_from_location()
    monkeypatch.setitem(MODELS.module_dict, 'MeanColour', MeanColour)
    pipeline = [dict(type='Resize', scale=(8, 8)), dict(type='PackInputs')]
    if not in_memory:
        pipeline.insert(0, dict(type='LoadImageFromFile'))
    head = dict(type='ClsHead')
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='projects.ImageClassifier',
                head=head,
                data_preprocessor=dict(mean=[0.0] * 3, std=[25.5] * 3, to_rgb=to_rgb),
                backbone=dict(type='projects.MeanColour'),
            ),
            test_dataloader=dict(dataset=dict(type='CIFAR10', pipeline=pipeline)),
        )
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        weights = MODELS.build(cfg.model).state_dict()
    # the channels of the network, by what the data were in training
    order = ('red', 'green', 'blue')
    if not in_memory and not to_rgb:
        order = order[::-1]
    torch.save(
        dict(
            state_dict=weights,
            meta=dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=order)),
        ),
        'a.pth',
    )
    Path('images').mkdir()
    for name, colour in COLOURS.items():
        cv2.imwrite(f'images/{name}.png', np.full((20, 30, 3), colour, np.uint8))
    results = infer('a.pth', 'images', 'out')
    assert {
        r['file_name'].removesuffix('.png'): r['predictions'][0]['class']
        for r in results
    } == {name: name for name in COLOURS}
    assert cv2.imread('out/red.png')[0, 0].tolist() == [0, 0, 255]
    assert 'bright' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(state_dict=dict(a=torch.zeros(1))), 'holds no config'),
        ([1], 'holds no weights by name'),
    ],
)
def test_checkpoints_that_do_not_serve(digits, error_of, content, message):
    torch.save(content, 'other.pth')
    assert message in error_of(infer, 'other.pth', 'digits')


def test_model_of_another_kind(digits, error_of, monkeypatch):
    MODELS.import_from_location()
    monkeypatch.setitem(MODELS.module_dict, 'MeanColour', MeanColour)
    cfg = Config(
        dict(default_scope='mmpretrain', model=dict(type='projects.MeanColour'))
    )
    torch.save(
        dict(
            state_dict=MeanColour().state_dict(),
            meta=dict(cfg=cfg.pretty_text, dataset_meta={}),
        ),
        'other.pth',
    )
    assert error_of(infer, 'other.pth', 'digits') == (
        'other.pth holds a MeanColour, a model of no known kind, which this tool '
        'cannot apply; there are an image classifier, a detector, a generative model, '
        'a model of sequences'
    )
