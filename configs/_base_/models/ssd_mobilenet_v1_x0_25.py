"""SSD on the narrowest MobileNetV1, input 192, for a CPU: as ``ssd_mini``, whose
three maps have their strides here from the backbone alone."""

_base_ = './ssd_mini.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.MobileNetV1',
        width_mult=0.25,
        out_indices=(2, 3, 4),
    ),
    neck=dict(in_channels=(64, 128, 256), extras=()),
    bbox_head=dict(in_channels=(64, 128, 256)),
)
