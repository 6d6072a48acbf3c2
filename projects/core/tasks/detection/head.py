"""What heads of detectors share: their place in mmdet's detector, and the way
from candidate boxes to detections, for all images of a batch at once.

Shapes: n candidates of all images, N images. Boxes are (n, 4) xyxy, pixels.
"""

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures.bbox import bbox_overlaps
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from projects.core.tasks.detection.nms_meter import reports_nms

PAIRS_AT_ONCE = 2**17  # some 100 bytes each


class DetectionHead(BaseModule):
    """A head that serves under mmdet's ``SingleStageDetector``.

    A subclass has ``forward(feats)``, whose outputs are the first arguments of
    its ``loss_by_feat`` (then objects, meta data and ignored objects of the
    images) and ``predict_by_feat`` (then meta data and ``rescale``).

    To be exported it has ``decoded(*outputs, input_shape)``: boxes (N, P, 4) in
    pixels of an input of that height and width, and scores (N, P, C), of which
    ``predict_by_feat`` makes detections by ``test_cfg``.
    """

    #: whether ``nms_pre`` counts the candidates of a class, not those of an image
    nms_pre_of_class = False
    #: whether boxes without an area are no detections
    drops_empty_boxes = False

    def loss(
        self, feats: tuple[Tensor, ...], batch_data_samples: list
    ) -> dict[str, Tensor]:
        """Losses by name, for a batch of mmdet's samples."""
        gt_instances, gt_ignored, img_metas = unpack_gt_instances(batch_data_samples)
        return self.loss_by_feat(*self(feats), gt_instances, img_metas, gt_ignored)

    def predict(
        self, feats: tuple[Tensor, ...], batch_data_samples: list, rescale: bool = True
    ) -> list[InstanceData]:
        """Detections of each image, for a batch of mmdet's samples."""
        return self.predict_by_feat(
            *self(feats),
            [sample.metainfo for sample in batch_data_samples],
            rescale=rescale,
        )


@reports_nms
def batched_nms(
    bboxes: Tensor,
    scores: Tensor,
    groups: Tensor,
    iou_thr: float,
    max_per_group: int | None = None,
) -> Tensor:
    """Non-maximum suppression within each group, all groups at once.

    A box goes if a better one of its group stays whose IoU with it is above
    ``iou_thr``; of equal scores the first is the better.

    Args:
        bboxes: (n, 4).
        scores: (n, ).
        groups: (n, ) integers, a number for each image and class.
        iou_thr: Greatest IoU of two boxes that stay.
        max_per_group: Candidates of a group, the best; None for all.

    Returns:
        Which boxes stay, (n, ) bool.
    """
    order, ranks = _ranked(scores, groups)
    if max_per_group is not None:
        order, ranks = order[ranks < max_per_group], ranks[ranks < max_per_group]

    # every pair of a group, a box and one of those before it, block by block
    bboxes, ends = bboxes[order], ranks.cumsum(0)
    num_pairs = int(ranks.sum())
    first, second = [order[:0]], [order[:0]]
    for start in range(0, num_pairs, PAIRS_AT_ONCE):
        pairs = torch.arange(
            start, min(start + PAIRS_AT_ONCE, num_pairs), device=order.device
        )
        after = torch.searchsorted(ends, pairs, right=True)
        before = after - 1 - (pairs - (ends - ranks)[after])
        overlap = (
            bbox_overlaps(bboxes[before], bboxes[after], is_aligned=True) > iou_thr
        )
        first.append(before[overlap])
        second.append(after[overlap])
    first, second = torch.cat(first), torch.cat(second)

    # a box is decided once those before it are: the best one of a group in
    # the first round, and so on until nothing changes
    stays = torch.ones_like(order, dtype=torch.bool)
    while True:
        previous = stays
        stays = torch.ones_like(previous)
        stays[second[previous[first]]] = False
        if torch.equal(stays, previous):
            break
    kept = torch.zeros_like(scores, dtype=torch.bool)
    kept[order[stays]] = True
    return kept


def to_instances(
    bboxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    image_ids: Tensor,
    batch_img_metas: list[dict],
    max_per_img: int,
    rescale: bool = True,
) -> list[InstanceData]:
    """The best detections of each image.

    Args:
        bboxes: (n, 4), pixels of the network input.
        scores: (n, ).
        labels: (n, ).
        image_ids: (n, ) in [0, N).
        batch_img_metas: N of mmdet's; read where ``rescale``:
            ``scale_factor`` (x, y) and ``ori_shape``.
        max_per_img: Detections of an image at most.
        rescale: Whether boxes become pixels of the original image, inside it.

    Returns:
        N with ``bboxes``, ``scores`` in falling order and ``labels``.
    """
    order, ranks = _ranked(scores, image_ids)
    order = order[ranks < max_per_img]
    bboxes, image_ids = bboxes[order], image_ids[order]
    if rescale:
        factors, shapes = (
            bboxes.new_tensor(numbers).repeat(1, 2)[image_ids]
            for numbers in (
                [meta['scale_factor'] for meta in batch_img_metas],
                [meta['ori_shape'][1::-1] for meta in batch_img_metas],
            )
        )
        bboxes = (bboxes / factors).minimum(shapes)
    counts = torch.bincount(image_ids, minlength=len(batch_img_metas)).tolist()
    return [
        InstanceData(bboxes=b, scores=s, labels=c)
        for b, s, c in zip(
            bboxes.split(counts),
            scores[order].split(counts),
            labels[order].split(counts),
            strict=True,
        )
    ]


def _ranked(scores: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Order that puts group after group, in each the scores falling, and the
    rank, from 0, of each place in its group; (n, ) each."""
    order = scores.argsort(descending=True, stable=True)
    order = order[groups[order].argsort(stable=True)]
    groups = groups[order]
    places = torch.arange(len(order), device=order.device)
    return order, places - torch.searchsorted(groups, groups)
