"""Export of classifiers.

Legend: B images, K classes.
"""

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from projects.core.tasks.exported import ExportOptions
from projects.core.tasks.image_export import ImageExport


class ClassifierGraph(nn.Module):
    """Images to the scores (B, K) of all classes.

    Args:
        normalize: Of the images.
        network: mmpretrain's classifier. What its head gives goes through its
            ``scores_of``, where it has one, or a softmax.
    """

    def __init__(self, normalize: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.normalize, self.network = normalize, network

    def forward(self, images: Tensor) -> tuple[Tensor]:
        head = self.network.head
        outs = head(self.network.extract_feat(self.normalize(images)))
        scores_of = getattr(head, 'scores_of', None)
        return (outs.softmax(1) if scores_of is None else scores_of(outs),)


class ClassifierExport(ImageExport):
    """See :class:`ImageExport`."""

    def __init__(self, model, cfg, meta: dict, options: ExportOptions) -> None:
        super().__init__(model, cfg, meta, options)
        self.graph = ClassifierGraph(self.normalize, self.network).eval()
        self.outputs = {'scores': '(B, K) of the classes, as the model predicts them'}

    def expected(self, images: Tensor) -> tuple[Tensor]:
        samples = self.predicted(images, [DataSample() for _ in images])
        return (torch.stack([sample.pred_score for sample in samples]),)
