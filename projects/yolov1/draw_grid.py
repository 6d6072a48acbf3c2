"""A picture of YOLOv1's grid: what each cell says of an image (paper, Fig. 2).

Shapes: S cells a side, B boxes a cell, C classes. Boxes are xyxy in pixels of the
network's input.
"""

from math import isqrt

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from projects.core.insight.panels import colour_bar, panels, show_box, show_image
from projects.core.tasks.detection.pictures import COLOURS
from projects.core.tasks.drawing import shortened
from projects.core.tasks.subject import Drawn, Subject

SCORE_THR = 0.3  # of the boxes that are drawn, as in tools/infer.py
MAX_BOXES = 30
MAX_LEGEND = 24


def origins(boxes: Tensor, scores: Tensor, found) -> Tensor:
    """Which cell and which of its boxes each detection is.

    Args:
        boxes: (S * S, B, 4), as :meth:`projects.yolov1.YOLOv1Head.decode` gives them.
        scores: (S * S, B, C), the same.
        found: Detections, with ``bboxes`` (n, 4), ``scores`` and ``labels`` (n, ).

    Returns:
        Tensor: (n, 2) numbers of a cell, row by row, and of a box, from 0.
    """
    num_boxes = boxes.shape[1]
    apart = torch.cdist(found.bboxes, boxes.flatten(0, 1), p=1)  # (n, S * S * B)
    apart += (found.scores[:, None] - scores.flatten(0, 1)[:, found.labels].T).abs()
    nearest = apart.argmin(1)
    return torch.stack([nearest // num_boxes, nearest % num_boxes], 1)


def draw_grid(head, subject: Subject) -> Drawn:
    """Confidences and classes of the cells, and which cell finds which box.

    Args:
        head: The model's :class:`projects.yolov1.YOLOv1Head`.
        subject: The model and an image.
    """
    metas = [sample.metainfo for sample in subject.data_samples]
    for meta in metas:
        meta.setdefault('batch_input_shape', tuple(subject.inputs.shape[-2:]))
    outs = head(subject.model.extract_feat(subject.inputs))
    boxes, scores = (x[0].cpu() for x in head.decode(*outs, metas))
    found = head.predict_by_feat(*outs, metas, rescale=False)[0].cpu()
    found = found[found.scores >= SCORE_THR][:MAX_BOXES]
    cls_scores, confs = outs[0][0].cpu(), outs[1][0].cpu()
    side = isqrt(len(confs))
    height, width = subject.inputs.shape[-2:]
    extent = (0, width, height, 0)
    confidence = confs.amax(1).clamp(0, 1).reshape(side, side).numpy()
    labels = cls_scores.argmax(1)
    # a class score is a probability of the class where there is an object
    shares = cls_scores.amax(1).clamp(0, 1)
    colours = np.array([COLOURS[i % len(COLOURS)] for i in labels.tolist()]) / 255

    num_boxes = confs.shape[1]
    caption = (
        f'{side} x {side} cells of {width / side:g} x {height / side:g} px; a box is '
        'found by the cell that holds its middle;\nits score is confidence x class '
        'score; a class is faint where it is unsure'
    )
    figure, (first, second, third) = panels(3, caption, title_lines=2, side=3.9)
    of_boxes = '' if num_boxes == 1 else f',\nthe greatest of {num_boxes} boxes'
    for axes, title in (
        (first, f'confidence of a cell{of_boxes}'),
        (second, 'likeliest class of a cell,\nif an object is there'),
        (
            third,
            f'boxes of score at least {SCORE_THR:g},\nand the cells that find them',
        ),
    ):
        axes.set_title(title, fontsize=10)
        show_image(axes, subject.picture, dimmed=axes is first)
        _lines(axes, side, height, width)
    first.imshow(
        confidence,
        cmap='inferno',
        vmin=0,
        vmax=1,
        alpha=0.3 + 0.6 * confidence,
        extent=extent,
    )
    colour_bar(figure, [first, second, third], 'inferno', '0', '1', 'confidence')
    rgba = np.concatenate([colours, 0.1 + 0.75 * shares.numpy()[:, None]], 1)
    second.imshow(rgba.reshape(side, side, 4), extent=extent)
    present = sorted(set(labels.tolist()))[:MAX_LEGEND]
    handles = [
        Patch(
            color=np.array(COLOURS[i % len(COLOURS)]) / 255,
            label=shortened(subject.class_name(i), 14),
        )
        for i in present
    ]
    longest = max((len(handle.get_label()) for handle in handles), default=1) + 4
    second.legend(
        handles=handles,
        loc='upper center',
        bbox_to_anchor=(0.5, 0),
        ncols=min(5, max(1, 40 // longest)),  # hardly wider than a panel
        fontsize=8,
        frameon=False,
    )
    cells = origins(boxes, scores, found)
    for cell, label, score, box in zip(
        cells[:, 0].tolist(),
        found.labels.tolist(),
        found.scores.tolist(),
        found.bboxes.tolist(),
        strict=True,
    ):
        colour = np.array(COLOURS[label % len(COLOURS)]) / 255
        row, column = divmod(cell, side)
        corner = (column * width / side, row * height / side)
        third.add_patch(
            Rectangle(
                corner, width / side, height / side, color=colour, alpha=0.6, lw=0
            )
        )
        show_box(third, box, colour, width=2)
        x1, y1, *_ = box
        third.text(
            x1 + 1,
            max(y1, 0) + 1,
            f'{shortened(subject.class_name(label), 14)} {score:.2f}',
            in_layout=False,  # or panels shrink to make room for it
            fontsize=8,
            va='top',
            color='black',
            bbox=dict(facecolor=colour, edgecolor='none', pad=1),
        )
    said = [
        f'{subject.class_name(label)} {score:.2f} by cell '
        f'({cell // side}, {cell % side}), box {number}'
        for (cell, number), label, score in zip(
            cells.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        )
    ]
    return Drawn(
        figure,
        f'{side} x {side} cells with confidences and classes; '
        + (
            f'cells by (row, column): {"; ".join(said)}'
            if said
            else f'no box has a score of {SCORE_THR:g}'
        ),
    )


def _lines(axes: Axes, side: int, height: int, width: int) -> None:
    """The borders of the cells."""
    for i in range(side + 1):
        axes.axvline(i * width / side, color='white', lw=0.5, alpha=0.6)
        axes.axhline(i * height / side, color='white', lw=0.5, alpha=0.6)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
