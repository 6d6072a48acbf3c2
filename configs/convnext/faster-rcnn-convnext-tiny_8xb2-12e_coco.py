"""Faster R-CNN with ConvNeXt-T on COCO.

    tools/dist_train.sh configs/convnext/faster-rcnn-convnext-tiny_8xb2-12e_coco.py 8 \\
        --cfg-options model.backbone.init_cfg.checkpoint=torchvision://convnext_tiny \\
        model.backbone.init_cfg.type=projects.Pretrained

The backbone begins with weights of ImageNet: torchvision's, or a file's. Rates that
fall by 0.95 from layer to layer and stochastic depth of 0.4 are mmdet's for ConvNeXt-T
in Mask R-CNN, which it trains for 36 epochs.
"""

_base_ = [
    '../_base_/models/faster_rcnn_fpn.py',
    '../_base_/recipes/coco_12e.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.ConvNeXt',
        arch='tiny',
        stochastic_depth_prob=0.4,
        out_norms=True,
        out_indices=(0, 1, 2, 3),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
optim_wrapper = dict(
    constructor='projects.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.95, custom_keys=dict(layer_scale=dict(decay_mult=0))
    ),
)
