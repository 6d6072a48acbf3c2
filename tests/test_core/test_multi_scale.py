"""Batches of several sizes in training."""

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from projects.core.tasks.classification.multi_scale import MultiScaleClsDataPreprocessor

SIZES = (8, 16, 24)


def preprocessor():
    return MultiScaleClsDataPreprocessor(
        SIZES, mean=[0, 0, 0], std=[255, 255, 255], to_rgb=True
    )


def batch(images):
    return dict(inputs=images, data_samples=[DataSample().set_gt_label(1)] * 2)


def sides(num, training=True):
    np.random.seed(0)
    images = torch.randint(0, 256, (2, 3, 24, 24))
    prepare = preprocessor()
    batches = (prepare(batch(images), training)['inputs'] for _ in range(num))
    return [tuple(inputs.shape[2:]) for inputs in batches]


def test_each_batch_has_one_of_the_sizes():
    drawn = sides(30)
    assert set(drawn) == {(8, 8), (16, 16), (24, 24)}
    assert drawn == sides(30)  # as on another process with the seed


def test_evaluation_keeps_the_size():
    assert set(sides(5, training=False)) == {(24, 24)}


def test_colours_and_labels_stay():
    """BGR in, RGB from 0 to 1 out; a plain image is as plain at any size."""
    images = torch.tensor([0, 51, 255]).view(1, 3, 1, 1).expand(2, 3, 24, 24)
    for _ in range(5):
        data = preprocessor()(batch(images), True)
        expected = torch.tensor([1, 0.2, 0]).view(1, 3, 1, 1)
        torch.testing.assert_close(
            data['inputs'], expected.expand_as(data['inputs']), rtol=0, atol=1e-6
        )
        assert [sample.gt_label.item() for sample in data['data_samples']] == [1, 1]


@pytest.mark.parametrize('sizes', [(), (32, 0)])
def test_refused(sizes):
    with pytest.raises(ValueError, match='positive numbers of pixels'):
        MultiScaleClsDataPreprocessor(sizes)
