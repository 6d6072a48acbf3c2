"""Faults are planted in the results of a detector that is right for the most part."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from projects.core.tasks.detection.explain_map import explain_map

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/analysis_tools/explain_map.py')
# neither from 0 nor in ascending order
CAT_IDS = np.array([3, 4, 5, 9, 8])
NUM_IMAGES = 10
FIRST_ID = 11
# whose order of names is not that of the ids
NAMES = [f'a{i * 7 % NUM_IMAGES}.jpg' for i in range(NUM_IMAGES)]


def world(num_images=NUM_IMAGES, num_classes=5, seed=0, missed=0.2, noise=0.06):
    """Sizes of images, (image, label, xywh) of objects, and columns of detections:
    image, label, box, score. A fifth of the objects is missed, a tenth of the labels
    wrong, and eight detections an image lie anywhere."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(300, 700, (num_images, 2)).astype(float)

    def boxes(image):
        wh = sizes[image] * rng.uniform(0.08, 0.5, (len(image), 2))
        return np.hstack([(sizes[image] - wh) * rng.random((len(image), 2)), wh])

    image = np.repeat(np.arange(num_images), rng.integers(3, 8, num_images))
    label = rng.integers(0, num_classes, len(image))
    box = boxes(image)
    keep = rng.random(len(image)) >= missed
    near = box + noise * rng.normal(size=box.shape) * box[:, [2, 3, 2, 3]]
    taken = np.where(
        rng.random(len(image)) < 0.1, rng.integers(0, num_classes, len(image)), label
    )
    anywhere = np.repeat(np.arange(num_images), 8)
    dets = dict(
        image=np.append(image[keep], anywhere),
        label=np.append(taken[keep], rng.integers(0, num_classes, len(anywhere))),
        box=np.vstack([near[keep], boxes(anywhere)]),
        score=np.append(
            rng.uniform(0.3, 1, keep.sum()), rng.uniform(0.01, 0.6, len(anywhere))
        ),
    )
    dets['sizes'] = sizes
    dets['image_id'] = dets['image'] + FIRST_ID
    dets['category_id'] = CAT_IDS[dets['label']]
    return sizes, (image, label, box), dets


def document(sizes, image, label, box, num_classes=5):
    """COCO file of objects, the ids from 1."""
    return dict(
        images=[
            dict(id=FIRST_ID + i, file_name=name, width=w, height=h)
            for i, (name, (w, h)) in enumerate(
                zip(NAMES * len(sizes), sizes.tolist(), strict=False)
            )
        ],
        categories=[
            dict(id=i, name=f'class{i}') for i in CAT_IDS[:num_classes].tolist()
        ],
        annotations=[
            dict(
                id=n,
                image_id=int(FIRST_ID + i),
                category_id=int(CAT_IDS[k]),
                bbox=xywh,
                area=xywh[2] * xywh[3],
                iscrowd=0,
            )
            for n, (i, k, xywh) in enumerate(
                zip(image, label, box.tolist(), strict=True), 1
            )
        ],
    )


def rows(dets):
    """A results file."""
    return [
        dict(image_id=i, category_id=k, bbox=box, score=score)
        for i, k, box, score in zip(
            *(dets[n].tolist() for n in ('image_id', 'category_id', 'box', 'score')),
            strict=True,
        )
    ]


def letterbox(box, size, side):
    """(N, 4) in a square of a side, the image in its middle; size: (N, 2)."""
    long = size.max(1, keepdims=True)
    corner = box[:, :2] + (long - size) / 2
    return np.hstack([corner, box[:, 2:]]) * side / long


def cxcywh(box, times=1):
    half = np.hstack([box[:, 2:] / 2, np.zeros_like(box[:, 2:])])
    return box + times * half


MEAN_AP = 0.512  # without faults
# what a fault changes: column, and its new values
FAULTS = {
    'axes': ('box', lambda d: d['box'][:, [1, 0, 3, 2]]),
    'xyxy': ('box', lambda d: cxcywh(d['box'], 0) + d['box'] @ np.eye(4, k=2)),
    'xywh as xyxy': ('box', lambda d: d['box'] - d['box'] @ np.eye(4, k=2)),
    'cxcywh': ('box', lambda d: cxcywh(d['box'])),
    'xywh as cxcywh': ('box', lambda d: cxcywh(d['box'], -1)),
    'normalised': ('box', lambda d: d['box'] / np.tile(size_of(d), 2)),
    'factor': ('box', lambda d: d['box'] * 0.37),
    'resized': ('box', lambda d: d['box'] * np.tile(448 / size_of(d), 2)),
    'ratio kept': ('box', lambda d: d['box'] * 640 / size_of(d).max(1)[:, None]),
    'letterbox': ('box', lambda d: letterbox(d['box'], size_of(d), 416)),
    'scaled twice': ('box', lambda d: d['box'] * np.tile(size_of(d) / 300, 2)),
    'permuted': ('category_id', lambda d: CAT_IDS[[2, 3, 4, 0, 1]][d['label']]),
    'two classes': ('category_id', lambda d: CAT_IDS[[1, 0, 2, 3, 4]][d['label']]),
    'labels': ('category_id', lambda d: d['label']),
    'labels from 1': ('category_id', lambda d: d['label'] + 1),
    'ids shifted': ('category_id', lambda d: d['category_id'] + 1),
    'next image': ('image_id', lambda d: d['image_id'] + 1),
    'counted': ('image_id', lambda d: d['image']),
    'by name': (
        'image_id',  # the n-th image by name has the n-th id
        lambda d: FIRST_ID + np.argsort(np.argsort(NAMES))[d['image']],
    ),
    'any image': (
        'image_id',
        lambda d: FIRST_ID + np.random.default_rng(5).permutation(10)[d['image']],
    ),
    'reversed': ('score', lambda d: 1 - d['score']),
}
# what is said of each
SAID = {
    'axes': 'x and y are exchanged',
    'xyxy': 'bbox holds x1, y1, x2, y2 (xyxy, read as xywh)',
    'xywh as xyxy': 'subtracted from the width and height (xywh, read as xyxy)',
    'cxcywh': 'bbox holds the centre, width and height',
    'xywh as cxcywh': 'half a box too far left and up',
    'normalised': 'the boxes are normalised to [0, 1]',
    'factor': 'times as far from the origin, and as large',
    'resized': 'in an image resized to 448 x 448, not scaled back',
    'ratio kept': 'with its ratio kept, to a longer side of 640, not scaled back',
    'letterbox': 'in a letterbox of side 416, not scaled back',
    'scaled twice': 'scaled back from 3',  # 300 x 300, or nearly so
    'permuted': 'id 3 is class9, id 4 is class8',
    'two classes': 'the classes are permuted: id 3 is class4, id 4 is class3',
    'labels': 'labels, counted from 0 in the order of the categories',
    'labels from 1': 'labels, counted from 1 in the order of the categories',
    'ids shifted': 'the category ids are shifted by one (+1)',
    'next image': 'the ids are shifted by one (each id is the next',
    'counted': 'count the images from 0 in the order of the file',
    'by name': 'in the order of the file names, the ids in that of the file',
    'any image': '9 of 10 image ids are those of other images',
    'reversed': 'the scores are reversed',
}
FRAMES = ('normalised', 'factor', 'resized', 'ratio kept', 'letterbox', 'scaled twice')
GROUPS = dict(
    frame=FRAMES,
    form=('xyxy', 'xywh as xyxy', 'cxcywh', 'xywh as cxcywh'),
    axes=('axes',),
    images=('next image', 'counted', 'by name', 'any image'),
    classes=('permuted', 'two classes', 'labels', 'labels from 1', 'ids shifted'),
    scores=('reversed',),
)  # in the order of planting; of a group one at a time makes sense
# what shows in which frame boxes are is whose image they are of
SENSELESS = {frozenset(['any image', frame]) for frame in FRAMES[1:]}
PAIRS = [
    pair
    for first, second in itertools.combinations(GROUPS, 2)
    for pair in itertools.product(GROUPS[first], GROUPS[second])
    if frozenset(pair) not in SENSELESS
]
SOME_PAIRS = [
    ('normalised', 'xyxy'),
    ('letterbox', 'permuted'),
    ('resized', 'next image'),
    ('cxcywh', 'labels'),
    ('axes', 'two classes'),
    ('xywh as xyxy', 'any image'),
    ('permuted', 'reversed'),
]


def size_of(dets):
    return dets['sizes'][dets['image']]


def planted(*faults):
    """Results with faults, and the annotations."""
    sizes, objects, dets = world()
    for fault in faults:
        column, values = FAULTS[fault]
        dets = {**dets, column: values(dets)}
    return rows(dets), document(sizes, *objects)


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


OFTEN = ['xyxy', 'normalised', 'letterbox', 'two classes', 'labels', 'next image']


@pytest.mark.parametrize(
    'fault',
    [
        pytest.param(fault, marks=() if fault in OFTEN else pytest.mark.slow)
        for fault in FAULTS
    ],
)
def test_a_fault_is_named(explain, fault):
    check_named(explain, [fault])


@pytest.mark.parametrize('pair', SOME_PAIRS, ids='+'.join)
def test_two_at_once_are_named(explain, pair):
    check_named(explain, pair)


@pytest.mark.slow
@pytest.mark.parametrize('pair', PAIRS, ids='+'.join)
def test_all_pairs_are_named(explain, pair):
    check_named(explain, pair)


def noise(rng, sizes, per_image, least=0.05, most=0.5):
    """What an untrained model may give."""
    image = np.repeat(np.arange(len(sizes)), per_image)
    wh = sizes[image] * rng.uniform(least, most, (len(image), 2))
    box = np.hstack([(sizes[image] - wh) * rng.random((len(image), 2)), wh])
    return dict(image=image, box=box, score=rng.random(len(image)))


def grid(sizes):
    """As of an untrained YOLO: each cell's box, of one size."""
    cells = np.indices((8, 8)).reshape(2, -1).T / 8
    image = np.repeat(np.arange(len(sizes)), len(cells))
    corner = np.tile(cells, (len(sizes), 1)) * sizes[image]
    return image, np.hstack([corner, sizes[image] / 8])


def untrained(kind, seed, num_images):
    """Results and annotations."""
    sizes, objects, dets = world(num_images, seed=seed, missed=0)
    rng = np.random.default_rng(seed + 100)
    if kind == 'boxes anywhere':
        dets = noise(rng, sizes, 40)
    elif kind == 'small boxes anywhere':
        dets = noise(rng, sizes, 40, 0.01, 0.1)
    elif kind == 'a grid':
        image, box = grid(sizes)
        dets = dict(image=image, box=box, score=rng.random(len(image)))
    elif kind == 'weak':
        _, objects, dets = world(num_images, seed=seed, missed=0.7, noise=0.15)
    dets['image_id'] = dets['image'] + FIRST_ID
    if kind == 'one class':
        dets['category_id'] = np.full(len(dets['image']), 4)
    elif kind not in ('weak', 'right'):
        dets['category_id'] = CAT_IDS[rng.integers(0, 5, len(dets['image']))]
    return rows(dets), document(sizes, *objects)


KINDS = [
    'right',
    'weak',
    'classes at random',
    'one class',
    'boxes anywhere',
    'small boxes anywhere',
    'a grid',
]


@pytest.mark.parametrize('kind', KINDS)
def test_no_fault_where_there_is_none(explain, kind):
    assert explain(*untrained(kind, 0, 6)).steps == []


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
                'holds no detection that counts',
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
