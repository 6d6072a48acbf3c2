"""Parameter counts, shapes and gradients of SSD's parts."""

import pytest
import torch
from mmdet.models.necks.ssd_neck import L2Norm as MMDetL2Norm
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from projects import create_model
from projects.registry import MODELS
from projects.ssd import SSDVGG, SSDNeck
from projects.ssd.neck import L2Norm

SSD300_SIZES = (38, 19, 10, 5, 3, 1)
LITE_SIZES = (20, 10, 5, 3, 2, 1)
TEST_CFG = dict(score_thr=0.01, nms_pre=400, nms_iou_thr=0.45, max_per_img=20)


@pytest.mark.parametrize(
    ('name', 'num_classes', 'num_params'),
    [
        ('ssd300_vgg16', None, 34_305_206),
        ('ssd300_vgg16', 20, 26_285_486),
        ('ssd300_vgg16_coco91', None, 35_641_826),
        ('ssd512_vgg16', None, 36_038_196),
        ('ssd512_vgg16', 20, 27_188_676),
        ('ssdlite320_mobilenet_v3_large', None, 3_440_060),  # torchvision's table
        ('ssdlite320_mobilenet_v2', None, 4_228_788),
        ('ssd_mini', None, 1_264_116),
        ('ssd_mini', 10, 1_091_196),
        ('ssd_mobilenet_v1_x0_25', None, 616_572),
    ],
)
def test_num_params(name, num_classes, num_params, build_on_meta):
    model = build_on_meta(name, num_classes)
    assert sum(p.numel() for p in model.parameters()) == num_params


def test_classes_count_by_their_outputs():
    # k (C + 1) 3 x 3 convolutions of each map, of its channels and a bias
    maps = ((4, 512), (6, 1024), (6, 512), (6, 256), (4, 256), (4, 256))
    of_a_class = sum(k * (9 * channels + 1) for k, channels in maps)
    assert 60 * of_a_class == 34_305_206 - 26_285_486
    assert 10 * of_a_class == 35_641_826 - 34_305_206


@pytest.mark.parametrize(
    ('name', 'size', 'map_sizes', 'num_boxes'),
    [
        ('ssd300_vgg16', 300, SSD300_SIZES, 8732),
        ('ssd512_vgg16', 512, (64, 32, 16, 8, 4, 2, 1), 24564),
        ('ssdlite320_mobilenet_v3_large', 320, LITE_SIZES, 3234),
        ('ssdlite320_mobilenet_v2', 320, LITE_SIZES, 3234),
        ('ssd_mini', 192, (24, 12, 6), 3024),  # 4 * (576 + 144 + 36)
        ('ssd_mobilenet_v1_x0_25', 192, (24, 12, 6), 3024),
    ],
)
def test_map_sizes_and_number_of_boxes(name, size, map_sizes, num_boxes, build_on_meta):
    model = build_on_meta(name).eval()
    feats = model.extract_feat(torch.rand(1, 3, size, size, device='meta'))
    assert [tuple(x.shape[2:]) for x in feats] == [(x, x) for x in map_sizes]
    cls_scores, bbox_preds = model.bbox_head(feats)
    assert [tuple(x.shape[2:]) for x in cls_scores] == [(x, x) for x in map_sizes]
    assert sum(x.numel() for x in bbox_preds) == 4 * num_boxes
    assert sum(x.numel() for x in cls_scores) == num_boxes * (
        model.bbox_head.num_classes + 1
    )


VGG_CHANNELS = (64, 128, 256, 512, 512, 1024)
VGG_STRIDES = (1, 2, 4, 8, 16, 16)


@pytest.mark.parametrize('index', range(6))
def test_vgg_stages(index):
    with torch.device('meta'):
        (out,) = SSDVGG(out_indices=(index,))(torch.rand(1, 3, 64, 96))
    stride = VGG_STRIDES[index]
    assert out.shape == (1, VGG_CHANNELS[index], 64 // stride, 96 // stride)


@pytest.mark.parametrize('batch_size', [1, 2])  # 1 catches a stray squeeze
def test_vgg_gives_a_map_per_index(batch_size):
    with torch.device('meta'):
        outs = SSDVGG(out_indices=range(6))(torch.rand(batch_size, 3, 32, 32))
    assert [x.shape[:2] for x in outs] == [
        (batch_size, channels) for channels in VGG_CHANNELS
    ]


def test_vgg_rounds_up():
    # conv3_3 has 75 positions of 300, conv4_3 38
    with torch.device('meta'):
        conv4, fc7 = SSDVGG()(torch.rand(1, 3, 300, 300))
    assert conv4.shape == (1, 512, 38, 38)
    assert fc7.shape == (1, 1024, 19, 19)


def test_vgg_has_no_layers_behind_its_last_map():
    with torch.device('meta'):
        model = SSDVGG(out_indices=(3,))
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convs) == 10  # conv1_1 to conv4_3


@pytest.mark.parametrize(
    ('out_indices', 'same'), [((-1,), (5,)), ((-3, -1), (3, 5)), ((-2, 3), (3, 4))]
)
def test_vgg_counts_maps_from_the_last_too(out_indices, same):
    torch.manual_seed(0)
    model, twin = SSDVGG(out_indices=out_indices), SSDVGG(out_indices=same)
    assert model.out_indices == same
    twin.load_state_dict(model.state_dict())  # strict: as many layers
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        outs, expected = model(images), twin(images)
    assert len(outs) == len(same)
    assert all(torch.equal(a, b) for a, b in zip(outs, expected, strict=True))


@pytest.mark.parametrize('out_indices', [(3, 6), (-7,), ()])
def test_vgg_refuses(out_indices):
    with pytest.raises(ValueError, match=r'out_indices .*SSDVGG has 6 stages'):
        SSDVGG(out_indices=out_indices)


def test_mobilenet_v3_is_tapped_within_a_block(build_on_meta):
    # 672 channels of stride 16 are the expansion of the first block of
    # stride 32, whose input has 112
    model = build_on_meta('ssdlite320_mobilenet_v3_large')
    first, last = model.backbone(torch.rand(2, 3, 320, 320, device='meta'))
    assert first.shape == (2, 672, 20, 20)
    assert last.shape == (2, 480, 10, 10)


def test_l2_norm_by_hand():
    # (3, 4) has length 5, (0, -2) has 2; times 20 each
    x = torch.tensor([[3.0, 0], [4, -2]]).reshape(1, 2, 1, 2)
    out = L2Norm(2)(x)
    expected = torch.tensor([[12.0, 0], [16, -20]]).reshape(1, 2, 1, 2)
    torch.testing.assert_close(out, expected)


def test_l2_norm_scales_each_channel():
    layer = L2Norm(2)
    layer.weight.data = torch.tensor([10.0, 5])
    out = layer(torch.tensor([3.0, 4]).reshape(1, 2, 1, 1))
    assert out.flatten().tolist() == pytest.approx([6, 4])


@pytest.mark.parametrize('magnitude', [1e-3, 1.0, 1e4])
def test_l2_norm_is_that_of_mmdet(magnitude):
    torch.manual_seed(0)
    x = magnitude * torch.randn(2, 16, 5, 7)
    ours, reference = L2Norm(16), MMDetL2Norm(16)
    reference.weight.data = ours.weight.data = torch.rand(16)
    torch.testing.assert_close(ours(x), reference(x))


def test_l2_norm_of_nothing_is_nothing():
    # behind a rectifier a position may have no value at all
    x = torch.zeros(1, 3, 1, 1, requires_grad=True)
    out = L2Norm(3)(x)
    assert (out == 0).all()
    out.sum().backward()
    assert x.grad.isfinite().all()


def test_only_the_first_map_is_normalised():
    torch.manual_seed(0)
    neck = SSDNeck((8, 8), ((4, 3, 2, 1),), l2_norm_scale=20)
    feats = torch.rand(2, 8, 6, 6), torch.rand(2, 8, 3, 3)
    outs = neck(feats)
    assert len(outs) == 3
    torch.testing.assert_close(outs[0].norm(dim=1), torch.full((2, 6, 6), 20.0))
    assert torch.equal(outs[1], feats[1])


def test_head_refuses_maps_that_it_has_no_level_for():
    head = MODELS.build(head_cfg((4, 4, 4)))
    with pytest.raises(ValueError, match='2 maps come in; the head has 3'):
        head((torch.rand(1, 4, 2, 2),) * 2)


def head_cfg(in_channels):
    """3 classes; a level of stride 16, 32, ... for each map."""
    levels = range(len(in_channels))
    return dict(
        type='projects.SSDHead',
        num_classes=3,
        in_channels=in_channels,
        default_boxes=dict(
            min_sizes=[20 * 2**i for i in levels],
            max_sizes=[40 * 2**i for i in levels],
            ratios=((2,),) * len(levels),
            steps=[16 * 2**i for i in levels],
        ),
    )


def sample(size):
    return DetDataSample(
        metainfo=dict(
            batch_input_shape=(size, size),
            img_shape=(size, size),
            ori_shape=(size, size),
            scale_factor=(1.0, 1.0),
        ),
        gt_instances=InstanceData(
            bboxes=torch.tensor(
                [[10.0, 10, 60, 50], [size - 40.0, 20, size, 90], [0.0, 0, size, size]]
            ),
            labels=torch.tensor([0, 2, 1]),
        ),
    )


# each backbone's maps of stride 8 to 32, or 16 and 32
BACKBONES = [
    (dict(type='mmdet.ResNet', depth=18, out_indices=(1, 2, 3)), (128, 256, 512)),
    (dict(type='mmdet.MobileNetV2', out_indices=(4, 7)), (96, 1280)),
    (dict(type='mmpretrain.MobileNetV2', out_indices=(4, 7)), (96, 1280)),
]


@pytest.fixture(params=BACKBONES, ids=['resnet', 'mmdet', 'mmpretrain'])
def foreign_model(request):
    """SSD's neck and head behind a backbone that is not ours."""
    torch.manual_seed(0)
    backbone, in_channels = request.param
    extras = ((64, 3, 2, 1), (32, 3, 2, 1), (32, 1, 1, 0))
    return MODELS.build(
        dict(
            type='mmdet.SingleStageDetector',
            data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
            backbone=backbone,
            neck=dict(type='projects.SSDNeck', in_channels=in_channels, extras=extras),
            bbox_head=head_cfg((*in_channels, 64, 32, 32)),
            test_cfg=TEST_CFG,
        )
    )


def test_any_backbone_learns_under_the_head(foreign_model):
    losses = foreign_model.loss(torch.rand(2, 3, 128, 128), [sample(128)] * 2)
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    for name, parameter in foreign_model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    stem = next(foreign_model.backbone.parameters())
    assert stem.grad.any()


@torch.no_grad()
def test_any_backbone_predicts_under_the_head(foreign_model):
    foreign_model.eval()
    (result,) = foreign_model.predict(torch.rand(1, 3, 128, 128), [sample(128)])
    instances = result.pred_instances
    assert len(instances) == TEST_CFG['max_per_img']  # scores near 1 / 4
    assert instances.bboxes.min() >= 0
    assert instances.bboxes.max() <= 128


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('ssd_mini', 96),
        ('ssd_mobilenet_v1_x0_25', 96),
        ('ssdlite320_mobilenet_v3_large', 128),
        ('ssdlite320_mobilenet_v2', 128),
        ('ssd300_vgg16', 260),
    ],
)
def test_every_parameter_reaches_the_outputs(name, size):
    torch.manual_seed(0)
    model = create_model(name, num_classes=3)
    outs = model.bbox_head(model.extract_feat(torch.rand(2, 3, size, size)))
    sum(x.square().sum() for maps in outs for x in maps).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize('name', ['ssd_mini', 'ssdlite320_mobilenet_v3_large'])
def test_a_step_of_training_reaches_every_parameter(name):
    torch.manual_seed(0)
    model = create_model(name, num_classes=3)
    losses = model.loss(torch.rand(2, 3, 128, 128), [sample(128)] * 2)
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        # it may be 0: not every level has matches
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_only_the_last_layers_are_trained():
    model = SSDVGG(trainable_stages=1)
    assert {
        name.split('.')[1] for name, p in model.named_parameters() if p.requires_grad
    } == {'31', '33'}  # fc6 and fc7
