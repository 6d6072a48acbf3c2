"""SSD512 on COCO, the authors' schedule.

    tools/dist_train.sh configs/ssd/ssd512_4xb8-108e_coco.py 4 \\
        --cfg-options load_from=vgg16.pth

The paper starts from ImageNet weights of VGG-16: projects/ssd/README.md says
which file that is.
"""

_base_ = [
    '../_base_/models/ssd512_vgg16.py',
    '../_base_/datasets/coco_ssd_512.py',
    '../_base_/schedules/ssd_108e.py',
    '../_base_/detection_runtime.py',
]
