import copy
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from mmdet.structures import DetDataSample
from torch import nn
from torchvision.ops import nms

from projects import create_model
from projects.core.benchmark import benchmark, tables
from projects.core.benchmark.meters import MemoryMeter, allocations
from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
from projects.core.benchmark.parts import Parts
from projects.core.benchmark.statistics import ratio, summary
from projects.core.config import find_config_or_model
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.engine.stopwatch import Stopwatch
from projects.core.errors import UserError
from projects.core.tasks.detection import head as detection
from projects.core.tasks.detection.benchmark import DetectorParts
from projects.core.tasks.detection.nms_meter import nms_as_part
from projects.core.tasks.task import task_of_class

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark.py'
MINI_RUN = 'yolov1-mini_1xb16-15e_digits-coco'
CPU = torch.device('cpu')
SUMS = ('train.passes', 'train.step', 'predict.step')
MB = 4 * 10**6  # bytes of a million float32
RETINANET = """
default_scope = 'mmdet'
train_dataloader = dict(batch_size=2)
test_dataloader = dict(dataset=dict(type='RepeatDataset', dataset=dict(
    pipeline=[dict(type='Resize', scale=(96, 64), keep_ratio=False)])))
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(
        type='projects.YOLOv1Backbone', arch='mini', out_indices=(3, ),
        init_cfg=dict(type='Pretrained', checkpoint='of/the/web.pth')),
    bbox_head=dict(
        type='RetinaHead', num_classes=4, in_channels=192, stacked_convs=1,
        feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1,
            ratios=[1.0], strides=[16]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4,
                      min_pos_iou=0), allowed_border=-1, pos_weight=-1),
    # a fresh head scores 0.01: under 0.05 nothing would reach suppression
    test_cfg=dict(nms_pre=100, score_thr=0.0, nms=dict(
        type='nms', iou_threshold=0.5), max_per_img=10))
"""


@pytest.fixture(scope='module')
def retinanet(tmp_path_factory):
    path = tmp_path_factory.mktemp('configs') / 'retinanet.py'
    path.write_text(RETINANET)
    return str(path)


@pytest.fixture(scope='module')
def pair(retinanet, tmp_path_factory):
    """YOLOv1-mini against a RetinaNet, two iterations; and the JSON of it."""
    out = tmp_path_factory.mktemp('out') / 'new/result.json'
    result = benchmark(
        ['yolov1_mini', retinanet],
        iters=2,
        warmup=1,
        device='cpu',
        threads=1,
        out=str(out),
    )
    return result, json.loads(out.read_text())


def make_model(config, **settings):
    benchmarked = BenchmarkedModel(
        config,
        BenchmarkSettings(
            **{
                **dict(
                    batch_size=2,
                    input_size=(64, 96),
                    objects=3,
                    device=CPU,
                    dtype=torch.float32,
                    channels_last=False,
                    compile=False,
                    data=False,
                    cfg_options=None,
                ),
                **settings,
            }
        ),
    )
    benchmarked.prepare()
    return benchmarked


# ------------------------------------------------------------------- meters
def test_time_of_an_inner_part_is_not_the_outer_ones():
    # outer: 0 to 10; inner: 1 to 4 and 5 to 7, so 5 of the 10 seconds
    clock = iter([0.0, 1.0, 4.0, 5.0, 7.0, 10.0])
    watch = Stopwatch(CPU, clock=lambda: next(clock))
    with watch.part('decode'):
        for _ in range(2):
            with watch.part('nms'):
                pass
    assert watch.seconds == {'decode': 5.0, 'nms': 5.0}


def test_allocations_of_known_size():
    x = torch.ones(10**6)
    with allocations(CPU) as one:
        y = x + x
    assert (one.peak, one.net) == (MB, MB)
    with allocations(CPU) as chain:
        y = (x + x).neg().abs()  # two at a time, beside the old y
    assert (chain.peak, chain.net) == (2 * MB, 0)
    with allocations(CPU) as freed:
        del y
        x.neg_()
    assert (freed.peak, freed.net) == (0, -MB)


def test_memory_meter_adds_up_what_the_parts_leave():
    x, meter = torch.ones(10**6), MemoryMeter(CPU, held=100)
    with meter.part('forward'):
        y = x + x
    with meter.part('loss'):
        with meter.part('within'):  # belongs to the outer part
            z = y + y
        z = z + x  # beside the old one
    assert meter.peaks == {'forward': MB, 'loss': 2 * MB}
    assert (meter.peak, meter.live) == (100 + 3 * MB, 100 + 2 * MB)


def test_each_suppression_is_counted_once_and_nothing_stays_replaced():
    from mmcv.ops import batched_nms

    kernels = (torch.ops.torchvision.nms, sys.modules['mmcv._ext'].nms)
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 9, 9]])
    scores, labels = torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3).long()
    watch = Stopwatch(CPU)
    with nms_as_part(watch, 'nms') as counts:
        keep = torchvision.ops.nms(boxes, scores, 0.5)
        assert list(counts.values()) == [1, 3]
        torchvision.ops.batched_nms(boxes[:2], scores[:2], labels[:2], 0.5)
        assert list(counts.values()) == [2, 5]
        # its kernel calls torchvision's where mmcv is not compiled
        batched_nms(boxes, scores, labels, dict(type='nms', iou_threshold=0.5))
        assert list(counts.values()) == [3, 8]
        detection.batched_nms(boxes, scores, labels, 0.5)
        assert list(counts.values()) == [4, 11]
    assert keep.tolist() == [0, 2]
    assert watch.seconds['nms'] > 0
    assert kernels == (torch.ops.torchvision.nms, sys.modules['mmcv._ext'].nms)
    detection.batched_nms(boxes, scores, labels, 0.5)  # nobody counts any more
    assert list(counts.values()) == [4, 11]


class TorchvisionHead(nn.Module):
    """Imported the kernel by name, before anything is measured."""

    nms = staticmethod(nms)

    def predict_by_feat(self, boxes, scores, batch_img_metas, rescale):
        return [boxes[self.nms(boxes, scores, 0.5)] for _ in batch_img_metas]


our_batched_nms = detection.batched_nms  # by a name of its own


class OurHead(TorchvisionHead):
    nms = staticmethod(
        lambda boxes, scores, thr: our_batched_nms(boxes, scores, scores.long(), thr)
    )


@pytest.mark.parametrize('head', [TorchvisionHead, OurHead])
def test_suppression_is_seen_however_a_head_imports_it(head):
    model = nn.Module()
    model.bbox_head, model.backbone = head(), nn.Conv2d(3, 1, 1)
    parts, watch = DetectorParts(model), Stopwatch(CPU)
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 9, 9]])
    samples = [DetDataSample(), DetDataSample()]
    with parts.metered(watch) as counts, watch.part('predict.decode'):
        found = parts.predictions((boxes, torch.tensor([0.9, 0.8, 0.7])), samples)
    assert [len(detections) for detections in found] == [2, 2]
    assert counts == {'NMS calls': 2, 'boxes into NMS': 6}
    assert watch.seconds['predict.nms'] > 0
    assert set(watch.seconds) == {'predict.decode', *parts.inner_parts}


@pytest.mark.parametrize('name', ['yolov1_mini', 'lenet5'])
def test_what_a_task_hands_out_are_parts(name):
    model = create_model(name)
    assert isinstance(task_of_class(type(model)).parts_of(model), Parts)


# --------------------------------------------------------------- statistics
def test_ratio_is_the_median_of_the_pairs_and_lies_within_their_quartiles():
    # pairs 2/1, 2/4, 30/10: sorted 0.5, 2, 3; of the medians it would be 2/4
    assert ratio([1, 4, 10], [2, 2, 30]) == dict(median=2.0, q1=1.25, q3=2.5)
    # pairs 1, 1, 1, 4/1: the ratio of the medians, 3/2, lies outside of 1 to 1.75
    numbers = ratio([1, 3, 3, 1], [1, 3, 3, 4])
    assert numbers == dict(median=1.0, q1=1.0, q3=1.75)
    assert ratio([2, 0], [4, 1]) == dict(median=2.0, q1=2.0, q3=2.0)
    assert ratio([0], [1]) is None


def test_sums_of_parts_are_of_each_iteration():
    times = {
        'train.forward': [1.0, 2.0, 3.0],
        'train.loss': [3.0, 2.0, 1.0],
        'train.backward': [4.0, 4.0, 4.0],
        'train.optimizer': [2.0, 0.0, 2.0],
        'predict.forward': [3.0, 6.0, 9.0],
        'predict.decode': [1.0, 2.0, 1.0],
    }
    result = summary(times, batch_size=4)
    parts = result['parts']
    assert parts['train.step']['samples'] == [10_000, 8_000, 10_000]
    assert parts['train.passes']['samples'] == [8_000] * 3
    assert parts['predict.step']['median'] == 8_000
    assert parts['predict.forward']['share'] == pytest.approx(6 / 7)
    assert result['images_per_second'] == dict(train=0.4, predict=0.5)


# -------------------------------------------------------------------- steps
@pytest.mark.parametrize('name', ['retinanet', 'yolov1_mini'])
def test_the_parts_make_the_models_own_step(name, request):
    config = (
        request.getfixturevalue(name)
        if name == 'retinanet'
        else (find_config_or_model(name))
    )
    # one object: two in a cell would be drawn by lot
    benchmarked = make_model(config, objects=1)
    model, losses, batch = benchmarked.model, [], benchmarked.batches['train']
    own = copy.deepcopy(model).train()
    expected, _ = own.parse_losses(own(**batch, mode='loss'))
    benchmarked.optim_wrapper.backward = losses.append
    benchmarked.train_step(Stopwatch(CPU))
    assert expected.isfinite()
    torch.testing.assert_close(losses[0], expected, rtol=0, atol=0)

    own = copy.deepcopy(model).eval()
    detections = benchmarked.predict_step(Stopwatch(CPU))
    with torch.no_grad():
        wanted = own(**benchmarked.batches['predict'], mode='predict')
    for found, sample in zip(detections, wanted, strict=True):
        assert len(found) > 0
        assert torch.equal(found.bboxes, sample.pred_instances.bboxes)


def test_steps_update_without_changing_the_weights(retinanet):
    benchmarked = make_model(retinanet)
    weights = [p.clone() for p in benchmarked.model.parameters()]
    benchmarked.train_step(Stopwatch(CPU))
    assert len(benchmarked.optim_wrapper.optimizer.state) == len(weights)
    assert all(map(torch.equal, weights, benchmarked.model.parameters()))


def test_random_batch_is_alike_for_two_and_its_boxes_are_inside(retinanet):
    other = find_config_or_model('yolov1_mini')
    batches = [
        make_model(config, objects=50).batches['train'] for config in (retinanet, other)
    ]
    boxes = [
        torch.cat([sample.gt_instances.bboxes for sample in batch['data_samples']])
        for batch in batches
    ]
    assert torch.equal(*boxes)
    # 64 x 96: the retinanet takes pixels as they are, the other 255ths
    torch.testing.assert_close(
        batches[0]['inputs'][:, [2, 1, 0]] / 255, batches[1]['inputs']
    )
    sides = boxes[0][:, 2:] - boxes[0][:, :2]
    shares = sides / torch.tensor([96, 64])
    assert 0.079 < shares.min() < 0.1
    assert 0.5 < shares.max() < 0.601
    assert (boxes[0] >= 0).all()
    assert (boxes[0][:, 2:] <= torch.tensor([96, 64])).all()


def test_held_bytes_are_weights_images_and_the_optimizers_state(retinanet):
    benchmarked = make_model(retinanet)
    num_params = sum(p.numel() for p in benchmarked.model.parameters())
    buffers = sum(b.numel() * b.element_size() for b in benchmarked.model.buffers())
    expected = 4 * num_params + buffers + 4 * 2 * 3 * 64 * 96
    assert benchmarked.held_bytes('train') == expected
    benchmarked.train_step(Stopwatch(CPU))  # SGD now has its momentum
    assert benchmarked.held_bytes('train') == expected + 4 * num_params
    assert benchmarked.held_bytes('predict') == expected


# ------------------------------------------------------------------ results
def test_result_of_two_detectors(pair):
    result, written = pair
    assert written == result
    yolo, retina = result['configs']
    # the second config states both, the first takes them over
    assert result['batch_size'] == 2
    assert yolo['input_size'] == retina['input_size'] == [64, 96]
    parts = {
        'train.forward',
        'train.loss',
        'train.backward',
        'train.optimizer',
        'train.step',
        'predict.forward',
        'predict.decode',
        'predict.nms',
        'predict.step',
    }
    for entry in (yolo, retina):
        assert set(entry['parts']) == {*parts, 'train.passes'}
        for phase in ('train', 'predict'):
            shares = [
                times['share']
                for part, times in entry['parts'].items()
                if part.startswith(phase) and part not in SUMS
            ]
            assert sum(shares) == pytest.approx(1)
            step = entry['parts'][f'{phase}.step']
            assert step['samples'] == pytest.approx(
                [
                    sum(
                        entry['parts'][part]['samples'][i]
                        for part in parts
                        if part.startswith(phase) and part not in SUMS
                    )
                    for i in range(2)
                ]
            )
            assert entry['images_per_second'][phase] == pytest.approx(
                2000 / step['median']
            )
        memory = entry['memory']
        assert (
            memory['train.step']
            > memory['train.held'] + memory['train.forward']
            > memory['predict.step']
            > memory['predict.held']
        )
        # after the backward pass each weight has its gradient
        assert memory['train.step'] > memory['train.held'] + (4 * entry['parameters'])
    assert set(result['ratios']) == {*parts, 'train.passes'}
    for part, numbers in result['ratios'].items():
        assert numbers == ratio(
            yolo['parts'][part]['samples'], retina['parts'][part]['samples']
        )
    # YOLOv1: one call for the batch; mmdet's: one per image, 4 x 6 cells of
    # one anchor in 4 classes being 96 candidates, under nms_pre
    assert yolo['counts']['NMS calls'] == 1
    assert retina['counts'] == {'NMS calls': 2, 'boxes into NMS': 2 * 96}


def test_table_shows_each_part_and_the_ratio(pair):
    result = copy.deepcopy(pair[0])
    times = dict(median=12.34, q1=11.0, q3=13.0, share=0.104)
    result['configs'][0]['parts']['train.loss'] = times
    result['ratios']['train.loss'] = dict(median=0.5, q1=0.44, q3=0.61)
    lines = tables.table(result).splitlines()
    (line,) = (row for row in lines if row.startswith('train loss  ') and '%' in row)
    assert '12.3 (11.0-13.0)   10.4%' in line
    assert line.endswith(' 0.50 (0.44-0.61)')
    assert lines[1].split() == ['data', '-', '-', '-']
    assert 'B: a prediction has NMS calls 2, boxes into NMS 192' in lines
    assert any(row.startswith('predict NMS ') for row in lines)
    # of the time a ratio, of images per second none: that of medians is another
    (line,) = (row for row in lines if row.startswith('images/s, train'))
    assert len(line.split()) == 4
    text = tables.header(result)
    assert 'batch 2, 5 objects an image, float32' in text
    assert '1 threads, torch ' + torch.__version__ in text
    assert 'input sizes differ' not in text
    result['configs'][0]['input_size'] = [32, 32]
    assert 'input sizes differ' in tables.header(result)


def test_two_configs_take_turns_in_alternating_order(monkeypatch, retinanet):
    order = []
    monkeypatch.setattr(
        BenchmarkedModel,
        'draw',
        lambda self, meter: order.append(type(self.model.bbox_head).__name__[0]),
    )
    benchmark([retinanet, 'yolov1_mini'], iters=3, warmup=2, device='cpu')
    assert ''.join(order) == 'RYYRRYYRRY'


def test_classifier_has_no_suppression_and_all_other_parts():
    result = benchmark(
        ['lenet5_modern'],
        batch_size=1,
        iters=1,
        warmup=0,
        input_size=(28, 28),
        device='cpu',
    )
    parts = result['configs'][0]['parts']
    assert set(parts) == {
        'train.forward',
        'train.loss',
        'train.backward',
        'train.optimizer',
        'train.step',
        'train.passes',
        'predict.forward',
        'predict.decode',
        'predict.step',
    }
    assert result['configs'][0]['counts'] == {}
    assert 'ratios' not in result
    assert 'into NMS' not in tables.table(result)


def test_data_is_drawn_from_the_config_where_it_is_there(tmp_path):
    root = tmp_path / 'set'
    option = f'train_dataloader.dataset.data_root={root}'
    result = benchmark(
        [MINI_RUN],
        batch_size=3,
        iters=1,
        warmup=0,
        input_size=(32, 32),
        device='cpu',
        cfg_options=[option],
    )
    (entry,) = result['configs']
    assert 'data' not in entry['parts']
    assert entry['no_data'] == f'there is no folder {root}'

    make_digits_coco(
        root, num_train=2, num_val=1, image_size=64, min_size=10, max_size=30
    )
    benchmarked = make_model(
        find_config_or_model(MINI_RUN), batch_size=3, cfg_options=[option]
    )
    assert next(benchmarked.data)['inputs'][0].shape == (3, 192, 192)
    # more than the set holds, and always whole batches
    assert [len(next(benchmarked.data)['inputs']) for _ in range(3)] == [3] * 3
    watch = Stopwatch(CPU)
    benchmarked.draw(watch)
    assert list(watch.seconds) == ['data']


def test_preprocessor_beside_the_model_is_taken_into_it(tmp_path):
    """As mmpretrain's configs have it: there are labels for CutMix to mix."""
    path = tmp_path / 'lenet.py'
    path.write_text("""
default_scope = 'mmpretrain'
data_preprocessor = dict(num_classes=10, mean=[0.0], std=[255.0])
model = dict(
    type='ImageClassifier',
    backbone=dict(type='LeNet5', num_classes=10),
    head=dict(type='ClsHead', loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)),
    train_cfg=dict(augments=dict(type='CutMix', alpha=1.0)),
)
""")
    model = make_model(str(path), input_size=(32, 32))
    assert model.model.data_preprocessor.num_classes == 10


def test_compile_takes_the_network_and_bfloat16_is_autocast(monkeypatch, retinanet):
    compiled = []

    def fake_compile(function):
        def call(inputs):
            compiled.append(function(inputs))
            return compiled[-1]

        return call

    monkeypatch.setattr(torch, 'compile', fake_compile)
    result = benchmark(
        [retinanet],
        iters=1,
        warmup=1,
        device='cpu',
        dtype='bfloat16',
        compile=True,
        channels_last=True,
    )
    # (warm-up, timed, memory) x (train, predict)
    assert len(compiled) == 6
    assert {outs[0][0].dtype for outs in compiled} == {torch.bfloat16}
    assert result['configs'][0]['channels_last'] is True


def test_input_size_and_memory_format_of_a_run_config():
    result = benchmark([MINI_RUN], batch_size=1, iters=1, warmup=0, device='cpu')
    (entry,) = result['configs']
    assert entry['input_size'] == [192, 192]
    assert entry['channels_last'] is True  # by its hook
    assert entry['optimizer'] == 'AdamW'


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(configs=['yolov1_tny']), r"'yolov1_tny'; did you mean 'yolov1_tiny"),
        (
            dict(configs=['configs/yolov1/yolov1-mini_1xb16-15e_digits.py']),
            r'did you mean\n +\S*yolov1-mini_1xb16-15e_digits-coco\.py',
        ),
        (dict(configs=['a', 'b', 'c']), r'3 configs; give one, or two'),
        (dict(iters=0), r'--iters 0: must be 1 or more'),
        (dict(compile=True, warmup=0), r'--warmup 0: must be 1 or more'),
        (dict(input_size=(64, -1)), r'--input-size -1: must be'),
        (dict(input_size=(8,)), r'--input-size 8: that of a detector has 2 numbers'),
        (dict(dtype='float16'), r'--dtype float16: must be float32 or bfloat16'),
        (dict(out='result.txt'), r'--out result.txt: must end in .json'),
        (dict(data=True), r'--data: \S+ has no train_dataloader'),
        (
            dict(cfg_options=['model.bbox_head.num_clases=3']),
            r"no 'num_clases' in 'model.bbox_head'; did you mean 'num_classes",
        ),
    ],
)
def test_mistakes_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        benchmark(**{'configs': ['yolov1_mini'], 'device': 'cpu', **arguments})


def test_a_model_of_another_kind_is_refused(tmp_path):
    config = tmp_path / 'backbone.py'
    config.write_text("model = dict(type='projects.YOLOv1Backbone', arch='mini')")
    with pytest.raises(
        UserError, match=r'parts of a step of a YOLOv1Backbone \(a model of'
    ):
        benchmark([str(config)], device='cpu')


# ---------------------------------------------------------------------- tool
def test_tool_hands_its_arguments_on(monkeypatch, retinanet, capsys):
    calls = []
    monkeypatch.setattr(
        'projects.core.benchmark.benchmark',
        lambda *args, **kwargs: calls.append((args, kwargs)),
    )
    monkeypatch.setattr(
        sys,
        'argv',
        [
            str(TOOL),
            'a',
            'b',
            '--input-size',
            '32',
            '64',
            '--channels-last',
            '--cfg-options',
            'x=1',
            'y=2',
        ],
    )
    runpy.run_path(str(TOOL), run_name='__main__')
    ((args, kwargs),) = calls
    assert args == (['a', 'b'],)
    assert kwargs == dict(
        batch_size=None,
        iters=20,
        warmup=3,
        input_size=[32, 64],
        objects=5,
        device=None,
        threads=None,
        dtype='float32',
        channels_last=True,
        compile=False,
        data=False,
        cfg_options=['x=1', 'y=2'],
        out=None,
    )


def test_tool_ends_with_one_line_on_a_mistake(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), 'yolov1_tny'])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert exit_.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no config or model 'yolov1_tny'")


def test_help_imports_nothing_heavy():
    result = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(re.findall(r'\| +([\w.]+)$', result.stderr, re.MULTILINE))
    assert 'argparse' in imported  # the list is that of this run
    assert not imported & {'torch', 'numpy', 'cv2', 'mmengine', 'projects'}
    assert '--channels-last' in result.stdout
