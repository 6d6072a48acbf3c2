"""The road from ResNet-50 to ConvNeXt, at its beginning: a quarter of the width.

python tools/train.py configs/convnext/road/00-resnet50_1xb64-10e_digits.py
"""

_base_ = ['../../_base_/models/resnet50.py', '../../_base_/recipes/digits_32.py']
model = _base_.grey_model
model.update(
    backbone=dict(
        _delete_=True,
        type='projects.RoadConvNet',
        step='resnet50',
        width_mult=0.25,
        in_channels=1,
    ),
    head=dict(num_classes=10, in_channels=512),
)
# as short as that: it is to be walked, not to be won
train_cfg = dict(max_epochs=10, val_interval=5)
