import hashlib
import itertools
import json
import multiprocessing
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock
from pycocotools.coco import COCO

from projects.core import folders
from projects.core.datasets import digits_canvas, digits_coco
from projects.core.datasets.digits_canvas import generate_canvas, render_ink
from projects.core.datasets.digits_coco import (
    make_digits_coco,
    read_settings,
    summarize_digits_coco,
)
from projects.core.errors import UserError
from projects.registry import DATASETS

NUM_TRAIN, NUM_VAL = 60, 20
TINY = dict(num_train=3, num_val=2)
CANVAS = dict(
    image_size=224, min_size=16, max_size=128, max_digits=6, difficulty=0.5, seed=0
)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return make_digits_coco(
        tmp_path_factory.mktemp('data') / 'digits-coco',
        num_train=NUM_TRAIN,
        num_val=NUM_VAL,
    )


@pytest.fixture
def tiny_default(monkeypatch):
    """``make_digits_coco()`` without settings makes a tiny set."""
    monkeypatch.setattr(
        make_digits_coco, '__defaults__', (3, 2, *make_digits_coco.__defaults__[2:])
    )


@pytest.fixture
def log_lines(monkeypatch):
    """What is logged, as a list that grows."""
    lines = []
    for module in (digits_coco, folders):
        monkeypatch.setattr(
            module, 'print_log', lambda line, logger: lines.append(line)
        )
    return lines


def load(root, split):
    return json.loads((root / 'annotations' / f'{split}.json').read_text())


def annotations(root):
    return [
        ann for split in ('train', 'val') for ann in load(root, split)['annotations']
    ]


def tree_hash(root):
    """Digest of the names and bytes of all files below ``root``."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob('*')):
        digest.update(path.relative_to(root).as_posix().encode() + b'\0')
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def leftovers(folder):
    """Names in ``folder`` other than the locks."""
    return {path.name for path in folder.iterdir() if not path.name.endswith('.lock')}


# ---------------------------------------------------------------- the images
def test_same_seed_gives_same_bytes_and_another_seed_others(tmp_path):
    first = make_digits_coco(tmp_path / 'a', **TINY)
    again = make_digits_coco(tmp_path / 'b', **TINY)
    other = make_digits_coco(tmp_path / 'c', **TINY, seed=1)
    assert len(list(first.rglob('*.jpg'))) == 5
    assert tree_hash(first) == tree_hash(again)
    jpegs = [
        [path.read_bytes() for path in sorted(folder.rglob('*.jpg'))]
        for folder in (first, other)
    ]
    assert all(a != b for a, b in zip(*jpegs, strict=True))


def test_same_bytes_whatever_the_number_of_threads(tmp_path):
    num_threads = cv2.getNumThreads()
    hashes = set()
    try:
        for num in (1, 4):
            cv2.setNumThreads(num)
            hashes.add(tree_hash(make_digits_coco(tmp_path / str(num), **TINY)))
    finally:
        cv2.setNumThreads(num_threads)
    assert len(hashes) == 1


def test_a_larger_set_begins_with_the_images_of_a_smaller_one(root, tmp_path):
    small = make_digits_coco(tmp_path / 'small', **TINY)
    for split, num in (('train', 3), ('val', 2)):
        for path in sorted((small / split).iterdir()):
            assert path.read_bytes() == (root / split / path.name).read_bytes()
        anns = load(small, split)['annotations']
        assert anns == load(root, split)['annotations'][: len(anns)]
        assert {ann['image_id'] for ann in anns} == set(range(1, num + 1))


def test_counts_of_images_and_digits(root):
    for split, num in (('train', NUM_TRAIN), ('val', NUM_VAL)):
        coco = load(root, split)
        assert len(coco['images']) == num
        for image in coco['images']:
            pixels = cv2.imread(str(root / split / image['file_name']))
            assert pixels.shape == (224, 224, 3)
            assert (image['height'], image['width']) == (224, 224)
    coco = load(root, 'train')
    per_image = np.bincount(
        [ann['image_id'] for ann in coco['annotations']], minlength=NUM_TRAIN + 1
    )[1:]
    assert set(per_image.tolist()) == {0, 1, 2, 3, 4, 5, 6}


def test_boxes_lie_in_the_canvas_and_have_the_sizes_asked_for(root):
    bboxes = np.array([ann['bbox'] for ann in annotations(root)])
    assert (bboxes[:, :2] >= 0).all()
    assert (bboxes[:, :2] + bboxes[:, 2:] <= 224).all()
    longer = bboxes[:, 2:].max(1)
    assert longer.min() >= 16
    assert longer.max() <= 128
    # and both ends of the range are in use
    assert longer.min() < 20
    assert longer.max() > 115


def test_coco_areas_of_all_three_kinds_in_numbers(root):
    anns = annotations(root)
    for ann in anns:
        assert ann['area'] == ann['bbox'][2] * ann['bbox'][3]
    areas = np.array([ann['area'] for ann in anns])
    small, large = (areas < 32**2).sum(), (areas > 96**2).sum()
    assert small > 0.15 * len(areas)
    assert large > 0.03 * len(areas)
    assert small + large < 0.7 * len(areas)
    summary = summarize_digits_coco(root)
    assert summary['train']['small'] + summary['val']['small'] == small
    assert summary['train']['large'] + summary['val']['large'] == large
    counts = summary['train']
    assert counts['images'] == NUM_TRAIN
    assert counts['empty'] == NUM_TRAIN - len(
        {ann['image_id'] for ann in load(root, 'train')['annotations']}
    )


@pytest.mark.parametrize('max_digits', [6, 12])  # 12 leave hardly any room
def test_overlap_is_at_most_a_fifth_of_the_smaller_box(max_digits):
    touching = 0
    for index in range(40):
        _, digits = generate_canvas(
            'train', index, **{**CANVAS, 'max_digits': max_digits}
        )
        masks = []
        for digit in digits:
            x, y, w, h = digit['bbox']
            mask = np.zeros((224, 224), bool)
            mask[y : y + h, x : x + w] = True
            masks.append(mask)
        for a, b in itertools.combinations(masks, 2):
            overlap = (a & b).sum()
            touching += overlap > 0
            assert overlap <= 0.2 * min(a.sum(), b.sum())
    assert touching > 5  # or the limit was never near


def test_splits_share_no_source_digit(root):
    sources = {
        split: {ann['source'] for ann in load(root, split)['annotations']}
        for split in ('train', 'val')
    }
    assert len(sources['train']) > 100
    assert len(sources['val']) > 30
    assert not sources['train'] & sources['val']


def test_category_is_the_label_of_the_source(root):
    from sklearn.datasets import load_digits

    target = load_digits().target
    names = {
        category['id']: category['name']
        for category in load(root, 'train')['categories']
    }
    assert sorted(names.values()) == list('0123456789')
    for ann in annotations(root):
        assert names[ann['category_id']] == str(target[ann['source']])


@pytest.mark.parametrize('size', [8, 16, 41, 128])
def test_ink_has_its_size_and_touches_every_side(size):
    rng = np.random.default_rng(0)
    inks, _ = digits_canvas.load_sources()
    for index in range(0, 1797, 60):
        ink = render_ink(
            inks[index], size, *rng.uniform([-20, -0.3, 0.8], [20, 0.3, 1.3])
        )
        assert max(ink.shape) == size
        assert ink.min() >= 0
        assert ink.max() <= 1
        for side in (ink[0], ink[-1], ink[:, 0], ink[:, -1]):
            assert side.max() >= 0.5


def test_boxes_are_the_extent_of_the_pixels_that_ink_changed(monkeypatch):
    changed_boxes = []

    def paste_and_look(rng, canvas, *args):
        before = canvas.copy()
        paste_ink(rng, canvas, *args)
        y, x = np.nonzero((canvas != before).any(2))
        changed_boxes.append([x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1])

    paste_ink = digits_canvas._paste_ink
    monkeypatch.setattr(digits_canvas, '_paste_ink', paste_and_look)
    num_boxes = 0
    for index in range(30):
        changed_boxes.clear()
        _, digits = generate_canvas('train', index, **CANVAS)
        bboxes = [digit['bbox'] for digit in digits]
        # distractors are pasted before the digits, so that these lie on top
        assert changed_boxes[len(changed_boxes) - len(digits) :] == bboxes
        num_boxes += len(bboxes)
    assert num_boxes > 60


def test_difficulty_lowers_the_contrast_of_digits():
    def contrast(difficulty):
        values = []
        for index in range(30):
            image, digits = generate_canvas(
                'train', index, **{**CANVAS, 'difficulty': difficulty}
            )
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float)
            for digit in digits:
                x, y, w, h = digit['bbox']
                values.append(grey[y : y + h, x : x + w].std())
        return np.mean(values)

    assert contrast(0) > contrast(1) + 10


def test_pycocotools_reads_it_and_scores_the_truth_as_perfect(root):
    from pycocotools.cocoeval import COCOeval

    coco = COCO(str(root / 'annotations' / 'val.json'))
    truth = [
        dict(
            image_id=ann['image_id'],
            category_id=ann['category_id'],
            bbox=ann['bbox'],
            score=1.0,
        )
        for ann in coco.dataset['annotations']
    ]
    evaluation = COCOeval(coco, coco.loadRes(truth), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    # AP, and AP of small, medium and large boxes
    assert evaluation.stats[[0, 3, 4, 5]].tolist() == pytest.approx([1] * 4)


# ------------------------------------------------- made once, whole, or never
def test_made_set_is_used_and_not_written_again(tmp_path, log_lines):
    root = make_digits_coco(tmp_path / 'set', **TINY)
    before, after = log_lines
    assert before == f'making digits-coco in {root}: 3 + 2 images ...'
    assert re.fullmatch(r'made digits-coco in \d+\.\d s', after)
    times = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    make_digits_coco(tmp_path / 'set', **TINY)
    assert log_lines == [before, after]
    assert times == {path: path.stat().st_mtime_ns for path in root.rglob('*')}


def test_settings_are_kept_and_others_are_refused(tmp_path):
    root = make_digits_coco(tmp_path / 'set', **TINY, difficulty=0.25)
    assert read_settings(root) == dict(
        num_train=3,
        num_val=2,
        image_size=224,
        min_size=16,
        max_size=128,
        max_digits=6,
        difficulty=0.25,
        seed=0,
        version=1,
    )
    before = tree_hash(root)
    with pytest.raises(
        UserError,
        match=r'num_val 2 \(asked: 4\), difficulty '
        r'0.25 \(asked: 0.5\); choose another folder',
    ):
        make_digits_coco(root, num_train=3, num_val=4)
    assert tree_hash(root) == before


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(num_train=0), 'num_train must be at least 1, got 0'),
        (dict(min_size=4), 'min_size must be at least 8, got 4'),
        (dict(min_size=64, max_size=32), 'max_size must be at least 64, got 32'),
        (dict(max_size=256), 'image_size must be at least 256, got 224'),
        (dict(max_digits=0), 'max_digits must be at least 1, got 0'),
        (dict(difficulty=1.5), 'difficulty must be from 0 to 1, got 1.5'),
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(image_size=224.5), 'image_size must be a whole number, got 224.5'),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        make_digits_coco(tmp_path / 'set', **settings)
    assert leftovers(tmp_path) == set()


def test_extreme_settings_are_possible(tmp_path):
    root = make_digits_coco(
        tmp_path / 'set', **TINY, image_size=48, min_size=48, max_size=48, difficulty=1
    )
    assert {max(ann['bbox'][2:]) for ann in annotations(root)} == {48}


def test_an_empty_folder_is_filled_and_a_link_is_followed(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'disk')
    root = make_digits_coco(tmp_path / 'link', **TINY)
    assert root == tmp_path / 'disk'
    assert (tmp_path / 'link').is_symlink()
    assert len(list((tmp_path / 'disk' / 'train').iterdir())) == 3


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(UserError, match='is no digits-coco set; remove it'):
        make_digits_coco(tmp_path, **TINY)
    assert leftovers(tmp_path) == {'thesis.tex'}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match=r'cannot be written to .*file/set'):
        make_digits_coco(tmp_path / 'file' / 'set', **TINY)


def test_a_set_that_lost_images_is_refused(tmp_path):
    root = make_digits_coco(tmp_path / 'set', **TINY)
    (root / 'train' / '000002.jpg').unlink()
    with pytest.raises(
        UserError,
        match=r'lacks 1 of its 3 images '
        r'\(000002.jpg\); remove it',
    ):
        make_digits_coco(root, **TINY)


def test_a_cut_annotation_file_is_refused(tmp_path):
    root = make_digits_coco(tmp_path / 'set', **TINY)
    path = root / 'annotations' / 'val.json'
    path.write_text(path.read_text()[:-100])
    with pytest.raises(UserError, match=r'val\.json is no COCO annotation'):
        make_digits_coco(root, **TINY)


def test_an_error_half_way_leaves_nothing(tmp_path, monkeypatch):
    def disk_full(split, index, **_):
        if (split, index) == ('val', 1):
            raise OSError(28, 'No space left on device')
        return generate_canvas(split, index, **CANVAS)

    monkeypatch.setattr(digits_coco, 'generate_canvas', disk_full)
    with pytest.raises(UserError, match='No space left on device'):
        make_digits_coco(tmp_path / 'set', **TINY)
    assert leftovers(tmp_path) == set()


def test_a_killed_maker_leaves_nothing_that_is_taken_for_whole(tmp_path):
    root = tmp_path / 'set'
    maker = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'import sys\n'
            'from projects.core.datasets.digits_coco import make_digits_coco\n'
            'make_digits_coco(sys.argv[1])',
            str(root),
        ]
    )
    try:
        deadline = time.monotonic() + 600  # against a hang
        while len(list(tmp_path.rglob('*.jpg'))) < 5:
            assert maker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    assert leftovers(tmp_path) == {'.set.part'}
    assert read_settings(root) is None
    make_digits_coco(root, **TINY)
    assert leftovers(tmp_path) == {'set'}
    assert len(list((root / 'train').iterdir())) == 3


def make_when_told(root, start, queue):
    """Make the set as one of several processes; its log lines to a queue."""
    digits_coco.print_log = lambda line, logger: queue.put(line)
    start.wait(600)
    make_digits_coco(root, num_train=60, num_val=2)


def test_processes_at_once_make_it_once(tmp_path):
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['projects.core.datasets.digits_coco'])
    start, queue = context.Barrier(3), context.SimpleQueue()
    makers = [
        context.Process(target=make_when_told, args=(tmp_path / 'set', start, queue))
        for _ in range(3)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(600)
    assert [maker.exitcode for maker in makers] == [0, 0, 0]
    lines = []
    while not queue.empty():
        lines.append(queue.get())
    assert sum(line.startswith('making ') for line in lines) == 1
    assert sum(line.startswith('made ') for line in lines) == 1
    assert read_settings(tmp_path / 'set')['num_train'] == 60


def test_who_waits_for_another_process_says_so(tmp_path, log_lines):
    with FileLock(tmp_path / '.set.lock'):  # as the other process holds it
        maker = threading.Thread(
            target=make_digits_coco, args=(tmp_path / 'set',), kwargs=TINY
        )
        maker.start()
        deadline = time.monotonic() + 600  # against a hang
        while not log_lines and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log_lines == [
            f'waiting for another process that makes {tmp_path / "set"}'
        ]
        assert not (tmp_path / 'set').exists()
    maker.join(600)
    assert len(list((tmp_path / 'set' / 'train').iterdir())) == 3


# --------------------------------------------------------------- the dataset
PIPELINE = [
    dict(type='mmdet.LoadImageFromFile'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(type='mmdet.PackDetInputs'),
]


def build(**cfg):
    return DATASETS.build(
        dict(type='projects.DigitsCocoDataset', pipeline=PIPELINE, **cfg)
    )


@pytest.mark.usefixtures('tiny_default')
def test_dataset_makes_the_default_set_on_first_use(tmp_path, log_lines):
    root = tmp_path / 'data' / 'digits-coco'
    assert len(build(split='train', data_root=root)) == 3
    assert [line.split()[0] for line in log_lines] == ['making', 'made']
    times = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    assert len(build(split='val', data_root=str(root))) == 2
    assert times == {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    assert len(log_lines) == 2


def test_dataset_gives_image_boxes_and_labels(root):
    coco = load(root, 'train')
    dataset = build(split='train', data_root=root)
    assert dataset.metainfo['classes'] == tuple('0123456789')
    assert len(dataset.metainfo['palette']) == 10
    assert len(dataset) == NUM_TRAIN  # those without a digit are kept
    for index in (0, 1, 2):
        sample = dataset[index]
        data_sample = sample['data_samples']
        assert sample['inputs'].shape == (3, 224, 224)
        pixels = cv2.imread(str(root / 'train' / coco['images'][index]['file_name']))
        assert (sample['inputs'].numpy() == pixels.transpose(2, 0, 1)).all()
        anns = [
            ann for ann in coco['annotations'] if ann['image_id'] == data_sample.img_id
        ]
        gt = data_sample.gt_instances
        assert gt.labels.tolist() == [ann['category_id'] - 1 for ann in anns]
        assert gt.bboxes.tensor.tolist() == [
            [x, y, x + w, y + h] for x, y, w, h in (ann['bbox'] for ann in anns)
        ]


def test_dataset_can_leave_out_images_without_a_digit(root):
    with_digit = {ann['image_id'] for ann in load(root, 'train')['annotations']}
    dataset = build(
        split='train', data_root=root, filter_cfg=dict(filter_empty_gt=True)
    )
    assert len(dataset) == len(with_digit) < NUM_TRAIN


def test_dataset_reads_what_the_user_made_and_refuses_other_make_cfg(root):
    assert len(build(split='val', data_root=root)) == NUM_VAL
    assert (
        len(
            build(
                split='val',
                data_root=root,
                make_cfg=dict(num_train=NUM_TRAIN, num_val=NUM_VAL),
            )
        )
        == NUM_VAL
    )
    with pytest.raises(UserError, match='made with other settings: seed 0'):
        build(
            split='val',
            data_root=root,
            make_cfg=dict(num_train=NUM_TRAIN, num_val=NUM_VAL, seed=7),
        )


def test_dataset_refuses_an_unknown_split(root):
    with pytest.raises(ValueError, match="split 'test' not in"):
        build(split='test', data_root=root)


@pytest.mark.usefixtures('tiny_default')
def test_base_config_loads_batches(tmp_path, monkeypatch):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner

    monkeypatch.chdir(tmp_path)
    bases = Path(__file__).parents[2] / 'configs/_base_'
    cfg = Config.fromfile(bases / 'datasets/digits_coco.py')
    pipelines = Config.fromfile(bases / 'pipelines/digits_192.py')
    init_default_scope('mmdet')
    for name, num in (('train_dataloader', 3), ('val_dataloader', 2)):
        cfg[name].dataset.pipeline = pipelines[
            name.replace('val', 'test').replace('dataloader', 'pipeline')
        ]
        loader = Runner.build_dataloader({**cfg[name], 'num_workers': 0}, seed=0)
        batch = next(iter(loader))
        assert len(batch['inputs']) == num
    assert (tmp_path / cfg.val_evaluator.ann_file).is_file()
