"""Arguments of the Python API and options of the tools: each mistake is a sentence."""

from pathlib import Path

import pytest
import torch

from projects import create_model, list_models
from projects.core.benchmark.as_run import compare_runs
from projects.core.benchmark.campaign import campaign
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.devices import find_device
from projects.core.engine import evaluate, infer, train
from projects.core.errors import UserError
from projects.core.values import (
    SEED,
    above,
    checked,
    either,
    number,
    optional,
    several,
    whole,
)
from projects.ssd.draw_matches import draw_matches
from projects.yolov1.darknet import convert

LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
NAN = float('nan')


@pytest.mark.parametrize(
    ('rule', 'fitting', 'refused'),
    [
        (whole(), [0, -5, 10**30], [True, None, 1.0, '1', NAN]),
        (whole(1), [1, 7], [0, -1, True]),
        (whole(0, 3), [0, 3], [4, -1]),
        (number(0), [0, 0.5, 10**400], [-1e-9, NAN, float('inf'), '0', True, None]),
        (above(0), [1e-9, 1], [0, 0.0, -1, NAN]),
        (optional(whole(1)), [None, 1], [0, 'x']),
        (either(whole(1), number(5)), [1, 5.5], [4.5]),
        (several(whole(1)), [1, [1, 2], (3,), []], [[0], [1, 'x'], 'x']),
        (SEED, [0, 2**32 - 1], [-1, 2**32, 0.0]),
    ],
)
def test_rules(rule, fitting, refused):
    assert [rule.refusal(value) for value in fitting] == [None] * len(fitting)
    for value in refused:
        assert rule.refusal(value) == f'{rule.words}, not {value!r}'


def test_checked_passes_paths_on_as_text():
    from projects.core.values import PATH

    @checked(a=PATH, b=optional(PATH))
    def function(a, b='default', *, c=0):
        return a, b, c

    assert function(Path('x'), c=3) == ('x', 'default', 3)
    assert function(a='x', b=Path('y')) == ('x', 'y', 0)
    assert function('x', Path('y')) == ('x', 'y', 0)
    with pytest.raises(UserError, match=r"^a: a path, not ''$"):
        function('')
    with pytest.raises(TypeError):  # Python's own, not hidden
        function()
    with pytest.raises(TypeError, match='has no'):
        checked(z=PATH)(function)


# calls that are refused, and the beginning of the sentence
CALLS = [
    (create_model, ('lenet5', 0), 'num_classes: a whole number of at least 1'),
    (create_model, ('lenet5', -1), 'num_classes: '),
    (create_model, ('lenet5', '3'), 'num_classes: '),
    (create_model, ('lenet5', True), 'num_classes: '),
    (create_model, ('lenet5', 2.5), 'num_classes: '),
    (create_model, (None,), 'name: a text, not None'),
    (create_model, (3,), 'name: a text, not 3'),
    (create_model, (Path('nothing.py'),), "no model 'nothing.py'"),
    (create_model, ('lenet5', None, ''), "pretrained: True or False or a path, not ''"),
    (create_model, ('lenet5', None, 3), 'pretrained: '),
    (create_model, ('lenet5', None, Path('no.pth')), 'there is no checkpoint no.pth'),
    (create_model, ('lenet5', None, 's3://x'), 's3://x: weights come from a file'),
    (create_model, ('resnet18', None, False, -2), 'trainable_stages: '),
    (create_model, ('resnet18', None, False, '1'), 'trainable_stages: '),
    (list_models, (3,), 'pattern: a text, not 3'),
    (train, (None,), 'config: a path, not None'),
    (train, (3,), 'config: a path, not 3'),
    (train, ('',), "config: a path, not ''"),
    (train, (LENET, ''), "work_dir: a path or None, not ''"),
    (train, (LENET, 'run', 'x\0'), 'resume: '),
    (train, (LENET, 'run', False, 'yes'), 'amp: True or False'),
    (train, (LENET, 'run', False, False, -1), 'seed: a whole number from 0 to 4294'),
    (train, (LENET, 'run', False, False, 99999999999999), 'seed: '),
    (train, (LENET, 'run', False, False, '1'), 'seed: '),
    (evaluate, (LENET, None), 'checkpoint: a path, not None'),
    (evaluate, (LENET, 'x.pth', None, ''), 'out: a path or None'),
    (evaluate, (LENET, 'x.pth', None, None, None, 'mpirun'), "launcher: 'none', "),
    (infer, ('x.pth', 3), 'inputs: a text or None, not 3'),
    (infer, ('x.pth', 'x.png', ''), 'out_dir: a path or None'),
    (infer, ('x.pth', 'x.png', None, NAN), 'score_thr: a number, not nan'),
    (infer, ('x.pth', 'x.png', None, 0.3, 0), 'batch_size: a whole number of at least'),
    (infer, ('x.pth', 'x.png', None, 0.3, 8, 'cdua'), "there is no device 'cdua'"),
    (compare_runs, ([], 8, 20, -1), 'warmup: '),
    (compare_runs, ([], 8, 20, 3, [0]), 'input_size: '),
    (compare_runs, ([], 8, 20, 3, None, 5, None, 0), 'threads: '),
    (campaign, ('x', NAN), 'minutes: a number above 0'),
    (draw_matches, (LENET, -1), 'index: a whole number of at least 0'),
    (draw_matches, (LENET, 0, 'x.png', -1), 'seed: '),
    (convert, ('yolov1', 'a.weights', 'b.pth', 0), 'num_classes: '),
    (make_digits_coco, ('new', 0), ''),
    (make_digits_coco, ('new', 5, 5, 0), ''),
]


@pytest.mark.parametrize(('function', 'arguments', 'message'), CALLS)
def test_argument_that_is_refused(monkeypatch, tmp_path, function, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        function(*arguments)
    assert str(error.value).startswith(message)
    assert '\n' not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_more_stages_than_there_are():
    with pytest.raises(UserError, match='model: trainable_stages 99: ResNet has'):
        create_model('resnet18', trainable_stages=99)


def test_paths_may_be_path_objects(lenet, tmp_path, fresh):
    from PIL import Image

    Image.new('L', (28, 28)).save('image.png')
    results = infer(Path(lenet), Path('image.png'), Path('out'), device='cpu')
    assert len(results) == 1
    assert Path('out/predictions.json').is_file()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('cdua', "there is no device 'cdua'; did you mean 'cuda'?"),
        ('', "there is no device ''; there are cpu, cuda"),
        ('cpu:x', "there is no device 'cpu:x'"),
        (3.5, "there is no device '3.5'"),
        ('meta', "device 'meta' cannot be used here; use cpu"),
        ('cuda:99', "device 'cuda:99': "),
    ],
)
def test_device_that_is_not_there(name, message):
    with pytest.raises(UserError) as error:
        find_device(name)
    assert str(error.value).startswith(message)


def test_device_that_is_there():
    assert find_device('cpu') == 'cpu'
    assert find_device() == ('cuda' if torch.cuda.is_available() else 'cpu')
