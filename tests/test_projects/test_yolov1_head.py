"""Targets, loss and detections of YOLOv1, worked out by hand."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from projects.registry import MODELS
from projects.yolov1 import YOLOv1Head
from projects.yolov1.targets import assign_to_cells, decode_boxes, paired_iou

CONV = dict(type='projects.YOLOv1ConvPredictor')
TEST_CFG = dict(score_thr=0.001, nms_pre=1000, nms_iou_thr=0.5, max_per_img=100)
SHAPE = (100, 100)  # of the input, where nothing else is said


def make_head(num_classes=2, grid_size=2, num_boxes=2):
    return YOLOv1Head(num_classes, 4, grid_size, num_boxes, CONV, test_cfg=TEST_CFG)


def objects(*boxes, labels=None):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels or [0] * len(boxes), dtype=torch.long),
    )


def metas(num_images, shape=SHAPE):
    return [
        dict(
            batch_input_shape=shape,
            img_shape=shape,
            ori_shape=shape,
            scale_factor=(1.0, 1.0),
        )
    ] * num_images


def zeros(num_images, grid_size=2, num_boxes=2, num_classes=2):
    cells = grid_size**2
    return (
        torch.zeros(num_images, cells, num_classes),
        torch.zeros(num_images, cells, num_boxes),
        torch.zeros(num_images, cells, num_boxes, 4),
    )


def test_every_loss_term_by_hand():
    # One image of 100 x 100, S = 2, so that a cell is 50 wide. The object
    # (60, 10, 100, 26) has its centre at (80, 18): column 1, row 0, cell 1,
    # offset (0.6, 0.36); sides 0.4 and 0.16, roots 0.632456 and 0.4.
    head = make_head()
    cls_scores, confs, bbox_preds = zeros(1)
    cls_scores[0, 1] = torch.tensor([0.3, 0.9])
    confs[0] = torch.tensor([[0.1, 0.2], [0.5, 0.7], [0, 0], [0, -0.4]])
    # box 0: at the object's centre, sides 0.2 (root 0.447214) and 0.16. The
    # intersection is all of it, 0.032, the union 0.064: IoU 0.5.
    bbox_preds[0, 1, 0] = torch.tensor([0.6, 0.36, 0.2**0.5, 0.4])
    # box 1: far off in its cell, without overlap
    bbox_preds[0, 1, 1] = torch.tensor([0.0, 0.0, 0.1, 0.1])
    losses = head.loss_by_feat(
        cls_scores,
        confs,
        bbox_preds,
        [objects((60, 10, 100, 26), labels=[1])],
        metas(1),
    )
    # box 0 is responsible: 5 * (sqrt 0.4 - sqrt 0.2)^2 = 5 * 0.0343146
    assert losses['loss_coord'].item() == pytest.approx(0.171573, abs=1e-5)
    # (0.5 - 0.5)^2
    assert losses['loss_object'].item() == pytest.approx(0, abs=1e-6)
    # 0.5 * (0.01 + 0.04 + 0.49 + 0.16): box 1 of the object's cell is among
    # them, box 0 is not
    assert losses['loss_noobject'].item() == pytest.approx(0.35, abs=1e-5)
    # (0.3 - 0)^2 + (0.9 - 1)^2
    assert losses['loss_class'].item() == pytest.approx(0.10, abs=1e-5)


def test_loss_is_of_an_image():
    # the same image twice: the mean over the batch is that of one
    torch.manual_seed(0)
    head = make_head()
    preds = [torch.rand_like(p) for p in zeros(1)]
    gt = objects((10, 10, 40, 40), (60, 60, 90, 90), labels=[0, 1])
    one = head.loss_by_feat(*preds, [gt], metas(1))
    two = head.loss_by_feat(
        *(p.repeat_interleave(2, 0) for p in preds), [gt, gt], metas(2)
    )
    torch.testing.assert_close(one, two)


def test_confidence_learns_the_iou():
    head = make_head()
    preds = zeros(1)
    preds[2][0, 1, 0] = torch.tensor([0.6, 0.36, 0.2**0.5, 0.4])
    confs = preds[1].requires_grad_()
    losses = head.loss_by_feat(*preds, [objects((60, 10, 100, 26))], metas(1))
    losses['loss_object'].backward()
    # d (c - 0.5)^2 / dc at c = 0 is -1; no gradient into the IoU
    expected = torch.zeros(1, 4, 2)
    expected[0, 1, 0] = -1
    torch.testing.assert_close(confs.grad, expected)


def test_without_overlap_the_nearest_box_is_responsible():
    head = make_head()
    preds = zeros(1)
    # object at (80, 18); both boxes tiny and beside it, the second nearer
    preds[2][0, 1, 0] = torch.tensor([0.0, 0.0, 0.01, 0.01])
    preds[2][0, 1, 1] = torch.tensor([0.1, 0.36, 0.01, 0.01])
    confs = preds[1].requires_grad_()
    losses = head.loss_by_feat(*preds, [objects((70, 10, 90, 26))], metas(1))
    confs.data[:] = 1
    losses = head.loss_by_feat(*preds, [objects((70, 10, 90, 26))], metas(1))
    losses['loss_object'].backward()
    assert confs.grad.nonzero().tolist() == [[0, 1, 1]]


def test_one_object_to_a_cell_and_either_may_have_it():
    # two objects with centres (20, 20) and (30, 30) in cell 0 of 2 x 2
    boxes = torch.tensor([[10.0, 10, 30, 30], [20.0, 20, 40, 40]])
    winners = set()
    for seed in range(20):
        torch.manual_seed(seed)
        cells, coded, chosen = assign_to_cells(
            boxes, torch.zeros(2, dtype=torch.long), 1, 2, SHAPE
        )
        assert cells.tolist() == [0]
        assert coded.shape == (1, 4)
        winners.add(chosen.item())
    assert winners == {0, 1}


def test_same_cell_of_two_images_is_two_cells():
    boxes = torch.tensor([[10.0, 10, 30, 30], [10.0, 10, 30, 30]])
    cells, _, chosen = assign_to_cells(boxes, torch.tensor([0, 1]), 2, 2, SHAPE)
    assert cells.tolist() == [0, 4]
    assert chosen.tolist() == [0, 1]


@pytest.mark.parametrize(
    ('box', 'cell', 'offset'),
    [
        ((90, 40, 110, 60), 1, (0.95 * 2 - 1, 0.5 * 2 % 1)),  # cut at the right
        ((40, 95, 60, 100), 3, (0.0, 0.975 * 2 - 1)),
    ],
)
def test_boxes_over_the_border_are_cut(box, cell, offset):
    cells, coded, _ = assign_to_cells(
        torch.tensor([box], dtype=torch.float32), torch.tensor([0]), 1, 2, SHAPE
    )
    # centre y 50 of 100 lies on the edge of rows 0 and 1, and row 1 has it
    assert cells.item() == (3 if box[0] == 90 else cell)
    torch.testing.assert_close(coded[0, :2], torch.tensor(offset))


def test_centre_on_the_far_border_belongs_to_the_last_cell():
    # no area is left of a box whose centre is on the border, once cut; a
    # thin one at the edge comes as near as can be
    cells, coded, _ = assign_to_cells(
        torch.tensor([[99.4, 99.4, 100.0, 100.0]]), torch.tensor([0]), 1, 7, SHAPE
    )
    assert cells.item() == 48
    assert (coded[0, :2] < 1).all()
    # rounding up to S itself: the largest float32 below 1 times 7 is 7
    sides = 0.006
    edge = torch.tensor([[1 - sides, 1 - sides, 1.0, 1.0]])
    cells, _, _ = assign_to_cells(edge, torch.tensor([0]), 1, 10_000, (1, 1))
    assert cells.item() < 10_000**2


@pytest.mark.parametrize(
    'box',
    [
        (10, 10, 10, 30),
        (10, 10, 5, 5),
        (-20, -20, -5, -5),
        (120, 0, 140, 10),
        (10, 10, 10.4, 30),
        (float('nan'), 0, 10, 10),
    ],
)
def test_boxes_without_area_have_no_cell(box):
    cells, coded, chosen = assign_to_cells(
        torch.tensor([box], dtype=torch.float32), torch.tensor([0]), 1, 2, SHAPE
    )
    assert len(cells) == len(coded) == len(chosen) == 0


def test_encode_decode_round_trip():
    torch.manual_seed(0)
    corners = torch.rand(500, 2, 2).sort(1).values * torch.tensor([320, 160.0])
    boxes = corners.flatten(1)
    cells, coded, chosen = assign_to_cells(boxes, torch.arange(500), 500, 7, (160, 320))
    decoded = decode_boxes(coded[:, None], cells, 7)[:, 0]
    size = torch.tensor([320.0, 160.0])
    centre, sides = decoded[:, :2] * size, decoded[:, 2:] * size
    assert len(chosen) > 450  # all but the thinnest
    torch.testing.assert_close(
        torch.cat([centre - sides / 2, centre + sides / 2], 1),
        boxes[chosen],
        atol=1e-3,
        rtol=1e-5,
    )


def test_iou_by_hand():
    # unit squares whose centres are half a side apart: 0.5 / 1.5
    a = torch.tensor([0.5, 0.5, 1, 1])
    b = torch.tensor([1.0, 0.5, 1, 1])
    assert paired_iou(a, b).item() == pytest.approx(1 / 3)
    assert paired_iou(a, a).item() == pytest.approx(1)
    assert paired_iou(a, a + 5).item() == 0
    assert paired_iou(a * 0, a * 0).item() == 0


@pytest.mark.parametrize('num_images', [1, 3])
def test_images_without_objects(num_images):
    head = make_head()
    preds = [torch.rand_like(p).requires_grad_() for p in zeros(num_images)]
    losses = head.loss_by_feat(*preds, [objects()] * num_images, metas(num_images))
    assert losses['loss_coord'] == losses['loss_class'] == 0
    assert losses['loss_object'] == 0
    expected = 0.5 * preds[1].square().sum() / num_images
    torch.testing.assert_close(losses['loss_noobject'], expected)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in preds)


def test_bfloat16_predictions_give_a_finite_float32_loss():
    head = make_head()
    preds = [torch.rand_like(p).bfloat16().requires_grad_() for p in zeros(2)]
    losses = head.loss_by_feat(*preds, [objects((10, 10, 40, 40)), objects()], metas(2))
    assert all(v.dtype == torch.float32 for v in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in preds)


def test_decoding_by_hand():
    head = make_head()
    cls_scores, confs, bbox_preds = zeros(1)
    # cell 3 (row 1, column 1): centre offset (0.5, 0) is (75, 50) pixels;
    # roots 0.6 and 0.4 are sides of 36 and 16 pixels
    bbox_preds[0, 3, 1] = torch.tensor([0.5, 0.0, 0.6, 0.4])
    confs[0, 3, 1] = 0.5
    cls_scores[0, 3] = torch.tensor([0.2, 0.8])
    (result,) = head.predict_by_feat(cls_scores, confs, bbox_preds, metas(1))
    expected = torch.tensor([57.0, 42, 93, 58])
    torch.testing.assert_close(result.bboxes, expected.expand(2, 4))
    torch.testing.assert_close(result.scores, torch.tensor([0.4, 0.1]))
    assert result.labels.tolist() == [1, 0]


def test_negative_outputs_make_no_score():
    head = make_head()
    cls_scores, confs, bbox_preds = zeros(1)
    confs[0, 0] = -3
    cls_scores[0, 0] = -3  # the product would be 9
    (result,) = head.predict_by_feat(cls_scores, confs, bbox_preds, metas(1))
    assert len(result) == 0
    assert result.bboxes.shape == (0, 4)


def test_suppression_is_within_a_class_and_an_image():
    head = make_head()
    cls_scores, confs, bbox_preds = zeros(2)
    # both boxes of cell 0 are the same; each class keeps one
    bbox_preds[:, 0] = torch.tensor([0.5, 0.5, 0.5, 0.5])
    confs[:, 0] = torch.tensor([0.9, 0.8])
    cls_scores[:, 0] = torch.tensor([1.0, 0.5])
    results = head.predict_by_feat(cls_scores, confs, bbox_preds, metas(2))
    for result in results:
        torch.testing.assert_close(result.scores, torch.tensor([0.9, 0.45]))
        assert result.labels.tolist() == [0, 1]


def test_max_per_img_keeps_the_best():
    head = make_head(num_classes=1, grid_size=4)
    head.test_cfg.max_per_img = 3
    cls_scores, confs, bbox_preds = zeros(2, 4, 2, 1)
    bbox_preds[:] = torch.tensor([0.5, 0.5, 0.3, 0.3])
    cls_scores[:] = 1
    confs[0, :, 0] = torch.linspace(0.1, 0.85, 16)
    confs[1, 5, 0] = 0.6
    first, second = head.predict_by_feat(cls_scores, confs, bbox_preds, metas(2))
    torch.testing.assert_close(first.scores, torch.tensor([0.85, 0.8, 0.75]))
    torch.testing.assert_close(second.scores, torch.tensor([0.6]))


def test_boxes_go_back_to_the_original_image():
    head = make_head()
    cls_scores, confs, bbox_preds = zeros(1)
    bbox_preds[0, 3, 0] = torch.tensor([0.5, 0.0, 0.6, 0.4])
    confs[0, 3, 0] = cls_scores[0, 3, 0] = 1
    meta = dict(
        batch_input_shape=SHAPE,
        img_shape=SHAPE,
        ori_shape=(50, 180),
        scale_factor=(100 / 180, 2.0),
    )
    (result,) = head.predict_by_feat(cls_scores, confs, bbox_preds, [meta])
    torch.testing.assert_close(
        result.bboxes, torch.tensor([[57 * 1.8, 21, 93 * 1.8, 29]])
    )


def test_batch_size_does_not_change_detections():
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='mmdet.SingleStageDetector',
            data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
            backbone=dict(
                type='projects.YOLOv1Backbone', arch='mini', norm_cfg=dict(type='BN')
            ),
            bbox_head=dict(
                type='projects.YOLOv1Head',
                num_classes=3,
                in_channels=192,
                grid_size=4,
                predictor=dict(hidden_channels=16),
            ),
            test_cfg=TEST_CFG,
        )
    ).eval()
    images = torch.rand(3, 3, 64, 64)
    samples = [
        DetDataSample(
            metainfo=dict(
                ori_shape=(64, 64),
                img_shape=(64, 64),
                batch_input_shape=(64, 64),
                scale_factor=(1.0, 1.0),
            )
        )
        for _ in images
    ]
    with torch.no_grad():
        together = model.predict(images, samples)
        for i in range(3):
            (alone,) = model.predict(images[i : i + 1], samples[i : i + 1])
            expected = together[i].pred_instances
            assert len(alone.pred_instances) == len(expected) > 0
            torch.testing.assert_close(
                alone.pred_instances.bboxes, expected.bboxes, atol=1e-4, rtol=1e-5
            )
            assert alone.pred_instances.labels.tolist() == (expected.labels.tolist())


def test_the_head_serves_any_backbone():
    model = MODELS.build(
        dict(
            type='mmdet.SingleStageDetector',
            data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
            backbone=dict(type='mmdet.ResNet', depth=18, out_indices=(3,)),
            bbox_head=dict(
                type='projects.YOLOv1Head',
                num_classes=3,
                in_channels=512,
                predictor=CONV,
            ),
            test_cfg=TEST_CFG,
        )
    )
    sample = DetDataSample(
        metainfo=dict(batch_input_shape=(96, 96), img_shape=(96, 96)),
        gt_instances=objects((10, 10, 40, 40)),
    )
    losses = model.loss(torch.rand(1, 3, 96, 96), [sample])
    sum(losses.values()).backward()
    assert model.backbone.conv1.weight.grad.abs().sum() > 0


def test_fifty_steps_on_degenerate_boxes_stay_finite():
    torch.manual_seed(0)
    head = make_head()
    optimizer = torch.optim.SGD(head.parameters(), lr=0.01, momentum=0.9)
    gt = objects(
        (0, 0, 100, 100),
        (0, 0, 0, 0),
        (50, 50, 50.5, 100),
        (-1e6, -1e6, 1e6, 1e6),
        (99, 99, 100, 100),
        (0, 0, 1, 1),
    )
    x = torch.rand(2, 4, 2, 2)
    for _ in range(50):
        losses = head.loss_by_feat(*head((x,)), [gt, objects()], metas(2))
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        assert np.isfinite(total.item())


def test_objects_out_of_reach_by_hand():
    """A grid of 2 x 2 on 100 x 100: three objects in the first cell of image 0, one of
    image 1, one in another cell, and one of 0.4 pixels."""
    boxes = [[10, 10, 20, 20], [20, 20, 40, 40], [5, 5, 45, 45]]
    boxes += [[10, 10, 20, 20], [60, 60, 90, 90], [60, 10, 90, 10.4]]
    image_ids = torch.tensor([0, 0, 0, 1, 0, 0])
    rows = make_head().out_of_reach(torch.tensor(boxes), image_ids, (100, 100), [])
    sharing, lost, small = (mask.tolist() for mask, _, _ in rows)
    assert sharing == [True, True, True, False, False, False]
    assert lost == [False, True, True, False, False, False]
    assert small == [False] * 5 + [True]
    assert 'of the 2 x 2 grid' in rows[1][1]
