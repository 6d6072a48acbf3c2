"""RepVGG-B1g4 in the deployed form, to be measured beside the training form.

    python tools/analysis_tools/benchmark.py repvgg_b1g4 \\
        configs/repvgg/deploy/repvgg_b1g4.py --batch-size 1
"""

_base_ = '../../_base_/models/repvgg_b1g4.py'
model = dict(backbone=dict(deploy=True))
