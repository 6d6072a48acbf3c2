"""SSD on a small Swin, input 192, for a CPU: as ``ssd_mini``, whose three maps have
their strides here from the backbone alone: patches of 8 x 8 pixels, three stages."""

_base_ = './ssd_mini.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.SwinTransformer',
        arch=(48, (2, 2, 2), (2, 4, 8)),
        patch_size=8,
        window_size=6,  # maps of 24, 12 and 6 tokens
        stochastic_depth_prob=0.0,
        out_indices=(0, 1, 2),
        out_norms=True,
        # 0.02 is for layers of some hundred channels; these would begin near zero
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.1),
    ),
    neck=dict(in_channels=(48, 96, 192), extras=()),
    bbox_head=dict(in_channels=(48, 96, 192)),
)
