"""What a classifier's evaluation reports: numbers by hand, pictures, files."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample
from torchmetrics.functional.classification import multiclass_calibration_error

from projects.core.reports.blocks import Pictures
from projects.core.reports.evaluation import Evaluation, read_evaluation
from projects.core.tasks.classification.outcome import (
    MAX_SCORED,
    Outcome,
    accuracy_of_the_surest,
    calibration,
)
from projects.core.tasks.classification.pictures import EXAMPLE_SIDE, small
from projects.core.tasks.classification.report import ClassificationReport
from projects.core.tasks.classification.sections import sections_of, unique
from projects.core.tasks.classification.task import TASK

CLASSES = ['cat', 'dog', 'owl']
# by confidence: right 0.9, wrong 0.8 (dog, predicted cat), right 0.7, right 0.5
SCORES = [[0.9, 0.1, 0.0], [0.8, 0.15, 0.05], [0.1, 0.2, 0.7], [0.3, 0.5, 0.2]]
TRUE = [0, 1, 2, 1]


class InMemory:
    """Of images whose red channel is their index."""

    def get_data_info(self, index):
        return dict(img=np.full((8, 8, 3), (index, 0, 200), np.uint8))


def outcome_of(scores, true, classes):
    """The outcome, by the metric itself; two images a batch."""
    report = ClassificationReport()
    evaluator = Evaluator([report])
    evaluator.dataset_meta = dict(classes=classes)
    samples = [
        DataSample(metainfo=dict(sample_idx=i))
        .set_gt_label(label)
        .set_pred_score(torch.tensor(row, dtype=torch.float32))
        for i, (row, label) in enumerate(zip(scores, true, strict=True))
    ]
    for i in range(0, len(samples), 2):
        evaluator.process(samples[i : i + 2])
    assert evaluator.evaluate(len(samples)) == {}
    return report.outcome


def random_outcome(num_classes, num_images=60):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(num_classes), num_images)
    true = rng.integers(0, num_classes, num_images)
    return outcome_of(
        scores.tolist(), true.tolist(), list(map(str, range(num_classes)))
    )


def blocks_of(outcome, dataset=None):
    sections = sections_of(outcome, dataset or InMemory())
    return {block.key: block for section in sections for block in section.blocks}


def test_numbers_by_hand():
    blocks = blocks_of(outcome_of(SCORES, TRUE, CLASSES))
    # top-3 of three classes says nothing
    assert blocks['top-k'].labels == ['top-1', 'top-2']
    assert blocks['top-k'].series == {'accuracy': [75, 100]}
    rows = {row[0]: row[1:] for row in blocks['classes'].rows}
    # precision, recall, F1, AP, images: cat 1 of 2 predicted; its scores are
    # 0.9 and, of others, 0.8, 0.3, 0.1: AP 1
    assert rows['cat'] == pytest.approx([50, 100, 200 / 3, 100, 1])
    # dogs have 0.5 and 0.15, the owl 0.2 between them: (1 + 2 / 3) / 2
    assert rows['dog'] == pytest.approx([100, 50, 200 / 3, 500 / 6, 2])
    assert rows['owl'] == pytest.approx([100, 100, 100, 100, 1])
    assert blocks['confusion'].values == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert blocks['confused'].rows == [['dog, cat', 1, 50.0]]
    assert blocks['coverage'].series[0].x.tolist() == [25, 50, 75, 100]
    np.testing.assert_allclose(blocks['coverage'].series[0].y, [100, 50, 200 / 3, 75])
    # four bins of one image: 0.1 + 0.8 + 0.3 + 0.5 over 4
    points = [(p.x, p.y) for p in blocks['calibration'].points]
    np.testing.assert_allclose(points, [(0.5, 1), (0.7, 1), (0.8, 0), (0.9, 1)])
    assert 'Expected calibration error: 0.4250' in blocks['calibration'].note
    assert blocks['confidence'].series['wrong'][16] == 1  # 0.80-0.85
    assert sum(blocks['confidence'].series['right']) == 3


def test_calibration_error_is_that_of_torchmetrics():
    outcome = random_outcome(4)
    expected = multiclass_calibration_error(
        torch.tensor(outcome.scores), torch.tensor(outcome.true), 4, n_bins=15
    )
    assert calibration(outcome).error == pytest.approx(expected.item(), rel=1e-5)


def test_last_point_of_the_surest_is_the_accuracy():
    outcome = random_outcome(4)
    assert accuracy_of_the_surest(outcome)[-1] == pytest.approx(outcome.right.mean())


@pytest.mark.parametrize(
    ('num_classes', 'has_ap'), [(MAX_SCORED, 1), (MAX_SCORED + 1, 0)]
)
def test_scores_of_many_classes_are_not_kept(num_classes, has_ap):
    outcome = random_outcome(num_classes)
    table = blocks_of(outcome)['classes']
    assert (outcome.scores is not None) == bool(has_ap)
    assert table.columns.count('AP (%)') == has_ap
    assert len(table.better) == len(table.columns) == len(table.rows[0])
    absent = next(row for row in table.rows if row[-1] == 0)
    assert absent[2] is None  # recall
    if has_ap:
        assert absent[4] is None


def test_matrix_of_many_classes_has_the_most_confused():
    # class i is taken for i + 1, 40 - i times
    true, predicted = [], []
    for i in range(40):
        true += [i] * (40 - i)
        predicted += [i + 1] * (40 - i)
    scores = np.full((len(true), 41), 0.01)
    scores[np.arange(len(true)), predicted] = 0.6
    outcome = outcome_of(scores.tolist(), true, [f'c{i}' for i in range(41)])
    blocks = blocks_of(outcome)
    assert blocks['confusion'].rows == [f'c{i}' for i in range(30)]
    assert blocks['confusion'].values[3][4] == 37
    assert blocks['confusion'].note.startswith('The 30 of 41 classes that are most')
    assert [row[1] for row in blocks['confused'].rows] == list(range(40, 30, -1))


def test_nothing_wrong_and_nothing_right():
    right = blocks_of(outcome_of([SCORES[0]] * 2, [0, 0], CLASSES))
    assert 'confused' not in right
    assert 'worst' not in right
    assert len(right['best'].pictures) == 2
    wrong = blocks_of(outcome_of([SCORES[0]] * 2, [1, 1], CLASSES))
    assert 'best' not in wrong
    many = outcome_of([[0.9] + [0.001] * 40], [0], [str(i) for i in range(41)])
    assert 'confusion' not in blocks_of(many)


def test_names_that_occur_twice_bear_their_labels():
    assert unique(['crane', 'owl', 'crane']) == ['crane (0)', 'owl', 'crane (2)']


def test_scores_above_one_by_rounding_are_shown():
    outcome = outcome_of([[1.0000001, 0.0, 0.0]], [0], CLASSES)
    assert blocks_of(outcome)['confidence'].series['right'][-1] == 1


# ------------------------------------------------------------------ pictures
def test_pictures_are_the_surest_first_six_at_most():
    scores = [[0.5 + i / 100, 0.4 - i / 100, 0.1] for i in range(16)]
    blocks = blocks_of(outcome_of(scores, [0] * 8 + [1] * 8, CLASSES))
    best, worst = blocks['best'].pictures, blocks['worst'].pictures
    assert len(best) == len(worst) == 6
    assert best[0].caption == 'image 7: predicted cat (57.0 %)'
    assert worst[0].caption == 'image 15: true dog, predicted cat (65.0 %)'
    # in memory RGB, here BGR
    assert worst[0].image.shape == (192, 192, 3)
    assert worst[0].image[0, 0].tolist() == [200, 0, 15]


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ((8, 8), (192, 192)),
        ((28, 28), (168, 168)),
        ((100, 150, 3), (100, 150)),
        ((600, 300, 3), (EXAMPLE_SIDE, EXAMPLE_SIDE // 2)),
        ((1, 9000), (1, EXAMPLE_SIDE)),
    ],
)
def test_size_of_a_picture(shape, expected):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    picture = small(image)
    assert picture.shape == (*expected, 3)
    if shape == (8, 8):  # pixel by pixel
        assert np.array_equal(picture[::24, ::24, 0], image)
        assert (picture[24:48, 48:72] == image[1, 2]).all()


def test_file_that_is_gone_costs_its_own_picture(tmp_path, warnings_logged):
    outcome = outcome_of(SCORES, TRUE, CLASSES)
    file = tmp_path / 'a cat.png'
    cv2.imwrite(str(file), np.full((8, 8, 3), (1, 2, 3), np.uint8))
    outcome.images[0]['file_name'] = str(file)
    outcome.images[2]['file_name'] = str(tmp_path / 'gone.png')
    pictures = blocks_of(outcome)['best'].pictures
    assert [p.caption for p in pictures] == [
        'a cat.png: predicted cat (90.0 %)',
        'image 3: predicted dog (50.0 %)',
    ]
    assert pictures[0].image[0, 0].tolist() == [1, 2, 3]
    assert len(warnings_logged) == 1
    assert 'gone.png' in warnings_logged[0]


# --------------------------------------------------------------- in a run
def test_report_comes_back_from_its_file(tmp_path):
    sections = sections_of(outcome_of(SCORES, TRUE, CLASSES), InMemory())
    Evaluation('an image classifier', {}, '', {}, sections).write(str(tmp_path))
    again = read_evaluation(str(tmp_path))
    blocks = {b.key: b for section in again.sections for b in section.blocks}
    assert list(blocks) == [b.key for section in sections for b in section.blocks]
    assert blocks['classes'].rows[0][:2] == ['cat', 50.0]
    for block in blocks.values():
        if isinstance(block, Pictures):
            assert all(Path(p.file).is_file() for p in block.pictures)


def test_a_training_reports_its_best_validation(lenet):
    folder = Path(lenet).parent
    evaluation = read_evaluation(str(folder / 'evaluation'))
    blocks = {b.key: b for section in evaluation.sections for b in section.blocks}
    accuracy = blocks['top-k'].series['accuracy'][0]
    assert accuracy == pytest.approx(evaluation.metrics['accuracy/top1'], abs=1e-4)
    assert np.trace(blocks['confusion'].values) == round(2.97 * accuracy)
    assert len(blocks['best'].pictures) == 6
    # what a test writes is not there, and accuracy is what is best
    assert not (folder / 'confusion_matrix.png').exists()
    assert [p.name[:18] for p in folder.glob('best_*')] == ['best_accuracy_top1']


def prepared(*evaluators):
    cfg = Config(
        dict(model=ConfigDict(type='ImageClassifier'), val_evaluator=[*evaluators])
    )
    TASK.prepare(cfg)
    return [e.type for e in cfg.val_evaluator]


REPORT = 'projects.ClassificationReport'


@pytest.mark.parametrize(
    ('types', 'expected'),
    [
        (['projects.Accuracy'], ['projects.Accuracy', REPORT]),
        (['SingleLabelMetric'], ['SingleLabelMetric', REPORT]),
        (['MultiLabelMetric'], ['MultiLabelMetric']),
        (['Accuracy', REPORT], ['Accuracy', REPORT]),  # a config of a run before
    ],
)
def test_which_validations_are_reported_on(types, expected):
    assert prepared(*(dict(type=type_) for type_ in types)) == expected


def test_outcome_of_a_metric_holds_arrays():
    outcome = outcome_of(SCORES, TRUE, CLASSES)
    assert isinstance(outcome, Outcome)
    assert outcome.values.dtype == outcome.scores.dtype == np.float32
    np.testing.assert_array_equal(outcome.labels[1], [0, 1, 2])
