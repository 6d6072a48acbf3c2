"""SSD300 on VOC 07+12, the authors' schedule.

    tools/dist_train.sh configs/ssd/ssd300_4xb8-232e_voc0712.py 4 \\
        --cfg-options load_from=vgg16.pth

The paper starts from ImageNet weights of VGG-16: projects/ssd/README.md says
which file that is.
"""

_base_ = [
    '../_base_/models/ssd300_vgg16.py',
    '../_base_/datasets/voc0712_ssd_300.py',
    '../_base_/schedules/ssd_232e.py',
    '../_base_/detection_runtime.py',
]
model = dict(
    bbox_head=dict(
        num_classes=20,
        # objects are larger than COCO's: 10, then 20 to 88 in steps of 17,
        # 105 percent of 300
        default_boxes=dict(
            min_sizes=(30, 60, 111, 162, 213, 264),
            max_sizes=(60, 111, 162, 213, 264, 315),
        ),
        use_ignored=True,
    )
)
