"""Layers that a config may exchange."""

from torch import nn

from projects.registry import MODELS


def build_layer(
    cfg: dict | None, default: type[nn.Module], *args, **kwargs
) -> nn.Module:
    """``default(*args, **kwargs)``, or the layer that stands in for it.

    Does for pooling, linear and dropout layers what mmcv's
    ``build_conv_layer`` does for convolutions.

    Args:
        cfg: None, or a config whose type takes the same arguments as
            ``default``, as ``dict(type='projects.ScratchLinear')``; its other
            keys override them.
        default: Class of the layer without a config.
        *args: Arguments of the layer.
        **kwargs: The same, by name.
    """
    if cfg is None:
        return default(*args, **kwargs)
    settings = dict(cfg)
    layer = settings.pop('type')
    if isinstance(layer, str):
        layer = MODELS.get(layer)
    return layer(*args, **{**kwargs, **settings})


# torch's own, for a config that exchanges one kind of pooling for another
for pooling in (nn.AvgPool2d, nn.MaxPool2d):
    MODELS.register_module(module=pooling)
