"""What a detector finds in an image, and which detections a heat map explains."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from projects.core.errors import UserError
from projects.core.tasks.classes import chosen_class
from projects.core.tasks.detection.results import DetectionResults
from projects.core.tasks.drawing import in_one_line, shortened
from projects.core.tasks.subject import Target
from projects.core.tasks.task import LookOptions

NUM_TARGETS = 3
NAME = 16  # characters, as wide as a panel with the rest of its title
SCORE_THR = 0.3  # as in tools/infer.py


def explain_detector(
    model, data: dict, meta: dict, options: LookOptions
) -> dict[str, Any]:
    """See :meth:`projects.core.tasks.images.ImageTask.explain`.

    Raises:
        UserError: If there is no such class or detection.
    """

    def predict(inputs: Tensor):
        """Detections in pixels of the network's input, the surest first."""
        samples = deepcopy(data['data_samples'])  # results are written into them
        return model.predict(inputs, samples, rescale=False)[0].pred_instances

    with torch.no_grad():
        found = predict(data['inputs'])
    results = DetectionResults(meta, SCORE_THR)
    labels, scores = found.labels.tolist(), found.scores.tolist()
    names = results.names(max(labels, default=-1) + 1)
    chosen = [i for i, score in enumerate(scores) if score >= SCORE_THR]
    num_sure = len(chosen)
    chosen = chosen[:NUM_TARGETS] or list(range(len(scores)))[:1]
    if options.class_ is not None:
        label = chosen_class(options.class_, names, options.checkpoint)
        chosen = [i for i, other in enumerate(labels) if other == label][:1]
        if not chosen:
            raise UserError(
                f'--class {options.class_}: nothing of this class is found in the '
                f'image; found are {_listed_once(names[i] for i in labels)}'
            )
    if options.detection is not None:
        if options.detection >= len(scores):
            raise UserError(
                f'--detection {options.detection}: there are {len(scores)} detections '
                'in the image, from 0'
            )
        chosen = [options.detection]
    return dict(
        prediction=f'{num_sure} detections with score >= {SCORE_THR:g}'
        + ''.join(
            f'{", " if i else ": "}{names[labels[i]]} {scores[i]:.2f}'
            for i in range(min(5, num_sure))
        )
        + ', ...' * (num_sure > 5),
        scores=lambda inputs: predict(inputs).scores[None],
        targets=[
            Target(
                f'detection {i}: '
                f'{shortened(in_one_line(names[labels[i]]), NAME)} {scores[i]:.2f}',
                i,
                tuple(found.bboxes[i].tolist()),
            )
            for i in chosen
        ],
        classes=names,
    )


def _listed_once(names) -> str:
    return ', '.join(dict.fromkeys(names)) or 'no objects at all'
