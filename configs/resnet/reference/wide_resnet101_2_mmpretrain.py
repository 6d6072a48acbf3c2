"""mmpretrain's Wide ResNet-101, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py wide_resnet101_2 \\
        configs/resnet/reference/wide_resnet101_2_mmpretrain.py --batch-size 4
"""

_base_ = './wide_resnet50_2_mmpretrain.py'
model = dict(backbone=dict(depth=101))
