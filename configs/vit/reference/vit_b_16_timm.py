"""timm's ViT-B/16, to which it gives another name.

    python tools/analysis_tools/benchmark.py vit_b_16 \\
        configs/vit/reference/vit_b_16_timm.py --batch-size 4
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='projects.ImageClassifier',
    backbone=dict(type='projects.TimmNet', arch='vit_base_patch16_224'),
    head=dict(type='projects.LogitsHead', num_classes=1000),
)
