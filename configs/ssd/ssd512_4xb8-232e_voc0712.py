"""SSD512 on VOC 07+12, the authors' schedule.

    tools/dist_train.sh configs/ssd/ssd512_4xb8-232e_voc0712.py 4 \\
        --cfg-options load_from=vgg16.pth

The paper starts from ImageNet weights of VGG-16: projects/ssd/README.md says
which file that is.
"""

_base_ = [
    '../_base_/models/ssd512_vgg16.py',
    '../_base_/datasets/voc0712_ssd_512.py',
    '../_base_/schedules/ssd_232e.py',
    '../_base_/detection_runtime.py',
]
model = dict(
    bbox_head=dict(
        num_classes=20,
        # objects are larger than COCO's: 7, then 15 to 90 in steps of 15, 105
        # percent of 512, rounded down
        default_boxes=dict(
            min_sizes=(35, 76, 153, 230, 307, 384, 460),
            max_sizes=(76, 153, 230, 307, 384, 460, 537),
        ),
        use_ignored=True,
    )
)
