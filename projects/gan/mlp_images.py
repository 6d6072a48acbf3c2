"""Multilayer perceptrons for small images, as those with which Gulrajani et al.,
"Improved Training of Wasserstein GANs", NeurIPS 2017, Sec. 5.2, try what a generator
without convolutions learns <https://arxiv.org/abs/1704.00028>.

Legend: B samples, L size of a latent, C channels, H and W of the image in pixels.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from projects.gan.mlp import MLPDiscriminator, MLPGenerator
from projects.registry import MODELS


@MODELS.register_module()
class MLPImageGenerator(MLPGenerator):
    """Maps (B, L) latents to (B, C, H, W) images in [-1, 1].

    Args:
        latent_dim: L.
        hidden_dims: Width of each hidden layer.
        image_shape: C, H and W.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        hidden_dims: Sequence[int] = (256, 256),
        image_shape: Sequence[int] = (1, 8, 8),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            latent_dim, tuple(hidden_dims), math.prod(image_shape), init_cfg
        )
        self.image_shape = tuple(image_shape)

    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents).tanh().unflatten(1, self.image_shape)


@MODELS.register_module()
class MLPImageDiscriminator(MLPDiscriminator):
    """Maps (B, C, H, W) images to (B,) scores.

    Args:
        hidden_dims: Width of each hidden layer.
        image_shape: C, H and W.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        hidden_dims: Sequence[int] = (256, 256),
        image_shape: Sequence[int] = (1, 8, 8),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(tuple(hidden_dims), math.prod(image_shape), init_cfg)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))
