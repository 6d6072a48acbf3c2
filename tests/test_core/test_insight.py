"""Receptive fields, heat maps and maps of toy networks, worked out by hand."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pytorch_grad_cam import GradCAM
from tiny_detectors import FASTER_RCNN
from torch import nn

from projects.alexnet import AlexNet
from projects.core.errors import UserError
from projects.core.insight.feature_maps import most_varied
from projects.core.insight.filters import draw_filters
from projects.core.insight.heat_maps import METHODS, choose_layer, heat_map
from projects.core.insight.receptive_field import Span, effective, gradients, spans
from projects.core.insight.stages import as_map, map_strides, stage_maps
from projects.core.insight.views import ViewOptions
from projects.core.layers import Backbone
from projects.core.tasks.subject import NotServed, Subject, Target
from projects.core.tasks.task import LookOptions, task_of
from projects.registry import MODELS
from projects.vgg import VGG


class Toy(Backbone):
    """A backbone of the given stages."""

    def __init__(self, *stages):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.select_stages((-1,))

    def stage_modules(self):
        return [(stage,) for stage in self.stages]


class Gate(nn.Module):
    """Squeeze and excitation, without weights."""

    def forward(self, x):
        return x * x.mean((2, 3), keepdim=True).sigmoid()


def toy_fields():
    return Toy(
        nn.Conv2d(1, 4, 5, stride=2, padding=2),
        nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        Gate(),
    ).eval()


class TestReceptiveFields:
    def test_by_the_recurrence(self):
        """A kernel k of stride s adds (k - 1) j pixels, j being the product of the
        strides before it; padding p moves the first by -p j."""
        found = spans(toy_fields(), torch.zeros(1, 1, 40, 40))
        assert found[:3] == [
            Span(5, 2, -2),  # j = 1 before
            Span(9, 4, -4),  # 5 + 2 * 2, -2 - 1 * 2
            Span(25, 4, -12),  # 9 + 2 * 2 * 4, -4 - 2 * 4
        ]
        assert found[3].size is None  # every unit hangs on the mean of the map

    def test_rows_and_columns_are_apart(self):
        model = Toy(nn.Conv2d(1, 1, (3, 7), (1, 2), (1, 3))).eval()
        image = torch.zeros(1, 1, 40, 40)
        assert spans(model, image, 0) == [Span(3, 1, -1)]
        assert spans(model, image, 1) == [Span(7, 2, -3)]

    def test_a_field_of_one_size_of_images(self):
        """Its stride is the ratio of the sides where no other size is taken."""

        class Fixed(Toy):
            def forward(self, x):
                if x.shape[-2:] != (40, 40):
                    raise ValueError('40 x 40 alone')
                return super().forward(x)

        model = Fixed(nn.Conv2d(1, 1, 3, 2, 1)).eval()
        assert spans(model, torch.zeros(1, 1, 40, 40)) == [Span(3, 2, -1)]

    def test_of_alexnet(self):
        """195 pixels of the last pooling, as known."""
        last = spans(AlexNet().eval(), torch.zeros(1, 3, 224, 224))[-1]
        assert (last.size, last.stride) == (195, 32)

    @pytest.mark.slow
    def test_of_vgg(self):
        last = spans(VGG(16).eval(), torch.zeros(1, 3, 224, 224))[-1]
        assert (last.size, last.stride) == (212, 32)

    def test_the_gradient_is_inside_and_centred(self):
        torch.manual_seed(0)
        model = toy_fields()
        image = torch.randn(1, 1, 40, 40)
        for stage, heat, span in zip(
            stage_maps(model, image)[:3],
            gradients(model, image)[:3],
            spans(model, image)[:3],
            strict=True,
        ):
            first, end = span.around(stage.values.shape[3] // 2)
            inside = heat[max(0, first) : end, max(0, first) : end]
            assert inside.sum() == pytest.approx(heat.sum())
            assert heat.max() == pytest.approx(1)

    def test_effective_side_by_hand(self):
        heat = np.zeros((9, 9))
        heat[3, 5] = 2
        assert effective(heat) == (3.5, 5.5, 1)
        heat[2:5, 4:7] = 1  # 9 pixels of which no 8 hold 95 %
        assert effective(heat) == (3.5, 5.5, 3)
        assert effective(np.zeros((4, 6)))[2] == 0


class Classifier(nn.Module):
    """Class 0 is how much red there is, class 1 how much green."""

    def __init__(self):
        super().__init__()
        self.backbone = Toy(
            nn.Conv2d(3, 2, 1, bias=False), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)
        )
        weight = torch.eye(3)[:2, :, None, None]
        self.backbone.stages[0].weight.data.copy_(weight)

    def forward(self, x):
        return self.backbone(x)[-1].flatten(1)


def red_and_green():
    """Red in the upper left corner, green in the lower right one."""
    image = torch.zeros(1, 3, 16, 16)
    image[:, 0, :4, :4] = image[:, 1, -4:, -4:] = 1
    return image


def subject_of(model, image, **kwargs):
    picture = (255 * image[0]).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    options = dict(
        model=model.eval(),
        image='image.png',
        inputs=image,
        data_samples=[],
        picture=picture,
        is_rgb=True,
        prediction='red',
        scores=model,
        targets=[Target('red', 0), Target('green', 1)],
    )
    return Subject(**{**options, **kwargs})


class TestHeatMaps:
    @pytest.mark.parametrize('method', [m for m in METHODS if m != 'eigencam'])
    def test_heat_is_where_the_class_is(self, method):
        subject = subject_of(Classifier(), red_and_green())
        heats = []
        for target in subject.targets:
            layer = choose_layer(subject, target)
            assert layer.name == 'backbone.stages.1'  # the last has one place
            assert layer.shape == (2, 8, 8)
            heats.append(heat_map(subject, target, layer, method))
        for heat, corner in zip(heats, (np.s_[:4, :4], np.s_[-4:, -4:]), strict=True):
            assert heat.shape == (16, 16)
            assert heat.max() == pytest.approx(1)
            assert heat[corner].sum() > 0.5 * heat.sum()

    def test_what_maps_have_in_common_is_bright(self):
        """Not dark: a principal component may as well be negative."""
        image = torch.zeros(1, 3, 16, 16)
        image[:, 0, :4, :4] = 1
        for sign in (1, -1):
            model = Classifier()
            model.backbone.stages[0].weight.data *= sign
            subject = subject_of(model, image)
            layer = choose_layer(subject, subject.targets[0])
            heat = heat_map(subject, subject.targets[0], layer, 'eigencam')
            assert heat[:4, :4].sum() > 0.5 * heat.sum()

    def test_is_that_of_the_library(self):
        torch.manual_seed(0)
        model = Classifier()
        nn.init.normal_(model.backbone.stages[0].weight)
        image = torch.rand(1, 3, 16, 16)
        subject = subject_of(model, image)
        layer = choose_layer(subject, subject.targets[1])
        heat = heat_map(subject, subject.targets[1], layer)
        with GradCAM(model, [model.backbone.stages[1]]) as cam:
            expected = cam(image, [lambda scores: scores[1]])[0]
        assert heat.max() > 0
        np.testing.assert_allclose(heat, expected, atol=1e-6)

    def test_a_place_is_told_from_another_of_the_same_kind(self):
        """The score of a detection: red, but only that in the upper left corner."""
        image = red_and_green()
        image[:, 0, -4:, :4] = 1  # more red in another corner
        model = Classifier()
        target = Target('red there', 0, (0, 0, 4, 4))

        def scores(x):
            model(x)  # whose last map no score needs
            return kept[0][:, :1, :2, :2].mean((2, 3))

        kept = []
        model.backbone.stages[1].register_forward_hook(
            lambda _, __, out: kept.insert(0, out)
        )
        subject = subject_of(model, image, scores=scores, targets=[target])
        layer = choose_layer(subject, target)
        assert layer.name == 'backbone.stages.1'
        inside = {}
        for method in ('gradcam', 'hirescam'):
            heat = heat_map(subject, target, layer, method)
            inside[method] = heat[:4, :4].sum() / heat.sum()
        assert inside['hirescam'] > 0.6
        assert inside['gradcam'] < 0.5  # both are red

    def test_layers_that_cannot_be_explained(self):
        model = Classifier()
        model.unused = nn.Conv2d(1, 1, 1)
        subject = subject_of(model, red_and_green())
        target = subject.targets[0]
        layer = choose_layer(subject, target, 'backbone.stages.0')
        assert layer.shape == (2, 16, 16)
        with pytest.raises(UserError, match=r"mean 'backbone.stages.0'"):
            choose_layer(subject, target, 'backbone.stage.0')
        with pytest.raises(UserError, match='unused takes no part in a prediction'):
            choose_layer(subject, target, 'unused')
        with pytest.raises(UserError, match='backbone gives no map of the image, but'):
            choose_layer(subject, target, 'backbone')
        flat = subject_of(
            nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), red_and_green()
        )
        with pytest.raises(NotServed, match='depends on no map of the backbone'):
            choose_layer(flat, target)


class TestMaps:
    def test_readings(self):
        model = nn.Module()
        size = (32, 64)
        first = torch.rand(1, 5, 8, 16)
        assert as_map(first, model, size) is first
        last = first.permute(0, 2, 3, 1)
        assert torch.equal(as_map(last, model, size), first)
        assert as_map((first,), model, size) is None
        tokens = torch.rand(1, 1 + 2 * 4, 3)
        assert as_map(tokens, model, size) is None
        model.token_grid = lambda height, width: (height // 16, width // 16)
        found = as_map(tokens, model, size)
        assert found.shape == (1, 3, 2, 4)
        assert torch.equal(found[0, :, 1, 2], tokens[0, 1 + 4 + 2])

    def test_work_in_place_does_not_reach_a_map(self):
        model = Toy(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
        first, second = stage_maps(model, torch.randn(1, 1, 6, 6))
        assert first.name == 'stages.0'
        assert first.values.min() < 0
        assert torch.equal(first.values.relu(), second.values)

    def test_parts_of_another_backbone(self):
        """Of each size the last map."""
        model = nn.Sequential(
            nn.Conv2d(1, 2, 1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(18, 1),
        )
        found = stage_maps(model, torch.randn(1, 1, 6, 6))
        assert [stage.name for stage in found] == ['1', '2']
        assert [stage.shape for stage in found] == ['2 x 6 x 6', '2 x 3 x 3']

    def test_strides_are_not_the_ratio_of_the_sides(self):
        model = Toy(nn.Conv2d(1, 1, 5, 2), nn.MaxPool2d(2))
        # 28 to 12 to 6: ratios of 2.3 and 4.7
        assert map_strides(model, torch.zeros(1, 1, 28, 28)) == [2, 4]

    def test_most_varied(self):
        values = torch.zeros(3, 4, 4)
        values[0] = 9  # great, and the same everywhere
        values[2, 0] = 1
        values[1, 0] = 5
        assert most_varied(values, 2) == [1, 2]


class TestFilters:
    def test_colours_and_scale(self):
        model = nn.Sequential(nn.Conv2d(3, 2, 1))
        weight = torch.tensor([[2.0, 0, -2], [0, 1, 0]])[..., None, None]
        model[0].weight.data.copy_(weight)
        shown = {}
        for is_rgb in (True, False):
            subject = subject_of(model, torch.zeros(1, 3, 8, 8), is_rgb=is_rgb)
            drawn = draw_filters(subject, ViewOptions())
            shown[is_rgb] = [
                axes.images[0].get_array()[0, 0].tolist()
                for axes in drawn.figure.axes
                if axes.images
            ]
        # 2 is the greatest: 0 is a half
        assert shown[True] == [[1, 0.5, 0], [0.5, 0.75, 0.5]]
        assert shown[False] == [[0, 0.5, 1], [0.5, 0.75, 0.5]]
        assert '2 filters of 0, 3 x 1 x 1, weights up to 2' in drawn.text

    def test_none(self):
        subject = subject_of(nn.Sequential(nn.Flatten()), torch.zeros(1, 3, 8, 8))
        with pytest.raises(NotServed, match='a Sequential has no convolution'):
            draw_filters(subject, ViewOptions())


@pytest.mark.parametrize('nms', ['nms', 'soft_nms'])
def test_a_detector_of_mmdet(nms, tmp_path, fresh):
    """Two stages, and a backbone that is not of this project."""
    torch.manual_seed(0)
    scene = str(tmp_path / 'scene.png')
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    cv2.imwrite(scene, pixels)
    steps = [dict(type='projects.LoadImageFromFile'), dict(type='PackDetInputs')]
    cfg = Config(
        dict(
            default_scope='mmdet',
            model=FASTER_RCNN,
            test_dataloader=dict(dataset=dict(pipeline=steps)),
        )
    )
    cfg.model.test_cfg.rcnn.nms.type = nms
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model).eval()
        meta = dict(dataset_meta=dict(classes=('a', 'b', 'c')))
        look = LookOptions('x.pth', detection=0)
        subject = task_of(cfg).subject(model, cfg, meta, scene, look)
    (target,) = subject.targets
    assert target.title.startswith('detection 0: ')
    if nms == 'soft_nms':
        with pytest.raises(NotServed, match='no gradient; what comes after'):
            choose_layer(subject, target)
        return
    layer = choose_layer(subject, target)
    assert layer.name == 'backbone.layer4'
    heat = heat_map(subject, target, layer, 'layercam')
    assert heat.shape == (64, 64)
    assert heat.max() == pytest.approx(1)
