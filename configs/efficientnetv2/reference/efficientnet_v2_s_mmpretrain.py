"""mmpretrain's EfficientNetV2-S, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py efficientnet_v2_s \\
        configs/efficientnetv2/reference/efficientnet_v2_s_mmpretrain.py --batch-size 2
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True
    ),
    backbone=dict(type='EfficientNetV2', arch='s'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=1280),
)
