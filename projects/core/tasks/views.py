"""Test-time augmentation: several views of an image, whose predictions are merged.

A config states them as MMEngine has it, by ``tta_pipeline``, the test pipeline with a
``TestTimeAug``, and ``tta_model``, what merges. Where it does not, the views are those
that the model was trained on: an image is flipped only if the training pipeline flips,
for a flipped 2 is no 2, and it is enlarged only if the training pipeline crops.
"""

import copy
import re
from dataclasses import dataclass
from math import prod

from projects.core.config import test_pipeline_of, walk
from projects.core.errors import UserError

ENLARGED = (1.0, 1.125)  # sides of an image before its centre is cut out


@dataclass
class Views:
    """What a test with augmentation needs.

    Args:
        model: Config of what merges, without its ``module``.
        pipeline: Of the test data.
        words: Number and kinds of the views, for the reader.
    """

    model: dict
    pipeline: list[dict]
    words: str


def views_of_images(cfg, config: str, model: dict, enlarges: bool) -> Views:
    """Those that a config states, or that its training pipeline makes natural.

    Args:
        cfg: Config of a run.
        config: Its file, for messages.
        model: Config of what merges where the config states none.
        enlarges: Whether the model may be shown an enlarged image.

    Raises:
        UserError: If there is no view but the image as it is.
    """
    model = dict(cfg.get('tta_model') or model)
    stated = cfg.get('tta_pipeline')
    if stated is not None:
        num = _num_views(stated)
        if not num:
            raise UserError(f'{config}: there is no TestTimeAug in its tta_pipeline')
        words = f'{num} view{"s" * (num > 1)} of tta_pipeline'
        return Views(model, copy.deepcopy(list(stated)), words)
    trained = {_name(step['type']) for step in _steps_of_training(cfg)}
    steps = [copy.deepcopy(dict(step)) for step in test_pipeline_of(cfg)]
    names = [_name(step['type']) for step in steps]
    last = next(
        (
            i
            for i, name in enumerate(names)
            if name.startswith('Pack') or (name == 'LoadAnnotations' and i > 1)
        ),
        len(steps),
    )
    branches = [[step] for step in steps]
    words = []
    if enlarges and 'RandomResizedCrop' in trained and 'CenterCrop' in names:
        place = next((i for i, step in enumerate(steps) if 'scale' in step), None)
        if place is not None:
            branches[place] = [_enlarged(steps[place], factor) for factor in ENLARGED]
            words.append('enlarged by ' + ' and '.join(f'{f:g}' for f in ENLARGED))
    if _flips(cfg):
        branches.insert(
            last, [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
        )
        words.append('as it is and flipped')
        for step in steps[last:]:
            if 'meta_keys' in step:
                step['meta_keys'] = (*step['meta_keys'], 'flip', 'flip_direction')
    if not words:
        raise UserError(
            f'--tta: the training pipeline of {config} neither flips images nor crops '
            'them at random, so that no other view of an image is known to show the '
            'same; state tta_pipeline in the config'
        )
    first = next(i for i, branch in enumerate(branches) if len(branch) > 1)
    pipeline = [
        *(branch[0] for branch in branches[:first]),
        dict(type='TestTimeAug', transforms=branches[first:]),
    ]
    num = prod(len(branch) for branch in branches)
    return Views(model, pipeline, f'{num} views, {" and ".join(words)}')


def _name(type_: str) -> str:
    """Without the library's: of 'mmdet.RandomFlip' and 'torchvision/RandomCrop'."""
    return re.split('[./]', type_)[-1]


def _steps_of_training(cfg) -> list[dict]:
    """Of the training pipeline, those inside of others, too."""
    dataset = (cfg.get('train_dataloader') or {}).get('dataset')
    return [
        entry.parent
        for entry in walk(dataset)
        if entry.key == 'type' and isinstance(entry.value, str)
    ]


def _flips(cfg) -> bool:
    """Whether the training data are flipped from left to right."""
    return any(
        step.get('prob') != 0
        and (
            _name(step['type']) == 'RandomHorizontalFlip'
            or (
                _name(step['type']) == 'RandomFlip'
                and 'horizontal' in step.get('direction', 'horizontal')
            )
        )
        for step in _steps_of_training(cfg)
    )


def _enlarged(step: dict, factor: float) -> dict:
    scale = step['scale']
    if isinstance(scale, (list, tuple)):
        return {**step, 'scale': tuple(round(side * factor) for side in scale)}
    return {**step, 'scale': round(scale * factor)}


def _num_views(pipeline: list[dict]) -> int:
    """Of a pipeline; 0 where it has no such step."""
    for step in pipeline:
        if _name(step['type']) == 'TestTimeAug':
            return prod(len(branch) for branch in step['transforms'])
    return 0
