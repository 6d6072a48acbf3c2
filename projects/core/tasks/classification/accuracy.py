"""Accuracy of classifiers of any number of classes."""

from collections.abc import Sequence

from mmpretrain.evaluation import Accuracy as MMPretrainAccuracy

from projects.registry import METRICS


@METRICS.register_module()
class Accuracy(MMPretrainAccuracy):
    """Share of images whose class is among the k of the highest scores, in %.

    mmpretrain's, which ends in an error where k is above the number of
    classes; here k is cut to that number.

    Args:
        topk: k, or several.
        **kwargs: Of mmpretrain's ``Accuracy``.
    """

    def __init__(self, topk: int | Sequence[int] = (1, 5), **kwargs) -> None:
        super().__init__(topk=topk, **kwargs)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        num_classes = len(data_samples[0]['pred_score'])
        self.topk = tuple(dict.fromkeys(min(k, num_classes) for k in self.topk))
        super().process(data_batch, data_samples)
