"""The tool that shows data as a model gets them."""

import copy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS as ANY_DATASETS
from mmengine.registry import DefaultScope
from PIL import ImageFont

from projects.core.insight.browse_data import browse_data
from projects.core.tasks.browsing import Marks, stacked, wrapped
from projects.core.tasks.detection.browsing import BoxMarks, objects_of
from projects.core.tasks.drawing import FONT
from projects.core.tasks.language.browsing import tables_of
from projects.core.tasks.language.tokenizers import train_tokenizer
from projects.core.tasks.pipeline_trace import Source, Stage, as_drawn, described
from projects.core.variants import config_root
from projects.registry import DATASETS

LENET = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')
ADDING = str(config_root() / 'rnn/gru-adding100_1xb50-750i_adding.py')
RING = str(config_root() / 'gan/gan-mlp_1xb64-4500i_ring8.py')
TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def traced(write_config):
    """Function that traces image 0 of the tiny detector's data by other steps."""

    def call(*steps, load_boxes=1, wrapper=None, after=()):
        settings = Config.fromfile(write_config()).train_dataloader.dataset
        settings.pipeline = [dict(type='projects.LoadImageFromFile'), *steps]
        boxes = dict(type='LoadAnnotations', with_bbox=True)
        settings.pipeline.insert(load_boxes, boxes)
        if wrapper is not None:
            settings = dict(type=wrapper, dataset=settings, pipeline=list(after))
        np.random.seed(0)
        with DefaultScope.overwrite_default_scope('mmdet'):
            dataset = ANY_DATASETS.build(copy.deepcopy(settings))
            source = Source(dataset, Config(dict(s=settings)).s, 0)
            return source.trace('', source.views()[''])

    return call


class TestTrace:
    def test_boxes_follow_a_flip(self, traced):
        stages = traced(dict(type='RandomFlip', prob=1.0), dict(type='PackDetInputs'))
        assert [s.name for s in stages] == [
            'data set', 'LoadImageFromFile', 'LoadAnnotations', 'RandomFlip',
            'PackDetInputs',
        ]  # fmt: skip
        (before, labels), (after, _) = objects_of(stages[2]), objects_of(stages[-1])
        assert len(before) == len(labels) > 0
        # of 64 pixels; left and right change places
        np.testing.assert_allclose(after[:, 0], 64 - before[:, 2], atol=1e-4)
        np.testing.assert_allclose(after[:, [1, 3]], before[:, [1, 3]], atol=1e-4)
        assert 'flip=True' in stages[3].news
        assert stages[3].settings == 'prob=1.0'

    def test_boxes_of_an_evaluation_are_drawn_at_the_new_size(self, traced):
        """Loaded after the resize, they are of the image as it was, 64 x 64."""
        resize, pack = dict(type='Resize', scale=(128, 32)), dict(type='PackDetInputs')
        stages = traced(resize, pack, load_boxes=2)
        assert stages[3].name == 'LoadAnnotations'
        stored = stages[3].results['gt_bboxes'].tensor.numpy()
        for stage in stages[1:]:
            factor = 1 if stage.name == 'LoadImageFromFile' else [2, 0.5, 2, 0.5]
            np.testing.assert_allclose(objects_of(stage)[0], stored * factor)

    def test_objects_that_a_crop_loses(self, traced):
        crop = dict(type='RandomCrop', crop_size=(1, 1), allow_negative_crop=True)
        stages = traced(crop)
        counts = [BoxMarks(()).count(stage) for stage in stages[-2:]]
        assert counts[0] > counts[1] >= 0

    def test_a_sample_that_is_given_up(self, traced):
        filter_ = dict(type='FilterAnnotations', min_gt_bbox_wh=(99, 99))
        stages = traced(filter_, dict(type='PackDetInputs'))
        assert stages[-1].name == 'FilterAnnotations'
        assert stages[-1].results is None

    def test_a_mosaic_names_its_images(self, traced):
        flip = dict(type='RandomFlip', prob=0.0)
        mosaic = dict(type='Mosaic', img_scale=(32, 32), prob=1.0)
        stages = traced(flip, wrapper='MultiImageMixDataset', after=[mosaic])
        assert stages[-1].name == 'Mosaic'
        assert stages[-1].image.shape == (64, 64, 3)
        assert stages[-1].news[0].startswith('mixed with images ')
        assert len(stages[-1].news[0].split(',')) == 3

    @pytest.mark.parametrize(
        ('wrapper', 'index', 'inner'),
        [
            (dict(type='ConcatDataset'), 1500, 0),
            (dict(type='RepeatDataset', times=2), 1501, 1),
        ],
    )
    def test_inside_a_wrapper(self, wrapper, index, inner):
        digits = dict(type='projects.DigitsDataset', split='train', pipeline=[])
        key, value = ('datasets', [digits, digits])
        if wrapper['type'] == 'RepeatDataset':
            key, value = 'dataset', digits
        settings = {**wrapper, key: value}
        source = Source(DATASETS.build(copy.deepcopy(settings)), settings, index)
        assert source.index == inner
        assert source.settings == digits

    def test_two_domains_show_what_the_model_gets(self):
        steps = [dict(type='Resize', scale=(16, 16)), dict(type='PackInputs')]
        settings = dict(
            type='projects.DigitDomains', split='val', pipeline=steps, test_mode=True,
            mapping=dict(type='projects.ColouredNegative'),
        )  # fmt: skip
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            dataset = DATASETS.build(settings)
            source = Source(dataset, settings, 3)
            last = [source.trace(*view)[-1].image for view in source.views().items()]
        inputs = dataset[3]['inputs']
        assert torch.equal(last[0], inputs['a'])
        assert torch.equal(last[1], inputs['b'])


class TestPictures:
    @pytest.mark.parametrize(
        ('image', 'text'),
        [
            (np.zeros((8, 9), np.uint8), '8 x 9 uint8, 0 to 0'),
            (torch.tensor([[[-1.0, 1.0]]]),
             '(1, 1, 2) float32 tensor, -1 to 1, mean 0, std 1'),
            (np.zeros((0, 3)), '0 x 3, empty'),
        ],
    )  # fmt: skip
    def test_described(self, image, text):
        assert described(image) == text

    def test_numbers_out_of_range_are_scaled(self):
        drawn = as_drawn(torch.tensor([[[-2.0, 0, 2]]]).repeat(3, 1, 1), True)
        assert drawn[0, :, 0].tolist() == [0, 127, 255]
        # RGB becomes BGR
        red = np.zeros((1, 1, 3), np.uint8)
        red[..., 0] = 9
        assert as_drawn(red, True).tolist() == [[[0, 0, 9]]]

    def test_lines_fit(self):
        font = ImageFont.truetype(FONT, 13)
        lines = wrapped('scale=(28, 28) ' + 'x' * 90, font, 100)
        assert max(map(font.getlength, lines)) <= 100
        assert ''.join(lines).replace(' ', '') == 'scale=(28,28)' + 'x' * 90

    def test_rows_of_other_lengths(self):
        tile = np.zeros((10, 20, 3), np.uint8)
        assert stacked([[tile, tile], [tile]]).shape == (8 + 2 * 18, 8 + 2 * 28, 3)

    def test_shares_of_a_mixed_label(self):
        from mmpretrain.structures import DataSample

        sample = DataSample().set_gt_label(1).set_gt_score(torch.tensor([0.25, 0.75]))
        lines = Marks(('cat', 'dog')).lines(
            Stage('', '', dict(data_samples=sample), True)
        )
        assert [text for text, _ in lines] == ['dog, 75 %', 'cat, 25 %']


class TestTexts:
    def test_labels_stand_beside_what_is_written(self):
        tokenizer = train_tokenizer('bytes', texts=())
        a, b = tokenizer.encode('ab')
        sample = dict(
            inputs=dict(
                tokens=torch.tensor([a, b, tokenizer.eos]),
                target=torch.tensor([tokenizer.bos, a]),
            ),
            data_samples=dict(labels=torch.tensor([a, -100]), text='ab'),
        )
        lines, (source, target) = tables_of(sample, tokenizer, ())
        assert lines == ["text: 'ab'"]
        assert source[1] == ['tokens', 'a', 'b', tokenizer.token(tokenizer.eos)]
        assert target[1:] == [
            ['target', tokenizer.token(tokenizer.bos), 'a'],
            ['id', str(tokenizer.bos), str(a)],
            ['labels', 'a', '-'],
            ['id', str(a), '-'],
        ]

    def test_a_class_has_its_name(self):
        tokenizer = train_tokenizer('bytes', texts=())
        sample = dict(
            inputs=dict(tokens=torch.tensor([5])),
            data_samples=dict(labels=torch.tensor(1), text='x'),
        )
        assert 'labels: 1 (May)' in tables_of(sample, tokenizer, ('April', 'May'))[0]


class TestTool:
    def test_sheets_of_a_detector_repeat(self, write_config, tmp_path):
        config = write_config()
        files = [
            browse_data(config, num=7, draws=1, seed=seed, out_dir=str(tmp_path / name))
            for name, seed in (('a', 1), ('b', 1), ('c', 2))
        ]
        assert [Path(f).name for f in files[0]] == ['train.png', 'train_2.png']
        content = [Path(f[0]).read_bytes() for f in files]
        assert content[0] == content[1] != content[2]
        # as loaded, a draw, what the model is given
        assert cv2.imread(files[0][0]).shape[1] == 8 + 3 * 328

    def test_steps_of_a_classifier(self, tmp_path):
        (file,) = browse_data(LENET, index=3, steps=True, out_dir=str(tmp_path))
        assert Path(file).name == 'train_3_steps.png'
        # the image, five steps, what the model is given: seven panels in rows of four
        assert cv2.imread(file).shape[1] == 8 + 4 * 408

    def test_mistakes_are_said(self, tmp_path, error_of):
        out = tmp_path / 'out'
        for message, config, options in (
            ('no config no.py', 'no.py', {}),
            ('--index 1500: the train data', LENET, dict(index=[0, 1500])),
            ('give one of the two', LENET, dict(index=0, num=1)),
            ("split: 'train', 'val' or 'test', not 'all'", LENET, dict(split='all')),
            ('holds a model of no known kind, whose data', ADDING, {}),
            ('has no train_dataloader', '_base_/models/lenet5.py', {}),
            ('are points, which go through no', RING, dict(steps=True)),
        ):
            assert message in error_of(browse_data, config, out_dir=str(out), **options)
        assert not out.exists()

    def test_a_strangers_picture_stays(self, tmp_path, error_of):
        (tmp_path / 'train.png').write_text('mine')
        message = error_of(browse_data, LENET, out_dir=str(tmp_path))
        assert 'was not made by this tool' in message
        assert (tmp_path / 'train.png').read_text() == 'mine'

    @pytest.mark.parametrize(
        'tool',
        [
            'analysis_tools/find_lr',
            'analysis_tools/layers',
            'dataset_tools/browse_data',
        ],
    )
    def test_help_needs_no_torch(self, tool):
        done = subprocess.run(
            [sys.executable, '-X', 'importtime', str(TOOLS / f'{tool}.py'), '--help'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert '--cfg-options' in done.stdout
        assert ' torch' not in done.stderr
