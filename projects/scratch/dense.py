"""Linear layers, dropout, and the rectifier.

Dropout: Srivastava et al., JMLR 15, 2014, Sec. 4,
https://jmlr.org/papers/v15/srivastava14a.html, scaled up in training instead
of down afterwards. Rectifier: Nair and Hinton, ICML 2010.
"""

import torch
from torch import Tensor, nn

from projects.registry import MODELS


@MODELS.register_module()
class ScratchLinear(nn.Module):
    """``nn.Linear``: weighted sums of all inputs, one for each output.

    Maps (..., in_features) to (..., out_features).

    Args:
        in_features: Numbers that go in.
        out_features: Numbers that come out.
        bias: Whether each has a number of its own added.

    Raises:
        ValueError: On a call, if the last dimension is another.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        bound = in_features**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features))
            nn.init.uniform_(self.bias, -bound, bound)
        else:
            self.register_parameter('bias', None)

    def extra_repr(self) -> str:
        return f'{self.in_features}, {self.out_features}, bias={self.bias is not None}'

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.in_features:
            raise ValueError(
                f'expected (..., {self.in_features}), got {tuple(x.shape)}'
            )
        x = x @ self.weight.T
        return x if self.bias is None else x + self.bias


@MODELS.register_module()
class ScratchDropout(nn.Module):
    """``nn.Dropout``: in training, each value is zero with probability ``p``.

    Maps any shape to itself. What is left is divided by 1 - p, so that the
    expectation stays; in eval mode the input comes back as it is.

    Args:
        p: In [0, 1].
        inplace: Whether the input is overwritten.

    Raises:
        ValueError: If ``p`` is no probability.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f'p must be in [0, 1]: {p}')
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f'p={self.p}, inplace={self.inplace}'

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        # rand is below 1, so nothing is kept at p = 1
        kept = (torch.rand_like(x) >= self.p).to(x.dtype)
        mask = kept / (1 - self.p) if self.p < 1 else kept
        return x.mul_(mask) if self.inplace else x * mask


@MODELS.register_module()
class ScratchReLU(nn.Module):
    """``nn.ReLU``: zero for what is negative. Its gradient at 0 is 0.

    Args:
        inplace: Whether the input is overwritten.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f'inplace={self.inplace}'

    def forward(self, x: Tensor) -> Tensor:
        fill = x.masked_fill_ if self.inplace else x.masked_fill
        return fill(x <= 0, 0.0)
