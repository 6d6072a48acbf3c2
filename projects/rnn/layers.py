"""Layers of recurrent cells: the same weights by torch's kernel or written out.

Legend: B sequences, T steps, I numbers of an input, H of a hidden state; L layers,
counted twice where they read in both directions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from projects.rnn.cells import Cell, State, gru_cell, lstm_cell, rnn_cell, unroll

KERNELS: dict[str, type[nn.RNNBase]] = dict(rnn=nn.RNN, lstm=nn.LSTM, gru=nn.GRU)
CELLS: dict[str, Cell] = dict(RNN_TANH=rnn_cell, LSTM=lstm_cell, GRU=gru_cell)


def make_layers(
    cell: str,
    input_dims: int,
    hidden_dims: int,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    forget_bias: float | None = None,
) -> nn.RNNBase:
    """Weights of recurrent layers, under the names and with the initial values of
    torch: uniform within 1 / sqrt(H).

    Args:
        cell: 'rnn', 'lstm' or 'gru'.
        input_dims: I.
        hidden_dims: H.
        num_layers: Each reads the hidden states of the one below.
        bidirectional: Whether half of each layer's units, H more, read from the end.
        dropout: Probability of dropout between layers.
        forget_bias: What the bias of an LSTM's forget gates begins with, 1 in
            Jozefowicz et al. (ICML 2015, Sec. 2.2): a memory that keeps what it has
            from the first step on. None for torch's, about 0.

    Returns:
        ``torch.nn.RNN``, ``LSTM`` or ``GRU``, batch first; :func:`run_layers` applies
        them.

    Raises:
        ValueError: If there is no such cell, a number is below 1, or a cell without a
            forget gate is given a bias for it.
    """
    if cell not in KERNELS:
        raise ValueError(f'cell {cell!r} not in {list(KERNELS)}')
    if forget_bias is not None and cell != 'lstm':
        raise ValueError(f'forget_bias {forget_bias}: a cell {cell!r} has no such gate')
    for name, value in (
        ('input_dims', input_dims),
        ('hidden_dims', hidden_dims),
        ('num_layers', num_layers),
    ):
        if value < 1:
            raise ValueError(f'{name} {value}: at least 1')
    layers = KERNELS[cell](
        input_dims,
        hidden_dims,
        num_layers,
        batch_first=True,
        # torch warns of one that has no place
        dropout=dropout if num_layers > 1 else 0.0,
        bidirectional=bidirectional,
    )
    if forget_bias is not None:
        gate = slice(hidden_dims, 2 * hidden_dims)  # after the input gate
        for _, _, of_input, of_hidden in layers.all_weights:
            nn.init.constant_(of_input.data[gate], forget_bias)
            nn.init.zeros_(of_hidden.data[gate])
    return layers


def zero_state(layers: nn.RNNBase, batch_size: int) -> State:
    """(B, L, H) zeros: h, and c of an LSTM."""
    num = layers.num_layers * (2 if layers.bidirectional else 1)
    shape = batch_size, num, layers.hidden_size
    zeros = layers.weight_hh_l0.new_zeros(shape)
    return (zeros, zeros) if layers.mode == 'LSTM' else (zeros,)


def run_layers(
    layers: nn.RNNBase,
    inputs: Tensor,
    lengths: Tensor | None = None,
    state: State | None = None,
    fused: bool = True,
) -> tuple[Tensor, State]:
    """Hidden states of the last layer.

    Args:
        layers: Of :func:`make_layers`.
        inputs: (B, T, I).
        lengths: (B,) steps of each sequence, at least 1; None where all have T.
        state: (B, L, H) each, before the first step; None for zeros.
        fused: Whether by torch's kernel, else by :func:`unroll`.

    Returns:
        tuple: (B, T, H) hidden states, or (B, T, 2 * H) where there are two
        directions, 0 at padding; and the state after the last step of each sequence.
    """
    if not fused:
        return _written_out(layers, inputs, lengths, state)
    before = None
    if state is not None:  # torch wants the layers first, and no tuple of one
        parts = tuple(part.transpose(0, 1).contiguous() for part in state)
        before = parts if layers.mode == 'LSTM' else parts[0]
    steps = inputs
    if lengths is not None:
        steps = pack_padded_sequence(inputs, lengths.cpu(), True, enforce_sorted=False)
    hidden, after = layers(steps, before)
    if lengths is not None:
        hidden, _ = pad_packed_sequence(hidden, True, total_length=inputs.shape[1])
    after = after if layers.mode == 'LSTM' else (after,)
    return hidden, tuple(part.transpose(0, 1) for part in after)


def _written_out(
    layers: nn.RNNBase, inputs: Tensor, lengths: Tensor | None, state: State | None
) -> tuple[Tensor, State]:
    cell = CELLS[layers.mode]
    directions = (False, True) if layers.bidirectional else (False,)
    weights = iter(layers.all_weights)  # one direction of a layer after the other
    state = zero_state(layers, len(inputs)) if state is None else state
    before = zip(*(part.unbind(1) for part in state), strict=True)
    after = []
    for layer in range(layers.num_layers):
        if layer > 0:
            inputs = F.dropout(inputs, layers.dropout, layers.training)
        outs = []
        for backwards in directions:
            out, last = unroll(
                cell, inputs, next(before), next(weights), lengths, backwards
            )
            outs.append(out)
            after.append(last)
        inputs = torch.cat(outs, -1)
    return inputs, tuple(torch.stack(parts, 1) for parts in zip(*after, strict=True))
