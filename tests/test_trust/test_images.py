"""Whatever an image file holds: a message, or an image and a picture of it."""

import io
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trust_examples import examples

from projects.core.datasets.decoding import IMAGE_SUFFIXES
from projects.core.datasets.transforms import LoadImageFromFile
from projects.core.errors import UserError
from projects.core.tasks.classification.pictures import draw_labels
from projects.core.tasks.detection.pictures import draw_detections, draw_grid
from projects.core.tasks.drawing import MAX_SIDE

# outside pytest the loader's own filter keeps these from the screen
pytestmark = pytest.mark.filterwarnings(r'ignore::UserWarning:PIL\..*')
MODES = ['1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr', 'I', 'I;16', 'F']
FORMATS = ['BMP', 'GIF', 'JPEG', 'PNG', 'PPM', 'TIFF', 'WEBP']
SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 255, 3000]))


@st.composite
def files(draw):
    """Bytes of an image in a random mode, format and orientation; its size."""
    height, width = draw(SIDES), draw(SIDES)
    if height * width > 200_000:  # an example takes milliseconds
        height = 7
    seed = draw(st.integers(0, 99))
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, 4), np.uint8)
    mode, format_ = draw(st.sampled_from(MODES)), draw(st.sampled_from(FORMATS))
    image = Image.fromarray(pixels)
    if mode in ('LA', 'PA', 'RGBA'):
        image = image.convert('LA' if mode == 'PA' else mode).convert(mode)
    elif mode == 'I;16':
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        image = image.convert('RGB').convert('L' if mode in 'IF' else mode)
        image = image.convert(mode)
    exif = Image.Exif()
    exif[0x112] = draw(st.integers(0, 9))
    settings = dict(exif=exif) if draw(st.booleans()) else {}
    file = io.BytesIO()
    try:
        image.save(file, format_, **settings)
    except (OSError, ValueError):  # a format without this mode
        file = io.BytesIO()
        image.convert('RGB').save(file, format_, **settings)
    return file.getvalue(), (height, width)


@st.composite
def damaged(draw):
    """Such a file, or what became of it."""
    content, size = draw(files())
    content = bytearray(content)
    place = draw(st.integers(0, len(content) - 1))
    length = draw(st.integers(1, 64))
    damage = draw(st.sampled_from(['no', 'no', 'cut', 'flip', 'zero', 'lose', 'add']))
    if damage == 'cut':
        del content[place:]
    elif damage == 'flip':
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, len(content) - 1))] ^= 1 << (length % 8)
    elif damage == 'zero':
        content[place:] = bytes(len(content) - place)
    elif damage == 'lose':
        del content[place : place + length]
    elif damage == 'add':
        content[place:place] = bytes(range(length))
    return bytes(content), size, damage


loaders = st.builds(
    LoadImageFromFile,
    to_float32=st.booleans(),
    color_type=st.sampled_from(['color', 'grayscale', 'unchanged']),
    imdecode_backend=st.sampled_from(['cv2', 'pillow']),
    as_stored=st.sampled_from([None, False, True]),
)
numbers = st.one_of(
    st.floats(-10, 5000, width=32),
    st.sampled_from([float('nan'), float('inf'), -float('inf'), 1e30]),
)
boxes = st.lists(st.tuples(*[numbers] * 4), max_size=4)


@examples(quick=60, long=1000)
@given(
    file=damaged(),
    loader=loaders,
    suffix=st.sampled_from(IMAGE_SUFFIXES),
    stated=st.sampled_from(['no', 'right', 'turned', 'wrong']),
    found=boxes,
    max_side=st.sampled_from([MAX_SIDE, 490, 93]),
)
def test_message_or_image(file, loader, suffix, stated, found, max_side):
    content, (height, width), damage = file
    with tempfile.NamedTemporaryFile(suffix=suffix) as image:
        image.write(content)
        image.flush()
        data = dict(img_path=image.name)
        if stated != 'no':
            sizes = dict(right=(height, width), turned=(width, height))
            data['height'], data['width'] = sizes.get(stated, (height + 1, width))
        img, message = None, ''
        try:
            img = loader(data)['img']
        except UserError as error:
            message = str(error)
        if img is None:
            assert image.name in message
            assert '\n' not in message
            return
        picture = loader.picture(image.name)
        with open(image.name, 'rb') as after:
            assert after.read() == content
    if damage == 'no':
        assert sorted(img.shape[:2]) == sorted((height, width))
    if loader.color_type != 'unchanged':
        assert img.dtype == (np.float32 if loader.to_float32 else np.uint8)
        assert img.shape[2:] == ((3,) if loader.color_type == 'color' else ())
        assert stated != 'wrong' or damage != 'no'
    assert picture.dtype == np.uint8
    assert picture.shape == (*img.shape[:2], 3)
    drawn = draw_detections(
        picture,
        np.array(found, np.float32).reshape(-1, 4),
        np.zeros(len(found), int),
        np.full(len(found), 0.5),
        ('cat\n\x00\udcff',),
        np.array(found, np.float32).reshape(-1, 4),
        max_side=max_side,
    )
    assert max(drawn.shape) <= max_side
    assert max(draw_grid([drawn, picture]).shape) <= MAX_SIDE
    best = [{'label': 0, 'class': 'cat', 'score': 0.5}]
    assert max(draw_labels(picture, best, (0, 'dog')).shape) <= MAX_SIDE


def test_examples_are_not_all_refused():
    """Most undamaged ones are read, or the property above says nothing."""
    read = []

    @examples(quick=60, long=60)
    @given(file=files())
    def count(file):
        with tempfile.NamedTemporaryFile() as image:
            image.write(file[0])
            image.flush()
            try:
                read.append(LoadImageFromFile()(dict(img_path=image.name)) is not None)
            except UserError:
                read.append(False)

    count()
    assert np.mean(read) > 0.7
