"""Operators and networks on a GPU beside the same on a CPU."""

import pytest
import torch

from projects import create_model
from projects.core.tasks.detection.head import batched_nms


@pytest.fixture
def boxes():
    rng = torch.Generator().manual_seed(0)
    corners = 100 * torch.rand(400, 2, generator=rng)
    boxes = torch.cat([corners, corners + 40 * torch.rand(400, 2, generator=rng)], 1)
    return boxes, torch.rand(400, generator=rng)


def test_suppression_keeps_the_same_boxes(boxes):
    bboxes, scores = boxes
    groups = torch.arange(400) % 7
    kept = batched_nms(bboxes, scores, groups, 0.5)
    there = batched_nms(bboxes.cuda(), scores.cuda(), groups.cuda(), 0.5)
    assert 20 < int(kept.sum()) < 400
    assert torch.equal(there.cpu(), kept)


def test_mmcv_s_suppression_keeps_the_same_boxes(boxes):
    from mmcv.ops import batched_nms

    bboxes, scores = boxes
    cfg = dict(type='nms', iou_threshold=0.5)
    labels = torch.arange(400) % 7
    here = batched_nms(bboxes, scores, labels, cfg)[1]
    there = batched_nms(bboxes.cuda(), scores.cuda(), labels.cuda(), cfg)[1]
    assert 20 < len(here) < 400
    assert torch.equal(there.cpu(), here)


@pytest.fixture(scope='module')
def net():
    torch.manual_seed(0)
    return create_model('resnet18').eval().cuda()


@pytest.fixture
def images():
    return torch.randn(4, 3, 64, 64, device='cuda')


@torch.no_grad()
def test_logits_are_those_of_a_cpu(net, images, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    there = net(images)
    here = net.cpu()(images.cpu())
    net.cuda()
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize('channels_last', [False, True])
def test_bfloat16_is_near_float32(net, images, channels_last):
    expected = net(images)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    with torch.autocast('cuda', torch.bfloat16):
        logits = net.to(memory_format=memory)(images.to(memory_format=memory))
    # bfloat16 has 8 bits: a percent of the largest logit, in each of some layers
    assert (logits - expected).abs().max() < 0.05 * expected.abs().max()


def test_a_compiled_net_has_the_same_logits(net, images):
    with torch.no_grad():
        expected = net(images)
        logits = torch.compile(net)(images)
    torch.testing.assert_close(logits, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize('name', ['yolov1_mini', 'ssd_mini', 'densenet121'])
def test_a_training_step_gives_every_weight_a_gradient(name):
    from projects.core.benchmark.meters import NoMeter
    from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
    from projects.core.config import find_config_or_model

    model = BenchmarkedModel(
        find_config_or_model(name),
        BenchmarkSettings(
            batch_size=2,
            input_size=None,
            objects=3,
            device=torch.device('cuda'),
            dtype=torch.bfloat16,
            channels_last=True,
            compile=False,
            data=False,
            cfg_options=None,
        ),
    )
    model.input_size = model.input_size or model.default_input_size
    model.prepare()
    model.optim_wrapper.zero_grad = lambda: None  # keep what is to be seen
    model.train_step(NoMeter())
    for parameter in model.model.parameters():
        assert parameter.grad.isfinite().all()
