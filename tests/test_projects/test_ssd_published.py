"""Weights of torchvision and mmdetection in SSD: the same numbers come out.

Their models have random weights here; nothing is downloaded.
"""

import re

import pytest
import torch
import torchvision.models.detection as torchvision_models
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import nn

from projects import create_model
from projects.core.errors import UserError
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import MODELS
from projects.ssd import SSDVGG
from projects.ssd.convert import convert_ssd

pytestmark = pytest.mark.usefixtures('cheap_weights')

OURS = dict(
    ssd300_vgg16='ssd300_vgg16_coco91',
    ssdlite320_mobilenet_v3_large='ssdlite320_mobilenet_v3_large',
)
SIZES = dict(ssd300_vgg16=300, ssdlite320_mobilenet_v3_large=320)


@torch.no_grad()
def enliven(model, images):
    """Give torchvision's model statistics of its own in every norm and head
    outputs that differ, as after a training."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.7, 1.4)
        norm.bias.normal_(std=0.2)
        norm.momentum = 1.0  # what it sees now is what it knows
    model.train()
    model.head(list(model.backbone(images).values()))
    for norm in norms:
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.8, 1)
    model.eval()
    feats = list(model.backbone(images).values())
    for head, spread in (
        (model.head.classification_head, 3),
        (model.head.regression_head, 1),
    ):
        for conv, x in zip(head.module_list, feats, strict=True):
            last = conv[-1] if isinstance(conv, nn.Sequential) else conv
            last.weight *= spread / conv(x).std()
            last.bias.normal_(std=0.1)


@pytest.fixture(scope='module', params=list(OURS))
def pair(request, tmp_path_factory):
    """torchvision's model, ours of its weights, (2, 3, H, W) images of 0..1,
    RGB."""
    torch.manual_seed(0)
    reference = getattr(torchvision_models, request.param)(
        weights=None, weights_backbone=None
    )
    size = SIZES[request.param]
    # black and white, for rounding in the normalisation grows from layer to
    # layer where weights are random
    images = (torch.rand(2, 3, size, size) > 0.5).float()
    enliven(reference, reference.transform(list(images))[0].tensors)
    path = str(tmp_path_factory.mktemp('torchvision') / 'weights.pth')
    torch.save(reference.state_dict(), path)
    ours = create_model(OURS[request.param], pretrained=path).eval()
    return reference, ours, images


def by_box(maps, channels):
    """(N, P, channels), level by level, row by row, box by box."""
    return torch.cat(
        [x.permute(0, 2, 3, 1).reshape(len(x), -1, channels) for x in maps], 1
    )


@torch.no_grad()
def test_raw_outputs_are_those_of_torchvision(pair):
    reference, ours, images = pair
    x = reference.transform(list(images))[0].tensors
    feats = list(reference.backbone(x).values())
    expected = reference.head(feats)
    own_feats = ours.extract_feat(x)
    cls_scores, bbox_preds = ours.bbox_head(own_feats)
    torch.testing.assert_close(list(own_feats), feats, atol=1e-4, rtol=1e-4)
    cls_scores = by_box(cls_scores, 91)
    logits = expected['cls_logits']  # background first
    assert logits.std() > 1
    torch.testing.assert_close(cls_scores[..., :90], logits[..., 1:], atol=1e-4, rtol=0)
    torch.testing.assert_close(cls_scores[..., 90], logits[..., 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        by_box(bbox_preds, 4), expected['bbox_regression'], atol=1e-4, rtol=0
    )


def detect(model, images):
    """Detections of ours, through its data preprocessor."""
    size = tuple(images.shape[-2:])
    samples = [
        DetDataSample(
            metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
        )
        for _ in images
    ]
    inputs = [(image * 255).flip(0).to(torch.uint8) for image in images]  # BGR
    results = model.test_step(dict(inputs=inputs, data_samples=samples))
    return [result.pred_instances for result in results]


@torch.no_grad()
def test_detections_are_those_of_torchvision(pair):
    reference, ours, images = pair
    for result, expected in zip(
        detect(ours, images), reference(list(images)), strict=True
    ):
        assert len(result) == len(expected['boxes']) >= 200
        torch.testing.assert_close(result.scores, expected['scores'], atol=1e-4, rtol=0)
        # box by box: one that is the same to 0.01 pixels, of the same class
        # and score; where scores are equal to 1e-6 the order may be another
        same = (
            (result.labels[:, None] == expected['labels'] - 1)
            & ((result.scores[:, None] - expected['scores']).abs() < 1e-4)
            & ((result.bboxes[:, None] - expected['boxes']).abs() < 1e-2).all(2)
        )
        assert (same.sum(0) == 1).all()
        assert (same.sum(1) == 1).all()
        # for all that, these are many kinds of true boxes
        assert len(result.labels.unique()) > 5
        assert (result.bboxes[:, 2:] - result.bboxes[:, :2]).min() > 1


def test_thresholds_are_those_of_torchvision(pair):
    reference, ours, _ = pair
    assert dict(ours.bbox_head.test_cfg) == dict(
        score_thr=reference.score_thresh,
        nms_pre=reference.topk_candidates,
        nms_iou_thr=reference.nms_thresh,
        max_per_img=reference.detections_per_img,
    )


def torchvision_lite():
    """State dict of torchvision's SSDLite."""
    torch.manual_seed(1)
    return torchvision_models.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None
    ).state_dict()


def test_all_of_torchvision_is_loaded_and_told():
    state_dict = torchvision_lite()
    model = create_model('ssdlite320_mobilenet_v3_large')
    report = load_weights(model, state_dict, 'x.pth')
    num = len(state_dict)
    assert report.startswith(
        f'{num} of {num} weights (100.0% of the parameters) loaded from x.pth\n'
    )
    moved = re.findall(
        r'bbox_head\.cls_convs\.\*\.\*\.(\w+): the background '
        r'from the first class to the last \(6\)',
        report,
    )
    assert moved == ['weight', 'bias']
    assert 'left out' not in report
    assert 'not used' not in report
    own = model.state_dict()
    pairs = {v: k for k, v in convert_ssd(model, state_dict).renamed.items()}
    assert pairs.keys() == state_dict.keys()
    assert set(pairs.values()) == own.keys()
    for old, new in pairs.items():
        if not re.match(r'bbox_head\.cls_convs\.\d\.1', new):
            assert torch.equal(own[new], state_dict[old]), new


def test_of_other_classes_the_classifiers_stay():
    model = create_model('ssdlite320_mobilenet_v3_large', num_classes=20)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state_dict = torchvision_lite()
    report = load_weights(model, state_dict, 'x.pth', allow_new_head=True)
    classifiers = [
        f'bbox_head.cls_convs.{i}.1.{kind}'
        for i in range(6)
        for kind in ('weight', 'bias')
    ]
    assert re.search(r'left out +12 ', report)
    after = model.state_dict()
    for name in classifiers:
        assert torch.equal(after[name], before[name])
    for i in range(6):
        assert torch.equal(
            after[f'bbox_head.reg_convs.{i}.1.weight'],
            state_dict[f'head.regression_head.module_list.{i}.1.weight'],
        )


def test_a_weight_too_many_is_refused():
    state_dict = {**torchvision_lite(), 'head.mask.weight': torch.zeros(3)}
    model = create_model('ssdlite320_mobilenet_v3_large')
    with pytest.raises(UserError, match=r'missing \| head\.mask\.weight \(3,\)'):
        load_weights(model, state_dict, 'x.pth')


def test_a_missing_weight_is_refused():
    state_dict = torchvision_lite()
    del state_dict['backbone.extra.1.0.0.weight']
    model = create_model('ssdlite320_mobilenet_v3_large')
    with pytest.raises(
        UserError,
        match=r'extra_layers\.1\.0\.conv\.weight '
        r'\(128, 512, 1, 1\) \| missing',
    ):
        load_weights(model, state_dict, 'x.pth')


def test_a_missing_weight_of_the_backbone_is_refused_for_any_head(tmp_path):
    state_dict = torchvision_lite()
    del state_dict['backbone.features.1.0.1.0.weight']
    torch.save(state_dict, tmp_path / 'x.pth')
    with pytest.raises(
        UserError,
        match=r'backbone\.features\.13\.block\.1\.0'
        r'\.weight .* \| missing',
    ):
        create_model('ssdlite320_mobilenet_v3_large', 20, str(tmp_path / 'x.pth'))


@torch.no_grad()
def build_mmdet(cfg):
    """A model of mmdet's, with values in every weight and bias."""
    torch.manual_seed(2)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.uniform_(0.1, 0.5)
        else:
            nn.init.xavier_uniform_(parameter)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.1, 0.5)
    return model.eval()


@pytest.fixture(scope='module')
def mmdet_ssd300():
    cfg = Config.fromfile(config_root() / 'ssd/reference/ssd300_vgg16_mmdet.py')
    return build_mmdet(
        {**cfg.model, 'backbone': {**cfg.model.backbone, 'init_cfg': None}}
    )


@pytest.fixture(scope='module')
def mmdet_ssdlite():
    cfg = get_config('mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py')
    return build_mmdet(cfg.model)


@pytest.mark.parametrize(
    ('fixture', 'name', 'size'),
    [
        ('mmdet_ssd300', 'ssd300_vgg16', 300),
        ('mmdet_ssdlite', 'ssdlite320_mobilenet_v2', 320),
    ],
)
@torch.no_grad()
def test_mmdetection_s_weights_give_its_maps(request, fixture, name, size):
    reference = request.getfixturevalue(fixture)
    ours = create_model(name).eval()
    state_dict = reference.state_dict()
    num = len(state_dict)
    report = load_weights(ours, state_dict, 'x.pth')
    assert report.startswith(
        f'{num} of {num} weights (100.0% of the parameters) loaded from x.pth'
    )
    assert ('renamed' in report) == (name == 'ssdlite320_mobilenet_v2')
    assert 'not used' not in report
    x = torch.randn(1, 3, size, size)
    feats, own_feats = reference.extract_feat(x), ours.extract_feat(x)
    torch.testing.assert_close(own_feats, feats, atol=1e-4, rtol=1e-4)
    for own, expected in zip(
        ours.bbox_head(own_feats), reference.bbox_head(feats), strict=True
    ):
        assert all(maps.std() > 0.01 for maps in expected)
        torch.testing.assert_close(list(own), list(expected), atol=1e-4, rtol=1e-4)


def test_mmdetection_before_2_14(mmdet_ssd300):
    state_dict = mmdet_ssd300.state_dict()
    old_names = {}
    for name in state_dict:
        old = re.sub(r'_convs\.(\d)\.0\.', r'_convs.\1.', name)
        old = old.replace('neck.l2_norm', 'backbone.l2_norm')
        old_names[name] = re.sub(
            r'neck\.extra_layers\.(\d)\.(\d)\.conv',
            lambda m: f'backbone.extra.{2 * int(m[1]) + int(m[2])}',
            old,
        )
    renamed = {new: old for new, old in old_names.items() if new != old}
    assert 'backbone.extra.7.weight' in renamed.values()
    assert len(renamed) == 1 + 16 + 24  # scale, 8 and 12 convolutions
    model = create_model('ssd300_vgg16')
    old_state = {old: state_dict[new] for new, old in old_names.items()}
    assert convert_ssd(model, old_state).renamed == renamed
    assert re.search(r'renamed +41 ', load_weights(model, old_state, 'x'))
    for name, value in model.state_dict().items():
        assert torch.equal(value, state_dict[name]), name


class Classified(nn.Module):
    """What is not the backbone counts as a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.backbone = SSDVGG()
        self.bbox_head = nn.Linear(1, 1)


def vgg16(connected):
    """torchvision's VGG-16 with ``connected`` (4096, 25088) as its first
    connected layer."""
    state_dict = {k: v + 1 for k, v in SSDVGG(out_indices=(4,)).state_dict().items()}
    bias = torch.arange(4096.0)
    # weight of output i and input j: 4096 i + j
    between = torch.arange(4096.0)[:, None] * 4096 + torch.arange(4096.0)
    if connected.isnan().any():
        bias, between = bias * torch.nan, between * torch.nan
    return {
        **state_dict,
        'classifier.0.weight': connected,
        'classifier.0.bias': bias,
        'classifier.3.weight': between,
        'classifier.3.bias': bias + 0.5,
        'classifier.6.weight': torch.zeros(1000, 4096),
        'classifier.6.bias': torch.zeros(1000),
    }


def load_vgg16(connected):
    """Layers of the backbone, before and after, the file and the report."""
    model = Classified()
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    state_dict = vgg16(connected)
    report = load_weights(model, state_dict, 'vgg16.pth', allow_new_head=True)
    return before, model.backbone.state_dict(), state_dict, report


@torch.no_grad()
def test_vgg16_fills_the_backbone():
    # every weight of fc6 is the number of its output
    rows = torch.arange(4096.0)[:, None].expand(4096, 25088)
    _, after, state_dict, report = load_vgg16(rows)
    for name in (
        f'features.{i}.{kind}' for i in (0, 21, 28) for kind in ('weight', 'bias')
    ):
        assert torch.equal(after[name], state_dict[name])
    assert after['features.31.weight'].shape == (1024, 512, 3, 3)
    assert torch.equal(
        after['features.31.weight'],
        (4 * torch.arange(1024.0))[:, None, None, None].expand(1024, 512, 3, 3),
    )
    assert after['features.31.bias'][[0, 1, 1023]].tolist() == [0, 4, 4092]
    # output 3 of 1024 is 12 of 4096, input 7 is 28
    assert after['features.33.weight'].shape == (1024, 1024, 1, 1)
    assert after['features.33.weight'][3, 7, 0, 0] == 12 * 4096 + 28
    assert after['features.33.weight'][-1, -1] == 4092 * 4096 + 4092
    assert after['features.33.bias'][[1, 1023]].tolist() == [4.5, 4092.5]
    assert ' NAME -> backbone.NAME (26)\n' in report
    assert ' classifier.*.NAME -> backbone.features.*.NAME (4)\n' in report
    assert ('backbone.features.33.weight: 1024 of 4096 outputs and inputs') in report
    assert re.search(
        r'not used +2 +classifier\.6\.weight \(1000, 4096\)\n'
        r' +classifier\.6\.bias \(1000,\)$',
        report,
    )


@torch.no_grad()
def test_fc6_has_every_third_position():
    # every weight of fc6 is the number of its input, 49 of each channel
    columns = torch.arange(25088.0).expand(4096, 25088)
    fc6 = load_vgg16(columns)[1]['features.31.weight']
    # rows 0, 3 and 6 of 7, and columns of them
    assert fc6[0, 0].tolist() == [[0, 3, 6], [21, 24, 27], [42, 45, 48]]
    # channel 2, row 3, column 6
    assert fc6[5, 2, 1, 2] == 2 * 49 + 3 * 7 + 6
    assert fc6[1023, 511, 2, 2] == 25087


@torch.no_grad()
def test_a_classifier_without_numbers_is_left():
    # as in torchvision's weights of the features alone
    nothing = torch.full((), torch.nan).expand(4096, 25088)
    before, after, state_dict, report = load_vgg16(nothing)
    connected = [
        f'features.{i}.{kind}' for i in (31, 33) for kind in ('weight', 'bias')
    ]
    for name in connected:
        assert torch.equal(after[name], before[name])
    assert re.search(r'left out +6 ', report)  # with the head's two
    # 13 convolutions of the backbone's 15 and the head's 2 weights
    assert report.startswith('26 of 32 weights')
    assert torch.equal(after['features.28.weight'], state_dict['features.28.weight'])


@torch.no_grad()
def test_a_file_without_the_second_connected_layer():
    rows = torch.zeros(1, 1).expand(4096, 25088)
    state_dict = {
        k: v for k, v in vgg16(rows).items() if not k.startswith('classifier.3')
    }
    report = load_weights(Classified(), state_dict, 'x', allow_new_head=True)
    assert re.search(r'left out +6 ', report)
    assert 'classifier.0.weight (4096, 25088)' in report


@torch.no_grad()
def test_vgg16_without_connected_layers_takes_the_features_alone():
    model = Classified()
    model.backbone = SSDVGG(out_indices=(3, 4))
    state_dict = vgg16(torch.zeros(1, 1).expand(4096, 25088))
    report = load_weights(model, state_dict, 'x', allow_new_head=True)
    assert report.startswith('26 of 28 weights')
    assert re.search(r'left out +2 ', report)
    assert 'features.31' not in report
    assert re.search(r'not used +6 ', report)
