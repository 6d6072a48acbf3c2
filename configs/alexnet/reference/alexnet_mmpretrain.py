"""mmpretrain's AlexNet, of which its wheel has no config.

    python tools/analysis_tools/benchmark.py alexnet \\
        configs/alexnet/reference/alexnet_mmpretrain.py --batch-size 8
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='AlexNet', num_classes=1000),
    head=dict(type='ClsHead'),
)
