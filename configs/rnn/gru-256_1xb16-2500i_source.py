"""GRU of 256 units on the bytes of Python's standard library; not trained here.

python tools/train.py configs/rnn/gru-256_1xb16-2500i_source.py
"""

_base_ = './lstm-256_1xb16-2500i_source.py'
model = dict(backbone=dict(cell='gru'))
