"""A picture of position embeddings: which patches have similar ones."""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from matplotlib.figure import Figure
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import Tensor

from projects.core.config import explained, load_config
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file
from projects.core.quiet import quiet_libraries
from projects.core.values import PATH, checked, optional, pair, whole
from projects.core.weights import load_weights, read_weights
from projects.registry import MODELS
from projects.vit.vision_transformer import VisionTransformer

MOST = 7  # patches of a row or column that have a map of their own


def similarities(embedding: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cosine similarity of the position embeddings of all pairs of patches.

    Args:
        embedding: (1, T, D), patches last.
        grid: Their rows and columns.

    Returns:
        Tensor: (rows, columns, rows, columns).
    """
    patches = F.normalize(embedding[0, -grid[0] * grid[1] :], dim=-1)
    return (patches @ patches.T).view(*grid, *grid)


@checked(config=PATH, checkpoint=PATH, size=optional(pair(whole(1))), out=PATH)
def draw_positions(
    config: str,
    checkpoint: str,
    size: Sequence[int] | None = None,
    out: str = 'positions.png',
    cfg_options: list[str] | None = None,
) -> None:
    """Draw the similarity of a Vision Transformer's position embeddings.

    Each small map belongs to a patch, where it lies in the image, and shows how
    similar the embeddings of all patches are to its own (ViT, Fig. 7, centre). With
    ``size`` there is a second panel, for an image of that size.

    Args:
        config: Run config of a Vision Transformer.
        checkpoint: Weights, see :func:`projects.core.weights.read_weights`.
        size: Height and width of another image, in pixels.
        out: PNG to write.
        cfg_options: Settings over those of the config.

    Raises:
        UserError: If the config has no Vision Transformer, or a file cannot be read or
            written.
    """
    quiet_libraries()
    check_outputs([out], '--out')
    cfg = load_config(config, cfg_options)
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, VisionTransformer):
        raise UserError(f'{config} has no projects.VisionTransformer')
    weights = read_weights(checkpoint)['state_dict']
    print_log(load_weights(model, weights, checkpoint), 'current')

    grids = {'as trained': backbone.grid}
    if size is not None:
        grids[f'resized to {size[0]} x {size[1]} pixels'] = backbone.token_grid(*size)
    figure = Figure(figsize=(4.5 * len(grids), 4.5), layout='constrained')
    for i, (title, grid) in enumerate(grids.items(), 1):
        embedding = backbone.position_embedding(grid).detach()
        axes = figure.add_subplot(1, len(grids), i)
        shown = axes.imshow(
            _tiled(similarities(embedding, grid).numpy()), cmap='viridis', vmax=1
        )
        axes.set_title(f'{title}: {grid[0]} x {grid[1]} patches', fontsize=10)
        axes.set_axis_off()
        figure.colorbar(shown, shrink=0.6)
    with output_file(out, '--out') as file:
        figure.savefig(file, format='png', dpi=90)
    print_log(f'similarity of position embeddings: {out}', 'current')


def _tiled(maps: np.ndarray) -> np.ndarray:
    """Maps of ``MOST`` x ``MOST`` patches, evenly chosen, with gaps between them."""
    rows, columns = (
        np.linspace(0, n - 1, min(n, MOST)).round().astype(int) for n in maps.shape[:2]
    )
    gap = 1
    chosen = np.pad(
        maps[np.ix_(rows, columns)],
        ((0, 0), (0, 0), (0, gap), (0, gap)),
        constant_values=np.nan,
    )
    # to rows of pixels, through rows of maps
    num_rows, _, height, _ = chosen.shape
    image = chosen.transpose(0, 2, 1, 3).reshape(num_rows * height, -1)
    return image[:-gap, :-gap]
