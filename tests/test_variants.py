"""Every variant of ``list_models()`` has the parameters that it should have.

A plugin that adds a variant adds a row, with where its figure is from.
"""

import pytest

from projects import list_models

NUM_PARAMS = {
    # torchvision's tables of models
    'alexnet': 61_100_840,
    'densenet121': 7_978_856,
    'densenet161': 28_681_000,
    'densenet169': 14_149_480,
    'densenet201': 20_013_928,
    'resnet18': 11_689_512,
    'resnet34': 21_797_672,
    'resnet50': 25_557_032,
    'resnet101': 44_549_160,
    'resnet152': 60_192_808,
    'resnext50_32x4d': 25_028_904,
    'resnext101_32x8d': 88_791_336,
    'resnext101_64x4d': 83_455_272,
    'ssdlite320_mobilenet_v3_large': 3_440_060,
    'vgg11': 132_863_336,
    'vgg11_bn': 132_868_840,
    'vgg13': 133_047_848,
    'vgg13_bn': 133_053_736,
    'vgg16': 138_357_544,
    'vgg16_bn': 138_365_992,
    'vgg19': 143_667_240,
    'vgg19_bn': 143_678_248,
    'wide_resnet50_2': 68_883_240,
    'wide_resnet101_2': 126_886_696,
    # its constructors; the table counts GoogLeNet without its auxiliary heads
    'googlenet': 13_004_888,
    'ssd300_vgg16_coco91': 35_641_826,
    # the layers of the papers, summed up in the plugins' tests
    'alexnet_2012': 50_844_008,
    'googlenet_paper': 13_378_280,
    'lenet5': 61_706,
    'lenet5_modern': 61_706 + 2 * 6 + 2 * 16,  # two batch norms
    'lenet5_scratch': 61_706 + 2 * 6 + 2 * 16,
    'nin': 7_439_608,
    # ten classes fewer in 60 outputs, see test_ssd_model.py
    'ssd300_vgg16': 34_305_206,
    'ssd512_vgg16': 36_038_196,
    'ssdlite320_mobilenet_v2': 4_228_788,
    'ssd_mini': 1_264_116,
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


def test_every_variant_is_in_the_table():
    assert sorted(NUM_PARAMS) == list_models()


@pytest.mark.parametrize('name', NUM_PARAMS)
def test_num_params(name, build_on_meta):
    model = build_on_meta(name)
    assert sum(p.numel() for p in model.parameters()) == NUM_PARAMS[name]
