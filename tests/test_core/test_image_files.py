"""Kinds of image files, and what is read of each by training, tests and infer."""

import io
import json
import os
import re
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset, XMLDataset
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image, ImageOps
from stub_images import Results, infer

from projects.core.config import walk
from projects.core.datasets.decoding import FORMATS, IMAGE_SUFFIXES, as_picture
from projects.core.datasets.transforms import (
    LoadImageFromFile,
    loader_of,
    use_our_loader,
)
from projects.core.errors import UserError
from projects.core.tasks.classification.task import ClassificationTask
from projects.core.tasks.images import image_paths
from projects.core.variants import config_root
from projects.registry import DATASETS, TRANSFORMS

# (H, W, 3) RGB in flat blocks, which a JPEG keeps
BLOCKS = np.random.RandomState(0).randint(0, 256, (3, 4, 3), np.uint8)
RGB = BLOCKS.repeat(8, 0).repeat(8, 1)
GREY = np.asarray(Image.fromarray(RGB).convert('L'))
DEEP = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 85  # 16 bits
CONFIG = config_root() / 'yolov1/yolov1-mini_1xb16-15e_digits-coco.py'


def encoded(image, format_, **settings):
    file = io.BytesIO()
    image.save(file, format_, **settings)
    return file.getvalue()


def of(mode, format_, **settings):
    """The blocks in a mode of Pillow's, as a file."""
    image = Image.fromarray(GREY if mode in ('L', 'LA', '1') else RGB)
    if mode in ('LA', 'RGBA'):
        image = image.convert(mode)
        image.putalpha(Image.fromarray(DEEP.astype(np.uint8)))
    return encoded(image.convert(mode), format_, **settings)


def by_opencv(suffix, array):
    return cv2.imencode(suffix, array)[1].tobytes()


def several(format_, **settings):
    image = Image.fromarray(RGB).convert('P' if format_ == 'GIF' else 'RGB')
    more = [image.rotate(180)]
    return encoded(image, format_, save_all=True, append_images=more, **settings)


def three(grey):
    return np.stack([grey] * 3, 2)


BITS = np.asarray(Image.fromarray(GREY).convert('1'), np.uint8) * 255
PALETTE = np.asarray(Image.fromarray(RGB).convert('P').convert('RGB'))
FINE = dict(quality=100, subsampling=0)
WEB = dict(lossless=True, exact=True)
KINDS = {  # name: bytes, expected RGB, greatest difference of levels
    'rgb.jpg': (of('RGB', 'JPEG', **FINE), RGB, 12),
    'grey.jpg': (of('L', 'JPEG', **FINE), three(GREY), 4),
    'cmyk.jpg': (of('CMYK', 'JPEG', **FINE), RGB, 12),
    'progressive.JPEG': (of('RGB', 'JPEG', progressive=True, **FINE), RGB, 12),
    'rgb.png': (of('RGB', 'PNG'), RGB, 0),
    'rgba.png': (of('RGBA', 'PNG'), RGB, 0),
    'grey.PNG': (of('L', 'PNG'), three(GREY), 0),
    'grey alpha.png': (of('LA', 'PNG'), three(GREY), 0),
    'bits.png': (of('1', 'PNG'), three(BITS), 0),
    'palette.png': (of('P', 'PNG'), PALETTE, 0),
    'palette transparent.png': (of('P', 'PNG', transparency=3), PALETTE, 0),
    'deep.png': (by_opencv('.png', DEEP), three(DEEP >> 8), 0),
    'deep rgb.png': (by_opencv('.png', RGB[..., ::-1] * np.uint16(257)), RGB, 0),
    'rgb.bmp': (of('RGB', 'BMP'), RGB, 0),
    'grey.bmp': (of('L', 'BMP'), three(GREY), 0),
    'bits.bmp': (of('1', 'BMP'), three(BITS), 0),
    'palette.bmp': (of('P', 'BMP'), PALETTE, 0),
    'palette.gif': (of('P', 'GIF'), PALETTE, 0),
    'grey.gif': (of('L', 'GIF'), three(GREY), 0),
    'transparent.gif': (of('P', 'GIF', transparency=3), PALETTE, 0),
    'animated.gif': (several('GIF'), PALETTE, 0),
    'rgb.webp': (of('RGB', 'WEBP', lossless=True), RGB, 0),
    'rgba.webp': (of('RGBA', 'WEBP', **WEB), RGB, 0),
    'animated.webp': (several('WEBP', lossless=True), RGB, 0),
    'rgb.tif': (of('RGB', 'TIFF'), RGB, 0),
    'rgba.tif': (of('RGBA', 'TIFF'), RGB, 0),
    'grey alpha.tif': (of('LA', 'TIFF'), three(GREY), 0),
    'packed.tiff': (of('RGB', 'TIFF', compression='tiff_lzw'), RGB, 0),
    'grey.tif': (of('L', 'TIFF'), three(GREY), 0),
    'bits.tif': (of('1', 'TIFF'), three(BITS), 0),
    'palette.tif': (of('P', 'TIFF'), PALETTE, 0),
    'cmyk.tif': (of('CMYK', 'TIFF'), RGB, 2),
    'deep.tif': (by_opencv('.tif', DEEP), three(DEEP >> 8), 0),
    'deep rgb.tif': (by_opencv('.tif', RGB[..., ::-1] * np.uint16(257)), RGB, 0),
    'pages.tif': (several('TIFF'), RGB, 0),
    'rgb.ppm': (of('RGB', 'PPM'), RGB, 0),
    'grey.pgm': (of('L', 'PPM'), three(GREY), 0),
    'deep.pgm': (by_opencv('.pgm', DEEP), three(DEEP >> 8), 0),
    'bits.pbm': (of('1', 'PPM'), three(BITS), 0),
}


def floats(channels):
    return by_opencv('.tif', np.ones((5, 6, channels), np.float32))


REFUSED = {  # name: bytes, reason
    'empty.png': (b'', 'the file is empty'),
    'text.png': (b'<html>404</html>', 'not an image'),
    'pointer.jpg': (b'version https://git-lfs.github.com/spec/v1\n', 'not an image'),
    'cut.png': (KINDS['rgb.png'][0][:90], 'cut short'),
    'cut.jpg': (KINDS['rgb.jpg'][0][:-2], 'cut short'),
    'cut.tif': (KINDS['rgb.tif'][0][:-300], 'cut short'),
    'cut.gif': (KINDS['palette.gif'][0][:-30], 'GIF|cut short|truncated'),
    'cut.webp': (KINDS['rgb.webp'][0][:-30], 'cut short'),
    'cut.bmp': (KINDS['rgb.bmp'][0][:-300], 'cut short'),
    'float.tif': (floats(1), 'floating-point numbers'),
    'float rgb.tif': (floats(3), 'damaged, cut short or not an image'),
    'int32.tif': (encoded(Image.new('I', (5, 6)), 'TIFF'), 'integers of 32 bits'),
    'lab.tif': (encoded(Image.new('LAB', (5, 6)), 'TIFF'), 'Lab colours'),
    # 194 kB that would be 4.8 GB
    'bomb.png': (encoded(Image.new('1', (40000, 40000)), 'PNG'), 'too large'),
}


@cache
def loading_steps():
    """Of a shipped training and of a shipped test."""
    cfg = Config.fromfile(CONFIG)
    steps = {'train': cfg.train_pipeline[0], 'test': cfg.test_pipeline[0]}
    return {where: TRANSFORMS.build(step) for where, step in steps.items()}


def load_in(where, path):
    if where == 'infer':
        infer(path, path.parent / 'out')
    else:
        return loading_steps()[where](dict(img_path=str(path)))['img']


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """All kinds as files."""
    path = tmp_path_factory.mktemp('kinds')
    for name, (content, *_) in KINDS.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture(scope='module')
def inferred(folder, tmp_path_factory):
    """What infer gives to the model, and draws, by name."""
    out = tmp_path_factory.mktemp('out')
    rows, given = infer(folder, out)
    pictures = {p.stem: cv2.imread(str(p)) for p in out.glob('*.png')}
    assert len(pictures) == len(KINDS)
    given = [g.permute(1, 2, 0).numpy() for g in given]
    return dict(zip([r['file_name'] for r in rows], given, strict=True)), pictures


@pytest.mark.parametrize('where', ['train', 'test', 'infer'])
@pytest.mark.parametrize('name', KINDS)
def test_kind(folder, inferred, name, where):
    _, expected, tolerance = KINDS[name]
    if where == 'infer':
        img = inferred[0][name]
    else:
        img = load_in(where, folder / name)
    assert img.dtype == np.uint8
    assert img.shape == expected.shape
    assert np.abs(img[..., ::-1].astype(int) - expected).max() <= tolerance


def test_pictures_show_what_the_model_saw(inferred):
    given, pictures = inferred
    for name, img in given.items():
        (picture,) = (
            p
            for stem, p in pictures.items()
            if stem == name or (stem == Path(name).stem and name not in pictures)
        )
        assert picture.shape == img.shape


@pytest.mark.parametrize('name', KINDS)
def test_kind_by_another_decoder(folder, name):
    _, expected, tolerance = KINDS[name]
    loader = LoadImageFromFile(imdecode_backend='pillow')
    img = loader(dict(img_path=str(folder / name)))['img'][..., ::-1]
    assert np.abs(img.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize('name', KINDS)
def test_grey_of_a_kind(folder, name):
    _, expected, tolerance = KINDS[name]
    img = LoadImageFromFile(color_type='grayscale')(dict(img_path=str(folder / name)))
    grey = (expected @ (0.299, 0.587, 0.114)).round()
    assert img['img'].shape == grey.shape
    # decoders round in other ways
    assert np.abs(img['img'] - grey).max() <= tolerance + 2


@pytest.mark.parametrize('where', ['train', 'test', 'infer'])
@pytest.mark.parametrize('name', REFUSED)
def test_refused_kind(tmp_path, name, where):
    content, reason = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f'{name}: .*({reason})'):
        load_in(where, tmp_path / name)


def test_all_suffixes_are_tried():
    tried = {Path(name).suffix.lower() for name in KINDS}
    assert tried == set(IMAGE_SUFFIXES)
    assert {Image.open(io.BytesIO(c)).format for c, *_ in KINDS.values()} == {*FORMATS}


# ------------------------------------------------------------- orientation
def turned_file(path, orientation, size=(24, 32)):
    exif = Image.Exif()
    exif[0x112] = orientation
    image = Image.fromarray(RGB[: size[0], : size[1]])
    settings = {'.webp': dict(lossless=True), '.jpg': FINE}.get(path.suffix, {})
    image.save(path, exif=exif, **settings)
    return image


@pytest.mark.parametrize('as_stored', [None, False, True])
@pytest.mark.parametrize('color_type', ['color', 'grayscale'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tif'])
def test_orientation_is_followed_or_not(
    tmp_path, suffix, backend, color_type, as_stored
):
    loader = LoadImageFromFile(
        color_type=color_type, imdecode_backend=backend, as_stored=as_stored
    )
    for orientation in range(1, 9):
        path = tmp_path / f'{orientation}{suffix}'
        image = turned_file(path, orientation)
        if not as_stored:
            # of Pillow, told by a header that it reads in every format
            exif = image.getexif()
            exif[0x112] = orientation
            image = ImageOps.exif_transpose(image)
        expected = np.asarray(image if color_type == 'color' else image.convert('L'))
        img = loader(dict(img_path=str(path)))['img']
        assert img.shape == expected.shape
        if color_type == 'color':
            img = img[..., ::-1]
        # a JPEG is not what was put in, but another turn differs by far more
        assert np.abs(img.astype(int) - expected).mean() < 8


FIT = None
SIZES = [  # orientation, as_stored, size of the file and stated (H, W), message
    (1, None, (24, 32), (24, 32), FIT),
    (1, True, (24, 32), (24, 32), FIT),
    (6, None, (24, 32), (32, 24), FIT),
    (6, False, (24, 32), (32, 24), FIT),
    (6, True, (24, 32), (24, 32), FIT),
    (3, True, (24, 32), (24, 32), FIT),
    (3, False, (24, 32), (24, 32), FIT),
    (6, None, (24, 32), (24, 32), 'orientation 6 .* as it is stored; set as_stored=T'),
    (5, False, (24, 32), (24, 32), 'as it is stored; set as_stored=True of projects'),
    (6, True, (24, 32), (32, 24), 'turned by that; leave as_stored=True of projects'),
    (1, None, (24, 32), (32, 24), 'Restore the file that was annotated, or correct'),
    (1, None, (24, 32), (24, 31), '32 x 24 pixels .* state 31 x 24: their boxes'),
    (6, None, (24, 32), (48, 64), '24 x 32 pixels .* state 64 x 48: their boxes'),
    (8, True, (24, 24), (24, 25), 'state 25 x 24: their boxes'),
]


@pytest.mark.parametrize(
    ('orientation', 'as_stored', 'size', 'stated', 'message'), SIZES
)
@pytest.mark.parametrize('skip_unreadable', [False, True])
def test_stated_size(
    tmp_path, orientation, as_stored, size, stated, message, skip_unreadable
):
    turned_file(tmp_path / 'a.jpg', orientation, size)
    loader = LoadImageFromFile(as_stored=as_stored, skip_unreadable=skip_unreadable)
    data = dict(img_path=str(tmp_path / 'a.jpg'), height=stated[0], width=stated[1])
    if message is FIT:
        assert loader(data)['ori_shape'] == stated
        return
    with pytest.raises(UserError, match=rf'a\.jpg is .*{message}'):
        loader(data)


@pytest.mark.parametrize('stated', [{}, dict(height=None, width=None)])
def test_no_stated_size_no_question(tmp_path, stated):
    turned_file(tmp_path / 'a.jpg', 6)
    data = dict(img_path=str(tmp_path / 'a.jpg'), **stated)
    assert LoadImageFromFile()(data)['img_shape'] == (32, 24)


@pytest.mark.parametrize(
    ('orientation', 'size', 'as_stored', 'warned'),
    [
        (6, (24, 24), None, True),  # as large either way
        (3, (24, 32), None, True),
        (2, (24, 24), None, True),
        (6, (24, 24), True, False),  # the user knows
        (6, (24, 24), False, False),
        (1, (24, 24), None, False),
        (6, (24, 32), None, False),  # the size tells
    ],
)
def test_what_the_size_cannot_tell_is_said_once(
    tmp_path,
    warnings_logged,
    orientation,
    size,
    as_stored,
    warned,
):
    loader = LoadImageFromFile(as_stored=as_stored)
    for name in 'ab':
        turned_file(tmp_path / f'{name}.jpg', orientation, size)
        height, width = loader(dict(img_path=str(tmp_path / f'{name}.jpg')))[
            'img_shape'
        ]
        loader(dict(img_path=str(tmp_path / f'{name}.jpg'), height=height, width=width))
    assert len(warnings_logged) == warned
    assert all(re.search(r'a\.jpg bears .* as_stored=', w) for w in warnings_logged)


VOC = """<annotation><filename>a.jpg</filename>
<size><width>32</width><height>24</height></size>
<object><name>cat</name><difficult>0</difficult><bndbox>
<xmin>3</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
</annotation>"""


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('kind', ['COCO', 'VOC'])
def test_data_sets_state_the_size(tmp_path, kind, test_mode):
    """Of a file that is turned by its orientation, annotated as it is stored."""
    turned_file(tmp_path / 'a.jpg', 6)
    settings = dict(
        data_root=str(tmp_path), metainfo=dict(classes=('cat',)), test_mode=test_mode
    )
    if kind == 'COCO':
        image = dict(id=1, file_name='a.jpg', height=24, width=32)
        box = dict(id=1, image_id=1, category_id=1, bbox=[3, 3, 6, 6], area=36)
        (tmp_path / 'a.json').write_text(
            json.dumps(
                dict(
                    images=[image],
                    annotations=[dict(box, iscrowd=0)],
                    categories=[dict(id=1, name='cat')],
                )
            )
        )
        make = dict(ann_file='a.json', data_prefix=dict(img=''))
        class_ = CocoDataset
    else:
        (tmp_path / 'Annotations').mkdir()
        (tmp_path / 'Annotations/a.xml').write_text(VOC)
        (tmp_path / 'list.txt').write_text('a\n')
        make = dict(ann_file='list.txt', data_prefix=dict(sub_data_root=''))
        make['img_subdir'] = ''
        class_ = XMLDataset
    dataset = class_(**settings, **make, pipeline=[LoadImageFromFile()])
    with pytest.raises(UserError, match='set as_stored=True'):
        dataset[0]
    dataset.pipeline.transforms = [LoadImageFromFile(as_stored=True)]
    assert dataset[0]['img_shape'] == (24, 32)
    assert loader_of(dataset).as_stored


# ---------------------------------------------------------------- pipelines
def test_shipped_pipelines_use_our_loader():
    found = [
        line.strip()
        for path in config_root().rglob('*.py')
        for line in path.read_text().splitlines()
        if 'LoadImageFromFile' in line
    ]
    assert len(found) > 8
    assert all("'projects.LoadImageFromFile'" in line for line in found)


@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (dict(type='LoadImageFromFile'), dict(type='projects.LoadImageFromFile')),
        (
            dict(type='mmdet.LoadImageFromFile', to_float32=True),
            dict(type='projects.LoadImageFromFile', to_float32=True),
        ),
        (
            dict(type='LoadImageFromFile', ignore_empty=True),
            dict(type='projects.LoadImageFromFile', skip_unreadable=True),
        ),
        # what ours does not know stays theirs
        (dict(type='LoadImageFromFile', file_client_args={}), 'the same'),
        (dict(type='LoadMultiChannelImageFromFiles'), 'the same'),
    ],
)
def test_pipelines_of_others_get_our_loader(step, expected):
    cfg = Config(
        dict(train_dataloader=dict(dataset=dict(dataset=dict(pipeline=[step]))))
    )
    use_our_loader(cfg)
    (found,) = (e.parent for e in walk(dict(cfg.items())) if e.key == 'type')
    assert dict(found) == (step if expected == 'the same' else expected)


@pytest.mark.parametrize('type_', ['CustomDataset', 'mmpretrain.ImageNet'])
def test_folders_of_classes_hold_all_kinds(folder, tmp_path, type_):
    """As infer reads them; mmpretrain's own list leaves out GIF, WebP and .tiff."""
    (tmp_path / 'val').mkdir()
    (tmp_path / 'val/cat').symlink_to(folder)
    dataset = dict(type=type_, data_root=str(tmp_path), data_prefix='val')
    if type_ == 'CustomDataset':
        dataset['with_label'] = True
    else:
        dataset['classes'] = ['cat']
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            test_dataloader=dict(dataset=dict(dataset=dataset, times=2)),
        )
    )
    ClassificationTask().prepare(cfg)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        built = DATASETS.build(cfg.test_dataloader.dataset.dataset)
    names = {Path(built.get_data_info(i)['img_path']).name for i in range(len(built))}
    assert names == {*KINDS}


# -------------------------------------------------------------------- infer
def test_what_else_a_folder_holds_is_named(tmp_path, warnings_logged):
    for name in ('a.JPG', 'b c.png', 'ü\n.gif'):
        (tmp_path / name).write_bytes(KINDS['rgb.png'][0])
    for name in ('notes.txt', 'x.heic', 'x'):
        (tmp_path / name).touch()
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'x.png').mkdir()
    paths, rest = image_paths(str(tmp_path))
    assert [p.name for p in paths] == ['a.JPG', 'b c.png', 'ü\n.gif']
    assert rest == (
        '3 files of other kinds (notes.txt, x, x.heic) and '
        '2 folders, which are not entered (sub, x.png)'
    )
    infer(tmp_path, tmp_path / 'out')
    assert warnings_logged == [f'{tmp_path} also holds {rest}']


def make_odd(folder):
    """Files of a folder by what becomes of them."""
    good = {
        'with space.png': KINDS['rgb.png'][0],
        'ünï.png': KINDS['rgb.png'][0],
        'line\nbreak.png': KINDS['rgb.png'][0],
        'x.jpg': KINDS['rgb.png'][0],  # a PNG of another name
        'x.png': KINDS['grey.jpg'][0],
        'one.png': encoded(Image.new('RGB', (1, 1)), 'PNG'),
        'strip.png': encoded(Image.new('RGB', (5000, 1)), 'PNG'),
        'tall.png': encoded(Image.new('RGB', (1, 5000)), 'PNG'),
        os.fsdecode(b'\xff.png'): KINDS['rgb.png'][0],
    }
    bad = {name: content for name, (content, _) in REFUSED.items()}
    for name, content in {**good, **bad}.items():
        (folder / name).write_bytes(content)
    (folder / 'gone.png').symlink_to('nowhere.png')
    (folder / 'loop.png').symlink_to('loop.png')
    os.mkfifo(folder / 'pipe.png')
    return {*good}, {*bad, 'gone.png', 'loop.png', 'pipe.png'}


def test_odd_images_of_a_folder(tmp_path, warnings_logged, capfd):
    (tmp_path / 'odd').mkdir()
    good, bad = make_odd(tmp_path / 'odd')
    rows, given = infer(tmp_path / 'odd', tmp_path / 'out')
    assert {r['file_name'] for r in rows} == good
    assert json.loads((tmp_path / 'out/rows.json').read_text()) == rows
    assert len(list((tmp_path / 'out').glob('*.png'))) == len(good)
    assert len(warnings_logged) == len(bad)
    for name in bad:
        assert any(
            re.search(rf'cannot read the image \S*odd/{name}: .*; left out', message)
            for message in warnings_logged
        )
    assert capfd.readouterr().err == ''  # nor do decoders speak for themselves
    assert {g.shape[1:] for g in given} > {(1, 1), (1, 5000), (5000, 1)}


def test_only_unreadable_images(tmp_path):
    for name in ('a.png', 'b.png'):
        (tmp_path / name).write_bytes(b'')
    with pytest.raises(UserError, match=r'b\.png: the file is empty; none of the 2'):
        infer(tmp_path, tmp_path / 'out')
    with pytest.raises(
        UserError, match=r'read the image \S*a\.png: the file is empty$'
    ):
        infer(tmp_path / 'a.png', tmp_path / 'out')


class BrokenPictures(Results):
    def draw(self, image, sample):
        raise ValueError('no font')


def test_pictures_that_fail_cost_no_results(folder, tmp_path, warnings_logged):
    rows, _ = infer(folder, tmp_path / 'out', results=BrokenPictures())
    assert json.loads((tmp_path / 'out/rows.json').read_text()) == rows
    assert len(rows) == len(KINDS)
    said = '\n'.join(warnings_logged)
    assert said.count("ValueError('no font')") == 1
    assert f'{len(KINDS)} pictures are missing' in said


def test_colour_into_a_model_for_grey(folder, tmp_path, warnings_logged):
    rows, given = infer(folder, tmp_path, channels=1, color_type='grayscale')
    assert {g.shape[0] for g in given} == {1}
    coloured = [n for n, (_, rgb, _) in KINDS.items() if np.ptp(rgb, 2).max() > 50]
    assert (
        f'{len(coloured)} of {len(rows)} images are in colour; the model takes grey'
    ) in '\n'.join(warnings_logged)


def test_first_of_several_frames_is_said_once(tmp_path, warnings_logged):
    loader = LoadImageFromFile()
    for name in ('animated.gif', 'animated.webp', 'pages.tif', 'rgb.tif'):
        (tmp_path / name).write_bytes(KINDS[name][0])
        loader(dict(img_path=str(tmp_path / name)))
    assert len(warnings_logged) == 1
    assert 'animated.gif holds 2 frames or pages, of which' in warnings_logged[0]


@pytest.mark.parametrize(
    'array',
    [
        np.full((2, 3), 7, np.uint8),
        np.full((2, 3, 1), 7, np.uint8),
        np.full((2, 3, 2), 7, np.uint8),
        np.full((2, 3, 4), 7, np.uint8),
        np.full((2, 3, 9), 7, np.uint8),
        np.full((2, 3, 3), 7 * 256 + 3, np.uint16),
        np.full((2, 3, 3), 7.2, np.float32),
    ],
)
def test_whatever_was_loaded_can_be_drawn_on(array):
    picture = as_picture(array)
    assert picture.dtype == np.uint8
    assert picture.tolist() == np.full((2, 3, 3), 7).tolist()
