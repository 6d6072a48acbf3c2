"""GRU of 64 units on the adding problem at length 100.

python tools/train.py configs/rnn/gru-adding100_1xb50-1500i_adding.py
"""

_base_ = './lstm-adding100_1xb50-1500i_adding.py'
model = dict(cell='gru')
