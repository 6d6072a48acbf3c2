"""Silence for messages of the libraries that a user can do nothing about."""

import builtins
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# First words of what mmengine's print_log prints without a logger, and of what
# pycocotools prints for each file that it reads.
KNOWN_MESSAGES = (
    # mmdet and mmpretrain, on import of their datasets and transforms: a
    # format of the forks, of no use here
    'Could not import OneDL',
    # mmengine/runner/checkpoint.py: the checkpoints that mmengine itself
    # writes hold pickled state of the schedulers, so it is said for each
    'Could not safely load weights: ',
    # pycocotools/coco.py
    'loading annotations into memory',
    'Done (t=',
    'creating index',
    'index created!',
)


def quiet_libraries() -> None:
    """Drop :data:`KNOWN_MESSAGES` and two warnings; to call before imports.

    The messages are printed by ``print``, so no logging filter sees them: this
    changes ``print`` for the module of mmengine's ``print_log`` and for
    pycocotools'. It imports mmengine, and so torch; a tool calls it after its
    arguments are parsed. A second call changes nothing.
    """
    # mmdet/evaluation/metrics/faster_coco_metric.py, on import: our own metric
    # takes pycocotools then
    warnings.filterwarnings('ignore', 'faster_coco_eval is not installed', UserWarning)
    # mmpretrain/datasets/utils.py, which reads MNIST and writes to nothing
    warnings.filterwarnings(
        'ignore', 'The given NumPy array is not writable', UserWarning
    )
    from mmengine.logging import logger
    from pycocotools import coco

    coco.print = _print_unless_known
    logger.print = _print_unless_known


def _print_unless_known(*values: object, **options: object) -> None:
    if values and str(values[0]).startswith(KNOWN_MESSAGES):
        return
    builtins.print(*values, **options)


@contextmanager
def hushed(least: str = 'WARNING') -> Iterator[None]:
    """Without the paragraph that mmengine logs for each weight it handles.

    Args:
        least: Level from which on messages are shown.
    """
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(least)
    try:
        yield
    finally:
        logger.setLevel(level)
