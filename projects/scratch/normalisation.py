"""Normalisation: subtract a mean, divide by a deviation, learn both anew.

Batch normalisation: Ioffe and Szegedy, ICML 2015, Alg. 1 and 2,
https://arxiv.org/abs/1502.03167. Layer normalisation: Ba, Kiros and Hinton,
2016, Sec. 3, https://arxiv.org/abs/1607.06450. Local response normalisation:
Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep
Convolutional Neural Networks", NIPS 2012, Sec. 3.3.

Legend: B images, C channels, H and W in pixels, L positions of a sequence.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from projects.registry import MODELS


class _BatchNorm(nn.Module):
    """What batch normalisation of vectors and of maps have in common.

    Named as torch's, so that ``init_cfg=dict(layer='_BatchNorm', ...)``, which
    goes by names, finds both.

    Args:
        num_features: C.
        eps: Added to the variance, so that nothing is divided by zero.
        momentum: Share of the newest batch in the moving statistics; None
            for the average of all batches so far.
        affine: Whether each channel has a weight and a bias to learn.
        track_running_stats: Whether there are moving statistics; without
            them every batch is normalised by its own, in eval mode, too.

    Raises:
        ValueError: On a call, if the input has other dimensions or channels,
            or, where the batch's statistics count, one value for each.
    """

    dims: tuple[int, ...]  # numbers of dimensions that an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.register_parameter(
            'weight', nn.Parameter(torch.ones(num_features)) if affine else None
        )
        self.register_parameter(
            'bias', nn.Parameter(torch.zeros(num_features)) if affine else None
        )
        # buffers are saved and moved with the weights, but not trained
        for name, value in (
            ('running_mean', torch.zeros(num_features)),
            ('running_var', torch.ones(num_features)),
            ('num_batches_tracked', torch.tensor(0)),
        ):
            self.register_buffer(name, value if track_running_stats else None)

    def extra_repr(self) -> str:
        return (
            f'{self.num_features}, eps={self.eps}, '
            f'momentum={self.momentum}, affine={self.affine}, '
            f'track_running_stats={self.track_running_stats}'
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() not in self.dims or x.shape[1] != self.num_features:
            raise ValueError(
                f'expected {self.num_features} channels in '
                f'{" or ".join(map(str, self.dims))} dimensions, got '
                f'{tuple(x.shape)}'
            )
        # of each channel; the shape (1, C, 1, ...) fits to all of x
        shape = (1, -1) + (1,) * (x.dim() - 2)
        if self.training or not self.track_running_stats:
            num_values = x.numel() // self.num_features
            if num_values == 1:
                raise ValueError(
                    'one value for each channel: normalised, all '
                    'would be 0; take a larger batch or eval()'
                )
            others = [dim for dim in range(x.dim()) if dim != 1]
            mean = x.mean(others)
            var = (x - mean.view(shape)).square().mean(others)
            if self.track_running_stats:
                self.update(mean.detach(), var.detach(), num_values)
        else:
            mean, var = self.running_mean, self.running_var
        x = (x - mean.view(shape)) / (var.view(shape) + self.eps).sqrt()
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x

    def update(self, mean: Tensor, var: Tensor, num_values: int) -> None:
        """Move the statistics towards those of a batch.

        Args:
            mean: (C, ).
            var: (C, ), the mean square; kept is the unbiased estimate.
            num_values: Values for each channel of the batch, at least 2.
        """
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        unbiased = var * num_values / (num_values - 1)
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (unbiased - self.running_var)


@MODELS.register_module()
class ScratchBatchNorm1d(_BatchNorm):
    """``nn.BatchNorm1d``: each channel by its mean and deviation in a batch.

    Maps (B, C) or (B, C, L) to the same shape. Arguments and errors: see
    :class:`_BatchNorm`.
    """

    dims = (2, 3)


@MODELS.register_module()
class ScratchBatchNorm2d(_BatchNorm):
    """``nn.BatchNorm2d``: each channel by its mean and deviation in a batch.

    Maps (B, C, H, W) to the same shape. Arguments and errors: see
    :class:`_BatchNorm`.
    """

    dims = (4,)


@MODELS.register_module()
class ScratchLayerNorm(nn.Module):
    """``nn.LayerNorm``: each sample, or position, by its own mean and
    deviation.

    Maps (..., *normalized_shape) to the same shape. The same in training and
    in eval mode: no sample sees another.

    Args:
        normalized_shape: The last dimensions, which share a mean and a
            deviation; a number for the last one alone.
        eps: Added to the variance, so that nothing is divided by zero.
        elementwise_affine: Whether each of these places has a weight.
        bias: Whether, if so, each has a bias, too.

    Raises:
        ValueError: On a call, if these are not the input's last dimensions.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,)
            if isinstance(normalized_shape, int)
            else tuple(normalized_shape)
        )
        self.eps = eps
        self.register_parameter(
            'weight',
            nn.Parameter(torch.ones(self.normalized_shape))
            if elementwise_affine
            else None,
        )
        self.register_parameter(
            'bias',
            nn.Parameter(torch.zeros(self.normalized_shape))
            if elementwise_affine and bias
            else None,
        )

    def extra_repr(self) -> str:
        return f'{self.normalized_shape}, eps={self.eps}'

    def forward(self, x: Tensor) -> Tensor:
        num_dims = len(self.normalized_shape)
        if tuple(x.shape[-num_dims:]) != self.normalized_shape:
            raise ValueError(
                f'expected (..., {self.normalized_shape}), got {tuple(x.shape)}'
            )
        dims = tuple(range(-num_dims, 0))
        x = x - x.mean(dims, keepdim=True)
        x = x / (x.square().mean(dims, keepdim=True) + self.eps).sqrt()
        if self.weight is not None:
            x = x * self.weight
        if self.bias is not None:
            x = x + self.bias
        return x


@MODELS.register_module()
class ScratchLocalResponseNorm(nn.Module):
    """``nn.LocalResponseNorm``: each value by those of channels next to it.

    Maps (B, C, ...) to the same shape: x / (k + alpha / size * s) ** beta,
    where s is the sum of squares at that pixel over ``size`` channels around
    x's own, fewer at both ends.

    Args:
        size: Channels that count, half of them before x's own; if even, one
            more before than after.
        alpha: Weight of their mean square. The paper's is that of the sum:
            its 1e-4 at 5 channels is 5e-4 here.
        beta: Exponent.
        k: What is there without any response.

    Raises:
        ValueError: If ``size`` is less than 1.
    """

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f'size must be at least 1: {size}')
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def extra_repr(self) -> str:
        return f'{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}'

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.size // 2, (self.size - 1) // 2
        squares = x.square()
        nothing = squares.new_zeros(squares[:, :1].shape)
        squares = torch.cat([nothing] * before + [squares] + [nothing] * after, 1)
        # (B, C, ..., size), summed over the channels around each
        sums = squares.unfold(1, self.size, 1).sum(-1)
        return x / (self.k + self.alpha / self.size * sums) ** self.beta
