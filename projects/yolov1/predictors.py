"""The last layers of YOLOv1: from the last map to the grid's numbers.

Each returns (N, S * S * (C + 5 * B)) numbers in darknet's order: the class
scores of all cells, then the confidences, then the boxes; cells row by row.
Shapes: N images, S cells a side, B boxes a cell, C classes, D channels.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS

# darknet draws a connected layer from U(-a, a), a = sqrt(2 / fan-in); this is
# the slope with which Kaiming's bound sqrt(6 / (1 + slope^2) / fan-in) is it
DARKNET_LINEAR_INIT = dict(
    type='Kaiming',
    layer='Linear',
    a=2**0.5,
    mode='fan_in',
    nonlinearity='leaky_relu',
    distribution='uniform',
)


@MODELS.register_module()
class YOLOv1ConnectedPredictor(BaseModule):
    """Fully connected layers, which see the whole image (paper, Fig. 3).

    Args:
        in_channels: D of the (N, D, S, S) input.
        grid_size: S.
        num_classes: C.
        num_boxes: B.
        hidden_channels: Width of the connected layer between, with leaky ReLU
            and dropout; None for none, as in darknet's tiny model.
        bottleneck_channels: Width of one more linear layer in front of that,
            as in Fast YOLO; None for none.
        dropout: Probability of dropout after the hidden layer (Sec. 2.2: 0.5).
        init_cfg: Initialisation; the default is darknet's.
    """

    def __init__(
        self,
        in_channels: int,
        grid_size: int,
        num_classes: int,
        num_boxes: int,
        hidden_channels: int | None = 4096,
        bottleneck_channels: int | None = None,
        dropout: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or DARKNET_LINEAR_INIT)
        features = in_channels * grid_size**2
        layers: list[nn.Module] = [nn.Flatten()]  # C, H, W as in darknet
        if bottleneck_channels is not None:
            layers.append(nn.Linear(features, bottleneck_channels))
            features = bottleneck_channels
        if hidden_channels is not None:
            layers += [
                nn.Linear(features, hidden_channels),
                nn.LeakyReLU(0.1, inplace=True),
                nn.Dropout(dropout),
            ]
            features = hidden_channels
        layers.append(nn.Linear(features, grid_size**2 * (num_classes + 5 * num_boxes)))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class LocallyConnected2d(nn.Module):
    """A 3x3 convolution with weights of its own at each position.

    Maps (N, in_channels, S, S) to (N, out_channels, S, S), zero padding.
    """

    def __init__(self, in_channels: int, out_channels: int, grid_size: int) -> None:
        super().__init__()
        num_inputs = in_channels * 9
        self.weight = nn.Parameter(  # position, output, input
            torch.randn(grid_size**2, out_channels, num_inputs)
            * (2 / num_inputs) ** 0.5
        )
        self.bias = nn.Parameter(torch.zeros(out_channels, grid_size, grid_size))

    def forward(self, x: Tensor) -> Tensor:
        patches = F.unfold(x, 3, padding=1)  # (N, in_channels * 9, S * S)
        out = torch.einsum('nip,poi->nop', patches, self.weight)
        return out.unflatten(2, self.bias.shape[1:]) + self.bias


@MODELS.register_module()
class YOLOv1LocalPredictor(BaseModule):
    """The layers of darknet's ``yolov1.cfg`` of today, for its weights.

    A locally connected layer with leaky ReLU, dropout, then a connected one.

    Args:
        in_channels: D of the (N, D, S, S) input.
        grid_size: S.
        num_classes: C.
        num_boxes: B.
        local_channels: Width of the locally connected layer.
        dropout: Probability of dropout after it.
        init_cfg: Initialisation; the default is darknet's.
    """

    def __init__(
        self,
        in_channels: int,
        grid_size: int,
        num_classes: int,
        num_boxes: int,
        local_channels: int = 256,
        dropout: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or DARKNET_LINEAR_INIT)
        cells = grid_size**2
        self.layers = nn.Sequential(
            LocallyConnected2d(in_channels, local_channels, grid_size),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(local_channels * cells, cells * (num_classes + 5 * num_boxes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@MODELS.register_module()
class YOLOv1ConvPredictor(BaseModule):
    """One 1x1 convolution: each cell predicts from its own features.

    Not of the paper. It has a thousandth of the connected layers' weights and
    shares them among the cells, so that few images are enough.

    Args:
        in_channels: D of the (N, D, S, S) input.
        grid_size: S.
        num_classes: C.
        num_boxes: B.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int,
        grid_size: int,
        num_classes: int,
        num_boxes: int,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        self.split_sizes = [num_classes, num_boxes, 4 * num_boxes]
        self.conv = nn.Conv2d(in_channels, sum(self.split_sizes), 1)

    def init_weights(self) -> None:
        super().init_weights()
        # boxes begin in the middle of their cell, a quarter of the image wide
        nn.init.constant_(self.conv.bias[-self.split_sizes[-1] :], 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 1)  # cells before channels
        return torch.cat([part.flatten(1) for part in x.split(self.split_sizes, -1)], 1)
