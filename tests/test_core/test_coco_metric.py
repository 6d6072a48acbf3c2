import json
import logging
import re

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from projects.core.errors import UserError
from projects.core.tasks.detection import coco_engine
from projects.core.tasks.detection.coco_engine import summary
from projects.registry import METRICS

KEYS = [
    'bbox_mAP',
    'bbox_mAP_50',
    'bbox_mAP_75',
    'bbox_mAP_s',
    'bbox_mAP_m',
    'bbox_mAP_l',
    'bbox_AR@1',
    'bbox_AR@10',
    'bbox_AR@100',
    'bbox_AR_s',
    'bbox_AR_m',
    'bbox_AR_l',
]
BACKENDS = ['pycocotools', 'faster-coco-eval']
# ids neither from 0 nor in ascending order: label 0 is category 7
CATEGORIES = [dict(id=7, name='cat'), dict(id=3, name='dog'), dict(id=5, name='owl')]
CLASSES = ('cat', 'dog', 'owl')


@pytest.fixture
def log():
    """Messages of MMEngine's current logger, the oldest first."""
    messages = []

    class Records(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    logger, handler = MMLogger.get_current_instance(), Records()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def write_annotations(path, boxes, num_images=2, categories=CATEGORIES):
    """COCO file of 100 x 80 images 1, 2, ...; boxes: (image, cat, xywh)."""
    annotations = [
        dict(
            id=i,
            image_id=image,
            category_id=cat,
            bbox=list(box),
            area=box[2] * box[3],
            iscrowd=0,
        )
        for i, (image, cat, box) in enumerate(boxes, 1)
    ]
    images = [
        dict(id=i, file_name=f'{i}.jpg', width=100, height=80)
        for i in range(1, num_images + 1)
    ]
    path.write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )
    return str(path)


def sample(img_id, boxes=(), scores=(), labels=()):
    """What a detector gives for an image: xyxy boxes."""
    return dict(
        img_id=img_id,
        ori_shape=(80, 100),
        pred_instances=dict(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            scores=torch.tensor(scores, dtype=torch.float32),
            labels=torch.tensor(labels, dtype=torch.int64),
        ),
    )


def evaluate(ann_file, samples, classes=CLASSES, **kwargs):
    metric = METRICS.build(
        dict(type='projects.CocoMetric', ann_file=ann_file, **kwargs)
    )
    metric.dataset_meta = dict(classes=classes)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def by_pycocotools(ann_file, results_file, cat_ids=None):
    gt = COCO(ann_file)
    coco_eval = COCOeval(gt, gt.loadRes(results_file), 'bbox')
    if cat_ids:
        coco_eval.params.catIds = cat_ids
    coco_eval.evaluate()
    coco_eval.accumulate()
    coco_eval.summarize()
    return coco_eval.stats


def random_data(path, rng):
    """12 images of some 20 boxes of all areas, the last one without.

    Detections are noisy ground truths and noise; their scores have ties.
    """
    boxes, samples = [], []
    for image in range(1, 13):
        sizes = rng.choice([12, 50, 150], (20 if image < 12 else 0, 1))
        xywh = np.hstack(
            [
                rng.uniform(0, 400, (len(sizes), 2)),
                sizes * rng.uniform(0.8, 1.2, (len(sizes), 2)),
            ]
        )
        cats = rng.randint(0, 3, len(sizes))
        boxes += [
            (image, CATEGORIES[c]['id'], b.tolist())
            for c, b in zip(cats, xywh, strict=True)
        ]
        if image == 5:  # nothing detected
            samples.append(sample(image))
            continue
        noisy = xywh + sizes * rng.normal(0, 0.05, xywh.shape)
        noise = rng.uniform(5, 300, (400, 4))  # over 100 a class: maxDets
        dets = np.vstack([noisy, noise])
        dets[:, 2:] += dets[:, :2]
        labels = np.hstack([cats, rng.randint(0, 3, 400)])
        flipped = rng.rand(len(labels)) < 0.1
        labels[flipped] = rng.randint(0, 3, flipped.sum())
        scores = rng.rand(len(labels)).round(1)
        scores[: len(xywh)] += 0.3
        samples.append(sample(image, dets, scores, labels))
    write_annotations(path, boxes, 12)
    data = json.loads(path.read_text())
    for ann in data['annotations'][::9]:
        ann['iscrowd'] = 1
    path.write_text(json.dumps(data))
    return str(path), samples


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(
    ('classes', 'cat_ids'), [(CLASSES, None), (('cat', 'dog'), [3, 7])]
)
@pytest.mark.parametrize('num_predicted', [12, 9])  # images of the file
def test_numbers_are_those_of_pycocotools(
    tmp_path, backend, classes, cat_ids, num_predicted
):
    ann_file, samples = random_data(tmp_path / 'gt.json', np.random.RandomState(0))
    samples = samples[:num_predicted]
    if cat_ids:
        for s in samples:
            s['pred_instances']['labels'] %= 2
    metrics = evaluate(
        ann_file,
        samples,
        classes,
        backend=backend,
        outfile_prefix=str(tmp_path / 'out'),
    )
    expected = by_pycocotools(ann_file, str(tmp_path / 'out.bbox.json'), cat_ids)
    assert list(metrics) == [f'coco/{key}' for key in KEYS]
    assert all(type(value) is float for value in metrics.values())
    np.testing.assert_allclose(list(metrics.values()), expected, rtol=0, atol=1e-12)
    assert expected.min() > 0.02  # -1 or 0 would prove little


@pytest.mark.parametrize('backend', BACKENDS)
def test_two_images_by_hand(tmp_path, backend):
    # Image 1 holds A; image 2 holds B and C; all of 10 x 10 pixels.
    ann_file = write_annotations(
        tmp_path / 'gt.json',
        [(1, 7, (0, 0, 10, 10)), (2, 7, (0, 0, 10, 10)), (2, 7, (50, 50, 10, 10))],
    )
    samples = [
        sample(1, [(0, 0, 10, 10)], [0.9], [0]),  # A, IoU 1
        sample(
            2,
            [(30, 30, 40, 40), (0, 0, 10, 7.8)],  # nothing; B, IoU 0.78
            [0.8, 0.7],
            [0, 0],
        ),
    ]
    metrics = evaluate(ann_file, samples, backend=backend)
    # IoU 0.5 to 0.75 (6 of 10 thresholds): hit, miss, hit of 3. Precision is
    # 1 up to recall 1/3 (34 of the 101 points 0, 0.01, ...), 2/3 up to
    # recall 2/3 (33 points), then 0: AP = (34 + 33 * 2/3) / 101 = 56 / 101.
    # IoU 0.8 to 0.95 (4 thresholds): hit, miss, miss: AP = 34 / 101.
    m_ap = (6 * 56 + 4 * 34) / 1010
    # Recall: 2/3 at 6 thresholds, 1/3 at 4; with one detection an image B is
    # lost, as the miss on image 2 scores higher.
    recall = (6 * 2 / 3 + 4 / 3) / 10
    expected = [
        m_ap,
        56 / 101,
        56 / 101,
        m_ap,
        -1,
        -1,
        1 / 3,
        recall,
        recall,
        recall,
        -1,
        -1,
    ]
    assert list(metrics.values()) == pytest.approx(expected, abs=1e-12)


def test_auto_backend_does_without_faster_coco_eval(tmp_path, monkeypatch):
    ann_file, samples = random_data(tmp_path / 'gt.json', np.random.RandomState(1))
    faster = evaluate(ann_file, samples)
    monkeypatch.setattr(coco_engine, 'faster_coco_eval', None)
    assert evaluate(ann_file, samples) == pytest.approx(faster, abs=1e-12)
    with pytest.raises(UserError, match='pip install faster-coco-eval'):
        evaluate(ann_file, samples, backend='faster-coco-eval')


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(metric='segm'), r"type='mmdet\.CocoMetric'"),
        (dict(backend='fast'), "one of .*not 'fast'"),
        (dict(format_only=True), 'needs an outfile_prefix'),
    ],
)
def test_refused_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        METRICS.build(dict(type='projects.CocoMetric', **kwargs))


def test_string_image_ids_and_bare_annotations(tmp_path):
    # neither 'iscrowd' nor 'area', which COCOeval takes for granted
    path = tmp_path / 'gt.json'
    path.write_text(
        json.dumps(
            dict(
                images=[dict(id='007', file_name='007.jpg', width=100, height=80)],
                annotations=[
                    dict(id=1, image_id='007', category_id=1, bbox=[0, 0, 40, 40])
                ],
                categories=[dict(id=1, name='cat')],
            )
        )
    )
    metrics = evaluate(
        str(path), [sample('007', [(0, 0, 40, 40)], [0.9], [0])], ('cat',)
    )
    assert metrics['coco/bbox_mAP'] == pytest.approx(1)
    assert metrics['coco/bbox_mAP_m'] == pytest.approx(1)  # 1600 > 32**2


def test_ground_truth_of_the_samples_serves_without_a_file():
    instances = [dict(bbox=[0, 0, 10, 10], bbox_label=1, ignore_flag=0)]
    samples = [dict(sample(4, [(0, 0, 10, 10)], [0.9], [1]), instances=instances)]
    metrics = evaluate(None, samples)
    assert metrics['coco/bbox_mAP'] == pytest.approx(1)


def test_summary_is_that_of_pycocotools(tmp_path, log, capsys):
    ann_file, samples = random_data(tmp_path / 'gt.json', np.random.RandomState(2))
    evaluate(ann_file, samples, outfile_prefix=str(tmp_path / 'out'))
    assert 'DONE' not in capsys.readouterr().out  # pycocotools' chat
    stats = by_pycocotools(ann_file, str(tmp_path / 'out.bbox.json'))
    printed = capsys.readouterr().out.splitlines()[-12:]
    assert summary(stats).splitlines() == printed
    assert any(all(line in message for line in printed) for message in log)


@pytest.mark.parametrize('backend', BACKENDS)
def test_class_table_follows_the_labels(tmp_path, log, backend):
    # The ids descend (cat 7, dog 3), COCOeval sorts them: rows must not swap.
    ann_file = write_annotations(
        tmp_path / 'gt.json',
        [(1, 7, (0, 0, 10, 10)), (1, 7, (30, 0, 10, 10)), (2, 3, (0, 0, 10, 10))],
    )
    evaluate(
        ann_file, [sample(1, [(0, 0, 10, 10)], [0.9], [0]), sample(2)], backend=backend
    )
    table = next(message for message in log if 'AP50' in message)
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in table.splitlines()
        if line.startswith('|')
    ]
    assert rows == [
        ['class', 'gts', 'dets', 'AP', 'AP50', 'AR@100'],
        ['cat', '2', '1', '0.505', '0.505', '0.500'],  # 51 / 101
        ['dog', '1', '0', '0.000', '0.000', '0.000'],
        ['owl', '0', '0', '-', '-', '-'],
    ]


def test_class_table_can_be_left_out(tmp_path, log):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))])
    evaluate(ann_file, [sample(1), sample(2)], classwise=False, metric=['bbox'])
    assert not any('AP50 |' in message for message in log)


def test_results_file_reads_back(tmp_path):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))])
    prefix = str(tmp_path / 'new_folder' / 'run')
    metrics = evaluate(
        ann_file,
        [sample(2, [(1, 2, 11, 22.5)], [0.5], [1]), sample(1)],
        outfile_prefix=prefix,
        format_only=True,
    )
    assert metrics == {}
    results = f'{prefix}.bbox.json'
    with open(results) as file:
        assert json.load(file) == [
            dict(image_id=2, bbox=[1, 2, 10, 20.5], score=0.5, category_id=3)
        ]
    assert COCO(ann_file).loadRes(results).getImgIds() == [1, 2]


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(
    'samples', [[], [sample(1), sample(2)]], ids=['no images', 'no boxes']
)
def test_no_detections_give_twelve_numbers(tmp_path, log, backend, samples):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 50, 50))])
    metrics = evaluate(
        ann_file, samples, backend=backend, outfile_prefix=str(tmp_path / 'out')
    )
    # one ground truth of 2500 pixels, medium: none is small, none large
    assert list(metrics) == [f'coco/{key}' for key in KEYS]
    assert list(metrics.values()) == [0, 0, 0, -1, 0, -1, 0, 0, 0, -1, 0, -1]
    assert (tmp_path / 'out.bbox.json').read_text() == '[]'
    assert 'bbox_mAP is 0: no detection at all' in log[-1]
    assert f'explain_map.py results.json {ann_file}' in log[-1]
    assert 'score_thr in model.test_cfg' in log[-1]


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('boxes', [[], [(1, 5, (0, 0, 10, 10))]])
def test_no_ground_truth_is_said(tmp_path, log, backend, boxes):
    ann_file = write_annotations(tmp_path / 'gt.json', boxes)
    metrics = evaluate(
        ann_file,
        [sample(1, [(0, 0, 10, 10)], [0.9], [0]), sample(2)],
        classes=('cat', 'dog'),
        backend=backend,
    )
    assert list(metrics.values()) == [-1] * 12
    assert f'bbox_mAP is -1: no ground truth: {ann_file} holds' in log[-1]
    assert f'holds {len(boxes)} annotations' in log[-1]


def test_foreign_classes_are_said(tmp_path, log):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))])
    metrics = evaluate(
        ann_file,
        [sample(1, [(0, 0, 10, 10)], [0.9], [0]), sample(2)],
        classes=('0', '1'),
    )
    assert list(metrics.values()) == [-1] * 12
    assert 'no class of the dataset (0, 1) is a category' in log[-1]
    assert '(cat, dog, owl)' in log[-1]


def test_foreign_image_ids_are_said(tmp_path, log):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))])
    metrics = evaluate(ann_file, [sample(90, [(0, 0, 10, 10)], [0.9], [0]), sample(91)])
    assert metrics['coco/bbox_mAP'] == 0
    assert f'image ids (such as 90) are not in {ann_file}' in log[-1]
    assert any(
        message.startswith('2 of the 2 images') and 'not predicted' in message
        for message in log
    )


def test_labels_without_category_are_said(tmp_path, log):
    # the file knows two of the four classes, labels go up to 3
    ann_file = write_annotations(
        tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))], categories=CATEGORIES[:2]
    )
    metrics = evaluate(
        ann_file,
        [sample(1, [(0, 0, 10, 10)], [0.9], [3]), sample(2)],
        classes=(*CLASSES, 'fox'),
    )
    assert metrics['coco/bbox_mAP'] == 0
    assert "2 of the model's 4 classes" in log[-1]


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_boxes_that_are_not_finite_are_no_hits(tmp_path, log, bad):
    # pycocotools takes a NaN for a match at every threshold
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))])
    metrics = evaluate(ann_file, [sample(1, [(0, bad, 10, 10)], [0.9], [0]), sample(2)])
    assert metrics['coco/bbox_mAP'] == 0
    assert 'not finite: the model has diverged' in log[-1]


@pytest.mark.parametrize(
    ('boxes', 'reason'),
    [
        # IoU with (40, 40, 80, 80), 1600 pixels: 20 * 40 / (1600 + 800) = 0.33
        ([(60, 40, 100, 80)], 'the best IoU is 0.33'),
        ([(60, 40, 100, 80)], 'the scale is right, the places are not'),
        ([(20, 20, 40, 40)], 'to x = 40, y = 40, ground truths to x = 80, y = 80'),
        ([(20, 20, 40, 40)], 'smaller frame, such as that of the network input'),
        ([(80, 80, 160, 160)], 'larger frame'),
        ([(0.4, 0.5, 0.8, 1)], r'normalised to \[0, 1\]'),
        ([(40, 40, 20, 20)], r'must be \(x1, y1, x2, y2\)'),
    ],
)
def test_boxes_elsewhere_are_said(tmp_path, log, boxes, reason):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (40, 40, 40, 40))])
    metrics = evaluate(ann_file, [sample(1, boxes, [0.9], [0]), sample(2)])
    assert metrics['coco/bbox_mAP'] == 0
    assert 'no detection overlaps a ground truth' in log[-1]
    assert re.search(reason, log[-1])


@pytest.mark.parametrize('backend', BACKENDS)
def test_swapped_labels_are_said(tmp_path, log, backend):
    ann_file = write_annotations(
        tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10)), (2, 3, (0, 0, 10, 10))]
    )
    metrics = evaluate(
        ann_file,
        [
            sample(1, [(0, 0, 10, 10)], [0.9], [1]),
            sample(2, [(0, 0, 10, 10)], [0.8], [0]),
        ],
        backend=backend,
    )
    assert metrics['coco/bbox_mAP'] == 0
    assert 'AP50 regardless of class: 1.000' in log[-1]
    assert 'with other labels' in log[-1]
    assert '(cat, dog, owl)' in log[-1]


def test_annotation_of_id_0_is_said(tmp_path, log):
    path = tmp_path / 'gt.json'
    ann_file = write_annotations(path, [(1, 7, (0, 0, 10, 10))])
    path.write_text(
        path.read_text().replace('"id": 1, "image_id"', '"id": 0, "image_id"')
    )
    metrics = evaluate(
        ann_file,
        [sample(1, [(0, 0, 10, 10)], [0.9], [0]), sample(2)],
        backend='pycocotools',
    )
    assert metrics['coco/bbox_mAP'] == 0
    assert 'id 0' in log[-1]


def test_nothing_is_said_of_a_mAP_above_zero(tmp_path, log):
    ann_file = write_annotations(tmp_path / 'gt.json', [(1, 7, (0, 0, 10, 10))])
    evaluate(ann_file, [sample(1, [(0, 0, 10, 9)], [0.9], [0]), sample(2)])
    assert not any('bbox_mAP is' in message for message in log)
