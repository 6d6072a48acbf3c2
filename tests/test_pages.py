"""All pages: nothing is left to fill in, and what they name exists."""

import re

import pytest
from pages import PAGES, ROOT, anchors, read

# A word in capitals that is none of these stands in for a figure or a text to come.
KNOWN_CAPITALS = set(
    'ACL AMD AMP API AVX AVX2 AVX512 BERT BGR BMP BMVC CIFAR CMYK CNN COCO D_A D_B '
    'CONTRIBUTING '
    'ASR BLEU BPE EMNLP ICASSP ISO LAMBADA RESULTS WMT '
    'CPU CSV CUDA CVPR DCGAN DDP ECCV EPYC EXIF FID FLOP GAN GELU GFLOP GIF GIL GPT '
    'GPU GRU ICCV ICLR ICML IEEE JIT JMLR JPEG JSON KID LICENSE LRN LSTM MLP MNIST '
    'NCCL NIPS NLP NMS '
    'MASK NAACL ONNX '
    'NVIDIA PNG PPM README RGB RMS RNN SGD SIGTERM SSD SSD300 SSD512 SVHN TIFF TPU '
    'TIDE URL VEEGAN VGG VOC WGAN XML XXS YAML YOLO'.split()
)
# a reader makes these
OWN_FILES = {
    f'configs/{name}.py' for name in ('my', 'my_classes', 'my_images', 'my_texts')
}


def prose(text):
    """Without code, the targets of links and comments."""
    text = re.sub(r'^```.*?^```$', '', text, flags=re.M | re.S)
    text = re.sub(r'^ {4}.*$', '', text, flags=re.M)
    text = re.sub(r'`[^`]*`', '', text)
    return re.sub(r'\]\([^)]*\)', ']', text)


def placeholders(text):
    """What somebody meant to replace."""
    found = re.findall(r'\b(?:TODO|FIXME|TBD|XXX+)\b|\?\?+', text)
    text = prose(text)
    found += re.findall(r'<[\w .-]+>', text)
    found += re.findall(r'\b[A-Z][A-Z0-9_]{2,}\b', text)
    return sorted(set(found) - KNOWN_CAPITALS)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('differs by PARITY at most', ['PARITY']),
        ('| SPEED1 | MEM32 |', ['MEM32', 'SPEED1']),
        ('trained in <minutes> min, TODO', ['<minutes>', 'TODO']),
        ('its mAP is ??', ['??']),
        ('mAP on COCO: 0.5, `python tools/train.py CONFIG`, [a](FILE.md)', []),
        ('```sh\npython tools/test.py CONFIG  # XXX\n```\n', ['XXX']),
    ],
)
def test_placeholders_are_found(text, expected):
    assert placeholders(text) == expected


@pytest.mark.parametrize('page', PAGES)
def test_nothing_is_left_to_fill_in(page):
    assert placeholders(read(page)) == []


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page):
    text = read(page)
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        if link.startswith(('https://', 'http://')):
            continue
        name, _, anchor = link.partition('#')
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding='utf-8')), link


@pytest.mark.parametrize('page', PAGES)
def test_files_that_are_named_exist(page):
    text = read(page)
    # the plugin that CONTRIBUTING.md adds
    text = re.sub(r'\S*stairnet\S*', '', text)
    paths = re.findall(
        r'(?<![\w/.-])(?:configs|tools|resources|projects|tests)/[\w./-]*\w', text
    )
    for path in set(paths) - OWN_FILES:
        assert (ROOT / path).exists(), path
    for name in re.findall(r'`([a-z][\w-]*_\d+xb\d+-\d+e_[\w-]+)`', text):
        assert list(ROOT.glob(f'configs/*/{name}.py')), name


def test_the_pages_name_what_they_should():
    """Or the tests above compare nothing."""
    readme = read('README.md')
    assert len(set(re.findall(r'tools/[\w/]+\.(?:py|sh)', readme))) > 8
    assert 'resources/yolov1-mini_digits-coco.jpg' in readme
    assert len(PAGES) > 12
