"""AlexNet: its two layer lists and its local response normalisation.

Counts, parity of logits and gradients: test_classifiers.py.
"""

import pytest
import torch
import torchvision
from mmcv.cnn.bricks import ConvWS2d
from mmengine.config import Config
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.alexnet import AlexNet
from projects.core.variants import config_root
from projects.registry import MODELS

LRN = dict(type='projects.LocalResponseNorm')
ALL = (0, 1, 2, 3, 4, 5)


def test_maps_are_those_of_torchvisions_layers():
    torch.manual_seed(0)
    reference = torchvision.models.alexnet(weights=None).eval()
    nodes = [f'features.{i}' for i in (1, 4, 7, 9, 11, 12)]
    extract = create_feature_extractor(reference, nodes)
    backbone = AlexNet(out_indices=ALL).eval()
    backbone.load_state_dict(
        {k: v for k, v in reference.state_dict().items() if 'features' in k}
    )
    images = torch.randn(2, 3, 97, 131)
    with torch.no_grad():
        for out, expected in zip(
            backbone(images), extract(images).values(), strict=True
        ):
            torch.testing.assert_close(out, expected)


def response_norm(a):
    """Sec. 3.3, channel by channel: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    channels = a.shape[1]
    out = torch.empty_like(a)
    for i in range(channels):
        near = a[:, max(0, i - 2) : min(channels - 1, i + 2) + 1]
        out[:, i] = a[:, i] / (2 + 1e-4 * near.square().sum(1)) ** 0.75
    return out


def layers_of_2012(lrn):
    """The published list, one tower; batches of (1, 3, 224, 224) images."""
    layers = [
        nn.Conv2d(3, 96, 11, 4, 1),
        nn.ReLU(),
        lrn,
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, 1, 2),
        nn.ReLU(),
        lrn,
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
    ]
    head = [
        nn.Flatten(),
        nn.Linear(6400, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 1000),
    ]
    return layers + head


@pytest.mark.parametrize('lrn_cfg', [None, LRN])
def test_2012_is_the_published_list(lrn_cfg):
    torch.manual_seed(0)
    cfg = Config.fromfile(config_root() / '_base_/models/alexnet_2012.py')
    model = create_model('alexnet_2012').eval()
    model.backbone = MODELS.build({**cfg.model.backbone, 'lrn_cfg': lrn_cfg}).eval()
    lrn = response_norm if lrn_cfg else nn.Identity()
    layers = layers_of_2012(lrn)
    own = iter(model.parameters())
    # 30: the normalisation has something to divide by
    x = 30 * torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        logits = model(x)
        for layer in layers:
            for parameter in getattr(layer, 'parameters', list)():
                parameter.copy_(next(own))
            x = layer(x)
    assert next(own, None) is None
    assert x.std() > 1e-3
    torch.testing.assert_close(logits, x, rtol=1e-4, atol=1e-4)


def test_normalisation_is_the_papers_behind_conv1_and_conv2():
    torch.manual_seed(0)
    plain = AlexNet('2012', out_indices=(0, 1)).eval()
    normed = AlexNet('2012', LRN, out_indices=(0, 1)).eval()
    normed.load_state_dict(plain.state_dict())  # no weights of its own
    images = 100 * torch.randn(1, 3, 63, 63)
    with torch.no_grad():
        first, _ = plain(images)
        first_normed, second_normed = normed(images)
        torch.testing.assert_close(first_normed, response_norm(first))
        second = plain.features[2:5](first_normed)
        torch.testing.assert_close(second_normed, response_norm(second))
    # enough that its absence would be seen: 2^-0.75 = 0.59 without responses
    assert (first_normed / first)[first > 1].min() < 0.5


def test_normalisations_constants_may_be_others():
    backbone = AlexNet(lrn_cfg=dict(**LRN, size=3, k=1.0))
    assert [(m.size, m.alpha, m.beta, m.k) for m in backbone.lrns] == [
        (3, 5e-4, 0.75, 1.0)
    ] * 2
    assert len(AlexNet().lrns) == 0


@pytest.mark.parametrize(
    ('name', 'kinds'),
    [
        ('alexnet', 'Dropout Linear ReLU Dropout Linear ReLU Linear'),
        ('alexnet_2012', 'Linear ReLU Dropout Linear ReLU Dropout Linear'),
    ],
)
def test_dropouts_are_where_the_variant_has_them(name, kinds, build_on_meta):
    classifier = build_on_meta(name).head.classifier
    assert [type(m).__name__ for m in classifier] == kinds.split()
    assert {m.p for m in classifier if isinstance(m, nn.Dropout)} == {0.5}


def test_layers_may_be_exchanged():
    backbone = AlexNet(
        conv_cfg=dict(type='ConvWS'),
        pool_cfg=dict(type='projects.AvgPool2d'),
        in_channels=1,
    )
    kinds = [type(m) for m in backbone.features]
    assert (kinds.count(ConvWS2d), kinds.count(nn.AvgPool2d)) == (5, 3)
    assert backbone(torch.rand(1, 1, 64, 64))[0].shape == (1, 256, 1, 1)
    assert not {nn.Conv2d, nn.MaxPool2d} & set(kinds)


def test_training_the_last_stage_trains_conv5():
    backbone = AlexNet(lrn_cfg=LRN, trainable_stages=1)
    assert [n for n, p in backbone.named_parameters() if p.requires_grad] == [
        'features.10.weight',
        'features.10.bias',
    ]


def test_weights_begin_as_torchs():
    torch.manual_seed(0)
    backbone = AlexNet()
    backbone.init_weights()
    for layer in backbone.features:
        if isinstance(layer, nn.Conv2d):
            # He's uniform with a = sqrt(5): 1 / sqrt(incoming connections)
            bound = layer.weight[0].numel() ** -0.5
            assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
            assert layer.bias.abs().max() <= bound
            assert layer.bias.any()


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="arch '2013' not in"):
        AlexNet('2013')
    with pytest.raises(ValueError, match='AlexNet has 6 stages'):
        AlexNet(out_indices=(6,))
