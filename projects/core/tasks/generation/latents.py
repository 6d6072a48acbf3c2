"""Noise that samples are made of.

Legend: B samples, L size of a latent.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import broadcast, get_rank, get_world_size
from torch import Tensor

from projects.core.errors import UserError

NORMAL = 'normal'
#: Range of a uniform distribution, or ``NORMAL``
Distribution = str | Sequence[float]


def check_distribution(latent: Distribution) -> None:
    """Refuse what is no distribution.

    Raises:
        ValueError: If it is neither 'normal' nor a range (low, high).
    """
    if latent == NORMAL:
        return
    if isinstance(latent, str) or len(latent) != 2 or not latent[0] < latent[1]:
        raise ValueError(f"latent {latent!r} is neither 'normal' nor (low, high)")


def draw(num: int, *shape: int, like: Tensor, latent: Distribution = NORMAL) -> Tensor:
    """Noise of a step, (num, *shape), of torch's global generator.

    Process r of W gets every W-th of what is drawn for all of them, from the r-th
    on, as samplers deal out data. So W processes take the steps of one that has
    all the data of theirs.

    Args:
        num: Samples of this process.
        *shape: Of one.
        like: Tensor that says the device.
        latent: Distribution.
    """
    size = (num * get_world_size(), *shape)
    if latent == NORMAL:
        noise = torch.randn(size, device=like.device)
    else:
        low, high = latent
        noise = low + (high - low) * torch.rand(size, device=like.device)
    if get_world_size() == 1:
        return noise
    broadcast(noise)
    return noise[get_rank() :: get_world_size()]


def fixed_latents(
    indices: Sequence[int], size: int, latent: Distribution = NORMAL, seed: int = 0
) -> Tensor:
    """Latents of numbered samples, (B, size).

    Each is a function of its number and the seed alone: neither the batch in which
    it is made nor the number of processes changes it.

    Args:
        indices: Numbers of the samples, from 0.
        size: L.
        latent: Distribution.
        seed: Another one gives other latents.

    Raises:
        UserError: If the seed is negative.
    """
    if seed < 0:
        raise UserError(f'seed {seed}: a whole number of at least 0')
    rows = []
    for index in indices:
        # a counter-based generator: streams that are numbered, not seeded
        rng = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, index]))
        if latent == NORMAL:
            rows.append(rng.standard_normal(size, np.float32))
        else:
            low, high = latent
            rows.append(rng.uniform(low, high, size).astype(np.float32))
    return torch.from_numpy(np.stack(rows) if rows else np.zeros((0, size), np.float32))


def way_between(
    first: Tensor, last: Tensor, num: int, latent: Distribution = NORMAL
) -> Tensor:
    """Latents on the way from one to another, (num, L), both ends included.

    Of a normal distribution the way is the arc (White 2016, arXiv 1609.04468): half
    way on the line latents are shorter than nearly all that a generator has seen.

    Args:
        first: (L,).
        last: (L,).
        num: Latents, 2 at least.
        latent: Distribution.
    """
    t = torch.linspace(0, 1, num)[:, None]
    if latent != NORMAL:
        return torch.lerp(first, last, t)
    cosine = torch.dot(first, last) / (first.norm() * last.norm())
    angle = cosine.clamp(-1, 1).acos()
    if angle.sin() < 1e-6:  # one and the same, or opposite: no arc is the shortest
        return torch.lerp(first, last, t)
    return ((1 - t) * angle).sin() / angle.sin() * first + (
        t * angle
    ).sin() / angle.sin() * last
