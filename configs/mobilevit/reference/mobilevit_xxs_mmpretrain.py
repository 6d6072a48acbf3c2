"""mmpretrain's MobileViT-XXS, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py mobilevit_xxs \\
        configs/mobilevit/reference/mobilevit_xxs_mmpretrain.py --batch-size 2
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255], to_rgb=False),
    backbone=dict(type='MobileViT', arch='xx_small'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=320),
)
