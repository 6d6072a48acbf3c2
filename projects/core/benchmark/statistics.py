"""What is made of the samples of a benchmark: quartiles, shares, ratios."""

from collections.abc import Sequence

import numpy as np

# sums of parts, beside those of each phase: what the optimiser does not touch
PASSES = ('train.forward', 'train.loss', 'train.backward')


def summary(times: dict[str, list[float]], batch_size: int) -> dict:
    """Quartiles of the parts and of their sums, and images per second.

    Args:
        times: Seconds of each iteration by part.
        batch_size: Images of an iteration.

    Returns:
        dict: ``parts`` in ms, of which ``train.step`` and ``predict.step`` are sums
        and ``train.passes`` is the training step without the optimiser, unless
        that was measured as a whole;
        ``images_per_second`` of the median steps.
    """
    parts = {}
    for phase in ('train', 'predict'):
        names = [part for part in times if part.startswith(f'{phase}.')]
        for name in names:
            parts[name] = quartiles(times[name])
        total = sum(parts[name]['median'] for name in names)
        for name in names:
            parts[name]['share'] = parts[name]['median'] / total
        parts[f'{phase}.step'] = quartiles(np.sum([times[name] for name in names], 0))
    if all(name in times for name in PASSES):
        parts['train.passes'] = quartiles(np.sum([times[name] for name in PASSES], 0))
    if 'data' in times:
        parts['data'] = quartiles(times['data'])
    return dict(
        parts=parts,
        images_per_second={
            phase: batch_size / parts[f'{phase}.step']['median'] * 1000
            for phase in ('train', 'predict')
        },
    )


def quartiles(seconds: Sequence[float]) -> dict:
    """Quartiles, extremes and samples, in ms."""
    values = np.asarray(seconds) * 1000
    low, q1, median, q3, high = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
    return dict(median=median, q1=q1, q3=q3, min=low, max=high, samples=values.tolist())


def ratio(first: Sequence[float], second: Sequence[float]) -> dict | None:
    """Second over first, pair by pair: the median of the pairs and their quartiles.

    The iterations of a pair follow each other, so that a machine that is slow for
    a while moves their ratio less than their times. The ratio of the medians would
    be another number, which may lie outside the quartiles of the pairs.

    Returns:
        dict: ``median``, ``q1`` and ``q3``; None where no pair has a ratio.
    """
    pairs = [y / x for x, y in zip(first, second, strict=True) if x]
    if not pairs:
        return None
    q1, median, q3 = np.percentile(pairs, (25, 50, 75)).tolist()
    return dict(median=median, q1=q1, q3=q3)


def ratios(first: dict, second: dict) -> dict[str, dict]:
    """:func:`ratio` of each part that both of two :func:`summary` results have."""
    found = {
        name: ratio(times['samples'], second['parts'][name]['samples'])
        for name, times in first['parts'].items()
        if name in second['parts']
    }
    return {name: value for name, value in found.items() if value is not None}
