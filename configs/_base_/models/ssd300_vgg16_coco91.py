"""SSD300 as torchvision has it, for its weights: the 90 category ids of COCO
and the background, default boxes cut to the image."""

_base_ = './ssd300_vgg16.py'
model = dict(bbox_head=dict(num_classes=90, default_boxes=dict(max_side=300)))
