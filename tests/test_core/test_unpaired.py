"""Images of two domains, the true mapping of one pair, and the metric."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from projects.core.errors import UserError
from projects.core.tasks.generation.domains import ColouredNegative, DigitDomains
from projects.core.tasks.generation.image_translation_metric import (
    ImageTranslationMetric,
)
from projects.core.tasks.generation.judge import Judge, Verdict
from projects.core.tasks.generation.unpaired import UnpairedDataset
from projects.core.variants import config_root

PIPELINE = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=(8, 8)),
    dict(type='PackInputs'),
]
JUDGE = dict(config='lenet/lenet5-modern_1xb64-20e_digits.py')
MAPPING = dict(type='projects.ColouredNegative')


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def write_image(path, value, size=(8, 8), mode='RGB'):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folders(tmp_path):
    """Three images in trainA and testA, one of another kind in the B of each."""
    for split in ('train', 'test'):
        write_image(tmp_path / f'{split}A/1.png', (10, 20, 30), (33, 17))
        write_image(tmp_path / f'{split}A/2.PNG', 40, mode='L')
        write_image(tmp_path / f'{split}A/3.png', (50, 60, 70, 5), (7, 9), 'RGBA')
        write_image(tmp_path / f'{split}B/one.jpg', (200, 200, 200))
    (tmp_path / 'trainA/notes.txt').write_text('no image')
    return tmp_path


class TestFolders:
    def test_samples(self, folders):
        data = UnpairedDataset(str(folders), 'test', PIPELINE, test_mode=True)
        assert len(data) == 3
        images = [data[i]['inputs'] for i in range(3)]
        # BGR as of files; grey in three channels; alpha dropped
        values = [x['a'][:, 4, 4].tolist() for x in images]
        assert values == [[30, 20, 10], [40, 40, 40], [70, 60, 50]]
        assert all(abs(int(x['b'].max()) - 200) < 3 for x in images)
        for x in images:
            assert x['a'].shape == x['b'].shape == (3, 8, 8)
            assert x['a'].dtype == torch.uint8
        sample = data[1]['data_samples']
        assert sample.sample_idx == 1
        assert sample.img_path == str(folders / 'testA/2.PNG')
        assert sample.img_path_b == str(folders / 'testB/one.jpg')
        assert 'label_a' not in sample

    def test_a_test_goes_by_the_number_of_the_smaller_domain_anew(self, folders):
        for i in range(4):
            write_image(folders / f'testB/{i}.png', 0)
        data = UnpairedDataset(str(folders), 'test', PIPELINE, test_mode=True)
        assert len(data) == 5
        names = [data[i]['data_samples'].img_path[-5:] for i in range(5)]
        assert names == ['1.png', '2.PNG', '3.png', '1.png', '2.PNG']
        names = [data[i]['data_samples'].img_path_b[-5:] for i in range(5)]
        assert names == ['0.png', '1.png', '2.png', '3.png', 'e.jpg']

    def test_training_draws_of_b(self, folders):
        for i in range(9):
            write_image(folders / f'trainB/{i}.png', 0)
        data = UnpairedDataset(str(folders), 'train', PIPELINE)
        np.random.seed(0)
        paths = [data[i]['data_samples'] for i in [0] * 20]
        assert {p.img_path for p in paths} == {str(folders / 'trainA/1.png')}
        drawn = [p.img_path_b for p in paths]
        assert len(set(drawn)) > 4
        np.random.seed(0)
        assert [data[0]['data_samples'].img_path_b for _ in paths] == drawn

    def test_the_papers_pipelines(self, folders):
        cfg = Config.fromfile(config_root() / '_base_/datasets/unpaired_256.py')
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            settings = {**loader.dataset, 'data_root': str(folders)}
            settings.pop('type')
            data = UnpairedDataset(**settings)
            assert data[0]['inputs']['a'].shape == (3, 256, 256)
        assert data.test_mode
        assert cfg.image_model.data_preprocessor.to_rgb

    def test_one_that_cannot_be_read(self, folders):
        (folders / 'trainB/one.jpg').write_bytes(b'x')
        pipeline = [{**PIPELINE[0], 'skip_unreadable': True}, *PIPELINE[1:]]
        with pytest.raises(UserError, match=r'cannot read the image .*one\.jpg'):
            UnpairedDataset(str(folders), 'train', PIPELINE)[0]
        with pytest.raises(UserError, match=r'one\.jpg gives no image, nor do others'):
            UnpairedDataset(str(folders), 'train', pipeline)[0]
        write_image(folders / 'trainB/two.png', 0)
        data = UnpairedDataset(str(folders), 'train', pipeline)
        for i in range(5):  # another in its place
            assert not data[i % 3]['inputs']['b'].any()

    def test_a_missing_folder(self, folders):
        with pytest.raises(UserError) as error:
            UnpairedDataset(str(folders / 'zebras'), 'train', PIPELINE)
        assert f'no folder {folders}/zebras/trainA of images' in str(error.value)
        assert f'{folders} holds testA, testB, trainA, trainB' in str(error.value)

    def test_an_empty_folder(self, folders):
        (folders / 'testB/one.jpg').rename(folders / 'testB/one.xcf')
        with pytest.raises(
            UserError, match=r'holds no image, but one\.xcf; images end'
        ):
            UnpairedDataset(str(folders), 'test', PIPELINE)

    def test_another_split_is_refused(self, folders):
        with pytest.raises(ValueError, match="split 'val' not in"):
            UnpairedDataset(str(folders), 'val', PIPELINE)


class TestMapping:
    def test_by_hand(self):
        mapping = ColouredNegative(ground=(200, 100, 0), ink=(0, 50, 255))
        grey = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
        there = mapping.there(grey.expand(1, 3, 1, 3))
        assert there[0, :, 0].T.tolist() == [[200, 100, 0], [160, 90, 51], [0, 50, 255]]
        assert mapping.back(there)[0, :, 0].T.tolist() == [[0] * 3, [51] * 3, [255] * 3]

    def test_all_greys_are_brought_back(self):
        mapping = ColouredNegative()
        grey = torch.arange(256, dtype=torch.uint8).view(1, 1, -1).expand(3, 1, 256)
        back = mapping.back(mapping.there(grey))
        assert (back.int() - grey.int()).abs().max() <= 1

    def test_other_colours_go_to_the_nearest(self):
        mapping = ColouredNegative(ground=(0, 0, 0), ink=(0, 0, 200))
        colours = torch.tensor([[[90]], [[7]], [[100]]], dtype=torch.uint8)
        assert mapping.back(colours).flatten().tolist() == [128] * 3
        beyond = torch.tensor([[[0]], [[0]], [[255]]], dtype=torch.uint8)
        assert mapping.back(beyond).flatten().tolist() == [255] * 3


def digits(split='train', **kwargs):
    return DigitDomains(split, MAPPING, PIPELINE[1:], **kwargs)


class TestDigits:
    def test_no_digit_is_in_both(self):
        data = digits()
        assert len(data) == len(data.a) == len(data.b) == 750
        images = [{x['img'].tobytes() for x in part} for part in (data.a, data.b)]
        assert not images[0] & images[1]
        for part in (data.a, data.b):  # of each class about as many
            counts = np.bincount([x['gt_label'] for x in part], minlength=10)
            assert counts.min() > 65

    def test_domains(self):
        data = digits()
        mapping = ColouredNegative()
        sample = data[3]
        a, b = sample['inputs']['a'], sample['inputs']['b']
        assert a[0].equal(a[1])
        assert a[0].equal(a[2])
        # negative: the ground, which is most of it, is the brighter
        assert tuple(b[:, 0, 0]) == tuple(mapping.ground.flatten())
        assert b.float().mean() > a.float().mean()
        grey = mapping.back(b)
        assert (mapping.there(grey).int() - b.int()).abs().max() <= 1
        assert sample['data_samples'].label_a == data.a[3]['gt_label']

    def test_a_test_shows_no_pairs(self):
        data = digits('val', test_mode=True)
        assert len(data) == 297
        pairs = [data[i]['inputs'] for i in range(297)]
        mapping = ColouredNegative()
        assert not any(mapping.there(x['a']).equal(x['b']) for x in pairs)
        labels = [data[i]['data_samples'] for i in range(297)]
        for x, sample in zip(pairs[:3], labels, strict=False):
            assert sample.true_b.equal(mapping.there(x['a']))
            assert sample.true_a.equal(mapping.back(x['b']))
        assert 'true_a' not in digits()[0]['data_samples']
        assert sorted(s.label_a for s in labels) == sorted(s.label_b for s in labels)

    def test_the_first_ones(self):
        assert len(digits(indices=9)) == 9
        assert len(digits('val', test_mode=True, indices=999)) == 297
        with pytest.raises(UserError, match='indices: a whole number of at least 1'):
            digits(indices=0)

    def test_pairs(self):
        data = digits(pairs=True)
        for i in (0, 749):
            sample = data[i]
            x = sample['inputs']
            assert ColouredNegative().there(x['a']).equal(x['b'])
            assert sample['data_samples'].label_a == sample['data_samples'].label_b


def row(label=None, **images):
    values = dict.fromkeys(('real_a', 'real_b', 'fake_a', 'fake_b'), 0)
    values |= dict.fromkeys(('again_a', 'again_b'), 0) | images
    values = {
        k: torch.full((3, 2, 2), v, dtype=torch.uint8) if isinstance(v, int) else v
        for k, v in values.items()
    }
    return dict(values, label_a=label, label_b=label)


def result(metric, rows):
    for sample in rows:
        metric.process(None, [sample])
    return metric.evaluate(len(rows))


class TestMetric:
    def test_errors_by_hand(self):
        """The mapping takes 0 to 100 and 255 to 0, in each channel."""
        mapping = {**MAPPING, 'ground': (100,) * 3, 'ink': (0,) * 3}
        rows = [
            row(real_a=0, fake_b=90, real_b=100, fake_a=4, again_a=6, again_b=100),
            row(real_a=255, fake_b=0, real_b=0, fake_a=255, again_a=255, again_b=10),
        ]
        found = result(ImageTranslationMetric(mapping), rows)
        expected = dict(
            error_ab=(10 + 0) / 2,
            error_ba=(4 + 0) / 2,
            error=3.5,
            error_untouched=((100 + 100) / 2 + (255 + 255) / 2) / 2,
            cycle_error=((6 + 0) / 2 + (0 + 10) / 2) / 2,
        )
        assert found == pytest.approx(
            {f'translation/{k}': v for k, v in expected.items()}
        )

    def test_nothing_is_wrong_with_the_truth(self):
        data = digits('val', test_mode=True)
        mapping = ColouredNegative()
        rows = []
        for i in range(9):
            a, b = data[i]['inputs']['a'], data[i]['inputs']['b']
            rows.append(row(real_a=a, real_b=b, fake_b=mapping.there(a)))
            rows[-1] |= dict(fake_a=mapping.back(b), again_a=a, again_b=b)
        found = result(ImageTranslationMetric(MAPPING), rows)
        assert found['translation/error'] == 0
        assert found['translation/cycle_error'] == 0
        assert found['translation/error_untouched'] > 100

    def test_classes_by_hand(self):
        """A judge that sees class 1 in bright images, of which it sees grey ones."""
        metric = ImageTranslationMetric(MAPPING, JUDGE)
        seen = []

        class Bright(Judge):
            def __call__(self, images):
                seen.append(tuple(images.shape))
                bright = (images.mean((1, 2, 3)) > 127).float()
                return Verdict(None, torch.stack([1 - bright, bright], 1))

            def to(self, device):
                return self

        metric.judge = Bright()
        ground, ink = (
            ColouredNegative().there(torch.full((3, 2, 2), grey, dtype=torch.uint8))
            for grey in (0, 255)
        )
        rows = [
            row(1, real_a=255, fake_b=ink, real_b=ink, fake_a=255),  # all right
            row(1, real_a=255, fake_b=ground, real_b=ink, fake_a=255),
            row(0, real_a=0, fake_b=ink, real_b=ground, fake_a=255),
            row(0, real_a=255, fake_b=ground, real_b=ground, fake_a=0),
        ]
        found = result(metric, rows)
        assert set(seen) == {(1, 1, 2, 2)}
        assert found['translation/class_kept_ab'] == 50
        assert found['translation/class_kept_ba'] == 75
        assert found['translation/class_kept'] == 62.5
        assert found['translation/class_real'] == 87.5

    def test_without_a_truth_there_and_back_is_left(self):
        found = result(ImageTranslationMetric(), [row(again_a=3, again_b=6)])
        assert found == {'translation/cycle_error': 4.5}

    def test_a_judge_without_a_mapping_is_refused(self):
        with pytest.raises(ValueError, match='a judge is shown images of B by the map'):
            ImageTranslationMetric(judge=JUDGE)
        with pytest.raises(UserError, match="judge: nothing reads 'konfig'"):
            ImageTranslationMetric(MAPPING, dict(konfig='x.py'))
