"""Every variant of ``list_models()`` has the parameters that it should have.

A plugin that adds a variant adds an entry to resources/architectures.json, or, where
no reference implementation was measured, a row here, with where its figure is from.
"""

import pytest
from reference_table import TABLE

from projects import list_models

NUM_PARAMS = {name: entry['params'] for name, entry in TABLE.items()} | {
    # torchvision's tables of models
    'ssdlite320_mobilenet_v3_large': 3_440_060,
    # its constructors; the table counts GoogLeNet without its auxiliary heads
    'ssd300_vgg16_coco91': 35_641_826,
    # the layers of the papers, summed up in the plugins' tests
    'alexnet_2012': 50_844_008,
    'lenet5_modern': 61_706 + 2 * 6 + 2 * 16,  # two batch norms
    'lenet5_scratch': 61_706 + 2 * 6 + 2 * 16,
    'nin': 7_439_608,
    # ten classes fewer in 60 outputs, see test_ssd_model.py
    'ssd300_vgg16': 34_305_206,
    'ssd512_vgg16': 36_038_196,
    'ssdlite320_mobilenet_v2': 4_228_788,
    'ssd_mini': 1_264_116,
    # the backbone is MobileNetV1 without its linear layer; three 3x3 convolutions give
    # four boxes a position, each 21 scores and 4 numbers
    'ssd_mobilenet_v1_x0_25': (470_072 - 257 * 1000)
    + (64 + 128 + 256) * 9 * 4 * 25
    + 3 * 4 * 25,
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
