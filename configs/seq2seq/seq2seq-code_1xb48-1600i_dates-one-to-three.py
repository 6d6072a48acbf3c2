"""One to three dates in a line to ISO 8601, through one code.

    python tools/train.py \\
        configs/seq2seq/seq2seq-code_1xb48-1600i_dates-one-to-three.py
"""

_base_ = './seq2seq-multiplicative_1xb48-1600i_dates-one-to-three.py'
model = dict(backbone=dict(attention=None))
