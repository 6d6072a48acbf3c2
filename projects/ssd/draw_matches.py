"""A picture of what SSD learns from: default boxes and their objects."""

import os.path as osp

import numpy as np
import torch
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from torchvision.ops import box_convert

from projects.core.config import explained, load_config
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file
from projects.core.quiet import quiet_libraries
from projects.core.tasks.drawing import COLOURS, MAX_SIDE
from projects.core.values import PATH, SEED, checked, whole
from projects.registry import DATASETS, MODELS
from projects.ssd.head import SSDHead
from projects.ssd.matching import match, pairwise_iou


@checked(config=PATH, index=whole(0), out=PATH, seed=SEED)
def draw_matches(
    config: str,
    index: int = 0,
    out: str = 'matches.png',
    seed: int = 0,
    cfg_options: list[str] | None = None,
) -> None:
    """Draw the default boxes that answer for the objects of an image.

    The image is one of the training set as the network gets it, augmented.
    Each level has a panel with its matched boxes in the colour of their
    object; the objects are dashed and white. What the picture shows is also
    logged in numbers, for choosing default boxes for data of one's own.

    Args:
        config: Run config of a detector with SSD's head.
        index: Number of the image in the training set, from 0.
        out: Picture to write; the ending says the format.
        seed: Seed of the augmentation.
        cfg_options: Settings over those of the config.

    Raises:
        UserError: If the config has no such head, the data set no such image,
            or the picture cannot be written.
    """
    quiet_libraries()
    kind = osp.splitext(out)[1][1:].lower()
    if kind not in FigureCanvasBase.get_supported_filetypes():
        raise UserError(
            f'--out {out} cannot be written: name a file that ends in .png, .jpg, '
            '.pdf or .svg'
        )
    check_outputs([out], '--out')
    logger = MMLogger.get_current_instance()
    cfg = load_config(config, cfg_options)
    set_random_seed(seed)
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
        with torch.device('meta'):  # shapes are all that is asked for
            model = MODELS.build(cfg.model)
        head = getattr(model, 'bbox_head', None)
        if not isinstance(head, SSDHead):
            raise UserError(
                f'{config} has no projects.SSDHead, and so no default boxes'
            )
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    if not 0 <= index < len(dataset):
        raise UserError(
            f'there is no image {index}: the training set of '
            f'{config} has {len(dataset)}, from 0'
        )
    data = dataset[index]
    objects = data['data_samples'].gt_instances.bboxes
    objects = getattr(objects, 'tensor', objects).float()

    image = data['inputs']
    maps, _ = head.eval()(
        model.eval().extract_feat(image[None].to('meta', torch.float32))
    )
    sizes = [x.shape[-2:] for x in maps]
    boxes = box_convert(head.default_boxes(sizes), 'cxcywh', 'xyxy')
    matched = match(objects, [len(objects)], boxes, head.iou_thr, head.bipartite)[0]

    columns = min(len(sizes), 4)
    rows = -(-len(sizes) // columns)
    size = 4 * columns, 4.8 * rows  # inches
    figure = Figure(figsize=size, layout='constrained')
    first = 0
    for level, (height, width) in enumerate(sizes):
        sides = head.default_boxes.sides[level]
        last = first + height * width * len(sides)
        axes = figure.add_subplot(rows, columns, level + 1)
        axes.imshow(image.flip(0).permute(1, 2, 0).numpy())
        axes.set_axis_off()
        chosen = (matched[first:last] >= 0).nonzero()[:, 0] + first
        smallest, largest = (f'{f(max(s) for s in sides):.0f}' for f in (min, max))
        axes.set_title(
            f'{height} x {width} positions, boxes of {smallest} to '
            f'{largest} px\n{len(chosen)} matched'
        )
        for box in objects:
            axes.add_patch(outline(box, 'white', linestyle='--', width=2))
        for i in chosen.tolist():
            colour = np.divide(COLOURS[matched[i] % len(COLOURS)], 255)
            axes.add_patch(outline(boxes[i], colour))
        first = last
    with output_file(out, '--out') as file:
        figure.savefig(file, format=kind, dpi=min(100, MAX_SIDE / max(size)))

    ious = pairwise_iou(objects, boxes).amax(1) if len(objects) else objects
    logger.info(
        f'image {index} ({image.shape[2]} x {image.shape[1]} px): '
        f'{len(objects)} objects, {(matched >= 0).sum()} default boxes of '
        f'{len(boxes)} matched; {(ious >= head.iou_thr).sum()} objects have '
        f'one with IoU >= {head.iou_thr:g}: {out}'
    )


def outline(box, colour, linestyle: str = '-', width: float = 1.5):
    """An xyxy box in pixels of the image."""
    x1, y1, x2, y2 = box.tolist()
    return Rectangle(
        (x1, y1),
        x2 - x1,
        y2 - y1,
        fill=False,
        edgecolor=colour,
        linestyle=linestyle,
        linewidth=width,
    )
