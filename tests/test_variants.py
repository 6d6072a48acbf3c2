"""Every variant of ``list_models()`` has the parameters that it should have.

A plugin that adds a variant adds an entry to resources/architectures.json, or, where
no reference implementation was measured, a row here, with where its figure is from.
"""

import pytest
from reference_table import TABLE

from projects import list_models


def faster_rcnn(backbone: int, channels: tuple[int, ...]) -> int:
    """Feature pyramid, region proposals and heads, layer by layer, for COCO."""
    pyramid = sum(256 * c + 256 for c in channels) + 4 * (9 * 256 * 256 + 256)
    # three anchors a position, each a score and four numbers
    proposals = 9 * 256 * 256 + 256 + 3 * 5 * (256 + 1)
    heads = (7 * 7 * 256 + 1) * 1024 + (1024 + 1) * 1024
    heads += (1024 + 1) * (81 + 4 * 80)
    return backbone + pyramid + proposals + heads


def ssd(backbone: int, channels: tuple[int, ...]) -> int:
    """Four boxes a position of each map, of 21 scores and 4 numbers."""
    return backbone + sum((9 * c + 1) * 4 * 25 for c in channels)


# stem, blocks, what is between the stages, norms
CONVNEXT_MINI = (48 + 1) * 24 + 2 * 24
CONVNEXT_MINI += sum(
    n * (8 * c**2 + 58 * c)
    for c, n in zip((24, 48, 96, 192), (1, 1, 3, 1), strict=True)
)
CONVNEXT_MINI += sum(2 * c + (4 * c + 1) * 2 * c for c in (24, 48, 96))
CONVNEXT_MINI += sum(2 * c for c in (48, 96, 192))
SWIN_MINI = (192 + 1) * 48 + 2 * 48
SWIN_MINI += sum(2 * (12 * c**2 + 13 * c + 11**2 * c // 24) for c in (48, 96, 192))
SWIN_MINI += sum(8 * c + 8 * c**2 for c in (48, 96))
SWIN_MINI += sum(2 * c for c in (48, 96, 192))
SWIN_WIDTHS = (96, 192, 384, 768)
NUM_PARAMS = {name: entry['params'] for name, entry in TABLE.items()} | {
    # torchvision's tables of models
    'ssdlite320_mobilenet_v3_large': 3_440_060,
    # its constructors; the table counts GoogLeNet without its auxiliary heads
    'ssd300_vgg16_coco91': 35_641_826,
    # the layers of the papers, summed up in the plugins' tests
    'alexnet_2012': 50_844_008,
    # embeddings; three layers; the pooler and the heads of pre-training
    'bert_mini': (30522 + 64 + 2 + 2) * 128
    + 3 * (4 * (128**2 + 128) + 2 * 128 * 256 + 256 + 128 + 4 * 128)
    + 2 * (128**2 + 128)
    + (2 * 128 + 30522 + 2 * 128 + 2),
    # generator and discriminator, from the lists of layers of papers and authors; in
    # parts in the plugin's tests
    'cgan_mini': 2 * 70_784 + 135_041,  # the average of the generator, too
    'cgan_mnist': 2_413_984 + 1_224_351,
    'cyclegan_mini': 2 * 198_659 + 2 * 167_649,
    'cyclegan_resnet6': 2 * 7_837_699 + 2 * 2_764_737,
    'cyclegan_resnet9': 2 * 11_378_179 + 2 * 2_764_737,
    'dcgan_64': 3_576_704 + 2_765_568,
    'dcgan_conditional_28': 1_073_780 + 201_344,
    'dcgan_conditional_32': 1_274_228 + 704_256,
    'dcgan_conditional_64': 3_986_804 + 2_847_488,
    'dcgan_conditional_mini': 398_772 + 187_264,
    'dcgan_mini': 2 * 142_032 + 94_368,
    'dcgan_paper': 18_855_040 + 17_232_768,
    # two coordinates in, 128 in four layers, two or one out
    'gan_mlp': 2 * (3 * 128 + 3 * 129 * 128) + 129 * 2 + 129,
    'wgan_gp_mini': 2 * 90_688 + 82_689,
    'wgan_gp_64': 8_540_483 + 7_491_841,
    'wgan_gp_cifar': 1_204_483 + 1_053_825,
    'wgan_gp_mnist': 1_554_177 + 1_030_145,
    # without the linear layers; with a norm for each of the first three maps
    'faster_rcnn_fpn': faster_rcnn(25_557_032 - 2049 * 1000, (256, 512, 1024, 2048)),
    'faster_rcnn_swin_t': faster_rcnn(
        28_288_354 - 769 * 1000 + 2 * (96 + 192 + 384), SWIN_WIDTHS
    ),
    'faster_rcnn_convnext_tiny': faster_rcnn(
        28_589_128 - 769 * 1000 + 2 * (96 + 192 + 384), SWIN_WIDTHS
    ),
    # embeddings of 2,048 tokens and 256 positions, three blocks, a norm
    'gpt_mini': (2048 + 256) * 128 + 3 * (12 * 128**2 + 13 * 128) + 2 * 128,
    'lenet5_modern': 61_706 + 2 * 6 + 2 * 16,  # two batch norms
    'lenet5_scratch': 61_706 + 2 * 6 + 2 * 16,
    'nin': 7_439_608,
    # ten classes fewer in 60 outputs, see test_ssd_model.py
    'ssd300_vgg16': 34_305_206,
    'ssd512_vgg16': 36_038_196,
    'ssdlite320_mobilenet_v2': 4_228_788,
    'ssd_mini': 1_264_116,
    'ssd_convnext_mini': ssd(CONVNEXT_MINI, (48, 96, 192)),
    'ssd_swin_mini': ssd(SWIN_MINI, (48, 96, 192)),
    # MobileNetV1 without its linear layer
    'ssd_mobilenet_v1_x0_25': ssd(470_072 - 257 * 1000, (64, 128, 256)),
    # DeiT's widths; timm's constructors
    'vit_small_16': 22_050_664,
    'vit_tiny_16': 5_717_416,
    'yolov1': 271_703_550,
    'yolov1_bn': 271_716_734,
    'yolov1_extraction': 23_428_136,
    # batch norm's scale and shift for each of 9,088 biases
    'yolov1_extraction_bn': 23_428_136 + 9_088,
    'yolov1_fast': 45_089_374,
    'yolov1_local': 197_301_875,
    'yolov1_mini': 651_745,
    'yolov1_tiny': 27_095_374,
}


def test_every_variant_has_its_entry_and_every_entry_its_variant():
    assert sorted(NUM_PARAMS) == list_models()


@pytest.mark.parametrize('name', NUM_PARAMS)
def test_num_params(name, build_on_meta):
    model = build_on_meta(name)
    assert sum(p.numel() for p in model.parameters()) == NUM_PARAMS[name]
