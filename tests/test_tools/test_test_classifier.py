"""tools/test.py on a classifier: which classes are taken for which."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import f1_score

from projects.core.datasets.digits import DigitsDataset
from projects.core.engine import evaluate
from projects.core.variants import config_root

TOOLS = Path(__file__).parents[2] / 'tools'
CONFIG = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')
FILES = {'classes.csv', 'confusion_matrix.csv', 'confusion_matrix.png'}


def table(path):
    with open(path, newline='') as file:
        return list(csv.reader(file))


def test_screen_and_files_agree(lenet, fresh, capsys):
    metrics = evaluate(CONFIG, lenet, 'run', 'new/out.json', 'wrong')
    screen = capsys.readouterr().out
    predictions = json.loads(Path('new/out.json').read_text())
    data = DigitsDataset('val')
    assert [p['index'] for p in predictions] == list(range(297))
    true = [p['true_label'] for p in predictions]
    assert true == data.get_gt_labels().tolist()
    found = [p['predictions'][0]['label'] for p in predictions]
    right = np.equal(true, found)
    assert 0.3 < right.mean() < 0.9  # or the numbers say little
    assert metrics['accuracy/top1'] == pytest.approx(100 * right.mean())
    assert metrics['accuracy/top5'] == pytest.approx(
        100
        * np.mean(
            [
                t in [b['label'] for b in p['predictions']]
                for t, p in zip(true, predictions, strict=True)
            ]
        )
    )

    assert {p.name for p in Path('run').iterdir()} > FILES
    matrix = np.array([row[1:] for row in table('run/confusion_matrix.csv')[1:]], int)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (true, found), 1)
    np.testing.assert_array_equal(matrix, expected)
    scores = f1_score(true, found, average=None)
    rows = table('run/classes.csv')[1:]
    assert [float(row[3]) for row in rows] == pytest.approx(100 * scores, abs=1e-4)
    shown = re.findall(r'^\| (\d) .* ([\d.]+) \| +(\d+) \|$', screen, re.M)
    assert [float(f1) for _, f1, _ in shown] == pytest.approx(100 * scores, abs=0.051)
    assert sum(int(n) for *_, n in shown) == 297
    assert len(shown) == 10

    lines = [line.partition('INFO - ')[2] for line in screen.splitlines()]
    assert lines[-8:] == [
        f'top-1 {metrics["accuracy/top1"]:.2f} %, top-5 '
        f'{metrics["accuracy/top5"]:.2f} % of 297 images',
        'which class is taken for which: run/confusion_matrix.png, '
        'run/confusion_matrix.csv',
        'precision, recall and F1 of all classes: run/classes.csv',
        f'{(~right).sum()} images are classified wrongly',
        'predictions: new/out.json',
        'pictures: wrong',
        'evaluation: run/test_evaluation',
        'evaluation: new/out_evaluation',
    ]
    assert 'prefix is not set' not in screen

    # the surest mistake comes first, and is the picture of that image
    pictures = sorted(Path('wrong').glob('*.png'))
    assert len(pictures) == (~right).sum()
    worst = max(
        (p for p, r in zip(predictions, right, strict=True) if not r),
        key=lambda p: p['predictions'][0]['score'],
    )
    assert pictures[0].name == (
        f'001_{worst["true_class"]}_as_{worst["predictions"][0]["class"]}.png'
    )
    pixels = cv2.imread(str(pictures[0]))[28:448:56, 28:448:56, 0]
    np.testing.assert_array_equal(pixels, data.get_data_info(worst['index'])['img'])


def test_without_options_there_are_neither_predictions_nor_pictures(
    lenet, fresh, capsys
):
    evaluate(CONFIG, lenet, 'run')
    assert {p.name for p in Path('run').iterdir() if p.is_file()} == {
        '.mmatlas.sha256',
        *FILES,
    }
    assert {p.name for p in Path().iterdir()} == {'run'}
    assert 'classified wrongly' not in capsys.readouterr().out


def test_images_of_files_are_named_and_drawn_from_them(lenet, fresh, tmp_path):
    data = DigitsDataset('val')
    for i in range(40):
        info = data.get_data_info(i)
        path = tmp_path / f'own/{info["gt_label"]}/{i:02}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), info['img'])
    Path('own.py').write_text(f"""
_base_ = '{CONFIG}'
test_dataloader = dict(dataset=dict(
    _delete_=True, type='CustomDataset', data_root='own', pipeline=[
        dict(type='projects.LoadImageFromFile', color_type='grayscale'),
        *_base_.test_pipeline]))
""")
    evaluate('own.py', lenet, 'run', 'own.json', 'wrong')
    evaluate(CONFIG, lenet, 'run2', 'memory.json')
    of_files = {
        Path(p['file_name']).stem: p for p in json.loads(Path('own.json').read_text())
    }
    assert len(of_files) == 40
    memory = json.loads(Path('memory.json').read_text())
    for i in range(40):
        found = of_files[f'{i:02}']
        assert found['true_label'] == memory[i]['true_label']
        assert [b['label'] for b in found['predictions']] == [
            b['label'] for b in memory[i]['predictions']
        ]
    wrong = [
        p for p in of_files.values() if p['predictions'][0]['label'] != p['true_label']
    ]
    assert len(list(Path('wrong').glob('*.png'))) == len(wrong) > 0


@pytest.mark.parametrize('out', ['out.pkl', 'out'])
def test_out_of_another_suffix_is_refused(lenet, fresh, error_of, out):
    error = error_of(evaluate, CONFIG, lenet, 'run', out)
    assert error == (
        f'--out {out}: predictions are JSON; name a file that ends in .json'
    )
    assert not Path('run').exists()


def test_metric_without_results(lenet, fresh, error_of):
    Path('own.py').write_text(
        f"_base_ = '{CONFIG}'\ntest_evaluator = dict(_delete_=True, "
        "type='MultiLabelMetric')\n"
    )
    for options in (dict(out='out.json'), dict(show_dir='pictures')):
        error = error_of(evaluate, 'own.py', lenet, 'run', **options)
        assert 'the test_evaluator of own.py is none of Accuracy, Sing' in error
    assert not Path('run').exists()


def test_show_dir_that_cannot_be_written_to(lenet, fresh, error_of):
    Path('file').touch()
    error = error_of(evaluate, CONFIG, lenet, 'run', None, 'file')
    assert error.startswith('file cannot be written to')
    assert error.endswith('--show-dir')


def test_head_of_another_number_of_classes(lenet, fresh, error_of):
    assert error_of(
        evaluate, CONFIG, lenet, 'run', cfg_options=['model.head.num_classes=7']
    ).startswith(
        'model.head.num_classes is 7, but the data of test_dataloader '
        'have 10 classes (0, 1, 2, '
    )


@pytest.mark.slow  # as those of a detector in test_dist.py
def test_two_processes_write_what_one_does(lenet, fresh):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    env = {
        k: v
        for k, v in {**os.environ, 'PATH': path}.items()
        if k not in ('PORT', 'RANK')
    }
    done = subprocess.run(
        [
            'bash',
            str(TOOLS / 'dist_test.sh'),
            CONFIG,
            lenet,
            '2',
            '--work-dir',
            'two',
            '--out',
            'two.json',
            '--show-dir',
            'two wrong',
        ],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count('mean of classes') == 1
    evaluate(CONFIG, lenet, 'one', 'one.json', 'one wrong')
    for file in FILES:
        assert Path('two', file).read_bytes() == Path('one', file).read_bytes()
    # 297 images: of the 298 that two processes share one is there twice
    one, two = (json.loads(Path(f'{n}.json').read_text()) for n in ('one', 'two'))
    assert [p['index'] for p in two] == list(range(297))
    assert [p['predictions'][0]['label'] for p in two] == [
        p['predictions'][0]['label'] for p in one
    ]
    assert {p.name for p in Path('two wrong').iterdir()} == {
        p.name for p in Path('one wrong').iterdir()
    }
