"""Pictures of the images on which a detector does best and worst."""

import numpy as np

from projects.core.datasets.transforms import loader_of
from projects.core.reports.blocks import Picture, Pictures
from projects.core.tasks.detection.analysis import ImageScores, Outcome
from projects.core.tasks.detection.pictures import draw_detections
from projects.core.tasks.drawing import Attempts

NUM_IMAGES = 6  # best, and worst
MAX_SIDE = 256  # pixels
NOTE = (
    'Detections in the colours of their classes, ground truth in thin white boxes. By '
    'F1 of the image; more objects count for more.'
)


def best_and_worst(scores: ImageScores, known: np.ndarray) -> tuple[list, list]:
    """Indices of images, the best first and the worst first, none in both.

    Args:
        scores: Of I images.
        known: (I, ) bool, of which there are files.
    """
    value = scores.weighted_f1
    order = np.flatnonzero(known & np.isfinite(value))
    order = order[np.argsort(-value[order], kind='stable')].tolist()
    best = order[: min(NUM_IMAGES, (len(order) + 1) // 2)]
    worst = order[len(best) :][::-1][:NUM_IMAGES]
    # what nothing was found on is not good, what is faultless is not bad
    faults = scores.num_gts - scores.found + scores.wrong
    return (
        [i for i in best if scores.found[i]],
        [i for i in worst if faults[i]],
    )


def caption(scores: ImageScores, i: int, img_id) -> str:
    """What is on a picture, in words."""
    found, num_gts, wrong = scores.found[i], scores.num_gts[i], scores.wrong[i]
    what = f'{found} of {num_gts} found' if num_gts else 'nothing to find'
    return f'image {img_id}: {what}' + (f', {wrong} false' if wrong else '')


def example_pictures(outcome: Outcome, scores: ImageScores, dataset) -> list[Pictures]:
    """The best and the worst images, as far as they can be drawn.

    Args:
        outcome: The evaluation.
        scores: Of its images.
        dataset: That loads them.
    """
    paths = [outcome.paths.get(img_id) for img_id in outcome.img_ids]
    known = np.array([path is not None for path in paths], bool)
    attempts = Attempts()
    dets, truths = outcome.detections, outcome.truths

    def draw(i: int) -> np.ndarray:
        of_image, gts = dets[dets.image == i], truths[truths.image == i]
        return draw_detections(
            loader_of(dataset).picture(paths[i]),
            _corners(of_image.bboxes),
            of_image.label,
            of_image.score,
            outcome.classes,
            _corners(gts.bboxes),
            outcome.score_thr,
            MAX_SIDE,
        )

    blocks = []
    chosen = best_and_worst(scores, known)
    for key, title, images in zip(
        ('best-images', 'worst-images'), ('Best', 'Worst'), chosen, strict=True
    ):
        pictures = [
            Picture(caption(scores, i, outcome.img_ids[i]), image)
            for i in images
            if (image := attempts.attempt(paths[i], lambda i=i: draw(i))) is not None
        ]
        if pictures:
            blocks.append(Pictures(key, title, pictures, note=NOTE))
    return blocks


def _corners(bboxes: np.ndarray) -> np.ndarray:
    """xyxy of xywh."""
    return np.concatenate([bboxes[:, :2], bboxes[:, :2] + bboxes[:, 2:]], 1)
