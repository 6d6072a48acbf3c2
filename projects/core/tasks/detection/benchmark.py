"""The parts of a detector's step, for the benchmark."""

from contextlib import AbstractContextManager

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from projects.core.tasks.detection.nms_meter import nms_as_part
from projects.core.tasks.image_parts import ImageParts

# least and greatest side of an object, in sides of the image
OBJECT_SIDES = (0.08, 0.6)


class DetectorParts(ImageParts):
    """mmdet's ``SingleStageDetector``: its head's methods one by one."""

    default_input_size = (448, 448)
    inner_parts = {'predict.nms': 'predict NMS'}

    @staticmethod
    def fits(model: nn.Module) -> bool:
        return hasattr(
            getattr(model, 'bbox_head', None), 'loss_by_feat'
        ) and not hasattr(model, 'roi_head')

    def network(self, inputs: Tensor) -> tuple:
        return self.model.bbox_head(self.model.extract_feat(inputs))

    def losses(self, outs: tuple, samples: list) -> dict:
        gt_instances, gt_ignored, metas = unpack_gt_instances(samples)
        return self.model.bbox_head.loss_by_feat(*outs, gt_instances, metas, gt_ignored)

    def predictions(self, outs: tuple, samples: list) -> list:
        return self.model.bbox_head.predict_by_feat(
            *outs, batch_img_metas=[sample.metainfo for sample in samples], rescale=True
        )

    def metered(self, meter) -> AbstractContextManager[dict[str, int]]:
        return nms_as_part(meter, 'predict.nms')

    def sample(
        self,
        rng: torch.Generator,
        index: int,
        objects: int,
        input_size: tuple[int, int],
    ) -> DetDataSample:
        """Ground truth of an image: boxes within it, with their labels."""
        height, width = input_size
        low, high = OBJECT_SIDES
        sides = low * (high / low) ** torch.rand(objects, 2, generator=rng)
        corners = torch.rand(objects, 2, generator=rng) * (1 - sides)
        boxes = torch.cat([corners, corners + sides], 1)
        labels = torch.rand(objects, generator=rng) * self.model.bbox_head.num_classes
        return DetDataSample(
            metainfo=dict(
                img_id=index,
                img_shape=input_size,
                ori_shape=input_size,
                scale_factor=(1.0, 1.0),
            ),
            gt_instances=InstanceData(
                bboxes=boxes * torch.tensor([width, height, width, height]),
                labels=labels.long(),
            ),
        )
