"""One to three dates in a line to ISO 8601, through one code.

Exact match 0.0 % on lines of three dates (seed 0) after 1,024 of the 1,600 iterations,
420 s of a core that other work shared; not trained to the end.

    python tools/train.py \\
        configs/seq2seq/seq2seq-code_1xb48-1600i_dates-one-to-three.py
"""

_base_ = './seq2seq-multiplicative_1xb48-1600i_dates-one-to-three.py'
model = dict(backbone=dict(attention=None))
