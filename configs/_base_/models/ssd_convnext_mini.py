"""SSD on a small ConvNeXt, input 192, for a CPU: as ``ssd_mini``, whose three maps
have their strides here from the backbone alone."""

_base_ = './ssd_mini.py'
channels = (24, 48, 96, 192)
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.ConvNeXt',
        arch=(channels, (1, 1, 3, 1)),
        # in a short training blocks are to take part from the beginning: 0.02 is for
        # layers of some hundred channels
        layer_scale=1.0,
        init_cfg=dict(
            type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.1, bias=0.0
        ),
        # with layer norm SSD does not learn digits-coco from random weights (README)
        norm_cfg=dict(type='BN'),
        # maps whose values are alike, as SSD's head has no norm
        out_norms=True,
        out_indices=(1, 2, 3),
    ),
    neck=dict(in_channels=channels[1:], extras=()),
    bbox_head=dict(in_channels=channels[1:]),
)
