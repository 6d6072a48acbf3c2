"""Dates from one of 20 languages to another by a small Transformer.

    python tools/train.py \
        configs/transformer/transformer-mini_1xb64-2600i_dates-between.py
"""

_base_ = './transformer-mini_1xb64-2000i_dates.py'
