"""mmpretrain's Swin-T, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py swin_t \\
        configs/swin/reference/swin_t_mmpretrain.py --batch-size 4
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='SwinTransformer', arch='tiny', drop_path_rate=0.2),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=768),
)
