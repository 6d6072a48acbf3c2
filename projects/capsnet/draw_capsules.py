"""Pictures of what capsules hold, and of how the routing came to it.

Legend: C channels, H and W in pixels, K classes, D dimensions of a capsule.
"""

import os.path as osp

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import Tensor
from torch.nn.functional import pad

from projects.capsnet.capsnet import CapsNetClassifier
from projects.capsnet.head import CapsuleHead
from projects.capsnet.routing import RoutingStep
from projects.core.config import explained, load_config
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file
from projects.core.quiet import quiet_libraries
from projects.core.tasks.classification.report import class_names
from projects.core.tasks.drawing import shortened
from projects.core.values import PATH, checked, whole
from projects.core.weights import load_weights, read_checkpoint
from projects.registry import DATASETS, MODELS

RECONSTRUCTIONS, TWEAKS, ROUTING = NAMES = (
    'reconstructions.png',
    'tweaks.png',
    'routing.png',
)
# Fig. 4 of the paper
OFFSETS = torch.arange(-5, 6) * 0.05
GAP = 2  # pixels between images
DPI = 100


@checked(
    config=PATH, checkpoint=PATH, out=PATH, index=whole(0), num_images=whole(1, 50)
)
@torch.no_grad()
def draw_capsules(
    config: str,
    checkpoint: str,
    out: str = 'capsules',
    index: int = 0,
    num_images: int = 12,
    cfg_options: list[str] | None = None,
) -> None:
    """Draw what a CapsNet makes of images of its test set.

    ========================  =================================================
    ``reconstructions.png``   images, and what the decoder makes of the longest
                              capsule of each
    ``tweaks.png``            the first image's longest capsule decoded with one
                              dimension changed: a row each, by -0.25 to 0.25
    ``routing.png``           the first image's coupling coefficients, a row per
                              iteration: to which class the primary capsules of a
                              position go, averaged by their lengths
    ========================  =================================================

    Args:
        config: Run config of a CapsNet with a decoder.
        checkpoint: Weights of that model.
        out: Folder to write to.
        index: The first image, from 0.
        num_images: How many are reconstructed, at most.
        cfg_options: Settings over those of the config.

    Raises:
        UserError: If the config is of another model, the weights do not fit, the
            test set has no such image or the folder cannot be written to.
    """
    quiet_libraries()
    check_outputs([osp.join(out, name) for name in NAMES], '--out')
    cfg = load_config(config, cfg_options)
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
        head = getattr(model, 'head', None)
        if not isinstance(model, CapsNetClassifier) or not isinstance(
            head, CapsuleHead
        ):
            raise UserError(
                f'{config} has no projects.CapsNetClassifier with a '
                'projects.CapsuleHead, and so no capsules'
            )
        if head.decoder is None:
            raise UserError(
                f'{config} has no decoder to draw with (reconstruction_weight=0)'
            )
        weights = read_checkpoint(checkpoint)['state_dict']
        load_weights(model.eval(), weights, checkpoint)
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    if not 0 <= index < len(dataset):
        raise UserError(
            f'there is no image {index}: the test set of {config} has '
            f'{len(dataset)}, from 0'
        )
    samples = [dataset[i] for i in range(index, min(index + num_images, len(dataset)))]
    inputs = model.data_preprocessor(
        dict(inputs=[sample['inputs'] for sample in samples])
    )['inputs']
    primary = head.pre_logits(model.extract_feat(inputs))
    capsules, steps = head.digit_capsules(primary, return_steps=True)
    lengths = torch.linalg.vector_norm(capsules, dim=-1)
    found = lengths.argmax(1)
    decoded = head.reconstruct(capsules, found)
    classes = class_names(dataset.metainfo, head.num_classes)
    images = model.pixels(inputs)
    # of one channel nothing changes
    is_bgr = not model.data_preprocessor.to_rgb
    if is_bgr:
        images, decoded = images.flip(1), decoded.flip(1)

    true = [int(sample['data_samples'].gt_label) for sample in samples]
    titles = [
        f'{shortened(classes[a], 8)} as {shortened(classes[b], 8)}'
        for a, b in zip(true, found.tolist(), strict=True)
    ]
    _draw_reconstructions(images, decoded, titles, osp.join(out, RECONSTRUCTIONS))
    tweaked = _tweaked_images(head, capsules[0], int(found[0]))
    _draw_tweaks(tweaked.flip(2) if is_bgr else tweaked, osp.join(out, TWEAKS))
    maps = _coupling_maps(head, primary, steps)
    _draw_routing(images[0], maps, steps, classes, osp.join(out, ROUTING))
    shares = ', '.join(f'{100 * share:.1f}' for share in maps[:, found[0]].mean((1, 2)))
    MMLogger.get_current_instance().info(
        f'image {index}: {titles[0]}, with a length of {lengths[0].max():.3f}; its '
        f'share of the primary capsules over the iterations is {shares} %; '
        f'pictures: {out}'
    )


def _coupling_maps(
    head: CapsuleHead, primary: Tensor, steps: list[RoutingStep]
) -> Tensor:
    """(R, K, h, w): of the first image, the share of each class in the primary
    capsules of a position, in each of R iterations. It sums to one over K.

    A capsule counts by its length: what does not see anything has no say.
    """
    couplings = torch.stack([step.couplings[0] for step in steps])
    shape = -1, *head.map_shape[1:]  # of (type, y, x)
    weights = torch.linalg.vector_norm(primary[0], dim=-1).unflatten(0, shape)
    weighted = couplings.unflatten(2, shape) * weights
    return weighted.sum(2) / weights.sum(0).clamp(min=1e-12)


def _tiled(images: Tensor):
    """One image (H', W', C) of a grid of images (rows, columns, C, H, W)."""
    tiles = pad(images, (GAP, GAP, GAP, GAP), value=1.0)
    grid = tiles.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    return grid.expand(*grid.shape[:2], 3).clamp(0, 1).numpy()


def _save(figure: Figure, path: str) -> None:
    canvas = FigureCanvasAgg(figure)
    with output_file(path, '--out') as file:
        canvas.print_png(file)


def _draw_reconstructions(
    images: Tensor, decoded: Tensor, titles: list[str], path: str
) -> None:
    num = len(images)
    figure = Figure((max(4, 0.75 * num + 1), 2.2), dpi=DPI, layout='constrained')
    axes = figure.add_subplot()
    axes.imshow(_tiled(torch.stack([images, decoded])))
    height, width = (side + 2 * GAP for side in images.shape[2:])
    axes.set_yticks([height / 2, 1.5 * height], ['image', 'decoded'])
    axes.set_xticks([(i + 0.5) * width for i in range(num)], titles, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(
        'Images, and the longest capsule of each decoded; below: class as what it '
        'is taken for'
        if num > 8
        else 'Images, and their longest capsule decoded',
        fontsize=9,
    )
    _save(figure, path)


def _tweaked_images(head: CapsuleHead, capsules: Tensor, label: int) -> Tensor:
    """(D, offsets, C, H, W): decoded from one image's capsules (K, D), of which
    that of a class has one dimension changed."""
    num_dims = capsules.shape[1]
    changes = torch.eye(num_dims).unsqueeze(1) * OFFSETS[:, None]
    tweaked = capsules.repeat(num_dims * len(OFFSETS), 1, 1)
    tweaked[:, label] += changes.flatten(0, 1)
    target = torch.full((len(tweaked),), label)
    return head.reconstruct(tweaked, target).unflatten(0, (num_dims, -1))


def _draw_tweaks(decoded: Tensor, path: str) -> None:
    num_dims = len(decoded)
    figure = Figure((5.5, 0.44 * num_dims + 1), dpi=DPI, layout='constrained')
    axes = figure.add_subplot()
    axes.imshow(_tiled(decoded))
    height, width = (side + 2 * GAP for side in decoded.shape[3:])
    axes.set_yticks([(i + 0.5) * height for i in range(num_dims)], range(num_dims))
    axes.set_xticks(
        [(i + 0.5) * width for i in range(len(OFFSETS))],
        [f'{offset:+.2f}' for offset in OFFSETS.tolist()],
        fontsize=7,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel('added to the dimension', fontsize=9)
    axes.set_ylabel('dimension of the capsule', fontsize=9)
    _save(figure, path)


def _draw_routing(
    image: Tensor,
    maps: Tensor,
    steps: list[RoutingStep],
    classes: list[str],
    path: str,
) -> None:
    rows, columns = maps.shape[:2]
    figure = Figure(
        (1.0 * columns + 2.4, 1.25 * rows + 0.7), dpi=DPI, layout='constrained'
    )
    grid = figure.add_gridspec(rows, columns + 1)
    axes = figure.add_subplot(grid[0, 0])
    axes.imshow(_tiled(image[None, None]))
    axes.set_axis_off()
    # colours say what differs from equal shares
    panels, equal = [], 1 / columns
    most = max(float((maps - equal).abs().max()), 1e-3)
    colours = dict(cmap='RdBu_r', vmin=equal - most, vmax=equal + most)
    for row, step in enumerate(steps):
        lengths = torch.linalg.vector_norm(step.outputs[0], dim=-1)
        for column in range(columns):
            axes = figure.add_subplot(grid[row, column + 1])
            panels.append(axes)
            shown = axes.imshow(maps[row, column].numpy(), **colours)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_xlabel(f'{lengths[column]:.2f}', fontsize=8)
            if row == 0:
                axes.set_title(shortened(classes[column], 10), fontsize=9)
            if column == 0:
                axes.set_ylabel(f'iteration {row + 1}', fontsize=8)
    bar = figure.colorbar(shown, ax=panels, pad=0.01)
    bar.set_label('share of the class', fontsize=8)
    figure.supxlabel('below each map: the length of the capsule', fontsize=8)
    _save(figure, path)
