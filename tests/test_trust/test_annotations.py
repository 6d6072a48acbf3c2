"""Annotation files of any content: one line that refuses them, or they can be read.

What passes the check is loaded by mmdet's and mmpretrain's data sets, and evaluated by
the COCO metric of each backend.
"""

import contextlib
import copy
import io
import json
import re
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet.datasets import CocoDataset, VOCDataset
from mmengine.config import Config
from mmpretrain.datasets import CustomDataset
from trust_examples import examples

from projects.core.config.walk import walk
from projects.core.errors import UserError
from projects.core.tasks.classification.data_checks import check_classification_data
from projects.core.tasks.detection.coco_metric import CocoMetric
from projects.core.tasks.detection.data_checks import check_detection_data

CLASSES = ('cat', 'dog')
pytestmark = pytest.mark.usefixtures('few_objects')
IMAGE = cv2.imencode('.jpg', np.zeros((80, 100, 3), np.uint8))[1].tobytes()
ODD = [
    *(0, 1, 2, -1, 10**30, 10**400, 2**63, 2**53 + 1, 1.0, 1.5, -0.0),
    *(1e308, -1e308, float('inf'), float('-inf'), float('nan'), True, False, None),
    *('', '1', '1.5', 'nan', 'cat', 'a.jpg', '/a.jpg', '../images/a.jpg', 'a\\b.jpg'),
    *('a\nb', '\x00', '\ud800', ' ', '\u2028', 'é', [], {}, [[]], [1, 2, 3, 4]),
]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.sampled_from(ODD), st.floats()), max_size=6),
    st.dictionaries(st.sampled_from(['id', 'counts', 'x']), st.sampled_from(ODD)),
)
WAYS = ['replace', 'replace', 'delete', 'double', 'wrap', 'wrap in a dict', 'as text']
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from([*WAYS, 'swap', 'copy']), VALUES),
    min_size=1,
    max_size=3,
)
BYTES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=3)),
    min_size=1,
    max_size=4,
)


def mutated(data, mutations):
    """Values anywhere replaced, left out, doubled, wrapped, exchanged."""
    root = {'': copy.deepcopy(data)}
    for number, way, value in mutations:
        entries = list(walk(root))
        _, parent, key, old = entries[number % len(entries)]
        _, other, other_key, theirs = entries[number // 3 % len(entries)]
        new = {
            'replace': value,
            'wrap': [old],
            'wrap in a dict': {'id': old},
            'as text': json.dumps(old),
            'swap': theirs,
            'copy': theirs,
        }.get(way, old)
        if way == 'delete':
            if parent is not root:
                del parent[key]
        elif way == 'double' and isinstance(parent, list):
            parent.append(old)
        else:
            parent[key] = copy.deepcopy(new)
            if way == 'swap':
                other[other_key] = old
    return root['']


def damaged(content, changes):
    """Bytes at relative places overwritten, left out, put in, or cut off."""
    for place, way, new in changes:
        at = int(place * len(content))
        content = (
            content[:at]
            + [
                new + content[at + len(new) :],
                content[at + len(new) + 1 :],
                new + content[at:],
                b'' if place > 0.5 else content[at:],
            ][way]
        )
    return content


def passes(check, cfg):
    """Whether a check lets a config pass; its refusal is one line."""
    try:
        notices = check(Config(cfg))
    except UserError as error:
        notices = [str(error)]
        passed = False
    else:
        passed = True
    for notice in notices:
        assert notice
        assert len(notice.splitlines()) == 1
        notice.encode()
    return passed


# --------------------------------------------------------------------- COCO
BOXES = [[10, 10, 40, 40], [5.5, 20, 30, 30], [0, 0, 100, 80], [50, 50, 20, 20]]
COCO = dict(
    info=dict(year=2017),
    images=[
        dict(id=i, file_name=f'{name}.jpg', width=100, height=80)
        for i, name in enumerate('abc', 1)
    ],
    annotations=[
        dict(
            id=i,
            image_id=1 + i % 2,
            category_id=11 + i % 2,
            bbox=box,
            area=box[2] * box[3],
            iscrowd=0,
            segmentation=[[1, 1, 9, 1, 9, 9]],
        )
        for i, box in enumerate(BOXES, 1)
    ],
    categories=[dict(id=11, name='cat'), dict(id=12, name='dog')],
)


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    root = tmp_path_factory.mktemp('coco')
    (root / 'images').mkdir()
    for name in 'abc':
        (root / f'images/{name}.jpg').touch()
    return root


def check_coco_file(root, content):
    path = root / 'train.json'
    path.write_bytes(content)
    dataset = dict(
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img='images'),
        metainfo=dict(classes=CLASSES),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
    )
    for split in ('train', 'val', 'test'):
        cfg = {
            'default_scope': 'mmdet',
            f'{split}_dataloader': dict(dataset=dict(dataset, type='CocoDataset')),
            f'{split}_evaluator': dict(type='CocoMetric', ann_file=str(path)),
        }
        if passes(check_detection_data, cfg):
            with contextlib.redirect_stdout(io.StringIO()):
                data = CocoDataset(**dataset, pipeline=[], test_mode=split != 'train')
            samples = [data.get_data_info(i) for i in range(len(data))]
            if split == 'train':
                assert any(sample['instances'] for sample in samples)
            else:
                evaluate(str(path), samples)
                break


class Silent(CocoMetric):
    _log = staticmethod(lambda *args: None)


def evaluate(path, samples):
    """All metrics, given nothing and given the ground truth."""
    found = [
        dict(
            img_id=sample['img_id'],
            bboxes=np.array([i['bbox'] for i in sample['instances']]),
            labels=np.array([i['bbox_label'] for i in sample['instances']], int),
            scores=np.ones(len(sample['instances'])),
        )
        for sample in samples
    ]
    nothing = [
        dict(
            img_id=sample['img_id'],
            bboxes=np.zeros((0, 4)),
            labels=np.zeros(0, int),
            scores=np.zeros(0),
        )
        for sample in samples
    ]
    values = {}
    for backend in ('pycocotools', 'auto'):
        for name, predictions in (('found', found), ('nothing', nothing)):
            metric = Silent(path, backend=backend)
            metric.dataset_meta = dict(classes=CLASSES)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', RuntimeWarning)  # of boxes with NaN
                metrics = metric.compute_metrics([({}, p) for p in predictions])
                metric.sections(None)
            values[backend, name] = metrics['bbox_mAP']
    for name in ('found', 'nothing'):
        np.testing.assert_allclose(
            values['pycocotools', name], values['auto', name], atol=1e-9
        )


def test_the_file_that_is_mutated_is_sound(coco):
    check_coco_file(coco, json.dumps(COCO).encode())
    mutations = [(0, 'replace', {})]
    assert mutated(COCO, mutations) == {}


@examples(quick=100, long=10_000)
@given(MUTATIONS)
def test_coco_values(coco, mutations):
    check_coco_file(coco, json.dumps(mutated(COCO, mutations)).encode())


@examples(quick=50, long=10_000)
@given(BYTES)
def test_coco_bytes(coco, changes):
    check_coco_file(coco, damaged(json.dumps(COCO).encode(), changes))


# ---------------------------------------------------------------------- VOC
XML = """<annotation>
<filename>a.jpg</filename>
<size><width>100</width><height>80</height><depth>3</depth></size>
<object><name>cat</name><difficult>0</difficult>
<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>50</xmax><ymax>50</ymax></bndbox></object>
<object><name>dog</name>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>100</xmax><ymax>80</ymax></bndbox></object>
</annotation>
"""
TOKENS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(['replace', 'delete', 'double', 'swap']),
        st.one_of(
            st.sampled_from(
                ['0', '-5', '5.7', '1e9', '1e400', 'nan', 'inf', ' 7 ', '', 'Dog', '٣']
            ),
            st.text(max_size=4),
        ),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope='module')
def voc(tmp_path_factory):
    root = tmp_path_factory.mktemp('voc')
    for folder in ('Annotations', 'JPEGImages'):
        (root / folder).mkdir()
    for name in 'ab':
        (root / f'Annotations/{name}.xml').write_text(XML)
        # read where an XML has no size
        (root / f'JPEGImages/{name}.jpg').write_bytes(IMAGE)
    (root / 'train.txt').write_text('a\nb\n')
    return root


def check_voc_files(root):
    dataset = dict(
        data_root=str(root),
        ann_file='train.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=CLASSES),
        filter_cfg=dict(filter_empty_gt=True, min_size=32, bbox_min_size=8),
    )
    for split in ('train', 'val', 'test'):
        cfg = {
            'default_scope': 'mmdet',
            f'{split}_dataloader': dict(dataset=dict(dataset, type='VOCDataset')),
        }
        if passes(check_detection_data, cfg):
            settings = dict(dataset)
            if split != 'train':  # mmdet refuses to filter boxes of a test
                settings['filter_cfg'] = None
            data = VOCDataset(**settings, pipeline=[], test_mode=split != 'train')
            samples = [data.get_data_info(i) for i in range(len(data))]
            assert samples
            for sample in samples:
                assert min(sample['width'], sample['height']) >= 1
                boxes = [i['bbox'] for i in sample['instances']]
                assert np.isfinite(np.array(boxes, np.float32)).all()


@examples(quick=50, long=2000)
@given(TOKENS)
def test_voc_values(voc, changes):
    tokens = re.findall(r'<[^>]*>|[^<]+', XML)
    for number, way, new in changes:
        at, other = number % len(tokens), number // 3 % len(tokens)
        tokens[at] = {
            'replace': new,
            'delete': '',
            'double': tokens[at] * 2,
            'swap': tokens[other],
        }[way]
        if way == 'swap':
            tokens[other] = tokens[at]
    content = ''.join(tokens).encode(errors='surrogatepass')
    (voc / 'Annotations/b.xml').write_bytes(content)
    check_voc_files(voc)


@examples(quick=50, long=2000)
@given(BYTES, st.sampled_from(['Annotations/b.xml', 'train.txt']))
def test_voc_bytes(voc, changes, name):
    content = (voc / name).read_bytes()
    try:
        (voc / name).write_bytes(damaged(content, changes))
        check_voc_files(voc)
    finally:
        (voc / name).write_bytes(content)


# ----------------------------------------------------------- classification
@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    for name in 'abc':
        (root / f'{name}.png').touch()
    return root


@examples(quick=50, long=2000)
@given(BYTES, st.booleans())
def test_lists_of_images(pictures, changes, with_classes):
    content = b'a.png 0\nb.png 1\nc.png 1\na.png 0\n'
    (pictures / 'train.txt').write_bytes(damaged(content, changes))
    dataset = dict(data_root=str(pictures), ann_file='train.txt')
    if with_classes:
        dataset['classes'] = CLASSES
    cfg = dict(
        default_scope='mmpretrain',
        model=dict(head=dict(num_classes=2)),
        train_dataloader=dict(dataset=dict(dataset, type='CustomDataset')),
    )
    if passes(check_classification_data, cfg):
        data = CustomDataset(**dataset)
        assert set(data.get_gt_labels()) <= {0, 1}
        for i in range(len(data)):
            assert (pictures / data.get_data_info(i)['img_path']).is_file()
