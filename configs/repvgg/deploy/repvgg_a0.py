"""RepVGG-A0 in the deployed form, to be measured beside the training form.

    python tools/analysis_tools/benchmark.py repvgg_a0 \\
        configs/repvgg/deploy/repvgg_a0.py --batch-size 1
"""

_base_ = '../../_base_/models/repvgg_a0.py'
model = dict(backbone=dict(deploy=True))
