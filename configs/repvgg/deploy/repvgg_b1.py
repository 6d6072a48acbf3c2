"""RepVGG-B1 in the deployed form, to be measured beside the training form.

    python tools/analysis_tools/benchmark.py repvgg_b1 \\
        configs/repvgg/deploy/repvgg_b1.py --batch-size 1
"""

_base_ = '../../_base_/models/repvgg_b1.py'
model = dict(backbone=dict(deploy=True))
