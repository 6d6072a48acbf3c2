"""Faults are planted in the results of a detector that is right for the most part."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from planted_results import (
    FAULTS,
    FIRST_ID,
    KINDS,
    MEAN_AP,
    PAIRS,
    SAID,
    SOME_PAIRS,
    document,
    planted,
    rows,
    untrained,
    world,
)

from projects.core.tasks.detection.explain_map import explain_map

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/analysis_tools/explain_map.py')


@pytest.fixture
def explain(tmp_path):
    """Function that explains results and annotations, given as what JSON holds."""

    def call(results, annotations, **options):
        paths = [tmp_path / 'results.json', tmp_path / 'annotations.json']
        for path, content in zip(paths, (results, annotations), strict=True):
            path.write_text(
                content if isinstance(content, str) else json.dumps(content)
            )
        return explain_map(*paths, **options)

    return call


def check_named(explain, faults):
    results, annotations = planted(*faults)
    found = explain(results, annotations)
    right = MEAN_AP
    assert len(found.steps) == len(faults), found.steps
    for fault in faults:
        assert any(SAID[fault] in step.fault for step in found.steps), found.steps
    assert found.now == pytest.approx(found.steps[0].before)
    assert found.after == found.steps[-1].after
    assert found.after >= 0.9 * right > 0.2
    assert found.now < 0.8 * right


OFTEN = ['xyxy', 'normalised', 'letterbox', 'two classes', 'labels', 'any image']


@pytest.mark.parametrize(
    'fault',
    [
        pytest.param(fault, marks=() if fault in OFTEN else pytest.mark.slow)
        for fault in FAULTS
    ],
)
def test_a_fault_is_named(explain, fault):
    check_named(explain, [fault])


@pytest.mark.parametrize(
    ('factor', 'said'),
    [(1 / 400, 'normalised to [0, 1]'), (0.75, 'resized to 300 x 300, not scaled')],
)
def test_a_frame_has_a_name_where_all_images_are_of_one_size(explain, factor, said):
    """Boxes that are a little too small fit best by a factor without a name."""
    _, objects, dets = world(noise=0.02)
    sizes = np.full_like(dets['sizes'], 400)
    box = np.concatenate([objects[2], dets['box']]) * 400 / 700  # inside of them all
    objects = (*objects[:2], box[: len(objects[2])])
    dets['box'] = box[len(objects[2]) :] * 0.9985 * factor
    found = explain(rows(dets), document(sizes, *objects))
    assert len(found.steps) == 1
    assert said in found.steps[0].fault


@pytest.mark.parametrize('pair', SOME_PAIRS, ids='+'.join)
def test_two_at_once_are_named(explain, pair):
    check_named(explain, pair)


@pytest.mark.slow
@pytest.mark.parametrize('pair', PAIRS, ids='+'.join)
def test_all_pairs_are_named(explain, pair):
    check_named(explain, pair)


def test_five_at_once_are_named(explain):
    check_named(explain, ['normalised', 'xyxy', 'next image', 'labels', 'reversed'])


@pytest.mark.parametrize(
    ('row', 'said'),
    [
        (lambda r, n: dict(r, image_id=str(r['image_id'])), 'image ids are text'),
        (lambda r, n: dict(r, image_id=n), 'image ids are file names'),
        # as of tools/infer.py
        (lambda r, n: dict(r, image_id=int(n[1]), file_name=n), 'image ids are others'),
        (
            lambda r, n: dict(r, category_id=f'class{r["category_id"]}'),
            'category ids are names of classes',
        ),
        (lambda r, n: dict(r, category_id=str(r['category_id'])), 'category ids are t'),
    ],
)
def test_ids_of_other_kinds(explain, row, said):
    results, annotations = planted()
    name = {image['id']: image['file_name'] for image in annotations['images']}
    found = explain([row(r, name[r['image_id']]) for r in results], annotations)
    (step,) = found.steps
    assert step.fault.startswith(f'the {said}')
    assert (step.before, step.after) == (0, pytest.approx(MEAN_AP, abs=1e-3))


@pytest.mark.parametrize('kind', KINDS[:5])
def test_no_fault_where_there_is_none(explain, kind):
    assert explain(*untrained(kind, 0, 5)).steps == []


@pytest.mark.slow
@pytest.mark.parametrize('num_images', [8, 30])
@pytest.mark.parametrize('seed', range(1, 6))
@pytest.mark.parametrize('kind', KINDS)
def test_no_fault_with_other_data(explain, kind, seed, num_images):
    assert explain(*untrained(kind, seed, num_images)).steps == []


def test_duplicates_and_copies_are_named(explain):
    sizes, objects, dets = world()
    near = {**dets, 'box': dets['box'] + 2, 'score': dets['score'] - 0.001}
    many = [
        row
        for i in range(4)
        for row in rows({**near, 'score': near['score'] - i / 1e4})
    ]
    found = explain(rows(dets) + many, document(sizes, *objects))
    assert [step.fault[:27] for step in found.steps] == ['objects are detected many t']
    assert found.after == pytest.approx(MEAN_AP, abs=0.02)
    found = explain(rows(dets) * 2, document(sizes, *objects))
    assert [step.fault[:27] for step in found.steps] == ['detections stand in the fil']
    assert found.after == pytest.approx(MEAN_AP, abs=1e-3)


@pytest.mark.parametrize(
    ('name', 'change', 'said'),
    [
        ('score', lambda d: np.full(len(d['score']), 0.5), 'all scores are 0.5'),
        ('cut', lambda d: d['score'] > 0.6, 'no detection has a score below 0.6'),
        ('cut', lambda d: d['image'] < 6, '4 of 10 images with objects have no det'),
        ('cut', lambda d: d['label'] != 2, '1 of 5 classes with objects are never'),
    ],
)
def test_what_cannot_be_undone_is_said_with_a_bound(explain, name, change, said):
    sizes, objects, dets = world()
    if name == 'cut':
        keep = change(dets)
        dets = {k: v if k == 'sizes' else v[keep] for k, v in dets.items()}
    else:
        dets[name] = change(dets)
    found = explain(rows(dets), document(sizes, *objects))
    assert found.steps == []
    matching = [f for f in found.findings if f.fault.startswith(said)]
    assert len(matching) == 1, found.findings
    assert found.after < matching[0].after <= 1


def test_over_100_detections_of_a_class_are_said(explain):
    """Of 130 objects, all of which are detected."""
    places = np.indices((13, 10)).reshape(2, -1).T * 20.0
    box = np.hstack([places, np.full((130, 2), 15)])
    zeros = np.zeros(130, int)
    annotations = document(np.array([[640.0, 480]]), zeros, zeros, box, num_classes=1)
    score = np.linspace(0.9, 0.05, 130)
    dets = dict(image_id=zeros + FIRST_ID, category_id=zeros + 3, box=box, score=score)
    found = explain(rows(dets), annotations)
    assert found.findings[0].fault.startswith('30 of 130 detections are over 100')
    # 100 of 130: precision 1 up to recall 0.76
    assert found.now == pytest.approx(77 / 101)
    assert found.findings[0].after == 1


class TestGroundTruth:
    """Of the annotation file itself; the results are those without faults."""

    def explained(self, explain, change):
        results, annotations = planted()
        change(annotations['annotations'])
        return explain(results, annotations)

    def test_is_right(self, explain):
        found = self.explained(explain, lambda anns: None)
        assert (found.truth, found.causes) == (1, [])

    def test_id_0_is_named_and_costs_the_results_as_well(self, explain):
        # the first is found by the results
        found = self.explained(explain, lambda anns: anns[0].update(id=0))
        assert found.truth < 1
        assert 'has the id 0' in found.causes[0].what
        assert found.causes[0].after == 1
        assert found.steps[0].change == 'number the annotations from 1'
        assert found.now < found.after == pytest.approx(MEAN_AP, abs=1e-3)

    def test_boxes_without_area(self, explain):
        def flatten(anns):
            for ann in anns[:2]:
                ann.update(bbox=[*ann['bbox'][:3], 0], area=0)

        found = self.explained(explain, flatten)
        assert '2 boxes have no area' in found.causes[0].what
        assert found.causes[0].after == 1 > found.truth

    def test_over_100_objects(self, explain):
        def add(anns):
            first = anns[0]
            for i in range(110):
                box = [3.0 * i, 0, 3, 5]
                anns.append({**first, 'id': 1000 + i, 'bbox': box, 'area': 15})

        found = self.explained(explain, add)
        assert '1 images have over 100 objects of a class (image 11' in (
            found.causes[0].what
        )
        assert found.causes[0].after == 1 > found.truth

    def test_crowds_do_no_harm(self, explain):
        found = self.explained(explain, lambda anns: anns[0].update(iscrowd=1))
        assert found.truth == 1

    def test_crowds_alone(self, explain):
        def all_crowds(anns):
            for ann in anns:
                ann['iscrowd'] = 1

        found = self.explained(explain, all_crowds)
        assert found.truth == found.now == -1
        assert 'no ground truth' in found.reason


class TestBadInput:
    @pytest.mark.parametrize(
        ('results', 'said'),
        [
            ([], 'holds no detection that counts: the model gives nothing above'),
            ({'a': 1}, 'it holds an object of the keys a, not a list'),
            ('{', 'is not valid JSON: line 1'),
            ('', 'is empty'),
            ([3], 'entry 0 is 3; it must be a detection'),
            ([dict(image_id=1, category_id=1, score=1)], 'entry 0 has no bbox, but'),
            (
                [dict(image_id=1, category_id=1, score=1, segmentation={})],
                'holds masks, not boxes',
            ),
            (
                [dict(image_id=1, category_id=1, keypoints=[], score=1)],
                'holds keypoints, not boxes',
            ),
            (
                [dict(image_id=1, category_id=1, bbox=[1, 2, 3], score=1)],
                'bbox of entry 0 is [1, 2, 3]; it must be four numbers',
            ),
            (
                [dict(image_id=1, category_id=1, bbox=[1, 2, 3, 4], score='1')],
                "score of entry 0 is '1'; it must be a number",
            ),
            (
                '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, NaN], '
                '"score": 1}]',
                'not one of 1 detections has a finite box and score',
            ),
            (
                [dict(image_id=777, category_id=3, bbox=[1, 2, 3, 4], score=1)],
                'no image in common: the results have the image ids 777, the '
                'annotations 11, 12, 13, ..., and',
            ),
        ],
    )
    def test_results(self, tmp_path, error_of, results, said):
        text = results if isinstance(results, str) else json.dumps(results)
        (tmp_path / 'r.json').write_text(text)
        (tmp_path / 'a.json').write_text(json.dumps(planted()[1]))
        message = error_of(explain_map, tmp_path / 'r.json', tmp_path / 'a.json')
        assert str(tmp_path / 'r.json') in message
        assert said in message

    def test_annotations(self, tmp_path, error_of):
        results, annotations = planted()
        paths = [tmp_path / 'r.json', tmp_path / 'a.json']
        for path, content in zip(paths, (results, annotations), strict=True):
            path.write_text(json.dumps(content))
        message = error_of(explain_map, *paths[::-1])
        assert 'give the detections first, then the annotations' in message
        message = error_of(explain_map, paths[0], paths[0])
        assert 'of detections (the results format' in message
        message = error_of(explain_map, paths[0], tmp_path / 'none.json')
        assert 'none.json cannot be read: No such file' in message
        message = error_of(explain_map, *paths, out=paths[1])
        assert 'a.json is there already' in message
        message = error_of(explain_map, *paths, out='fixed.csv')
        assert '--out fixed.csv: name a file that ends in .json' in message


def test_fixed_detections_are_written(explain, tmp_path):
    results, annotations = planted('letterbox', 'labels')
    found = explain(results, annotations, out=tmp_path / 'fixed.json')
    rows_ = json.loads((tmp_path / 'fixed.json').read_text())
    again = explain(rows_, annotations)
    assert again.now == pytest.approx(found.after)
    assert again.steps == []


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', TOOL, '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--out' in done.stdout
    assert ' torch' not in done.stderr
