from .digits_coco_dataset import DigitsCocoDataset
from .transforms import LoadImageFromFile

__all__ = ['DigitsCocoDataset', 'LoadImageFromFile']
