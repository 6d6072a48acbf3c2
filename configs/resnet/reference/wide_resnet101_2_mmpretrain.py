"""mmpretrain's Wide ResNet-101, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py wide_resnet101_2 \\
        configs/resnet/reference/wide_resnet101_2_mmpretrain.py --batch-size 4
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(
        type='ResNet',
        depth=101,
        out_indices=(3,),
        stem_channels=64,
        base_channels=128,
        expansion=2,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048),
)
