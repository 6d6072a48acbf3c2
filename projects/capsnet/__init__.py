"""CapsNet: capsules that agree (Sabour et al., 2017)."""

from projects.capsnet.capsnet import CapsNet, CapsNetClassifier
from projects.capsnet.head import CapsuleHead, DigitCapsules
from projects.capsnet.loss import MarginLoss
from projects.capsnet.routing import RoutingStep, dynamic_routing, squash

__all__ = [
    'CapsNet',
    'CapsNetClassifier',
    'CapsuleHead',
    'DigitCapsules',
    'MarginLoss',
    'RoutingStep',
    'dynamic_routing',
    'squash',
]
