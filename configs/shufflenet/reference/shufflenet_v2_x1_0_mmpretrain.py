"""mmpretrain's ShuffleNet V2, to which its wheel gives another name.

    python tools/analysis_tools/benchmark.py shufflenet_v2_x1_0 \\
        configs/shufflenet/reference/shufflenet_v2_x1_0_mmpretrain.py --batch-size 4
"""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(
    backbone=dict(_delete_=True, type='ShuffleNetV2', widen_factor=1.0),
    head=dict(in_channels=1024),
)
