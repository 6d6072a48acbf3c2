"""Models that make samples: what the task asks of each of them.

Legend: B samples, C channels, L size of a latent.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor

from projects.core.errors import UserError


class GenerativeModel(BaseModel):
    """What all generative models have in common: they predict, by being shown data.

    In mode 'predict' a model gives for each datum of a batch a dict of samples of
    data, as the data set holds them (images (C, H, W) uint8, RGB or grey; points (2,)
    float):

    - a generator ``real``, the datum, and ``fake``, a sample of the latent of its
      number; with ``label``, an int, where the data have classes, and
      ``conditional``, whether the generator was asked for that class;
    - a translator ``real_a``, ``real_b`` and ``fake_b``, made of ``real_a``, and
      ``fake_a``, made of ``real_b``.

    Mode 'tensor' is the network alone. There is no mode 'loss': a step is the
    model's own, :meth:`train_step`.

    Args:
        data_preprocessor: Config; :class:`GenerativeDataPreprocessor` by default.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    #: options of ``tools/infer.py`` that mean something
    writing_options: tuple[str, ...] = ()
    #: types of hooks that every training of such a model needs
    hooks: tuple[str, ...] = ()
    #: classes that can be asked for; None of a model that knows none
    num_classes: int | None = None

    def __init__(
        self, data_preprocessor: dict | None = None, init_cfg: dict | None = None
    ) -> None:
        settings = dict(type='projects.GenerativeDataPreprocessor')
        super().__init__({**settings, **(data_preprocessor or {})}, init_cfg)

    def forward(self, inputs, data_samples: list | None = None, mode: str = 'tensor'):
        """Samples or predictions.

        Args:
            inputs: See :class:`GenerativeDataPreprocessor`; in mode 'tensor' what
                :meth:`network` takes.
            data_samples: Of mmpretrain's kind, one for each datum.
            mode: 'tensor' or 'predict'.

        Raises:
            ValueError: If the mode is another.
        """
        if mode == 'tensor':
            return self.network(inputs)
        if mode == 'predict':
            return self.predictions(inputs, data_samples)
        raise ValueError(
            f"mode {mode!r}: {type(self).__name__} knows 'tensor' and 'predict'; it is "
            'trained by its train_step'
        )

    @abstractmethod
    def network(self, inputs, *labels: Tensor):
        """What makes samples, alone: of latents (B, L) samples (B, ...), or of
        images of one domain those of the other."""

    @abstractmethod
    def predictions(self, inputs, data_samples: list) -> list[dict]:
        """A dict for each datum, see above."""


class Generator(GenerativeModel):
    """A model that makes samples of latents.

    Attributes:
        latent_dim: L.
    """

    writing_options = ('num', 'class_', 'interpolate', 'seed')
    latent_dim: int

    @torch.no_grad()
    def sample_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image, (2,) of a point."""
        device = next(self.parameters()).device
        labels = ()
        if self.num_classes is not None:
            labels = (torch.zeros(1, dtype=torch.long, device=device),)
        was_training = self.training
        self.eval()
        latents = torch.zeros(1, self.latent_dim, device=device)
        shape = self.network(latents, *labels).shape[1:]
        self.train(was_training)
        return tuple(shape)

    @abstractmethod
    def samples(
        self, indices: Sequence[int], labels: Tensor | None = None, seed: int = 0
    ) -> Tensor:
        """Samples by their numbers, as a data set holds them.

        Args:
            indices: Numbers; the same one gives the same latent.
            labels: (B,) classes that are asked for, of a conditional model.
            seed: Of the latents.
        """

    @abstractmethod
    def between(
        self, first: int, last: int, num: int, label: int | None = None, seed: int = 0
    ) -> Tensor:
        """Samples of ``num`` latents on the way from one to another.

        Args:
            first: Number of the latent at the beginning.
            last: Number of that at the end.
            num: Samples, both ends included.
            label: Class, of a conditional model.
            seed: Of the latents.
        """


class Translator(GenerativeModel):
    """A model that makes of an image in one domain one in the other.

    Attributes:
        directions: What it can do, such as 'AtoB', the default first.
    """

    writing_options = ('direction',)
    directions: tuple[str, ...]

    @abstractmethod
    def translations(self, images: Tensor, direction: str) -> Tensor:
        """Images of the other domain.

        Args:
            images: (B, C, H, W) as the preprocessor makes them.
            direction: One of ``directions``.

        Returns:
            Tensor: (B, C, H, W) uint8.
        """


def index_of(sample, default: int) -> int:
    """Number of a datum in its data set."""
    return int(getattr(sample, 'sample_idx', default))


def label_of(sample) -> int | None:
    """Class of a datum; None where it has none."""
    label = getattr(sample, 'gt_label', None)
    return None if label is None else int(label)


def check_classes(labels: Sequence[int | None], num_classes: int) -> None:
    """Refuse classes that a conditional model does not know.

    Raises:
        UserError: If a label is missing or outside [0, num_classes).
    """
    for label in labels:
        if label is None:
            raise UserError(
                f'the generator is asked for one of {num_classes} classes, and there '
                'are no labels: give each sample one, each datum a gt_label'
            )
        if not 0 <= label < num_classes:
            raise UserError(
                f'there is a label {label}, and the generator knows {num_classes} '
                'classes, from 0 on: set num_classes, of both networks, or the label'
            )


def labels_of(data_samples: Sequence, num_classes: int, like: Tensor) -> Tensor:
    """(B,) classes of a batch.

    Raises:
        UserError: As :func:`check_classes`.
    """
    labels = [label_of(sample) for sample in data_samples or (None,)]
    check_classes(labels, num_classes)
    return torch.tensor(labels, device=like.device)
