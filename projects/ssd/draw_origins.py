"""A picture of the default boxes of SSD that the detections of an image come from.

Shapes: P default boxes of all levels, n detections. Boxes are xyxy in pixels of the
network's input unless said otherwise.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.ops import box_convert

from projects.core.tasks.detection.pictures import COLOURS
from projects.core.tasks.drawing import MAX_SIDE, shortened
from projects.core.tasks.subject import Drawn, NotServed, Subject
from projects.ssd.default_boxes import decode
from projects.ssd.draw_matches import outline

SCORE_THR = 0.3  # of the detections that are drawn, as in tools/infer.py
DPI = 100


def origins(
    head, maps: list[Tensor], bbox_preds: list[Tensor], found, shape: tuple[int, int]
) -> Tensor:
    """Which default box, in [0, P), each detection was decoded from.

    Args:
        head: :class:`projects.ssd.SSDHead`.
        maps: Its scores of one image, level by level.
        bbox_preds: Its offsets, the same.
        found: Detections, with ``bboxes`` (n, 4) and ``scores``, ``labels`` (n, ).
        shape: Height and width of the image, at whose border boxes are cut off.

    Returns:
        Tensor: (n, ).
    """

    def by_box(levels: list[Tensor]) -> Tensor:
        """(P, channels) of the maps of all levels."""
        rows = [x[0].permute(2, 0, 1).flatten(0, 1) for x in head._by_box(levels)]
        return torch.cat(rows).float()

    priors = head.default_boxes([x.shape[-2:] for x in maps], maps[0].device)
    decoded = decode(by_box(bbox_preds), priors).clamp(min=0)
    decoded = decoded.minimum(decoded.new_tensor(shape[::-1]).repeat(2))
    apart = torch.cdist(found.bboxes, decoded, p=1)
    scores = by_box(maps).softmax(1)[:, found.labels].T  # (n, P)
    return (apart + (found.scores[:, None] - scores).abs()).argmin(1)


def draw_origins(head, subject: Subject) -> Drawn:
    """Of each level that finds something the default boxes, dashed, and what became
    of them.

    Args:
        head: The model's :class:`projects.ssd.SSDHead`.
        subject: The model and an image.

    Raises:
        NotServed: If nothing is found.
    """
    metas = [sample.metainfo for sample in subject.data_samples]
    maps, bbox_preds = head(subject.model.extract_feat(subject.inputs))
    found = head.predict_by_feat(maps, bbox_preds, metas, rescale=False)[0]
    found = found[found.scores >= SCORE_THR]
    if not len(found):
        raise NotServed(f'no detection has a score of {SCORE_THR:g}')
    shape = metas[0]['img_shape'][:2]
    chosen = origins(head, maps, bbox_preds, found, shape).cpu()
    found = found.cpu()
    sizes = [tuple(x.shape[-2:]) for x in maps]
    priors = box_convert(head.default_boxes(sizes).cpu(), 'cxcywh', 'xyxy')
    counts = [
        h * w * k for (h, w), k in zip(sizes, head.default_boxes.num_boxes, strict=True)
    ]
    levels = torch.searchsorted(torch.tensor(counts).cumsum(0), chosen, right=True)

    used = sorted(set(levels.tolist()))
    columns = min(len(used), 4)
    rows = -(-len(used) // columns)
    size = 3.6 * columns, 4.3 * rows + 0.4  # inches
    figure = Figure(figsize=size, layout='constrained')
    height, width = subject.extent
    said = []
    for place, level in enumerate(used, 1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(subject.picture, extent=(0, width, height, 0))
        axes.set_axis_off()
        members = (levels == level).nonzero()[:, 0].tolist()
        rows_, columns_ = sizes[level]
        axes.set_title(
            f'level {level}: {rows_} x {columns_} positions,\n'
            f'{len(members)} of {len(found)} detections',
            fontsize=9,
        )
        # labels of boxes on each other are apart; the surest is on top
        for i in reversed(members):
            below = members.index(i) % 2
            label = int(found.labels[i])
            colour = np.divide(COLOURS[label % len(COLOURS)], 255)
            prior = priors[chosen[i]]
            axes.add_patch(outline(prior, colour, '--', 1.5))
            axes.add_patch(outline(found.bboxes[i], colour, width=2))
            axes.text(
                float(found.bboxes[i][0]),
                float(found.bboxes[i][3 if below else 1]),
                f'{shortened(subject.class_name(label), 14)} {found.scores[i]:.2f}',
                in_layout=False,  # or panels shrink to make room for it
                fontsize=8,
                va='bottom' if below else 'top',
                bbox=dict(facecolor=colour, edgecolor='none', pad=1),
            )
            x1, y1, x2, y2 = prior.tolist()
            said.append(
                f'{subject.class_name(label)} {found.scores[i]:.2f} from level '
                f'{level}, {x2 - x1:.0f} x {y2 - y1:.0f} px'
            )
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    figure.supxlabel(
        'dashed: default box; solid: the detection that it became', fontsize=9
    )
    figure.set_dpi(min(DPI, MAX_SIDE / max(size)))
    return Drawn(figure, f'default boxes of the detections: {"; ".join(said)}')
