"""A few samples to train on and to validate on, for a check of the model."""

from copy import deepcopy

from projects.core.errors import UserError

LOADER = dict(num_workers=0, persistent_workers=False)
# what decides which samples come together, and how many
OTHER_KEYS = ('batch_sampler', 'drop_last', 'num_batch_per_epoch', 'prefetch_factor')


def innermost(dataset: dict) -> dict:
    """The settings of a data set out of its wrappers, the first of several."""
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    return dataset


def use_samples(cfg, num: int, train: dict, val: dict) -> None:
    """Set the loaders of training and of validation.

    Args:
        cfg: Config of a training, which is changed.
        num: Number of samples.
        train: Settings of the data set to train on.
        val: Settings of the same data, as they are validated.
    """
    for key, dataset, sampler in (
        ('train_dataloader', train, dict(type='InfiniteSampler', shuffle=True)),
        ('val_dataloader', val, dict(type='DefaultSampler', shuffle=False)),
    ):
        loader = {k: v for k, v in cfg[key].items() if k not in (*OTHER_KEYS, *LOADER)}
        size = loader.get('batch_size') or num
        cfg[key] = dict(
            loader,
            **LOADER,
            batch_size=min(num, size),
            sampler=sampler,
            dataset=dict(
                type='projects.SomeSamples', dataset=deepcopy(dataset), num=num
            ),
        )


def check_validation(cfg, num: int) -> None:
    """See whether there is a validation.

    Raises:
        UserError: If not.
    """
    if not cfg.get('val_dataloader') or not cfg.get('val_evaluator'):
        raise UserError(
            f'--overfit {num}: the config validates nothing, so that it cannot be said '
            'what is known; give it val_dataloader and val_evaluator'
        )


def use_validation(cfg, num: int) -> None:
    """Train on samples of the validation, too, to which nothing random is done.

    Raises:
        UserError: If there is no validation.
    """
    check_validation(cfg, num)
    dataset = innermost(cfg.val_dataloader.dataset)
    use_samples(cfg, num, dataset, dataset)
