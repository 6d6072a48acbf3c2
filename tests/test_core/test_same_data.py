"""Whether runs saw the same data, by the checksums of their tasks."""

from projects.core.datasets.digits import DigitsDataset
from projects.core.tasks.classification.task import ClassificationTask
from projects.core.tasks.generation.task import GenerationTask

RESIZE = [dict(type='Resize', scale=(32, 32))]


def test_channels_and_pipelines_of_a_classifier_change_no_data():
    task = ClassificationTask()
    grey, coloured = (DigitsDataset('val', n, pipeline=[]) for n in (1, 3))
    assert grey[0]['img'].shape == (8, 8)
    assert coloured[0]['img'].shape == (8, 8, 3)
    assert (coloured[0]['img'] == grey[0]['img'][..., None]).all()
    assert task.checksum_of(grey, []) == task.checksum_of(coloured, RESIZE)
    train = DigitsDataset('train', pipeline=[])
    assert task.checksum_of(train, []) != task.checksum_of(grey, [])


def test_distances_of_samples_of_another_size_are_of_other_data():
    task, digits = GenerationTask(), DigitsDataset('val', pipeline=[])
    assert task.checksum_of(digits, []) == task.checksum_of(digits, [])
    assert task.checksum_of(digits, RESIZE) != task.checksum_of(digits, [])
    assert task.checksum_of([], []) is None
