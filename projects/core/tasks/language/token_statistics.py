"""Where in a sequence tokens are hard, and how far a model's confidence holds.

Legend: n tokens.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.evaluator import BaseMetric

from projects.core.reports.blocks import Block, Curves, Points, Series, Table
from projects.core.tasks.calibration import Calibration
from projects.core.tasks.language.attention_labels import label
from projects.core.tasks.language.tokenizers import Tokenizer

ALONE = 16  # first places that are shown each by itself
PARTS = 4  # of a doubling of the places after them
NUM_PLACES = ALONE + 20 * PARTS  # up to 16 million tokens
LEAST = 20  # tokens of a group that is shown; of less a mean says nothing
NUM_CHANCES = 10  # ranges of confidence, of one width
MOST_TOKENS = 200_000  # of each process, whose mistakes are counted by token
SHOWN = 10  # mistakes


def place_groups(places: np.ndarray) -> np.ndarray:
    """(n,) groups of places, from 0: the first 16 alone, then four for each doubling,
    so that a curve has as few points of a long sequence as of a short one."""
    doublings = np.log2(np.maximum(places + 1, 1) / ALONE)
    later = ALONE + np.floor(PARTS * doublings).astype(int)
    return np.where(places < ALONE, places, later.clip(max=NUM_PLACES - 1))


class TokenStatistics:
    """Sums over the tokens of an evaluation, of as many numbers for any data.

    Tokens whose numbers are not finite are left out.
    """

    def __init__(self) -> None:
        # tokens, places and negative log-likelihoods by group of places
        self.by_place = np.zeros((3, NUM_PLACES))
        # tokens, chances and right ones by range of chances
        self.by_chance = np.zeros((3, NUM_CHANCES))
        # of the first tokens: how often each is the true one, and what for what
        self.true: Counter[int] = Counter()
        self.mistakes: Counter[tuple[int, int]] = Counter()

    def add(self, predictions: Sequence[dict]) -> None:
        """Add the tokens of predictions that know each of theirs, see
        :func:`projects.core.tasks.language.scores.token_scores`."""
        rows = [row for row in predictions if 'nlls' in row]
        if not rows:
            return
        places, nlls, chances, guesses, labels = (
            torch.cat([row[name] for row in rows]).double().numpy()
            for name in ('places', 'nlls', 'chances', 'guesses', 'labels')
        )
        is_right = guesses == labels
        if self.true.total() < MOST_TOKENS:
            self.true.update(labels.astype(int).tolist())
            pairs = np.stack([labels, guesses], 1)[~is_right].astype(int)
            self.mistakes.update(map(tuple, pairs.tolist()))
        finite = np.isfinite(nlls) & np.isfinite(chances)
        places, nlls, chances, is_right = (
            values[finite] for values in (places, nlls, chances, is_right)
        )
        groups = place_groups(places.astype(int))
        ranges = (chances * NUM_CHANCES).astype(int).clip(0, NUM_CHANCES - 1)
        for sums, where, values in (
            (self.by_place, groups, (None, places, nlls)),
            (self.by_chance, ranges, (None, chances, is_right)),
        ):
            for row, weights in zip(sums, values, strict=True):
                row += np.bincount(where, weights, len(row))

    def gather(self) -> None:
        """Add those of all processes."""
        for sums in (self.by_place, self.by_chance):
            shared = torch.from_numpy(sums).clone()
            all_reduce(shared)
            sums[:] = shared.numpy()
        for counter in (self.true, self.mistakes):
            shared = all_gather_object(dict(counter))
            counter.clear()
            for counts in shared:
                counter.update(counts)

    def blocks(self, tokenizer: Tokenizer | None = None) -> list[Block]:
        """Loss by place, where there are several, calibration, and mistakes.

        Args:
            tokenizer: Names the tokens; without one no mistake is shown.
        """
        blocks: list[Block] = []
        count, places, nlls = self.by_place[:, self.by_place[0] >= LEAST]
        if len(count) > 1:
            x, y = (places / count + 1).tolist(), (nlls / count).tolist()
            blocks.append(
                Curves(
                    'loss-by-place',
                    'Loss by place in the sequence',
                    'place, from 1',
                    'nats per token',
                    [Series('loss', x, y)],
                    x_range=(x[0], x[-1]),
                    log_x=True,
                    note='Mean negative log-likelihood of the tokens at a place. It '
                    'falls as far as the model makes use of what stands before. Places '
                    f'of less than {LEAST} tokens are left out.',
                )
            )
        found = Calibration(*self.by_chance)
        if not found.counts.any():
            return blocks
        points = found.points(
            lambda i, num: (
                f'{i / NUM_CHANCES:.0%} to {(i + 1) / NUM_CHANCES:.0%}: {num:,} tokens'
            )
        )
        blocks.append(
            Points(
                'token-calibration',
                'Calibration of tokens',
                'mean probability of the likeliest token',
                'share of them that are right',
                points,
                diagonal=True,
                note='Below the diagonal the model is too sure of itself. The expected '
                f'calibration error, of {NUM_CHANCES} ranges of one width, is '
                f'{found.error:.1%} (Guo et al., ICML 2017, Eq. 3).',
            )
        )
        if tokenizer is not None and self.mistakes:
            blocks.append(self._mistake_table(tokenizer))
        return blocks

    def _mistake_table(self, tokenizer: Tokenizer) -> Table:
        rows = [
            [
                f'{label(tokenizer, guess)} for {label(tokenizer, true)}',
                count,
                100 * count / self.true[true],
            ]
            for (true, guess), count in self.mistakes.most_common(SHOWN)
        ]
        return Table(
            'token-mistakes',
            'Tokens that are most often taken for others',
            ['likeliest for true token', 'times', 'of the true token (%)'],
            rows,
            digits=1,
            note=f'Among {self.true.total():,} tokens.',
        )


class TokenMetric(BaseMetric):
    """A metric that also sums over single tokens, for :meth:`token_blocks`.

    Args:
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._running, self._last = TokenStatistics(), TokenStatistics()

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        self._running.add(data_samples)

    def evaluate(self, size: int) -> dict:
        self._running.gather()
        self._last, self._running = self._running, TokenStatistics()
        return super().evaluate(size)

    def token_blocks(self, dataset) -> list[Block]:
        """Of the last evaluation."""
        return self._last.blocks(getattr(dataset, 'tokenizer', None))
