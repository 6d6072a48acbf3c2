"""Training, testing and applying generative models by the tools."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from torch import nn

from projects.core.benchmark import benchmark
from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
from projects.core.benchmark.throughput import Mode, flops_of, prepare
from projects.core.config import find_config_or_model, load_config
from projects.core.engine import evaluate, infer, train
from projects.core.reports.evaluation import read_evaluation
from projects.core.tasks.generation.pictures import (
    PER_CLASS,
    Kept,
    film_of,
    grid,
    loss_curves,
)
from projects.core.tasks.task import task_of
from projects.core.variants import config_root

POINTS = f"""
_base_ = ['{config_root()}/_base_/datasets/ring8.py',
          '{config_root()}/_base_/schedules/gan_adam.py',
          '{config_root()}/_base_/iter_runtime.py']
default_scope = 'mmengine'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.MLPGenerator', hidden_dims=(8, )),
    discriminator=dict(type='projects.MLPDiscriminator', hidden_dims=(8, )),
    loss=dict(type='projects.NonSaturatingLoss'),
    data_preprocessor=dict(mean=0, std=1))
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=50, dataset=dict(num=100))
test_dataloader = dict(batch_size=50, dataset=dict(num=100))
train_cfg = dict(max_iters=4, val_interval=2)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=2, save_best=None))
"""
DIGITS = f"""
_base_ = ['{config_root()}/_base_/datasets/digits_gan_32.py',
          '{config_root()}/_base_/schedules/gan_adam.py',
          '{config_root()}/_base_/iter_runtime.py']
default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.ConditionalDCGANGenerator', num_classes=10,
                   base_channels=4, latent_dim=4, image_size=32, out_channels=1),
    discriminator=dict(type='projects.ConditionalDCGANDiscriminator', num_classes=10,
                       base_channels=4, image_size=32, in_channels=1),
    loss=dict(type='projects.NonSaturatingLoss'))
train_dataloader = dict(batch_size=8, dataset=dict(indices=40))
val_dataloader = dict(batch_size=20, dataset=dict(indices=40))
val_evaluator = dict(_delete_=True, type='projects.SamplesReport')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(max_iters=2, val_interval=1)
default_hooks = dict(checkpoint=dict(interval=2, save_best=None))
"""


GREY = 'lenet/lenet5-modern_1xb64-20e_digits.py'


@pytest.fixture
def write(tmp_path, fresh):
    def call(text, name='run'):
        path = tmp_path / f'{name}.py'
        path.write_text(text)
        return str(path)

    return call


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Work dirs of a model of points and of a conditional one of digits."""
    root = tmp_path_factory.mktemp('generation')
    for name, text in dict(points=POINTS, digits=DIGITS).items():
        (root / f'{name}.py').write_text(text)
        train(str(root / f'{name}.py'), str(root / name))
    return root


@pytest.fixture
def points(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(trained / 'points/iter_4.pth')


@pytest.fixture
def digits(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(trained / 'digits/iter_2.pth')


def size_of(path):
    return cv2.imread(str(path)).shape[1::-1]


def log_of(work_dir):
    return '\n'.join(file.read_text() for file in sorted(work_dir.glob('*/*.log')))


class TestTraining:
    def test_pictures_at_each_validation(self, trained):
        frames = sorted((trained / 'points/samples').glob('*.png'))
        names = [frame.name for frame in frames]
        assert names == ['iter_0000002.png', 'iter_0000004.png']
        pixels = [cv2.imread(str(frame)) for frame in frames]
        assert not np.array_equal(pixels[0][30:], pixels[1][30:])

    def test_a_row_for_each_class(self, trained):
        width, height = size_of(trained / 'digits/samples/iter_0000002.png')
        # rows of four digits at least, of 40; the caption is above
        assert width == PER_CLASS * (64 + 2) + 2
        assert (height - 22 - 2) % (64 + 2) == 0

    def test_film_and_curves(self, trained):
        with Image.open(trained / 'points/samples.gif') as film:
            assert film.n_frames == 2
        assert size_of(trained / 'points/losses.png')[0] == 700
        log = log_of(trained / 'points')
        assert 'samples at 2 validations: ' in log
        assert 'curves of the losses: ' in log

    @pytest.mark.parametrize(
        ('name', 'keys'),
        [('points', {'points', 'modes'}), ('digits', {'samples', 'training'})],
    )
    def test_reports(self, trained, name, keys):
        sections = read_evaluation(str(trained / name / 'evaluation')).sections
        assert keys <= {block.key for section in sections for block in section.blocks}

    def test_scalars_of_both(self, trained):
        log = log_of(trained / 'points')
        assert 'generator.lr: 2.0000e-04 discriminator.lr: 2.0000e-04' in log
        for name in ('loss_discriminator', 'loss_generator', 'score_real'):
            assert f'{name}: ' in log

    def test_a_resumed_run_keeps_its_film(self, write, fresh):
        config = write(POINTS)
        train(config, 'work', cfg_options=['train_cfg.max_iters=2'])
        fresh()
        train(config, 'work', resume=True)
        with Image.open('work/samples.gif') as film:
            assert film.n_frames == 2
        # losses of all four iterations, of which the log holds those before, too
        whole = cv2.imread('work/losses.png')
        fresh()
        train(write(POINTS, 'again'), 'again')
        assert np.array_equal(whole, cv2.imread('again/losses.png'))

    def test_a_foreign_picture_stays(self, write):
        Path('work/samples').mkdir(parents=True)
        Path('work/samples/iter_0000002.png').write_text('mine')
        train(write(POINTS), 'work')
        assert Path('work/samples/iter_0000002.png').read_text() == 'mine'
        assert 'no picture of the samples of iteration 2: ' in log_of(Path('work'))

    def test_nonfinite_loss_says_which_network(self, write, error_of):
        config = write(
            POINTS
            + """
optim_wrapper = dict(
    discriminator=dict(optimizer=dict(type='SGD', lr=1e30, _delete_=True)))
"""
        )
        error = error_of(train, config, 'work')
        assert error.startswith('the loss is not finite at iteration ')
        assert 'the weights of the discriminator after it are not finite' in error
        assert 'discriminator lr 1e+30' in error


class TestTest:
    def test_files(self, trained, digits):
        config = str(trained / 'digits.py')
        metrics = evaluate(config, digits, out='samples.npz', show_dir='pictures')
        assert metrics == {}
        with np.load('samples.npz') as arrays:
            assert arrays['samples'].shape == (40, 32, 32, 1)
            assert arrays['samples'].dtype == np.uint8
            assert arrays['labels'].shape == (40,)
        assert sorted(p.name for p in Path('pictures').glob('*.png')) == [
            'data.png',
            'samples.png',
        ]

    def test_points(self, trained, points):
        evaluate(str(trained / 'points.py'), points, out='points.npz')
        with np.load('points.npz') as arrays:
            assert arrays['samples'].shape == (100, 2)
            assert 'labels' not in arrays


class TestInfer:
    def test_points(self, points):
        rows = infer(points, num=7)
        with open('samples/points/samples.csv', newline='') as file:
            table = list(csv.reader(file))
        assert table[0] == ['x', 'y']
        assert [[float(x) for x in row] for row in table[1:]] == [
            pytest.approx(row['point']) for row in rows
        ]
        assert Path('samples/points/samples.png').is_file()

    def test_a_row_for_each_class(self, digits):
        rows = infer(digits, num=20, out_dir='out')
        assert [row['class'] for row in rows] == [
            c for c in '0123456789' for _ in range(2)
        ]
        assert size_of('out/grid.png') == (2 * 66 + 2, 10 * 66 + 2)
        assert size_of(rows[3]['file']) == (32, 32)

    def test_more_classes_than_samples(self, digits):
        assert [row['class'] for row in infer(digits, num=3)] == ['0', '3', '6']

    @pytest.mark.parametrize('wanted', ['7', 7])
    def test_a_class(self, digits, wanted):
        rows = infer(digits, num=5, class_=wanted)
        assert [row['class'] for row in rows] == ['7'] * 5

    def test_samples_do_not_hang_on_the_batch(self, digits):
        images = []
        for batch_size in (2, 5):
            rows = infer(
                digits,
                num=5,
                class_='1',
                batch_size=batch_size,
                out_dir=f'b{batch_size}',
            )
            images.append(np.stack([cv2.imread(row['file']) for row in rows]))
        assert np.abs(images[0].astype(int) - images[1]).max() <= 1

    def test_another_seed(self, digits):
        first, second = (
            cv2.imread(infer(digits, num=1, seed=seed, out_dir=f's{seed}')[0]['file'])
            for seed in (0, 1)
        )
        assert not np.array_equal(first, second)

    def test_a_walk(self, digits):
        rows = infer(digits, num=4, interpolate=True, out_dir='walk')
        assert len(rows) == 4
        assert size_of('walk/walk.png') == (4 * 66 + 2, 66 + 2)
        with Image.open('walk/walk.gif') as film:
            assert film.n_frames == 6  # there and back

    @pytest.mark.parametrize(
        ('options', 'message'),
        [
            (dict(class_='ten'), '--class ten: there are 0, 1, 2'),
            (dict(class_='10'), '--class 10: there are 0, 1, 2'),
            (dict(inputs='a.png'), 'makes samples of noise: leave a.png out'),
            (dict(direction='AtoB'), '--direction: '),
            (dict(temperature=1.0), '--temperature: '),
            (dict(num=1, interpolate=True), '--num 1: a walk has 2 samples'),
            (dict(num=0), 'num: a whole number of at least 1 or None, not 0'),
            (dict(seed=-1), 'seed: '),
        ],
    )
    def test_refused(self, digits, error_of, options, message):
        assert message in error_of(infer, digits, **options)
        assert not Path('samples').exists()

    def test_a_class_of_a_model_without(self, points, error_of):
        assert error_of(infer, points, class_='1').endswith(
            'was trained without classes; leave it out'
        )

    def test_an_image_model_wants_an_image(self, lenet, error_of):
        assert error_of(infer, lenet).endswith(
            'holds an image classifier: give an image or a folder of images'
        )


class TestDataChecks:
    @pytest.mark.parametrize(
        ('extra', 'message'),
        [
            (
                "model['generator']['image_size'] = 64\n"
                "model['discriminator']['image_size'] = 64",
                'the generator makes grey images of 64 x 64 pixels, and '
                'train_dataloader.dataset holds grey images of 32 x 32 pixels',
            ),
            (
                "train_dataloader['dataset']['num_channels'] = 3",
                'holds colour images of 32 x 32 pixels',
            ),
            (
                "model['generator']['num_classes'] = 9\n"
                "model['discriminator']['num_classes'] = 9",
                'model.generator.num_classes is 9, but train_dataloader.dataset has '
                '10 classes',
            ),
            (
                "model['critic_steps'] = 3",
                'train_dataloader.batch_size is 8, which model.critic_steps = 3 steps '
                'of the discriminator cannot share: set it to a multiple of 3, such '
                'as 6',
            ),
        ],
    )
    def test_refused_before_the_run(self, write, error_of, extra, message):
        assert message in error_of(train, write(DIGITS + extra + '\n'), 'work')
        assert not Path('work').exists()

    def test_folders_of_images(self, tmp_path, fresh, error_of):
        config = 'gan/dcgan-64_1xb64-79k_images.py'
        assert 'there is no folder ' in error_of(train, config)
        folder = tmp_path / 'data/images/train'
        folder.mkdir(parents=True)
        (folder / 'readme.txt').touch()
        error = error_of(train, config)
        assert f'CustomDataset looks in {folder} ' in error
        assert 'which holds no image (.bmp, .gif, ' in error
        assert not (tmp_path / 'work_dirs').exists()

    def test_a_judge_that_is_not_there(self, write, error_of):
        judge = "dict(_delete_=True, type='projects.GenerationMetric', judge=dict({}))"
        text = DIGITS + f'val_evaluator = {judge}\n'
        error = error_of(train, write(text.format("config='lenet/lenet.py'")), 'work')
        assert error.startswith(
            'val_evaluator.judge: no config lenet/lenet.py; did you mean'
        )
        settings = f"config='{GREY}', checkpoint='nowhere.pth'"
        error = error_of(train, write(text.format(settings)), 'work')
        assert error.startswith('val_evaluator.judge: ')
        assert 'nowhere.pth' in error
        assert not Path('work').exists()

    def test_a_generator_without_data(self):
        cfg = Config(dict(model=dict(type='projects.GAN')))
        assert task_of(cfg).name == 'a generative model'

    def test_channels_last_can_be_switched_off(self):
        cfg = load_config('gan/wgan-gp-mnist_1xb50-200k_mnist.py')
        task_of(cfg).prepare(cfg)
        assert 'projects.ChannelsLastHook' in {h['type'] for h in cfg.custom_hooks}
        cfg.channels_last = False
        task_of(cfg).prepare(cfg)
        assert 'projects.ChannelsLastHook' not in {h['type'] for h in cfg.custom_hooks}


class TestPictures:
    def test_small_images_are_enlarged_pixel_by_pixel(self):
        image = torch.arange(28 * 28).reshape(1, 28, 28) % 251
        picture = grid([image.to(torch.uint8)] * 2, 2)
        assert picture.shape == (56 + 4, 2 * 56 + 6, 3)
        assert picture[2:58, 2:58, 0].reshape(28, 2, 28, 2)[:, 1, :, 1].tolist() == (
            image[0].tolist()
        )

    def test_tiny_images_are_enlarged_smoothly(self):
        image = torch.zeros(1, 8, 8, dtype=torch.uint8)
        image[0, :, 4:] = 200
        picture = grid([image] * 2, 2)[2:58, 2:58, 0]
        assert picture[:, 10].tolist() == [0] * 56
        assert picture[:, 45].tolist() == [200] * 56
        assert len(set(picture[20].tolist())) > 4  # not a step

    def test_colours_are_bgr(self):
        red = torch.zeros(3, 64, 64, dtype=torch.uint8)
        red[0] = 255
        assert grid([red])[80, 80].tolist() == [0, 0, 255]

    def test_the_first_of_each_class_are_kept(self):
        kept = Kept(num_classes=2)
        image = torch.zeros(1, 8, 8, dtype=torch.uint8)
        kept.add([dict(fake=image, real=image, label=0)] * 15)
        kept.add([dict(fake=image, real=image, label=1)] * 3)
        assert [row['label'] for row in kept.rows] == [0] * 10 + [1] * 3

    def test_translations_stand_beside_their_sources(self):
        shades = dict(real_a=10, fake_b=60, real_b=110, fake_a=160)
        row = {
            name: torch.full((3, 64, 64), shade, dtype=torch.uint8)
            for name, shade in shades.items()
        }
        kept = Kept()
        kept.add([row, row])
        picture = kept.picture()
        body = picture[-2 * 66 - 2 :]
        columns = [body[40, 2 + i * 66 + 20, 0] for i in range(4)]
        assert columns == [10, 60, 110, 160]

    def test_frames_of_another_size_are_left_out_of_a_film(self):
        frames = [np.zeros((20, s, 3), np.uint8) for s in (30, 20, 20)]
        frames[1][:] = 255
        with Image.open(io.BytesIO(film_of(frames))) as film:
            assert film.size == (20, 20)
            assert film.n_frames == 2

    def test_curves_of_a_run_of_one_iteration(self):
        picture = loss_curves(dict(loss_generator=[1.0], score_real=[float('nan')]))
        assert picture.shape == (480, 700, 3)


class TestBenchmark:
    def test_a_step_is_measured_in_one(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        result = benchmark(['wgan_gp_mini', 'cgan_mini'], batch_size=6, iters=2)
        for entry in result['configs']:
            assert {'train.own', 'train.step', 'predict.forward'} <= entry[
                'parts'
            ].keys()
            assert 'train.passes' not in entry['parts']
            assert entry['optimizer'] == 'Adam'
            assert entry['unit'] == 'samples'
        assert result['ratios'].keys() >= {'train.own', 'predict.step'}

    def test_operations_with_a_gradient_of_a_gradient(self):
        model = BenchmarkedModel(
            find_config_or_model('wgan_gp_mini'),
            BenchmarkSettings(
                batch_size=3,
                input_size=None,
                objects=1,
                device=torch.device('cpu'),
                dtype=torch.float32,
                channels_last=None,
                compile=False,
                data=False,
                cfg_options=None,
            ),
        )
        prepare(model, Mode(3))
        flops = flops_of(model)
        # two for each weight of a linear layer
        weights = sum(
            p.numel() for p in model.model.generator.parameters() if p.dim() == 2
        )
        assert flops['forward'] == 2 * weights
        assert flops['train'] > 5 * flops['forward']


def test_a_plain_module_is_no_generator():
    from projects.core.tasks.generation.task import TASK

    assert TASK.parts_of(nn.Identity()) is None
