"""timm's MobileNetV1, to which it gives another name.

    python tools/analysis_tools/benchmark.py mobilenet_v1_x1_0 \\
        configs/mobilenet/reference/mobilenet_v1_x1_0_timm.py --batch-size 4
"""

default_scope = 'mmpretrain'
# as its own library runs it
channels_last = fold_batch_norm = False
model = dict(
    type='projects.ImageClassifier',
    backbone=dict(type='projects.TimmNet', arch='mobilenetv1_100'),
    head=dict(type='projects.LogitsHead', num_classes=1000),
)
