"""mmpretrain's EfficientNetV2-L, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py efficientnet_v2_l \\
        configs/efficientnetv2/reference/efficientnet_v2_l_mmpretrain.py \\
        --batch-size 2
"""

_base_ = './efficientnet_v2_s_mmpretrain.py'
model = dict(backbone=dict(arch='l'))
