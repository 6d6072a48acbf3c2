"""YOLOv1: one look at the image, one grid of boxes (Redmon et al., 2016)."""

from projects.yolov1.backbone import YOLOv1Backbone, YOLOv1Neck
from projects.yolov1.head import YOLOv1Head
from projects.yolov1.predictors import (
    YOLOv1ConnectedPredictor,
    YOLOv1ConvPredictor,
    YOLOv1LocalPredictor,
)
from projects.yolov1.transforms import RandomEdgeJitter, RandomHSVScale

__all__ = [
    'RandomEdgeJitter',
    'RandomHSVScale',
    'YOLOv1Backbone',
    'YOLOv1ConnectedPredictor',
    'YOLOv1ConvPredictor',
    'YOLOv1Head',
    'YOLOv1LocalPredictor',
    'YOLOv1Neck',
]
