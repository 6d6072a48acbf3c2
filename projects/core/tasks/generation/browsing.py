"""Samples of what generators learn from: images, or points of a plane."""

import os.path as osp

import torch

from projects.core.files import check_outputs
from projects.core.tasks.browsed import Browsed, refuse_steps
from projects.core.tasks.browsing import Marks, browse_images, class_names
from projects.core.tasks.drawing import write_picture
from projects.core.tasks.generation.pictures import NUM_POINTS, points_picture


def browse_samples(browsed: Browsed) -> list[str]:
    """Contact sheets of images; of points a picture of 2,000 of them, twice: as the
    data are, and as the model is given them.

    Returns:
        The files.

    Raises:
        UserError: If steps of a pipeline are asked for where there is none.
    """
    if hasattr(browsed.dataset, 'pipeline'):
        return browse_images(browsed, Marks(class_names(browsed.dataset)))
    refuse_steps(browsed, 'points')
    file = osp.join(browsed.out_dir, f'{browsed.split}.png')
    check_outputs([file], '--out-dir')
    browsed.reseed(0)
    indices = list(range(min(NUM_POINTS, len(browsed.dataset))))
    points = torch.stack([browsed.dataset[i]['inputs'] for i in indices])
    given = browsed.preprocessor(dict(inputs=points))['inputs']
    picture = points_picture(given, points, ('data', 'the model is given'))
    write_picture(file, picture, '--out-dir')
    return [file]
