"""mmpretrain's EfficientNetV2-XL, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py efficientnet_v2_xl \\
        configs/efficientnetv2/reference/efficientnet_v2_xl_mmpretrain.py \\
        --batch-size 2
"""

_base_ = './efficientnet_v2_s_mmpretrain.py'
model = dict(backbone=dict(arch='xl'))
