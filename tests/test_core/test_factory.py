import pytest
import torch

from projects import create_model, list_models
from projects.core.errors import UserError


def test_list_models_by_pattern():
    names = list_models('yolov1*')
    assert {'yolov1', 'yolov1_mini', 'yolov1_tiny'} <= set(names)
    assert names == sorted(names)
    assert list_models('*d_mini') == ['ssd_mini']
    assert list_models('no such') == []


def test_unknown_name():
    with pytest.raises(
        UserError,
        match=r"^no model 'yolov1-mini'; did you "
        "mean 'yolov1_mini",
    ):
        create_model('yolov1-mini')
    with pytest.raises(UserError, match=r'; there are .*yolov1_mini'):
        create_model('zzz')


def test_created_model_detects_its_number_of_classes():
    torch.manual_seed(0)
    model = create_model('yolov1_mini', num_classes=3)
    assert model.training
    assert model.bbox_head.num_classes == 3
    # darknet's initialisation has been run, not torch's default
    weight = model.backbone.stages[3][1].conv.weight
    # variance 2 / fan-in, here of 3 * 3 * 96 inputs
    assert weight.std().item() == pytest.approx((2 / 864) ** 0.5, rel=0.02)
    cls_scores, _, _ = model.bbox_head(model.extract_feat(torch.rand(2, 3, 192, 192)))
    assert cls_scores.shape == (2, 144, 3)


def test_pretrained_file_fills_the_backbone(tmp_path, fresh, capsys):
    source = create_model('yolov1_mini', num_classes=3)
    path = tmp_path / 'three.pth'
    torch.save(source.state_dict(), path)
    model = create_model('yolov1_mini', num_classes=5, pretrained=str(path))
    a, b = source.backbone.state_dict(), model.backbone.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    out = capsys.readouterr().out
    assert f'72 of 74 weights (99.7% of the parameters) loaded from {path}' in out
    assert 'bbox_head.predictor.conv.bias (10,): the file has (8,)' in out
    with pytest.raises(UserError, match='does not fit this model'):
        create_model('yolov1_tiny', pretrained=str(path))


def test_settings_over_those_of_the_variant():
    options = ['model.head.num_classes=4', 'model.backbone.in_channels=3']
    model = create_model('lenet5', cfg_options=options)
    assert model.head.num_classes == 4
    assert next(model.parameters()).shape[1] == 3
    with pytest.raises(UserError, match="there is no 'bakbone' in 'model'"):
        create_model('lenet5', cfg_options=['model.bakbone.in_channels=3'])
