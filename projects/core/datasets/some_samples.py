"""A few samples of a data set, in place of all."""

from typing import Any

from torch.utils.data import Dataset

from projects.core.errors import UserError
from projects.registry import DATASETS


@DATASETS.register_module()
class SomeSamples(Dataset):
    """Samples of a data set, evenly spread: of one that is sorted by class, of many.

    All else is asked of the data set itself.

    Args:
        dataset: Its config.
        num: Number of samples.

    Raises:
        UserError: If there are fewer, or they have no number.
    """

    def __init__(self, dataset: dict, num: int) -> None:
        self.dataset = DATASETS.build(dataset)
        name = type(self.dataset).__name__
        try:
            length = len(self.dataset)
        except TypeError as error:
            raise UserError(f'{name} is a stream, of which no part is taken') from error
        if num > length:
            raise UserError(
                f'{num} samples are asked for, but {name} has {length}; give at most '
                f'{length}'
            )
        self.places = [i * length // num for i in range(num)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.places[index]]

    def get_data_info(self, index: int) -> dict:
        """See :class:`mmengine.dataset.BaseDataset`."""
        return self.dataset.get_data_info(self.places[index])

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)
