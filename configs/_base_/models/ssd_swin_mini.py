"""SSD on a small Swin, input 192, for a CPU: as ``ssd_mini``, whose three maps have
their strides here from the backbone alone."""

_base_ = './ssd_mini.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.SwinTransformer',
        arch=(24, (2, 2, 2, 2), (1, 2, 4, 8)),
        window_size=6,  # maps of 48, 24, 12 and 6 tokens
        stochastic_depth_prob=0.0,
        out_indices=(1, 2, 3),
        out_norms=True,
    ),
    neck=dict(in_channels=(48, 96, 192), extras=()),
    bbox_head=dict(in_channels=(48, 96, 192)),
)
