"""Why Jensen-Shannon is a poor guide for a generator and the earth mover's a good one.

After Arjovsky et al., "Wasserstein GAN", ICML 2017, Sec. 2, and Arjovsky and Bottou,
"Towards Principled Methods for Training Generative Adversarial Networks", ICLR 2017.

Data and samples are distributions that are the same but for a shift: lines in a plane,
and Gaussians on the real line. All divergences are in nats.
"""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.logging import print_log
from scipy.stats import norm
from torch import Tensor

from projects.core.files import check_outputs, output_file
from projects.core.tasks.generation.mixture_metric import jensen_shannon, wasserstein
from projects.core.values import PATH, checked, whole
from projects.gan.losses import (
    AdversarialLoss,
    GradientPenalty,
    MinMaxLoss,
    NonSaturatingLoss,
    WassersteinLoss,
)
from projects.gan.mlp import MLPDiscriminator

#: By name, what a generator minimises, and the colour of its line
LOSSES = {
    'min-max': (MinMaxLoss(), 'tab:red'),
    'non-saturating': (NonSaturatingLoss(), 'tab:orange'),
    'Wasserstein': (WassersteinLoss(), 'tab:blue'),
}
POINTS = 200  # on a line
REACH = 12.0  # of the integrals, in standard deviations beyond the means
STEPS = 8001  # of the integrals


def lines(shift: float, num: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Points on two parallel lines of length 1, (N, 2) each (Example 1 of Arjovsky et
    al.): at the same heights, so that nothing but the shift is between the two."""
    heights = (np.arange(num) + 0.5) / num
    return tuple(np.stack([np.full(num, x), heights], 1) for x in (0.0, shift))


def jensen_shannon_of_points(first: np.ndarray, second: np.ndarray) -> float:
    """Of two sets of points (N, 2), as distributions that have nothing elsewhere."""
    places, index = np.unique(
        np.concatenate([first, second]), axis=0, return_inverse=True
    )
    index = index.ravel()
    p, q = (
        np.bincount(part, minlength=len(places)) / len(part)
        for part in np.split(index, [len(first)])
    )
    return jensen_shannon(p, q)


def axis(shift: float, std: float) -> tuple[np.ndarray, float]:
    """Places on the real line for integrals over two Gaussians, and their distance."""
    places = np.linspace(
        min(0, shift) - REACH * std, max(0, shift) + REACH * std, STEPS
    )
    return places, places[1] - places[0]


def gaussian_jensen_shannon(shift: float, std: float = 1.0) -> float:
    """Of N(0, std^2) and N(shift, std^2), by the integral."""
    x, step = axis(shift, std)
    p, q = norm.pdf(x, 0, std), norm.pdf(x, shift, std)
    return jensen_shannon(p, q) * step


def gaussian_earth_movers(shift: float, std: float = 1.0) -> float:
    """Of N(0, std^2) and N(shift, std^2): on a line it is the area between the two
    cumulative distributions."""
    x, step = axis(shift, std)
    between = np.abs(norm.cdf(x, 0, std) - norm.cdf(x, shift, std))
    return float(between.sum() * step)


def best_discriminator(shift: float, std: float = 1.0) -> Callable[[Tensor], Tensor]:
    """Score, before the sigmoid, by the best discriminator of data p = N(0, std^2) and
    samples q = N(shift, std^2): log p - log q (Goodfellow et al. 2014, Prop. 1)."""
    return lambda x: (shift**2 - 2 * shift * x) / (2 * std**2)


def best_critic(shift: float) -> Callable[[Tensor], Tensor]:
    """The function of slope 1 that tells two distributions apart best which differ in a
    shift: it falls from the data towards the samples."""
    return lambda x: -np.sign(shift) * x


def gradient(
    loss: AdversarialLoss,
    score: Callable[[Tensor], Tensor],
    shift: float,
    std: float = 1.0,
) -> float:
    """Derivative by the shift of what a generator of N(shift, std^2) minimises.

    Args:
        loss: Whose ``generator`` it minimises.
        score: Of a sample, by a discriminator that stays as it is.
        shift: Where the samples are.
        std: Of the Gaussian.
    """
    places, step = axis(shift, std)
    x = torch.from_numpy(places).requires_grad_()
    loss.generator(score(x)).backward()
    # losses are means over samples as they come; these come at equal distances
    slopes = x.grad.numpy() * len(places)
    return float((slopes * norm.pdf(places, shift, std)).sum() * step)


def gradients_while_training(
    shift: float, num_steps: int, every: int, seed: int = 0
) -> dict[str, list[float]]:
    """Gradients of a generator of a line, as a discriminator becomes a good one.

    The data are a line, the samples one beside it, see :func:`lines`; both stay as they
    are. A discriminator is trained by the loss of the first paper, a critic by that of
    Wasserstein with a gradient penalty.

    Args:
        shift: Distance of the two lines.
        num_steps: Steps of training.
        every: Steps from one gradient to the next.
        seed: Of the networks' weights.

    Returns:
        dict: By the name of a loss the absolute derivatives of it by the shift, before
        each ``every``-th step and after the last.
    """
    real, fake = (torch.tensor(x, dtype=torch.float32) for x in lines(shift))
    found = {name: [] for name in LOSSES}
    for told_apart, judged in (
        (MinMaxLoss(), ('min-max', 'non-saturating')),
        (WassersteinLoss(), ('Wasserstein',)),
    ):
        torch.manual_seed(seed)
        network = MLPDiscriminator((64, 64))
        optimizer = torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.9))
        for i in range(num_steps + 1):
            if i % every == 0:
                for name in judged:
                    samples = fake.clone().requires_grad_()
                    LOSSES[name][0].generator(network(samples)).backward()
                    # each sample moves with the shift as far as that
                    found[name].append(abs(samples.grad[:, 0].sum().item()))
            if i == num_steps:
                break
            optimizer.zero_grad()
            loss = told_apart.discriminator(network(real), network(fake))
            if isinstance(told_apart, WassersteinLoss):
                loss = loss + GradientPenalty()(network, real, fake)
            loss.backward()
            optimizer.step()
    return found


@checked(out=PATH, steps=whole(2))
def draw_distances(out: str = 'distances.png', steps: int = 1000) -> None:
    """Draw both distances, and the gradients that a generator gets from them.

    Args:
        out: PNG to write.
        steps: Of the training of the discriminators in the last panel.

    Raises:
        UserError: If the file cannot be written.
    """
    check_outputs([out], '--out')
    figure = Figure(figsize=(10, 7.2), layout='constrained')
    panels = figure.subplots(2, 2)
    _draw_distances_of_lines(panels[0][0])
    _draw_distances_of_gaussians(panels[0][1])
    _draw_gradients(panels[1][0])
    _draw_training(panels[1][1], steps)
    for panel in panels.flat:
        panel.legend(fontsize=8)
        panel.grid(alpha=0.3)
    with output_file(out, '--out') as file:
        figure.savefig(file, format='png', dpi=90)
    print_log(f'distances and gradients: {out}', 'current')


def _draw_distances_of_lines(panel) -> None:
    shifts = np.linspace(-1, 1, 41)
    pairs = [lines(shift) for shift in shifts]
    panel.plot(
        shifts,
        [wasserstein(*p) for p in pairs],
        color='tab:blue',
        label="earth mover's",
    )
    panel.plot(
        shifts,
        [jensen_shannon_of_points(*p) for p in pairs],
        'o',
        markersize=3,
        color='tab:red',
        label='Jensen-Shannon, nats',
    )
    panel.set(
        title='two parallel lines: distance',
        xlabel='samples shifted by',
        ylabel='distance of samples to data',
    )


def _draw_distances_of_gaussians(panel) -> None:
    shifts = np.linspace(-8, 8, 81)
    panel.plot(
        shifts,
        [gaussian_earth_movers(s) for s in shifts],
        color='tab:blue',
        label="earth mover's",
    )
    panel.plot(
        shifts,
        [gaussian_jensen_shannon(s) for s in shifts],
        color='tab:red',
        label='Jensen-Shannon, nats',
    )
    panel.axhline(np.log(2), color='grey', linewidth=0.8, linestyle=':', label='log 2')
    panel.set(
        title='two Gaussians of standard deviation 1: distance',
        xlabel='samples shifted by',
    )


def _draw_gradients(panel) -> None:
    shifts = np.linspace(0.05, 12, 80)
    for name, (loss, color) in LOSSES.items():
        best = best_critic if name == 'Wasserstein' else best_discriminator
        panel.plot(
            shifts,
            [gradient(loss, best(s), s) for s in shifts],
            color=color,
            label=name,
        )
    panel.set(
        title='two Gaussians: gradient, of the best discriminator',
        xlabel='samples shifted by',
        ylabel='derivative of the loss by the shift',
        yscale='log',
        ylim=(1e-7, 30),
    )


def _draw_training(panel, steps: int) -> None:
    every = max(steps // 50, 1)
    for name, values in gradients_while_training(1.0, steps, every).items():
        panel.plot(
            every * np.arange(len(values)), values, color=LOSSES[name][1], label=name
        )
    panel.set(
        title='two lines, 1 apart: gradient, as it trains',
        xlabel='steps of the discriminator',
        yscale='log',
    )
