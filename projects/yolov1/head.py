"""Head of YOLOv1: loss (paper, Sec. 2.2) and detections (Sec. 2.3).

Shapes: N images, S cells a side, B boxes a cell, C classes, M objects of the
batch, K of them that got a cell. Boxes are (M, 4) xyxy in pixels of the
network input unless said otherwise. Labels are in [0, C).
"""

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from projects.core.tasks.detection import head as detection
from projects.registry import MODELS
from projects.yolov1.targets import (
    MIN_SIDE,
    assign_to_cells,
    cells_of,
    decode_boxes,
    paired_iou,
)


@MODELS.register_module()
class YOLOv1Head(detection.DetectionHead):
    """Grid of S x S cells, each with C class scores and B boxes.

    Serves under mmdet's ``SingleStageDetector``, on the last map of any
    backbone or neck; a map that is not S x S is brought to it by adaptive
    average pooling. All outputs are linear, as in the paper. A box is its
    centre's offset within the cell (in cells) and the square roots of its
    width and height (in image sides); a confidence stands for the IoU with
    the object.

    Args:
        num_classes: C.
        in_channels: Channels of the last map.
        grid_size: S.
        num_boxes: B.
        predictor: Config of the last layers, see
            :mod:`projects.yolov1.predictors`.
        coord_scale: Weight of the box terms, lambda_coord.
        object_scale: Weight of the confidence of responsible boxes.
        noobject_scale: Weight of the other confidences, lambda_noobj.
        class_scale: Weight of the class scores.
        train_cfg: Nothing is read from it; mmdet's detectors pass one.
        test_cfg: ``score_thr`` (least score), ``nms_pre`` (candidates of an
            image that enter NMS), ``nms_iou_thr`` and ``max_per_img``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.
    """

    #: pictures of tools/analysis_tools/look_inside.py
    views = {'grid': 'projects.yolov1.draw_grid:draw_grid'}

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        grid_size: int = 7,
        num_boxes: int = 2,
        predictor: dict | None = None,
        coord_scale: float = 5.0,
        object_scale: float = 1.0,
        noobject_scale: float = 0.5,
        class_scale: float = 1.0,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.grid_size = grid_size
        self.num_boxes = num_boxes
        self.coord_scale = coord_scale
        self.object_scale = object_scale
        self.noobject_scale = noobject_scale
        self.class_scale = class_scale
        self.test_cfg = ConfigDict(test_cfg or {})
        self.predictor = MODELS.build(
            {
                'type': 'projects.YOLOv1ConnectedPredictor',
                **(predictor or {}),
                'in_channels': in_channels,
                'grid_size': grid_size,
                'num_classes': num_classes,
                'num_boxes': num_boxes,
            }
        )

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Class scores (N, S*S, C), confidences (N, S*S, B) and boxes
        (N, S*S, B, 4) of the last of ``feats``, (N, D, H, W)."""
        x, cells = feats[-1], self.grid_size**2
        if x.shape[-2:] != (self.grid_size, self.grid_size):
            x = F.adaptive_avg_pool2d(x, self.grid_size)
        cls_scores, confs, bbox_preds = self.predictor(x).split(
            [
                cells * self.num_classes,
                cells * self.num_boxes,
                cells * self.num_boxes * 4,
            ],
            1,
        )
        return (
            cls_scores.unflatten(1, (cells, self.num_classes)),
            confs.unflatten(1, (cells, self.num_boxes)),
            bbox_preds.unflatten(1, (cells, self.num_boxes, 4)),
        )

    def loss_by_feat(
        self,
        cls_scores: Tensor,
        confs: Tensor,
        bbox_preds: Tensor,
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list | None = None,
    ) -> dict[str, Tensor]:
        """The four sums of the paper's Eq. 3, per image of the batch.

        Ignored objects are no objects here.
        """
        num_images = len(cls_scores)
        # sums of squares over thousands of numbers need float32 under AMP
        cls_scores = cls_scores.float().flatten(0, 1)
        confs = confs.float().flatten(0, 1)
        bbox_preds = bbox_preds.float().flatten(0, 1)

        gt_bboxes = torch.cat([gt.bboxes for gt in batch_gt_instances])
        gt_labels = torch.cat([gt.labels for gt in batch_gt_instances])
        image_ids = torch.arange(num_images, device=confs.device).repeat_interleave(
            torch.tensor([len(gt) for gt in batch_gt_instances], device=confs.device)
        )
        cell_ids, targets, chosen = assign_to_cells(
            gt_bboxes.to(confs),
            image_ids,
            num_images,
            self.grid_size,
            batch_img_metas[0]['batch_input_shape'],
        )

        # which of the cell's B boxes is responsible: the best IoU as they
        # stand, or, where none touches the object, the least distance
        preds = bbox_preds[cell_ids]  # (K, B, 4)
        with torch.no_grad():
            decoded = decode_boxes(preds, cell_ids, self.grid_size)
            wanted = decode_boxes(targets[:, None], cell_ids, self.grid_size)
            ious = paired_iou(decoded, wanted)  # (K, B)
            distances = (decoded - wanted).square().sum(-1)
            responsible = torch.where(
                ious.amax(1) > 0, ious.argmax(1), distances.argmin(1)
            )
        rows = torch.arange(len(cell_ids), device=confs.device)
        is_other = torch.ones_like(confs)
        is_other[cell_ids, responsible] = 0
        one_hot = F.one_hot(gt_labels[chosen], self.num_classes).to(confs)

        coord = (preds[rows, responsible] - targets).square().sum()
        conf = (confs[cell_ids, responsible] - ious[rows, responsible]).square().sum()
        noobj = (confs.square() * is_other).sum()
        cls = (cls_scores[cell_ids] - one_hot).square().sum()
        return dict(
            loss_coord=self.coord_scale * coord / num_images,
            loss_object=self.object_scale * conf / num_images,
            loss_noobject=self.noobject_scale * noobj / num_images,
            loss_class=self.class_scale * cls / num_images,
        )

    def out_of_reach(
        self,
        bboxes: Tensor,
        image_ids: Tensor,
        input_shape: tuple[int, int],
        map_sizes: list[tuple[int, int]],
    ) -> list[tuple[Tensor, str, str]]:
        """Objects that get no cell, see
        :mod:`projects.core.tasks.detection.model_reach`."""
        chosen, _, cell_ids = cells_of(bboxes, image_ids, self.grid_size, input_shape)
        _, inverse, counts = cell_ids.unique(return_inverse=True, return_counts=True)
        sharing = torch.zeros(len(bboxes), dtype=torch.bool)
        sharing[chosen] = counts[inverse] > 1
        # all but the first of each cell
        order = inverse.argsort(stable=True)
        firsts = order[counts.cumsum(0) - counts]
        lost = torch.zeros(len(bboxes), dtype=torch.bool)
        lost[chosen] = True
        lost[chosen[firsts]] = False
        small = torch.ones(len(bboxes), dtype=torch.bool)
        small[chosen] = False
        grid = f'{self.grid_size} x {self.grid_size}'
        help_ = 'Choose a larger grid_size (and input), or an SSD for crowded scenes'
        return [
            (sharing, f'share a cell of the {grid} grid with another', help_),
            (
                lost,
                f'lose their cell of the {grid} grid to another object: at best one '
                'of each cell is learnt and predicted',
                help_,
            ),
            (
                small,
                f'have a side below {MIN_SIDE:g} of the image and are left out of the '
                'training',
                'Cut the images into tiles, or leave such objects out of the data',
            ),
        ]

    def decode(
        self,
        cls_scores: Tensor,
        confs: Tensor,
        bbox_preds: Tensor,
        batch_img_metas: list[dict],
    ) -> tuple[Tensor, Tensor]:
        """Boxes (N, S*S, B, 4) and scores (N, S*S, B, C) of all cells.

        A score is confidence times class score (Eq. 1). Both are linear
        outputs: a negative one counts as 0, or two of them would make a
        positive score.
        """
        cells = torch.arange(self.grid_size**2, device=confs.device)
        boxes = decode_boxes(bbox_preds.float(), cells, self.grid_size)
        height, width = batch_img_metas[0]['batch_input_shape']
        centre, half = boxes[..., :2], boxes[..., 2:] / 2
        boxes = torch.cat([centre - half, centre + half], -1).clamp(0, 1)
        boxes = boxes * boxes.new_tensor([width, height, width, height])
        scores = (
            confs.float().clamp(min=0)[..., None]
            * cls_scores.float().clamp(min=0)[:, :, None]
        )
        return boxes, scores.clamp(max=1)

    def decoded(
        self,
        cls_scores: Tensor,
        confs: Tensor,
        bbox_preds: Tensor,
        input_shape: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Boxes (N, S*S*B, 4) and scores (N, S*S*B, C)."""
        meta = dict(batch_input_shape=input_shape)
        boxes, scores = self.decode(cls_scores, confs, bbox_preds, [meta])
        return boxes.flatten(1, 2), scores.flatten(1, 2)

    def predict_by_feat(
        self,
        cls_scores: Tensor,
        confs: Tensor,
        bbox_preds: Tensor,
        batch_img_metas: list[dict],
        rescale: bool = True,
    ) -> list[InstanceData]:
        """Detections after non-maximum suppression within each class.

        Returns:
            One per image with ``bboxes`` (n, 4), ``scores`` (n, ) in falling
            order and ``labels`` (n, ); boxes in pixels of the original image
            where ``rescale``.
        """
        cfg, num_images = self.test_cfg, len(cls_scores)
        boxes, scores = self.decode(cls_scores, confs, bbox_preds, batch_img_metas)
        # the best nms_pre of each image, all of the same count
        scores, index = scores.flatten(1).topk(min(cfg.nms_pre, scores[0].numel()))
        labels = index % self.num_classes
        boxes = boxes.flatten(1, 2).gather(
            1, (index // self.num_classes)[..., None].expand(-1, -1, 4)
        )
        image_ids = torch.arange(num_images, device=boxes.device)[:, None].expand_as(
            labels
        )

        valid = scores > cfg.score_thr
        boxes, scores = boxes[valid], scores[valid]
        labels, image_ids = labels[valid], image_ids[valid]
        stays = detection.batched_nms(
            boxes, scores, image_ids * self.num_classes + labels, cfg.nms_iou_thr
        )
        return detection.to_instances(
            boxes[stays],
            scores[stays],
            labels[stays],
            image_ids[stays],
            batch_img_metas,
            cfg.max_per_img,
            rescale,
        )
