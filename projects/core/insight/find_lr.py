"""Python API of ``tools/analysis_tools/find_lr.py``."""

import json
import os.path as osp
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from mmengine.logging import print_log
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.config import (
    explained,
    load_config,
    optim_wrappers_of,
    unread_keys,
)
from projects.core.devices import find_device
from projects.core.engine.distributed import has_own_step
from projects.core.engine.optimizers import in_full_precision
from projects.core.engine.runner import Runner
from projects.core.engine.seeding import seed_all
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file, write_text
from projects.core.insight.ramp import (
    Proposal,
    Ramp,
    exponential_rates,
    proposal_of,
    run_ramp,
)
from projects.core.quiet import hushed, quiet_libraries
from projects.core.tasks.task import task_of
from projects.core.values import PATH, SEED, TEXT, above, checked, optional, pair, whole
from projects.core.weights import load_weights, read_weights
from projects.registry import MODELS

RANGE = (1e-6, 10.0)
NUM_STEPS = 150
LEAST_STEPS = 10  # before the loss runs away
SAID = 5  # times, that a ramp says how far it is


@checked(
    config=PATH,
    steps=whole(20),
    range_=pair(above(0)),
    seed=SEED,
    out=optional(PATH),
    device=optional(TEXT),
)
def find_lr(
    config: str,
    steps: int = NUM_STEPS,
    range_: Sequence[float] = RANGE,
    seed: int = 0,
    out: str | None = None,
    device: str | None = None,
    cfg_options: list[str] | None = None,
) -> dict:
    """Train a config's model for some steps at growing rates, and propose one.

    The model, its data and its optimizer are the config's, in full precision, without
    the schedule; groups of parameters keep the ratios of their rates. Nothing is kept
    of the training. How a rate is chosen: see :mod:`projects.core.insight.ramp`.

    Args:
        config: Run config.
        steps: Steps of the optimizer.
        range_: First and last learning rate.
        seed: Of the weights, the data's order and the augmentation.
        out: PNG of the curve, with a JSON file of the same name beside it;
            ``find_lr/<config's name>.png`` by default.
        device: 'cpu', 'cuda', ...; a GPU where there is one by default.
        cfg_options: Settings over the config's, as ``key.sub=value``.

    Returns:
        What the JSON file holds.

    Raises:
        UserError: If the config has no one rate to look for, or a file cannot be
            read or written.
    """
    quiet_libraries()
    cfg = load_config(config, cfg_options)
    low, high = map(float, range_)
    if low >= high:
        raise UserError(f'--range {low:g} {high:g}: from the lower rate to the higher')
    out = out or osp.join('find_lr', f'{Path(config).stem}.png')
    if not out.endswith('.png'):
        raise UserError(f'--out {out}: the curve is a picture; name a file .png')
    files = [out, f'{out.removesuffix(".png")}.json']
    check_outputs(files, '--out')
    device = find_device(device)
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        task = task_of(cfg)
        _check(cfg, config)
        task.prepare(cfg)
        for notice in [*unread_keys(cfg), *task.check_data(cfg)]:
            print_log(notice, 'current')
        stepper = Stepper(cfg, config, seed, device)
        print_log(
            f'{steps} steps of {stepper.total_batch or "varying numbers of"} '
            f'{task.unit} at rates from {low:g} '
            f'to {high:g}, on {device}',
            'current',
        )
        ramp = run_ramp(stepper.saying(steps), exponential_rates(low, high, steps))
    if len(ramp.rates) < LEAST_STEPS:
        raise UserError(
            f'the loss ran away at the rate {ramp.rates[-1]:.2g}, after '
            f'{len(ramp.rates)} steps, which say nothing: begin lower by --range, or '
            'see by tools/train.py what is wrong with the first step'
        )
    proposal = proposal_of(ramp)
    result = _result(config, seed, stepper, ramp, proposal)
    with output_file(files[0], '--out') as file:
        _figure(result).savefig(file, format='png', dpi=100)
    write_text(files[1], json.dumps(result), '--out')
    for line in _lines(result, steps):
        print_log(line, 'current')
    print_log(f'curve: {files[0]}, {files[1]}', 'current')
    return result


def _check(cfg, config: str) -> None:
    """Refuse a config in which there is not one rate to look for."""
    missing = [
        k for k in ('model', 'train_dataloader', 'optim_wrapper') if not cfg.get(k)
    ]
    if missing:
        raise UserError(f'{config} has no {missing[0]}: give a run config')
    wrappers = optim_wrappers_of(cfg)
    if len(wrappers) > 1:
        raise UserError(
            f'{config} has several optimizers ({", ".join(wrappers)}), whose losses '
            "depend on one another's steps: no one rate can be looked for"
        )
    if not wrappers:
        raise UserError(f"{config}: optim_wrapper holds no 'optimizer'")


class Stepper:
    """A config's training, a step at a time.

    Args:
        cfg: Config.
        config: Its file, for messages.
        seed: Of everything that is drawn.
        device: Where to train.

    Attributes:
        total_batch: Samples of a step of the optimizer; None where that changes.
        own_rate: The config's rate for that batch.
        written_rate: What the config says, for its ``base_batch_size``.
    """

    def __init__(self, cfg, config: str, seed: int, device: str) -> None:
        seed_all(seed)
        with hushed():
            if 'data_preprocessor' in cfg:
                cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
            model = MODELS.build(cfg.model)
            if has_own_step(model):
                raise UserError(
                    f'{config}: a {type(model).__name__} takes steps of its own, of '
                    'networks that train against each other; its losses say nothing '
                    'of one rate'
                )
            model.init_weights()
        if cfg.get('load_from'):
            weights = read_weights(cfg.load_from)['state_dict']
            load_weights(model, weights, cfg.load_from, True)
        self.model: nn.Module = model.to(device).train()
        hooks = {hook['type'] for hook in cfg.get('custom_hooks') or []}
        if 'projects.ChannelsLastHook' in hooks:
            model.to(memory_format=torch.channels_last)
        with hushed():
            wrapper = in_full_precision(cfg.optim_wrapper)
            self.optim_wrapper = build_optim_wrapper(self.model, wrapper)
        groups = self.optim_wrapper.optimizer.param_groups
        base = self.optim_wrapper.optimizer.defaults.get('lr')
        if not base or any(not isinstance(group.get('lr'), float) for group in groups):
            kind = type(self.optim_wrapper.optimizer).__name__
            raise UserError(f'{config}: its {kind} has no learning rate to look for')
        self.shares = [group['lr'] / base for group in groups]
        self.accumulated = self.optim_wrapper._accumulative_counts
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=seed)
        size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)
        self.total_batch = size and size * self.accumulated
        self.batches = self._endless(loader)
        self.written_rate = self.own_rate = float(base)
        scale = cfg.get('auto_scale_lr') or {}
        if scale.get('enable', True) and scale.get('base_batch_size') and size:
            self.own_rate *= self.total_batch / scale['base_batch_size']

    @staticmethod
    def _endless(loader) -> Iterator:
        epoch = 0
        while True:
            for sampler in (loader.sampler, loader.batch_sampler):
                if hasattr(sampler, 'set_epoch'):
                    sampler.set_epoch(epoch)
            yield from loader
            epoch += 1

    def __call__(self, rate: float) -> float:
        """Take a step at a rate.

        Returns:
            The loss before it, of all accumulated batches.
        """
        groups = self.optim_wrapper.optimizer.param_groups
        for group, share in zip(groups, self.shares, strict=True):
            group['lr'] = rate * share
        losses = [
            self.model.train_step(next(self.batches), self.optim_wrapper)['loss'].item()
            for _ in range(self.accumulated)
        ]
        return sum(losses) / len(losses)

    def saying(self, num_steps: int):
        """The steps, saying from time to time how far they are."""
        done = 0

        def step(rate: float) -> float:
            nonlocal done
            loss = self(rate)
            done += 1
            if done % -(-num_steps // SAID) == 0:
                print_log(
                    f'step {done} of {num_steps}: rate {rate:.2g}, loss {loss:.4g}',
                    'current',
                )
            return loss

        return step


def _result(
    config: str, seed: int, stepper: Stepper, ramp: Ramp, proposal: Proposal | None
) -> dict:
    rate = proposal and float(f'{proposal.rate:.1e}')  # it is no more exact than that
    factor = stepper.written_rate / stepper.own_rate
    return dict(
        config=config,
        seed=seed,
        batch_size=stepper.total_batch,
        proposal=rate,
        setting=rate and float(f'{rate * factor:.2e}'),
        steepest=proposal and proposal.steepest,
        least=proposal and proposal.least,
        own_rate=stepper.own_rate,
        diverged=ramp.diverged,
        rates=ramp.rates.tolist(),
        losses=[
            loss if torch.isfinite(torch.tensor(loss)) else None
            for loss in ramp.losses.tolist()
        ],
        smoothed=ramp.smoothed.tolist(),
    )


def _batches(result: dict) -> str:
    size = result['batch_size']
    return 'batches of this size' if size is None else f'batches of {size}'


def _lines(result: dict, num_steps: int) -> list[str]:
    """What was found, in words."""
    rates = result['rates']
    end = (
        f'the loss ran away at {rates[-1]:.2g}, after {len(rates)} of {num_steps} steps'
        if result['diverged']
        else f'the loss did not run away up to {rates[-1]:.2g}'
    )
    if result['proposal'] is None:
        return [
            f'{end}; it hardly fell at any rate, so that none is proposed: give other '
            'limits by --range, more --steps, or see whether the model learns at all'
        ]
    own = result['own_rate']
    return [
        f'{end}; it fell most steeply at {result["steepest"]:.2g} and was least at '
        f'{result["least"]:.2g}',
        f'proposal: {result["proposal"]:g}, half the way between the two (on a '
        f'logarithmic axis), for {_batches(result)}: '
        f'optim_wrapper.optimizer.lr={result["setting"]:g}; to be cautious take a '
        f'tenth of the least, {result["least"] / 10:.2g}',
        f"the config's own rate is {own:g}, {own / result['proposal']:.2g} times that",
    ]


def _figure(result: dict) -> Figure:
    """Raw and smoothed loss by the rate, with the proposal and the config's own."""
    figure = Figure((8, 5), layout='constrained')
    axes = figure.add_subplot(xscale='log')
    rates, losses = result['rates'], result['losses']
    known = [(r, v) for r, v in zip(rates, losses, strict=True) if v is not None]
    axes.plot(*zip(*known, strict=True), color='0.7', linewidth=1, label='loss')
    smoothed = result['smoothed']
    axes.plot(rates, smoothed, color='#1f4e8c', linewidth=2, label='smoothed')
    if result['proposal'] is not None:
        for rate, colour, style, name in (
            (result['proposal'], '#c03020', '-', 'proposal'),
            (result['steepest'], '#e09020', ':', 'steepest descent'),
            (result['least'], '#308030', ':', 'least loss'),
        ):
            label = f'{name}, {rate:.2g}'
            axes.axvline(rate, color=colour, linestyle=style, label=label)
    own = result['own_rate']
    axes.axvline(own, color='0.2', linestyle='--', label=f"config's own, {own:.2g}")
    low, start = min(smoothed), smoothed[0]
    room = max(start - low, 1e-3 * abs(start))
    axes.set_ylim(low - 0.25 * room, max(start, low) + 0.5 * room)
    axes.set_xlim(rates[0], max(rates[-1], 1.2 * own))
    axes.set_xlabel(f'learning rate, for {_batches(result)}')
    axes.set_ylabel('training loss')
    axes.set_title(Path(result['config']).stem, fontsize=11)
    axes.grid(alpha=0.3, which='both')
    axes.legend(fontsize=9, loc='lower left')
    return figure
