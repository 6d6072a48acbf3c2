"""timm's Swin-T, to which it gives another name.

    python tools/analysis_tools/benchmark.py swin_t \\
        configs/swin/reference/swin_t_timm.py --batch-size 4
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='projects.ImageClassifier',
    backbone=dict(type='projects.TimmNet', arch='swin_tiny_patch4_window7_224'),
    head=dict(type='projects.LogitsHead', num_classes=1000),
)
