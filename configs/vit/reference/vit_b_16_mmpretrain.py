"""mmpretrain's ViT-B/16, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py vit_b_16 \\
        configs/vit/reference/vit_b_16_mmpretrain.py --batch-size 4
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='VisionTransformer', arch='base', patch_size=16),
    head=dict(type='VisionTransformerClsHead', num_classes=1000, in_channels=768),
)
