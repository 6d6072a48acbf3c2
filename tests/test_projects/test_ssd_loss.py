"""The multibox loss of SSD: by hand, against mmdet's, and on odd objects."""

from math import log

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from projects.core.variants import config_root
from projects.registry import MODELS
from projects.ssd import SSDHead

# Ten default boxes on an image of 40 x 40. The first map is 2 x 2 with squares
# of 10 and 20 round (10, 10), (30, 10), (10, 30) and (30, 30): 0 to 7. The
# second is 1 x 1 with squares of 32 and 40 round (20, 20): 8 and 9.
DEFAULT_BOXES = dict(
    min_sizes=(10, 32), max_sizes=(40, 50), ratios=((), ()), steps=(20, 40)
)
# where the squares of 20, boxes 1, 3, 5 and 7, lie
QUARTERS = ((0, 0, 20, 20), (20, 0, 40, 20), (0, 20, 20, 40), (20, 20, 40, 40))
# IoU 320 / 400 with box 1, 100 / 320 with 0, 320 / 1600 with 9 and, as 192 are
# in common, 192 / 1152 with 8
OBJECT = (0, 0, 20, 16)


def make_head(in_channels=(3, 5), **kwargs):
    """Two classes: the background is label 2."""
    return SSDHead(2, in_channels, DEFAULT_BOXES, **kwargs)


def objects(*bboxes, labels=None):
    return InstanceData(
        bboxes=torch.tensor(bboxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels or [0] * len(bboxes), dtype=torch.long),
    )


def zeros(num_images):
    """Scores (N, 10, 3) and offsets (N, 10, 4) of the default boxes."""
    return torch.zeros(num_images, 10, 3), torch.zeros(num_images, 10, 4)


def randoms(num_images, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(x.shape, generator=generator).mul_(2) for x in zeros(num_images)
    ]


def maps_of(x):
    """(N, 10, channels) of default boxes in order -> maps of two levels."""
    return [
        x[:, :8].reshape(len(x), 2, 2, -1).permute(0, 3, 1, 2),
        x[:, 8:].reshape(len(x), 1, 1, -1).permute(0, 3, 1, 2),
    ]


def losses_of(head, scores, offsets, *batch_gt_instances):
    return head.loss_by_feat(
        maps_of(scores),
        maps_of(offsets),
        batch_gt_instances,
        [{}] * len(batch_gt_instances),
    )


def grads_of(losses, *inputs):
    return torch.autograd.grad(sum(losses.values()), inputs)


def hand_made():
    """One object of label 1 on box 1: scores and offsets with unlike losses."""
    scores, offsets = zeros(1)
    scores[0, 1] = torch.tensor([0, log(2), 0])
    # softmax of the background 1 / 6, 1 / 9, 1 / 10, of all others 1 / 3 and,
    # of box 6, 8 / 10
    scores[0, 4, 0], scores[0, 7, 1], scores[0, 9, 0] = log(4), log(7), log(8)
    scores[0, 6, 2] = log(8)
    offsets[0, 1] = torch.tensor([0.5, 1, 0, 0])
    offsets[0, 4] = 100  # a negative's offsets do not matter
    return scores, offsets, objects(OBJECT, labels=[1])


def test_confidence_loss_by_hand():
    losses = losses_of(make_head(), *hand_made())
    # softmax of label 1 in box 1 is 2 / 4; three negatives to it
    assert losses['loss_cls'].item() == pytest.approx(
        log(2) + log(6) + log(9) + log(10)
    )


def test_offset_loss_by_hand():
    losses = losses_of(make_head(), *hand_made())
    # The object's centre is (10, 8), its sides 20 and 16, box 1's (10, 10) and
    # 20: offsets 0, -2 / 20 / 0.1 = -1, 0, ln(0.8) / 0.2 = -1.115718. What is
    # missing is 0.5, 2, 0 and 1.115718: 0.5 * 0.25 + 1.5 + 0 + 0.615718
    assert losses['loss_bbox'].item() == pytest.approx(2.240718, abs=1e-5)


@pytest.mark.parametrize(
    ('ratio', 'negatives'), [(0, []), (1, [10]), (2, [9, 10]), (4, [3, 6, 9, 10])]
)
def test_neg_pos_ratio_takes_the_negatives_of_the_highest_loss(ratio, negatives):
    losses = losses_of(make_head(neg_pos_ratio=ratio), *hand_made())
    assert losses['loss_cls'].item() == pytest.approx(log(2) + sum(map(log, negatives)))


def test_bbox_weight_is_of_the_offsets_alone():
    losses = losses_of(make_head(bbox_weight=2.5), *hand_made())
    assert losses['loss_cls'].item() == pytest.approx(log(2 * 6 * 9 * 10))
    assert losses['loss_bbox'].item() == pytest.approx(2.5 * 2.240718, abs=1e-5)


@pytest.mark.parametrize(('iou_thr', 'positives'), [(0.6, [8, 9]), (0.7, [9])])
def test_iou_thr_decides_on_positives(iou_thr, positives):
    # all of the image: IoU 1024 / 1600 with box 8 and 1 with box 9
    scores, offsets = zeros(1)
    offsets = (offsets + 5).requires_grad_()
    losses = losses_of(
        make_head(iou_thr=iou_thr), scores, offsets, objects((0, 0, 40, 40))
    )
    (grad,) = grads_of(losses, offsets)
    assert grad.any(2).nonzero()[:, 1].tolist() == positives


def test_only_positives_and_hard_negatives_get_gradients():
    scores, offsets, gt = hand_made()
    inputs = [scores.requires_grad_(), offsets.requires_grad_()]
    grads = grads_of(losses_of(make_head(), *inputs, gt), *inputs)
    assert grads[0].abs().sum(2).nonzero()[:, 1].tolist() == [1, 4, 7, 9]
    assert grads[1].abs().sum(2).nonzero()[:, 1].tolist() == [1]
    # softmax less target: label 1 in box 1, the background in box 9
    torch.testing.assert_close(grads[0][0, 1], torch.tensor([0.25, -0.5, 0.25]))
    torch.testing.assert_close(grads[0][0, 9], torch.tensor([0.8, 0.1, -0.9]))
    # what is missing, held within -1 and 1
    torch.testing.assert_close(grads[1][0, 1], torch.tensor([0.5, 1, 0, 1]))


@pytest.mark.parametrize('num_objects', [3, 4])
def test_more_positives_than_a_third_of_the_rest(num_objects):
    # 9 or 12 negatives are due and 7 or 6 left: all ten boxes take part
    losses = losses_of(make_head(), *zeros(1), objects(*QUARTERS[:num_objects]))
    assert losses['loss_cls'].item() == pytest.approx(10 * log(3) / num_objects)


def test_no_negatives_left():
    head = SSDHead(
        2, (4,), dict(min_sizes=(10,), max_sizes=(40,), ratios=((),), steps=(20,))
    )
    # the two default boxes of the only position
    gt = objects((5, 5, 15, 15), (0, 0, 20, 20))
    losses = head.loss_by_feat(
        [torch.zeros(1, 6, 1, 1)], [torch.zeros(1, 8, 1, 1)], [gt], [{}]
    )
    assert losses['loss_cls'].item() == pytest.approx(log(3))
    assert losses['loss_bbox'] == 0


def test_negatives_are_due_to_each_image_by_itself():
    # 4 positives, of 6 left all; 1 positive and 3; none and none
    losses = losses_of(
        make_head(), *zeros(3), objects(*QUARTERS), objects(QUARTERS[2]), objects()
    )
    assert losses['loss_cls'].item() == pytest.approx((10 + 4) * log(3) / 5)


def test_divisor_is_the_number_of_positives_of_the_batch():
    # the same image with and without company that has no objects
    scores, offsets, gt = hand_made()
    alone = losses_of(make_head(), scores, offsets, gt)
    batch = (
        scores.expand(3, -1, -1),
        offsets.expand(3, -1, -1),
        objects(),
        gt,
        objects(),
    )
    together = losses_of(make_head(), *batch)
    torch.testing.assert_close(together, alone)
    counted = losses_of(make_head(count_empty_images=True), *batch)
    torch.testing.assert_close(
        counted, {name: loss / 3 for name, loss in alone.items()}
    )


@pytest.mark.parametrize(
    ('bipartite', 'labelled'),
    [
        # the first keeps box 1, the second has the next best, box 0
        (True, [[0, 1], [1, 0]]),
        (False, [[1, 1]]),
    ],
)  # the later one takes it
def test_label_of_a_contested_default_box(bipartite, labelled):
    scores, offsets = zeros(1)
    losses = losses_of(
        make_head(bipartite=bipartite),
        scores.requires_grad_(),
        offsets,
        objects(OBJECT, OBJECT, labels=[0, 1]),
    )
    (grad,) = grads_of(losses, scores)
    # (box, label) whose score is to rise
    assert (grad[0, :, :2] < 0).nonzero().tolist() == labelled


@pytest.fixture(scope='module')
def crowded():
    """Settings of SSD300's head for 4 classes, mmdet's head, maps of 3 images,
    and the losses of a head for these, with 40 objects, 1 and none."""
    root = config_root()
    head = dict(
        Config.fromfile(root / '_base_/models/ssd300_vgg16.py').model.bbox_head,
        num_classes=4,
        in_channels=(1,) * 6,
    )
    cfg = Config.fromfile(root / 'ssd/reference/ssd300_vgg16_mmdet.py').model
    with DefaultScope.overwrite_default_scope('mmdet'):
        theirs = MODELS.build(
            dict(
                cfg.bbox_head,
                num_classes=4,
                in_channels=(1,) * 6,
                train_cfg=cfg.train_cfg,
            )
        )
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(3, k * channels, n, n, generator=generator)
        for channels in (5, 4)
        for k, n in zip((4, 6, 6, 6, 4, 4), (38, 19, 10, 5, 3, 1), strict=True)
    ]
    gt_instances = []
    for num_objects in (40, 1, 0):
        # inside the image, sides of 290 to 20 so that no level is without;
        # the last ten of forty lie close to the first and choose the same
        # default boxes
        centre, size = torch.rand(2, num_objects, 2, generator=generator)
        size = (0.7 + 0.3 * size) * torch.logspace(0, -1.16, num_objects)[:, None] * 290
        centre = size / 2 + (300 - size) * centre
        bboxes = torch.cat([centre - size / 2, centre + size / 2], 1)
        bboxes[30:] = bboxes[: max(num_objects - 30, 0)] + 1
        gt_instances.append(
            InstanceData(
                bboxes=bboxes,
                labels=torch.randint(4, (num_objects,), generator=generator),
            )
        )

    def losses(head, inputs):
        result = head.loss_by_feat(
            inputs[:6],
            inputs[6:],
            gt_instances,
            [dict(img_shape=(300, 300), pad_shape=(300, 300))] * 3,
        )
        return {
            name: sum(loss) if isinstance(loss, list) else loss
            for name, loss in result.items()
        }

    return head, theirs, inputs, losses


def test_loss_and_gradients_are_those_of_mmdet(crowded):
    head, theirs, inputs, losses = crowded
    ours = MODELS.build(dict(head, bipartite=False, count_empty_images=True))
    inputs = [x.requires_grad_() for x in inputs]
    actual, expected = losses(ours, inputs), losses(theirs, inputs)
    for name, loss in expected.items():
        torch.testing.assert_close(actual[name], loss.reshape(()), atol=1e-5, rtol=1e-5)
    for grad, expected_grad in zip(
        grads_of(actual, *inputs), grads_of(expected, *inputs), strict=True
    ):
        assert expected_grad.abs().max() > 1e-3
        torch.testing.assert_close(grad, expected_grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    'kwargs', [dict(bipartite=False), dict(count_empty_images=True)]
)
def test_loss_is_not_mmdet_s_where_the_paper_differs(crowded, kwargs):
    head, theirs, inputs, losses = crowded
    ours = MODELS.build(dict(head, **kwargs))
    difference = losses(ours, inputs)['loss_bbox'] - losses(theirs, inputs)['loss_bbox']
    assert difference.abs() > 1e-3


@pytest.mark.parametrize('count_empty_images', [False, True])
@pytest.mark.parametrize('num_images', [1, 3])
def test_without_any_objects_loss_and_gradients_are_0(num_images, count_empty_images):
    inputs = [x.requires_grad_() for x in randoms(num_images)]
    losses = losses_of(
        make_head(count_empty_images=count_empty_images),
        *inputs,
        *[objects()] * num_images,
    )
    assert losses['loss_cls'] == losses['loss_bbox'] == 0
    for grad in grads_of(losses, *inputs):
        assert grad.eq(0).all()


@pytest.mark.parametrize('box', [(10, 10, 10, 30), (0, 20, 40, 20), (10, 10, 10, 10)])
def test_objects_without_area_are_none(box):
    # a line, upright or lying, and a point, beside an object
    inputs = randoms(2)
    expected = losses_of(make_head(), *inputs, objects(OBJECT), objects())
    actual = losses_of(make_head(), *inputs, objects(box, OBJECT), objects(box))
    assert expected['loss_bbox'] > 0
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(
    'box',
    [
        (-1e4, -1e4, 1e4, 1e4),
        (0, 0, 40, 1e6),
        (-10, -10, 50, 50),
        (10, 10, 10 + 1e-5, 10 + 1e-5),
    ],
)
def test_loss_of_very_large_and_small_objects_is_finite(box):
    inputs = [x.requires_grad_() for x in randoms(1)]
    losses = losses_of(make_head(), *inputs, objects(box))
    assert 0 < sum(losses.values()).item() < torch.inf
    for grad in grads_of(losses, *inputs):
        assert grad.isfinite().all()
        assert grad.abs().sum() > 0


def test_image_without_objects_gets_no_gradient():
    inputs = [x.requires_grad_() for x in randoms(2)]
    losses = losses_of(make_head(), *inputs, objects(), objects(OBJECT))
    for grad in grads_of(losses, *inputs):
        assert grad[0].eq(0).all()
        assert grad[1].abs().sum() > 0


def test_bfloat16_maps_have_the_float32_loss_of_their_numbers():
    inputs = [x.bfloat16().requires_grad_() for x in randoms(2)]
    same = [x.detach().float().requires_grad_() for x in inputs]
    gt = objects(OBJECT, QUARTERS[1]), objects(QUARTERS[3])
    actual = losses_of(make_head(), *inputs, *gt)
    expected = losses_of(make_head(), *same, *gt)
    torch.testing.assert_close(actual, expected)  # float32, too
    for grad, expected_grad in zip(
        grads_of(actual, *inputs), grads_of(expected, *same), strict=True
    ):
        torch.testing.assert_close(grad, expected_grad.bfloat16())


@pytest.mark.parametrize('hardest', [4, 5])
def test_hardest_negative_among_bfloat16_maps(hardest):
    # ln(e^3 + 2) = 3.0949 and ln(e^3 + e^0.0625 + 1) = 3.0978, both 3.09375
    # in bfloat16, of which the steps are 0.0156 here
    scores, offsets = zeros(1)
    scores[0, 4:6, 0] = 3
    scores[0, hardest, 1] = 0.0625
    scores = scores.bfloat16().requires_grad_()
    losses = losses_of(make_head(neg_pos_ratio=1), scores, offsets, objects(OBJECT))
    (grad,) = grads_of(losses, scores)
    assert grad.any(2).nonzero()[:, 1].tolist() == [1, hardest]


class TwoMaps(nn.Module):
    """Images of 16 x 16 -> maps of 4 x 4 and 3 x 3 for a head."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 4, 4)
        self.second = nn.Conv2d(3, 5, 2)

    def forward(self, x):
        x = self.first(x)
        return x, self.second(x)


def samples(*gt_instances):
    return [
        DetDataSample(gt_instances=gt, ignored_instances=objects())
        for gt in gt_instances
    ]


@pytest.mark.parametrize('bfloat16', [False, True])
@pytest.mark.parametrize('use_depthwise', [False, True])
def test_every_parameter_gets_a_gradient(use_depthwise, bfloat16):
    torch.manual_seed(0)
    net = TwoMaps()
    head = make_head(
        use_depthwise=use_depthwise, norm_cfg=dict(type='BN') if use_depthwise else None
    )
    # default boxes of both levels are positive
    batch = samples(objects(OBJECT, (3, 3, 37, 37)), objects())
    with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
        losses = head.loss(net(torch.rand(2, 3, 16, 16)), batch)
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    sum(losses.values()).backward()
    for name, p in [*net.named_parameters(), *head.named_parameters()]:
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().sum() > 0, name


def test_batch_without_objects_has_zero_gradients_for_every_parameter():
    head = make_head()
    losses = head.loss(
        (torch.rand(2, 3, 2, 2), torch.rand(2, 5, 1, 1)), samples(objects(), objects())
    )
    sum(losses.values()).backward()
    # None would stop distributed training
    assert all(p.grad.eq(0).all() for p in head.parameters())


def test_channels_last_maps_give_the_same_loss_and_gradients():
    gt = objects(OBJECT, QUARTERS[1]), objects(QUARTERS[3])
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        maps = [
            [
                x.contiguous(memory_format=memory_format).requires_grad_()
                for x in maps_of(inputs)
            ]
            for inputs in randoms(2)
        ]
        losses = make_head().loss_by_feat(*maps, gt, [{}] * 2)
        results.append((losses, grads_of(losses, *maps[0], *maps[1])))
    torch.testing.assert_close(results[1], results[0])


@pytest.mark.parametrize('kwargs', [{}, dict(use_ignored=True)])
def test_ignored_objects_are_objects_where_asked_for(kwargs):
    torch.manual_seed(0)
    head = make_head(**kwargs)
    feats = torch.rand(2, 3, 2, 2), torch.rand(2, 5, 1, 1)
    batch = samples(objects(OBJECT), objects())
    batch[0].ignored_instances = objects(QUARTERS[3], labels=[1])
    # a field that the image's other objects lack
    batch[0].ignored_instances.ignore_flags = torch.ones(1)
    actual = head.loss(feats, batch)
    expected = head.loss(
        feats,
        samples(
            objects(OBJECT, QUARTERS[3], labels=[0, 1]) if kwargs else objects(OBJECT),
            objects(),
        ),
    )
    torch.testing.assert_close(actual, expected)


def test_maps_must_be_as_many_as_levels():
    with pytest.raises(ValueError, match='1 maps come in; the head has 2'):
        make_head()((torch.rand(1, 3, 2, 2),))


def test_in_channels_must_be_as_many_as_levels():
    with pytest.raises(ValueError, match='3 maps, default_boxes 2 levels'):
        make_head(in_channels=(3, 5, 7))


def test_samples_need_no_ignored_objects():
    torch.manual_seed(0)
    feats = torch.rand(1, 3, 2, 2), torch.rand(1, 5, 1, 1)
    head = make_head(use_ignored=True)
    actual = head.loss(feats, samples(objects(OBJECT)))
    head.use_ignored = False
    torch.testing.assert_close(actual, head.loss(feats, samples(objects(OBJECT))))
