"""One step of the three cells, and the loop over time that repeats it.

A cell has two matrices, and uses the same two in every step:

- U, ``weight_ih``, (G * H, I), sees what comes in;
- W, ``weight_hh``, (G * H, H), sees what the step before has left.

Each has a bias, (G * H,), as in torch. G is how many layers of H units the cell has,
which lie one above the other in U and W: 1 of the plain cell, 4 of the LSTM, 3 of the
GRU.

Legend: B sequences, T steps, I numbers of an input, H of a hidden state.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]  # of (B, H): h, and c of the LSTM
# (U x_t + b, W h_{t-1} + b', state of step t - 1) to the state of step t, h first
Cell = Callable[[Tensor, Tensor, State], State]


def rnn_cell(ux: Tensor, wh: Tensor, state: State) -> State:
    """The plain cell (Elman, Cognitive Science 14, 1990).

    The state is made anew in each step: what it was goes through W and tanh, and so
    does its gradient, once for each step back.

        h_t = tanh(U x_t + W h_{t-1})
    """
    return (torch.tanh(ux + wh),)


def lstm_cell(ux: Tensor, wh: Tensor, state: State) -> State:
    """Long short-term memory (Hochreiter and Schmidhuber, Neural Computation 9,
    1997), with the forget gate of Gers et al. (Neural Computation 12, 2000).

    There is a second line of memory, c. Nothing multiplies it but f, no matrix and no
    tanh: while f is 1 a number stays for any time, and its gradient comes back whole.

        i = sigmoid(U_i x_t + W_i h_{t-1})    what is let in
        f = sigmoid(U_f x_t + W_f h_{t-1})    what is kept
        g =    tanh(U_g x_t + W_g h_{t-1})    what there is to let in
        o = sigmoid(U_o x_t + W_o h_{t-1})    what is shown
        c_t = f * c_{t-1} + i * g
        h_t = o * tanh(c_t)
    """
    _, c = state
    i, f, g, o = (ux + wh).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_cell(ux: Tensor, wh: Tensor, state: State) -> State:
    """Gated recurrent unit (Cho et al., EMNLP 2014), as torch has it.

    One gate for what the LSTM does with two: z keeps, 1 - z lets in. One line of
    memory, which is also what is shown.

        r = sigmoid(U_r x_t + W_r h_{t-1})         how much of the past n sees
        z = sigmoid(U_z x_t + W_z h_{t-1})         what is kept
        n =    tanh(U_n x_t + r * (W_n h_{t-1}))   what there is to let in
        h_t = z * h_{t-1} + (1 - z) * n

    In the paper r is inside, W_n (r * h_{t-1}). Here one product serves all three.
    """
    (h,) = state
    (ux_r, ux_z, ux_n), (wh_r, wh_z, wh_n) = ux.chunk(3, -1), wh.chunk(3, -1)
    r, z = (ux_r + wh_r).sigmoid(), (ux_z + wh_z).sigmoid()
    n = (ux_n + r * wh_n).tanh()
    return (z * h + (1 - z) * n,)


def unroll(
    cell: Cell,
    inputs: Tensor,
    state: State,
    weights: Sequence[Tensor],
    lengths: Tensor | None = None,
    backwards: bool = False,
) -> tuple[Tensor, State]:
    """A cell applied in one step after the other.

    Args:
        cell: One of this module.
        inputs: (B, T, I).
        state: Before the first step.
        weights: U, W and their biases: the same for all steps.
        lengths: (B,) steps of each sequence; None where all have T. In those behind,
            the state stays as it is.
        backwards: Whether the last step comes first.

    Returns:
        tuple: (B, T, H) hidden states, 0 at padding, and the last state.
    """
    u, w, bias_u, bias_w = weights
    # no step waits for another here: all in one product
    ux = F.linear(inputs, u, bias_u).unbind(1)
    hidden = list(ux)
    for t in reversed(range(len(ux))) if backwards else range(len(ux)):
        # but here: this is the part that cannot be done in parallel
        wh = F.linear(state[0], w, bias_w)
        new = cell(ux[t], wh, state)
        if lengths is None:
            state, hidden[t] = new, new[0]
        else:
            inside = (t < lengths)[:, None]
            state = tuple(
                torch.where(inside, *pair) for pair in zip(new, state, strict=True)
            )
            hidden[t] = new[0] * inside
    return torch.stack(hidden, 1), state
