"""digits: the split, the values, the labels."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from sklearn.datasets import load_digits

from projects.core.datasets.digits import DigitsDataset
from projects.core.datasets.digits_canvas import generate_canvas, sources_of
from projects.core.variants import config_root
from projects.registry import DATASETS

CANVAS = dict(
    image_size=64, min_size=12, max_size=40, max_digits=3, difficulty=0.5, seed=0
)


def images_of(dataset):
    return np.stack([dataset.get_data_info(i)['img'] for i in range(len(dataset))])


@pytest.fixture(scope='module')
def splits():
    return {split: DigitsDataset(split) for split in ('train', 'val')}


def test_all_digits_are_in_one_of_two_splits(splits):
    assert {k: len(v) for k, v in splits.items()} == dict(train=1500, val=297)
    source = load_digits()
    images = np.concatenate([images_of(d) for d in splits.values()])
    assert images.dtype == np.uint8
    assert images.shape == (1797, 8, 8)
    # the file's levels are 0 to 16; what is white ink stays white
    np.testing.assert_array_equal(images, np.rint(source.images * 255 / 16))
    assert (images.min(), images.max()) == (0, 255)
    assert images[:, 0, 0].mean() < 5 < 100 < images[:, 3:5, 3:5].mean()


def test_no_image_is_in_both_splits(splits):
    train, val = (
        {image.tobytes() for image in images_of(dataset)} for dataset in splits.values()
    )
    assert not train & val


def test_labels_are_the_digits(splits):
    labels = [
        int(splits[split].get_data_info(i)['gt_label'])
        for split in splits
        for i in range(len(splits[split]))
    ]
    assert labels == load_digits().target.tolist()
    for dataset in splits.values():
        assert dataset.metainfo['classes'] == tuple('0123456789')
        counts = np.bincount(dataset.get_gt_labels(), minlength=10)
        assert counts.min() > len(dataset) / 12  # none is rare


@pytest.mark.parametrize('split', ['train', 'val'])
def test_digits_coco_takes_the_same_sources_for_a_split(splits, split):
    """So a classifier of digits has not seen what digits-coco evaluates by."""
    sources = sources_of(split)
    digits = load_digits()
    for i in range(0, len(sources), 50):
        info = splits[split].get_data_info(i)
        np.testing.assert_array_equal(
            info['img'], np.rint(digits.images[sources[i]] * 255 / 16)
        )
    pasted = {
        digit['source']
        for index in range(20)
        for digit in generate_canvas(split, index, **CANVAS)[1]
    }
    assert len(pasted) > 10
    assert pasted <= set(sources.tolist())


def test_three_channels_are_the_grey_one_thrice(splits):
    dataset = DigitsDataset('val', num_channels=3)
    images = images_of(dataset)
    assert images.shape == (297, 8, 8, 3)
    for channel in range(3):
        np.testing.assert_array_equal(images[..., channel], images_of(splits['val']))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(split='test'), r"split 'test' not in \('train', 'val'\)"),
        (dict(split='train', num_channels=2), 'num_channels 2 is not 1 or 3'),
    ],
)
def test_refusals(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DigitsDataset(**kwargs)


@pytest.mark.parametrize('side', [28, 32, 64])
@pytest.mark.parametrize('num_channels', [1, 3])
def test_pipelines_enlarge_to_their_size(side, num_channels):
    cfg = Config.fromfile(config_root() / f'_base_/pipelines/digits_{side}.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
            dataset = DATASETS.build(
                dict(
                    type='projects.DigitsDataset',
                    split='val',
                    indices=4,
                    num_channels=num_channels,
                    pipeline=pipeline,
                )
            )
            sample = dataset[0]
            assert sample['inputs'].shape == (num_channels, side, side)
            assert sample['data_samples'].gt_label == 1
            assert sample['inputs'].max() > 150  # ink
        # the last is that of the test, which shifts nothing: black above
        assert sample['inputs'][:, 0].float().mean() < 60
