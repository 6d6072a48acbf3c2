"""Checks of classification data that run before a training or a test begins.

Legend: K classes, labels in [0, K).
"""

from projects.core.datasets.files import inner_datasets, notices_of_splits
from projects.core.datasets.image_set_checks import ImageSetChecks
from projects.core.tasks.classification.class_checks import (
    check_num_classes,
    check_top_k,
    num_outputs,
)


def check_classification_data(cfg) -> list[str]:
    """Check the data of a config as far as mmpretrain's datasets read them.

    Files of MNIST, Fashion-MNIST and CIFAR must be there and whole; of images
    in folders or lists the names are read, the images are not opened. Other
    datasets are compared with the head's number of classes alone.

    Args:
        cfg: MMEngine Config of a run, of which ``train_dataloader``,
            ``val_dataloader`` and ``test_dataloader`` are checked as far as
            they are there, with their evaluators. Beside data for training
            those of the test are not opened, so that their flaws are notices.

    Returns:
        list: Notices of flaws with which a run is possible.

    Raises:
        UserError: At the first flaw with which it is not, or not correct.
    """
    return notices_of_splits(cfg, _Checks(cfg).of)


class _Checks:
    """The checks of a config, and what is shared between its splits."""

    def __init__(self, cfg) -> None:
        self.cfg = cfg
        self.sets = ImageSetChecks(cfg, num_outputs(cfg))

    def of(self, split: str) -> list[str]:
        """Notices on a split, if the config has it."""
        loader = self.cfg.get(f'{split}_dataloader')
        if not isinstance(loader, dict):
            return []
        notices, num_classes = [], None
        for dataset in inner_datasets(loader.get('dataset')):
            found, classes = self.sets.of(dataset, split)
            check_num_classes(self.cfg, classes, split)
            notices += found
            num_classes = len(classes) or num_classes
        check_top_k(self.cfg, num_classes, split)
        return notices
