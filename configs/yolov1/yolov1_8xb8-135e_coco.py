"""YOLOv1 at 448 x 448 on COCO, with the paper's schedule.

    tools/dist_train.sh configs/yolov1/yolov1_8xb8-135e_coco.py 8 \\
        --cfg-options load_from=extraction.pth

The paper starts from ImageNet weights of the first 20 convolutions; turn
darknet's into ``extraction.pth`` with tools/model_converters/darknet.py.
"""

_base_ = [
    '../_base_/models/yolov1.py',
    '../_base_/datasets/coco_yolov1_448.py',
    '../_base_/schedules/yolov1_135e.py',
    '../_base_/detection_runtime.py',
]
# darknet's objective is half the paper's sum; the rates of its schedule, which
# are the paper's, belong to it
model = dict(
    bbox_head=dict(
        num_classes=80,
        coord_scale=2.5,
        object_scale=0.5,
        noobject_scale=0.25,
        class_scale=0.5,
    )
)
