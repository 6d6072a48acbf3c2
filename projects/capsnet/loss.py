"""The margin loss of capsules (Sabour et al., Sec. 3, Eq. 4).

Legend: B images, K classes.
"""

from torch import Tensor, nn
from torch.nn.functional import one_hot

from projects.registry import MODELS


def class_shares(target: Tensor, num_classes: int) -> Tensor:
    """(B, K), T_k: 1 for the class of an image.

    Args:
        target: (B, ) labels in [0, K), or the (B, K) shares of mixed images.
        num_classes: K.
    """
    return one_hot(target, num_classes) if target.dim() == 1 else target


@MODELS.register_module()
class MarginLoss(nn.Module):
    """Capsules of present classes are to be long, the others short.

    For each class a squared hinge, so that an image may hold several; what is
    beyond its margin costs nothing. The classes of an image are added up.

    Args:
        upper: m+, length above which a present class costs nothing.
        lower: m-, length below which an absent class costs nothing.
        absent_weight: Lambda, of absent classes: there are more of them, which
            would shorten all capsules in early training.
        loss_weight: Of the whole; 0.5 in the authors' code.
    """

    def __init__(
        self,
        upper: float = 0.9,
        lower: float = 0.1,
        absent_weight: float = 0.5,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.upper = upper
        self.lower = lower
        self.absent_weight = absent_weight
        self.loss_weight = loss_weight

    def forward(
        self, lengths: Tensor, target: Tensor, avg_factor: float | None = None
    ) -> Tensor:
        """The mean over the images.

        Args:
            lengths: (B, K), of the capsules.
            target: See :func:`class_shares`.
            avg_factor: What the sum is divided by, in the place of B.
        """
        shares = class_shares(target, lengths.shape[1])
        present = (self.upper - lengths).clamp(min=0) ** 2
        absent = (lengths - self.lower).clamp(min=0) ** 2
        losses = shares * present + self.absent_weight * (1 - shares) * absent
        num = max(len(lengths), 1) if avg_factor is None else avg_factor
        return self.loss_weight * losses.sum() / num
