"""Detections and ground truths are matched as pycocotools matches them."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from projects.core.tasks.detection import matching as module
from projects.core.tasks.detection.matching import (
    Detections,
    GroundTruths,
    Matching,
    mean_precision,
    precision_at_recalls,
)


def annotations(rng, num_images, num_classes, max_gts, max_dets):
    """Ground truths with crowds and twins, detections with ties, empty images."""
    gts, dets = [], []
    for image in range(num_images):
        here = []
        for _ in range(rng.integers(0, max_gts + 1)):
            box = np.round([*rng.uniform(0, 200, 2), *rng.uniform(5, 120, 2)])
            if here and rng.random() < 0.1:  # of equal IoU with anything
                box = np.array(here[-1]['bbox'])
            here.append(
                dict(
                    id=len(gts) + len(here) + 1,
                    image_id=3 * image + 1,
                    category_id=2 * int(rng.integers(num_classes)) + 1,
                    bbox=box.tolist(),
                    # as of a mask: not that of the box
                    area=float(box[2] * box[3] * rng.choice([1, 0.6])),
                    iscrowd=int(rng.random() < 0.1),
                )
            )
        gts += here
        for _ in range(rng.integers(0, max_dets + 1)):
            category = 2 * int(rng.integers(num_classes)) + 1
            box = np.round([*rng.uniform(0, 200, 2), *rng.uniform(5, 120, 2)])
            if here and rng.random() < 0.7:
                gt = here[rng.integers(len(here))]
                box = np.array(gt['bbox']) + np.round(rng.normal(0, 6, 4))
                box[2:] = np.maximum(box[2:], 1)
                category = gt['category_id'] if rng.random() < 0.8 else category
            dets.append(
                dict(
                    id=len(dets) + 1,
                    image_id=3 * image + 1,
                    category_id=category,
                    bbox=box.tolist(),
                    area=float(box[2] * box[3]),
                    score=round(rng.random(), 1),
                    iscrowd=0,
                )
            )
    return gts, dets


def by_pycocotools(img_ids, cat_ids, gts, dets):
    def coco(anns):
        api = COCO()
        api.dataset = dict(
            images=[dict(id=i) for i in img_ids],
            categories=[dict(id=i, name=str(i)) for i in cat_ids],
            annotations=anns,
        )
        api.createIndex()
        return api

    with contextlib.redirect_stdout(io.StringIO()):
        coco_eval = COCOeval(coco(gts), coco(dets), 'bbox')
        coco_eval.evaluate()
        coco_eval.accumulate()
    return coco_eval


def rows(anns, ids, key):
    return np.array([ids.index(ann[key]) for ann in anns], np.int64)


@pytest.mark.parametrize('seed', range(10))
@pytest.mark.parametrize('max_dets', [0, 3, 30, 300])  # over 100 of a class
def test_matches_are_those_of_pycocotools(monkeypatch, seed, max_dets):
    rng = np.random.default_rng([seed, max_dets])
    num_images, num_classes = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    img_ids = [3 * i + 1 for i in range(num_images)]
    cat_ids = [2 * k + 1 for k in range(num_classes)]
    gts, dets = annotations(
        rng, num_images, num_classes, int(rng.integers(12)), max_dets
    )
    expected = by_pycocotools(img_ids, cat_ids, gts, dets)
    monkeypatch.setattr(module, 'CHUNK', 50)  # several
    matching = Matching(
        Detections(
            rows(dets, img_ids, 'image_id'),
            rows(dets, cat_ids, 'category_id'),
            np.array([d['bbox'] for d in dets]).reshape(-1, 4),
            np.array([d['score'] for d in dets]),
        ),
        GroundTruths.of_coco(gts, img_ids, cat_ids),
    )
    ranked = matching.detections
    num_compared = 0
    for t, iou_thr in enumerate(expected.params.iouThrs):
        for a, area in enumerate(expected.params.areaRng):
            match = matching.match(iou_thr, area)
            for i in range(num_images):
                for k in range(num_classes):
                    cell = expected.evalImgs[(k * 4 + a) * num_images + i]
                    here = np.flatnonzero((ranked.image == i) & (ranked.label == k))
                    if cell is None:
                        assert not len(here)
                        continue
                    num_compared += 1
                    # ids are 1, 2, ...; 0 stands for none
                    gt_ids = match.gt[here] + 1
                    assert gt_ids.tolist() == cell['dtMatches'][t].tolist()
                    assert (
                        match.ignored[here].tolist()
                        == (cell['dtIgnore'][t] > 0).tolist()
                    )
                    taken = dict(zip(gt_ids, cell['dtIds'], strict=True))
                    for gt_id, det_id, ignored in zip(
                        cell['gtIds'],
                        cell['gtMatches'][t],
                        cell['gtIgnore'],
                        strict=True,
                    ):
                        assert taken.get(gt_id, 0) == det_id
                        assert match.gt_ignored[gt_id - 1] == ignored
            num_gts = np.bincount(
                matching.truths.label[~match.gt_ignored], minlength=num_classes
            )
            counted = ~match.ignored
            precision = precision_at_recalls(
                ranked.label[counted], match.hit[counted], num_gts
            )
            np.testing.assert_array_equal(
                precision, expected.eval['precision'][t, :, :, a, -1]
            )
    assert num_compared or not (gts or dets)


def test_a_class_without_ground_truth_has_no_part_in_the_mean():
    # Class 0: hit, miss, hit of 2: 51 recalls at 1, 50 at 2/3. Class 1: none.
    label = np.array([0, 0, 1, 0])
    hit = np.array([True, False, False, True])
    precision = precision_at_recalls(label, hit, np.array([2, 0]))
    assert mean_precision(precision) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert mean_precision(precision[:, 1]) is None


def test_greatest_overlap_of_each_detection():
    truths = GroundTruths(
        np.zeros(3, int),
        np.array([0, 0, 1]),
        np.array([[0, 0, 10, 10], [4, 0, 10, 10], [0, 0, 10, 9]], float),
        np.full(3, 100.0),
        np.zeros(3, bool),
    )
    dets = Detections(
        np.array([0, 0]),
        np.array([0, 0]),
        np.array([[0, 0, 10, 10], [90, 90, 5, 5]], float),
        np.array([0.9, 0.8]),
    )
    matching = Matching(dets, truths)
    gt, iou = matching.best(matching.same)
    assert (gt.tolist(), iou.tolist()) == ([0, -1], [1, 0])
    gt, iou = matching.best(~matching.same)
    assert gt.tolist() == [2, -1]
    assert iou == pytest.approx([0.9, 0])
