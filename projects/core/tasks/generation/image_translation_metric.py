"""How well images are brought to another domain.

Legend: B images, C channels, H and W height and width in pixels.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from projects.core.reports.blocks import Section
from projects.core.tasks.generation.judge import (
    Judge,
    build_judge,
    check_judge,
)
from projects.core.tasks.generation.sections import (
    Extremes,
    direction_table,
    translation_pictures,
)
from projects.registry import METRICS, TASK_UTILS

BATCH = 256  # images that the judge sees at once


@METRICS.register_module()
class ImageTranslationMetric(BaseMetric):
    """Error to the true mapping, classes that survive, and the way there and back.

    ====================  ====================================================
    ``error``             mean absolute difference to the true translation, in
                          levels of 255, of both directions together
    ``error_ab``          of A to B alone, ``error_ba`` of B to A
    ``error_untouched``   that of leaving the images as they are
    ``class_kept``        translated images in which the judge sees the class of
                          the original, in %, of both directions together
    ``class_kept_ab``     of A to B alone, ``class_kept_ba`` of B to A
    ``class_real``        the same of the originals: what the judge can see
    ``cycle_error``       mean absolute difference of an image that was there and
                          back, in levels of 255
    ====================  ====================================================

    The errors are there with a true mapping, the classes with a judge. The last
    needs neither and says little: a generator can hide in an image what the other
    needs to restore it (Chu et al. 2017, arXiv 1712.02950).

    The judge knows images of domain A, in grey. Those of domain B, real or made, it is
    shown after the true mapping's inverse, which takes a colour to the nearest one
    that the mapping can give: so it sees the shapes, and a wrong colour counts in the
    error alone.

    Args:
        mapping: Config of the true mapping, such as
            :class:`~projects.core.tasks.generation.domains.ColouredNegative`.
        judge: Config of a judge of images of domain A, see
            :func:`projects.core.tasks.generation.judge.build_judge`.
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: If there is a judge and no mapping.
        UserError: If there is no such judge.
    """

    default_prefix = 'translation'

    def __init__(
        self, mapping: dict | None = None, judge: dict | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if judge is not None and mapping is None:
            raise ValueError('a judge is shown images of B by the mapping: give one')
        self.mapping = mapping and TASK_UTILS.build(mapping)
        if judge is not None:
            check_judge(judge)
        self.judge_settings = judge
        self._running, self._last = _extremes(), _extremes()
        self._means: dict[str, float] = {}

    @cached_property
    def judge(self) -> Judge:
        """Built on first use, which may take its training."""
        return build_judge(self.judge_settings)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        real_a, real_b, fake_a, fake_b = (
            torch.stack([sample[name] for sample in data_samples])
            for name in ('real_a', 'real_b', 'fake_a', 'fake_b')
        )
        again_a, again_b = (
            torch.stack([sample[name] for sample in data_samples])
            for name in ('again_a', 'again_b')
        )
        cycle_a, cycle_b = difference(again_a, real_a), difference(again_b, real_b)
        values = dict(cycle_error=(cycle_a + cycle_b) / 2)
        shown = {
            'A to B': (cycle_a, [real_a, fake_b, again_a]),
            'B to A': (cycle_b, [real_b, fake_a, again_b]),
        }
        if self.mapping is not None:
            true_a, true_b = self.mapping.back(real_b), self.mapping.there(real_a)
            values |= dict(
                error_ab=difference(fake_b, true_b),
                error_ba=difference(fake_a, true_a),
                error_untouched=(
                    difference(real_a, true_b) + difference(real_b, true_a)
                )
                / 2,
            )
            shown = {
                'A to B': (values['error_ab'], [*shown['A to B'][1], true_b]),
                'B to A': (values['error_ba'], [*shown['B to A'][1], true_a]),
            }
        for way, (errors, images) in shown.items():
            for i, error in enumerate(errors.tolist()):
                self._running[way].add(
                    error, lambda i=i, images=images: [x[i].cpu() for x in images]
                )
        if self.judge_settings is not None:
            labels = {
                name: [sample[f'label_{name}'] for sample in data_samples]
                for name in ('a', 'b')
            }
            back = self.mapping.back
            values |= dict(
                class_kept_ab=self._right(back(fake_b), labels['a']),
                class_kept_ba=self._right(fake_a, labels['b']),
                class_real_a=self._right(real_a, labels['a']),
                class_real_b=self._right(back(real_b), labels['b']),
            )
        self.results += [
            {name: float(value[i]) for name, value in values.items()}
            for i in range(len(data_samples))
        ]

    def _right(self, images: Tensor, labels: Sequence[int]) -> Tensor:
        """(B,) 100 where the judge sees the class, else 0."""
        grey = images.float().mean(1, keepdim=True)
        judge = self.judge.to(grey.device)
        seen = torch.cat([judge(part).logits for part in grey.split(BATCH)])
        labels = torch.tensor(labels, device=seen.device)
        return 100 * (seen.argmax(1) == labels).float()

    def evaluate(self, size: int) -> dict:
        self._last, self._running = self._running, _extremes()
        return super().evaluate(size)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        means = self._means = {
            name: math.fsum(result[name] for result in results) / len(results)
            for name in results[0]
        }
        metrics = {}
        if 'error_ab' in means:
            metrics = dict(
                error=_mean(means, 'error_ab', 'error_ba'),
                error_ab=means['error_ab'],
                error_ba=means['error_ba'],
                error_untouched=means['error_untouched'],
            )
        if 'class_kept_ab' in means:
            metrics |= dict(
                class_kept=_mean(means, 'class_kept_ab', 'class_kept_ba'),
                class_kept_ab=means['class_kept_ab'],
                class_kept_ba=means['class_kept_ba'],
                class_real=_mean(means, 'class_real_a', 'class_real_b'),
            )
        return metrics | dict(cycle_error=means['cycle_error'])

    def sections(self, dataset) -> list[Section]:
        """Errors each way, and the best and the worst translations; of several
        processes those of the first."""
        if not self._means:
            return []
        of_truth = 'error_ab' in self._means
        unit = f'error to the {"true one" if of_truth else "original, back again"}'
        blocks = [direction_table(self._means)] if of_truth else []
        for way, extremes in self._last.items():
            blocks += translation_pictures(extremes, way, unit)
        return [Section('Best and worst', blocks)] if blocks else []


def _extremes() -> dict[str, Extremes]:
    return {way: Extremes() for way in ('A to B', 'B to A')}


def _mean(means: dict[str, float], *names: str) -> float:
    return sum(means[name] for name in names) / len(names)


def difference(images: Tensor, others: Tensor) -> Tensor:
    """(B,) mean absolute differences of (B, C, H, W) images."""
    return (images.float() - others.float()).abs().flatten(1).mean(1)
