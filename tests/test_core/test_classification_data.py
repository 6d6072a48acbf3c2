"""Missing and flawed classification data are named before a run begins."""

import hashlib
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.datasets import CIFAR10, CIFAR100, CustomDataset

from projects.core.engine import evaluate, train
from projects.core.errors import UserError
from projects.core.tasks.classification.data_checks import (
    check_classification_data,
)
from projects.core.variants import config_root
from projects.registry import DATASETS

MNIST_FILES = (
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
)
CIFAR10_FILES = (*(f'data_batch_{i}' for i in range(1, 6)), 'test_batch')


def base_config(name, **others):
    cfg = Config.fromfile(config_root() / f'_base_/datasets/{name}.py')
    cfg.merge_from_dict(dict(default_scope='mmpretrain', **others))
    return cfg


def check(train=None, val=None, **others):
    loaders = {
        f'{split}_dataloader': dict(dataset=dataset)
        for split, dataset in (('train', train), ('val', val))
        if dataset
    }
    return check_classification_data(
        Config(dict(default_scope='mmpretrain', **loaders, **others))
    )


def write_mnist(root, num=3):
    root.mkdir(parents=True, exist_ok=True)
    for file in MNIST_FILES:
        labels = np.arange(num, dtype=np.uint8)
        values = (
            labels
            if 'labels' in file
            else np.multiply.outer(labels + 1, np.ones((28, 28), np.uint8))
        )
        header = bytes([0, 0, 8, values.ndim]) + b''.join(
            n.to_bytes(4, 'big') for n in values.shape
        )
        (root / file).write_bytes(header + values.tobytes())


def write_cifar(folder, files, key):
    folder.mkdir(parents=True)
    for i, file in enumerate(files):
        (folder / file).write_bytes(
            pickle.dumps({'data': np.full((2, 3072), i, np.uint8), key: [0, 1]})
        )


def sums(folder, files):
    return [
        [file, hashlib.md5((folder / file).read_bytes()).hexdigest()] for file in files
    ]


def write_images(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((4, 4, 3), np.uint8))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ------------------------------------------------ published sets, in memory
@pytest.mark.parametrize(
    ('base', 'folder', 'files', 'home'),
    [
        ('mnist', 'mnist', MNIST_FILES, 'yann.lecun.com'),
        (
            'fashion_mnist',
            'fashion-mnist',
            MNIST_FILES,
            'github.com/zalandoresearch/fashion-mnist',
        ),
        (
            'cifar10',
            'cifar10/cifar-10-batches-py',
            CIFAR10_FILES,
            'cs.toronto.edu/~kriz/cifar.html',
        ),
        (
            'cifar100',
            'cifar100/cifar-100-python',
            ('train', 'test'),
            'cs.toronto.edu/~kriz/cifar.html',
        ),
    ],
)
def test_missing_set_names_folder_files_and_home(here, base, folder, files, home):
    (here / 'data/other').mkdir(parents=True)
    with pytest.raises(UserError) as error:
        check_classification_data(base_config(base))
    message = str(error.value)
    assert f'missing in {here}/data/{folder} (data_root=' in message
    assert message.count(', '.join(files)) == 1
    assert 'train_dataloader' in message
    assert f'{here}/data holds other' in message
    assert 'Nothing is downloaded' in message
    assert home in message


def test_of_files_that_are_there_in_part_the_missing_are_named(here):
    write_mnist(here / 'data/mnist')
    (here / 'data/mnist' / MNIST_FILES[2]).unlink()
    with pytest.raises(
        UserError,
        match=(
            '1 of the 4 files of MNIST .*: t10k-images-idx3-ubyte; expected '
            'are ' + ', '.join(MNIST_FILES)
        ),
    ):
        check_classification_data(base_config('mnist'))


def test_packed_files_are_to_be_unpacked(here):
    write_mnist(here / 'data/mnist')
    path = here / 'data/mnist' / MNIST_FILES[0]
    path.rename(f'{path}.gz')
    with pytest.raises(UserError, match=(rf'packed: gunzip {here}/data/mnist/\*\.gz$')):
        check_classification_data(base_config('mnist'))
    (here / 'data/cifar10').mkdir()
    archive = here / 'data/cifar10/cifar-10-python.tar.gz'
    archive.touch()
    with pytest.raises(
        UserError, match=(f'unpack it: tar -xzf {archive} -C {archive.parent}$')
    ):
        check_classification_data(base_config('cifar10'))


def test_whole_sets_are_read(here, monkeypatch):
    write_mnist(here / 'data/mnist')
    assert check_classification_data(base_config('mnist')) == []
    folder = here / 'data/cifar100/cifar-100-python'
    write_cifar(folder, ('train', 'test'), 'fine_labels')
    # other bytes than the published ones have other sums
    with pytest.raises(UserError, match='cifar-100-python/train is cut short'):
        check_classification_data(base_config('cifar100'))
    monkeypatch.setattr(CIFAR100, 'train_list', sums(folder, ['train']))
    monkeypatch.setattr(CIFAR100, 'test_list', sums(folder, ['test']))
    assert check_classification_data(base_config('cifar100')) == []
    # of the split that the base names, which only test_mode chooses in MNIST
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for base, num in (('mnist', (3, 3)), ('cifar100', (2, 2))):
            cfg = base_config(base)
            data = [
                DATASETS.build(cfg[f'{split}_dataloader'].dataset)
                for split in ('train', 'val')
            ]
            assert tuple(map(len, data)) == num


@pytest.mark.parametrize('name', MNIST_FILES[:2])
@pytest.mark.parametrize('keep', [0, 3, 6, -1, None])
def test_mnist_file_that_is_cut_short_or_longer(here, name, keep):
    write_mnist(here / 'data/mnist')
    path = here / 'data/mnist' / name
    more = b'!' if keep is None else b''
    path.write_bytes(path.read_bytes()[:keep] + more)
    with pytest.raises(UserError, match=f'{path} is cut short or changed'):
        check_classification_data(base_config('mnist'))


def test_cifar_file_that_is_changed(here, monkeypatch):
    folder = here / 'data/cifar10/cifar-10-batches-py'
    write_cifar(folder, CIFAR10_FILES, 'labels')
    monkeypatch.setattr(CIFAR10, 'train_list', sums(folder, CIFAR10_FILES[:5]))
    monkeypatch.setattr(CIFAR10, 'test_list', sums(folder, CIFAR10_FILES[5:]))
    assert check_classification_data(base_config('cifar10')) == []
    with open(folder / 'data_batch_3', 'ab') as file:
        file.write(b'!')
    with pytest.raises(UserError, match='data_batch_3 is cut short or chang'):
        check_classification_data(base_config('cifar10'))


def test_mnist_whose_split_and_files_differ(here):
    write_mnist(here / 'data/mnist')
    dataset = dict(type='MNIST', data_root='data/mnist', split='test')
    with pytest.raises(UserError, match="contradicts split='test'; set test_mode=True"):
        check(val=dataset)
    # so it is: what is called the test set is the training set
    write_mnist(here / 'five', num=5)
    for file in MNIST_FILES[2:]:
        (here / 'data/mnist' / file).write_bytes((here / 'five' / file).read_bytes())
    for test_mode, length in ((False, 3), (True, 5)):
        assert (
            len(
                DATASETS.build(
                    {
                        **dataset,
                        'type': 'mmpretrain.MNIST',
                        'download': False,
                        'test_mode': test_mode,
                    }
                )
            )
            == length
        )


def test_a_user_may_let_the_library_download(here):
    assert check(dict(type='MNIST', data_root='nowhere', download=True)) == []


def test_files_elsewhere_are_skipped():
    assert check(dict(type='MNIST', data_root='s3://bucket/mnist')) == []
    assert check(dict(type='CustomDataset', data_root='s3://bucket')) == []


# --------------------------------------------------------- number of classes
@pytest.mark.parametrize(
    ('model', 'path'),
    [
        (dict(head=dict(num_classes=5)), 'model.head.num_classes'),
        (
            dict(head=dict(num_classes=10, loss=dict(num_classes=5))),
            'model.head.loss.num_classes',
        ),
        (
            dict(head=dict(heads=[dict(num_classes=10), dict(num_classes=5)])),
            'model.head.heads.1.num_classes',
        ),
        (
            dict(data_preprocessor=dict(num_classes=5)),
            'model.data_preprocessor.num_classes',
        ),
    ],
)
def test_num_classes_wherever_in_the_model(model, path):
    digits = dict(type='projects.DigitsDataset', split='train')
    with pytest.raises(
        UserError,
        match=re.escape(
            f'{path} is 5, but the data of train_dataloader have 10 classes '
            f'(0, 1, 2, 3, 4, ...): set {path}=10'
        ),
    ):
        check(digits, model=model)
    assert (
        check(
            digits,
            model=dict(
                data_preprocessor=dict(num_classes=None), head=dict(num_classes=10)
            ),
        )
        == []
    )


def test_classes_by_argument_by_file_and_by_folder(here):
    write_images(here / 'own', 'cat/a.png', 'dog/a.png')
    own = dict(type='CustomDataset', data_root='own')
    (here / 'classes.txt').write_text('cat\ndog\n')
    model = dict(head=dict(num_classes=3))
    for more in (
        {},
        dict(classes=('cat', 'dog')),
        dict(classes='classes.txt'),
        dict(metainfo=dict(classes=('cat', 'dog'))),
    ):
        assert check({**own, **more}) == []
        with pytest.raises(UserError, match=r'have 2 classes \(cat, dog\)'):
            check(val={**own, **more}, model=model)
    with pytest.raises(UserError, match=r"string 'cat'.*classes=\('cat', \)"):
        check({**own, 'classes': 'cat'})


def test_wrapped_datasets_are_found(here):
    with pytest.raises(UserError, match='4 of the 4 files of MNIST'):
        check(
            dict(
                type='RepeatDataset',
                times=2,
                dataset=dict(type='MNIST', data_root='none'),
            )
        )


# ------------------------------------------------------- folders and lists
def own(prefix, **changes):
    return dict(type='CustomDataset', data_root='own', data_prefix=prefix, **changes)


def test_missing_image_folder(here):
    write_images(here / 'own', 'train/cat/a.png')
    with pytest.raises(
        UserError,
        match=(
            rf'val_dataloader: CustomDataset looks in {here}/own/val '
            rf"\(data_root='own', data_prefix='val'\); .*{here}/own holds "
            r'train\. A folder per class .*"<file> <label>" a line'
        ),
    ):
        check(own('train'), own(dict(img_path='val')))


def test_train_and_val_with_other_classes(here):
    write_images(
        here / 'own',
        'train/cat/a.png',
        'train/dog/a.png',
        'train/owl/a.png',
        'val/cat/a.png',
        'val/dog/a.png',
        'val/.cache/a.png',
    )
    # as many, yet dog is label 1 in training and 2 in validation
    assert CustomDataset('own', 'train').folder_to_idx['dog'] == 1
    assert CustomDataset('own', 'val').folder_to_idx['dog'] == 2
    with pytest.raises(
        UserError,
        match=(
            f'only {here}/own/train has owl; only {here}/own/val has '
            r'\.cache$'
        ),
    ):
        check(own('train'), own('val'))


def test_class_without_images_is_a_notice(here):
    write_images(here / 'own', 'train/cat/deep/er/a.JPG', 'train/dog/a.png')
    (here / 'own/train/owl').mkdir()
    (here / 'own/train/owl/a.gif').touch()
    notice, left_out = check(own('train'))
    assert 'train: 1 of 3 folders hold no image (.jpg, ' in notice
    assert notice.endswith('yet each is a class: owl')
    assert '1 of 3 files are left out for their suffix: .gif (1)' in left_out
    assert check(own('train', extensions=('.gif', '.jpg', '.png'))) == []


def test_folders_without_images(here):
    (here / 'own/train/cat').mkdir(parents=True)
    with pytest.raises(UserError, match=r'no image \(.jpg, .*\): cat$'):
        check(own('train'))


def test_stated_classes_in_another_order_than_the_folders(here):
    write_images(here / 'own', 'train/cat/a.png', 'train/dog/a.png')
    (notice,) = check(own('train', classes=('dog', 'cat')))
    assert "label 0 is the folder 'cat', but 'dog' among" in notice
    data = CustomDataset('own', 'train', classes=('dog', 'cat'))
    assert 'cat' in data.get_data_info(0)['img_path']
    assert data.get_data_info(0)['gt_label'] == 0


def test_more_folders_than_classes(here):
    write_images(
        here / 'own',
        'train/cat/a.png',
        'train/dog/a.png',
        'train/.ipynb_checkpoints/a.png',
    )
    with pytest.raises(
        UserError,
        match=(
            r'holds 3 folders \(.*but the dataset has 2 classes \(cat, dog\); '
            r'no class are \.ipynb_checkpoints'
        ),
    ):
        check(own('train', classes=('cat', 'dog')))


def test_list_of_images(here):
    write_images(here / 'own', 'pictures/a.png', 'pictures/more/b.png')
    listing = here / 'own/train.txt'
    listing.write_text('a.png 0\nmore/b.png 1\n')
    dataset = own('pictures', ann_file='train.txt', classes=('cat', 'dog'))
    assert check(dataset) == []
    for line, message in (
        (
            'c.png 1',
            r'1 of 2 images of own/train.txt are missing in .*'
            r'/own/pictures, e\.g\. c\.png: .*holds a\.png, more',
        ),
        ('c.png', r"""own/train.txt, line 2: 'c.png' is not "<file> <l"""),
        ('c.png -1', r"line 2: 'c.png -1' is not"),
        ('a.png 2', 'line 2: label 2, but there are 2 classes, labelled from 0'),
    ):
        listing.write_text(f'a.png 0\n{line}\n')
        with pytest.raises(UserError, match=message):
            check(dataset)
    listing.write_text('')
    with pytest.raises(UserError, match=r'own/train\.txt is empty'):
        check(dataset)
    listing.unlink()
    with pytest.raises(
        UserError, match=(rf'no list {here}/own/train\.txt; {here}/own holds pictures')
    ):
        check(dataset)


# Files below own/, settings of the dataset and of the config; what is refused.
TWO = ('train/cat/a.png', 'train/dog/a.png')


@pytest.mark.parametrize(
    ('files', 'dataset', 'others', 'message'),
    [
        # folders
        (
            (*TWO, 'train/.ipynb_checkpoints/a.png'),
            {},
            {},
            'takes the hidden folders .ipynb_checkpoints for classes, too: remove',
        ),
        (TWO, dict(type='ImageNet'), {}, 'Set metainfo=dict(classes=...) of the'),
        (TWO, dict(classes=('a', 'b', 'c')), {}, 'Set metainfo=dict(classes=...)'),
        (TWO, dict(classes='no.txt'), {}, "are the string 'no.txt'"),
        (TWO, dict(classes=3), {}, 'are 3; write a tuple of names'),
        (TWO, dict(classes=('cat', 7)), {}, 'number 2 is 7; it must be a name'),
        (TWO, dict(classes=('cat', '')), {}, "number 2 is ''"),
        (
            TWO,
            dict(metainfo=dict(CLASSES=('cat', 'dog'))),
            {},
            "nothing reads the key 'CLASSES' of metainfo",
        ),
        (TWO, dict(data_root=7), {}, 'dataset.data_root is 7; it must be a path'),
        (TWO, dict(data_prefix=dict(img_path=7)), {}, 'data_prefix is 7; it must be'),
        (TWO, dict(data_prefix='train/cat/a.png'), {}, 'there is no folder'),
        # classes and topk
        (TWO, {}, dict(head=dict(num_classes=1000)), 'head.num_classes=2, or metai'),
        (
            TWO,
            {},
            dict(val=dict(type='Accuracy', topk=(1, 5))),
            'val_evaluator.topk is (1, 5), but there are 2 classes: set '
            'val_evaluator.topk=(1,)',
        ),
        (
            TWO,
            {},
            dict(val=[dict(type='SingleLabelMetric'), dict(type='Accuracy', topk=5)]),
            'val_evaluator.1.topk is 5, but there are 2 classes',
        ),
        (TWO, {}, dict(val=dict(type='Accuracy', topk='1')), "topk is '1'; it must"),
        (TWO, {}, dict(val=dict(type='Accuracy', topk=(0,))), 'it must be a whole'),
        (TWO, {}, dict(val=dict(type='Accuracy', topk=())), 'it must be a whole'),
        (
            TWO,
            {},
            dict(head=dict(num_classes=2, topk=(1, 5), cal_acc=True)),
            'model.head.topk is (1, 5), but there are 2',
        ),
        # what mixes labels
        (
            TWO,
            {},
            dict(
                data_preprocessor=dict(num_classes=1000),
                train_cfg=dict(augments=dict(type='Mixup', alpha=0.8)),
            ),
            'data_preprocessor.num_classes is 1000, but the data of train_datal',
        ),
        (
            TWO,
            {},
            dict(
                model_preprocessor=dict(
                    num_classes=1000, batch_augments=dict(augments=[])
                )
            ),
            'model.data_preprocessor.num_classes is 1000',
        ),
        (
            TWO,
            {},
            dict(train_cfg=dict(augments=dict(type='Mixup', num_classes=9))),
            'model.train_cfg.augments.num_classes is 9',
        ),
        (
            TWO,
            {},
            dict(train_cfg=dict(augments=dict(type='Mixup', alpha=0.8))),
            'set model.data_preprocessor.num_classes=2',
        ),
    ],
)
def test_what_is_refused(here, files, dataset, others, message):
    write_images(here / 'own', *files)
    dataset = {**own('train'), **dataset}
    val = others.pop('val', None)
    cfg = dict(
        model=dict(
            head=others.get('head'),
            train_cfg=others.get('train_cfg'),
            data_preprocessor=others.get('model_preprocessor'),
        ),
        data_preprocessor=others.get('data_preprocessor'),
        val_evaluator=val,
    )
    with pytest.raises(UserError, match=re.escape(message)) as error:
        check(dataset, dataset if val else None, **cfg)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'others',
    [
        # k is cut to the number of classes by our own metric
        dict(val_evaluator=dict(type='projects.Accuracy', topk=(1, 5))),
        # nothing reads these, as in most of mmpretrain's configs
        dict(model=dict(head=dict(num_classes=2, topk=(1, 5)))),
        dict(data_preprocessor=dict(num_classes=1000)),
    ],
)
def test_what_runs_is_not_refused(here, others):
    write_images(here / 'own', *TWO)
    assert check(own('train'), own('train'), **others) == []


@pytest.mark.parametrize(
    ('files', 'notice'),
    [
        (('train/cat/a.png',), 'holds a single folder, cat, so that there is a s'),
        (('train/train/a.png', 'train/val/a.png'), "set data_prefix='train' for"),
        ((*TWO, 'train/b.png'), '1 images stand beside the folders'),
        (
            (*TWO, 'train/cat/b.webp', 'train/cat/c.webp', 'train/dog/notes'),
            '3 of 5 files are left out for their suffix: .webp (2), notes (1)',
        ),
    ],
)
def test_what_is_noticed_of_folders(here, files, notice):
    for name in files:
        (here / 'own' / name).parent.mkdir(parents=True, exist_ok=True)
        (here / 'own' / name).touch()
    (found,) = check(own('train'))
    assert notice in found


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'a.png 0\n\nb.png 1\n', "line 2: '' is not"),
        (b'a.png\t0\nb.png\t1\n', "line 1: 'a.png\\t0' is not"),
        (b'a.png,0\n', 'line 1'),
        (b'a.png cat\n', 'line 1'),
        (b'a.png 1.0\n', 'line 1'),
        (b'a.png -1\n', 'line 1'),
        ('a.png \u00b2\n'.encode(), 'line 1'),
        (b'a.png 99999999999999999999\n', 'line 1'),
        (b'a.png 0\nb.png 2\n', 'line 2: label 2, but there are 2 classes'),
        (b'a.png 0\nb\x00.png 1\n', 'line 2'),
        (b'\xef\xbb\xbfa.png 0\n', 'begins with a byte order mark'),
        ('a.png 0\n'.encode('utf-16'), 'is not a text file in UTF-8'),
        (b'a.png 0\nmore 1\n', '1 of 2 images of own/train.txt are missing'),
    ],
)
@pytest.mark.parametrize('stated', [dict(classes=('cat', 'dog')), {}])
def test_lists_that_mmpretrain_cannot_read(here, content, message, stated):
    write_images(here / 'own', 'a.png', 'b.png', 'more/c.png')
    (here / 'own/train.txt').write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        check(
            own('', ann_file='train.txt', **stated),
            model=dict(head=dict(num_classes=2)),
        )
    assert '\n' not in str(error.value)


def test_lists_that_are_read_all_the_same(here):
    write_images(here / 'own', 'a.png', 'b c.png')
    (here / 'own/train.txt').write_bytes(b'a.png 0\r\n b c.png 1 \r\n')
    dataset = own('', ann_file='train.txt', classes=('cat', 'dog'))
    assert check(dataset) == []
    del dataset['type']
    assert CustomDataset(**dataset).get_gt_labels().tolist() == [0, 1]
    (here / 'own/train.txt').write_bytes(b'a.png 1')
    assert (
        'label of each image is 1, nothing to learn' in check({**own(''), **dataset})[0]
    )


def test_links_in_a_circle_end(here):
    write_images(here / 'own', *TWO)
    (here / 'own/train/cat/again').symlink_to(here / 'own/train')
    with pytest.raises(UserError, match='is a link to a folder that it is in'):
        check(own('train'))


@pytest.mark.parametrize('call', ['scandir', 'open'])
def test_what_cannot_be_read_is_named(here, monkeypatch, call):
    write_images(here / 'own', 'a.png', *TWO)
    (here / 'own/train.txt').write_text('a.png 0\n')

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('os.scandir' if call == 'scandir' else 'builtins.open', refuse)
    dataset = own('train') if call == 'scandir' else own('', ann_file='train.txt')
    with pytest.raises(UserError, match='cannot be read: Permission denied'):
        check(dataset)


def test_a_training_does_not_fail_for_its_test_data(here):
    write_images(here / 'own', *TWO)
    cfg = dict(
        default_scope='mmpretrain',
        train_dataloader=dict(dataset=own('train')),
        test_dataloader=dict(dataset=own('none')),
    )
    (notice,) = check_classification_data(Config(cfg))
    assert notice.startswith('a test would fail, this training does not: test_data')
    del cfg['train_dataloader']
    with pytest.raises(UserError, match=r'test_dataloader: .* no folder'):
        check_classification_data(Config(cfg))


# ----------------------------------------------------------------- ImageNet
@pytest.fixture
def imagenet(here):
    """train/ by folders, val/ by a list, two images of 1,000 classes."""
    write_images(
        here / 'data/imagenet', *(f'train/n{i:08}/a.JPEG' for i in range(1000))
    )
    write_images(here / 'data/imagenet/val', 'ILSVRC2012_val_00000001.JPEG')
    (here / 'data/imagenet/meta').mkdir()
    (here / 'data/imagenet/meta/val.txt').write_text(
        'ILSVRC2012_val_00000001.JPEG 65\n'
    )
    return here / 'data/imagenet'


def test_imagenet_in_both_layouts(imagenet):
    assert check_classification_data(base_config('imagenet')) == []
    (imagenet / 'meta/val.txt').unlink()
    with pytest.raises(
        UserError,
        match=(
            r'val_dataloader: ImageNet looks in .*/imagenet/val .*which holds '
            r'no folder: .*val holds ILSVRC2012_val_00000001\.JPEG\. A folder '
            r'per class holds its images, or a list, meta/val\.txt with .*'
            r'Nothing is downloaded: see https://www\.image-net\.org'
        ),
    ):
        check_classification_data(base_config('imagenet'))
    (imagenet / 'val').rename(imagenet / 'flat')
    (imagenet / 'train').rename(imagenet / 'val')
    cfg = base_config('imagenet')
    cfg.pop('train_dataloader')
    assert check_classification_data(cfg) == []


def test_imagenet_is_missing_or_not_whole(imagenet):
    (imagenet / 'train/n00000007/a.JPEG').unlink()
    (notice,) = check_classification_data(base_config('imagenet'))
    assert 'imagenet/train: 1 of 1000 folders hold no image' in notice
    assert notice.endswith('n00000007')
    (imagenet / 'train/n00000007').rmdir()
    with pytest.raises(
        UserError,
        match=r'holds 999 folders \(n00000000, .*'
        r'has 1000 classes \(tench',
    ):
        check_classification_data(base_config('imagenet'))
    with pytest.raises(
        UserError,
        match=(
            r'train_dataloader: ImageNet looks in .*/elsewhere/train .*'
            r'image-net\.org'
        ),
    ):
        check_classification_data(
            base_config(
                'imagenet', **{'train_dataloader.dataset.data_root': 'elsewhere'}
            )
        )


def test_test_split_of_imagenet_has_no_labels(here):
    assert check(val=dict(type='ImageNet', data_root='nowhere', split='test')) == []


# -------------------------------------------------------------- in the tools
@pytest.mark.parametrize(
    'config', ['lenet5_1xb128-10e_mnist', 'lenet5_1xb128-10e_fashion-mnist']
)
def test_tools_refuse_before_they_write(fresh, error_of, tmp_path, config):
    path = str(config_root() / f'lenet/{config}.py')
    error = error_of(train, path, 'run')
    assert '4 of the 4 files of ' in error
    Path('some.pth').touch()
    assert 'test_dataloader: 4 of the 4 files' in error_of(
        evaluate, path, 'some.pth', 'run'
    )
    assert not Path('run').exists()


def test_notices_reach_the_log(fresh, tmp_path, capsys):
    write_images(tmp_path / 'own', 'train/cat/a.png', 'train/dog/a.png')
    (tmp_path / 'own/train/owl').mkdir()
    Path('own.py').write_text(f"""
_base_ = '{config_root()}/lenet/lenet5-modern_1xb64-20e_digits.py'
pipeline = [dict(type='projects.LoadImageFromFile', color_type='grayscale'),
            dict(type='Resize', scale=(28, 28)), dict(type='PackInputs')]
model = dict(head=dict(num_classes=3))
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    _delete_=True, type='CustomDataset', data_root='own/train',
    pipeline=pipeline))
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
train_cfg = dict(max_epochs=1)
""")
    train('own.py', 'run')
    assert '1 of 3 folders hold no image' in capsys.readouterr().out


def test_detection_data_are_left_to_their_own_check():
    dataset = dict(
        type='mmdet.CocoDataset',
        data_root='nowhere',
        ann_file='a.json',
        data_prefix=dict(img='b'),
    )
    cfg = Config(dict(default_scope='mmdet', train_dataloader=dict(dataset=dataset)))
    assert check_classification_data(cfg) == []
