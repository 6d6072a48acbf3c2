from projects.core.evaluation.coco_metric import CocoMetric

__all__ = ['CocoMetric']
