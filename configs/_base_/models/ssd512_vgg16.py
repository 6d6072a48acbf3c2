"""SSD512 on VGG-16 (paper, Sec. 3.1), default boxes for COCO: 24,564."""

_base_ = './ssd300_vgg16.py'
model = dict(
    neck=dict(
        extras=(
            (512, 3, 2, 1),
            (256, 3, 2, 1),
            (256, 3, 2, 1),
            (256, 3, 2, 1),
            (256, 4, 1, 1),
        )
    ),
    bbox_head=dict(
        in_channels=(512, 1024, 512, 256, 256, 256, 256),
        # shares of 512 in percent, rounded down as the authors' code does: 4,
        # then 10 to 90 in steps of 16, 106
        default_boxes=dict(
            min_sizes=(20, 51, 133, 215, 296, 378, 460),
            max_sizes=(51, 133, 215, 296, 378, 460, 542),
            ratios=((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
            steps=(8, 16, 32, 64, 128, 256, 512),
        ),
    ),
)
