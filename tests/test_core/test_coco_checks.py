import gzip
import json
import subprocess
import sys

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from projects.core.errors import UserError
from projects.core.tasks.detection.data_checks import check_detection_data
from projects.registry import DATASETS

CLASSES = ('cat', 'dog')
pytestmark = pytest.mark.usefixtures('few_objects')


@pytest.fixture
def tree(tmp_path):
    """COCO data of two 100 x 80 images; ``write`` alters the file."""
    return CocoTree(tmp_path / 'data')


class CocoTree:
    def __init__(self, root):
        self.root = root
        self.ann_file = root / 'annotations' / 'train.json'
        self.ann_file.parent.mkdir(parents=True)
        (root / 'images').mkdir()
        for name in ('a.jpg', 'b.jpg'):
            (root / 'images' / name).touch()
        self.data = dict(
            images=[
                dict(id=1, file_name='a.jpg', width=100, height=80),
                dict(id=2, file_name='b.jpg', width=100, height=80),
            ],
            annotations=[
                annotation(1, 1, 11, [10, 10, 20, 20]),
                annotation(2, 1, 12, [30, 30, 20, 20]),
                annotation(3, 2, 11, [0, 0, 100, 80]),
            ],
            categories=[dict(id=11, name='cat'), dict(id=12, name='dog')],
        )
        self.write()

    def write(self, name='train.json', **changes):
        (self.ann_file.parent / name).write_text(json.dumps(dict(self.data, **changes)))

    def dataset(self, **changes):
        return dict(
            dict(
                type='CocoDataset',
                data_root=f'{self.root}/',
                ann_file='annotations/train.json',
                data_prefix=dict(img='images/'),
                metainfo=dict(classes=CLASSES),
            ),
            **changes,
        )


def annotation(id_, image_id, category_id, bbox, **changes):
    return dict(
        dict(
            id=id_,
            image_id=image_id,
            category_id=category_id,
            bbox=bbox,
            area=bbox[2] * bbox[3],
            iscrowd=0,
        ),
        **changes,
    )


def config(train=None, val=None, **others):
    loaders = {
        f'{split}_dataloader': dict(dataset=dataset)
        for split, dataset in (('train', train), ('val', val))
        if dataset
    }
    return Config(dict(default_scope='mmdet', **loaders, **others))


def check(*args, **kwargs):
    return check_detection_data(config(*args, **kwargs))


def num_instances(dataset_cfg):
    """Boxes that mmdet itself gives for training."""
    dataset = CocoDataset(
        **{k: v for k, v in dataset_cfg.items() if k != 'type'}, pipeline=[]
    )
    return sum(len(dataset.get_data_info(i)['instances']) for i in range(len(dataset)))


def test_sound_data_give_no_notice(tree):
    evaluator = dict(type='projects.CocoMetric', ann_file=str(tree.ann_file))
    assert (
        check(
            tree.dataset(),
            tree.dataset(),
            val_evaluator=evaluator,
            test_evaluator=[evaluator],
            model=dict(bbox_head=dict(num_classes=2)),
        )
        == []
    )


@pytest.mark.parametrize(
    'wrap',
    [
        lambda d: dict(type='RepeatDataset', times=2, dataset=d),
        lambda d: dict(type='ConcatDataset', datasets=[d, d]),
        lambda d: dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=d),
        lambda d: dict(
            type='MultiImageMixDataset',
            pipeline=[],
            dataset=dict(type='RepeatDataset', times=2, dataset=d),
        ),
    ],
)
def test_wrapped_datasets_are_found(tree, wrap):
    with pytest.raises(UserError, match='there is no annotation file'):
        check(wrap(tree.dataset(ann_file='none.json')))


@pytest.mark.parametrize(
    'dataset',
    [
        dict(type='mmpretrain.CIFAR10', data_root='nowhere'),
        dict(
            type='mmdet.LVISV1Dataset',
            data_root='nowhere',
            ann_file='a.json',
            metainfo=dict(classes=CLASSES),
        ),
        dict(
            type='CocoDataset',
            ann_file='s3://bucket/a.json',
            metainfo=dict(classes=CLASSES),
        ),
        dict(
            type='CocoDataset',
            ann_file='a.json',
            metainfo=dict(classes=CLASSES),
            backend_args=dict(backend='petrel'),
        ),
    ],
)
def test_datasets_that_are_not_known_or_not_here_are_skipped(dataset):
    assert check(dataset) == []


def test_data_that_a_dataset_makes_itself_are_not_missed(monkeypatch):

    class DigitsCocoDataset:
        METAINFO = dict(classes=CLASSES)

    monkeypatch.setitem(DATASETS.module_dict, 'MadeByATest', DigitsCocoDataset)
    dataset = dict(type='projects.MadeByATest', ann_file='not/made.json')
    evaluator = dict(type='projects.CocoMetric', ann_file='not/made.json')
    assert check(dataset, dataset, val_evaluator=evaluator) == []
    with pytest.raises(UserError, match='num_classes is 10'):
        check(dataset, model=dict(bbox_head=dict(num_classes=10)))


def test_missing_annotation_file(tree):
    with pytest.raises(
        UserError,
        match=(
            r'val_dataloader: there is no annotation file '
            r".*/data/annotations/val\.json \(data_root='.*/data/', "
            r"ann_file='annotations/val\.json'\); .*/data/annotations holds "
            r'train\.json'
        ),
    ):
        check(tree.dataset(), tree.dataset(ann_file='annotations/val.json'))


def test_missing_data_root(tree):
    (tree.root / '.hidden').touch()
    with pytest.raises(
        UserError,
        match=(
            r'no folder .*/elsewhere/annotations; .*/data holds '
            'annotations, images$'
        ),
    ):
        check(tree.dataset(data_root=f'{tree.root}/elsewhere'))


def test_absolute_ann_file_needs_no_data_root(tree):
    assert (
        check(
            tree.dataset(
                ann_file=str(tree.ann_file),
                data_root=None,
                data_prefix=dict(img=str(tree.root / 'images')),
            )
        )
        == []
    )


def test_malformed_json(tree):
    tree.ann_file.write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(
        UserError, match=(r'train\.json is not valid JSON: line 2, column 18')
    ):
        check(tree.dataset())


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('[]', 'annotations, categories, images missing, it holds a list'),
        (
            '{"images": [], "shapes": []}',
            'annotations, categories missing, its keys are images, shapes',
        ),
    ],
)
def test_json_that_is_not_coco(tree, content, message):
    tree.ann_file.write_text(content)
    with pytest.raises(UserError, match=rf'not .*in COCO format: {message}'):
        check(tree.dataset())


def test_test_data_need_no_annotations(tree):
    del tree.data['annotations']
    tree.write()
    cfg = Config(
        dict(default_scope='mmdet', test_dataloader=dict(dataset=tree.dataset()))
    )
    assert check_detection_data(cfg) == []
    tree.write(images=[])  # on which mmdet's dataset fails
    with pytest.raises(UserError, match='there is nothing to evaluate'):
        check_detection_data(cfg)


def test_missing_field_is_named(tree):
    del tree.data['annotations'][1]['area']
    tree.write()
    with pytest.raises(
        UserError,
        match=(r'annotations\[1\] \(id 2\) has no area.*area = width \* height'),
    ):
        check(tree.dataset())


@pytest.mark.parametrize('box', [[1, 2, 3], [1, 2, 3, '4'], None])
def test_box_that_is_not_four_numbers(tree, box):
    tree.data['annotations'][1]['bbox'] = box
    tree.write()
    with pytest.raises(
        UserError,
        match=r'bbox of annotation 2 is .*must be '
        'four numbers',
    ):
        check(tree.dataset())


def test_classes_that_do_not_match(tree):
    with pytest.raises(
        UserError,
        match=(
            r'0 of 3 annotations of .*train\.json match .*the file has cat, '
            r'dog, the config has 0, 1, 2, 3, 4, \.\.\..*metainfo=dict\('
        ),
    ):
        check(tree.dataset(metainfo=dict(classes=tuple('0123456789'))))


def test_classes_of_the_dataset_class_count_without_metainfo(tree):
    with pytest.raises(
        UserError, match=(r'num_classes is 2, but .* have 80 classes \(person, bicycle')
    ):
        check(tree.dataset(metainfo=None), model=dict(bbox_head=dict(num_classes=2)))
    tree.write(categories=[dict(id=11, name='animal'), dict(id=12, name='plant')])
    with pytest.raises(UserError, match='the config has person, bicycle'):
        check(tree.dataset(metainfo=dict(CLASSES=CLASSES)))
    with pytest.raises(UserError, match="key is 'classes', in lower case"):
        check(tree.dataset(metainfo=dict(CLASSES=CLASSES)))


def test_single_class_without_its_comma(tree):
    with pytest.raises(UserError, match=r"string 'cat'.*classes=\('cat', \)"):
        check(tree.dataset(metainfo=dict(classes='cat')))


def test_classes_from_a_file(tree, tmp_path):
    (tmp_path / 'classes.txt').write_text('cat\ndog\n')
    assert (
        check(tree.dataset(metainfo=dict(classes=str(tmp_path / 'classes.txt')))) == []
    )


def test_partial_match_is_counted(tree):
    notices = check(tree.dataset(metainfo=dict(classes=('cat', 'owl'))))
    assert len(notices) == 2
    assert '2 of 3 annotations match' in notices[0]
    assert 'left out: dog (1)' in notices[0]
    assert (
        '1 of the 2 classes of the config are no category of the file: owl'
    ) in notices[1]


def test_annotations_without_category_are_counted(tree):
    tree.data['annotations'][1]['category_id'] = 99
    tree.write()
    notices = check(tree.dataset())
    assert 'left out: id 99 without category (1)' in notices[0]


def test_labels_follow_the_file_not_the_config(tree):
    dataset = tree.dataset(metainfo=dict(classes=('dog', 'cat')))
    notices = check(dataset)
    assert len(notices) == 1
    assert "label 0 is 'cat'" in notices[0]
    assert "but 'dog' by that of the classes" in notices[0]
    # so it is: annotation 1, a cat, has label 0 though cat is class 1
    given = CocoDataset(**{k: v for k, v in dataset.items() if k != 'type'})
    assert given.get_data_info(0)['instances'][0]['bbox_label'] == 0


def test_files_that_number_a_class_differently(tree):
    tree.write('val.json', categories=tree.data['categories'][::-1])
    with pytest.raises(
        UserError,
        match=(
            r"class 'dog' has label 1 in .*train\.json, but 0 in "
            r'.*val\.json'
        ),
    ):
        check(tree.dataset(), tree.dataset(ann_file='annotations/val.json'))


@pytest.mark.parametrize(
    ('second', 'what'),
    [(dict(id=13, name='cat'), 'names cat'), (dict(id=11, name='owl'), 'ids 11')],
)
def test_categories_that_are_not_unique(tree, second, what):
    tree.write(categories=[*tree.data['categories'], second])
    with pytest.raises(UserError, match=f'two categories share .*{what}'):
        check(tree.dataset())


def test_annotations_of_unknown_images(tree):
    tree.data['annotations'][2]['image_id'] = '2'
    tree.write()
    with pytest.raises(
        UserError,
        match=(
            r'1 of 3 annotations refer to image ids .*annotation 3 to image '
            r"'2'; the ids must be the same, in type too"
        ),
    ):
        check(tree.dataset())


def test_annotation_ids_used_twice(tree):
    tree.data['annotations'][2]['id'] = 1
    tree.write()
    with pytest.raises(UserError, match=r'1 annotation ids .*once \(1\)'):
        check(tree.dataset())
    with pytest.raises(AssertionError, match='not unique'):
        num_instances(tree.dataset())  # mmdet refuses them, too


def test_annotation_id_0(tree):
    tree.data['annotations'][0]['id'] = 0
    tree.write()
    assert 'has the id 0' in check(tree.dataset())[0]


def test_missing_images(tree):
    (tree.root / 'images' / 'b.jpg').rename(tree.root / 'images' / 'b.JPG')
    with pytest.raises(
        UserError,
        match=(
            r'1 of 2 images of .*train\.json are missing in .*/data/images, '
            r'e\.g\. b\.jpg: .*/images holds b\.JPG\. Set data_root'
        ),
    ):
        check(tree.dataset())


def test_missing_image_folder(tree):
    with pytest.raises(
        UserError,
        match=(
            r'2 of 2 images .*no folder .*/data/pictures; .*/data holds '
            'annotations, images'
        ),
    ):
        check(tree.dataset(data_prefix=dict(img='pictures')))


def test_no_image_prefix(tree):
    with pytest.raises(UserError, match=r'no data_prefix=dict\(img='):
        check(tree.dataset(data_prefix={}))


def test_images_in_subfolders(tree):
    (tree.root / 'images' / 'day').mkdir()
    (tree.root / 'images' / 'a.jpg').rename(tree.root / 'images/day/a.jpg')
    tree.data['images'][0]['file_name'] = 'day/a.jpg'
    tree.write()
    assert check(tree.dataset()) == []
    tree.data['images'][1]['file_name'] = 'day/b.jpg'
    tree.write()
    with pytest.raises(UserError, match=r'1 of 2 .* e\.g\. day/b\.jpg'):
        check(tree.dataset())


@pytest.mark.parametrize(('num_classes', 'raises'), [(2, False), (80, True)])
def test_num_classes_of_the_head(tree, num_classes, raises):
    model = dict(bbox_head=dict(num_classes=num_classes))
    if not raises:
        assert check(tree.dataset(), model=model) == []
        return
    with pytest.raises(
        UserError,
        match=(
            r'num_classes is 80, .*train_dataloader have 2 classes '
            r'\(cat, dog\): set num_classes=2'
        ),
    ):
        check(tree.dataset(), model=model)


@pytest.mark.parametrize(
    ('box', 'area', 'flaw', 'fate', 'num_kept'),
    [
        ([10, 10, 0, 20], 0, 'have no area', 'dropped', 3),
        ([10, 10, 20, 0.5], 10, 'have no area', 'dropped', 3),
        ([10, 10, 20, 20], 0, "have an 'area' field of 0", 'dropped', 3),
        ([100, 10, 20, 20], 400, 'lie wholly outside', 'dropped', 3),
        ([-30, 10, 20, 20], 400, 'lie wholly outside', 'dropped', 3),
        ([90, 10, 20, 20], 400, 'reach over the border', 'clipped', 4),
        ([-1, 10, 20, 20], 400, 'reach over the border', 'clipped', 4),
        (
            [float('nan'), 10, 20, 20],
            400,
            'hold values that are not finite',
            'fix the file',
            3,
        ),
        (
            [10, 10, float('inf'), 20],
            400,
            'hold values that are not finite',
            'fix the file',
            4,
        ),
    ],
)
def test_flawed_boxes_are_counted(tree, box, area, flaw, fate, num_kept):
    tree.data['annotations'].append(annotation(77, 2, 12, box, area=area))
    tree.write()
    notices = check(tree.dataset())
    assert len(notices) == 1
    assert f'1 of 4 boxes {flaw}' in notices[0]
    assert f'(annotations 77): {fate}' in notices[0]
    # what is said of dropping is what mmdet does
    assert num_instances(tree.dataset()) == num_kept


@pytest.mark.parametrize(('x1', 'notices'), [(-0.009, 0), (-0.02, 1)])
def test_rounding_at_the_border_is_no_flaw(tree, x1, notices):
    tree.data['annotations'][0]['bbox'] = [x1, 10, 20, 20]
    tree.write()
    assert len(check(tree.dataset())) == notices


def test_only_the_first_few_boxes_are_named(tree):
    tree.data['annotations'] += [
        annotation(i, 2, 12, [10, 10, 0, 20]) for i in range(70, 80)
    ]
    tree.write()
    assert '10 of 13 boxes have no area' in check(tree.dataset())[0]
    assert '(annotations 70, 71, 72, ...)' in check(tree.dataset())[0]


def test_flawed_boxes_of_validation_are_not_called_dropped(tree):
    tree.data['annotations'].append(annotation(77, 2, 12, [10, 10, 0, 20]))
    tree.write()
    notices = check(val=tree.dataset())
    assert 'they count in the evaluation' in notices[0]


@pytest.mark.parametrize(
    ('box', 'area', 'hint'),
    [
        ([0.1, 0.1, 0.2, 0.3], 0.06, 'look normalised'),
        ([10, 10, 20, 20], 0, "set their 'area' to width"),
        ([300, 10, 20, 20], 400, '1 lie outside the image'),
    ],
)
def test_no_box_is_left_for_training(tree, box, area, hint):
    tree.write(annotations=[annotation(1, 1, 11, box, area=area)])
    with pytest.raises(UserError, match=f'none of the 1 boxes.*{hint}'):
        check(tree.dataset())
    assert num_instances(tree.dataset()) == 0


def test_no_annotations(tree):
    tree.write(annotations=[])
    with pytest.raises(UserError, match='nothing to train on'):
        check(tree.dataset())
    assert 'mAP will be -1' in check(val=tree.dataset())[0]


def test_annotation_file_of_the_evaluator(tree):
    tree.write('val.json')
    other = str(tree.ann_file.with_name('val.json'))
    notices = check(
        val=tree.dataset(), val_evaluator=dict(type='CocoMetric', ann_file=other)
    )
    assert len(notices) == 1
    assert f'val_evaluator evaluates by {other}' in notices[0]
    with pytest.raises(UserError, match=r'val_evaluator: there is no .*x\.js'):
        check(
            val=tree.dataset(),
            val_evaluator=dict(type='CocoMetric', ann_file=f'{tree.root}/x.json'),
        )


# ------------------------------------------------- fields, one line per case
NAN, INF, HUGE = float('nan'), float('inf'), 10**400


@pytest.mark.parametrize(
    ('table', 'field', 'value', 'message'),
    [
        # ids
        ('images', 'id', None, r'id of images\[1\] is None; it must be a whole numb'),
        ('images', 'id', [1], r'id of images\[1\] is \[1\]; it must be a whole'),
        ('images', 'id', {}, r'id of images\[1\] is \{\}'),
        ('images', 'id', True, r'id of images\[1\] is True'),
        ('images', 'id', 1.0, r'id of images\[1\] is 1\.0'),
        ('images', 'id', '2', "is '2'; it must be of one type with the others, suc"),
        ('images', 'id', 2**63, r'is 9223372036854775808; .* below 2\*\*63'),
        ('images', 'id', HUGE, r'id of images\[1\] is 1000'),
        ('images', 'id', 1, r'1 image ids are used more than once \(1\)'),
        ('annotations', 'id', None, r'id of annotations\[1\] is None'),
        ('annotations', 'id', 'x', r"id of annotations\[1\] is 'x'.*without quotes"),
        ('annotations', 'id', [], r'id of annotations\[1\] is \[\]'),
        ('annotations', 'id', -1, r'id of annotations\[1\] is -1.* from 1'),
        ('annotations', 'id', 1, r'1 annotation ids are used more than once \(1\)'),
        ('annotations', 'image_id', None, 'image_id of annotation 2 is None'),
        ('annotations', 'image_id', [1], r'image_id of annotation 2 is \[1\]'),
        ('annotations', 'category_id', {}, 'category_id of annotation 2 is {}'),
        (
            'annotations',
            'category_id',
            '12',
            "category_id of annotation 2 is '12', text, but the ids of the "
            'categories are 11, 12; write both alike',
        ),
        ('categories', 'id', 'dog', "id of categories.* is 'dog'; .* of one type"),
        ('categories', 'id', [12], r'id of categories\[1\] is \[12\]'),
        ('categories', 'name', None, 'name of category 12 is None; it must be text'),
        ('categories', 'name', 7, 'name of category 12 is 7; it must be text'),
        ('categories', 'name', '', "name of category 12 is ''; .* not empty"),
        ('categories', 'name', 'a\nb', r"is 'a\\nb'; .* of one line"),
        ('categories', 'name', '\ud800', 'of one line'),
        ('categories', 'name', 'cat', 'two categories share one of the names cat'),
        # sizes
        ('images', 'width', '100', "width of image 2 is '100'; .* without quotes"),
        ('images', 'width', None, 'width of image 2 is None; .* 1 or more'),
        ('images', 'width', True, 'width of image 2 is True'),
        ('images', 'width', [100], r'width of image 2 is \[100\]'),
        ('images', 'width', 0, 'width of image 2 is 0; .* 1 or more'),
        ('images', 'height', -80, 'height of image 2 is -80'),
        ('images', 'height', NAN, 'height of image 2 is nan'),
        ('images', 'height', INF, 'height of image 2 is inf'),
        ('images', 'height', 1e308, r'height of image 2 is 1e\+308'),
        ('images', 'height', HUGE, 'height of image 2 is 1000'),
        # files
        ('images', 'file_name', None, 'file_name of image 2 is None; .* the path'),
        ('images', 'file_name', 7, 'file_name of image 2 is 7'),
        ('images', 'file_name', '', "file_name of image 2 is ''; .* not empty"),
        ('images', 'file_name', 'b\x00.jpg', 'file_name of image 2 .* of one line'),
        ('images', 'file_name', 'x\\b.jpg', "Write file names with '/' in place of"),
        ('images', 'file_name', '/b.jpg', r'1 of 2 images .* missing .* e\.g\. /b'),
        ('images', 'file_name', '../b.jpg', r'1 of 2 images .* e\.g\. \.\./b\.jpg'),
        ('images', 'file_name', '../images', r'1 of 2 images .* e\.g\. \.\./images'),
        ('images', 'file_name', 'b' * 5000, '1 of 2 images .* are missing'),
        # boxes
        ('annotations', 'bbox', [1, 2, 3], r'bbox of annotation 2 is \[1, 2, 3\]'),
        ('annotations', 'bbox', [1, 2, 3, 4, 5], 'must be four numbers'),
        ('annotations', 'bbox', [[1, 2, 3, 4]], 'must be four numbers'),
        ('annotations', 'bbox', dict(x=1), 'must be four numbers'),
        ('annotations', 'bbox', '1, 2, 3, 4', 'must be four numbers'),
        ('annotations', 'bbox', [1, 2, 3, None], 'must be four numbers'),
        ('annotations', 'bbox', [1, 2, 3, True], 'must be four numbers'),
        ('annotations', 'bbox', [1, 2, 3, HUGE], 'must be four numbers'),
        ('annotations', 'area', None, 'area of annotation 2 is None; .* a number'),
        ('annotations', 'area', '400', "area of annotation 2 is '400'; .* without q"),
        ('annotations', 'area', [400], 'area of annotation 2'),
        ('annotations', 'area', HUGE, 'area of annotation 2'),
        ('annotations', 'iscrowd', None, 'iscrowd of annotation 2 is None; .* 0 or 1'),
        ('annotations', 'iscrowd', 2, 'iscrowd of annotation 2 is 2; .* 0 or 1'),
        ('annotations', 'iscrowd', '0', "iscrowd of annotation 2 is '0'"),
        ('annotations', 'ignore', 'no', "ignore of annotation 2 is 'no'"),
    ],
)
@pytest.mark.parametrize('split', ['train', 'val'])
def test_fields_of_a_wrong_type_or_range(tree, table, field, value, message, split):
    tree.data[table][1][field] = value
    tree.write()
    with pytest.raises(UserError, match=message) as error:
        check(**{split: tree.dataset()})
    assert str(tree.ann_file) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 1000 or len(str(value)) > 1000


@pytest.mark.parametrize(
    ('table', 'field', 'value'),
    [
        ('images', 'id', 77),
        ('images', 'width', 100.0),
        ('images', 'file_name', '../images/b.jpg'),
        ('images', 'file_name', 'sub/../b.jpg'),
        ('annotations', 'iscrowd', True),
        ('annotations', 'iscrowd', 1),
        ('annotations', 'area', 400.5),
        ('annotations', 'segmentation', 'of no use for boxes'),
        ('annotations', 'keypoints', None),
        ('categories', 'supercategory', None),
    ],
)
def test_fields_that_can_be_read_pass(tree, table, field, value):
    (tree.root / 'images/sub').mkdir()
    tree.data[table][1][field] = value
    if field == 'id':
        tree.data['annotations'][2]['image_id'] = value
    tree.write()
    assert check(tree.dataset()) == []
    assert num_instances(tree.dataset()) == 3


def test_ids_may_be_text_all_through(tree):
    for table, keys in (
        ('images', ['id']),
        ('annotations', ['image_id', 'category_id']),
        ('categories', ['id']),
    ):
        for row in tree.data[table]:
            row.update({key: str(row[key]) for key in keys})
    tree.write()
    assert check(tree.dataset()) == []
    assert num_instances(tree.dataset()) == 3


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty; make or copy it again'),
        (b' \n', 'is empty'),
        (b'null', 'it holds a NoneType'),
        (b'[' * 100_000, 'nested too deeply'),
        (b'{"a":' * 100_000, 'nested too deeply'),
        (b'{"images": [1' + b'0' * 5000 + b']}', 'cannot be read: Exceeds the limit'),
        (b'{} trailing', 'is not valid JSON: line 1, column 4: Extra data'),
        (b'version https://git-lfs', "not valid JSON.*begins with 'version https:"),
        (b'<html>', "begins with '<html>'"),
        (b'\xef\xbb\xbf{}', 'begins with a byte order mark'),
        ('{"é": 1}'.encode('utf-16'), 'not a text file in UTF-8.*it is in UTF-16'),
        ('{"é": 1}'.encode('latin-1'), 'not a text file in UTF-8'),
        (gzip.compress(b'{}', mtime=0), 'it is compressed, unpack it'),
        (b'[{"image_id": 1, "bbox": [], "score": 1}]', 'a list of detections'),
        (b'{"images": {}, "annotations": [], "categories": []}', 'holds a dict, not'),
        (b'{"images": [], "annotations": null, "categories": []}', 'a NoneType, not'),
        (
            b'{"images": [[]], "annotations": [], "categories": []}',
            r'images\[0\] is \[',
        ),
        (
            b'{"images": [], "annotations": ["a"], "categories": []}',
            r"annotations\[0\] is 'a'; it must be an object",
        ),
        (b'{"images": [], "annotations": [], "categories": []}', "'images' is empty"),
    ],
)
def test_files_that_are_no_annotations(tree, content, message):
    tree.ann_file.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        check(tree.dataset())
    assert len(str(error.value).splitlines()) == 1


def test_a_folder_or_what_may_not_be_read(tree, monkeypatch):
    with pytest.raises(UserError, match=r'file .*/annotations \(.*\) is a folder'):
        check(tree.dataset(ann_file='annotations'))

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('builtins.open', refuse)
    with pytest.raises(UserError, match=r'train\.json cannot be read: Permission den'):
        check(tree.dataset())


def test_keys_that_stand_there_twice_are_noticed(tree):
    text = json.dumps(tree.data)
    tree.ann_file.write_text(text.replace('"area"', '"area": 1, "area"', 1))
    (notice,) = check(tree.dataset())
    assert "the key 'area' stands more than once" in notice


def test_a_file_that_two_images_name_is_noticed(tree):
    tree.data['images'][1]['file_name'] = 'a.jpg'
    tree.write()
    (notice,) = check(tree.dataset())
    assert '1 files are named by more than one image (a.jpg)' in notice


@pytest.mark.parametrize('flag', ['iscrowd', 'ignore'])
def test_crowds_alone_are_nothing_to_train_on(tree, flag):
    for ann in tree.data['annotations']:
        ann[flag] = 1
    tree.write()
    with pytest.raises(UserError, match='no box is left to train on'):
        check(tree.dataset())
    notices = check(val=tree.dataset())
    assert ['mAP will be -1' in n for n in notices] == [True] * (flag == 'iscrowd')


def test_images_below_the_least_size(tree):
    settings = dict(filter_cfg=dict(filter_empty_gt=True, min_size=90))
    with pytest.raises(UserError, match=r'2 of 2 images .*filter_cfg\.min_size=90'):
        check(tree.dataset(**settings))
    assert check(val=tree.dataset(**settings, test_mode=True)) == []
    tree.data['images'][0]['height'] = 200
    tree.write()
    assert '1 of 2 images' in check(tree.dataset(**settings))[0]


@pytest.mark.parametrize(
    ('mask', 'is_sound'),
    [
        ([[1, 1, 9, 1, 9, 9]], True),
        (dict(counts=[5, 5], size=[80, 100]), True),
        (dict(counts='a4', size=[80, 100]), True),
        (None, False),
        ([], False),
        ([1, 1, 9, 1, 9, 9], False),
        ([[1, 1, 9, 1]], False),
        ([[1, 1, 9, 1, 9, '9']], False),
        ([[1, 1, 9, 1, 9, 9, 9]], False),
        (dict(counts=None, size=[80, 100]), False),
        (dict(counts=[5, 5], size=None), False),
        (dict(counts=[5, 5], size=[80]), False),
    ],
)
def test_masks_are_checked_where_they_are_read(tree, mask, is_sound):
    for ann in tree.data['annotations']:
        ann['segmentation'] = mask
    tree.write()
    assert check(tree.dataset()) == []
    pipeline = [dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
    for kwargs in (
        dict(train=tree.dataset(pipeline=pipeline)),
        dict(val=tree.dataset(), val_evaluator=dict(type='X', metric=['segm'])),
    ):
        if is_sound:
            assert check(**kwargs) == []
            continue
        with pytest.raises(UserError, match=r'segmentation of annotation 1 .*polyg'):
            check(**kwargs)


# --------------------------------------------------- settings of the config
@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(data_root=7), 'dataset.data_root is 7; it must be a path'),
        (dict(ann_file=7), 'dataset.ann_file is 7; it must be a path'),
        (dict(data_prefix='images'), "data_prefix is 'images'; it must be a dict"),
        (dict(data_prefix=dict(img=None)), 'dataset.img is None; it must be a path'),
        (dict(data_prefix=dict(img=7)), 'dataset.img is 7; it must be a path'),
        (dict(metainfo=7), 'metainfo of train_dataloader is 7; write'),
        (dict(metainfo=dict(classes=7)), 'classes of train_dataloader are 7; write'),
        (dict(metainfo=dict(classes=('cat', None))), 'number 2 is None'),
        (dict(metainfo=dict(classes=('cat', 'cat'))), 'hold cat more than once'),
        (dict(metainfo=dict(class_names=CLASSES)), "reads the key 'class_names' of"),
        (dict(metainfo=None, classes=CLASSES), "nothing reads 'classes' .mmdet 2's"),
        (dict(filter_cfg=dict(min_size='32')), "min_size is '32'; it must be a num"),
    ],
)
def test_settings_of_the_dataset(tree, changes, message):
    with pytest.raises(UserError, match=message):
        check(tree.dataset(**changes))


def test_lines_of_a_classes_file(tree, tmp_path):
    (tmp_path / 'classes.txt').write_bytes(b'cat\r\ndog\r\n')
    dataset = tree.dataset(metainfo=dict(classes=str(tmp_path / 'classes.txt')))
    assert check(dataset) == []
    (tmp_path / 'classes.txt').write_text('cat\n\ndog\n')
    with pytest.raises(UserError, match=r"classes\.txt: number 2 is ''; it must be a"):
        check(dataset)


@pytest.mark.parametrize(
    ('model', 'path'),
    [
        (dict(bbox_head=dict(num_classes=80)), 'model.bbox_head.num_classes'),
        (
            dict(bbox_head=[dict(num_classes=2), dict(num_classes=80)]),
            'model.bbox_head.1.num_classes',
        ),
        (
            dict(roi_head=dict(bbox_head=dict(num_classes=80))),
            'model.roi_head.bbox_head.num_classes',
        ),
        (
            dict(roi_head=dict(bbox_head=[dict(num_classes=80)] * 3)),
            'model.roi_head.bbox_head.0.num_classes',
        ),
        (
            dict(roi_head=dict(mask_head=dict(num_classes=80))),
            'model.roi_head.mask_head.num_classes',
        ),
        (dict(mask_head=dict(num_classes=80)), 'model.mask_head.num_classes'),
        (
            dict(detector=dict(roi_head=dict(bbox_head=dict(num_classes=80)))),
            'model.detector.roi_head.bbox_head.num_classes',
        ),
    ],
)
def test_num_classes_of_each_head(tree, model, path):
    with pytest.raises(UserError, match=rf'^{path} is 80, .* set num_classes=2, or'):
        check(tree.dataset(), model=model)


@pytest.mark.parametrize(
    'model',
    [
        dict(rpn_head=dict(num_classes=1), bbox_head=dict(num_classes=2)),
        dict(roi_head=dict(semantic_head=dict(num_classes=183))),
        dict(mask_head=dict(num_classes=80, class_agnostic=True)),
        dict(language_model={}, bbox_head=dict(num_classes=256)),
    ],
)
def test_num_classes_of_what_is_not_one_of_ours(tree, model):
    assert check(tree.dataset(), model=model) == []


@pytest.mark.parametrize(
    ('evaluator', 'message'),
    [
        (
            dict(type='CocoMetric', metric='mAP'),
            "of CocoMetric is 'mAP'; .*bbox",
        ),
        (dict(type='VOCMetric', eval_mode='11point'), "is '11point'; .* '11points', "),
        (dict(type='mmdet.VOCMetric', metric='bbox'), "metric of VOCMetric is 'bbox'"),
        (dict(type='CocoMetric', ann_file=7), 'val_evaluator.ann_file is 7; it must'),
        (
            dict(type='CocoMetric', ann_file='annotations/train.json'),
            'An evaluator knows no data_root: write .*/data/annotations/train.json',
        ),
    ],
)
def test_settings_of_an_evaluator(tree, evaluator, message):
    with pytest.raises(UserError, match=message):
        check(val=tree.dataset(), val_evaluator=evaluator)


def test_the_file_of_an_evaluator_is_checked_too(tree):
    tree.write('val.json', images=[dict(tree.data['images'][0], width='100'), {}])
    other = str(tree.ann_file.with_name('val.json'))
    with pytest.raises(UserError, match=r'val\.json: images\[1\] .* has no'):
        check(val=tree.dataset(), val_evaluator=dict(type='CocoMetric', ann_file=other))


def test_a_training_does_not_fail_for_its_test_data(tree):
    cfg = dict(
        default_scope='mmdet',
        train_dataloader=dict(dataset=tree.dataset()),
        test_dataloader=dict(dataset=tree.dataset(ann_file='none.json')),
        test_evaluator=dict(type='CocoMetric', ann_file='none.json'),
    )
    (notice,) = check_detection_data(Config(cfg))
    assert notice.startswith('a test would fail, this training does not: test_datal')
    del cfg['train_dataloader']
    with pytest.raises(UserError, match='test_dataloader: there is no annotation'):
        check_detection_data(Config(cfg))


# -------------------------------------------------------------- a large file
MEASURE = """
import resource, sys
from projects.core.tasks.detection.coco_checks import check_coco
if sys.argv[1] == 'json':
    import json
    json.loads(open('big.json').read())
else:
    check_coco('big.json', ['cat'], 'train', {})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)  # GiB
"""


@pytest.mark.slow
def test_memory_for_a_file_of_the_size_of_coco(tmp_path):
    """2 GiB at most beyond what reading 118,000 images and 860,000 boxes takes."""
    with open(tmp_path / 'big.json', 'w') as file:
        file.write('{"categories": [{"id": 1, "name": "cat"}], "images": [')
        file.write(
            ','.join(
                f'{{"id": {i}, "file_name": "{i}.jpg", "width": 640, "height": 480}}'
                for i in range(118_000)
            )
        )
        file.write('], "annotations": [')
        file.write(
            ','.join(
                f'{{"id": {i}, "image_id": {i % 118_000}, "category_id": 1, "area": '
                f'{i}.5, "iscrowd": 0, "bbox": [{i % 500}.25, 7.5, {i % 90}.5, 9.5]}}'
                for i in range(1, 860_001)
            )
        )
        file.write(']}')
    alone, checked = (
        float(
            subprocess.run(
                [sys.executable, '-c', MEASURE, what],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[-1]
        )
        for what in ('json', 'check')
    )
    assert checked - alone < 2
