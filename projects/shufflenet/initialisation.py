"""How the authors' code fills the weights of both versions, which the papers leave
open: https://github.com/megvii-model/ShuffleNet-Series."""

from mmengine.model.weight_init import normal_init, update_init_info
from torch import nn

from projects.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module()
class ReciprocalNormal:
    """Normal weights with a deviation of 1 / (input channels of a kernel).

    It is 1 for a depthwise convolution. He's rule has a square root there, so that
    1x1 convolutions begin smaller than by it and depthwise ones larger.

    Args:
        layer: Class of the layers to fill, as ``'Conv2d'``.
    """

    def __init__(self, layer: str) -> None:
        self.layer = layer

    def __call__(self, module: nn.Module) -> None:
        for m in module.modules():
            if self.layer in {cls.__name__ for cls in type(m).__mro__}:
                normal_init(m, std=1 / m.weight.shape[1])
        if hasattr(module, '_params_init_info'):
            update_init_info(module, f'{type(self).__name__}: layer={self.layer}')


# in this order: what fills all of conv1 leaves its norm to the next one
INIT_CFG = [
    dict(
        type='projects.ReciprocalNormal',
        layer='Conv2d',
        override=dict(type='Normal', name='conv1', std=0.01),
    ),
    dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1, bias=0.0001),
]
