"""Whether a difference between groups of runs is larger than chance."""

from collections.abc import Sequence
from itertools import combinations

from projects.core.reports.blocks import Block, Section, Table, Text
from projects.core.reports.entries import Entry, better, run_data
from projects.core.reports.group import FOLD
from projects.core.reports.statistics import (
    CORRECTED,
    WELCH,
    Difference,
    holm,
    paired,
    spread,
    welch,
)

LEVEL = 0.05
#: pairs of which a sentence is written; the table holds all
MOST_SENTENCES = 6
#: rows of the table of pairs
MOST_PAIRS = 60
SOURCES = {
    WELCH: "Welch's t-test, two-sided, which lets groups spread differently",
    CORRECTED: 'the paired t-test, corrected for folds that share training data '
    '(Nadeau and Bengio, Machine Learning 2003)',
}


def significance(entries: Sequence[Entry], metric: str) -> Section:
    """What may be said of the differences in a metric.

    Groups of seeds are compared by Welch's t-test, groups of the same folds by the
    paired one that is corrected for their common training data; of more than two
    groups each pair is, with Holm's correction.

    Args:
        entries: On the same data.
        metric: By its best value of each run.
    """
    groups = [e for e in entries if len(_values(e, metric)) > 1]
    blocks: list[Block] = []
    if groups:
        blocks.append(_spreads(groups, metric))
    tests = [
        (first, second, _test(first, second, metric))
        for first, second in combinations(groups, 2)
    ]
    ps = [test.p for _, _, test in tests]
    if len(tests) > 1:
        ps = holm(ps)
    texts = [
        sentence(*test, p, metric)
        for test, p in zip(tests[:MOST_SENTENCES], ps, strict=False)
    ]
    if len(tests) > MOST_SENTENCES:
        texts.append(f'The table holds all {len(tests)} pairs.')
    used = dict.fromkeys(test.test for _, _, test in tests if test.p is not None)
    if used:
        texts.append(
            f'The test is {" and ".join(SOURCES[name] for name in used)}, by scipy.'
        )
    if used and len(tests) > 1:
        texts.append(
            f'Of {len(tests)} pairs the p values are corrected by the method of Holm '
            '(1979): the risk that any of the differences called larger than chance '
            'is not is 5 %.'
        )
    singles = [entry.name for entry in entries if entry not in groups]
    if singles and len(entries) > 1:
        texts.append(
            f'{"These are" if groups else "All runs are"} of one seed each'
            f'{": " + ", ".join(singles) if groups else ""}. Whether a difference is '
            'larger than chance cannot be known from one seed: train several of each '
            'by tools/train.py CONFIG --repeat 5, and compare their folders.'
        )
    if texts:
        blocks.append(Text('difference', metric, '\n\n'.join(texts)))
    if tests:
        blocks.append(_pairs(tests, ps, metric))
    return Section('Is a difference larger than chance?', blocks)


def sentence(
    first: Entry, second: Entry, test: Difference, p: float | None, metric: str
) -> str:
    """The outcome of a test in words.

    Args:
        first: A group.
        second: Another.
        test: The second less the first.
        p: Corrected, where several are tested; None where the test was not made.
        metric: What was tested.
    """
    names = f'{first.name} and {second.name}'
    if test.value is None or p is None:
        return f'{names}: not tested, {test.reason}.'
    size = figure(abs(test.value))
    which = ''
    if test.value and better(metric):
        ahead = second if (test.value > 0) == (better(metric) == '+') else first
        which = f' in favour of {ahead.name}'
    verdict = 'is' if p < LEVEL else 'is not'
    numbers = sorted({len(_values(e, metric)) for e in (first, second)})
    what = 'folds' if first.kind == FOLD else 'seeds'
    each = f'{numbers[0]} {what} each'
    if len(numbers) > 1:
        each = f'{numbers[0]} and {numbers[1]} {what}'
    text = (
        f'{names}: the difference of {size}{which} {verdict} larger than chance at '
        f'5 % (p = {p:.2g}).'
    )
    if test.smallest is not None:
        text += (
            f' With {each} only differences above about {figure(test.smallest)} '
            'would be seen, four times in five.'
        )
    return text


def figure(value: float) -> str:
    """Three significant digits."""
    return f'{value:.3g}' if abs(value) < 100 else f'{value:.0f}'


def _scores(entry: Entry, metric: str) -> list[float | None]:
    """Best values of the members; None of one that is not finished."""
    return [
        score if run.status == 'finished' else None
        for run, score in zip(entry.runs, entry.best(metric), strict=True)
    ]


def _values(entry: Entry, metric: str) -> list[float]:
    return [v for v in _scores(entry, metric) if v is not None] if entry.kind else []


def _overlap(entry: Entry) -> float:
    """Test over training data of a fold; 0 of seeds."""
    if entry.kind != FOLD:
        return 0.0
    return 1 / (max(fold[1] for fold in _folds(entry)) - 1)


def _folds(entry: Entry) -> list[tuple]:
    """What names each fold: its number, of how many, and the data left out."""
    folds = []
    for i, run in enumerate(entry.runs):
        group = (run.record.group if run.record else None) or {}
        checksum = entry.folds or run_data(run, 'val').get('checksum')
        number = group.get('of') or len(entry.runs)
        folds.append((group.get('index', i), max(number, 2), checksum))
    return folds


def _test(first: Entry, second: Entry, metric: str) -> Difference:
    kinds = {first.kind, second.kind}
    if len(kinds) > 1:
        reason = 'one is a group of seeds, the other of folds'
        return Difference('', None, reason=reason)
    if kinds != {FOLD}:
        return welch(_scores(first, metric), _scores(second, metric))
    folds = [_folds(first), _folds(second)]
    values = [
        dict(zip(f, _scores(e, metric), strict=True))
        for f, e in zip(folds, (first, second), strict=True)
    ]
    common = [fold for fold in folds[0] if fold in values[1]]
    if len(common) < 2 or None in {fold[2] for fold in common}:
        reason = 'it is not known that their folds are the same'
        return Difference(CORRECTED, None, reason=reason)
    pairs = [[side[fold] for fold in common] for side in values]
    return paired(*pairs, _overlap(first))


def _spreads(groups: list[Entry], metric: str) -> Table:
    rows = []
    for entry in groups:
        found = spread(_scores(entry, metric), _overlap(entry))
        what = 'folds' if entry.kind == FOLD else 'seeds'
        rows.append(
            [
                entry.name,
                f'{found.num} {what}',
                found.mean,
                found.std,
                found.low,
                found.high,
                ', '.join(figure_of(v) for v in _scores(entry, metric)),
            ]
        )
    return Table(
        'groups',
        f'{metric}: means and spreads',
        [
            'group',
            'runs',
            'mean',
            'standard deviation',
            '95 % interval from',
            'to',
            'values',
        ],
        rows,
        better=['', '', better(metric), '', '', '', ''],
        note='Of runs that are finished, the best validation of each. Which one is the '
        'best is seen on the same data, so that all are a little optimistic. The '
        "interval of the mean is by Student's t"
        + (
            ', wider for folds, which share training data.'
            if any(entry.kind == FOLD for entry in groups)
            else '.'
        ),
    )


def figure_of(value: float | None) -> str:
    """Four significant digits; a dash for what is missing."""
    return '–' if value is None else f'{value:.4g}'


def _pairs(tests: list[tuple], ps: list, metric: str) -> Table:
    rows = []
    for i, (first, second, test) in enumerate(tests):
        p = ps[i]
        verdict = '–' if p is None else 'yes' if p < LEVEL else 'no'
        rows.append(
            [
                f'{second.name} − {first.name}',
                test.value,
                test.low,
                test.high,
                figure_of(p),
                verdict,
                test.smallest,
            ]
        )
    note = (
        'The interval is that of each pair alone. The least difference is the true one '
        'that the test finds four times in five.'
    )
    if len(rows) > MOST_PAIRS:
        note += f' {MOST_PAIRS} of {len(rows)} pairs, the greatest differences first.'
        rows.sort(key=lambda row: -abs(row[1] or 0))
    return Table(
        'pairs',
        f'{metric}: differences',
        [
            'pair',
            'difference',
            '95 % interval from',
            'to',
            'p, corrected' if len(tests) > 1 else 'p',
            'larger than chance',
            'least difference that would be seen',
        ],
        rows[:MOST_PAIRS],
        note=note,
    )
