"""Every run config, on stand-in data in the right folder layout."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset, VOCDataset
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.datasets import CIFAR10, CIFAR100

from projects.core.config import key_paths, load_config
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.engine import Runner, train
from projects.core.tasks.language.tokenizers import SPECIAL, byte_characters
from projects.core.tasks.task import task_of
from projects.registry import MODELS
from projects.vit.vision_transformer import ViTArch

SPLITS = ('train', 'val', 'test')
CONFIGS = Path(__file__).parents[1] / 'configs'
RUNS = sorted(p for p in CONFIGS.glob('*/*.py') if p.parent.name != '_base_')
VOC_XML = """<annotation><size><width>{w}</width><height>{h}</height>
<depth>3</depth></size><object><name>{name}</name><difficult>0</difficult>
<bndbox><xmin>10</xmin><ymin>12</ymin><xmax>60</xmax><ymax>70</ymax></bndbox>
</object></annotation>"""


# take images of any size, here of 64 pixels: a twelfth of the arithmetic
ANY_SIZE = (
    'convnext',
    'densenet',
    'efficientnet',
    'mobilenet',
    'mobilevit',
    'repvgg',
    'resnet',
    'resnext',
    'shufflenet',
    'swin',
    'vgg',
    'vit-b',
    'vit-l',
    'vit-small',
    'vit-tiny',
    'wide-resnet',
)
# have published sizes under a name, here at an eighth of the width
WIDE = ('convnext', 'swin', 'vit')


def run_ids(path):
    return path.stem


def write_image(path, size=(96, 128)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    cv2.imwrite(str(path), noise)


def write_coco(root):
    categories = [
        dict(id=i + 1, name=name)
        for i, name in enumerate(CocoDataset.METAINFO['classes'])
    ]
    for split in ('train2017', 'val2017'):
        images, annotations = [], []
        for i in range(1, 5):
            write_image(root / split / f'{i:012}.jpg')
            images.append(dict(id=i, file_name=f'{i:012}.jpg', height=96, width=128))
            annotations.append(
                dict(
                    id=i,
                    image_id=i,
                    category_id=i,
                    bbox=[10, 12, 50, 58],
                    area=2900,
                    iscrowd=0,
                )
            )
        file = root / f'annotations/instances_{split}.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            json.dumps(
                dict(images=images, annotations=annotations, categories=categories)
            )
        )


def write_voc(root):
    for year, splits in ((2007, ('trainval', 'test')), (2012, ('trainval',))):
        folder = root / f'VOC{year}'
        for split in splits:
            names = [f'{split}_{i}' for i in range(2)]
            for i, name in enumerate(names):
                write_image(folder / f'JPEGImages/{name}.jpg')
                xml = folder / f'Annotations/{name}.xml'
                xml.parent.mkdir(exist_ok=True)
                xml.write_text(
                    VOC_XML.format(w=128, h=96, name=VOCDataset.METAINFO['classes'][i])
                )
            file = folder / f'ImageSets/Main/{split}.txt'
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text('\n'.join(names))


def write_mnist(root):
    root.mkdir(parents=True)
    for split in ('train', 't10k'):
        for name, shape in (('images-idx3', (4, 28, 28)), ('labels-idx1', (4,))):
            header = bytes([0, 0, 8, len(shape)]) + b''.join(
                n.to_bytes(4, 'big') for n in shape
            )
            values = np.random.default_rng(0).integers(0, 10, shape, np.uint8)
            (root / f'{split}-{name}-ubyte').write_bytes(header + values.tobytes())


def write_cifar(folder, files):
    """Of CIFAR-10 the training set is in five files."""
    folder.mkdir(parents=True)
    for file in files:
        num = 2 if file.startswith('data_batch') else 4
        images = np.random.default_rng(0).integers(0, 256, (num, 3072), np.uint8)
        labels = list(range(num))
        (folder / file).write_bytes(
            pickle.dumps(dict(data=images, labels=labels, fine_labels=labels))
        )


def write_imagenet(root):
    """By lists: a thousand folders are not needed."""
    (root / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        names = [f'n{i:08}/{split}_{i}.JPEG' for i in range(4)]
        for name in names:
            write_image(root / split / name)
        (root / f'meta/{split}.txt').write_text(
            '\n'.join(f'{name} {i * 300}' for i, name in enumerate(names))
        )


def write_texts(data):
    """Sentences, whose files the configs look for."""
    sentences = [
        f'Line {i} says that {i} and {i + 1} are {2 * i + 1}.' for i in range(60)
    ]
    text = '\n'.join(sentences)
    for folder, names in {
        'wikitext-103-raw': ('wiki.train.raw', 'wiki.valid.raw', 'wiki.test.raw'),
        'wikitext-2-raw': ('wiki.train.raw', 'wiki.valid.raw', 'wiki.test.raw'),
        **{
            f'wmt14_en_{language}': [
                f'{split}.{of}' for split in SPLITS for of in ('en', language)
            ]
            for language in ('de', 'fr')
        },
        **{
            folder: [f'{split}/{i}.txt' for split in SPLITS for i in range(3)]
            for folder in ('books', 'text', 'webtext')
        },
        'texts': [
            f'{split}/{name}/{i}.txt'
            for split in SPLITS
            for name in ('good', 'bad')
            for i in range(2)
        ],
    }.items():
        for name in names:
            file = data / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    (data / 'gpt2').mkdir()
    vocab = {token: i for i, token in enumerate([*byte_characters(), '<|endoftext|>'])}
    (data / 'gpt2/vocab.json').write_text(json.dumps(vocab))
    (data / 'gpt2/merges.txt').write_text('#version: 0.2\n')
    (data / 'bert-base-uncased').mkdir()
    words = [*SPECIAL, 'line', 'says', 'that', 'and', 'are', *'0123456789']
    (data / 'bert-base-uncased/vocab.txt').write_text('\n'.join(words))


@pytest.fixture(scope='module')
def workplace(tmp_path_factory):
    """A folder with ``data/`` as the configs expect it."""
    root = tmp_path_factory.mktemp('workplace')
    write_coco(root / 'data/coco')
    write_voc(root / 'data/VOCdevkit')
    make_digits_coco(root / 'data/digits-coco', num_train=4, num_val=2)
    write_mnist(root / 'data/mnist')
    write_mnist(root / 'data/fashion-mnist')
    write_cifar(
        root / 'data/cifar10/cifar-10-batches-py',
        [name for name, _ in CIFAR10.train_list + CIFAR10.test_list],
    )
    write_cifar(root / 'data/cifar100/cifar-100-python', ['train', 'test'])
    write_imagenet(root / 'data/imagenet')
    write_texts(root / 'data')
    for i in range(4):
        write_image(root / f'data/images/train/{i}.jpg')
        for part in ('trainA', 'trainB', 'testA', 'testB'):
            write_image(root / f'data/unpaired/{part}/{i}.jpg')
    (root / 'colour.py').write_text(COLOUR_JUDGE)
    for config, name in (
        (GREY_JUDGE, 'grey'),
        (str(root / 'colour.py'), 'colour'),
    ):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            judge = MODELS.build(load_config(config).model)
        torch.save(dict(state_dict=judge.state_dict()), root / f'{name}.pth')
    return root


@pytest.fixture
def other_sums(monkeypatch):
    """Stand-ins have not the sums of the published files."""
    for class_ in (CIFAR10, CIFAR100):
        for files in ('train_list', 'test_list'):
            monkeypatch.setattr(
                class_, files, [[name, None] for name, _ in getattr(class_, files)]
            )


def narrower(settings):
    """An eighth of the widths of an ``arch``, with its blocks and heads."""
    match settings:
        case ViTArch(width, depth, num_heads, hidden):
            return width // 8, depth, num_heads, hidden // 8
        case int(width), depths, num_heads:
            return width // 8, depths, num_heads
        case widths, depths:
            return tuple(width // 8 for width in widths), depths


def options_of(path):
    """What lets a config run on stand-ins for two steps."""
    cfg, options = load_config(str(path)), []
    if task_of(cfg).name == 'a generative model':
        return options_of_generation(cfg, path)
    if cfg.get('default_scope') == 'mmengine':
        return options_of_sequences(cfg)
    options += [
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=2',
    ]
    if cfg.train_dataloader.dataset.type == 'projects.DigitsDataset':
        options += [
            f'{split}_dataloader.dataset.indices=4' for split in ('train', 'val')
        ]
    if 'work_dirs' in (cfg.model.get('init_cfg') or {}).get('checkpoint', ''):
        options.append('model.init_cfg=None')  # of another run
    if path.stem.startswith(ANY_SIZE):
        sizes = {
            'RandomResizedCrop': 'scale=64',
            'ResizeEdge': 'scale=72',
            'CenterCrop': 'crop_size=64',
        }
        options += [
            f'{split}_dataloader.dataset.pipeline.{i}.{sizes[transform.type]}'
            for split in ('train', 'val')
            for i, transform in enumerate(cfg[f'{split}_dataloader'].dataset.pipeline)
            if transform.type in sizes
        ]
        if 'sizes' in cfg.model.data_preprocessor:  # of a multi-scale training
            options.append('model.data_preprocessor.sizes=(48,64)')
    # widths of linear layers that are most of a model's memory
    for key in ('head.hidden_channels', 'bbox_head.predictor.hidden_channels'):
        *parents, name = key.split('.')
        node = cfg.model
        for parent in parents:
            node = node.get(parent) or {}
        if name in node:
            widths = node[name]
            narrow = 16 if isinstance(widths, int) else [16] * len(widths)
            options.append(f'model.{key}={narrow}')
    backbone = cfg.model.get('backbone', {})
    if path.stem.startswith(WIDE) and isinstance(backbone.arch, str):
        settings = MODELS.get(backbone.type).arch_settings[backbone.arch]
        options += [
            f'model.backbone.arch={narrower(settings)}',
            f'model.head.in_channels={cfg.model.head.in_channels // 8}',
        ]
    if 'series' in backbone:  # RepVGG
        options += [f'model.backbone.{width}=0.25' for width in 'ab']
        options.append('model.head.in_channels=128')
    # the least input that all levels of SSD512 can have
    options += [
        f'{path}=(300, 300)'
        for path in key_paths(cfg._cfg_dict, 'scale', (512, 512))
        if path.startswith(('train_dataloader', 'val_dataloader'))
    ]
    # a cell of YOLOv1's grid has 64 pixels
    squares = [
        path
        for path in key_paths(cfg._cfg_dict, 'scale', (448, 448))
        if path.startswith(('train_dataloader', 'val_dataloader'))
    ]
    if squares:
        options += [f'{path}=(192, 192)' for path in squares]
        options.append('model.bbox_head.grid_size=3')
    # of Faster R-CNN
    options += [
        f'{path}=(160, 128)'
        for path in key_paths(cfg._cfg_dict, 'scale', (1333, 800))
        if path.startswith(('train_dataloader', 'val_dataloader'))
    ]
    # seconds an image; and without batch norm on maps of one pixel
    if path.stem.startswith(
        ('faster-rcnn', 'ssd300', 'ssd512', 'yolov1_8', 'yolov1-bn')
    ):
        options += ['train_dataloader.batch_size=1', 'val_dataloader.dataset.indices=1']
        parts = cfg.train_dataloader.dataset.get('datasets')
        options += (
            [f'train_dataloader.dataset.datasets.{i}.indices=1' for i in range(2)]
            if parts
            else ['train_dataloader.dataset.indices=2']
        )
    return options + [
        f'custom_hooks.{i}.begin_epoch=0'
        for i, hook in enumerate(cfg.custom_hooks)
        if 'begin_epoch' in hook
    ]


# sizes of architectures of texts that a config may state, and small ones
NARROW = {
    'projects.BERT': dict(embed_dims=32, num_layers=1, num_heads=2, mlp_dims=32),
    'projects.GPT': dict(arch=(32, 1, 2)),
    'projects.RNN': dict(input_dims=8, hidden_dims=8),
    'projects.Seq2Seq': dict(embed_dims=8, hidden_dims=8),
    'projects.Transformer': dict(
        embed_dims=32,
        num_heads=2,
        num_encoder_layers=1,
        num_decoder_layers=1,
        feedforward_dims=32,
    ),
}
# texts that are written on the spot
FEW = dict.fromkeys(('train', 'val', 'test'), 8)


def options_of_sequences(cfg):
    """The same for models of sequences: few of them, narrow layers."""
    options = ['load_from=None', 'model.init_cfg=None', 'train_cfg.val_interval=2']
    by_epoch = cfg.train_cfg.by_epoch
    options.append('train_cfg.max_epochs=1' if by_epoch else 'train_cfg.max_iters=2')
    batch_sampler = cfg.train_dataloader.get('batch_sampler') or {}
    if 'max_tokens' in batch_sampler:
        options.append('train_dataloader.batch_sampler.max_tokens=64')
    options += [f'{split}_dataloader.batch_size=2' for split in ('train', 'val')]
    if cfg.optim_wrapper.get('type') == 'AmpOptimWrapper':  # needs a GPU
        kept = {k: cfg.optim_wrapper[k] for k in ('optimizer', 'clip_grad')}
        options.append(f'optim_wrapper={dict(_delete_=True, **kept)}')
    options += [
        f'param_scheduler.{i}.begin=0'
        for i, scheduler in enumerate(cfg.get('param_scheduler') or [])
        if scheduler.get('begin')
    ]
    options += [
        f'custom_hooks.{i}.{key}'
        for i, hook in enumerate(cfg.custom_hooks)
        if 'begin_iter' in hook
        for key in ('begin_iter=0', 'interval=1')
    ]
    backbone = cfg.model.get('backbone') or {}
    for key, value in NARROW.get(backbone.get('type'), {}).items():
        options.append(f'model.backbone.{key}={value}')
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        path = f'{split}_dataloader.dataset'
        corpus = dataset.get('corpus')
        if corpus is None:  # numbers
            options.append(f'{path}.num=4')
            continue
        if split != 'test':
            options.append(f'{path}.indices=4')
        if dataset.get('length', 0) > 128:
            options.append(f'{path}.length=128')
            options.append(f'{path}.context=0')
        if corpus.type.startswith('projects.Date') or 'Month' in corpus.type:
            options += [f'{path}.corpus.num.{k}={v}' for k, v in FEW.items()]
        elif corpus.type == 'projects.SourceCorpus':
            options += [f'{path}.corpus.max_bytes.{k}=20000' for k in FEW]
    return options


# networks of images of 64 pixels and more, at an eighth of the width
NARROW_GANS = {
    'projects.CycleGANGenerator': dict(base_channels=8),
    'projects.DCGANGenerator': dict(base_channels=8),
    'projects.DCGANDiscriminator': dict(base_channels=8),
    'projects.PatchDiscriminator': dict(base_channels=8),
    'projects.WGANGPCritic': dict(channels=(8, 8, 8, 8, 8)),
}
# a classifier of grey images, which is there, and one of coloured ones
GREY_JUDGE = 'lenet/lenet5-modern_1xb64-20e_digits.py'
COLOUR_JUDGE = f"""
_base_ = '{CONFIGS}/{GREY_JUDGE}'
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(in_channels=3))
"""


def options_of_generation(cfg, path):
    """The same for generative models, with a judge that is there."""
    steps = cfg.model.get('critic_steps', 1)
    options = [
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        f'train_dataloader.batch_size={2 * steps}',
        'val_dataloader.batch_size=4',
        'param_scheduler=[]',
    ]
    dataset = cfg.val_dataloader.dataset
    if 'Mixture' in dataset.type:
        options.append('val_dataloader.dataset.num=100')
    elif dataset.type not in ('projects.DigitDomains', 'projects.UnpairedDataset'):
        options.append('val_dataloader.dataset.indices=4')
    if dataset.type == 'projects.UnpairedDataset':  # a sixteenth of the pixels
        options += [
            'train_dataloader.dataset.pipeline.1.scale=(72, 72)',
            'train_dataloader.dataset.pipeline.2.crop_size=64',
            'val_dataloader.dataset.pipeline.1.scale=(64, 64)',
        ]
    if 'judge' in cfg.val_evaluator:
        judge = dict(config=GREY_JUDGE, checkpoint='grey.pth')
        if 'digits' not in path.stem and 'mnist' not in path.stem:
            judge = dict(config='colour.py', checkpoint='colour.pth')
        options.append(f'val_evaluator.judge={dict(_delete_=True, **judge)}')
    for part in ('generator', 'discriminator'):
        settings = cfg.model.get(part) or {}
        for key, value in NARROW_GANS.get(settings.get('type'), {}).items():
            options.append(f'model.{part}.{key}={value}')
        if 'channels' in settings:
            options.append(f'model.{part}.channels={(8,) * len(settings.channels)}')
    return options


# seconds each, and the recipe and the data are those of a smaller one or of another
LONG = (
    'convnext-base_',
    'convnext-small_',
    'cyclegan-mini-pairs_',
    'efficientnet-v2-m_',
    'faster-rcnn-convnext-tiny_',
    'faster-rcnn-swin-t_',
    'googlenet_8xb32',
    'gpt1_1xb64',
    'mobilevit-xs_8',
    'resnet101_',
    'resnet152_',
    'resnet34_8',
    'shufflenet-v2-x2-0_',
    'ssd300_4xb8-232e_voc0712',
    'ssd512_',
    'swin-b_8',
    'swin-s_8',
    'vgg16-bn_8xb32',
    'wgan-gp-cifar_',
    'wide-resnet50-2_',
    'yolov1-bn_8xb8',
    'yolov1_8xb8-135e_voc0712',
)


@pytest.mark.usefixtures('other_sums', 'cheap_weights', 'fresh')
@pytest.mark.parametrize(
    'path',
    [
        pytest.param(
            path,
            marks=pytest.mark.slow if path.stem.startswith(LONG) else [],
            id=path.stem,
        )
        for path in RUNS
    ],
)
def test_run_takes_two_steps_and_is_evaluated(path, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    runner = train(
        str(path),
        cfg_options=[
            'train_dataloader.num_workers=0',
            'val_dataloader.num_workers=0',
            # gigabytes for the large models; saving has tests of its own
            'default_hooks.checkpoint.interval=-1',
            'default_hooks.checkpoint.save_last=False',
            'default_hooks.checkpoint.save_best=None',
            *options_of(path),
        ],
    )
    assert runner.iter == 2
    scalars = runner.message_hub.log_scalars
    losses = [name for name in scalars if name.startswith('train/loss')]
    assert losses
    for name in losses:
        assert np.isfinite(scalars[name].data[0]).all(), name
    metrics = task_of(runner.cfg).metrics or ('mse',)
    assert any(name.endswith(metrics) for name in scalars)


@pytest.mark.usefixtures('other_sums')
@pytest.mark.parametrize(
    ('base', 'num_train'), [('cifar10', 10), ('cifar100', 4)]
)  # five files of two images
def test_cifar_gives_batches(base, num_train, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    cfg = Config.fromfile(CONFIGS / f'_base_/datasets/{base}.py')
    pipelines = Config.fromfile(CONFIGS / '_base_/pipelines/cifar_32.py')
    for split, num in (('train', num_train), ('val', 4)):
        loader = cfg[f'{split}_dataloader']
        loader.dataset.pipeline = pipelines[
            'train_pipeline' if split == 'train' else 'test_pipeline'
        ]
        loader.update(num_workers=0, persistent_workers=False)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            (batch,) = Runner.build_dataloader(loader, seed=0)
        assert len(batch['inputs']) == num
        assert {image.shape for image in batch['inputs']} == {(3, 32, 32)}
        if split == 'val':  # neither padded nor flipped
            with open(
                f'data/{base}/'
                + (
                    'cifar-10-batches-py/test_batch'
                    if base == 'cifar10'
                    else 'cifar-100-python/test'
                ),
                'rb',
            ) as file:
                images = pickle.load(file)['data'].reshape(4, 3, 32, 32)
            np.testing.assert_array_equal(
                np.stack([image.numpy() for image in batch['inputs']]), images
            )


@pytest.mark.parametrize('path', RUNS, ids=run_ids)
def test_rates_change_within_the_run(path):
    cfg = load_config(str(path))
    by_epoch = cfg.train_cfg.by_epoch
    end = cfg.train_cfg.max_epochs if by_epoch else cfg.train_cfg.max_iters
    for scheduler in cfg.get('param_scheduler') or []:
        if scheduler.get('by_epoch', True) == by_epoch:
            assert scheduler.get('begin', 0) < end
            assert scheduler.get('end', end) <= end
            assert all(m < end for m in scheduler.get('milestones', []))
            assert scheduler.get('T_max', end) <= end


@pytest.mark.parametrize('path', RUNS, ids=run_ids)
def test_name_states_devices_batch_and_epochs(path):
    cfg = Config.fromfile(path)
    devices, batch = path.stem.split('_')[1].split('-')[0].split('xb')
    # of each step of the critic
    steps = cfg.model.get('critic_steps', 1)
    assert cfg.train_dataloader.batch_size == int(batch) * steps
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    assert ('accum' in path.stem) == (accumulated > 1)
    assert accumulated == 1 or f'-accum{accumulated}-' in path.stem
    total = int(devices) * int(batch) * accumulated * steps
    if cfg.get('auto_scale_lr'):
        assert total == cfg.auto_scale_lr.base_batch_size
    if cfg.train_cfg.by_epoch:
        assert f'-{cfg.train_cfg.max_epochs}e_' in path.stem
    else:
        iters = cfg.train_cfg.max_iters
        thousands = f'-{iters // 1000}k_' if iters % 1000 == 0 else ''
        assert f'-{iters}i_' in path.stem or thousands in path.stem
