"""A picture of what attention is for: steps of training that need not wait."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.logging import print_log
from torch import nn

from projects.core.benchmark.run import using_threads
from projects.core.files import check_outputs, output_file
from projects.core.quiet import quiet_libraries
from projects.core.values import PATH, checked, several, whole
from projects.registry import MODELS

WIDTH, VOCAB_SIZE = 256, 1000
BACKBONES = {
    'Transformer': dict(
        type='projects.Transformer',
        vocab_size=VOCAB_SIZE,
        embed_dims=WIDTH,
        num_encoder_layers=2,
        num_decoder_layers=2,
        feedforward_dims=4 * WIDTH,
    ),
    'GRU with attention': dict(
        type='projects.Seq2Seq',
        vocab_size=VOCAB_SIZE,
        attention='additive',
        embed_dims=WIDTH,
        hidden_dims=WIDTH,
        num_layers=2,
    ),
}


@checked(
    lengths=several(whole(1)),
    batch_size=whole(1),
    repeats=whole(1),
    threads=whole(1),
    out=PATH,
)
def draw_steps(
    lengths: Sequence[int] = (8, 16, 32, 64, 128, 256, 512),
    batch_size: int = 4,
    repeats: int = 3,
    threads: int = 1,
    device: str = 'cpu',
    out: str = 'steps.png',
) -> dict[str, list[float]]:
    """Draw the time of a training step against the length of the texts.

    Two models of one width and two layers take turns. In the Transformer all tokens
    of a layer are computed together; the recurrent decoder, whose next state needs
    its attention, takes one token after the other.

    Args:
        lengths: Tokens of source and target.
        batch_size: Texts of a step.
        repeats: Steps of each length that are timed, after one that is not.
        threads: Of the CPU.
        device: Of torch, 'cpu' or 'cuda'.
        out: PNG to write.

    Returns:
        Median seconds of each length by the name of the model.

    Raises:
        UserError: If an option is out of its range, or the file cannot be written.
    """
    quiet_libraries()
    check_outputs([out], '--out')
    torch.manual_seed(0)
    seconds: dict[str, list[float]] = {}
    models = {
        name: MODELS.build(dict(type='projects.EncoderDecoder', backbone=backbone))
        for name, backbone in BACKBONES.items()
    }
    with using_threads(threads):
        for length in lengths:
            tokens = torch.randint(VOCAB_SIZE, (batch_size, length), device=device)
            data = dict(inputs=dict(tokens=tokens, target=tokens))
            data['data_samples'] = dict(labels=tokens)
            steps = {name: step_of(m.to(device), data) for name, m in models.items()}
            times = {name: [] for name in steps}
            for _ in range(1 + repeats):
                for name, step in steps.items():
                    start = time.perf_counter()
                    step()
                    times[name].append(time.perf_counter() - start)
            for name, taken in times.items():
                seconds.setdefault(name, []).append(float(np.median(taken[1:])))
            print_log(
                f'{length:>4} tokens: '
                + ', '.join(f'{n} {t[-1] * 1e3:,.1f} ms' for n, t in seconds.items()),
                'current',
            )
    figure = Figure(figsize=(5.4, 3.8), layout='constrained')
    axes = figure.add_subplot()
    for (name, taken), marker in zip(seconds.items(), 'os', strict=True):
        num = sum(p.numel() for p in models[name].parameters())
        axes.plot(lengths, taken, f'{marker}-', label=f'{name}, {num / 1e6:.1f} M')
    axes.set_xscale('log', base=2)
    axes.set_yscale('log')
    axes.set_xticks(lengths, map(str, lengths))
    axes.set_xlabel('tokens of source and target')
    axes.set_ylabel('seconds of a training step')
    where = f'{threads} threads' if threads > 1 else 'one thread'
    axes.set_title(
        f'width {WIDTH}, two layers, {batch_size} texts, '
        + (where if device == 'cpu' else device),
        fontsize=10,
    )
    axes.grid(which='major', color='0.9')
    axes.legend()
    with output_file(out, '--out') as file:
        figure.savefig(file, format='png', dpi=100)
    print_log(f'time of a training step: {out}', 'current')
    return seconds


def step_of(model: nn.Module, data: dict) -> Callable[[], None]:
    """A function that computes a loss and all gradients."""

    def step() -> None:
        model.zero_grad()
        model(**data, mode='loss')['loss'].backward()
        if data['inputs']['tokens'].is_cuda:
            torch.cuda.synchronize()

    return step
