"""The parts of a classifier's step, for the benchmark."""

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from projects.core.tasks.image_parts import ImageParts


class ClassifierParts(ImageParts):
    """mmpretrain's ``ImageClassifier`` with a ``ClsHead``."""

    default_input_size = (224, 224)

    @staticmethod
    def fits(model: nn.Module) -> bool:
        return hasattr(getattr(model, 'head', None), '_get_loss')

    def network(self, inputs: Tensor) -> Tensor:
        return self.model.head(self.model.extract_feat(inputs))

    def losses(self, outs: Tensor, samples: list) -> dict:
        return self.model.head._get_loss(outs, samples)

    def predictions(self, outs: Tensor, samples: list) -> list:
        return self.model.head._get_predictions(outs, samples)

    def sample(
        self,
        rng: torch.Generator,
        index: int,
        objects: int,
        input_size: tuple[int, int],
    ) -> DataSample:
        share = torch.rand((), generator=rng)
        # a head without weights does not know how many; 0 is one of any
        num_classes = getattr(self.model.head, 'num_classes', 1)
        return DataSample().set_gt_label(int(share * num_classes))
