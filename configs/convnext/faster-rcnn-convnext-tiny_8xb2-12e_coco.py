"""Faster R-CNN with ConvNeXt-T on COCO. Not trained here.

    tools/dist_train.sh configs/convnext/faster-rcnn-convnext-tiny_8xb2-12e_coco.py 8 \\
        --cfg-options load_from=convnext_tiny-983f1562.pth

It starts from ImageNet weights of ConvNeXt-T, here torchvision's. Rates that fall by
0.95 from layer to layer and stochastic depth of 0.4 are mmdet's for ConvNeXt-T in Mask
R-CNN, which it trains for 36 epochs.
"""

_base_ = [
    '../_base_/models/faster_rcnn_convnext_tiny.py',
    '../_base_/recipes/coco_12e.py',
]
optim_wrapper = dict(
    constructor='projects.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.95, custom_keys=dict(layer_scale=dict(decay_mult=0))
    ),
)
