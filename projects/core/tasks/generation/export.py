"""Export of generators and of translators of images.

Legend: B samples, C channels, L size of a latent.
"""

import copy

import torch
from torch import Tensor, nn

from projects.core.tasks.exported import Exported, ExportOptions
from projects.core.tasks.generation.models import Translator
from projects.core.tasks.image_parts import ImageParts, channels_of

TRANSLATED_SIZE = (256, 256)  # where the pipeline does not say


class GeneratorGraph(nn.Module):
    """Latents, or images of domain A, to samples as the data hold them.

    Args:
        model: A :class:`projects.core.tasks.generation.models.GenerativeModel`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.translates = isinstance(model, Translator)

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> tuple[Tensor]:
        preprocessor = self.model.data_preprocessor
        if self.translates:
            inputs = (inputs.float() - preprocessor.mean) / preprocessor.std
        outs = self.model.network(inputs, *(() if labels is None else (labels,)))
        outs = outs * preprocessor.std + preprocessor.mean
        # integers would differ by one wherever a number is about a half
        return (outs.clamp(0, 255) if outs.dim() == 4 else outs,)


class GeneratorExport(Exported):
    """See :class:`projects.core.tasks.exported.Exported`.

    Args:
        model: In eval mode.
        cfg: Its config.
        meta: What the checkpoint says of itself.
        options: What is asked for.
    """

    def __init__(self, model, cfg, meta: dict, options: ExportOptions) -> None:
        self.graph = GeneratorGraph(copy.deepcopy(model)).eval()
        self._model = GeneratorGraph(model)
        self.num_classes = model.num_classes
        self.outputs = {'samples': '(B, ...) as the data set holds them; of images '
                                   'float32 (B, C, H, W), 0 to 255'}  # fmt: skip
        if isinstance(model, Translator):
            self.channels = channels_of(model)
            self.input_size = tuple(
                options.input_size or ImageParts.input_size_of(cfg) or TRANSLATED_SIZE
            )
            self.inputs = {'images': ('batch', None, 'height', 'width')}
            height, width = self.input_size
            self.convention = (
                f'images: uint8 (B, {self.channels}, {height}, {width}), RGB or grey, '
                f'0 to 255, {model.directions[0]}'
            )
        else:
            self.latent_dim = model.latent_dim
            self.inputs = {'latents': ('batch', None)}
            latent = getattr(model, 'latent', 'normal')
            self.convention = f'latents: float32 (B, {self.latent_dim}), {latent}'
            if self.num_classes is not None:
                self.inputs['labels'] = ('batch',)
                self.convention += f'; labels: int64 (B,), 0 to {self.num_classes - 1}'
        self.facts = dict(
            model=type(model).__name__,
            input_size=list(self.input_size),
            classes=list(meta['dataset_meta'].get('classes', ())),
        )

    def random_inputs(
        self, rng: torch.Generator, batch_size: int, input_size: tuple[int, ...]
    ) -> tuple[Tensor, ...]:
        if input_size:
            shape = batch_size, self.channels, *input_size
            return (torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng),)
        latents = torch.randn(batch_size, self.latent_dim, generator=rng)
        if self.num_classes is None:
            return (latents,)
        return latents, torch.randint(self.num_classes, (batch_size,), generator=rng)

    def expected(self, *inputs: Tensor) -> tuple[Tensor]:
        return self._model(*inputs)
