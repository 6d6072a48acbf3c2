"""Data of one's own by one key of a config."""

import json

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmengine.registry import DefaultScope
from mmpretrain.datasets import CustomDataset

from projects.core.config import load_config
from projects.core.datasets.folds import Fold
from projects.core.errors import UserError
from projects.core.tasks.task import task_of
from projects.core.variants import config_root
from projects.registry import DATASETS

LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
YOLO = 'yolov1/yolov1-mini_1xb16-15e_digits-coco.py'
RESNET = 'resnet/resnet18_8xb32-90e_imagenet.py'
CONVNEXT = 'convnext/convnext-mini_1xb32-accum2-60e_digits.py'
FASTER = 'swin/faster-rcnn-swin-t_8xb2-12e_coco.py'
VOC = 'ssd/ssd300_4xb8-232e_voc0712.py'
SMALL = [
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    *(
        f'{split}_dataloader.{key}'
        for split in ('train', 'val', 'test')
        for key in ('num_workers=0', 'persistent_workers=False')
    ),
]

pytestmark = pytest.mark.usefixtures('few_objects')


def write_image(path, size=12):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size, size, 3), 90, np.uint8))


def make_folders(root, splits=('train', 'val'), names=('a b', 'cat', 'Zoë')):
    for split in splits:
        for name in names:
            for i in range(2):  # in folders below that of the class, too
                write_image(root / split / name / ('' if i else 'more') / f'{i} x.png')
    return root


def make_coco(root, files, names=('cat', 'dog', 'owl'), boxed=None):
    """Write annotation files, ``{path: folder of the images}``, of two images each."""
    for path, folder in files.items():
        images, annotations = [], []
        for i in range(2):
            name = f'{path.replace("/", "-")}-{i}.png'
            write_image(root / folder / name)
            images.append(dict(id=i, file_name=name, width=12, height=12))
            annotations += [
                dict(
                    id=len(annotations) + k + 1,
                    image_id=i,
                    category_id=7 * k,
                    bbox=[1, 2, 6, 5],
                    area=30,
                    iscrowd=0,
                )
                for k in range(boxed or len(names))
            ]
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        categories = [dict(id=7 * k, name=name) for k, name in enumerate(names)]
        content = dict(images=images, annotations=annotations, categories=categories)
        (root / path).write_text(json.dumps(content))
    return root


def load(config, root, *options):
    return load_config(config, [f'data_root={root}', *options])


def of(cfg, split='train'):
    return cfg[f'{split}_dataloader'].dataset


def built(cfg, split='train'):
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build({**of(cfg, split), 'pipeline': []})
    assert isinstance(dataset, (CocoDataset, CustomDataset))
    return dataset


def parts_of(cfg):
    """What a run is made of, and the samples of its data sets."""
    samples = {}
    for split in ('train', 'val', 'test'):
        dataset = of(cfg, split)
        samples[split] = (
            built(cfg, split).load_data_list(),
            dataset.pipeline,
            dataset.get('filter_cfg'),
            dataset.get('test_mode', False),
        )
    names = ('model', 'val_evaluator', 'test_evaluator', 'default_hooks', 'train_cfg')
    return samples, {name: cfg[name] for name in names}


LONG_CLASSES = """
_base_ = '{base}'
data_root = '{root}/'
model = dict(head=dict(num_classes=3))
loader = [dict(type='projects.LoadImageFromFile', color_type='grayscale')]
train_dataloader = dict(dataset=dict(
    _delete_=True, type='CustomDataset', data_root=data_root + 'train',
    pipeline=loader + _base_.train_pipeline))
val_dataloader = dict(dataset=dict(
    _delete_=True, type='CustomDataset', data_root=data_root + 'val', test_mode=True,
    pipeline=loader + _base_.test_pipeline))
test_dataloader = val_dataloader
"""
LONG_BOXES = """
_base_ = '{base}'
classes = ('cat', 'dog', 'owl')
data_root = '{root}/'
model = dict(bbox_head=dict(num_classes=3))
dataset = dict(type='CocoDataset', metainfo=dict(classes=classes),
    data_root=data_root, data_prefix=dict(img='images/'))
train_dataloader = dict(dataset=dict(
    _delete_=True, **dataset, ann_file='train.json', pipeline=_base_.train_pipeline,
    filter_cfg=dict(filter_empty_gt=False)))
val_dataloader = dict(dataset=dict(
    _delete_=True, **dataset, ann_file='val.json', pipeline=_base_.test_pipeline,
    test_mode=True))
"""
REST = """
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'val.json')
test_evaluator = val_evaluator
"""


@pytest.fixture
def pets(tmp_path):
    files = {'train.json': 'images', 'val.json': 'images'}
    return make_coco(tmp_path / 'my pets', files)


@pytest.fixture
def folders(tmp_path):
    return make_folders(tmp_path / 'my classes')


@pytest.fixture
def write(tmp_path):
    def call(text, name='my.py', **values):
        path = tmp_path / name
        path.write_text(text.format(**values))
        return str(path)

    return call


def test_short_and_long_form_of_folders_are_one(folders, write):
    base = config_root() / LENET
    long = load_config(write(LONG_CLASSES, base=base, root=folders))
    assert long.own_data == []
    short = write("_base_ = '{base}'\ndata_root = '{root}'", base=base, root=folders)
    assert parts_of(load_config(short)) == parts_of(long)
    assert parts_of(load(LENET, folders)) == parts_of(long)


@pytest.mark.parametrize('rest', [REST, ''], ids=['long', 'mixed'])
def test_short_and_long_form_of_boxes_are_one(pets, write, rest):
    base = config_root() / YOLO
    long = load_config(write(LONG_BOXES + rest, base=base, root=pets))
    short = write(
        "_base_ = '{base}'\ndata_root = '{root}/'", 'short.py', base=base, root=pets
    )
    assert parts_of(load_config(short)) == parts_of(long)
    child = write("_base_ = './short.py'\nrandomness = dict(seed=1)", 'child.py')
    assert parts_of(load_config(child)) == parts_of(long)


@pytest.mark.parametrize(
    ('files', 'img'),
    [
        ({'train.json': 'images', 'val.json': 'images'}, 'images/'),
        (
            {
                'annotations/instances_train2017.json': 'train2017',
                'annotations/instances_val2017.json': 'val2017',
            },
            'train2017/',
        ),
        (
            {
                'train/_annotations.coco.json': 'train',
                'valid/_annotations.coco.json': 'valid',
                'test/_annotations.coco.json': 'test',
            },
            'train/',
        ),
        ({'annotations/pets_train.json': 'p', 'annotations/pets_val.json': 'p'}, 'p/'),
    ],
)
def test_annotations_and_images_are_found(tmp_path, files, img):
    cfg = load(YOLO, make_coco(tmp_path, files))
    paths = list(files)
    assert of(cfg).ann_file == paths[0]
    assert of(cfg).data_prefix.img == img
    assert of(cfg, 'test').ann_file == paths[-1]
    assert cfg.val_evaluator.ann_file == f'{tmp_path}/{paths[1]}'
    assert cfg.test_evaluator.ann_file == f'{tmp_path}/{paths[-1]}'
    assert of(cfg).metainfo.classes == ('cat', 'dog', 'owl')
    assert '3 classes: cat, dog, owl' in cfg.own_data[0]


def test_places_may_be_named(tmp_path):
    make_coco(tmp_path, {'x/one.json': 'deep/er', 'x/two.json': 'deep/er'})
    cfg = load(YOLO, tmp_path, 'train.ann_file=x/one.json', 'val=x/two.json')
    assert (of(cfg).ann_file, of(cfg, 'val').ann_file) == ('x/one.json', 'x/two.json')
    assert of(cfg).data_prefix.img == 'deep/er/'


@pytest.mark.parametrize(
    ('config', 'counts'),
    [
        (YOLO, ['bbox_head.num_classes']),
        (FASTER, ['roi_head.bbox_head.num_classes']),
        (VOC, ['bbox_head.num_classes']),
        (LENET, ['head.num_classes']),
        (CONVNEXT, ['head.num_classes', 'data_preprocessor.num_classes']),
        ('mmpretrain::resnet/resnet18_8xb32_in1k.py', ['head.num_classes']),
    ],
)
def test_model_has_the_classes_of_the_data(pets, folders, config, counts):
    is_detector = config in (YOLO, FASTER, VOC)
    cfg = load(config, pets if is_detector else folders)
    for key in counts:
        value = cfg.model
        for name in key.split('.'):
            value = value[name]
        assert value == 3
    if cfg.get('data_preprocessor'):  # the runner's
        assert cfg.data_preprocessor.num_classes == 3
        assert cfg.val_evaluator.topk == (1,)  # of mmpretrain's, which refuses 5
    if is_detector:
        assert cfg.val_evaluator.type == 'projects.CocoMetric'
        assert cfg.val_evaluator.ann_file == f'{pets}/val.json'
        assert cfg.default_hooks.checkpoint.save_best in ('coco/bbox_mAP', 'auto')


@pytest.mark.parametrize('names', [('Zoë', 'a b'), ('cat', 'a b')])
def test_chosen_folders_are_labels_in_their_order(folders, names):
    cfg = load(LENET, folders, f'classes={names}')
    dataset = built(cfg)
    assert dataset.metainfo['classes'] == names
    assert cfg.model.head.num_classes == 2
    for sample in dataset.load_data_list():
        assert f'/{names[sample["gt_label"]]}/' in sample['img_path']


def test_chosen_categories_are_in_the_order_of_the_file(pets):
    cfg = load(YOLO, pets, 'classes=owl,cat')  # by which mmdet numbers labels
    assert of(cfg).metainfo.classes == of(cfg, 'val').metainfo.classes == ('cat', 'owl')
    assert cfg.model.bbox_head.num_classes == 2


def test_numbers_of_an_option_are_names(tmp_path):
    make_coco(tmp_path, {'train.json': '', 'val.json': ''}, ('2', '10', 'x'))
    assert of(load(YOLO, tmp_path, 'classes=10,2')).metainfo.classes == ('2', '10')


def test_classes_that_the_loaders_have_are_not_looked_for(write):
    path = write(
        "_base_ = '{base}'\nclasses = ('cat', )\nnames = dict(classes=classes)\n"
        'train_dataloader = dict(dataset=dict(metainfo=names))\n'
        'val_dataloader = test_dataloader = train_dataloader',
        base=config_root() / FASTER,
    )
    cfg = load_config(path)  # without data on this machine
    assert cfg.own_data == []
    assert of(cfg).metainfo.classes == ('cat',)


def test_hidden_folders_are_no_classes(folders):
    (folders / 'train/.ipynb_checkpoints').mkdir()
    cfg = load(LENET, folders)
    assert built(cfg).metainfo['classes'] == ('Zoë', 'a b', 'cat')
    assert built(cfg, 'val').metainfo['classes'] == ('Zoë', 'a b', 'cat')
    assert len(built(cfg)) == 6


def test_a_class_without_a_folder_for_validation(folders):
    (folders / 'train/dog').mkdir()
    assert load(LENET, folders).own_data[1].startswith('dog: no sample')


def test_a_folder_above_that_of_the_base_is_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_coco(tmp_path / 'data', {'train.json': 'i', 'val.json': 'i'})
    assert of(load(YOLO, 'data')).data_root == 'data'  # not data/digits-coco


def test_home_and_number_of_classes(pets, monkeypatch):
    monkeypatch.setenv('HOME', str(pets.parent))
    cfg = load(YOLO, '~/my pets', 'model.bbox_head.num_classes=7')
    assert of(cfg).data_root == str(pets)
    assert cfg.own_data[1] == 'set by the data: model.bbox_head.num_classes=3, not 7'


def test_a_model_that_states_no_number_of_classes(pets):
    cfg = load('mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py', pets)
    assert 'states no num_classes of a head' in cfg.own_data[1]


def test_categories_without_a_box_are_told(tmp_path):
    make_coco(tmp_path, {'train.json': '', 'val.json': ''}, boxed=2)
    assert load(YOLO, tmp_path).own_data[1].startswith('owl: no sample to train on')


def test_published_data_elsewhere_stay_what_they_are(tmp_path):
    (tmp_path / 'cifar-10-batches-py').mkdir()
    base = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'
    cfg = load(base, tmp_path)
    assert of(cfg).type == 'CIFAR10'
    assert of(cfg).data_root == of(cfg, 'val').data_root == str(tmp_path)
    assert cfg.model.head.num_classes == 10


def test_voc_elsewhere_with_classes_of_its_own(tmp_path):
    lists = tmp_path / 'VOC2007/ImageSets/Main'
    lists.mkdir(parents=True)
    (lists / 'trainval.txt').write_text('a\n')
    cfg = load(VOC, tmp_path, 'classes=cat,dog')
    for dataset in (*of(cfg).datasets, of(cfg, 'val'), of(cfg, 'test')):
        assert dataset.type == 'VOCDataset'
        assert dataset.data_root == str(tmp_path)
        assert dataset.metainfo.classes == ('cat', 'dog')
    assert cfg.model.bbox_head.num_classes == 2
    assert cfg.val_evaluator.type == 'VOCMetric'


def test_variables_of_other_kinds_of_data_are_let_alone(write):
    base = config_root() / 'gan/gan-mlp_1xb64-4500i_ring8.py'
    path = write("_base_ = '{base}'\nclasses = ('a', 'b')", base=base)
    assert of(load_config(path)) == of(load_config(str(base)))


def test_texts_and_generators_read_another_folder(tmp_path):
    gpt = load('gpt/gpt2-small_8xb16-accum4-2400k_webtext.py', tmp_path, 'val=v.txt')
    assert {of(gpt, s).corpus.data_root for s in ('train', 'val')} == {str(tmp_path)}
    assert of(gpt).corpus.val == 'v.txt'
    gan = load('gan/dcgan-64_1xb64-79k_images.py', tmp_path)
    assert (of(gan).data_root, of(gan).data_prefix) == (str(tmp_path), '')
    with pytest.raises(UserError, match='not known how to pass that on to projects'):
        load('gan/dcgan-mini_1xb64-1200i_digits.py', tmp_path)


def test_copy_in_the_work_dir_says_the_same(pets, tmp_path):
    cfg = load(YOLO, pets)
    (tmp_path / 'copy.py').write_text(cfg.pretty_text)
    copy = load_config(str(tmp_path / 'copy.py'))
    assert copy.own_data == []
    assert parts_of(copy) == parts_of(cfg)
    other = make_coco(tmp_path / 'other', {'train.json': '', 'val.json': ''}, ('one',))
    moved = load(str(tmp_path / 'copy.py'), other)
    assert of(moved).metainfo.classes == ('one',)
    assert moved.val_evaluator.ann_file == f'{other}/val.json'


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('data_root=no/such', r"data_root = 'no/such' .*there is no folder"),
        ('train.image=x', r"nothing reads the key 'image'"),
        ('data_root=3', r'data_root = 3 .* must be a folder, as text'),
        ('train=3', r'train = 3 .* write train=dict\(ann_file='),
        ('train=tarin.json', r'no annotation file .*holds images/, train.json'),
        ('classes=[cat,dgo]', r"no class 'dgo' .*did you mean 'dog'\?"),
        ('classes=()', r'there are none; .* has cat, dog, owl'),
        ('classes=[cat,cat]', r'hold cat more than once'),
        ('classes=cat', r"classes is the text 'cat'.*write classes=\('cat', \)"),
    ],
)
def test_refusals(pets, option, message):
    with pytest.raises(UserError, match=message):
        load(YOLO, pets, option)


def test_classes_of_published_data_cannot_be_chosen():
    with pytest.raises(UserError, match='DigitsDataset are published data'):
        load_config(LENET, ['classes=3,5'])


@pytest.mark.parametrize('place', ['metainfo=dict(classes=C)', 'classes=C'])
def test_text_for_a_tuple_of_classes(write, place):
    dataset = place.replace('C', "('cat')")
    path = write(
        "_base_ = '{base}'\nval_dataloader = dict(dataset=dict({dataset}))",
        base=config_root() / YOLO,
        dataset=dataset,
    )
    with pytest.raises(UserError, match=r"classes is the text 'cat'.* \('cat', \)|'c"):
        load_config(path)


def test_file_of_classes(pets, tmp_path):
    (tmp_path / 'classes.txt').write_text('dog\nowl\n')
    cfg = load(YOLO, pets, f'classes={tmp_path}/classes.txt')
    assert of(cfg).metainfo.classes == ('dog', 'owl')


@pytest.mark.parametrize(
    ('config', 'kind', 'message'),
    [
        (YOLO, 'folders', r'no data for train as annotations.*learnt by a classifier'),
        (LENET, 'pets', r'no data for train as images.*learnt by a detector'),
    ],
)
def test_data_of_another_kind(config, kind, message, request):
    with pytest.raises(UserError, match=message):
        load(config, request.getfixturevalue(kind))


def test_two_files_that_could_be_meant(tmp_path):
    make_coco(tmp_path, {'train_a.json': '', 'train_b.json': ''})
    with pytest.raises(UserError, match=r"choose one, train='train_a.json'"):
        load(YOLO, tmp_path)


def test_a_file_that_is_proposed_is_not_of_the_test(tmp_path):
    make_coco(tmp_path, {'test.json': 'i', 'trainval.json': 'i'})
    with pytest.raises(UserError, match=r"Name the file: train='trainval.json'"):
        load(YOLO, tmp_path)


def test_images_that_are_nowhere(pets):
    for image in (pets / 'images').iterdir():
        image.unlink()
    with pytest.raises(UserError, match=r'is in no folder of .*train=dict\(img='):
        load(YOLO, pets)


def test_training_without_validation_data(tmp_path, fresh, error_of):
    from projects.core.engine import train

    options = [f'data_root={tmp_path}/data', *SMALL]
    make_folders(tmp_path / 'data', splits=('',))
    message = error_of(train, LENET, 'run', cfg_options=options)
    assert 'no data for val' in message
    assert '--folds 5' in message
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(('config', 'kind'), [(LENET, 'folders'), (YOLO, 'boxes')])
def test_folds_of_data_without_a_split(tmp_path, config, kind):
    if kind == 'folders':
        make_folders(tmp_path, splits=('',))
    else:
        make_coco(tmp_path, {'annotations/instances_default.json': 'images'})
    cfg = load(config, tmp_path)
    task = task_of(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        folds = task.hold_out(cfg, Fold(0, 2, seed=0))
        task.prepare(cfg)
        assert [n for n in task.check_data(cfg) if 'test' in n] == []
    assert sum(folds.sizes) == (6 if kind == 'folders' else 2)
    if kind == 'boxes':
        assert cfg.val_evaluator.ann_file == f'{tmp_path}/{of(cfg).dataset.ann_file}'


def log_of(work_dir):
    return ''.join(file.read_text() for file in work_dir.rglob('*.log'))


def test_trained_tested_and_applied(folders, tmp_path, fresh):
    from projects.core.engine import evaluate, infer, train

    options = [f'data_root={folders}', 'classes=cat,Zoë', *SMALL]
    runner = train(LENET, 'run', cfg_options=options)
    assert (
        'train: 4 images in train/; val: 4 images in val/; 2 classes: cat, Zoë'
    ) in log_of(tmp_path / 'run')
    fresh()
    scores = evaluate(LENET, 'run/epoch_1.pth', cfg_options=options)
    assert scores['accuracy/top1'] in (0, 25, 50, 75, 100)
    assert 'was trained on other classes' not in log_of(tmp_path / 'work_dirs')
    fresh()
    other = [f'data_root={folders}', 'classes=Zoë,cat', *SMALL]
    evaluate(LENET, 'run/epoch_1.pth', work_dir='other', cfg_options=other)
    told = "label 0 is 'cat' there and 'Zoë' in the data of this test"
    assert told in log_of(tmp_path / 'other')
    rows = infer('run/epoch_1.pth', str(folders / 'val/cat'))
    assert {p['class'] for p in rows[0]['predictions']} == {'cat', 'Zoë'}
    assert runner.train_dataloader.dataset.metainfo['classes'] == ('cat', 'Zoë')


def test_detector_is_trained_tested_and_applied(pets, write_tiny, tmp_path, fresh):
    from projects.core.engine import evaluate, infer, train

    config = write_tiny(tmp_path / 'tiny.py', 'data/none')
    options = [f'data_root={pets}', *SMALL]
    train(config, 'run', cfg_options=options)
    fresh()
    scores = evaluate(config, 'run/epoch_1.pth', cfg_options=options)
    assert 'coco/bbox_mAP' in scores
    rows = infer('run/epoch_1.pth', str(pets / 'images'), score_thr=0)
    assert {row['category'] for row in rows} <= {'cat', 'dog', 'owl'}
