"""Which objects a detector's default boxes or cells cannot serve, by its head.

A head tells by a method ``out_of_reach(bboxes, image_ids, input_shape, map_sizes)``:
rows of a mask of the objects, (M, ) bool, what is wrong with those, in words, and
what helps. Boxes are (M, 4) xyxy in pixels of the network input.
"""

from typing import NamedTuple

import numpy as np
import torch
from mmcv.image import rescale_size
from mmengine.registry import DefaultScope

from projects.core.config import explained, test_pipeline_of
from projects.core.config.walk import type_name
from projects.core.datasets.findings import WARNING, Finding, Suspect, some_of
from projects.core.tasks.detection.box_table import BoxTable
from projects.registry import MODELS

MUCH = 0.05  # of the objects; less is stated as a fact
# sizes of the network input, the most frequent: each takes a pass without numbers
MAX_SHAPES = 16


class _Resize(NamedTuple):
    scale: tuple[int, int]  # width, height
    keep_ratio: bool

    def __call__(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height after it."""
        return rescale_size(size, self.scale) if self.keep_ratio else self.scale


def resize_of(cfg) -> _Resize | None:
    """How the test pipeline scales an image; None if it does so by other means."""
    steps = test_pipeline_of(cfg) or []
    scaling = [s for s in steps if 'Resize' in s['type'] or 'Crop' in s['type']]
    if len(scaling) != 1 or type_name(scaling[0]) != 'Resize':
        return None
    scale = scaling[0].get('scale')
    if not (isinstance(scale, (list, tuple)) and len(scale) == 2):
        return None
    return _Resize(tuple(scale), bool(scaling[0].get('keep_ratio', False)))


def reach_findings(
    cfg, tables: list[BoxTable], split: str
) -> tuple[list[Finding], list[str]]:
    """What the head of a config cannot serve in some files.

    Args:
        cfg: Of a run.
        tables: Of a split.
        split: Its name.

    Returns:
        tuple: Findings, and facts in words.
    """
    resize = resize_of(cfg)
    with (
        explained(cfg),
        DefaultScope.overwrite_default_scope(cfg.get('default_scope')),
        torch.device('meta'),  # shapes are all that is asked for
    ):
        model = MODELS.build(cfg.model).eval()
    head = getattr(model, 'bbox_head', None)
    if not hasattr(head, 'out_of_reach'):
        return [], [
            f'sizes of boxes are not compared with the model: a {type(head).__name__} '
            'does not tell which objects it can reach'
        ]
    if resize is None:
        return [], [
            'sizes of boxes are not compared with the model, as the test pipeline has '
            'no single Resize(scale=(width, height))'
        ]
    rows = _inputs(tables, resize)
    shapes, counts = np.unique(rows.shapes, axis=0, return_counts=True)
    found: dict[tuple[str, str], list] = {}
    looked_at = 0
    for place in counts.argsort()[::-1][:MAX_SHAPES]:
        width, height = shapes[place].tolist()
        chosen = np.flatnonzero((rows.shapes == shapes[place]).all(1))
        looked_at += len(chosen)
        maps = model.extract_feat(torch.zeros(1, 3, height, width, device='meta'))
        for mask, text, advice in head.out_of_reach(
            torch.from_numpy(rows.bboxes[chosen]).float(),
            torch.from_numpy(np.unique(rows.image_of[chosen], return_inverse=True)[1]),
            (height, width),
            [tuple(x.shape[-2:]) for x in maps],
        ):
            found.setdefault((text, advice), []).append(chosen[mask.numpy()])
    findings, facts = [], []
    for (text, advice), parts in found.items():
        missed = np.concatenate(parts)
        share = len(missed) / max(1, looked_at)
        sentence = f'{len(missed):,} of {looked_at:,} objects ({share:.1%}) {text}'
        if len(missed):
            facts.append(sentence)
        if share > MUCH:
            findings.append(
                Finding(
                    WARNING,
                    'out of the reach of the model',
                    split,
                    sentence,
                    advice,
                    [rows.name_of(i) for i in missed.tolist()],
                    [s for i in some_of(missed) for s in rows.suspect(i)],
                )
            )
    return findings, facts or [
        f'{type(head).__name__} has a place for each of {looked_at:,} objects'
    ]


class _Inputs(NamedTuple):
    """Objects as the network sees them.

    ``bboxes``: (M, 4) xyxy, pixels of the network input; ``shapes``: (M, 2), its
    width and height; ``image_of``: (M, ), over all tables; ``places``: table and row.
    """

    tables: list[BoxTable]
    bboxes: np.ndarray
    shapes: np.ndarray
    image_of: np.ndarray
    places: np.ndarray

    def name_of(self, i: int) -> str:
        table, row = self.places[i]
        return self.tables[table].names_of([row])[0]

    def suspect(self, i: int) -> list[Suspect]:
        table, row = self.tables[self.places[i, 0]], self.places[i, 1]
        if not table.images:
            return []
        x1, y1, x2, y2 = self.bboxes[i]
        return [
            Suspect(
                table.images[table.image_of[row]],
                f'{table.names[table.image_of[row]]}\n'
                f'{table.classes[table.labels[row]]}, {x2 - x1:.0f} x {y2 - y1:.0f} px '
                'of the input',
                [table.boxes[row].tolist()],
            )
        ]


def _inputs(tables: list[BoxTable], resize: _Resize) -> _Inputs:
    columns, before = [], 0
    for number, table in enumerate(tables):
        known = np.isfinite(table.sizes).all(1)
        sizes = np.where(known[:, None], table.sizes, 1).astype(int)
        unique, inverse = np.unique(sizes, axis=0, return_inverse=True)
        after = np.array([resize(tuple(size)) for size in unique.tolist()], float)
        after = after.reshape(-1, 2)[inverse.reshape(-1)]  # (I, 2)
        rows = np.flatnonzero(
            known[table.image_of]
            & ~table.is_crowd
            & ~table.is_ignored
            & (table.boxes[:, 2:] > 0).all(1)
        )
        image = table.image_of[rows]
        factors = (after / sizes)[image]
        low = table.boxes[rows, :2] * factors
        high = low + table.boxes[rows, 2:] * factors
        columns.append(
            (
                np.concatenate([low, high], 1),
                after[image].astype(int),
                image + before,
                np.stack([np.full(len(rows), number), rows], 1),
            )
        )
        before += len(sizes)
    return _Inputs(
        tables, *(np.concatenate(parts) for parts in zip(*columns, strict=True))
    )
