"""What is wrong with the data of a generative model, before a run."""

import copy

import torch
from mmengine.registry import DefaultScope

from projects.core.config.walk import walk
from projects.core.datasets.files import SPLITS, inner_datasets, notices_of_splits
from projects.core.datasets.image_set_checks import ImageSetChecks
from projects.core.errors import UserError, listed
from projects.core.tasks.generation.judge import check_judge
from projects.core.tasks.generation.models import (
    GenerativeModel,
    Generator,
    Translator,
    label_of,
)
from projects.core.tasks.image_parts import channels_of
from projects.registry import DATASETS, MODELS


def check_generation_data(cfg) -> list[str]:
    """Look over the data and compare their first datum with what the model makes.

    Returns:
        list: Notices of flaws with which a run is possible.

    Raises:
        UserError: At the first flaw: files that are missing, another size or number
            of channels than the generator's, classes that it does not know, a batch
            that cannot be dealt out to the steps of the critic.
    """
    if 'model' not in cfg:
        return []
    sets = ImageSetChecks(cfg)

    def check(split: str) -> list[str]:
        loader = cfg.get(f'{split}_dataloader')
        if not isinstance(loader, dict):
            return []
        notices = []
        for dataset in inner_datasets(loader.get('dataset')):
            notices += sets.of(dataset, split)[0]
        return notices

    notices = notices_of_splits(cfg, check)
    _check_batch(cfg)
    _check_judges(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        with torch.device('meta'):
            model = MODELS.build(copy.deepcopy(cfg.model))
        compared = []
        for split in SPLITS:
            loader = cfg.get(f'{split}_dataloader')
            if isinstance(loader, dict) and loader['dataset'] not in compared:
                compared.append(loader['dataset'])
                dataset = DATASETS.build(copy.deepcopy(loader['dataset']))
                _compare(model, dataset, f'{split}_dataloader.dataset')
    return notices


def _check_batch(cfg) -> None:
    """A batch has a part for each step of the critic."""
    steps = cfg.model.get('critic_steps', 1)
    size = (cfg.get('train_dataloader') or {}).get('batch_size')
    if isinstance(steps, int) and isinstance(size, int) and steps > 0 and size % steps:
        raise UserError(
            f'train_dataloader.batch_size is {size}, which model.critic_steps = '
            f'{steps} steps of the discriminator cannot share: set it to a multiple '
            f'of {steps}, such as {max(1, size // steps) * steps}'
        )


def _check_judges(cfg) -> None:
    """The judges that this run needs are there, or can be trained."""
    key = 'val_evaluator' if cfg.get('train_dataloader') else 'test_evaluator'
    for entry in walk(cfg.get(key), key):
        if entry.key == 'judge' and isinstance(entry.value, dict):
            try:
                check_judge(entry.value)
            except UserError as error:
                raise UserError(f'{entry.path}: {error}') from error


def _compare(model: GenerativeModel, dataset, where: str) -> None:
    """Compare the first datum with what the model makes, or takes."""
    datum = dataset[0]
    if isinstance(model, Translator):
        channels = channels_of(model)
        for name, image in datum['inputs'].items():
            if len(image) != channels:
                raise UserError(
                    f'the generators take images of {channels} channels, and those of '
                    f'domain {name.upper()} in {where} have {len(image)}: set the '
                    'generator, or color_type of projects.LoadImageFromFile'
                )
        return
    if not isinstance(model, Generator):
        return
    with torch.device('meta'):
        shape = model.sample_shape()
    found = tuple(datum['inputs'].shape)
    if found != shape:
        raise UserError(
            f'the generator makes {_in_words(shape)}, and {where} holds '
            f'{_in_words(found)}: set the pipeline or the generator'
        )
    if model.num_classes is None:
        return
    classes = list((getattr(dataset, 'metainfo', None) or {}).get('classes') or ())
    label = label_of(datum.get('data_samples'))
    if label is None:
        raise UserError(
            f'the generator is asked for one of {model.num_classes} classes, and '
            f'{where} has no labels'
        )
    if classes and len(classes) != model.num_classes:
        raise UserError(
            f'model.generator.num_classes is {model.num_classes}, but {where} has '
            f'{len(classes)} classes ({listed(classes)}): set it to {len(classes)}, of '
            'the discriminator, too'
        )


def _in_words(shape: tuple[int, ...]) -> str:
    if len(shape) != 3:
        return f'points of {shape[0]} numbers'
    channels, height, width = shape
    kind = {1: 'grey', 3: 'colour'}.get(channels, f'{channels}-channel')
    return f'{kind} images of {width} x {height} pixels'
