"""Multilayer perceptrons for points in a plane.

Legend: B samples, L size of a latent.
"""

from itertools import pairwise

from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS


def perceptron(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear layers, with ReLU between them."""
    layers: list[nn.Module] = []
    for num_inputs, num_outputs in pairwise(sizes):
        layers += [nn.Linear(num_inputs, num_outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


@MODELS.register_module()
class MLPGenerator(BaseModule):
    """Maps (B, L) latents to (B, 2) points.

    Args:
        latent_dim: L.
        hidden_dims: Width of each hidden layer.
        out_dims: Coordinates of a point.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    num_classes = None

    def __init__(
        self,
        latent_dim: int = 2,
        hidden_dims: tuple[int, ...] = (128, 128, 128),
        out_dims: int = 2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.latent_dim = latent_dim
        self.layers = perceptron((latent_dim, *hidden_dims, out_dims))

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents)


@MODELS.register_module()
class MLPDiscriminator(BaseModule):
    """Maps (B, 2) points to (B,) scores.

    Args:
        hidden_dims: Width of each hidden layer.
        in_dims: Coordinates of a point.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        hidden_dims: tuple[int, ...] = (128, 128, 128),
        in_dims: int = 2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.layers = perceptron((in_dims, *hidden_dims, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(1)
