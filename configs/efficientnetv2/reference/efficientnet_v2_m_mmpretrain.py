"""mmpretrain's EfficientNetV2-M, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py efficientnet_v2_m \\
        configs/efficientnetv2/reference/efficientnet_v2_m_mmpretrain.py \\
        --batch-size 2
"""

_base_ = './efficientnet_v2_s_mmpretrain.py'
model = dict(backbone=dict(arch='m'))
