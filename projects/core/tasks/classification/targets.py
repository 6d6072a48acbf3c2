"""What a classifier makes of an image, and which classes a heat map explains."""

from functools import partial
from typing import Any

import torch

from projects.core.errors import UserError
from projects.core.tasks.classes import chosen_class
from projects.core.tasks.classification.report import best_classes, class_names
from projects.core.tasks.drawing import in_one_line, shortened
from projects.core.tasks.subject import Target
from projects.core.tasks.task import LookOptions

NUM_TARGETS = 3
NAME = 24  # characters, as wide as a panel with the share


def explain_classifier(
    model, data: dict, meta: dict, options: LookOptions
) -> dict[str, Any]:
    """See :meth:`projects.core.tasks.images.ImageTask.explain`.

    A class's score is its logit: probabilities depend on the other classes too.

    Raises:
        UserError: If there is no such class, or a detection is asked for.
    """
    if options.detection is not None:
        raise UserError(
            f'--detection {options.detection}: {options.checkpoint} holds an image '
            'classifier; choose a class with --class'
        )
    with torch.no_grad():
        sample = model.predict(data['inputs'], data['data_samples'])[0]
    probabilities = sample.pred_score
    classes = class_names(meta.get('dataset_meta'), len(probabilities))
    best = best_classes(probabilities, classes)
    label = chosen_class(options.class_, classes, options.checkpoint)
    labels = [p['label'] for p in best[:NUM_TARGETS]] if label is None else [label]

    def titled(label: int) -> str:
        name = shortened(in_one_line(classes[label]), NAME)
        return f'{name}, {100 * probabilities[label]:.1f} %'

    return dict(
        prediction=', '.join(f'{p["class"]} {100 * p["score"]:.1f} %' for p in best),
        scores=partial(model, mode='tensor'),
        targets=[Target(titled(label), label) for label in labels],
        classes=classes,
    )
