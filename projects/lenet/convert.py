"""mmpretrain's names for the weights of LeNet-5.

It keeps the linear layers in the backbone, the first as a convolution of the
whole map.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.weights import (
    ConvertedStateDict,
    flatten_linear,
    register_converter,
    renamed_weights,
)
from projects.lenet.lenet import LeNet

LAYERS = {
    'backbone.features.0': 'backbone.conv1.0',
    'backbone.features.3': 'backbone.conv2.0',
    'backbone.features.6': 'head.classifier.0',
    'backbone.classifier.0': 'head.classifier.2',
    'backbone.classifier.2': 'head.classifier.4',
}


@register_converter
def convert_lenet(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """mmpretrain's LeNet5 as a classifier without batch norm."""
    if not isinstance(getattr(model, 'backbone', None), LeNet) or (
        'backbone.features.6.weight' not in state_dict
    ):
        return None
    return flatten_linear(
        renamed_weights(
            state_dict,
            {
                f'{old}.{kind}': f'{new}.{kind}'
                for old, new in LAYERS.items()
                for kind in ('weight', 'bias')
            },
        )
    )
