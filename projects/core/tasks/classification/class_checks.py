"""The number of classes of the data against what a config states elsewhere."""

from projects.core.config.walk import type_name, walk
from projects.core.errors import UserError, listed


def check_num_classes(cfg, classes: list[str], split: str) -> None:
    """Compare the classes of the data with those of the model.

    Raises:
        UserError: If the head, or what mixes images and their labels, has
            another number.
    """
    if not classes:
        return
    model = cfg.get('model') or {}
    parts = [
        (model.get('head'), 'model.head'),
        (model.get('data_preprocessor'), 'model.data_preprocessor'),
        (model.get('train_cfg'), 'model.train_cfg'),
    ]
    shared = cfg.get('data_preprocessor')  # the runner's, of a model without one
    is_shared = isinstance(shared, dict) and not model.get('data_preprocessor')
    preprocessor = shared if is_shared else model.get('data_preprocessor') or {}
    is_mixing = isinstance(preprocessor, dict) and (
        preprocessor.get('batch_augments', model.get('train_cfg'))
        or preprocessor.get('to_onehot')
    )
    if is_shared and is_mixing:  # else nothing reads its number of classes
        parts.append((shared, 'data_preprocessor'))
    for part, name in parts:
        for path, _, key, value in walk(part, name):
            if key == 'num_classes' and value not in (None, len(classes)):
                raise UserError(
                    f'{path} is {value}, but the data of {split}_dataloader '
                    f'have {len(classes)} classes ({listed(classes)}): set '
                    f'{path}={len(classes)}, or metainfo=dict(classes=...) of the '
                    'dataset'
                )
    if (
        is_mixing
        and split == 'train'
        and preprocessor.get('num_classes') is None
        and str(preprocessor.get('type', 'ClsDataPreprocessor')).endswith(
            'ClsDataPreprocessor'
        )
    ):
        name = 'data_preprocessor' if is_shared else 'model.data_preprocessor'
        raise UserError(
            f'images and their labels are mixed, for which {name}.num_classes is '
            f'missing: set {name}.num_classes={len(classes)}'
        )


def check_top_k(cfg, num_classes: int | None, split: str) -> None:
    """Refuse an accuracy of more scores than there are classes.

    mmpretrain finds out at the end of the first epoch; ``projects.Accuracy``
    cuts k to the number of classes.

    Args:
        num_classes: Of the data; None leaves the head's to decide.

    Raises:
        UserError: If ``topk`` of a metric, or of a head that reports its
            accuracy, holds such a number, or none.
    """
    num_classes = num_classes or num_outputs(cfg)
    head = _head_of(cfg)
    settings = [
        (path, value, parent.get('type'))
        for path, parent, key, value in walk(
            cfg.get(f'{split}_evaluator'), f'{split}_evaluator'
        )
        if key == 'topk' and type_name(parent) == 'Accuracy'
    ]
    if head.get('cal_acc') and 'topk' in head:
        settings.append(('model.head.topk', head['topk'], head.get('type')))
    for path, value, type_ in settings:
        ks = value if isinstance(value, (list, tuple)) else [value]
        if not ks or any(type(k) is not int or k < 1 for k in ks):
            raise UserError(
                f'{path} is {value!r}; it must be a whole number, 1 or more, or '
                'several, such as (1, 5)'
            )
        if type_ != 'projects.Accuracy' and max(ks) > (num_classes or max(ks)):
            fitting = tuple(k for k in ks if k <= num_classes) or (1,)
            raise UserError(
                f'{path} is {value!r}, but there are {num_classes} classes: set '
                f'{path}={fitting}'
            )


def num_outputs(cfg) -> int | None:
    """Classes of the model's head, None where it has no such number."""
    num_classes = _head_of(cfg).get('num_classes')
    return num_classes if isinstance(num_classes, int) else None


def _head_of(cfg) -> dict:
    head = (cfg.get('model') or {}).get('head')
    return head if isinstance(head, dict) else {}
