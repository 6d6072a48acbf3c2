"""Metrics that explain themselves."""

from projects.core.evaluation.accuracy import Accuracy
from projects.core.evaluation.coco_metric import CocoMetric
from projects.core.evaluation.report import ClassificationReport

__all__ = ['Accuracy', 'ClassificationReport', 'CocoMetric']
