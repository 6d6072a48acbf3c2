"""Pictures of detections and of classes."""

from projects.core.visualization.confusion import draw_confusion
from projects.core.visualization.detections import draw_detections, draw_grid
from projects.core.visualization.hook import DetectionPicturesHook
from projects.core.visualization.labels import draw_labels, draw_mistakes

__all__ = [
    'DetectionPicturesHook',
    'draw_confusion',
    'draw_detections',
    'draw_grid',
    'draw_labels',
    'draw_mistakes',
]
