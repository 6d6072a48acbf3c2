"""The adding problem: a question about memory alone (Hochreiter and Schmidhuber, Neural
Computation 9, 1997, Sec. 5.4; in this form Le et al., arXiv:1504.00941, Sec. 4.1).

Legend: B sequences, T steps.
"""

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from projects.core.errors import UserError
from projects.core.reports.blocks import Point, Points, Section, Table
from projects.registry import DATASETS, METRICS, MODELS
from projects.rnn.layers import make_layers, run_layers

SHOWN = 500  # sequences of a report


@DATASETS.register_module()
class AddingProblem(Dataset):
    """Sequences of random numbers, of which the two that are marked are to be added.

    A step has two channels: a number, uniform in [0, 1], and a mark, 1 in one step of
    the first half and in one of the second half, else 0. Whoever answers 1, the mean,
    is wrong by 1 / 6 in the mean square, the variance of a sum of two such numbers. A
    sample is ``dict(inputs=(T, 2), targets=())``.

    Args:
        length: T.
        num: Number of sequences.
        seed: Of the sequences; another one for another split.
        indices: How many of the first sequences there are; None for all.

    Raises:
        UserError: If a sequence has less than two steps, or there is none.
    """

    def __init__(
        self, length: int, num: int, seed: int, indices: int | None = None
    ) -> None:
        if length < 2 or num < 1:
            raise UserError(
                f'AddingProblem: length {length} and num {num}; at least 2 and 1'
            )
        random = np.random.default_rng(seed)
        numbers = random.random((num, length), np.float32)
        marks = np.zeros_like(numbers)
        rows = np.arange(num)
        marks[rows, random.integers(length // 2, size=num)] = 1
        marks[rows, random.integers(length // 2, length, size=num)] = 1
        self.inputs = torch.from_numpy(np.stack([numbers, marks], -1)[:indices])
        self.targets = torch.from_numpy((numbers * marks).sum(1)[:indices])
        self.metainfo = dict(length=length)

    def __len__(self) -> int:
        return len(self.targets)

    def content(self) -> list[Tensor]:
        """For a checksum."""
        return [self.inputs, self.targets]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return dict(inputs=self.inputs[index], targets=self.targets[index])


@MODELS.register_module()
class SequenceRegressor(BaseModel):
    """A number for a sequence: a linear layer on the last hidden state.

    Args:
        cell: 'rnn', 'lstm' or 'gru'.
        input_dims: Numbers of a step.
        hidden_dims: Width of a hidden state.
        fused: Whether the layers are computed by torch's kernel, else written out.
        data_preprocessor: Config, see :class:`mmengine.model.BaseModel`.
        init_cfg: The same.
        **kwargs: Of :func:`projects.rnn.layers.make_layers`.
    """

    def __init__(
        self,
        cell: str,
        input_dims: int,
        hidden_dims: int,
        fused: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.layers = make_layers(cell, input_dims, hidden_dims, **kwargs)
        self.output = nn.Linear(hidden_dims, 1)
        self.fused = fused

    def forward(
        self, inputs: Tensor, targets: Tensor | None = None, mode: str = 'tensor'
    ) -> Tensor | dict | list:
        """Numbers, losses or predictions of a batch.

        Args:
            inputs: (B, T, input_dims).
            targets: (B,); None only in the mode 'tensor'.
            mode: 'tensor' for (B,) numbers, 'loss' for the mean squared error,
                'predict' for a dict of ``target`` and ``error``, by how much the
                number is above it, for each sequence.
        """
        hidden, _ = run_layers(self.layers, inputs, fused=self.fused)
        numbers = self.output(hidden[:, -1]).squeeze(-1)
        if mode == 'tensor':
            return numbers
        if mode == 'loss':
            return dict(loss=F.mse_loss(numbers, targets))
        pairs = zip(targets.tolist(), (numbers - targets).tolist(), strict=True)
        return [dict(target=target, error=error) for target, error in pairs]


@METRICS.register_module()
class MeanSquaredError(BaseMetric):
    """``mse``, the mean square of the predictions' ``error``."""

    default_prefix = 'adding'

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.shown: list[tuple[float, float]] = []

    def process(self, data_batch, data_samples: list[dict]) -> None:
        self.results += [(sample['target'], sample['error']) for sample in data_samples]

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        self.shown = results[:SHOWN]
        return dict(mse=float(np.mean([error**2 for _, error in results])))

    def sections(self, dataset) -> list[Section]:
        """Answers by the truth, and the error beside that of knowing nothing."""
        if not self.shown:
            return []
        targets, errors = np.array(self.shown).T
        points = [
            Point(f'sequence {i}', float(target), float(target + error))
            for i, (target, error) in enumerate(zip(targets, errors, strict=True))
        ]
        note = f'Of the first {len(self.shown)} sequences.'
        return [
            Section(
                'Sums',
                [
                    Points(
                        'sums',
                        'Answers',
                        'true sum',
                        'predicted sum',
                        points,
                        diagonal=True,
                        note=note,
                    ),
                    Table(
                        'errors',
                        'Errors',
                        ['answer', 'mean squared error', 'mean absolute error'],
                        [
                            ['the model', *errors_of(errors)],
                            ['always 1, the mean', *errors_of(1 - targets)],
                        ],
                        digits=5,
                        better=['', '-', '-'],
                        note=note,
                    ),
                ],
            )
        ]


def errors_of(errors: np.ndarray) -> tuple[float, float]:
    """Mean square and mean absolute value."""
    return float(np.mean(errors**2)), float(np.mean(np.abs(errors)))
