"""No tool replaces a file of the user's, and each says so before its work."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from stub_images import infer

from projects.core.benchmark import benchmark
from projects.core.benchmark.as_run import compare_runs
from projects.core.benchmark.campaign import campaign
from projects.core.benchmark.comparison import compare
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.datasets.transforms import LoadImageFromFile
from projects.core.engine import evaluate
from projects.core.tasks.detection.pictures_hook import DetectionPicturesHook
from projects.core.variants import config_root
from projects.repvgg.reparameterize import reparameterize
from projects.ssd.draw_matches import draw_matches
from projects.yolov1.darknet import convert

LENET = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')
MINE = b'of the user'
COMMANDS = {  # the file that it would replace, what would
    'test --out': ('a.json', lambda: evaluate('tiny.py', 'any.pth', 'run', 'a.json')),
    'test --out, annotations': (
        'data/annotations/val.json',
        lambda: evaluate('tiny.py', 'any.pth', 'run', 'data/annotations/val.json'),
    ),
    'test --out, classifier': (
        'a.json',
        lambda: evaluate(LENET, 'any.pth', 'run', 'a.json'),
    ),
    'test --show-dir, classifier': (
        'wrong/001_cat_as_dog.png',
        lambda: evaluate(LENET, 'any.pth', 'run', show_dir='wrong'),
    ),
    **{
        f'test --work-dir, {name}': (
            f'run/{name}',
            lambda: evaluate(LENET, 'any.pth', 'run'),
        )
        for name in ('classes.csv', 'confusion_matrix.csv', 'confusion_matrix.png')
    },
    'infer --out-dir, picture': ('out/b.png', lambda: infer('images', 'out')),
    'infer --out-dir, results': ('out/rows.json', lambda: infer('images', 'out')),
    'benchmark --out': ('a.json', lambda: benchmark(['lenet5'], out='a.json')),
    'benchmark --as-run --out': (
        'a.json',
        lambda: compare_runs(['lenet5', 'lenet5'], out='a.json'),
    ),
    'comparison_table --out': ('out/table.md', lambda: compare(['lenet5'], 'out')),
    **{
        f'gpu_campaign --out, {name}': (f'out/{name}', lambda: campaign('out'))
        for name in ('report.md', 'rows.jsonl', 'tests.log', 'tmp/pytest/mine.txt')
    },
    'draw_default_boxes --out': ('a.png', lambda: draw_matches('tiny.py', out='a.png')),
    'make_digits_coco': (
        'set/annotations/train.json',
        lambda: make_digits_coco('set', num_train=1, num_val=1),
    ),
    'darknet, .pth': (
        'a.pth',
        lambda: convert('yolov1_tiny', 'any.weights', 'a.pth'),
    ),
    'darknet, .weights': (
        'a.weights',
        lambda: convert('yolov1_tiny', 'any.pth', 'a.weights'),
    ),
    'reparameterize': ('a.pth', lambda: reparameterize('any.pth', 'a.pth')),
}

NO_OPTION = {
    'make_digits_coco': 'choose another folder',
    'darknet': 'argument target',
    'reparameterize': 'argument target',
}


def make(kind, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == 'file':
        path.write_bytes(MINE)
        return
    Path('mine').mkdir()
    mine = Path('mine/file').absolute()
    mine.write_bytes(MINE)
    path.symlink_to(mine)


def everything():
    return {
        str(path): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in Path().rglob('*')
    }


@pytest.fixture
def place(fresh, write_config):
    """The working folder, with what the commands need."""
    write_config()
    for name in ('any.pth', 'any.weights'):
        Path(name).write_bytes(b'is not opened')
    Path('images').mkdir()
    for name in 'ab':
        cv2.imwrite(f'images/{name}.jpg', np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize('kind', ['file', 'link'])  # more: test_output_files.py
@pytest.mark.parametrize('command', COMMANDS)
def test_what_is_there_stays(place, error_of, command, kind):
    path, run = COMMANDS[command]
    make(kind, Path(path))
    before = everything()
    error = error_of(run)
    option = re.findall(r'--[a-z-]+', command) or [NO_OPTION[command.split(',')[0]]]
    assert option[-1] in error
    assert everything() == before


PLACES = {  # a file stands where a folder is wanted
    'test --out': lambda: evaluate('tiny.py', 'any.pth', 'run', 'file/a.json'),
    'test --show-dir': lambda: evaluate(
        'tiny.py', 'any.pth', 'run', show_dir='file/new'
    ),
    'test --out, classifier': lambda: evaluate(LENET, 'any.pth', 'r', 'file/a.json'),
    'test --show-dir, classifier': lambda: evaluate(
        LENET, 'any.pth', 'run', show_dir='file'
    ),
    'test --work-dir': lambda: evaluate(LENET, 'any.pth', 'file'),
    'infer --out-dir': lambda: infer('images', 'file'),
    'benchmark --out': lambda: benchmark(['lenet5'], out='file/a.json'),
    'benchmark --as-run --out': lambda: compare_runs(['lenet5'] * 2, out='file/a.json'),
    'comparison_table --out': lambda: compare(['lenet5'], 'file/new'),
    'gpu_campaign --out': lambda: campaign('file'),
    'draw_default_boxes --out': lambda: draw_matches('tiny.py', out='file/a.png'),
    'darknet': lambda: convert('yolov1_tiny', 'any.weights', 'file/a.pth'),
    'reparameterize': lambda: reparameterize('any.pth', 'file/a.pth'),
}


@pytest.mark.parametrize('command', PLACES)
def test_place_that_cannot_be_written_to(place, error_of, command):
    Path('file').write_bytes(MINE)
    before = everything()
    assert 'cannot be written to: ' in error_of(PLACES[command])
    assert everything() == before


def test_pictures_of_infer_never_become_its_images(place, error_of):
    Path('link').symlink_to('images')
    for out in ('images', 'images/', 'link', '../' + Path().absolute().name + '/link'):
        assert '--out-dir' in error_of(infer, 'images', out)


def test_infer_again_replaces_its_own(place):
    rows, _ = infer('images', 'out')
    cv2.imwrite('images/a.jpg', np.full((8, 8, 3), 255, np.uint8))
    assert infer('images', 'out')[0] == rows
    assert cv2.imread('out/a.png').min() > 200


# ------------------------------------------------------------ detection's hook
class Images:
    """A data set of two folders in which a name is there twice."""

    metainfo = dict(classes=('cat',))
    pipeline = SimpleNamespace(transforms=[LoadImageFromFile()])

    def __init__(self):
        self.paths = ['a/x.png', 'b/x.png', 'a/y.png']
        for i, path in enumerate(self.paths):
            Path(path).parent.mkdir(exist_ok=True)
            cv2.imwrite(path, np.full((448, 448, 3), 50 * i, np.uint8))

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return dict(img_path=self.paths[index])

    def samples(self):
        found = InstanceData(
            bboxes=torch.zeros(0, 4),
            labels=torch.zeros(0, dtype=torch.long),
            scores=torch.zeros(0),
        )
        for path in self.paths:
            sample = DetDataSample(metainfo=dict(img_path=path))
            sample.pred_instances = found
            yield sample


def runner_of(dataset):
    loader = SimpleNamespace(dataset=dataset)
    logger = SimpleNamespace(warning=print)
    return SimpleNamespace(
        work_dir='run',
        epoch=3,
        logger=logger,
        val_dataloader=loader,
        test_dataloader=loader,
    )


def test_two_images_of_one_name_have_two_pictures(fresh):
    runner = runner_of(Images())
    for _ in range(2):  # the same command once more
        hook = DetectionPicturesHook(show_dir='out')
        hook.before_test(runner)
        hook.after_test_iter(
            runner, 0, None, list(runner.test_dataloader.dataset.samples())
        )
        hook.after_test(runner)
    assert {p.name: cv2.imread(str(p))[0, 0, 0] for p in Path('out').glob('*.png')} == {
        'x.png': 0,
        'x.png.png': 50,
        'y.png': 100,
    }


@pytest.mark.parametrize('name', ['x.png', 'x.png.png', 'y.png'])
def test_pictures_of_a_test_are_looked_at_before(fresh, error_of, name):
    runner = runner_of(Images())
    make('file', Path('out', name))
    before = everything()
    hook = DetectionPicturesHook(show_dir='out')
    assert f'out/{name} is there already' in error_of(hook.before_test, runner)
    assert everything() == before


def test_image_that_is_gone_ends_no_test(fresh, warnings_logged, capsys):
    runner = runner_of(Images())
    hook = DetectionPicturesHook(show_dir='out')
    hook.before_test(runner)
    Path('a/x.png').unlink()
    hook.after_test_iter(
        runner, 0, None, list(runner.test_dataloader.dataset.samples())
    )
    hook.after_test(runner)
    assert {p.name for p in Path('out').glob('*.png')} == {'x.png.png', 'y.png'}
    assert len(warnings_logged) == 1
    assert 'a/x.png: there is no such file' in warnings_logged[0]
    assert '1 pictures are missing' in capsys.readouterr().out


def test_training_goes_on_without_its_picture(fresh, warnings_logged):
    runner = runner_of(Images())
    make('file', Path('run/pictures/epoch_3.png'))
    hook = DetectionPicturesHook()
    for epoch in (3, 3, 4):
        runner.epoch = epoch
        hook.before_val_epoch(runner)
        hook.after_val_iter(
            runner, 0, None, list(runner.val_dataloader.dataset.samples())
        )
        hook.after_val_epoch(runner)
    assert Path('run/pictures/epoch_3.png').read_bytes() == MINE
    assert cv2.imread('run/pictures/epoch_4.png').shape == (460, 1368, 3)
    assert len(warnings_logged) == 1  # of two that were refused
    assert 'epoch_3.png is there already and was not made by' in warnings_logged[0]


@pytest.mark.parametrize('num_images', [-1, 401])
def test_number_of_tiles(error_of, num_images):
    assert 'from 0 to 400' in error_of(DetectionPicturesHook, num_images=num_images)
