"""Metrics that explain themselves."""
from projects.core.evaluation.accuracy import Accuracy
from projects.core.evaluation.coco_metric import CocoMetric

__all__ = ['Accuracy', 'CocoMetric']
