"""Reading and writing darknet's .weights files."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from projects import create_model
from projects.core.errors import UserError
from projects.yolov1 import YOLOv1Backbone, YOLOv1Head, YOLOv1Neck
from projects.yolov1.darknet import convert, read_weights, write_weights


class Net(nn.Module):
    """A detector's parts at a width that takes no time."""

    def __init__(self, norm_cfg=None, **predictor):
        super().__init__()
        self.backbone = YOLOv1Backbone('mini', norm_cfg=norm_cfg)
        self.neck = YOLOv1Neck(192, 4, norm_cfg=norm_cfg)
        self.bbox_head = YOLOv1Head(3, 4, grid_size=2, predictor=predictor)


def shaken(model):
    """Random statistics and biases too, so that a swap shows."""
    torch.manual_seed(1)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')])
@pytest.mark.parametrize(
    'predictor',
    [
        dict(hidden_channels=8),
        dict(hidden_channels=8, bottleneck_channels=4),
        dict(hidden_channels=None),
        dict(type='projects.YOLOv1LocalPredictor', local_channels=5),
    ],
)
def test_round_trip(tmp_path, norm_cfg, predictor):
    model, again = shaken(Net(norm_cfg, **predictor)), Net(norm_cfg, **predictor)
    path = str(tmp_path / 'net.weights')
    write_weights(model, path, images_seen=64)
    read_weights(again, path)
    for key, value in model.state_dict().items():
        if 'num_batches_tracked' not in key:
            assert torch.equal(again.state_dict()[key], value), key


def test_layout_byte_by_byte(tmp_path):
    model = nn.Module()
    model.backbone = nn.Sequential(YOLOv1Neck(1, 1, norm_cfg=dict(type='BN')).convs[0])
    model.fc = nn.Linear(2, 3)
    path = tmp_path / 'net.weights'
    # conv: shift, scale, mean, variance, nine weights; linear: bias, weights
    numbers = np.arange(4 + 9 + 3 + 6, dtype='<f4')
    path.write_bytes(
        np.array([0, 2, 0], '<i4').tobytes()
        + np.array([77], '<i8').tobytes()
        + numbers.tobytes()
    )
    read_weights(model, str(path))
    block = model.backbone[0]
    assert [
        block.bn.bias.item(),
        block.bn.weight.item(),
        block.bn.running_mean.item(),
        block.bn.running_var.item(),
    ] == [0, 1, 2, 3]
    assert block.conv.weight.flatten().tolist() == list(range(4, 13))
    assert model.fc.bias.tolist() == [13, 14, 15]
    assert model.fc.weight.tolist() == [[16, 17], [18, 19], [20, 21]]


@pytest.mark.parametrize(
    ('version', 'seen', 'transposed'),
    [
        ((0, 1, 0), '<i4', False),
        ((0, 2, 0), '<i8', False),
        ((1, 0, 0), '<i8', False),
        ((1001, 0, 0), '<i4', True),
    ],
)
def test_headers_of_all_versions(tmp_path, version, seen, transposed):
    model = nn.Module()
    model.backbone = nn.Linear(2, 3)
    path = tmp_path / 'net.weights'
    path.write_bytes(
        np.array(version, '<i4').tobytes()
        + np.array([5], seen).tobytes()
        + np.arange(9, dtype='<f4').tobytes()
    )
    read_weights(model, str(path))
    weight = model.backbone.weight
    if transposed:
        assert weight.t().tolist() == [[3, 4, 5], [6, 7, 8]]
    else:
        assert weight.tolist() == [[3, 4], [5, 6], [7, 8]]


@pytest.mark.parametrize('change', [-4, 4, 400, 2])
def test_a_number_too_many_or_too_few_is_refused(tmp_path, change):
    model = Net(hidden_channels=8)
    path = tmp_path / 'net.weights'
    write_weights(model, str(path))
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + b'\0' * change)
    with pytest.raises(UserError, match=r'and this model|whole number'):
        read_weights(model, str(path))


def test_not_a_number_is_refused(tmp_path):
    model = Net(hidden_channels=8)
    path = tmp_path / 'net.weights'
    write_weights(model, str(path))
    path.write_bytes(path.read_bytes()[:-4] + np.float32('nan').tobytes())
    with pytest.raises(UserError, match='not finite'):
        read_weights(model, str(path))


def test_a_file_of_the_backbone_alone_fills_it(tmp_path):
    model, again = shaken(Net(hidden_channels=8)), Net(hidden_channels=8)
    backbone = nn.Module()
    backbone.backbone = model.backbone
    path = str(tmp_path / 'net.conv.weights')
    write_weights(backbone, path)
    head = again.bbox_head.state_dict()
    names = read_weights(again, path)
    assert len(names) == 12
    torch.testing.assert_close(again.backbone.state_dict(), model.backbone.state_dict())
    torch.testing.assert_close(again.bbox_head.state_dict(), head)


def test_a_layer_that_darknet_has_not_is_refused(tmp_path):
    model = nn.Module()
    model.backbone = nn.LayerNorm(3)
    with pytest.raises(UserError, match=r'no layer for backbone\.weight'):
        write_weights(model, str(tmp_path / 'net.weights'))


def test_published_length_of_the_tiny_model_and_the_tool(tmp_path):
    # yolov1-tiny.cfg: eight convolutions with four numbers a channel, and one
    # connected layer
    widths = (3, 16, 32, 64, 128, 256, 512, 1024, 256)
    floats = sum(9 * a * b + 4 * b for a, b in pairwise(widths))
    floats += 12544 * 1470 + 1470
    model = create_model('yolov1_tiny')
    source = tmp_path / 'yolov1-tiny.weights'
    write_weights(model, str(source))
    assert source.stat().st_size == 20 + 4 * floats
    convert('yolov1_tiny', str(source), str(tmp_path / 'tiny.pth'))
    again = create_model('yolov1_tiny', pretrained=str(tmp_path / 'tiny.pth'))
    torch.testing.assert_close(
        again.bbox_head.state_dict(), model.bbox_head.state_dict()
    )
    convert('yolov1_tiny', str(tmp_path / 'tiny.pth'), str(tmp_path / 'back.weights'))
    assert (tmp_path / 'back.weights').read_bytes() == source.read_bytes()
    other = tmp_path / 'other.pth'
    other.write_bytes(b'of the user')
    with pytest.raises(UserError, match='is there already and was not made'):
        convert('yolov1_tiny', str(source), str(other))
    assert other.read_bytes() == b'of the user'
