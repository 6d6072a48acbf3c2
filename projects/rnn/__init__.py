"""RNN, LSTM and GRU: a network that reads one step after the other."""

from projects.rnn.adding import AddingProblem, MeanSquaredError, SequenceRegressor
from projects.rnn.cells import gru_cell, lstm_cell, rnn_cell, unroll
from projects.rnn.layers import make_layers, run_layers, zero_state
from projects.rnn.rnn import RNN

__all__ = [
    'RNN',
    'AddingProblem',
    'MeanSquaredError',
    'SequenceRegressor',
    'gru_cell',
    'lstm_cell',
    'make_layers',
    'rnn_cell',
    'run_layers',
    'unroll',
    'zero_state',
]
