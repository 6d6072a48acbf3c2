"""Head of SSD: scores and offsets of default boxes, the multibox loss and
detections (paper, Sec. 2.1 and 2.2).

Shapes: N images, L levels, H and W positions, k default boxes at a position,
P default boxes of all levels, C classes without the background, which is
label C. Boxes are (n, 4) xyxy, pixels of the network input.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import box_convert

from projects.core.tasks.detection import head as detection
from projects.registry import MODELS
from projects.ssd.default_boxes import DefaultBoxes, decode, encode
from projects.ssd.matching import match


@MODELS.register_module()
class SSDHead(detection.DetectionHead):
    """A convolution on each map predicts C + 1 scores and 4 offsets for each
    default box.

    Serves under mmdet's ``SingleStageDetector`` after any backbone and neck.
    Weights have mmdetection's names.

    Args:
        num_classes: C.
        in_channels: Channels of each map.
        default_boxes: Arguments of
            :class:`projects.ssd.default_boxes.DefaultBoxes`.
        use_depthwise: Whether the 3x3 convolutions are depthwise ones and 1x1
            ones after them, as in SSDLite.
        norm_cfg: Normalisation of the depthwise ones.
        act_cfg: Activation of the depthwise ones.
        iou_thr: Least IoU with an object that makes a default box positive.
        neg_pos_ratio: Negatives of an image for each of its positives, those
            of the highest loss.
        bbox_weight: Weight of the offsets' loss, alpha in Eq. 1.
        bipartite: Whether two objects never share their best default box, as
            in the authors' code; otherwise a later one takes it, as in mmdet
            and torchvision.
        count_empty_images: Whether an image without positives counts as one
            of the positives that the loss is divided by, as in mmdet.
        use_ignored: Whether objects that are marked to be ignored are objects
            in training, as the paper has it for VOC's difficult ones.
        train_cfg: Nothing is read from it; mmdet's detectors pass one.
        test_cfg: ``score_thr`` (least score), ``nms_pre`` (candidates of a
            class), ``nms_iou_thr`` and ``max_per_img``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is the paper's, Xavier's.
    """

    nms_pre_of_class = True
    drops_empty_boxes = True
    #: pictures of tools/analysis_tools/look_inside.py
    views = {'matches': 'projects.ssd.draw_origins:draw_origins'}

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int],
        default_boxes: dict,
        use_depthwise: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        iou_thr: float = 0.5,
        neg_pos_ratio: int = 3,
        bbox_weight: float = 1.0,
        bipartite: bool = True,
        count_empty_images: bool = False,
        use_ignored: bool = False,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform')
        )
        self.num_classes = num_classes
        self.default_boxes = DefaultBoxes(**default_boxes)
        self.iou_thr = iou_thr
        self.neg_pos_ratio = neg_pos_ratio
        self.bbox_weight = bbox_weight
        self.bipartite = bipartite
        self.count_empty_images = count_empty_images
        self.use_ignored = use_ignored
        self.test_cfg = ConfigDict(test_cfg or {})
        if len(in_channels) != len(self.default_boxes.num_boxes):
            raise ValueError(
                f'in_channels has {len(in_channels)} maps, default_boxes '
                f'{len(self.default_boxes.num_boxes)} levels'
            )

        def predictor(channels: int, out_channels: int) -> nn.Sequential:
            if not use_depthwise:
                return nn.Sequential(nn.Conv2d(channels, out_channels, 3, padding=1))
            return nn.Sequential(
                ConvModule(
                    channels,
                    channels,
                    3,
                    padding=1,
                    groups=channels,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg or dict(type='ReLU'),
                ),
                nn.Conv2d(channels, out_channels, 1),
            )

        self.cls_convs = nn.ModuleList()
        self.reg_convs = nn.ModuleList()
        for channels, num_boxes in zip(
            in_channels, self.default_boxes.num_boxes, strict=True
        ):
            self.cls_convs.append(predictor(channels, num_boxes * (num_classes + 1)))
            self.reg_convs.append(predictor(channels, num_boxes * 4))

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores (N, k * (C + 1), H, W) and offsets (N, k * 4, H, W) of each
        of L maps.

        Raises:
            ValueError: If the maps are not as many as the levels.
        """
        if len(feats) != len(self.cls_convs):
            raise ValueError(
                f'{len(feats)} maps come in; the head has {len(self.cls_convs)} levels'
            )
        return (
            [conv(x) for conv, x in zip(self.cls_convs, feats, strict=True)],
            [conv(x) for conv, x in zip(self.reg_convs, feats, strict=True)],
        )

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list | None = None,
    ) -> dict[str, Tensor]:
        """The two terms of Eq. 1, each divided by the number of positives."""
        priors = self._priors(cls_scores)
        if self.use_ignored and batch_gt_instances_ignore is not None:
            batch_gt_instances = [
                gt
                if ignored is None
                else InstanceData(
                    bboxes=torch.cat([gt.bboxes, ignored.bboxes]),
                    labels=torch.cat([gt.labels, ignored.labels]),
                )
                for gt, ignored in zip(
                    batch_gt_instances, batch_gt_instances_ignore, strict=True
                )
            ]
        gt_bboxes = torch.cat([gt.bboxes for gt in batch_gt_instances])
        gt_labels = torch.cat([gt.labels for gt in batch_gt_instances])
        gt_bboxes = gt_bboxes.to(priors)
        matched = match(
            gt_bboxes,
            [len(gt) for gt in batch_gt_instances],
            box_convert(priors, 'cxcywh', 'xyxy'),
            self.iou_thr,
            self.bipartite,
        )  # (N, P)

        positive = matched >= 0
        negative = self._hardest_negatives(cls_scores, positive)
        num_positives = positive.sum(1)
        if self.count_empty_images:
            num_positives = num_positives.clamp(min=1)
        scale = num_positives.sum().clamp(min=1)  # no positives: no loss

        # only these take part: all others' gradient is 0
        boxes, image_ids = (positive | negative).t().nonzero(as_tuple=True)
        labels = F.pad(gt_labels, (0, 1), value=self.num_classes)[
            matched[image_ids, boxes]
        ]  # -1, no object, is the last
        loss_cls = F.cross_entropy(
            self._of_boxes(cls_scores, image_ids, boxes), labels, reduction='sum'
        )
        boxes, image_ids = positive.t().nonzero(as_tuple=True)
        loss_bbox = F.smooth_l1_loss(
            self._of_boxes(bbox_preds, image_ids, boxes),
            encode(gt_bboxes[matched[image_ids, boxes]], priors[boxes]),
            reduction='sum',
        )
        return dict(
            loss_cls=loss_cls / scale, loss_bbox=self.bbox_weight * loss_bbox / scale
        )

    @torch.no_grad()
    def _hardest_negatives(self, cls_scores: list[Tensor], positive: Tensor) -> Tensor:
        """(N, P) bool: of each image the unmatched default boxes of the
        highest loss, ``neg_pos_ratio`` for each positive at most."""
        losses = torch.cat(
            [
                -x.float().log_softmax(2)[:, :, -1].transpose(1, 2).flatten(1)
                for x in self._by_box(cls_scores)
            ],
            1,
        )
        losses[positive] = -torch.inf
        num_negatives = (self.neg_pos_ratio * positive.sum(1)).minimum(
            (~positive).sum(1)
        )
        hardest = losses.topk(int(num_negatives.max())).indices
        chosen = (
            torch.arange(hardest.shape[1], device=losses.device)
            < num_negatives[:, None]
        )
        return torch.zeros_like(positive).scatter_(1, hardest, chosen)

    def _of_boxes(self, maps: list[Tensor], image_ids: Tensor, boxes: Tensor) -> Tensor:
        """Numbers (n, channels) of n default boxes, float32.

        Read from the maps as they are: to bring all to the boxes' order would
        copy millions of scores, of which hundreds are asked for.

        Args:
            maps: (N, k * channels, H, W) of each level.
            image_ids: (n, ) in [0, N).
            boxes: (n, ) in [0, P), rising.
        """
        maps = self._by_box(maps)
        ends = torch.tensor([x.shape[1] * x.shape[3] for x in maps]).cumsum(0)
        counts = (
            torch.searchsorted(boxes, ends.to(boxes))
            .diff(prepend=boxes.new_zeros(1))
            .tolist()
        )
        rows, first = [], 0
        for x, image_id, box in zip(
            maps, image_ids.split(counts), boxes.split(counts), strict=True
        ):
            num_boxes, positions = x.shape[1], x.shape[3]
            box = box - first
            rows.append(x[image_id, box % num_boxes, :, box // num_boxes])
            first += num_boxes * positions
        return torch.cat(rows).float()  # a sum of many wants it under AMP

    def decoded(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        input_shape: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Boxes (N, P, 4), within the input, and scores (N, P, C)."""
        height, width = input_shape
        scores, preds = (
            torch.cat(
                [x.permute(0, 3, 1, 2).flatten(1, 2) for x in self._by_box(maps)], 1
            )
            for maps in (cls_scores, bbox_preds)
        )
        sizes = [x.shape[-2:] for x in cls_scores]
        priors = self.default_boxes.make(sizes, cls_scores[0].device)
        boxes = decode(preds.float(), priors).unflatten(-1, (2, 2))
        x, y = boxes[..., 0].clamp(0, width), boxes[..., 1].clamp(0, height)
        boxes = torch.stack([x, y], -1).flatten(-2)
        return boxes, scores.float().softmax(2)[..., :-1]

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_img_metas: list[dict],
        rescale: bool = True,
    ) -> list[InstanceData]:
        """Detections after non-maximum suppression within each class.

        Returns:
            One per image with ``bboxes`` (n, 4), ``scores`` (n, ) in falling
            order and ``labels`` (n, ); boxes in pixels of the original image
            where ``rescale``.
        """
        cfg, num_images = self.test_cfg, len(batch_img_metas)
        priors = self._priors(cls_scores)
        shapes = priors.new_tensor(
            [meta['img_shape'][1::-1] for meta in batch_img_metas]
        )
        # Detections of higher scores decide on those of lower ones, never the
        # other way round: once max_per_img stay among an image's best
        # candidates, the rest of them cannot matter.
        limit = 5 * cfg.max_per_img
        while True:
            scores, labels, boxes, image_ids, is_all = self._candidates(
                cls_scores, limit
            )
            bboxes = decode(self._of_boxes(bbox_preds, image_ids, boxes), priors[boxes])
            bboxes = bboxes.clamp(min=0).minimum(shapes.repeat(1, 2)[image_ids])
            stays = detection.batched_nms(
                bboxes,
                scores,
                image_ids * self.num_classes + labels,
                cfg.nms_iou_thr,
                cfg.nms_pre,
            )
            # outside of the image nothing is left of a box
            stays &= (bboxes[:, 2:] > bboxes[:, :2]).all(1)
            counts = torch.bincount(image_ids[stays], minlength=num_images)
            if (is_all | (counts >= cfg.max_per_img)).all():
                break
            limit *= 4
        return detection.to_instances(
            bboxes[stays],
            scores[stays],
            labels[stays],
            image_ids[stays],
            batch_img_metas,
            cfg.max_per_img,
            rescale,
        )

    def _candidates(
        self, cls_scores: list[Tensor], limit: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The best ``limit`` pairs of default box and class of each image
        with a score above ``score_thr``.

        Returns:
            Scores, labels, default boxes (rising) and images of the pairs,
            (n, ) each; whether these are all of an image's pairs, (N, ) bool.
        """
        tops, index, first = [], [], 0
        for x in self._by_box(cls_scores):
            num_boxes, positions = x.shape[1], x.shape[3]
            scores = x.float().softmax(2)
            if scores.requires_grad:  # softmax's gradient is made of its output
                scores = scores.clone()
            # the background is no detection, whatever the threshold
            scores[:, :, -1] = -torch.inf
            top, i = scores.flatten(1).topk(min(limit, scores[0].numel()))
            kind, label, position = torch.unravel_index(i, scores.shape[1:])
            box = first + position * num_boxes + kind
            tops.append(top)
            index.append(box * self.num_classes + label)
            first += num_boxes * positions
        tops, index = torch.cat(tops, 1), torch.cat(index, 1)
        tops, i = tops.topk(min(limit, tops.shape[1]))
        is_candidate = tops > self.test_cfg.score_thr
        index, order = index.gather(1, i)[is_candidate].sort()
        return (
            tops[is_candidate][order],
            index % self.num_classes,
            index // self.num_classes,
            is_candidate.nonzero()[order, 0],
            ~is_candidate[:, -1],
        )

    def out_of_reach(
        self,
        bboxes: Tensor,
        image_ids: Tensor,
        input_shape: tuple[int, int],
        map_sizes: list[tuple[int, int]],
    ) -> list[tuple[Tensor, str, str]]:
        """Objects that no default box overlaps enough, see
        :mod:`projects.core.tasks.detection.model_reach`."""
        missed = self.default_boxes.best_ious(bboxes, map_sizes) < self.iou_thr
        squares = [side for level in self.default_boxes.sides for side in level[0]]
        return [
            (
                missed,
                f'are reached by no default box (IoU of {self.iou_thr:g} or more) at '
                f'{input_shape[1]} x {input_shape[0]}',
                'Each of them trains one box, the best there is, and is often missed: '
                'choose min_sizes and ratios of default_boxes by these objects (the '
                f'squares have sides of {min(squares):.0f} to {max(squares):.0f} '
                'pixels), or a larger input',
            )
        ]

    def _priors(self, maps: list[Tensor]) -> Tensor:
        """(P, 4) default boxes (cx, cy, w, h) of these maps."""
        return self.default_boxes([x.shape[-2:] for x in maps], maps[0].device)

    def _by_box(self, maps: list[Tensor]) -> list[Tensor]:
        """(N, k * channels, H, W) as (N, k, channels, H * W); views."""
        return [
            x.unflatten(1, (num_boxes, -1)).flatten(3)
            for x, num_boxes in zip(maps, self.default_boxes.num_boxes, strict=True)
        ]
