"""Which classes a classifier takes for which: numbers, tables, pictures."""

import csv
import json
import warnings

import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from projects.core.tasks.classification.accuracy import Accuracy
from projects.core.tasks.classification.confusion import draw_confusion
from projects.core.tasks.classification.outcome import scores_of_classes
from projects.core.tasks.classification.pictures import (
    MAX_IMAGE,
    RIGHT,
    WRONG,
    draw_labels,
    draw_mistakes,
)
from projects.core.tasks.classification.report import (
    ClassificationReport,
    best_classes,
    class_table,
    confused,
)

# cats: 5 of 6 found; dogs: 2 of 4, as often taken for a cat; owls: all 3
CONFUSION = np.array([[5, 1, 0], [2, 2, 0], [0, 0, 3]])
CLASSES = ('cat', 'dog', 'owl')
NAN = float('nan')


def class_scores(confusion):
    """Those of images of which so many are of a true and a predicted class."""
    counts = confusion.ravel()
    true, predicted = (
        np.repeat(grid.ravel(), counts) for grid in np.indices(confusion.shape)
    )
    return scores_of_classes(true, predicted, len(confusion))


def samples(confusion):
    """A data sample per image of a confusion matrix, row by row."""
    num_classes, found = len(confusion), []
    for (true, predicted), count in np.ndenumerate(confusion):
        for _ in range(count):
            scores = torch.full((num_classes,), 0.1)
            scores[predicted] = 0.9 - 0.01 * len(found)
            sample = DataSample(metainfo=dict(sample_idx=len(found)))
            found.append(sample.set_gt_label(true).set_pred_score(scores))
    return found


def report_on(tmp_path, confusion, classes=CLASSES, **kwargs):
    report = ClassificationReport(str(tmp_path), **kwargs)
    evaluator = Evaluator([Accuracy(topk=(1, 5)), report])
    evaluator.dataset_meta = dict(classes=classes) if classes else {}
    found = samples(confusion)
    for sample in found:  # a batch each
        evaluator.process([sample])
    return evaluator.evaluate(len(found)), report


def test_three_classes_by_hand():
    # cat: 5 of 7 predicted, 5 of 6 true: F1 = 2 * 5 / (7 + 6)
    # dog: 2 of 3 predicted, 2 of 4 true: F1 = 2 * 2 / (3 + 4)
    # owl: all
    np.testing.assert_allclose(
        class_scores(CONFUSION),
        [
            [100 * 5 / 7, 100 * 5 / 6, 100 * 10 / 13, 6],
            [100 * 2 / 3, 100 * 2 / 4, 100 * 4 / 7, 4],
            [100, 100, 100, 3],
        ],
    )


@pytest.mark.parametrize(
    ('confusion', 'expected'),
    [
        # class 1 is never predicted: no precision
        ([[3, 0], [2, 0]], [[60, 100, 75, 3], [NAN, 0, 0, 2]]),
        # class 1 has no images, and one is taken for it: no recall
        ([[3, 1], [0, 0]], [[100, 75, 600 / 7, 4], [0, NAN, 0, 0]]),
        # neither
        ([[3, 0], [0, 0]], [[100, 100, 100, 3], [NAN, NAN, NAN, 0]]),
    ],
)
def test_what_is_not_defined_is_nan_without_a_warning(confusion, expected):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        np.testing.assert_allclose(class_scores(np.array(confusion)), expected)


def test_table_of_few_classes_has_all_in_their_order():
    lines = class_table(class_scores(CONFUSION), CLASSES).splitlines()
    assert lines[1].split() == [
        '|',
        'class',
        '|',
        'precision',
        '(%)',
        '|',
        'recall',
        '(%)',
        '|',
        'F1',
        '(%)',
        '|',
        'images',
        '|',
    ]
    rows = [line.strip('| ').split('|') for line in lines[3:-1]]
    rows = [[cell.strip() for cell in row] for row in rows]
    assert rows == [
        ['cat', '71.4', '83.3', '76.9', '6'],
        ['dog', '66.7', '50.0', '57.1', '4'],
        ['owl', '100.0', '100.0', '100.0', '3'],
        # (71.43 + 66.67 + 100) / 3, ...
        ['mean of classes', '79.4', '77.8', '78.0', '13'],
    ]


def test_table_shows_a_dash_for_what_is_not_defined():
    scores = class_scores(np.array([[3, 0], [0, 0]]))
    *_, row, mean, _ = class_table(scores, 'ab').splitlines()
    assert row.replace(' ', '') == '|b|-|-|-|0|'
    # of the class that has images alone
    assert mean.replace(' ', '') == '|meanofclasses|100.0|100.0|100.0|3|'
    never = class_table(np.array([[NAN, 0, 0, 2.0]]), 'a').splitlines()[-2]
    assert never.replace(' ', '') == '|meanofclasses|-|0.0|0.0|2|'


@pytest.mark.parametrize(('num', 'shown'), [(20, 20), (21, 20)])
def test_table_of_more_than_20_classes_has_the_best_and_the_worst(num, shown):
    # class i has i of 50 images right, the others are taken for class 0
    confusion = np.diag(range(num))
    confusion[1:, 0] = 50 - np.arange(1, num)
    confusion[0, 0] = 50
    names = [f'class{i}' for i in range(num)]
    table = class_table(class_scores(confusion), names)
    found = [line.split()[1] for line in table.splitlines() if '| class' in line][1:]
    assert len(found) == shown
    if num == 20:
        assert found == names
        assert 'highest' not in table
    else:  # F1 = 2i / (50 + i) rises with i, and 0's is 100 / (50 + 840)
        assert found == [
            *(f'class{i}' for i in range(20, 10, -1)),
            *(f'class{i}' for i in range(9, 2, -1)),
            'class0',
            'class2',
            'class1',
        ]
        assert table.splitlines()[13].startswith('| ...')
        assert table.endswith('the 20 of 21 classes with the highest and the lowest F1')


def test_many_classes_of_which_few_have_images():
    confusion = np.zeros((30, 30), int)
    confusion[3, 3], confusion[4, 5] = 2, 1
    table = class_table(class_scores(confusion), [f'c{i}' for i in range(30)])
    assert [
        line.split()[1] for line in table.splitlines() if line.startswith('| c')
    ] == ['class', 'c3', 'c4']
    assert '...' not in table
    assert table.endswith(
        'the 2 of 30 classes with the highest and the lowest F1; 28 have no images'
    )


def test_most_frequent_confusions():
    assert confused(CONFUSION, CLASSES) == 'dog for cat (2), cat for dog (1)'
    assert confused(CONFUSION, CLASSES, num=1) == 'dog for cat (2)'


def test_best_classes():
    best = best_classes(torch.tensor([0.2, 0.5, 0.3]), CLASSES, num=2)
    assert [(b['label'], b['class']) for b in best] == [(1, 'dog'), (2, 'owl')]
    assert [b['score'] for b in best] == pytest.approx([0.5, 0.3])
    assert len(best_classes(torch.rand(3), CLASSES)) == 3
    assert len(best_classes(torch.rand(9), range(9))) == 5


def test_files_hold_the_numbers(tmp_path):
    metrics, report = report_on(
        tmp_path / '.', CONFUSION, out=str(tmp_path / 'new/out.json')
    )
    # 10 of 13; k is cut to the 3 classes
    assert metrics == {
        'accuracy/top1': pytest.approx(1000 / 13),
        'accuracy/top3': pytest.approx(100),
    }
    with open(tmp_path / 'confusion_matrix.csv', newline='') as file:
        assert list(csv.reader(file)) == [
            ['true / predicted', 'cat', 'dog', 'owl'],
            ['cat', '5', '1', '0'],
            ['dog', '2', '2', '0'],
            ['owl', '0', '0', '3'],
        ]
    with open(tmp_path / 'classes.csv', newline='') as file:
        rows = list(csv.reader(file))
    assert rows[0] == ['class', 'precision (%)', 'recall (%)', 'F1 (%)', 'support']
    assert rows[2] == ['dog', '66.6667', '50.0000', '57.1429', '4']
    written = json.loads((tmp_path / 'new/out.json').read_text())
    assert len(written) == 13
    assert written[5].keys() == {'index', 'true_label', 'true_class', 'predictions'}
    assert (
        written[5]['index'],
        written[5]['true_class'],
        written[5]['predictions'][0]['class'],
    ) == (5, 'cat', 'dog')
    assert [m['index'] for m in report.mistakes] == [5, 6, 7]
    assert cv2.imread(str(tmp_path / 'confusion_matrix.png')).min() < 100


def test_what_is_not_defined_is_empty_in_the_file(tmp_path):
    report_on(tmp_path, np.array([[3, 0], [0, 0]]), classes='ab')
    assert (tmp_path / 'classes.csv').read_text().splitlines()[2] == 'b,,,,0'


def test_classes_without_names_are_their_labels(tmp_path):
    report_on(tmp_path, CONFUSION, classes=None)
    assert (
        (tmp_path / 'confusion_matrix.csv')
        .read_text()
        .startswith('true / predicted,0,1,2')
    )


def test_names_with_commas_and_umlauts_come_back(tmp_path):
    names = ['tench, Tinca tinca', 'Käfer', '"']
    report_on(tmp_path, CONFUSION, classes=names)
    for file in ('classes.csv', 'confusion_matrix.csv'):
        with open(tmp_path / file, newline='', encoding='utf-8') as stream:
            assert [row[0] for row in csv.reader(stream)][1:] == names


# ------------------------------------------------------------------ pictures
def drawn(confusion, tmp_path):
    path = str(tmp_path / 'picture.png')
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # of a class without images
        draw_confusion(
            np.array(confusion), [str(i) for i in range(len(confusion))], path
        )
    return cv2.imread(path).astype(int)


def cells(picture, num_classes):
    """The picture's cells, each an (h, w, 3) array, found by the frame."""
    frame = picture.sum(2) < 60
    rows = np.flatnonzero(frame.sum(1) > 0.4 * picture.shape[1])
    columns = np.flatnonzero(frame.sum(0) > 0.6 * picture.shape[0])
    top, bottom, left = rows[0] + 2, rows[-1] - 1, columns[0] + 2
    inside = picture[top:bottom, left : left + bottom - top]
    return [
        np.array_split(row, num_classes, 1)
        for row in np.array_split(inside, num_classes, 0)
    ]


def corner(cell):
    """Colour beside the number."""
    return tuple(np.median(cell[3:9, 3:9].reshape(-1, 3), 0).astype(int))


def test_rows_of_the_picture_are_true_classes(tmp_path):
    grid = cells(drawn([[9, 0, 1], [0, 4, 0], [0, 0, 0]], tmp_path), 3)
    white = corner(grid[0][1])
    dark, faint = sum(corner(grid[0][0])), sum(corner(grid[0][2]))
    assert dark < 400 < faint < sum(white) - 50
    # a share of the row: 4 of 4 is darker than 9 of 10
    assert sum(corner(grid[1][1])) < dark
    for i, j in ((1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        assert corner(grid[i][j]) == white
    # numbers in the cells that hold images alone, white on dark
    assert (grid[0][0].sum(2) > 740).sum() > 5
    assert grid[0][2].sum(2).min() < 60
    assert np.ptp(grid[1][0][5:-5, 5:-5], axis=(0, 1)).max() == 0


def test_many_classes_are_drawn_without_numbers(tmp_path):
    picture = drawn(np.eye(31, dtype=int) * 7, tmp_path)
    grid = cells(picture, 31)
    assert np.ptp(grid[4][4][6:-6, 6:-6], axis=(0, 1)).max() == 0
    numbered = cells(drawn(np.eye(30, dtype=int) * 7, tmp_path), 30)
    assert np.ptp(numbered[4][4][6:-6, 6:-6], axis=(0, 1)).max() > 100
    assert max(picture.shape) < 2000


def best(*scores):
    return best_classes(torch.tensor(scores), CLASSES)


def test_small_image_is_enlarged_pixel_by_pixel():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    picture = draw_labels(image, best(0.7, 0.2, 0.1))
    assert picture.shape[1] == 448
    assert picture.shape[0] > 448 + 3 * 18
    assert np.array_equal(picture[28:448:56, 28:448:56, 0], image)
    assert (picture[56:112, 112:168] == image[1, 2]).all()


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ((375, 500, 3), (375, 500)),
        ((100, 300, 3), (100, 300)),
        ((100, 60), (400, 448)),  # four times, and white beside it
        ((3000, 4000, 3), (1125, MAX_IMAGE)),
        ((1, 9000, 3), (1, MAX_IMAGE)),
    ],
)
def test_size_of_the_picture(shape, expected):
    image = np.full(shape, 50, np.uint8)
    picture = draw_labels(image, best(0.7, 0.2, 0.1))
    height, width = expected
    assert picture.shape[1] == max(width, 448)
    assert (picture[height - 1, 0] == 50).all()
    assert picture[height, 0].min() > 100
    if shape == (100, 60):
        assert (picture[:400, 240:] == 255).all()
        assert (picture[:400, :240] == 50).all()


def test_bars_are_as_long_as_classes_are_probable():
    def bars(true=None):
        picture = draw_labels(
            np.zeros((448, 448, 3), np.uint8), best(0.2, 0.5, 0.3), true
        )[448:]
        # rows of 27 pixels after 4, their lower edge without text
        return [picture[4 + 27 * i + 23] for i in range(len(picture) // 27)]

    def length(row):
        return int((row < 255).any(1).sum())

    assert [length(row) for row in bars()] == pytest.approx(
        [224, 134, 89], abs=2
    )  # the best first
    header, *rows = bars((2, 'owl'))
    assert length(header) == 0  # 'true owl'
    colours = [tuple(map(int, row[0][::-1])) for row in rows]
    assert colours == [WRONG, RIGHT, WRONG]


def test_text_stands_below_the_image_and_inside_the_picture():
    names = ['a name that is longer than the picture is wide, by far, ' * 2]
    picture = draw_labels(
        np.zeros((448, 448, 3), np.uint8), best_classes(torch.tensor([0.01]), names)
    )
    strip = picture[448:].astype(int).sum(2) < 200
    assert strip[:, 90:].sum() > 500
    assert not strip[:, -3:].any()
    assert 10 <= np.ptp(np.flatnonzero(strip.any(1))) <= 24  # one line


def test_pictures_of_mistakes_the_surest_first(tmp_path):
    class InMemory:
        def get_data_info(self, index):
            return dict(img=np.full((8, 8, 3), (200, 0, index), np.uint8))

    def mistake(index, score, **more):
        return dict(
            index=index,
            true_label=0,
            true_class='T-shirt/top',
            predictions=[{'label': 1, 'class': 'dog', 'score': score}],
            **more,
        )

    file = tmp_path / 'image.png'
    cv2.imwrite(str(file), np.full((8, 8, 3), (1, 2, 3), np.uint8))
    folder = tmp_path / 'wrong'
    folder.mkdir()
    text = draw_mistakes(
        [mistake(5, 0.4), mistake(6, 0.9), mistake(7, 0.6, file_name=str(file))],
        InMemory(),
        str(folder),
    )
    assert text == '3 images are classified wrongly'
    pictures = sorted(folder.glob('*.png'))
    assert [p.name for p in pictures] == [
        f'00{i}_T-shirt-top_as_dog.png' for i in (1, 2, 3)
    ]
    # data sets in memory are RGB, pictures BGR
    assert [cv2.imread(str(p))[0, 0].tolist() for p in pictures] == [
        [6, 0, 200],
        [1, 2, 3],
        [5, 0, 200],
    ]


def test_number_of_pictures_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr('projects.core.tasks.classification.pictures.MAX_MISTAKES', 1)
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    mistake = dict(
        file_name=str(tmp_path / 'a.png'),
        true_label=0,
        true_class='cat',
        predictions=best(0.1, 0.7, 0.2),
    )
    (tmp_path / 'wrong').mkdir()
    text = draw_mistakes([mistake] * 3, None, str(tmp_path / 'wrong'))
    assert text == ('3 images are classified wrongly, the 1 surest of these mistakes')
    assert len(list((tmp_path / 'wrong').glob('*.png'))) == 1
