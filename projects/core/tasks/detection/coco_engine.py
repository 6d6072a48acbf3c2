"""What computes COCO's twelve numbers: pycocotools, or the faster engine.

Legend: T = 10 IoU thresholds, R = 101 recalls, K categories, A = 4 areas (all, small,
medium, large), M = 3 limits of detections per image (1, 10, 100).
"""

import contextlib
import io
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval

try:
    import faster_coco_eval
except ImportError:  # there are platforms without: the same numbers, later
    faster_coco_eval = None

BACKENDS = ('auto', 'pycocotools', 'faster-coco-eval')
# pycocotools' stats in their order: key, and the words of its summary
STATS = {
    'mAP': ('AP', '0.50:0.95', 'all', 100),
    'mAP_50': ('AP', '0.50', 'all', 100),
    'mAP_75': ('AP', '0.75', 'all', 100),
    'mAP_s': ('AP', '0.50:0.95', 'small', 100),
    'mAP_m': ('AP', '0.50:0.95', 'medium', 100),
    'mAP_l': ('AP', '0.50:0.95', 'large', 100),
    'AR@1': ('AR', '0.50:0.95', 'all', 1),
    'AR@10': ('AR', '0.50:0.95', 'all', 10),
    'AR@100': ('AR', '0.50:0.95', 'all', 100),
    'AR_s': ('AR', '0.50:0.95', 'small', 100),
    'AR_m': ('AR', '0.50:0.95', 'medium', 100),
    'AR_l': ('AR', '0.50:0.95', 'large', 100),
}


def summary(stats: np.ndarray) -> str:
    """The twelve lines that pycocotools prints, from its (12, ) stats."""
    titles = dict(AP='Average Precision', AR='Average Recall')
    return '\n'.join(
        f' {titles[kind]:<18} ({kind}) @[ IoU={iou:<9} | area={area:>6} | '
        f'maxDets={max_dets:>3} ] = {value:0.3f}'
        for (kind, iou, area, max_dets), value in zip(
            STATS.values(), stats, strict=True
        )
    )


def engine_of(backend: str, img_ids: Sequence) -> str:
    """The engine of a backend, one of the last two of ``BACKENDS``."""
    if backend == 'faster-coco-eval' or (
        backend == 'auto'
        and faster_coco_eval is not None
        # it makes integers of image ids, pycocotools takes any
        and all(isinstance(i, int) for i in img_ids)
    ):
        return 'faster-coco-eval'
    return 'pycocotools'


def described(engine: str) -> str:
    """An engine with its version."""
    return f'{engine} {version(engine)}'


def evaluate(
    engine: str,
    gt: COCO,
    detections: list[dict],
    img_ids: Sequence,
    cat_ids: Sequence,
    use_cats: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """COCOeval in its default setting.

    Args:
        engine: Of :func:`engine_of`.
        gt: Ground truth.
        detections: In COCO's results format.
        img_ids: Images that count.
        cat_ids: Categories that count.
        use_cats: Whether a detection finds those of its category alone.

    Returns:
        tuple: (12, ) stats, (T, R, K, A, M) precision and (T, K, A, M)
        recall; categories in ascending order of their ids.
    """
    evaluator, coco_class, options = COCOeval, COCO, {}
    if engine == 'faster-coco-eval':
        coco_class = faster_coco_eval.COCO
        evaluator = faster_coco_eval.COCOeval_faster
        options = dict(print_function=lambda *args, **kwargs: None)
    with contextlib.redirect_stdout(io.StringIO()):
        if coco_class is not COCO:
            gt = coco_class(gt.dataset)
        dt = coco_class()
        dt.dataset = dict(
            images=gt.dataset['images'],
            categories=gt.dataset['categories'],
            annotations=[  # what loadRes adds; that fails on an empty list
                dict(d, id=i, iscrowd=0, area=d['bbox'][2] * d['bbox'][3])
                for i, d in enumerate(detections, 1)
            ],
        )
        dt.createIndex()
        coco_eval = evaluator(gt, dt, 'bbox', **options)
        coco_eval.params.catIds = list(cat_ids)
        coco_eval.params.imgIds = list(img_ids)
        coco_eval.params.useCats = int(use_cats)
        coco_eval.evaluate()
        coco_eval.accumulate()
        coco_eval.summarize()
    return (
        np.asarray(coco_eval.stats[: len(STATS)], np.float64),
        np.asarray(coco_eval.eval['precision']),
        np.asarray(coco_eval.eval['recall']),
    )
