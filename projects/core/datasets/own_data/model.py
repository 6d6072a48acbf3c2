"""What a model states of its data: the number of classes, channels of its images."""

from collections.abc import Iterator

from projects.core.config.walk import Entry, walk

# parts of a detector that have an output for each class
HEADS = ('bbox_head', 'mask_head', 'mask_iou_head', 'point_head', 'segm_head')
# parts of a classifier that know the number
CLASSIFIER_PARTS = ('head', 'data_preprocessor', 'train_cfg')


def class_counts(model: dict) -> Iterator[Entry]:
    """Entries ``num_classes`` of a model that are the number of classes of its data."""
    for entry in walk(model, 'model'):
        names = [name for name in entry.path.split('.')[:-1] if not name.isdigit()]
        if (
            entry.key == 'num_classes'
            and entry.value is not None
            and (names[-1] in HEADS or (names[1:2] and names[1] in CLASSIFIER_PARTS))
            and not entry.parent.get('class_agnostic')
        ):
            yield entry


def preprocessor_of(cfg: dict) -> dict:
    """Settings of the data preprocessor: the model's, or else the runner's."""
    own = (cfg.get('model') or {}).get('data_preprocessor')
    return own or cfg.get('data_preprocessor') or {}


def set_num_classes(cfg: dict, num_classes: int) -> list[str]:
    """Set the number of classes wherever a config's model has it.

    Returns:
        list: A line on what is another number now, or where none is stated.
    """
    model = cfg.get('model') or {}
    counts = list(class_counts(model))
    others = [entry for entry in counts if entry.value != num_classes]
    for entry in counts:
        entry.parent['num_classes'] = num_classes
    preprocessor = preprocessor_of(cfg)
    mixes = preprocessor.get('batch_augments') or (
        (model.get('train_cfg') or {}).get('augments') if 'head' in model else None
    )
    if 'num_classes' in preprocessor or (mixes and 'head' in model):
        preprocessor['num_classes'] = num_classes
    if model and not counts:
        return [
            f'the config of the model states no num_classes of a head: see to it that '
            f'it has {num_classes}'
        ]
    changes = [f'{e.path}={num_classes}, not {e.value}' for e in others]
    return ['set by the data: ' + '; '.join(changes)] if changes else []


def takes_grey(cfg: dict) -> bool:
    """Whether the model is given images of one channel."""
    mean = preprocessor_of(cfg).get('mean')
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    return backbone.get('in_channels') == 1 or (
        isinstance(mean, (list, tuple)) and len(mean) == 1
    )
