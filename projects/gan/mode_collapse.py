"""Mode collapse, measured: the same networks with each loss, on data of known modes.

Goodfellow, "NIPS 2016 Tutorial: Generative Adversarial Networks", Sec. 5.1.1, calls it
mode collapse where a generator makes but a few of all kinds of data; Metz et al. 2017
and Srivastava et al. 2017 count modes of mixtures of Gaussians.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log

from projects.core.benchmark.in_turns import seconds_of
from projects.core.config import load_config
from projects.core.engine import train
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file, write_text
from projects.core.values import TEXT, checked, several, whole
from projects.core.variants import config_root
from projects.core.weights import load_weights, read_weights
from projects.gan.mode_pictures import film, modes_over_time, moments
from projects.registry import DATASETS, METRICS, MODELS

CONFIGS = 'gan/{loss}-mlp_*_{data}.py'
#: By the names of run configs, the losses in the order of their papers
LOSSES = {
    'gan-minmax': 'min-max',
    'gan': 'non-saturating',
    'lsgan': 'least squares',
    'wgan': 'Wasserstein, clipped',
    'wgan-gp': 'Wasserstein, penalty',
}
DATA = {'ring8': 'ring of 8', 'grid25': 'grid of 25'}
#: Moments of a run at which its generator is kept
MOMENTS = 20
FILES = ('table.md', 'mode_collapse.png', 'modes_over_time.png', 'mode_collapse.gif')


@dataclass
class Run:
    """A training and what came of it.

    Args:
        data: Name of the mixture, of ``DATA``.
        loss: Name of the loss, of ``LOSSES``.
        seed: Of the run.
        seconds: That it took; None where it was resumed.
        iterations: Where the generator was kept.
        scores: Of the mixture metric, by name, at each of these.
        points: (N, 2) samples at each of these.
        centres: (K, 2) of the mixture.
    """

    data: str
    loss: str
    seed: int
    seconds: int | None
    iterations: list[int]
    scores: list[dict[str, float]]
    points: list[np.ndarray]
    centres: np.ndarray


@checked(out=TEXT, seeds=several(whole(0)), data=several(TEXT), losses=several(TEXT))
def measure_mode_collapse(
    out: str,
    seeds: tuple[int, ...] = (0, 1, 2),
    data: tuple[str, ...] = tuple(DATA),
    losses: tuple[str, ...] = tuple(LOSSES),
    cfg_options: tuple[str, ...] = (),
) -> str:
    """Train the same networks on mixtures with each loss; a table, pictures, a film.

    A run that is complete is taken up from its folder, one that was stopped goes on.

    Args:
        out: Folder of the runs and of ``FILES``.
        seeds: Of the runs of each loss.
        data: Names of ``DATA``.
        losses: Names of ``LOSSES``.
        cfg_options: Settings over those of all configs, as ``key.sub=value``.

    Returns:
        The table, in Markdown.

    Raises:
        UserError: On a mistake in the arguments, or if a run fails.
    """
    for given, known in ((data, DATA), (losses, LOSSES)):
        if unknown := [name for name in given if name not in known]:
            raise UserError(f'{unknown[0]} is none of {", ".join(known)}')
    paths = {name: str(Path(out) / name) for name in FILES}
    check_outputs(paths.values(), '--out')
    runs = [
        _run(one, loss, seed, Path(out), list(cfg_options))
        for one in data
        for seed in seeds
        for loss in losses
    ]
    text = table(runs)
    write_text(paths['table.md'], text, '--out')
    for name, drawn in (
        ('mode_collapse.png', moments(runs, DATA, LOSSES)),
        ('modes_over_time.png', modes_over_time(runs, DATA, LOSSES)),
        ('mode_collapse.gif', film(runs, DATA, LOSSES)),
    ):
        with output_file(paths[name], '--out') as file:
            file.write(drawn)
    print_log(f'{", ".join(paths.values())}:\n\n{text}', 'current')
    return text


def config_of(data: str, loss: str) -> str:
    """The run config of a loss on a mixture."""
    (file,) = config_root().glob(CONFIGS.format(loss=loss, data=data))
    return str(file)


def _run(data: str, loss: str, seed: int, out: Path, options: list[str]) -> Run:
    config = config_of(data, loss)
    work_dir = out / Path(config).stem / f'seed_{seed}'
    cfg = load_config(config, options)
    length = cfg.train_cfg.max_iters
    every = max(length // MOMENTS, 1)
    last = work_dir / f'iter_{length}.pth'
    if not last.is_file():
        kept = (f'interval={every}', 'max_keep_ckpts=-1', 'save_best=None')
        train(
            config,
            str(work_dir),
            resume=newest_checkpoint(str(work_dir)) is not None,
            seed=seed,
            cfg_options=[
                *(f'default_hooks.checkpoint.{setting}' for setting in kept),
                *options,
            ],
        )
    iterations = [*range(every, length, every), length]
    files = [work_dir / f'iter_{i}.pth' for i in iterations]
    model = MODELS.build(cfg.model).eval()
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    scores, points = [], []
    for file in files:
        load_weights(model, read_weights(str(file))['state_dict'], str(file))
        fake = model.samples(range(len(dataset)))
        points.append(fake.numpy())
        scores.append(_scores(cfg, dataset, fake, in_full=file is files[-1]))
    run = Run(
        data=data,
        loss=loss,
        seed=seed,
        seconds=seconds_of(work_dir),
        iterations=iterations,
        scores=scores,
        points=points,
        centres=dataset.centres,
    )
    print_log(f'{data}, {loss}, seed {seed}: {_shown(scores[-1])}', 'current')
    return run


def _scores(
    cfg: Config, dataset, fake: torch.Tensor, in_full: bool
) -> dict[str, float]:
    """Of the metric of the config; else without the distance, which takes longest."""
    settings = dict(cfg.val_evaluator)
    if not in_full:
        settings['num_distance'] = 1
    metric = METRICS.build(settings)
    metric.dataset_meta = dataset.metainfo
    metric.process(
        None,
        [dict(real=r, fake=f) for r, f in zip(dataset.points, fake, strict=True)],
    )
    scores = metric.evaluate(len(dataset))
    return {name.rpartition('/')[2]: value for name, value in scores.items()}


def _shown(scores: dict[str, float]) -> str:
    return ', '.join(f'{name} {value:.4g}' for name, value in scores.items())


def table(runs: list[Run]) -> str:
    """Modes of each seed, and means of the other scores, in Markdown."""
    seeds = sorted({run.seed for run in runs})
    columns = [
        'data',
        'loss',
        f'modes, seeds {", ".join(map(str, seeds))}',
        'good samples, %',
        'KL, nats',
        'JS, nats',
        'Wasserstein (floor)',
        'seconds',
    ]
    rows = [columns, ['---'] * len(columns)]
    for data, loss in dict.fromkeys((run.data, run.loss) for run in runs):
        of_all = [run for run in runs if (run.data, run.loss) == (data, loss)]
        last = {
            name: [run.scores[-1][name] for run in of_all]
            for name in of_all[0].scores[-1]
        }
        seconds = [run.seconds for run in of_all if run.seconds is not None]
        rows.append(
            [
                f'{DATA[data]}',
                LOSSES[loss],
                ', '.join(str(value) for value in last['modes']),
                ', '.join(f'{value:.2f}' for value in last['good_samples']),
                ', '.join(f'{value:.4f}' for value in last['kl']),
                ', '.join(f'{value:.4f}' for value in last['js']),
                f'{mean(last["wasserstein"]):.3f} '
                f'({mean(last["wasserstein_floor"]):.3f})',
                ', '.join(map(str, seconds)),
            ]
        )
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)
