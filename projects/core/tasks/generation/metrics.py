"""What a validation says of a generator of images.

The predictions are those of :mod:`projects.core.tasks.generation.models`.

Legend: N real samples, M generated ones, C channels, D size of a feature, K classes.
"""

import logging
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from projects.core.errors import UserError, listed
from projects.core.reports.blocks import Section
from projects.core.tasks.generation.distances import (
    frechet_distance,
    frechet_of_halves,
    inception_score,
    kernel_distance,
)
from projects.core.tasks.generation.judge import (
    Judge,
    build_judge,
    check_judge,
)
from projects.core.tasks.generation.models import label_of
from projects.core.tasks.generation.neighbours import neighbour_scores
from projects.core.tasks.generation.sections import (
    NUM_SHOWN,
    class_blocks,
    nearest_rows,
    neighbour_block,
    quality_blocks,
)
from projects.core.tasks.generation.synthetic import check_labels, top1
from projects.registry import DATASETS, METRICS

LEAST = 4  # samples: of two there is a covariance, and the real ones are halved
FRECHET = ('frechet_distance', 'frechet_floor', 'frechet_ratio')
OF_NEIGHBOURS = ('precision', 'recall', 'density', 'coverage')


@METRICS.register_module()
class GenerationMetric(BaseMetric):
    """How samples of a generator compare with the data that it was shown.

    All is seen through the eyes of a *judge*, a classifier: what its last layer takes
    are the features, in which near is alike.

    ====================  ====================================================
    ``frechet_distance``  of all samples to all real data; of the Inception network
                          that is the usual FID
    ``frechet_floor``     of one half of the real data to the other: what a perfect
                          generator would have
    ``frechet_ratio``     how many times the floor: a half of the real data to as
                          many samples, by half to half. An estimate is too large
                          by about 1 / N, so that the distance of all samples by the
                          floor would flatter
    ``kernel_distance``   KID, without that bias
    ``inception_score``   of the judge's classes
    ``precision``         share of the samples that look real
    ``recall``            share of the real data that could be samples
    ``density``           as precision, but outliers of the real data count little;
                          1 of the very distribution
    ``coverage``          share of the real data near which there is a sample: lost
                          modes lower it
    ``class_accuracy``    share of the samples in which the judge sees the class that
                          was asked for, in %; where the predictions of a model say
                          that they are ``conditional``
    ``synthetic_top1``    right answers on ``held_out``, in %, of a classifier that
                          was trained on the samples alone, and ``real_top1`` of one
                          that was trained on the real data alike, by
                          :func:`projects.core.tasks.generation.synthetic.top1`;
                          where there is ``held_out`` and the model is conditional
    ====================  ====================================================

    See :mod:`~projects.core.tasks.generation.distances` and
    :mod:`~projects.core.tasks.generation.neighbours`. With values in a sample that are
    not finite, all that rests on the samples is NaN.

    Args:
        judge: See :func:`projects.core.tasks.generation.judge.build_judge`.
        held_out: Config of a data set of real images with classes.
        num_neighbors: Of precision to coverage; fewer where there are not as many.
        splits: Ways in which the real data are halved.
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: If a number is below 1.
        UserError: If there is no such judge.
    """

    default_prefix = 'generation'

    def __init__(
        self,
        judge: dict,
        held_out: dict | None = None,
        num_neighbors: int = 5,
        splits: int = 5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in dict(num_neighbors=num_neighbors, splits=splits).items():
            if value < 1:
                raise ValueError(f'{name} {value} is not at least 1')
        check_judge(judge)
        if held_out is not None and 'config' not in judge:
            raise UserError(
                'held_out: a classifier is trained on samples as the config of the '
                'judge says, and the Inception network has none; leave it out'
            )
        self.judge_settings = judge
        self.held_out = held_out
        self.num_neighbors = num_neighbors
        self.splits = splits
        self._report: dict[str, Any] = {}

    @cached_property
    def judge(self) -> Judge:
        """Built on first use, which may take its training."""
        return build_judge(self.judge_settings)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        if not data_samples:
            return
        seen = {}
        for name in ('real', 'fake'):
            if name not in data_samples[0]:
                raise UserError(
                    f'GenerationMetric: the predictions hold no {name!r} but '
                    f'{listed(data_samples[0])}; it is TranslationMetric that '
                    'reads those of a translator'
                )
            images = torch.stack([sample[name] for sample in data_samples])
            verdict = self.judge.to(images.device)(images)
            seen[name] = verdict.features.cpu().numpy()
            seen[f'{name}_logits'] = verdict.logits.cpu().numpy()
            if self.held_out is not None and data_samples[0].get('conditional'):
                seen[f'{name}_image'] = images.cpu().numpy()
        for i, sample in enumerate(data_samples):
            shown = {}
            if len(self.results) < NUM_SHOWN:
                shown['shown'] = sample['real'].cpu(), sample['fake'].cpu()
            self.results.append(
                dict(
                    **shown,
                    # rows of their own: a slice would be sent with its whole batch
                    **{name: rows[i].copy() for name, rows in seen.items()},
                    label=sample.get('label'),
                    conditional=bool(sample.get('conditional')),
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        if len(results) < LEAST:
            raise UserError(
                f'GenerationMetric: {len(results)} samples are too few to compare; '
                f'the data set of the evaluator must have {LEAST} at least'
            )
        real, fake = _rows(results, 'real'), _rows(results, 'fake')
        self._report = {}
        k = min(self.num_neighbors, len(results) - 1)
        if k < self.num_neighbors:
            print_log(
                f'GenerationMetric: {len(results)} samples have {k} neighbors, not '
                f'{self.num_neighbors}, for precision to coverage',
                'current',
                logging.WARNING,
            )
        metrics = dict.fromkeys(
            (*FRECHET, 'kernel_distance', 'inception_score', *OF_NEIGHBOURS), math.nan
        )
        if bad := _num_not_finite(fake):
            print_log(
                f'GenerationMetric: {bad} of {len(fake)} samples hold values that are '
                'not finite; there is nothing to compare',
                'current',
                logging.WARNING,
            )
            return metrics
        # float64, which not every accelerator has
        fast = self.judge.device if torch.cuda.is_available() else 'cpu'
        floor, of_half = frechet_of_halves(real, fake, self.splits)
        metrics |= dict(
            frechet_distance=frechet_distance(real, fake),
            frechet_floor=floor,
            frechet_ratio=of_half / floor if floor else math.nan,
            kernel_distance=kernel_distance(real, fake),
            inception_score=inception_score(_rows(results, 'fake_logits')),
            **neighbour_scores(real.to(fast), fake.to(fast), k),
        )
        if all(result['conditional'] for result in results):
            metrics |= self._of_classes(results)
        self._keep(results, real, fake, metrics)
        return metrics

    def _keep(
        self, results: list[dict], real: Tensor, fake: Tensor, metrics: dict
    ) -> None:
        """Keep what :meth:`sections` shows."""
        conditional = 'class_accuracy' in metrics
        places = [i for i, result in enumerate(results) if 'shown' in result]
        places = places[:NUM_SHOWN]
        on_real = dict(accuracy_on_real=self.accuracy_on_real) if conditional else {}
        self._report = dict(
            values=metrics | on_real,
            classes=class_blocks(
                [result['label'] for result in results] if conditional else None,
                _rows(results, 'fake_logits'),
                _rows(results, 'real_logits'),
                (self.dataset_meta or {}).get('classes') or (),
            ),
            shown=[(i, *results[i]['shown']) for i in places],
            nearest=nearest_rows(fake[places], real),
        )

    def sections(self, dataset) -> list[Section]:
        if not self._report:
            return []
        shown, nearest = self._report['shown'], self._report['nearest']
        blocks = quality_blocks(self._report['values'])
        sections = [Section('Distance to the data', blocks)]
        if classes := self._report['classes']:
            sections.append(Section('Classes', classes))
        if neighbours := neighbour_block(shown, nearest, dataset):
            sections.append(Section('Neighbours', neighbours))
        note = f'The judge is {self.judge.name}.'
        return [Section(s.title, s.blocks, note) for s in sections]

    def _of_classes(self, results: list[dict]) -> dict[str, float]:
        """What is known of samples that were asked for by class."""
        labels = torch.tensor([result['label'] for result in results])

        def accuracy(name: str) -> float:
            logits = _rows(results, f'{name}_logits')
            check_labels(labels, logits.shape[1])
            return 100 * (logits.argmax(1) == labels).double().mean().item()

        self.accuracy_on_real = accuracy('real')
        metrics = dict(class_accuracy=accuracy('fake'))
        if self.held_out is not None:
            held_out = _loaded(self.held_out)
            self.num_held_out = len(held_out[0])
            for name, kind in (('synthetic_top1', 'fake'), ('real_top1', 'real')):
                images = _rows(results, f'{kind}_image')
                metrics[name] = top1(
                    self.judge.cfg, images, labels, held_out, self.judge.device
                )
        return metrics

    def lines(self, metrics: dict[str, float]) -> list[str]:
        """What a test's log says of its metrics, for those who read it.

        Args:
            metrics: By name, with the prefix.
        """
        values = {k.removeprefix(f'{self.prefix}/'): v for k, v in metrics.items()}
        judge = f'the judge is {self.judge.name}'
        if self.judge.accuracy is not None:
            judge += f', right on {self.judge.accuracy:.2f} % of its held-out images'
        lines = [
            judge,
            'Frechet distance {frechet_distance:.3f}: {frechet_ratio:.2f} times the '
            'floor, with as many samples as there, {frechet_floor:.3f} from one half '
            'of the real data to the other'.format(**values),
            'samples that look real: precision {precision:.3f}, density '
            '{density:.3f}'.format(**values),
            'real data that are met by samples: recall {recall:.3f}, coverage '
            '{coverage:.3f}'.format(**values),
            'kernel distance {kernel_distance:.4f}, inception score '
            '{inception_score:.2f}'.format(**values),
        ]
        if 'class_accuracy' in values:
            lines.append(
                f'the judge sees the class that was asked for in '
                f'{values["class_accuracy"]:.2f} % of the samples, and that of the '
                f'real data in {self.accuracy_on_real:.2f} %'
            )
        if 'synthetic_top1' in values:
            lines.append(
                f'a classifier that was trained on the samples alone is right on '
                f'{values["synthetic_top1"]:.2f} % of {self.num_held_out} held-out '
                f'images, one that was trained on as many real images on '
                f'{values["real_top1"]:.2f} %'
            )
        return lines


def _loaded(dataset: dict) -> tuple[Tensor, Tensor]:
    """Images (M, C, H, W) and labels (M,) of a data set.

    Raises:
        UserError: If they have no labels.
    """
    data = DATASETS.build(dataset)
    rows = [data[i] for i in range(len(data))]
    labels = [label_of(row['data_samples']) for row in rows]
    if None in labels:
        raise UserError(f'held_out: the images of {dataset["type"]} have no classes')
    return torch.stack([row['inputs'] for row in rows]), torch.tensor(labels)


def _rows(results: list[dict], name: str) -> Tensor:
    return torch.from_numpy(np.stack([result[name] for result in results]))


def _num_not_finite(x: Tensor) -> int:
    return int((~x.isfinite()).any(1).sum())
