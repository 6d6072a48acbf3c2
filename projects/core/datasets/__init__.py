from projects.core.datasets.digits import DigitsDataset
from projects.core.datasets.digits_coco_dataset import DigitsCocoDataset
from projects.core.datasets.transforms import LoadImageFromFile

__all__ = ['DigitsCocoDataset', 'DigitsDataset', 'LoadImageFromFile']
