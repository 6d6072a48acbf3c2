"""Primary and digit capsules, and the decoder that reconstructs the image
(Sabour et al., Sec. 4 and 4.1, Fig. 1 and 2).

Legend: B images, H and W in pixels; I primary capsules of F dimensions; K
classes with a digit capsule each, of D dimensions.
"""

from collections.abc import Sequence
from math import prod

import torch
from mmpretrain.models import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from projects.capsnet.loss import class_shares
from projects.capsnet.routing import RoutingStep, dynamic_routing, squash
from projects.registry import MODELS


class DigitCapsules(nn.Module):
    """A capsule per class, by a vote of every primary capsule.

    Maps (B, I, F) to (B, K, D).

    Args:
        num_capsules: I.
        in_dims: F.
        num_classes: K.
        dims: D.
        num_iterations: Of the routing.
        bias: Whether K x D biases are added before the squash.
    """

    def __init__(
        self,
        num_capsules: int,
        in_dims: int,
        num_classes: int,
        dims: int,
        num_iterations: int = 3,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.num_iterations = num_iterations
        # W_ij: F x D numbers per pair
        self.weight = nn.Parameter(
            torch.empty(num_capsules, in_dims, num_classes, dims)
        )
        self.bias = nn.Parameter(torch.empty(num_classes, dims)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' code: normal, cut off at two deviations."""
        nn.init.trunc_normal_(self.weight, std=0.1, a=-0.2, b=0.2)
        if self.bias is not None:
            nn.init.constant_(self.bias, 0.1)

    def votes(self, capsules: Tensor) -> Tensor:
        """(B, K, I, D): u_j|i = W_ij u_i of (B, I, F) capsules (Eq. 2)."""
        # a matrix product per primary capsule
        votes = capsules.transpose(0, 1) @ self.weight.flatten(2)
        votes = votes.unflatten(2, self.weight.shape[2:])
        return votes.permute(1, 2, 0, 3).contiguous()  # the routing reads it often

    def forward(
        self, capsules: Tensor, return_steps: bool = False
    ) -> Tensor | tuple[Tensor, list[RoutingStep]]:
        """See :func:`projects.capsnet.routing.dynamic_routing`."""
        return dynamic_routing(
            self.votes(capsules), self.num_iterations, self.bias, return_steps
        )


@MODELS.register_module()
class CapsuleHead(ClsHead):
    """Classes are vectors: the length says how sure, the direction what it is like.

    Takes the last of its maps, (B, in_channels, map_size, map_size), and gives
    the (B, K) lengths of the digit capsules, in [0, 1). They are the scores of
    a prediction as they are: each class has one of its own, and they do not sum
    to one.

    In training a decoder is to draw the image from the capsule of its class, the
    others being set to zero. The images come from
    :class:`projects.capsnet.CapsNetClassifier`.

    Args:
        num_classes: K.
        in_channels: Channels of the map; those of a primary capsule's type
            follow each other.
        map_size: Side of the map in pixels.
        primary_dims: F.
        digit_dims: D.
        num_iterations: Of the routing, r.
        bias: Whether digit capsules have biases, as in the authors' code.
        image_shape: (C, H, W) of the images to reconstruct.
        decoder_channels: Widths of the decoder's hidden layers.
        reconstruction_weight: Of the squared error, summed up over the pixels,
            in the loss; with 0 there is no decoder.
        loss: Of the lengths.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; by
            default see :class:`DigitCapsules`, and torch's in the decoder.
        **kwargs: Of mmpretrain's ``ClsHead``.

    Raises:
        ValueError: If ``primary_dims`` does not divide ``in_channels``.
    """

    #: what :meth:`loss` has in common with a prediction, for that of a validation
    kept_calls = ('capsules',)

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 256,
        map_size: int = 6,
        primary_dims: int = 8,
        digit_dims: int = 16,
        num_iterations: int = 3,
        bias: bool = False,
        image_shape: Sequence[int] = (1, 28, 28),
        decoder_channels: Sequence[int] = (512, 1024),
        reconstruction_weight: float = 0.0005,
        loss: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            loss=loss or dict(type='projects.MarginLoss'),
            init_cfg=init_cfg,
            **kwargs,
        )
        if in_channels % primary_dims:
            raise ValueError(
                f'in_channels {in_channels}: no multiple of primary_dims {primary_dims}'
            )
        self.num_classes = num_classes
        self.map_shape = (in_channels, map_size, map_size)
        self.primary_dims = primary_dims
        self.image_shape = tuple(image_shape)
        self.reconstruction_weight = reconstruction_weight
        self.digit_capsules = DigitCapsules(
            in_channels // primary_dims * map_size**2,
            primary_dims,
            num_classes,
            digit_dims,
            num_iterations,
            bias,
        )
        self.decoder = None
        if reconstruction_weight:
            layers: list[nn.Module] = []
            width = num_classes * digit_dims
            for channels in decoder_channels:
                layers += [nn.Linear(width, channels), nn.ReLU(inplace=True)]
                width = channels
            layers += [nn.Linear(width, prod(self.image_shape)), nn.Sigmoid()]
            self.decoder = nn.Sequential(*layers)

    def final_layers(self) -> list[nn.Module]:
        """Those whose shapes depend on K, and which a new K lets begin anew: the
        digit capsules, and the first layer of the decoder, which reads them."""
        first = [] if self.decoder is None else [self.decoder[0]]
        return [*first, self.digit_capsules]

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, I, F): the primary capsules, in the order (type, y, x).

        Raises:
            ValueError: If the map has another shape than the weights are for.
        """
        x = feats[-1]
        if x.shape[1:] != self.map_shape:
            raise ValueError(
                f'a map of {tuple(x.shape[1:])} where the capsules have weights for '
                f'{self.map_shape}; all images must have one size'
            )
        x = x.unflatten(1, (-1, self.primary_dims))  # (B, types, F, h, w)
        return squash(x.permute(0, 1, 3, 4, 2).flatten(1, 3))

    def capsules(
        self, feats: tuple[Tensor, ...], return_steps: bool = False
    ) -> Tensor | tuple[Tensor, list[RoutingStep]]:
        """(B, K, D): the digit capsules; if asked for, how they came about."""
        return self.digit_capsules(self.pre_logits(feats), return_steps)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        return torch.linalg.vector_norm(self.capsules(feats), dim=-1)

    @staticmethod
    def scores_of(lengths: Tensor) -> Tensor:
        """(B, K) scores of a prediction: the lengths, without a softmax."""
        return lengths

    def reconstruct(self, capsules: Tensor, target: Tensor) -> Tensor:
        """Images from the capsules of their class (Sec. 4.1).

        Args:
            capsules: (B, K, D).
            target: (B, ) labels in [0, K): all other capsules are set to zero.
                Or (B, K) factors.

        Returns:
            Tensor: (B, C, H, W) in [0, 1].
        """
        shares = class_shares(target, self.num_classes)
        masked = (capsules * shares.unsqueeze(-1)).flatten(1)
        return self.decoder(masked).unflatten(1, self.image_shape)

    def loss(
        self,
        feats: tuple[Tensor, ...],
        data_samples: list[DataSample],
        images: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch, which may be empty.

        Args:
            feats: Maps of the backbone.
            data_samples: With ``gt_label`` or ``gt_score``.
            images: (B, C, H, W) in [0, 1]; not needed without a decoder.

        Returns:
            dict: 'loss_margin', and 'loss_reconstruction' with its weight; means
            over the images.

        Raises:
            ValueError: If the images are missing or not of ``image_shape``.
        """
        capsules = self.capsules(feats)
        lengths = torch.linalg.vector_norm(capsules, dim=-1)
        losses = self._get_loss(lengths, data_samples)
        if self.decoder is None:
            return losses
        if images is None or images.shape[1:] != self.image_shape:
            raise ValueError(
                f'images of {self.image_shape} are to be reconstructed, not '
                + (
                    'None: the model must be a projects.CapsNetClassifier'
                    if images is None
                    else f'{tuple(images.shape[1:])}'
                )
            )
        decoded = self.reconstruct(capsules, self._target(data_samples, lengths))
        errors = nn.functional.mse_loss(decoded, images, reduction='sum')
        losses['loss_reconstruction'] = (
            self.reconstruction_weight * errors / max(len(images), 1)
        )
        return losses

    def _target(self, data_samples: list[DataSample], lengths: Tensor) -> Tensor:
        """(B, ) labels, or (B, K) shares of mixed images."""
        if not data_samples:
            return torch.zeros_like(lengths)
        if 'gt_score' in data_samples[0]:
            return torch.stack([sample.gt_score for sample in data_samples])
        return torch.cat([sample.gt_label for sample in data_samples])

    def _get_loss(
        self, cls_score: Tensor, data_samples: list[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        if not data_samples:
            return dict(loss_margin=cls_score.sum())
        losses = super()._get_loss(cls_score, data_samples, **kwargs)
        # the name of the sum of all
        return dict(loss_margin=losses.pop('loss'), **losses)

    def _get_predictions(
        self, cls_score: Tensor, data_samples: list[DataSample | None] | None
    ) -> list[DataSample]:
        """The lengths are the scores, without a softmax."""
        if data_samples is None:
            data_samples = [None] * len(cls_score)
        labels = cls_score.argmax(1, keepdim=True)
        return [
            (sample or DataSample()).set_pred_score(score).set_pred_label(label)
            for sample, score, label in zip(
                data_samples, cls_score, labels, strict=True
            )
        ]
