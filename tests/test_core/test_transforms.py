import pickle

import cv2
import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader

from projects.core.datasets.decoding import is_cut_short
from projects.core.errors import UserError
from projects.registry import TRANSFORMS

# one 2 x 3 image: blue, green, red in the upper row, in OpenCV's BGR order
IMAGE = np.array(
    [
        [[255, 0, 0], [0, 255, 0], [0, 0, 255]],
        [[0, 0, 0], [128, 128, 128], [255, 255, 255]],
    ],
    np.uint8,
)
NOISE = np.random.RandomState(0).randint(0, 256, (64, 96, 3), np.uint8)


class ListedImages(BaseDataset):
    """Gives the image files it is told."""

    def __init__(self, paths, **kwargs):
        self.paths = [str(path) for path in paths]
        super().__init__(serialize_data=False, **kwargs)

    def load_data_list(self):
        return [dict(img_path=path) for path in self.paths]


def build(**kwargs):
    return TRANSFORMS.build(dict(type='projects.LoadImageFromFile', **kwargs))


def as_jpeg(image):
    return cv2.imencode('.jpg', image)[1].tobytes()


def zero_tailed(jpeg):
    """What an interrupted download into a file of reserved length leaves."""
    half = len(jpeg) // 2
    return jpeg[:half] + bytes(len(jpeg) - half)


@pytest.mark.parametrize(
    ('to_float32', 'dtype'), [(False, np.uint8), (True, np.float32)]
)
def test_readable_image(tmp_path, to_float32, dtype):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), IMAGE)
    results = build(to_float32=to_float32)(dict(img_path=str(path)))
    assert results['img'].dtype == dtype
    assert results['img'].tolist() == IMAGE.tolist()
    assert results['img_shape'] == (2, 3)
    assert results['ori_shape'] == (2, 3)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (None, 'there is no such file'),
        (b'', 'the file is empty'),
        (b'<html>not found</html>', 'damaged, cut short or not an image'),
        (as_jpeg(NOISE)[:-2], 'the JPEG is cut short'),
        (as_jpeg(NOISE)[:100], 'the JPEG is cut short'),
        (zero_tailed(as_jpeg(NOISE)), 'the JPEG is cut short'),
        (
            cv2.imencode('.png', NOISE)[1].tobytes()[:9000],
            'damaged, cut short or not an image',
        ),
    ],
)
def test_unreadable_image_is_named(tmp_path, content, reason):
    path = tmp_path / 'bad.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        UserError,
        match=rf'bad\.jpg: .*{reason}.*'
        'skip_unreadable=True',
    ):
        build()(dict(img_path=str(path)))


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r'there is no folder .*nowhere'):
        build()(dict(img_path=str(tmp_path / 'nowhere' / 'a.jpg')))


def test_pillow_refuses_in_the_same_words(tmp_path):
    path = tmp_path / 'bad.png'
    path.write_bytes(b'no image')
    with pytest.raises(UserError, match=r'bad\.png: the decoder refuses it'):
        build(imdecode_backend='pillow')(dict(img_path=str(path)))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(color_type='colour'), "color_type='colour' .* did you mean 'color'"),
        (dict(color_type=3), 'color_type=3 .* is none of color, grayscale, '),
        (dict(imdecode_backend='cv'), "imdecode_backend='cv' .* mean 'cv2'"),
    ],
)
def test_unknown_setting_is_no_fault_of_the_file(settings, message):
    with pytest.raises(UserError, match=message):
        build(skip_unreadable=True, **settings)


def test_opencv_alone_gives_an_image_for_a_zero_tail():
    # the reason of is_cut_short: no error, half of the image is invented
    jpeg = zero_tailed(as_jpeg(NOISE))
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == NOISE.shape
    assert is_cut_short(jpeg)


def test_bytes_behind_the_end_marker_are_allowed():
    assert not is_cut_short(as_jpeg(NOISE) + b'maker notes \xff\xda')


def test_preview_in_the_header_does_not_end_the_image():
    jpeg, preview = as_jpeg(NOISE), as_jpeg(IMAGE)
    # APP1 segment: marker, length (itself and the content), content
    app1 = b'\xff\xe1' + (2 + len(preview)).to_bytes(2, 'big') + preview
    whole = jpeg[:2] + app1 + jpeg[2:]
    assert not is_cut_short(whole + bytes(1))
    assert is_cut_short(whole[:-2])


def test_skipped_file_gives_another_sample_and_one_warning(tmp_path, warnings_logged):
    good, bad = tmp_path / 'good.png', tmp_path / 'bad.png'
    cv2.imwrite(str(good), IMAGE)
    bad.write_bytes(b'no image')
    dataset = ListedImages([bad, good], pipeline=[build(skip_unreadable=True)])
    for _ in range(5):
        assert dataset[0]['img_path'] == str(good)
    assert len(warnings_logged) == 1
    assert f'cannot read the image {bad}' in warnings_logged[0]
    assert 'skipped' in warnings_logged[0]


def test_skipped_file_is_refused_in_a_test(tmp_path):
    dataset = ListedImages(
        [tmp_path / 'missing.jpg'],
        test_mode=True,
        pipeline=[build(skip_unreadable=True)],
    )
    with pytest.raises(Exception, match='should not get `None`'):
        dataset[0]


def test_error_crosses_from_a_worker_process(tmp_path):
    dataset = ListedImages([tmp_path / 'missing.jpg'], pipeline=[build()])
    loader = DataLoader(dataset, num_workers=1, collate_fn=list)
    with pytest.raises(UserError, match=r'missing\.jpg: there is no such'):
        next(iter(loader))


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(UserError('cannot read a.jpg')))
    assert type(error) is UserError
    assert str(error) == 'cannot read a.jpg'
