"""Faster R-CNN with Swin-T on COCO, mmdetection's schedule for Swin. Not trained here.

    tools/dist_train.sh configs/swin/faster-rcnn-swin-t_8xb2-12e_coco.py 8 \\
        --cfg-options load_from=swin_t-704ceda3.pth

It starts from ImageNet weights of Swin-T, here torchvision's.
"""

_base_ = ['../_base_/models/faster_rcnn_swin_t.py', '../_base_/recipes/coco_12e.py']
# the rest of what does not decay has one dimension
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'relative_position_bias_table': dict(decay_mult=0.0)}
    )
)
