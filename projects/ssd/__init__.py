"""SSD: default boxes on maps of several scales (Liu et al., 2016)."""

from projects.ssd.backbone import SSDVGG
from projects.ssd.convert import convert_ssd, convert_vgg16
from projects.ssd.head import SSDHead
from projects.ssd.neck import SSDNeck
from projects.ssd.reference import MMDetSSDHead

__all__ = [
    'SSDVGG',
    'MMDetSSDHead',
    'SSDHead',
    'SSDNeck',
    'convert_ssd',
    'convert_vgg16',
]
