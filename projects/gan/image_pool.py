"""What a generator made earlier, shown to the discriminator again.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through
Adversarial Training", CVPR 2017, Sec. 2.3 <https://arxiv.org/abs/1612.07828>, in the
form of CycleGAN's authors.
"""

import torch
from mmengine.dist import all_gather, broadcast, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from torch import Tensor, nn

from projects.registry import HOOKS


class ImagePool(nn.Module):
    """Keeps images, and half of the time gives back an old one for a new one.

    As long as it holds fewer than ``size`` images each new one is kept and given
    back. From then on a new one is given back as it is, or, half of the time, takes
    the place of one of the pool, which is given back.

    Several processes have one pool: each sees the images of all of them. Its content
    is the state of a run, not of a model: :class:`ImagePoolHook` puts it into
    checkpoints.

    Args:
        size: Images; of 0 new ones are given back.

    Raises:
        ValueError: If the size is below 0.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        if size < 0:
            raise ValueError(f'size {size} is below 0')
        self.size = size
        self.images: list[Tensor] = []

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Of (B, C, H, W) images as many of the pool or new ones, detached."""
        images = images.detach()
        if self.size == 0:
            return images
        # samplers deal data out: process r has every W-th of a step, from r on
        everyone = torch.stack(all_gather(images.contiguous()), 1).flatten(0, 1)
        draws = torch.rand(len(everyone), 2)
        broadcast(draws)
        given = [
            self._exchanged(image, *draw)
            for image, draw in zip(everyone, draws.tolist(), strict=True)
        ]
        return torch.stack(given[get_rank() :: get_world_size()])

    def _exchanged(self, image: Tensor, chance: float, place: float) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image.clone())
            return image
        if chance <= 0.5:
            return image
        index = int(place * self.size)
        old, self.images[index] = self.images[index], image.clone()
        return old


@HOOKS.register_module()
class ImagePoolHook(Hook):
    """Keeps the content of a model's pools in the checkpoints of a run; the task adds
    it to each training of a CycleGAN.

    A resumed run has the losses of one that was not interrupted. Where a checkpoint
    holds no pools, they begin empty, and the log says so.
    """

    KEY = 'image_pools'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint[self.KEY] = {
            name: [image.cpu() for image in pool.images]
            for name, pool in self._pools(runner).items()
        }

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if not runner._resume:
            return
        saved = checkpoint.get(self.KEY)
        if saved is None:
            print_log('the checkpoint has no image pools: they begin empty', 'current')
            return
        device = next(runner.model.parameters()).device
        for name, pool in self._pools(runner).items():
            images = saved.get(name, [])[: pool.size]
            pool.images = [image.to(device) for image in images]

    @staticmethod
    def _pools(runner) -> dict[str, ImagePool]:
        model = getattr(runner.model, 'module', runner.model)
        return {n: m for n, m in model.named_modules() if isinstance(m, ImagePool)}
