import json

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from projects.core.errors import UserError
from projects.core.tasks.detection.data_checks import check_detection_data
from projects.registry import DATASETS

CLASSES = ('cat', 'dog')


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


@pytest.fixture
def voc(tmp_path):
    year = tmp_path / 'VOCdevkit' / 'VOC2007'
    for folder in ('ImageSets/Main', 'Annotations', 'JPEGImages'):
        (year / folder).mkdir(parents=True)
    (year / 'ImageSets/Main/train.txt').write_text('000005\n000007\n')
    for name in ('000005', '000007'):
        (year / f'Annotations/{name}.xml').touch()
        (year / f'JPEGImages/{name}.jpg').touch()
    return year


def voc_dataset(voc, **changes):
    return dict(
        dict(
            type='VOCDataset',
            data_root=f'{voc.parent}/',
            ann_file='VOC2007/ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root='VOC2007/'),
        ),
        **changes,
    )


def test_sound_voc_data(voc):
    assert check(voc_dataset(voc)) == []
    with pytest.raises(UserError, match=r'have 20 classes \(aeroplane'):
        check(voc_dataset(voc), model=dict(bbox_head=dict(num_classes=80)))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(data_root='nowhere/VOCdevkit'),
            'no folder .*nowhere/VOCdevkit .*VOC2007 of VOCdevkit',
        ),
        (
            dict(ann_file='VOC2007/ImageSets/Main/val.txt'),
            r'no annotation file .*val\.txt .*Main holds train\.txt.*list of image',
        ),
        (
            dict(data_prefix=dict(sub_data_root='VOC2012/')),
            r'2 of 2 XML files .*VOC2012/Annotations, e\.g\. 000005\.xml: there is '
            r'no folder .*VOCdevkit holds VOC2007\. Set data_root',
        ),
    ],
)
def test_voc_settings_that_lead_nowhere(voc, changes, message):
    with pytest.raises(UserError, match=message):
        check(voc_dataset(voc, **changes))


@pytest.mark.parametrize(
    ('path', 'message'),
    [
        (
            'Annotations/000007.xml',
            r'1 of 2 XML files .*VOC2007/Annotations, e\.g\. 000007\.xml',
        ),
        (
            'JPEGImages/000007.jpg',
            r'1 of 2 images .*VOC2007/JPEGImages, e\.g\. 000007\.jpg',
        ),
    ],
)
def test_missing_voc_files(voc, path, message):
    (voc / path).unlink()
    with pytest.raises(UserError, match=message):
        check(voc_dataset(voc))


def test_empty_voc_list(voc):
    (voc / 'ImageSets/Main/train.txt').write_text('')
    with pytest.raises(UserError, match=r'train\.txt is empty'):
        check(voc_dataset(voc))
