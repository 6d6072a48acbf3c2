"""Generator and discriminator of CycleGAN.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, Sec. 7.2 <https://arxiv.org/abs/1703.10593>. The names of the
weights are those of the authors' PyTorch code
<https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix>, whose published generators
load as they are.

Legend: B images, C channels, H and W height and width in pixels.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.registry import MODELS

#: the authors' initial weights: N(0, 0.02), biases of 0
NORMAL = dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.02)


def normalized(conv: nn.Module, channels: int, activation: nn.Module) -> list:
    """A convolution, an instance norm without parameters, and an activation.

    The convolution keeps its bias, which the norm takes off again, as in the
    authors' code.
    """
    return [conv, nn.InstanceNorm2d(channels), activation]


class ResidualBlock(nn.Module):
    """``x + block(x)``, two convolutions on maps that are padded by reflection.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            *normalized(nn.Conv2d(channels, channels, 3), channels, nn.ReLU(True)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


@MODELS.register_module()
class CycleGANGenerator(BaseModule):
    """Maps (B, C, H, W) images in [-1, 1] to such of the other domain.

    In the paper's notation c7s1-64, d128, d256, R256 six or nine times, u128, u64,
    c7s1-3 (Johnson et al. 2016, with instance norm).

    Args:
        num_blocks: Residual blocks: 6 for 128 x 128, 9 for 256 x 256 and more.
        base_channels: Of the first layer; the residual blocks have four times these.
        in_channels: Of the images of the one domain.
        out_channels: Of those of the other.
        init_cfg: See :class:`mmengine.model.BaseModule`; the authors' by default.
            ``dict(type='projects.Pretrained', checkpoint='latest_net_G.pth')`` for
            a published generator.

    Raises:
        UserError: If H or W is not a multiple of 4: the output would be larger.
    """

    def __init__(
        self,
        num_blocks: int = 9,
        base_channels: int = 64,
        in_channels: int = 3,
        out_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or NORMAL)
        c = base_channels
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            *normalized(nn.Conv2d(in_channels, c, 7), c, nn.ReLU(True)),
        ]
        for _ in range(2):  # (B, c, H, W) -> (B, 2c, H / 2, W / 2)
            down = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
            layers += normalized(down, 2 * c, nn.ReLU(True))
            c *= 2
        layers += [ResidualBlock(c) for _ in range(num_blocks)]
        for _ in range(2):
            up = nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1)
            layers += normalized(up, c // 2, nn.ReLU(True))
            c //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(c, out_channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height % 4 or width % 4:
            raise UserError(
                f'images of {width} x {height} pixels (width x height): '
                'projects.CycleGANGenerator takes multiples of 4; resize or crop '
                'them in the pipeline'
            )
        return self.model(x)


@MODELS.register_module()
class PatchDiscriminator(BaseModule):
    """Scores of overlapping patches: (B, C, H, W) images to (B, 1, H', W').

    With three strides each score sees 70 x 70 pixels, and of 256 x 256 there are
    30 x 30; in the paper's notation C64, C128, C256, C512 and a layer to one channel
    (Isola et al. 2017). With fewer the patches are smaller: 34 pixels with two, 16
    with one.

    Args:
        num_strides: Layers of stride 2.
        base_channels: Of the first layer; twice as many in each that follows, eight
            times at most.
        in_channels: Of the images.
        init_cfg: As of :class:`CycleGANGenerator`.

    Raises:
        ValueError: If ``num_strides`` is below 1.
    """

    def __init__(
        self,
        num_strides: int = 3,
        base_channels: int = 64,
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or NORMAL)
        if num_strides < 1:
            raise ValueError(f'num_strides {num_strides} is not at least 1')
        leaky = nn.LeakyReLU(0.2, True)
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, base_channels, 4, stride=2, padding=1),
            leaky,
        ]
        before = base_channels
        for i in range(1, num_strides + 1):
            channels = base_channels * min(2**i, 8)
            stride = 2 if i < num_strides else 1
            conv = nn.Conv2d(before, channels, 4, stride=stride, padding=1)
            layers += normalized(conv, channels, leaky)
            before = channels
        layers.append(nn.Conv2d(before, 1, 4, stride=1, padding=1))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
