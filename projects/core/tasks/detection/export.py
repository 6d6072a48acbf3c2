"""Export of detectors whose heads say how boxes are decoded.

Legend: B images, N boxes of an image, K classes, D detections of an image at most.
Boxes are xyxy, in pixels of the network input.
"""

import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.tasks.detection.head import batched_nms
from projects.core.tasks.exported import ExportOptions
from projects.core.tasks.image_export import ImageExport


@torch.library.custom_op('mmatlas::nms', mutates_args=())
def nms(boxes: Tensor, scores: Tensor, iou_thr: float, score_thr: float) -> Tensor:
    """Which boxes stay, (B, K, N) bool, class by class.

    Args:
        boxes: (B, N, 4).
        scores: (B, K, N).
        iou_thr: Greatest IoU of two boxes that stay.
        score_thr: What scores must be above.
    """
    stays = torch.zeros_like(scores, dtype=torch.bool)
    places = (scores > score_thr).nonzero(as_tuple=True)
    images, labels, rows = places
    groups = images * scores.shape[1] + labels
    stays[places] = batched_nms(boxes[images, rows], scores[places], groups, iou_thr)
    return stays


@nms.register_fake
def _(boxes: Tensor, scores: Tensor, iou_thr: float, score_thr: float) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def _onnx_nms():
    from onnxscript import BOOL, FLOAT
    from onnxscript import opset18 as op

    def translated(
        boxes: FLOAT, scores: FLOAT, iou_thr: float, score_thr: float
    ) -> BOOL:
        none = op.Constant(value_floats=[score_thr])
        overlap = op.Constant(value_floats=[iou_thr])
        every = op.Constant(value_ints=[2**31 - 1])
        chosen = op.NonMaxSuppression(boxes, scores, every, overlap, none)
        stay = op.Greater(scores, op.Constant(value_float=float('inf')))
        count = op.Shape(chosen, start=0, end=1)
        true = op.Expand(op.Constant(value_int=1), count)
        return op.ScatterND(stay, chosen, op.Cast(true, to=9))  # 9: BOOL

    return translated


class DetectorGraph(nn.Module):
    """Images to boxes (B, N, 4) and scores (B, N, K), or to detections.

    Args:
        normalize: Of the images.
        network: mmdet's ``SingleStageDetector`` with a head of ours.
        raw: Whether NMS is left out.
    """

    def __init__(self, normalize: nn.Module, network: nn.Module, raw: bool) -> None:
        super().__init__()
        self.normalize, self.network, self.raw = normalize, network, raw

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        head = self.network.bbox_head
        outs = head(self.network.extract_feat(self.normalize(images)))
        boxes, scores = head.decoded(*outs, tuple(images.shape[-2:]))
        if self.raw:
            return boxes, scores
        return self.detections(boxes, scores.transpose(1, 2))

    def detections(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        """Boxes (B, D, 4), scores (B, D), labels (B, D) and how many of them are
        detections, (B,); of (B, N, 4) boxes and (B, K, N) scores."""
        head = self.network.bbox_head
        cfg, num = head.test_cfg, boxes.shape[1]
        if not head.nms_pre_of_class:
            scores = scores.flatten(1)
        scores = only_best(scores, cfg.nms_pre)
        scores = scores.reshape(boxes.shape[0], head.num_classes, num)
        stays = nms(boxes, scores, cfg.nms_iou_thr, cfg.score_thr)
        if head.drops_empty_boxes:
            has_area = (boxes[..., 2:] > boxes[..., :2]).all(-1)
            stays = stays & has_area[:, None]
        # so that there are always as many to choose from
        best = torch.where(stays, scores, -1.0).flatten(1)
        best = F.pad(best, (0, cfg.max_per_img), value=-1.0)
        scores, index = best.topk(cfg.max_per_img)
        is_detection = scores > -1
        index = torch.where(is_detection, index, 0)
        # tables, for the exporter knows no division by a number that is left open
        classes, places = (
            torch.arange(n, device=boxes.device) for n in (head.num_classes, num)
        )
        labels = classes[:, None].expand(-1, num).flatten()[index]
        labels = torch.where(is_detection, labels, -1)
        rows = places.expand(head.num_classes, -1).flatten()[index]
        rows = rows[..., None].expand(-1, -1, 4)
        return (
            boxes.gather(1, rows) * is_detection[..., None],
            torch.where(is_detection, scores, 0.0),
            labels,
            is_detection.sum(1),
        )


def only_best(scores: Tensor, num: int) -> Tensor:
    """Scores (..., n), those that are not among the ``num`` best -1."""
    padded = F.pad(scores, (0, num), value=-1.0)
    best, index = padded.topk(num)
    kept = torch.full_like(padded, -1.0).scatter(-1, index, best)
    return kept[..., : scores.shape[-1]]


class DetectorExport(ImageExport):
    """See :class:`ImageExport`.

    Raises:
        UserError: If the head does not say how its boxes are decoded.
    """

    operators = {torch.ops.mmatlas.nms.default: _onnx_nms}

    def __init__(self, model, cfg, meta: dict, options: ExportOptions) -> None:
        head = getattr(model, 'bbox_head', None)
        if not hasattr(head, 'decoded') or hasattr(model, 'roi_head'):
            raise UserError(
                f'{options.checkpoint} holds the model {type(model).__name__} with the '
                f'head {type(head).__name__}, which cannot be exported: of detectors, '
                'only those with a projects.YOLOv1Head or a projects.SSDHead can'
            )
        super().__init__(model, cfg, meta, options)
        self.graph = DetectorGraph(self.normalize, self.network, options.raw).eval()
        self.facts.update(
            head.test_cfg,
            box_format='xyxy, pixels of the network input',
        )
        boxes = 'xyxy, in pixels of the network input'
        if options.raw:
            self.operators = {}
            self.outputs = {
                'boxes': f'(B, N, 4) {boxes}',
                'scores': '(B, N, K) of the classes',
            }
        else:
            most = head.test_cfg.max_per_img
            self.outputs = {
                'boxes': f'(B, {most}, 4) {boxes}',
                'scores': f'(B, {most}) falling, 0 where there is no detection',
                'labels': f'(B, {most}) of classes from 0, -1 where there is none',
                'num_dets': '(B,) detections of an image',
            }

    def expected(self, images: Tensor) -> tuple[Tensor, ...]:
        if self.options.raw:
            x = self.normalize(images)
            head = self.model.bbox_head
            outs = head(self.model.extract_feat(x))
            return head.decoded(*outs, tuple(images.shape[-2:]))
        size = tuple(images.shape[-2:])
        metainfo = dict(
            img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=0
        )
        samples = [DetDataSample(metainfo=metainfo) for _ in images]
        found = [s.pred_instances for s in self.predicted(images, samples)]
        most = self.model.bbox_head.test_cfg.max_per_img
        rows = []
        for dets in found:
            pad = (0, most - len(dets))
            rows.append(
                (
                    F.pad(dets.bboxes, (0, 0, *pad)),
                    F.pad(dets.scores, pad),
                    F.pad(dets.labels, pad, value=-1),
                    torch.tensor(len(dets)),
                )
            )
        return tuple(map(torch.stack, zip(*rows, strict=True)))

    def differences(
        self, outputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]
    ) -> dict[str, float]:
        """As :meth:`Exported.differences`; detections in another order are no
        difference where their scores are almost the same."""
        if self.options.raw:
            return super().differences(outputs, expected)
        outputs = _paired(outputs, expected)
        found = super().differences(outputs, expected)
        for name, got, wanted in zip(self.outputs, outputs, expected, strict=True):
            if not got.is_floating_point() and not torch.equal(got, wanted):
                found[name] = float('inf')
        return found

    def contents(self, expected: list[tuple[Tensor, ...]]) -> str:
        if self.options.raw:
            return ''
        return f' with {sum(int(outs[-1].sum()) for outs in expected)} detections'


def _paired(
    outputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Detections in the order of those that are expected: each is paired with the
    nearest of its label."""
    boxes, scores, labels, num_dets = outputs
    order = torch.arange(scores.shape[1]).repeat(len(scores), 1)
    for i, (wanted, wanted_labels, num) in enumerate(
        zip(expected[0], expected[2], expected[3].tolist(), strict=True)
    ):
        if num != num_dets[i]:
            continue
        distance = torch.cdist(wanted[:num], boxes[i, :num], 1)
        distance[wanted_labels[:num, None] != labels[i, :num]] = torch.inf
        if num:
            order[i, :num] = distance.argmin(1)
    return (
        boxes.gather(1, order[..., None].expand_as(boxes)),
        scores.gather(1, order),
        labels.gather(1, order),
        num_dets,
    )
