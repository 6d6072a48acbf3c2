"""mmdet's SSD head, to compare ours with."""

from mmdet.models.dense_heads import SSDHead

from projects.registry import MODELS


@MODELS.register_module()
class MMDetSSDHead(SSDHead):
    """mmdet's head with the attribute for want of which it cannot predict
    since mmdet 3.2 (mmdetection #11063, #11780)."""

    loss_cls = None
