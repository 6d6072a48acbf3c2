"""mmdet imports, trains and predicts on mmcv's operators of the fallback."""

import importlib
import math

import pytest
import torch

import projects  # noqa: F401 - mmdet.models needs it to have been imported

# isort: split
from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dPack
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from tiny_detectors import DETECTORS, FASTER_RCNN, GUIDED_ANCHORING, NUM_CLASSES


@pytest.fixture(autouse=True)
def scope():
    importlib.import_module('mmdet.models')
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def batch():
    """Two random 64 x 64 images, with two objects and with none."""
    samples = []
    for boxes in ([[4.0, 4.0, 24.0, 28.0], [30.0, 20.0, 60.0, 60.0]], []):
        gt = InstanceData(
            bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.arange(len(boxes))
        )
        samples.append(
            DetDataSample(
                gt_instances=gt,
                metainfo=dict(
                    img_shape=(64, 64),
                    ori_shape=(64, 64),
                    pad_shape=(64, 64),
                    batch_input_shape=(64, 64),
                    scale_factor=(1.0, 1.0),
                    img_id=0,
                ),
            )
        )
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)


@pytest.mark.parametrize(
    'module', ['mmdet.models', 'mmdet.apis', 'mmpretrain.models', 'mmpretrain.apis']
)
def test_library_imports(module):
    importlib.import_module(module)


@pytest.mark.parametrize(('config', 'heads'), DETECTORS.values(), ids=list(DETECTORS))
def test_detector_takes_a_step_and_predicts(config, heads):
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config))
    model.init_weights()
    data = model.data_preprocessor(batch(), training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    assert math.isfinite(loss.item())
    loss.backward()
    for head in heads:
        assert model.get_submodule(head).weight.grad.abs().sum() > 0
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    with torch.no_grad():
        again, _ = model.parse_losses(model(**data, mode='loss'))
    assert math.isfinite(again.item())

    model.eval()
    inputs, samples = batch().values()
    # mmcv's masked convolution takes one image at a time
    size = 1 if config is GUIDED_ANCHORING else 2
    with torch.no_grad():
        predictions = [
            sample.pred_instances
            for i in range(0, 2, size)
            for sample in model.test_step(
                dict(inputs=inputs[i : i + size], data_samples=samples[i : i + size])
            )
        ]
    assert len(predictions) == 2
    for prediction in predictions:
        assert 0 < len(prediction.bboxes) <= 7
        assert (prediction.bboxes >= 0).all()
        assert (prediction.bboxes <= 64).all()
        assert (prediction.scores.diff() <= 0).all()
        assert (prediction.labels < NUM_CLASSES).all()


def test_features_get_their_gradient_through_roi_align():
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(FASTER_RCNN))
    features = [
        torch.rand(2, 8, 64 // s, 64 // s, requires_grad=True) for s in (4, 8, 16, 32)
    ]
    rois = torch.tensor([[0.0, 4.0, 4.0, 24.0, 28.0], [1.0, 30.0, 20.0, 60.0, 60.0]])
    outs = model.roi_head.bbox_roi_extractor(features, rois)
    assert outs.shape == (2, 8, 7, 7)
    # Boxes below 112 pixels go to the first level. A bin's mean passes its
    # gradient on whole, so 49 bins of ones sum to 49 in each channel.
    outs.sum().backward()
    torch.testing.assert_close(features[0].grad.sum((2, 3)), torch.full((2, 8), 49.0))


def test_deformable_layer_of_mmcv_starts_as_half_a_convolution():
    torch.manual_seed(0)
    layer = ModulatedDeformConv2dPack(4, 6, 3, padding=1)
    x = torch.rand(1, 4, 8, 8)
    # offsets start at 0 and masks at sigmoid(0) = 1/2
    expected = torch.nn.functional.conv2d(x, layer.weight, padding=1) / 2
    torch.testing.assert_close(layer(x), expected)
    layer(x).sum().backward()
    assert layer.conv_offset.weight.grad.abs().sum() > 0
