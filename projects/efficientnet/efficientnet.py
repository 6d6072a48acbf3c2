"""EfficientNet, after Tan and Le, "EfficientNet: Rethinking Model Scaling for
Convolutional Neural Networks", ICML 2019, Sec. 3.3, 4 and Table 1,
https://arxiv.org/abs/1905.11946.

Differences from the paper: README, "Notes".
"""

import math

from projects.core.layers import MBConv, MBConvBackbone, MBConvStage, make_divisible
from projects.registry import MODELS

# Sec. 4: what a small grid search found at B0; alpha * beta^2 * gamma^2 is about 2
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # depth, width, resolution
BASE_RESOLUTION = 224  # of B0, in pixels


def compound_scaling(phi: float) -> tuple[float, float, float]:
    """Width and depth as multiples of B0's, and the side of the image (Eq. 3).

    A network of phi costs about 2^phi times the operations of B0.

    Args:
        phi: The one coefficient that scales all three.

    Returns:
        tuple: Width, depth, resolution in pixels, not rounded.
    """
    return BETA**phi, ALPHA**phi, BASE_RESOLUTION * GAMMA**phi


@MODELS.register_module()
class EfficientNet(MBConvBackbone):
    """EfficientNet without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels of B0:

    =====  ===================================  ========  =======  ======
    index  layers (Table 1)                     channels  of 224   blocks
    =====  ===================================  ========  =======  ======
    0      3x3 convolution, MBConv1 3x3         16        112      1
    1      MBConv6 3x3                          24        56       2
    2      MBConv6 5x5                          40        28       2
    3      MBConv6 3x3, MBConv6 5x5             112       14       3 + 3
    4      MBConv6 5x5, MBConv6 3x3             320       7        4 + 1
    5      1x1 convolution                      1280      7
    =====  ===================================  ========  =======  ======

    Args:
        arch: A key of ``arch_settings``, or width and depth as multiples of
            B0's, such as the first two of :func:`compound_scaling`.
        **kwargs: Of :class:`projects.core.layers.MBConvBackbone` but for its
            first three.

    Raises:
        ValueError: If ``arch`` is not in ``arch_settings`` or if one of
            ``out_indices`` does not exist.
    """

    # as released: width, depth, resolution. B2 and B3 are phi = 1 and 2, rounded;
    # the larger have no single phi (README, "Compound scaling")
    arch_settings = {
        'b0': (1.0, 1.0, 224),
        'b1': (1.0, 1.1, 240),
        'b2': (1.1, 1.2, 260),
        'b3': (1.2, 1.4, 300),
        'b4': (1.4, 1.8, 380),
        'b5': (1.6, 2.2, 456),
        'b6': (1.8, 2.6, 528),
        'b7': (2.0, 3.1, 600),
    }
    # Table 1: expansion, kernel, stride, channels, blocks
    base_stages = (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    )

    def __init__(self, arch: str | tuple[float, float] = 'b0', **kwargs) -> None:
        if isinstance(arch, str):
            if arch not in self.arch_settings:
                raise ValueError(f"arch '{arch}' not in {list(self.arch_settings)}")
            arch = self.arch_settings[arch][:2]
        width, depth = arch
        stages = [
            MBConvStage(
                MBConv,
                expand_ratio,
                kernel_size,
                stride,
                make_divisible(channels * width),
                math.ceil(num_blocks * depth),
            )
            for expand_ratio, kernel_size, stride, channels, num_blocks in (
                self.base_stages
            )
        ]
        super().__init__(
            stem_channels=make_divisible(32 * width),
            stages=stages,
            last_channels=4 * stages[-1].channels,
            **kwargs,
        )
