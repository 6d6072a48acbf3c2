"""What the metrics of sequences report beside their numbers, as blocks of a page."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from projects.core.errors import one_line
from projects.core.reports.blocks import Bars, Block, Table

SHOWN = 5  # of the best and of the worst
LONGEST = 300  # characters of a text in a table
SCORED = 1000  # lines of which each has a score of its own
# tokens of a reference, so that the bars of two runs are of the same lengths
LENGTHS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def ends_of(rows: Sequence[dict], scores: Sequence[float]) -> tuple[list, list]:
    """The rows of the lowest scores, the lowest first, and those of the highest, the
    highest first; none is in both."""
    order = sorted(range(len(rows)), key=scores.__getitem__)
    low = order[: min(SHOWN, -(-len(order) // 2))]
    high = order[len(low) :][-SHOWN:][::-1]
    return [rows[i] for i in low], [rows[i] for i in high]


def sequence_table(rows: Sequence[dict]) -> list[Block]:
    """The sequences that are hardest and easiest to predict.

    Args:
        rows: Dicts of ``text``, ``nll``, ``num_tokens`` and ``num_right``; those
            without a text are left out.
    """
    rows = [row for row in rows if 'text' in row and row.get('num_tokens')]
    rows = [row for row in rows if np.isfinite(row.get('nll', np.nan))]
    losses = [row['nll'] / row['num_tokens'] for row in rows]
    easiest, hardest = ends_of(rows, losses)
    if not rows:
        return []
    table = [
        [
            one_line(row['text'], LONGEST),
            kind,
            float(np.exp(min(row['nll'] / row['num_tokens'], 700))),
            100 * row['num_right'] / row['num_tokens'] if 'num_right' in row else None,
            row['num_tokens'],
        ]
        for kind, group in (('hardest', hardest), ('easiest', easiest))
        for row in group
    ]
    return [
        Table(
            'sequences',
            'Hardest and easiest sequences',
            ['sequence', 'which', 'perplexity', 'tokens right (%)', 'tokens'],
            table,
            digits=2,
            note='By the mean loss of a token.',
        )
    ]


def bleu_table(bleu, chrf: float, exact_match: float) -> Table:
    """What BLEU is made of, beside other scores.

    Args:
        bleu: What sacrebleu's ``corpus_score`` returns.
        chrf: From 0 to 100.
        exact_match: In %.
    """
    orders = [
        [f'{n}-grams of BLEU that are right (%)', value]
        for n, value in enumerate(bleu.precisions, 1)
    ]
    return Table(
        'translation',
        'Scores of what was written',
        ['score', 'value'],
        [
            ['lines that are the reference (%)', exact_match],
            ['BLEU', bleu.score],
            ['chrF', chrf],
            *orders,
            ['brevity penalty of BLEU', 100 * bleu.bp],
            ['words written, of 100 in the references', _percent(bleu)],
        ],
        digits=2,
    )


def _percent(bleu) -> float | None:
    return 100 * bleu.sys_len / bleu.ref_len if bleu.ref_len else None


def line_blocks(rows: Sequence[dict]) -> list[Block]:
    """Scores by length, and the best and the worst lines.

    Args:
        rows: Dicts of ``written``, ``reference``, ``num_tokens`` and, of some data,
            ``source``.
    """
    from sacrebleu.metrics import CHRF

    chrf = CHRF()
    rows = rows[:SCORED]
    if not rows:
        return []
    scores = [
        100.0
        if row['written'] == row['reference']
        else chrf.sentence_score(row['written'], [row['reference']]).score
        for row in rows
    ]
    # of lines that are equally right the longest come first
    keys = [(score, row['num_tokens']) for score, row in zip(scores, rows, strict=True)]
    rows = [{**row, 'chrf': score} for row, score in zip(rows, scores, strict=True)]
    worst, best = ends_of(rows, keys)
    note = 'By chrF (Popović, WMT 2015).'
    if len(rows) == SCORED:
        note += f' Of the first {SCORED:,} lines.'
    blocks: list[Block] = by_length(rows, note)
    for key, title, group in (
        ('worst-lines', 'Worst lines', worst),
        ('best-lines', 'Best lines', best),
    ):
        if group:
            blocks.append(
                Table(
                    key,
                    title,
                    ['source', 'written', 'reference', 'chrF'],
                    [
                        [
                            *(
                                one_line(row.get(name, ''), LONGEST)
                                for name in ('source', 'written', 'reference')
                            ),
                            row['chrf'],
                        ]
                        for row in group
                    ],
                    digits=1,
                    note=note,
                )
            )
    return blocks


def by_length(rows: Sequence[dict], note: str) -> list[Block]:
    """Scores of lines whose references are alike long; nothing where all are."""
    groups: dict[int, list[dict]] = {}
    for row in rows:
        groups.setdefault(bisect_left(LENGTHS, row['num_tokens']), []).append(row)
    if len(groups) < 2:
        return []
    names = [
        *(f'{low + 1} to {high}' for low, high in pairwise((0, *LENGTHS))),
        f'over {LENGTHS[-1]}',
    ]
    order = sorted(groups)
    return [
        Bars(
            'lines-by-length',
            'Lines by their length',
            [f'{names[i]} tokens ({len(groups[i])})' for i in order],
            'score, from 0 to 100',
            {
                'exact match': [
                    100 * float(np.mean([r['written'] == r['reference'] for r in g]))
                    for g in (groups[i] for i in order)
                ],
                'mean chrF': [
                    float(np.mean([r['chrf'] for r in groups[i]])) for i in order
                ],
            },
            note='Tokens of the reference, and how many lines have so many. ' + note,
        )
    ]
