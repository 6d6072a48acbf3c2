"""The loss of a validation: that of a forward pass of its own, without one."""

import copy
import json
import re
from types import SimpleNamespace

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner as MMEngineRunner
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample
from tiny_detectors import DETR, DYHEAD, FASTER_RCNN, RETINANET

from projects.core.engine import Runner, train
from projects.core.tasks.classification.validation_losses import losses_of_classifier
from projects.core.tasks.detection.validation_losses import (
    boxes_are_of_the_file,
    losses_of_detector,
)
from projects.core.tasks.task import Task
from projects.core.variants import config_root
from projects.registry import MODELS

FACTOR = (0.5, 0.25)  # from an image file to the input, in x and y
LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'


def pipeline_of(*names):
    """A data set with steps of these classes' names."""
    steps = [type(name, (), {})() for name in names]
    return SimpleNamespace(pipeline=SimpleNamespace(transforms=steps))


TEST_SET = pipeline_of('LoadImageFromFile', 'Resize', 'LoadAnnotations')


def detections(boxes_of_images, side):
    """A batch of images of ``side`` pixels; boxes in those of the file."""
    torch.manual_seed(1)
    samples = []
    for boxes in boxes_of_images:
        gt = InstanceData(
            bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.arange(len(boxes))
        )
        ignored = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.arange(0))
        meta = dict(
            img_shape=(side, side),
            ori_shape=(4 * side, 2 * side),
            scale_factor=FACTOR,
            img_id=0,
        )
        sample = DetDataSample(metainfo=meta, gt_instances=gt)
        sample.ignored_instances = ignored
        samples.append(sample)
    images = torch.randint(256, (len(samples), 3, side, side), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)


def variant(name):
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py')
    return cfg.model, cfg.default_scope


def built(config, scope='mmdet'):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(ConfigDict(copy.deepcopy(config)))
    return model.eval()


def predicted_and_losses(model, batch, watch):
    """Predictions, means of the losses, and how often the backbone was called."""
    calls = []
    handle = model.backbone.register_forward_hook(lambda *_: calls.append(1))
    torch.manual_seed(2)
    with watch, torch.no_grad():
        predictions = model.val_step(copy.deepcopy(batch))
        watch.add()
    handle.remove()
    return predictions, watch.means(), len(calls)


def losses_of_a_pass(model, batch):
    torch.manual_seed(2)
    with torch.no_grad():
        data = model.data_preprocessor(batch, training=False)
        losses = model(**data, mode='loss')
    return {
        name: sum(v.mean() for v in ([loss] if torch.is_tensor(loss) else loss)).item()
        for name, loss in losses.items()
        if 'loss' in name
    }


OBJECTS = [[8.0, 16.0, 60.0, 120.0], [60.0, 80.0, 120.0, 250.0]]


@pytest.mark.parametrize('images', [[OBJECTS, []], [OBJECTS]], ids=['two', 'one'])
@pytest.mark.parametrize(
    ('config', 'side'),
    [
        ('yolov1_mini', 160),
        ('ssd_mini', 192),
        (RETINANET, 64),
        (DYHEAD, 256),  # a GroupNorm refuses a single pixel of a single image
        (FASTER_RCNN, 64),
        (DETR, 64),
    ],
    ids=['yolov1', 'ssd', 'retinanet', 'dyhead', 'faster_rcnn', 'detr'],
)
def test_losses_of_a_detector_are_those_of_a_pass_of_their_own(config, side, images):
    model = built(*(variant(config) if isinstance(config, str) else (config,)))
    batch = detections(images, side)
    with torch.no_grad():
        alone = model.val_step(copy.deepcopy(batch))
    predictions, losses, num_calls = predicted_and_losses(
        model, batch, losses_of_detector(model, TEST_SET)
    )
    assert num_calls == 1
    for sample, same, given in zip(
        predictions, alone, batch['data_samples'], strict=True
    ):
        assert torch.equal(sample.pred_instances.bboxes, same.pred_instances.bboxes)
        assert torch.equal(sample.gt_instances.bboxes, given.gt_instances.bboxes)

    for sample in batch['data_samples']:
        sample.gt_instances.bboxes *= torch.tensor(FACTOR * 2)
    expected = losses_of_a_pass(model, batch)
    assert losses == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert sum(losses.values()) > 0.01
    # nothing is left on the model
    assert not vars(model).keys() & {'extract_feat', 'forward'}
    assert not model._forward_hooks


def test_losses_draw_no_random_numbers_of_the_training():
    model = built(FASTER_RCNN)  # samples its proposals
    batch = detections([OBJECTS], 64)
    predicted_and_losses(model, batch, losses_of_detector(model, TEST_SET))
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ('steps', 'expected'),
    [
        (('LoadImageFromFile', 'Resize', 'LoadAnnotations'), True),
        (('LoadImageFromFile', 'LoadAnnotations', 'FixedSizeResize'), False),
        (('LoadImageFromFile', 'LoadAnnotations'), False),
        (('LoadImageFromFile', 'Resize'), False),
    ],
)
def test_frame_of_the_boxes(steps, expected):
    dataset = pipeline_of(*steps)
    assert boxes_are_of_the_file(dataset) is expected
    wrapped = SimpleNamespace(datasets=[SimpleNamespace(dataset=dataset)])
    assert boxes_are_of_the_file(wrapped) is expected


def test_boxes_in_the_frame_of_the_input_stay():
    model = built(*variant('yolov1_mini'))
    batch = detections([OBJECTS], 160)
    dataset = pipeline_of('LoadAnnotations', 'Resize')
    losses = predicted_and_losses(model, batch, losses_of_detector(model, dataset))[1]
    assert losses == pytest.approx(losses_of_a_pass(model, batch), rel=1e-5)


def labels(num_images, size, **gt):
    samples = []
    for i in range(num_images):
        sample = DataSample()
        for name, of in gt.items():
            getattr(sample, f'set_{name}')(of(i))
        samples.append(sample)
    images = torch.randint(256, (num_images, *size), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)


def classifier(head, **settings):
    return dict(
        type='ImageClassifier',
        data_preprocessor=dict(
            type='ClsDataPreprocessor', mean=[127.5] * 3, std=[60.0] * 3
        )
        | settings,
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(in_channels=64, num_classes=10, **head),
    )


SMOOTH = dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')
BCE = dict(type='CrossEntropyLoss', use_sigmoid=True)
MIXUP = dict(type='Mixup', alpha=1.0)
MIXED = dict(num_classes=10, batch_augments=dict(augments=MIXUP))
CLASSIFIERS = dict(
    linear=(classifier(dict(type='LinearClsHead')), ['loss']),
    smooth=(classifier(dict(type='LinearClsHead', loss=SMOOTH)), ['loss']),
    accuracy=(classifier(dict(type='LinearClsHead', cal_acc=True)), ['loss']),
    # one-hot targets, as the mixing of images leaves them; validation mixes none
    mixed=(classifier(dict(type='LinearClsHead', loss=BCE), **MIXED), ['loss']),
    multi_label=(classifier(dict(type='MultiLabelLinearClsHead')), ['loss']),
    lenet=('lenet5_modern', ['loss']),
    capsnet=('capsnet_mnist', ['loss_margin', 'loss_reconstruction']),
    googlenet=('googlenet', ['loss']),  # the main classifier alone
)


@pytest.mark.parametrize('num_images', [3, 1])
@pytest.mark.parametrize(
    ('config', 'terms'), CLASSIFIERS.values(), ids=list(CLASSIFIERS)
)
def test_losses_of_a_classifier_are_those_of_a_pass_of_their_own(
    config, terms, num_images
):
    is_variant = isinstance(config, str)
    model = built(*(variant(config) if is_variant else (config, 'mmpretrain')))
    grey = config in ('lenet5_modern', 'capsnet_mnist')
    batch = labels(
        num_images, (1, 28, 28) if grey else (3, 64, 64), gt_label=lambda i: i
    )
    with torch.no_grad():
        alone = model.val_step(copy.deepcopy(batch))
    predictions, losses, num_calls = predicted_and_losses(
        model, batch, losses_of_classifier(model)
    )
    assert num_calls == 1
    for sample, same in zip(predictions, alone, strict=True):
        assert torch.equal(sample.pred_score, same.pred_score)
    assert list(losses) == terms
    expected = losses_of_a_pass(model, batch)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert not vars(model.head).keys() & {'forward', 'capsules'}


def test_losses_of_a_classifier_of_timm():
    pytest.importorskip('timm')
    model = built(dict(type='TimmClassifier', model_name='resnet18'), 'mmpretrain')
    model.backbone = model.model.conv1  # whose calls are counted
    batch = labels(2, (3, 64, 64), gt_label=lambda i: i)
    _, losses, num_calls = predicted_and_losses(
        model, batch, losses_of_classifier(model)
    )
    assert num_calls == 1
    assert losses == pytest.approx(losses_of_a_pass(model, batch), rel=1e-5)


def test_capsules_are_routed_once():
    model = built(*variant('capsnet_mnist'))
    calls = []
    model.head.digit_capsules.register_forward_hook(lambda *_: calls.append(1))
    batch = labels(2, (1, 28, 28), gt_label=lambda i: i)
    predicted_and_losses(model, batch, losses_of_classifier(model))
    assert len(calls) == 1


def test_the_mean_is_that_of_the_images():
    model = built(*variant('lenet5_modern'))
    watch = losses_of_classifier(model)
    five, all_ = labels(5, (1, 28, 28), gt_label=lambda i: i), []
    with watch, torch.no_grad():
        for part in (slice(0, 4), slice(4, 5)):
            batch = {key: value[part] for key, value in five.items()}
            model.val_step(copy.deepcopy(batch))
            watch.add()
            all_.append(losses_of_a_pass(model, copy.deepcopy(batch))['loss'])
    mean = losses_of_a_pass(model, five)['loss']
    assert watch.means()['loss'] == pytest.approx(mean, rel=1e-5)
    assert mean != pytest.approx(sum(all_) / 2, rel=1e-3)  # of the batches


@pytest.mark.parametrize(
    ('parts', 'expected'),
    [
        ([({'loss': 6.0}, 3, 3), ({'loss': 2.0}, 1, 1)], {'loss': 2.0}),
        # one without objects
        ([({'a': 6.0, 'b': 1.0}, 3, 3), ({'a': 2.0}, 1, 0)], {'a': 2.0, 'b': 0.25}),
        ([({'loss': 6.0}, 3, 0), ({'loss': 2.0}, 1, 0)], {}),
        ([({'loss': 6.0}, 3, 3), ({}, None, 0)], {}),  # failed
    ],
)
def test_the_mean_of_several_processes(monkeypatch, parts, expected):
    model = built(*variant('lenet5_modern'))
    with losses_of_classifier(model) as watch:
        pass
    module = 'projects.core.tasks.validation_losses.all_gather_object'
    monkeypatch.setattr(module, lambda part: parts)
    assert watch.means() == expected
    assert watch.failed == (parts[1][1] is None)


def test_images_without_labels_have_no_loss():
    model = built(*variant('lenet5_modern'))
    batch = labels(2, (1, 28, 28))
    assert predicted_and_losses(model, batch, losses_of_classifier(model))[1] == {}


@pytest.mark.parametrize('has_field', [True, False])
def test_images_without_objects_alone_have_no_loss(has_field):
    model = built(*variant('yolov1_mini'))
    batch = detections([[], []], 160)
    if not has_field:
        for sample in batch['data_samples']:
            sample.gt_instances = InstanceData()
    watch = losses_of_detector(model, TEST_SET)
    assert predicted_and_losses(model, batch, watch)[1] == {}


def test_a_loss_that_fails_is_a_warning(monkeypatch, warnings_logged):
    model = built(*variant('lenet5_modern'))
    monkeypatch.setattr(model.head, 'loss_module', None)
    batch = labels(2, (1, 28, 28), gt_label=lambda i: i)
    predictions, losses, _ = predicted_and_losses(
        model, batch, losses_of_classifier(model)
    )
    assert len(predictions) == 2
    assert losses == {}
    assert len(warnings_logged) == 1
    assert warnings_logged[0].startswith('no loss of the validation: TypeError')


def test_a_model_of_no_known_kind_has_none():
    assert Task().validation_losses(torch.nn.Identity(), None) is None


def lines_of(work_dir):
    file = next(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_log_has_the_loss_and_the_scalars_its_terms(trained):
    last = lines_of(trained)[-1]
    terms = [v for name, v in last.items() if name.startswith('val_loss_')]
    assert len(terms) == 4  # of YOLOv1's Eq. 3
    assert last['val_loss'] == pytest.approx(sum(terms))
    screen = (trained / 'screen.txt').read_text()
    shown = re.findall(r'Epoch\(val\).* val_loss: ([\d.]+)', screen)
    assert len(shown) == 2
    assert float(shown[-1]) == pytest.approx(last['val_loss'], abs=1e-4)
    assert 'val_loss_' not in screen
    assert [p.name[:14] for p in trained.glob('best_*')] == ['best_coco_bbox']


def test_a_run_gives_up_a_loss_that_fails(write_config, tmp_path, monkeypatch):
    calls = []

    def labelled(samples, in_file):
        calls.append(len(samples))
        raise RuntimeError('no such loss')

    module = 'projects.core.tasks.detection.validation_losses._labelled'
    monkeypatch.setattr(module, labelled)
    train(write_config(), str(tmp_path / 'run'))
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert log.count("no loss of the validation: RuntimeError('no such loss')") == 1
    assert calls == [4]  # once in two validations
    assert 'coco/bbox_mAP' in lines_of(tmp_path / 'run')[-1]
    assert 'val_loss' not in log


def test_metrics_of_a_run_are_those_without_the_loss(write_config, fresh, tmp_path):
    """The training, too: in the second epoch its random numbers are the same."""
    train(write_config(), str(tmp_path / 'with'))
    fresh()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, 'build_val_loop', MMEngineRunner.build_val_loop)
        train(write_config(), str(tmp_path / 'without'))
    ours, others = (lines_of(tmp_path / name) for name in ('with', 'without'))
    times = {'time', 'data_time'}
    for line, other in zip(ours, others, strict=True):
        kept = {k: v for k, v in line.items() if not k.startswith('val_loss')}
        assert {k: kept[k] for k in kept.keys() - times} == {
            k: other[k] for k in other.keys() - times
        }
    assert 'val_loss' in ours[-1]
