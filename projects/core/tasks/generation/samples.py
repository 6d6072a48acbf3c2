"""What ``tools/infer.py`` makes with a generative model."""

import csv
import io
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from torch import Tensor

from projects.core.config import explained
from projects.core.datasets.transforms import warn
from projects.core.errors import UserError, did_you_mean, listed
from projects.core.files import check_outputs, output_file, write_text
from projects.core.tasks.classes import chosen_class
from projects.core.tasks.drawing import picture_names, write_picture
from projects.core.tasks.generation.models import Generator, Translator
from projects.core.tasks.generation.pictures import (
    as_image,
    film_of,
    grid,
    points_picture,
)
from projects.core.tasks.images import ImagePipeline, image_paths, refuse_own_folder
from projects.core.tasks.task import InferOptions, refuse_options

OPTION = '--out-dir'
NUM, STEPS = 64, 16  # samples, and those of a walk, by default
GRID, WALK, FILM, TABLE = 'grid.png', 'walk.png', 'walk.gif', 'samples.csv'


def write_samples(
    model: Generator, meta: dict, inputs: str | None, options: InferOptions
) -> list[dict]:
    """Make samples, or those on a walk between two latents, and write them.

    Images become a PNG each and a grid, or a strip and a film of the walk; points a
    table and a picture.

    Args:
        model: In eval mode.
        meta: What the checkpoint says of itself, with ``dataset_meta``.
        inputs: None: nothing is needed.
        options: How.

    Returns:
        list: A dict for each sample, with ``file`` or ``point``, and ``class`` of a
        conditional model.

    Raises:
        UserError: If an option makes no sense, or a file cannot be written.
    """
    if inputs is not None:
        raise UserError(
            f'{options.checkpoint} holds a {type(model).__name__}, which makes samples '
            f'of noise: leave {inputs} out'
        )
    refuse_options(model, options)
    asked = options.writing
    walks, seed = asked.get('interpolate', False), asked.get('seed', 0)
    num = asked.get('num', STEPS if walks else NUM)
    if walks and num < 2:
        raise UserError(f'--num {num}: a walk has 2 samples at least')
    classes = class_names(model, meta['dataset_meta'])
    label = chosen_class(asked.get('class_'), classes, options.checkpoint)
    out_dir = options.out_dir or osp.join(
        'samples', Path(osp.abspath(options.checkpoint)).parent.name
    )
    labels = None
    if walks:
        if classes and label is None:
            label = 0
        samples = model.between(0, 1, num, label, seed)
        labels = None if label is None else torch.full((num,), label)
    else:
        if classes:  # a row for each class, unless one is asked for
            labels = torch.arange(num) * len(classes) // num
            labels = labels if label is None else torch.full((num,), label)
        samples = _in_batches(model, num, labels, seed, options.batch_size)
    write = _write_points if samples.dim() == 2 else _write_images
    rows = write(samples.cpu(), out_dir, walks, labels, meta['dataset_meta'])
    if labels is not None:
        for row, k in zip(rows, labels.tolist(), strict=True):
            row['class'] = classes[k]
    what = 'samples' if not walks else 'samples on the way from one to another'
    of = f' of {classes[label]}' if label is not None else ''
    print_log(f'{num} {what}{of}, seed {seed}: in {osp.relpath(out_dir)}', 'current')
    return rows


def _in_batches(
    model: Generator, num: int, labels: Tensor | None, seed: int, batch_size: int
) -> Tensor:
    parts = []
    for first in range(0, num, batch_size):
        part = range(first, min(num, first + batch_size))
        given = None if labels is None else labels[part.start : part.stop]
        parts.append(model.samples(part, given, seed).cpu())
    return torch.cat(parts)


def _write_images(
    samples: Tensor, out_dir: str, walks: bool, labels: Tensor | None, meta: dict
) -> list[dict]:
    digits = len(str(len(samples) - 1))
    files = [osp.join(out_dir, f'{i:0{digits}}.png') for i in range(len(samples))]
    together = [WALK, FILM] if walks else [GRID]
    check_outputs([*files, *(osp.join(out_dir, name) for name in together)], OPTION)
    for file, sample in zip(files, samples, strict=True):
        write_picture(file, as_image(sample), OPTION)
    if walks:
        write_picture(
            osp.join(out_dir, WALK), grid(samples, min(len(samples), STEPS)), OPTION
        )
        there_and_back = [*samples, *reversed(samples[1:-1])]
        with output_file(osp.join(out_dir, FILM), OPTION) as file:
            file.write(film_of([grid([s]) for s in there_and_back]))
    else:
        num_rows = len(labels.unique()) if labels is not None else 1
        columns = -(-len(samples) // num_rows) if num_rows > 1 else None
        write_picture(osp.join(out_dir, GRID), grid(samples, columns), OPTION)
    return [dict(file=file) for file in files]


def _write_points(
    samples: Tensor, out_dir: str, walks: bool, labels: Tensor | None, meta: dict
) -> list[dict]:
    table, picture = (osp.join(out_dir, name) for name in (TABLE, 'samples.png'))
    check_outputs([table, picture], OPTION)
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([('x', 'y'), *samples.tolist()])
    write_text(table, text.getvalue(), OPTION)
    centres = meta.get('centres')
    data = samples if centres is None else torch.as_tensor(np.asarray(centres)).float()
    write_picture(picture, points_picture(samples, data), OPTION)
    return [dict(point=point) for point in samples.tolist()]


def translate_folder(
    model: Translator, cfg, inputs: str, options: InferOptions
) -> list[dict]:
    """Translate an image, or all of a folder, and write a PNG of each.

    Args:
        model: In eval mode.
        cfg: Its config, for the test pipeline.
        inputs: An image or a folder of images.
        options: How.

    Returns:
        list: A dict for each image that could be read, with ``source`` and ``file``.

    Raises:
        UserError: If there is no image, or none that can be read.
    """
    refuse_options(model, options)
    direction = options.writing.get('direction', model.directions[0])
    if direction not in model.directions:
        raise UserError(
            f'--direction {direction}: there are {listed(model.directions)}'
            + did_you_mean(direction, model.directions)
        )
    paths, rest = image_paths(inputs)
    out_dir = options.out_dir or osp.join('samples', Path(inputs).stem)
    refuse_own_folder(out_dir, paths, 'translations')
    names = picture_names([str(path) for path in paths])
    check_outputs([osp.join(out_dir, name) for name in names.values()], OPTION)
    if rest:
        warn(f'{inputs} also holds {rest}')
    with explained(cfg):
        pipeline = ImagePipeline(cfg, model)
    rows = []
    for first in range(0, len(paths), options.batch_size):
        batch = list(pipeline.read(paths[first : first + options.batch_size], first))
        # sizes may differ, of a network of convolutions alone
        for group in _of_one_size(batch):
            data = pseudo_collate([packed for *_, packed in group])
            images = model.data_preprocessor(data)['inputs']
            translated = model.translations(images, direction).cpu()
            for (_, path, *_), image in zip(group, translated, strict=True):
                file = osp.join(out_dir, names[str(path)])
                write_picture(file, as_image(image), OPTION)
                rows.append(dict(source=str(path), file=file))
    if not rows:
        raise pipeline.nothing_read(paths, inputs)
    print_log(
        f'{len(rows)} images translated, {direction}: in {osp.relpath(out_dir)}',
        'current',
    )
    return rows


def _of_one_size(batch: Sequence[tuple]) -> list[list[tuple]]:
    groups: dict[tuple, list] = {}
    for item in batch:
        groups.setdefault(tuple(item[-1]['inputs'].shape), []).append(item)
    return list(groups.values())


def class_names(model: Generator, dataset_meta: dict) -> list[str]:
    """Names of the classes that a model can be asked for; their numbers where its
    data named none; empty of a model that knows none."""
    if not model.num_classes:
        return []
    names = list(dataset_meta.get('classes') or ())
    if len(names) == model.num_classes:
        return names
    return [str(i) for i in range(model.num_classes)]
