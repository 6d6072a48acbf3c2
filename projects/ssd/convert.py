"""Published weights: other libraries' names for the parts of SSD.

Ours are those of mmdetection since 2.14. What is renamed, moved or cut is
said by :func:`projects.core.weights.load_weights`.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.weights import (
    ConvertedStateDict,
    RenamingRules,
    register_converter,
    rename,
    renamed_weights,
)
from projects.ssd.backbone import SSDVGG
from projects.ssd.head import SSDHead

# torchvision's ssd300_vgg16: conv5 to fc7 are the first of the extra layers
TORCHVISION_SSD: RenamingRules = (
    (r'backbone\.scale_weight', 'neck.l2_norm.weight'),
    (r'backbone\.extra\.0\.7\.1\.', 'backbone.features.31.'),
    (r'backbone\.extra\.0\.7\.3\.', 'backbone.features.33.'),
    (r'backbone\.extra\.0\.(\d+)\.', lambda m: f'backbone.features.{int(m[1]) + 23}.'),
    (
        r'backbone\.extra\.(\d+)\.(\d+)\.',
        lambda m: f'neck.extra_layers.{int(m[1]) - 1}.{int(m[2]) // 2}.conv.',
    ),
    (r'head\.classification_head\.module_list\.(\d+)\.', r'bbox_head.cls_convs.\1.0.'),
    (r'head\.regression_head\.module_list\.(\d+)\.', r'bbox_head.reg_convs.\1.0.'),
)
# its ssdlite320_mobilenet_v3_large: block 13 is cut after its expansion
LITE_CONVS = ('0', '1.depthwise_conv', '1.pointwise_conv')
CONV_BN = ('conv', 'bn')
TORCHVISION_SSDLITE: RenamingRules = (
    (r'backbone\.features\.0\.13\.', 'backbone.features.13.block.0.'),
    (r'backbone\.features\.0\.(\d+)\.', r'backbone.features.\1.'),
    (r'backbone\.features\.1\.0\.', 'backbone.features.13.block.'),
    (
        r'backbone\.features\.1\.(\d+)\.',
        lambda m: f'backbone.features.{int(m[1]) + 13}.',
    ),
    (
        r'backbone\.extra\.(\d+)\.(\d)\.(\d)\.',
        lambda m: (
            f'neck.extra_layers.{m[1]}.{LITE_CONVS[int(m[2])]}.{CONV_BN[int(m[3])]}.'
        ),
    ),
    (
        r'head\.classification_head\.module_list\.(\d+)\.0\.(\d)\.',
        lambda m: f'bbox_head.cls_convs.{m[1]}.0.{CONV_BN[int(m[2])]}.',
    ),
    (
        r'head\.regression_head\.module_list\.(\d+)\.0\.(\d)\.',
        lambda m: f'bbox_head.reg_convs.{m[1]}.0.{CONV_BN[int(m[2])]}.',
    ),
    (r'head\.classification_head\.module_list\.', 'bbox_head.cls_convs.'),
    (r'head\.regression_head\.module_list\.', 'bbox_head.reg_convs.'),
)
# mmdetection before 2.14: the extra layers in the backbone
OLD_MMDET: RenamingRules = (
    (r'backbone\.l2_norm\.', 'neck.l2_norm.'),
    (
        r'backbone\.extra\.(\d+)\.',
        lambda m: f'neck.extra_layers.{int(m[1]) // 2}.{int(m[1]) % 2}.conv.',
    ),
    (
        r'bbox_head\.(cls|reg)_convs\.(\d+)\.(weight|bias)',
        r'bbox_head.\1_convs.\2.0.\3',
    ),
)
# classifier.0 and classifier.3 of torchvision's VGG-16
VGG16_SHAPES = [(4096, 25088), (4096,), (4096, 4096), (4096,)]


@register_converter
def convert_ssd(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """torchvision's SSD and SSDLite, mmdetection's SSD before 2.14."""
    head = getattr(model, 'bbox_head', None)
    if not isinstance(head, SSDHead):
        return None
    from_torchvision = any(
        name.startswith('head.classification_head.') for name in state_dict
    )
    if 'backbone.scale_weight' in state_dict:
        rules = TORCHVISION_SSD
    elif from_torchvision:
        rules = TORCHVISION_SSDLITE
    elif any(name.startswith('backbone.extra.') for name in state_dict):
        rules = OLD_MMDET
    else:
        return None
    converted = renamed_weights(state_dict, rename(state_dict, rules))
    weights = converted.state_dict
    if from_torchvision:
        for i, num_boxes in enumerate(head.default_boxes.num_boxes):
            prefix = f'bbox_head.cls_convs.{i}.{len(head.cls_convs[i]) - 1}.'
            for name in (f'{prefix}weight', f'{prefix}bias'):
                if name in weights and len(weights[name]) % num_boxes == 0:
                    by_box = weights[name].unflatten(0, (num_boxes, -1))
                    weights[name] = by_box.roll(-1, 1).flatten(0, 1)
                    converted.reshaped[name] = (
                        'the background from the first class to the last'
                    )
    return converted


@register_converter
def convert_vgg16(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """torchvision's VGG-16 for ImageNet as the backbone (paper, Sec. 3).

    fc6 and fc7 are cut out of the two connected layers: every fourth output,
    every third position of 7 x 7.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, SSDVGG) or 'features.28.weight' not in (state_dict):
        return None
    converted = renamed_weights(
        state_dict,
        {
            name: f'backbone.{name}'
            for name in state_dict
            if name.startswith('features.')
        },
    )
    wanted = [
        f'backbone.features.{i}.{kind}' for i in (31, 33) for kind in ('weight', 'bias')
    ]
    if len(backbone.features) <= 31:
        return converted
    names = [f'classifier.{i}.{kind}' for i in (0, 3) for kind in ('weight', 'bias')]
    connected = [state_dict.get(name) for name in names]
    shapes = [None if x is None else tuple(x.shape) for x in connected]
    if shapes != VGG16_SHAPES or not all(x.isfinite().all() for x in connected):
        converted.kept = wanted  # the file has no numbers for them
        return converted
    fc6, fc6_bias, fc7, fc7_bias = connected
    fc6 = fc6.unflatten(1, (512, 7, 7))[::4, :, ::3, ::3]
    cut = (fc6, fc6_bias[::4], fc7[::4, ::4, None, None], fc7_bias[::4])
    how = (
        '1024 of 4096 outputs, 3 x 3 of 7 x 7 positions',
        '1024 of 4096 outputs',
        '1024 of 4096 outputs and inputs',
        '1024 of 4096 outputs',
    )
    for old, new, weight, text in zip(names, wanted, cut, how, strict=True):
        del converted.state_dict[old]
        converted.state_dict[new] = weight.contiguous()
        converted.renamed[new] = old
        converted.reshaped[new] = text
    return converted
