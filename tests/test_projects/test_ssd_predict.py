"""From the maps of SSD's head to detections.

Shapes: N images, k default boxes at a position, P of all levels, C classes;
label C is the background.
"""

import math

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_convert, clip_boxes_to_image, nms

import projects.ssd.head
from projects import create_model
from projects.core.variants import config_root
from projects.registry import MODELS
from projects.ssd import SSDHead
from projects.ssd.default_boxes import decode
from projects.ssd.draw_origins import origins

TEST_CFG = dict(score_thr=0.1, nms_pre=400, nms_iou_thr=0.45, max_per_img=20)
NUM_CLASSES = 6
MAP_SIZES = ((8, 8), (4, 4), (2, 2))  # 4 boxes at a position: P = 336


def make_head(**test_cfg):
    return SSDHead(
        NUM_CLASSES,
        (4, 4, 4),
        dict(
            min_sizes=(12, 30, 60),
            max_sizes=(30, 60, 90),
            ratios=((2,),) * 3,
            steps=(12, 24, 48),
        ),
        test_cfg={**TEST_CFG, **test_cfg},
    )


def metas(num_images, shape=(96, 96), scale_factor=(1.0, 1.0)):
    ori_shape = (round(shape[0] / scale_factor[1]), round(shape[1] / scale_factor[0]))
    return [
        dict(
            batch_input_shape=(96, 96),
            img_shape=shape,
            ori_shape=ori_shape,
            scale_factor=scale_factor,
        )
    ] * num_images


def random_maps(num_images, spread=3.0, bias=None, growth=1.0):
    """Scores of standard deviation ``spread``, ``bias`` (C + 1) on top, and
    offsets, of each level; boxes ``growth`` times as large."""
    cls_scores, bbox_preds = [], []
    for size in MAP_SIZES:
        scores = torch.randn(num_images, 4, NUM_CLASSES + 1, *size) * spread
        if bias is not None:
            scores += torch.tensor(bias)[:, None, None]
        cls_scores.append(scores.flatten(1, 2))
        offsets = torch.randn(num_images, 4, 4, *size)
        offsets[:, :, 2:] += math.log(growth) / 0.2
        bbox_preds.append(offsets.flatten(1, 2))
    return cls_scores, bbox_preds


def plain_detections(head, cls_scores, bbox_preds, batch_img_metas):
    """(bboxes, scores, labels) of each image, one class after another."""

    def by_box(maps, channels):  # (N, P, channels)
        return torch.cat(
            [x.permute(0, 2, 3, 1).reshape(len(x), -1, channels) for x in maps], 1
        )

    cfg, results = head.test_cfg, []
    all_scores = by_box(cls_scores, head.num_classes + 1).softmax(2)
    priors = box_convert(
        head.default_boxes([x.shape[-2:] for x in cls_scores]), 'cxcywh', 'xyxy'
    )
    for scores, preds, meta in zip(
        all_scores, by_box(bbox_preds, 4), batch_img_metas, strict=True
    ):
        bboxes = clip_boxes_to_image(
            BoxCoder((10.0, 10, 5, 5)).decode_single(preds, priors), meta['img_shape']
        )
        kept = []
        for label in range(head.num_classes):
            passing = (scores[:, label] > cfg.score_thr).nonzero().flatten()
            order = scores[passing, label].argsort(descending=True)
            best = passing[order[: cfg.nms_pre]]
            stays = nms(bboxes[best], scores[best, label], cfg.nms_iou_thr)
            kept += [(scores[i, label], bboxes[i], label) for i in best[stays]]
        kept = sorted(kept, key=lambda x: -x[0])[: cfg.max_per_img]
        results.append(
            (
                torch.stack([x[1] for x in kept]),
                torch.stack([x[0] for x in kept]),
                [x[2] for x in kept],
            )
        )
    return results


def assert_same(instances, bboxes, scores, labels, tolerance=1e-4):
    assert instances.labels.tolist() == labels
    torch.testing.assert_close(instances.scores, scores, atol=tolerance, rtol=0)
    torch.testing.assert_close(instances.bboxes, bboxes, atol=tolerance, rtol=1e-5)


@pytest.fixture
def rounds(monkeypatch):
    """Limits that :meth:`SSDHead._candidates` is called with."""
    limits = []
    candidates = SSDHead._candidates

    def counted(self, cls_scores, limit):
        limits.append(limit)
        return candidates(self, cls_scores, limit)

    monkeypatch.setattr(SSDHead, '_candidates', counted)
    return limits


def two_positions():
    """Head of 2 classes; maps of 1 x 2 positions, all of it background."""
    # centres (10, 10) and (30, 10), sides 10 and sqrt(10 * 40) = 20
    head = SSDHead(
        2,
        (4,),
        dict(min_sizes=(10,), max_sizes=(40,), ratios=((),), steps=(20,)),
        test_cfg=TEST_CFG,
    )
    cls_scores = torch.zeros(1, 2, 3, 1, 2)
    cls_scores[:, :, 2] = 20
    return head, cls_scores, torch.zeros(1, 2, 4, 1, 2)


def predict(head, cls_scores, bbox_preds, batch_img_metas):
    """Of one level, whose maps have k and channels apart."""
    return head.predict_by_feat(
        [cls_scores.flatten(1, 2)], [bbox_preds.flatten(1, 2)], batch_img_metas
    )


def test_a_detection_by_hand():
    head, cls_scores, bbox_preds = two_positions()
    # second box of the second position; background has the odds 5 of 10
    cls_scores[0, 1, :, 0, 1] = torch.tensor([3.0, 2, 5]).log()
    # the centre moves by 0.1 * 1 * 20 to x = 32; the width is 20 times
    # exp(0.2 * 5 * log(0.5)), 10, the height 20
    bbox_preds[0, 1, :, 0, 1] = torch.tensor([1, 0, 5 * math.log(0.5), 0])
    (result,) = predict(head, cls_scores, bbox_preds, metas(1, (20, 40)))
    # class 0 has 3 of 10, class 1 has 2; the background's 5 are no detection
    assert_same(
        result, torch.tensor([[27.0, 0, 37, 20]] * 2), torch.tensor([0.3, 0.2]), [0, 1]
    )


def test_boxes_of_a_position_keep_their_numbers_apart():
    head, cls_scores, bbox_preds = two_positions()
    # 10 of 10 + 1 + 2 for the small box of each position, 6 of 9 for the
    # large one: its side is 20, and it moves down by 0.1 * 2 * 20
    cls_scores[0, 0] = torch.tensor([[[1.0]], [[10.0]], [[2.0]]]).log()
    cls_scores[0, 1] = torch.tensor([[[6.0]], [[1.0]], [[2.0]]]).log()
    bbox_preds[0, 1, 1] = 2
    (result,) = predict(head, cls_scores, bbox_preds, metas(1, (40, 40)))
    result = result[result.scores > 0.5]
    assert_same(
        result,
        torch.tensor(
            [[5.0, 5, 15, 15], [25, 5, 35, 15], [0, 4, 20, 24], [20, 4, 40, 24]]
        ),
        torch.tensor([10 / 13, 10 / 13, 6 / 9, 6 / 9]),
        [1, 1, 0, 0],
    )


def test_the_score_must_be_above_the_threshold():
    head, cls_scores, bbox_preds = two_positions()
    cls_scores[0, 0, :, 0, 0] = torch.tensor([0.0, -100, 0])  # 0.5, exactly
    head.test_cfg.score_thr = 0.5
    assert len(predict(head, cls_scores, bbox_preds, metas(1))[0]) == 0
    head.test_cfg.score_thr = 0.4999
    assert len(predict(head, cls_scores, bbox_preds, metas(1))[0]) == 1


@pytest.mark.parametrize('score_thr', [-0.5, -math.inf])
@pytest.mark.parametrize('background', [20, 1000])  # others: 2e-9, exactly 0
def test_below_zero_every_score_is_a_candidate_but_the_background(
    score_thr, background
):
    head, cls_scores, bbox_preds = two_positions()
    cls_scores[:, :, 2] = background
    head.test_cfg.score_thr = score_thr
    (result,) = predict(head, cls_scores, bbox_preds, metas(1))
    # 2 positions, 2 boxes with an IoU of 100 / 400 at each, 2 classes
    assert sorted(result.labels.tolist()) == [0] * 4 + [1] * 4
    assert len({tuple(box) for box in result.bboxes.tolist()}) == 4
    assert (result.scores < 1e-8).all()


# background nearly everywhere
FEW = dict(bias=(0.0, 0, 0, 0, 0, 0, 13))
# class 0 has the 336 best candidates of an image or nearly so
ONE_CLASS = dict(bias=(6.0, 0, 0, 0, 0, 0, 0), spread=1.0)
OVERLAP = dict(**ONE_CLASS, growth=6.0)


@pytest.mark.parametrize(
    ('test_cfg', 'kind', 'limits'),
    [
        (dict(), FEW, [100]),
        # hundreds of candidates, of which 100 suffice
        (dict(), dict(), [100]),
        (dict(score_thr=0.0), dict(), [100]),
        (dict(score_thr=0.0, max_per_img=1), dict(), [5]),
        (dict(nms_pre=1, max_per_img=1), ONE_CLASS, [5]),  # one will do
        # as many as there are: 336 * 6, and as many backgrounds
        (dict(score_thr=0.0, max_per_img=500), dict(), [2500]),
        # of the best 100 fewer than 20 stay
        (dict(nms_pre=5), ONE_CLASS, [100, 400]),
        (dict(nms_pre=3, max_per_img=8), ONE_CLASS, [40, 160, 640]),
        (dict(nms_pre=3, max_per_img=8, score_thr=0.0), ONE_CLASS, [40, 160, 640]),
        (dict(nms_pre=5, score_thr=0.3), ONE_CLASS, [100, 400]),  # and no more
        (dict(nms_iou_thr=0.3), OVERLAP, [100, 400]),
        (dict(nms_iou_thr=0.3, score_thr=0.0), OVERLAP, [100, 400]),
        # below 0 all 336 * 6 are candidates, and backgrounds are none
        (dict(score_thr=-1.0), FEW, [100]),
        (dict(score_thr=-1.0, max_per_img=500), dict(), [2500]),
        # 3 of each class can stay, never 20: all of them are looked at
        (dict(score_thr=-1.0, nms_pre=3), dict(), [100, 400, 1600, 6400]),
        (dict(score_thr=-math.inf, nms_pre=3), FEW, [100, 400, 1600, 6400]),
    ],
)
def test_detections_are_those_of_plain_loops(rounds, test_cfg, kind, limits):
    torch.manual_seed(0)
    head = make_head(**test_cfg)
    maps = random_maps(3, **kind)
    results = head.predict_by_feat(*maps, metas(3))
    assert rounds == limits
    for result, expected in zip(
        results, plain_detections(head, *maps, metas(3)), strict=True
    ):
        assert len(result) > 0
        assert_same(result, *expected)


def test_images_of_a_batch_need_not_as_many_rounds(rounds):
    torch.manual_seed(0)
    head = make_head(nms_pre=5)
    kinds = [random_maps(1, **kind) for kind in ({}, FEW, ONE_CLASS)]
    maps = [
        [torch.cat(levels) for levels in zip(*parts, strict=True)]
        for parts in zip(*kinds, strict=True)
    ]
    results = head.predict_by_feat(*maps, metas(3))
    assert rounds == [100, 400]
    for result, alone in zip(results, kinds, strict=True):
        (expected,) = plain_detections(head, *alone, metas(1))
        assert_same(result, *expected)


@pytest.mark.parametrize('score_thr', [0.02, 0.2])
def test_detections_are_those_of_mmdet(score_thr):
    torch.manual_seed(0)
    # as in configs/ssd/reference, with C = 6 and small maps
    cfg = Config.fromfile(config_root() / 'ssd/reference/ssd300_vgg16_mmdet.py')
    cfg.model.bbox_head.num_classes = NUM_CLASSES
    cfg.model.test_cfg.update(score_thr=score_thr, max_per_img=200, nms_pre=100_000)
    reference = MODELS.build({**cfg.model.bbox_head, 'test_cfg': cfg.model.test_cfg})
    ours = Config.fromfile(config_root() / '_base_/models/ssd300_vgg16.py')
    head = SSDHead(
        NUM_CLASSES,
        (4,) * 6,
        ours.model.bbox_head.default_boxes,
        test_cfg=dict(
            score_thr=score_thr,
            nms_pre=100_000,
            max_per_img=200,
            nms_iou_thr=cfg.model.test_cfg.nms.iou_threshold,
        ),
    )
    num_boxes = head.default_boxes.num_boxes
    sizes = ((12, 12), (6, 6), (4, 4), (3, 3), (2, 2), (1, 1))
    cls_scores, bbox_preds = (
        [
            scale * torch.randn(2, k * channels, *size)
            for k, size in zip(num_boxes, sizes, strict=True)
        ]
        for scale, channels in ((3, NUM_CLASSES + 1), (1, 4))
    )
    batch_img_metas = metas(2, (160, 170), (0.5, 2.0))
    for result, expected in zip(
        head.predict_by_feat(cls_scores, bbox_preds, batch_img_metas),
        reference.predict_by_feat(
            cls_scores, bbox_preds, batch_img_metas=batch_img_metas, rescale=True
        ),
        strict=True,
    ):
        assert len(result) == 200
        assert_same(result, expected.bboxes, expected.scores, expected.labels.tolist())


def test_only_the_best_candidates_are_decoded(monkeypatch, rounds):
    torch.manual_seed(0)
    rows = []
    decode = projects.ssd.head.decode

    def counted(bbox_preds, default_boxes):
        rows.append(len(bbox_preds))
        return decode(bbox_preds, default_boxes)

    monkeypatch.setattr(projects.ssd.head, 'decode', counted)
    make_head(score_thr=0.0).predict_by_feat(*random_maps(3), metas(3))
    # 5 * 20 of the 336 * 6 pairs of each image
    assert rows == [3 * 100]
    make_head().predict_by_feat(*random_maps(1, **FEW), metas(1))
    assert 0 < rows[1] < 100


def test_channels_last_maps_give_the_same():
    torch.manual_seed(0)
    head = make_head()
    maps = random_maps(2)
    turned = [
        [x.contiguous(memory_format=torch.channels_last) for x in parts]
        for parts in maps
    ]
    for a, b in zip(
        head.predict_by_feat(*maps, metas(2)),
        head.predict_by_feat(*turned, metas(2)),
        strict=True,
    ):
        assert len(a) == 20
        assert_same(a, b.bboxes, b.scores, b.labels.tolist(), tolerance=1e-5)


@pytest.mark.parametrize('num_images', [1, 3])
def test_images_without_candidates(num_images):
    results = make_head().predict_by_feat(
        *random_maps(num_images, bias=(0.0, 0, 0, 0, 0, 0, 50)), metas(num_images)
    )
    assert len(results) == num_images
    for result in results:
        assert result.bboxes.shape == (0, 4)
        assert result.scores.shape == result.labels.shape == (0,)
        assert result.labels.dtype == torch.long


def test_boxes_lie_in_their_image():
    # 60 rows and 80 columns of 96 x 96 are the image, the rest is padding
    torch.manual_seed(0)
    for result in make_head().predict_by_feat(*random_maps(2), metas(2, (60, 80))):
        bboxes = result.bboxes
        assert bboxes.min() == 0
        assert bboxes[:, 0::2].max() == 80
        assert bboxes[:, 1::2].max() == 60
        assert (bboxes[:, 2:] >= bboxes[:, :2]).all()


def test_boxes_go_back_to_the_original_image():
    torch.manual_seed(0)
    head, maps = make_head(), random_maps(1)
    meta = dict(img_shape=(96, 96), ori_shape=(48, 384), scale_factor=(0.25, 2.0))
    (result,) = head.predict_by_feat(*maps, [meta])
    (as_input,) = head.predict_by_feat(*maps, [meta], rescale=False)
    # x / 0.25 and y / 2
    torch.testing.assert_close(
        result.bboxes, as_input.bboxes * torch.tensor([4, 0.5, 4, 0.5])
    )
    assert as_input.bboxes.max() == 96


@pytest.fixture(scope='module')
def small_model():
    """SSD-mini of scores and offsets that differ, in evaluation mode."""
    torch.manual_seed(0)
    model = create_model('ssd_mini', num_classes=NUM_CLASSES).eval()
    with torch.no_grad():
        maps = model.bbox_head(model.extract_feat(torch.rand(2, 3, 96, 96)))
        for convs, outs, spread in zip(
            (model.bbox_head.cls_convs, model.bbox_head.reg_convs),
            maps,
            (3, 1),
            strict=True,
        ):
            for conv, out in zip(convs, outs, strict=True):
                conv[0].weight *= spread / out.std()
    return model


def samples(num_images):
    return [DetDataSample(metainfo=meta) for meta in metas(num_images)]


@torch.no_grad()
def test_batch_size_does_not_change_detections(small_model):
    torch.manual_seed(0)
    images = torch.rand(3, 3, 96, 96)
    together = small_model.predict(images, samples(3))
    for i in range(3):
        (alone,) = small_model.predict(images[i : i + 1], samples(1))
        expected = together[i].pred_instances
        assert len(expected) > 20
        assert_same(
            alone.pred_instances,
            expected.bboxes,
            expected.scores,
            expected.labels.tolist(),
        )


@torch.no_grad()
def test_bfloat16_gives_finite_float32_detections(small_model):
    torch.manual_seed(0)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        results = small_model.predict(torch.rand(2, 3, 96, 96), samples(2))
    for result in (x.pred_instances for x in results):
        assert len(result) > 20
        assert result.bboxes.dtype == result.scores.dtype == torch.float32
        assert result.bboxes.isfinite().all()
        assert (result.scores > 0.01).all()
        assert (result.scores <= 1).all()


def test_test_cfg_of_the_detector_reaches_the_head(small_model):
    assert small_model.bbox_head.test_cfg == ConfigDict(
        score_thr=0.01, nms_pre=400, nms_iou_thr=0.45, max_per_img=100
    )


def test_default_boxes_that_detections_come_from():
    """Each is found again among all, by what its default box decodes to."""
    torch.manual_seed(0)
    head = make_head(score_thr=0.3)
    cls_scores, bbox_preds = random_maps(1)
    found = head.predict_by_feat(cls_scores, bbox_preds, metas(1), rescale=False)[0]
    assert len(found) == 20
    chosen = origins(head, cls_scores, bbox_preds, found, (96, 96))

    priors = head.default_boxes(MAP_SIZES)[chosen]
    # level by level, row by row, then box by box
    offsets = torch.cat(
        [
            x[0].unflatten(0, (4, 4)).permute(2, 3, 0, 1).flatten(0, 2)
            for x in bbox_preds
        ]
    )[chosen]
    decoded = decode(offsets, priors).clamp(0, 96)
    torch.testing.assert_close(decoded, found.bboxes)
    scores = torch.cat(
        [
            x[0].unflatten(0, (4, -1)).permute(2, 3, 0, 1).flatten(0, 2)
            for x in cls_scores
        ]
    )[chosen].softmax(1)
    torch.testing.assert_close(scores[range(20), found.labels], found.scores)
