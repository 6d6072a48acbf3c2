"""DCGAN, after Radford, Metz and Chintala, "Unsupervised Representation Learning with
Deep Convolutional Generative Adversarial Networks", ICLR 2016, Sec. 3 and Figure 1
<https://arxiv.org/abs/1511.06434>.

With kernels of 4 and 64 channels they are the networks of PyTorch's example
<https://github.com/pytorch/examples/tree/main/dcgan>, names of weights included; with
kernels of 5 and 128 channels those of the paper, which prints the generator only.

Legend: B samples, L size of a latent, C channels of the image, S its side in pixels.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS

#: Side of the first map of a generator and the last of a discriminator
SMALLEST = 4
#: Radford et al., Sec. 4; batch norms as in the example: the paper is silent
INIT = [
    dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.02),
    dict(type='Normal', layer='BatchNorm2d', mean=1, std=0.02),
]


def stages_of(image_size: int) -> tuple[int, int]:
    """Side of the smallest map, and how often it doubles to that of the image.

    Raises:
        ValueError: If the side is no such multiple of a number from 4 to 7.
    """
    side, doublings = image_size, 0
    while side >= 2 * SMALLEST and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    if not doublings or not SMALLEST <= side < 2 * SMALLEST:
        raise ValueError(
            f'image_size {image_size} is not 4, 5, 6 or 7 doubled once or more, such '
            'as 28, 32 or 64'
        )
    return side, doublings


def check_kernel(kernel_size: int) -> None:
    """Refuse kernels that do not halve and double maps.

    Raises:
        ValueError: If the kernel is of another size than 4 or 5.
    """
    if kernel_size not in (4, 5):
        raise ValueError(f'kernel_size {kernel_size} is neither 4 nor 5')


@MODELS.register_module()
class DCGANGenerator(BaseModule):
    """Maps (B, L) latents to (B, C, S, S) images in [-1, 1].

    The first layer makes of a latent a map of 4 x 4 ("project and reshape"), each
    further one doubles its side and halves its channels.

    Args:
        latent_dim: L.
        base_channels: Of the last map before the image.
        image_size: S: 64, 32 or 28, say; of 28 the smallest map is 7 x 7.
        out_channels: C.
        kernel_size: 4, as in PyTorch's example, or 5, as in the paper.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If the size of the image or of the kernels is another.
    """

    num_classes = None

    def __init__(
        self,
        latent_dim: int = 100,
        base_channels: int = 64,
        image_size: int = 64,
        out_channels: int = 3,
        kernel_size: int = 4,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or INIT)
        check_kernel(kernel_size)
        side, doublings = stages_of(image_size)
        self.latent_dim = latent_dim
        # a kernel of 5 reaches as far on both sides; one more line makes it double
        double = dict(stride=2, bias=False, padding=(kernel_size - 1) // 2)
        double['output_padding'] = kernel_size - 4
        widths = [base_channels * 2**i for i in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim, widths[0], side, bias=False)
        ]
        for width, after in zip(widths, (*widths[1:], out_channels), strict=True):
            layers += [
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(width, after, kernel_size, **double),
            ]
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, latents: Tensor) -> Tensor:
        return self.main(latents[:, :, None, None])


@MODELS.register_module()
class DCGANDiscriminator(BaseModule):
    """Maps (B, C, S, S) images to (B,) scores, before any sigmoid.

    Each layer halves the side and doubles the channels; the last one is as large as
    the map of 4 x 4 before it.

    Args:
        base_channels: Of the first map.
        image_size: S, as in :class:`DCGANGenerator`.
        in_channels: C.
        kernel_size: As in :class:`DCGANGenerator`.
        batch_norm: On all maps but the first. A gradient penalty is of each image
            alone and wants none (Gulrajani et al. 2017, Sec. 4); the convolutions
            have biases then.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: As :class:`DCGANGenerator`.
    """

    def __init__(
        self,
        base_channels: int = 64,
        image_size: int = 64,
        in_channels: int = 3,
        kernel_size: int = 4,
        batch_norm: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or INIT)
        check_kernel(kernel_size)
        side, halvings = stages_of(image_size)
        bias = not batch_norm
        half = dict(stride=2, padding=(kernel_size - 1) // 2, bias=bias)
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, base_channels, kernel_size, **half),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        width = base_channels
        for _ in range(halvings - 1):
            layers.append(nn.Conv2d(width, 2 * width, kernel_size, **half))
            width *= 2
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Conv2d(width, 1, side, bias=bias))
        self.main = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x).flatten()
