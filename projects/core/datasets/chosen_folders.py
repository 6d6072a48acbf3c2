"""Some of the class folders of a data set, in an order of one's own."""

from mmpretrain.datasets import CustomDataset

from projects.registry import DATASETS


@DATASETS.register_module()
class ChosenFolders(CustomDataset):
    """Images in a folder per class, of which ``metainfo['classes']`` names some.

    A label is the place among these classes, where mmpretrain's ``CustomDataset``
    takes all folders, by name.

    Args:
        metainfo: With ``classes``, names of folders.
        **kwargs: Of mmpretrain's ``CustomDataset``.

    Raises:
        ValueError: If no classes are given.
    """

    def __init__(self, metainfo: dict, **kwargs) -> None:
        if not metainfo.get('classes'):
            raise ValueError('metainfo of ChosenFolders has no classes')
        super().__init__(metainfo=metainfo, **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        from mmpretrain.datasets.custom import get_samples

        self.folder_to_idx = {name: i for i, name in enumerate(self.CLASSES)}
        samples, _ = get_samples(
            self.img_prefix, self.folder_to_idx, is_valid_file=self.is_valid_file
        )
        return samples
