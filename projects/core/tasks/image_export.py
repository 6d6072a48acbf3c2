"""Export of models that take images: the preprocessing moves into the graph.

Legend: B images, C channels (RGB, or 1 where grey), H and W in pixels.
"""

import copy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.config import test_pipeline_of
from projects.core.errors import UserError
from projects.core.tasks.exported import (
    Exported,
    ExportOptions,
    Size,
    prepared_for_deployment,
)
from projects.core.tasks.image_parts import ImageParts, channels_of
from projects.core.tasks.images import ImagePipeline, image_paths

NUM_REAL = 8  # images of the user's that outputs are compared on


class Normalize(nn.Module):
    """(B, C, H, W) images, RGB or grey, 0 to 255, as the network takes them.

    Args:
        preprocessor: mmengine's ``ImgDataPreprocessor``, or mmpretrain's.
        to_bgr: Whether the network was trained on BGR.
    """

    def __init__(self, preprocessor: nn.Module, to_bgr: bool) -> None:
        super().__init__()
        self.to_bgr = to_bgr
        for name, default in (('mean', 0.0), ('std', 1.0)):
            value = getattr(preprocessor, name, torch.tensor(default))
            self.register_buffer(name, value.detach().clone().reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        x = images.float()
        if self.to_bgr:
            x = x.flip(1)
        return (x - self.mean) / self.std


class ImageExport(Exported):
    """What classifiers and detectors have in common.

    Args:
        model: In eval mode.
        cfg: Its config.
        meta: What the checkpoint says of itself.
        options: What is asked for.

    Raises:
        UserError: If the size of the images is not known.
    """

    def __init__(self, model, cfg, meta: dict, options: ExportOptions) -> None:
        self.model, self.cfg, self.options = model, cfg, options
        size = options.input_size or ImageParts.input_size_of(cfg)
        if size is None:
            raise UserError(
                f'{options.checkpoint}: its test pipeline does not say how large '
                'images are; give --input-size HEIGHT WIDTH'
            )
        self.input_size = tuple(size)
        self.channels = channels_of(model)
        preprocessor = model.data_preprocessor
        flips = getattr(
            preprocessor, '_channel_conversion', getattr(preprocessor, 'to_rgb', False)
        )
        from_files = any(
            'LoadImageFromFile' in step['type'] for step in test_pipeline_of(cfg)
        )
        # files are read as BGR; data in memory are RGB
        to_bgr = self.channels == 3 and from_files and not flips
        # what the preprocessor is given is RGB otherwise
        self.given_bgr = self.channels == 3 and (flips or to_bgr)
        self.inputs = {'images': ('batch', None, 'height', 'width')}
        self.normalize = Normalize(preprocessor, to_bgr)
        self.network = prepared_for_deployment(copy.deepcopy(model))
        order = 'RGB' if self.channels == 3 else f'{self.channels} channel'
        height, width = self.input_size
        self.convention = (
            f'images: uint8 (B, {self.channels}, {height}, {width}), {order}, '
            '0 to 255; normalisation is part of the graph'
        )
        self.facts = dict(
            model=type(model).__name__,
            channel_order=order,
            value_range=[0, 255],
            input_size=list(self.input_size),
            mean=self.normalize.mean.flatten().tolist(),
            std=self.normalize.std.flatten().tolist(),
            classes=list(meta['dataset_meta'].get('classes', ())),
            test_pipeline=[dict(step) for step in test_pipeline_of(cfg)],
        )

    def check_size(self, size: Size) -> None:
        """Refuse what the preprocessor would pad.

        Raises:
            UserError: If a side is no multiple of its ``pad_size_divisor``.
        """
        divisor = getattr(self.model.data_preprocessor, 'pad_size_divisor', 1)
        if any(side % divisor for side in size):
            raise UserError(
                f'--input-size {size[0]} {size[1]}: the model pads images to '
                f'multiples of {divisor} pixels; give such'
            )

    def random_inputs(
        self, rng: torch.Generator, batch_size: int, input_size: Size
    ) -> tuple[Tensor]:
        """Blobs under noise: of noise alone a detector makes nothing."""
        self.check_size(input_size)
        blobs = torch.rand(batch_size, self.channels, 8, 8, generator=rng)
        images = F.interpolate(blobs, input_size, mode='bicubic') * 255
        images += 32 * torch.randn(images.shape, generator=rng)
        return (images.clamp(0, 255).to(torch.uint8),)

    def inputs_of(self, path: str) -> tuple[Tensor]:
        paths, _ = image_paths(path)
        pipeline = ImagePipeline(self.cfg, self.model)
        images = [packed['inputs'] for *_, packed in pipeline.read(paths[:NUM_REAL], 0)]
        if not images:
            raise pipeline.nothing_read(paths[:NUM_REAL], path)
        for image in images:
            if tuple(image.shape[1:]) != self.input_size:
                raise UserError(
                    f'{Path(path)}: the test pipeline makes images of '
                    f'{" x ".join(map(str, image.shape[1:]))} pixels, the export is of '
                    f'{" x ".join(map(str, self.input_size))}'
                )
        batch = torch.stack(images).round().clamp(0, 255).to(torch.uint8)
        # in the channel order that the preprocessor is given
        return (self._swapped(batch),)

    def _swapped(self, images: Tensor) -> Tensor:
        """RGB from what the preprocessor is given, and back."""
        return images.flip(1) if self.given_bgr else images

    def predicted(self, images: Tensor, samples: list) -> list:
        """Data samples with the model's own predictions."""
        self.check_size(tuple(images.shape[2:]))
        data = dict(inputs=list(self._swapped(images)), data_samples=samples)
        return self.model.test_step(data)
