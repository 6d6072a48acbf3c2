"""Pictures of detections."""
from projects.core.visualization.detections import draw_detections, draw_grid
from projects.core.visualization.hook import DetectionPicturesHook

__all__ = ['DetectionPicturesHook', 'draw_detections', 'draw_grid']
