"""GoogLeNet: its maps, and its three classifiers in training.

Counts, parity of logits in eval mode and gradients: test_classifiers.py.
"""

import pytest
import torch
import torchvision
from mmcv.cnn.bricks import ConvWS2d
from mmpretrain.structures import DataSample
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.core.tasks.classification.benchmark import ClassifierParts
from projects.core.weights import load_weights
from projects.googlenet import GoogLeNet, GoogLeNetHead

NODES = ['conv1', 'conv3', 'inception3b', 'inception4e', 'inception5b']


def samples(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


@pytest.fixture(scope='module')
def reference():
    """torchvision's, with statistics that change something, no dropout."""
    torch.manual_seed(0)
    model = torchvision.models.GoogLeNet(init_weights=False, dropout=0, dropout_aux=0)
    for name, buffer in model.named_buffers():
        if name.endswith('running_mean'):
            buffer.normal_(0, 0.1)
        elif name.endswith('running_var'):
            buffer.uniform_(0.5, 1.5)
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
    return model


@pytest.fixture
def model(reference):
    """Ours with its weights, no dropout."""
    model = create_model('googlenet')
    load_weights(model, reference.state_dict(), 'torchvision')
    for m in model.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0
    return model


def test_maps_are_those_of_torchvisions_layers(reference, model):
    extract = create_feature_extractor(reference.eval(), NODES)
    backbone = GoogLeNet(out_indices=range(5)).eval()
    backbone.load_state_dict(model.backbone.state_dict())
    images = torch.randn(1, 3, 75, 122)
    with torch.no_grad():
        outs = backbone(images)
        for out, expected in zip(outs, extract(images).values(), strict=True):
            torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
    assert [tuple(out.shape[1:]) for out in outs] == [
        (64, 38, 61),
        (192, 19, 30),
        (480, 9, 15),
        (832, 4, 7),
        (1024, 2, 4),
    ]


def test_in_training_the_three_logits_are_torchvisions(reference, model):
    images = torch.randn(2, 3, 128, 128)
    expected = reference.train()(images)
    logits, aux1, aux2 = model.train()(images)
    for own, theirs in (
        (logits, expected.logits),
        (aux1, expected.aux_logits1),
        (aux2, expected.aux_logits2),
    ):
        assert theirs.std() > 1e-2
        torch.testing.assert_close(own, theirs, rtol=1e-3, atol=1e-3)


def test_num_params_of_the_classifiers_by_hand(build_on_meta):
    def count(*modules):
        return sum(p.numel() for m in modules for p in m.parameters())

    model = build_on_meta('googlenet')
    # 1 x 1 convolution and batch norm; 128 * 4 * 4 -> 1,024 -> 1,000
    linear = 2049 * 1024 + 1025 * 1000
    assert count(model.head.aux1) == 512 * 128 + 2 * 128 + linear == 3_188_968
    assert count(model.head.aux2) == 528 * 128 + 2 * 128 + linear == 3_191_016
    assert count(model.backbone, model.head.fc) == 6_624_904
    model = build_on_meta('googlenet_paper')
    assert count(model.head.aux1) == 513 * 128 + linear
    assert count(model.backbone, model.head.fc) == 6_998_552


def test_eval_mode_computes_nothing_of_the_auxiliaries(model):
    def refuse(module, args):
        raise AssertionError('computed')

    model.eval()
    for aux in (model.head.aux1, model.head.aux2):
        aux.register_forward_pre_hook(refuse)
    with torch.no_grad():
        assert len(model.extract_feat(torch.rand(1, 3, 64, 64))) == 1
        assert model(torch.rand(1, 3, 64, 64)).shape == (1, 1000)
    with pytest.raises(AssertionError, match='computed'):
        model.train()(torch.rand(2, 3, 64, 64))


def test_auxiliary_maps_are_those_behind_4a_and_4d_in_training():
    torch.manual_seed(0)
    backbone = GoogLeNet(
        aux_maps=True, norm_cfg=None, init_cfg=dict(type='Kaiming', layer='Conv2d')
    )
    backbone.init_weights()
    seen = {}
    for name in ('inception4a', 'inception4d', 'inception5b'):
        getattr(backbone, name).register_forward_hook(
            lambda m, args, out, name=name: seen.update({name: out})
        )
    images = torch.rand(1, 3, 64, 64)
    outs = backbone.train()(images)
    assert [out.shape[1] for out in outs] == [512, 528, 1024]
    assert all(out is kept for out, kept in zip(outs, seen.values(), strict=True))
    (eval_out,) = backbone.eval()(images)
    torch.testing.assert_close(eval_out, outs[-1])
    # a detector's maps are its own alone, also in training
    detector = GoogLeNet(aux_maps=True, out_indices=(3, 4)).train()
    assert [out.shape[1] for out in detector(images)] == [832, 1024]
    assert len(GoogLeNet().train()(torch.rand(2, 3, 64, 64))) == 1


def test_loss_is_the_main_one_and_03_of_each_auxiliary():
    torch.manual_seed(0)
    head = GoogLeNetHead(5).train()
    logits = torch.randn(3, 2, 5)
    losses = head._get_loss(tuple(logits), samples(4, 1))
    labels = torch.tensor([4, 1])
    expected = [cross_entropy(x, labels) for x in logits]
    assert list(losses) == ['loss_main', 'loss_aux1', 'loss_aux2']
    torch.testing.assert_close(
        list(losses.values()), [expected[0], 0.3 * expected[1], 0.3 * expected[2]]
    )


def test_loss_of_a_model_is_that_of_its_logits(model):
    """By mmpretrain's way and by the benchmark's; the log's total is the sum."""
    data = dict(inputs=torch.randn(2, 3, 64, 64), data_samples=samples(3, 9))
    model.train()
    parts = ClassifierParts(model)
    losses = model(**data, mode='loss')
    again = parts.losses(parts.network(data['inputs']), data['data_samples'])
    torch.testing.assert_close(losses, again)
    total, log = model.parse_losses(losses)
    assert list(log) == ['loss', 'loss_main', 'loss_aux1', 'loss_aux2']
    assert log['loss'] == total == sum(losses.values())
    # in eval mode there is one loss
    assert list(model.eval()(**data, mode='loss')) == ['loss']


def test_loss_takes_mixed_labels_and_the_accuracy_is_the_main_ones():
    head = GoogLeNetHead(3, aux_weight=0.5)
    right, wrong = 9 * torch.eye(3)[:1], 9 * torch.eye(3)[1:2]
    mixed = [DataSample().set_gt_score(torch.tensor([0.6, 0.4, 0.0]))]
    losses = head._get_loss((right, wrong, right), mixed)
    expected = cross_entropy(wrong, torch.tensor([[0.6, 0.4, 0.0]]))
    torch.testing.assert_close(losses['loss_aux1'], 0.5 * expected)
    head = GoogLeNetHead(3, cal_acc=True)
    losses = head._get_loss((right, wrong, wrong), samples(0))
    assert losses['accuracy_top-1'][0] == 100


def test_final_layers_are_three():
    model = create_model('googlenet', trainable_stages=0)
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        f'head.{layer}.{kind}'
        for layer in ('fc', 'aux1.fc2', 'aux2.fc2')
        for kind in ('weight', 'bias')
    ]


class PaperInception(nn.Module):
    """Table 1, a row: 1 x 1; 3 x 3 reduce, 3 x 3; 5 x 5 reduce, 5 x 5; pool."""

    def __init__(self, c, n1, r3, n3, r5, n5, p):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(c, n1, 1), nn.ReLU()),
                nn.Sequential(
                    nn.Conv2d(c, r3, 1),
                    nn.ReLU(),
                    nn.Conv2d(r3, n3, 3, 1, 1),
                    nn.ReLU(),
                ),
                nn.Sequential(
                    nn.Conv2d(c, r5, 1),
                    nn.ReLU(),
                    nn.Conv2d(r5, n5, 5, 1, 2),
                    nn.ReLU(),
                ),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(c, p, 1), nn.ReLU()),
            ]
        )

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def paper_network():
    """The trunk in three parts that end where a classifier begins, and the
    three classifiers."""

    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    parts = nn.ModuleList(
        [
            nn.Sequential(
                nn.Conv2d(3, 64, 7, 2, 3),
                nn.ReLU(),
                pool(),
                nn.Conv2d(64, 64, 1),
                nn.ReLU(),
                nn.Conv2d(64, 192, 3, 1, 1),
                nn.ReLU(),
                pool(),
                PaperInception(192, 64, 96, 128, 16, 32, 32),
                PaperInception(256, 128, 128, 192, 32, 96, 64),
                pool(),
                PaperInception(480, 192, 96, 208, 16, 48, 64),
            ),
            nn.Sequential(
                PaperInception(512, 160, 112, 224, 24, 64, 64),
                PaperInception(512, 128, 128, 256, 24, 64, 64),
                PaperInception(512, 112, 144, 288, 32, 64, 64),
            ),
            nn.Sequential(
                PaperInception(528, 256, 160, 320, 32, 128, 128),
                pool(),
                PaperInception(832, 256, 160, 320, 32, 128, 128),
                PaperInception(832, 384, 192, 384, 48, 128, 128),
            ),
        ]
    )
    main = nn.Sequential(nn.AvgPool2d(7, 1), nn.Flatten(), nn.Linear(1024, 1000))
    auxiliaries = [
        nn.Sequential(
            nn.AvgPool2d(5, 3),
            nn.Conv2d(c, 128, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2048, 1024),
            nn.ReLU(),
            nn.Linear(1024, 1000),
        )
        for c in (512, 528)
    ]
    return parts, nn.ModuleList([main, *auxiliaries])


def test_paper_form_is_table_1():
    torch.manual_seed(0)
    model = create_model('googlenet_paper')
    for m in model.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0
        elif isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(m.weight)
            nn.init.normal_(m.bias, 0, 0.1)
    trunk, classifiers = paper_network()
    own = list(model.backbone.parameters()), list(model.head.parameters())
    with torch.no_grad():
        for part, weights in zip((trunk, classifiers), own, strict=True):
            for parameter, value in zip(part.parameters(), weights, strict=True):
                parameter.copy_(value)
        images = torch.randn(1, 3, 224, 224)
        maps = [images]
        for part in trunk:
            maps.append(part(maps[-1]))
        expected = [
            classifier(x)
            for classifier, x in zip(
                classifiers, (maps[3], maps[1], maps[2]), strict=True
            )
        ]
        assert min(x.std() for x in expected) > 0.1
        for out, value in zip(model.train()(images), expected, strict=True):
            torch.testing.assert_close(out, value, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            model.eval()(images), expected[0], rtol=1e-4, atol=1e-4
        )


def test_dropouts_are_torchvisions_and_the_papers(build_on_meta):
    for name, main in (('googlenet', 0.2), ('googlenet_paper', 0.4)):
        head = build_on_meta(name).head
        assert (head.dropout.p, head.aux1.dropout.p, head.aux2.dropout.p) == (
            main,
            0.7,
            0.7,
        )
    head = GoogLeNetHead(2, in_channels=2000).train()
    torch.manual_seed(0)
    zeros = head.pre_logits((torch.ones(1, 2000, 2, 2),)) == 0
    assert zeros.float().mean().item() == pytest.approx(0.2, abs=0.03)
    # between the two linear layers: their input is not thinned out
    aux, hidden = head.aux1, []
    aux.fc2.register_forward_pre_hook(lambda m, args: hidden.append(args[0]))
    aux(torch.rand(2, 512, 14, 14))
    kept = nn.functional.relu(hidden[0]) > 0
    assert kept.float().mean() < 0.5 * 0.5


def test_published_weights_see_pixels_from_minus_1_to_1(reference):
    """torchvision normalises, and its transform_input undoes that."""
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    reference.transform_input = True
    expected = reference._transform_input((pixels / 255 - mean) / std)
    reference.transform_input = False
    data = create_model('googlenet').data_preprocessor(
        dict(inputs=list(pixels.flip(1)))
    )  # files are read as BGR
    torch.testing.assert_close(data['inputs'], expected)


def test_layers_may_be_exchanged():
    norm_cfg, conv_cfg = dict(type='GN', num_groups=8), dict(type='ConvWS')
    backbone = GoogLeNet(
        norm_cfg=norm_cfg,
        conv_cfg=conv_cfg,
        in_channels=1,
        pool_cfg=dict(type='projects.AvgPool2d'),
    )
    kinds = [type(m) for m in backbone.modules()]
    # 3 convolutions and 6 in each of 9 modules; 4 pools and one in each
    assert [kinds.count(kind) for kind in (ConvWS2d, nn.GroupNorm, nn.AvgPool2d)] == [
        57,
        57,
        13,
    ]
    assert not {nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d} & set(kinds)
    assert backbone(torch.rand(1, 1, 64, 64))[0].shape == (1, 1024, 2, 2)
    kinds = [
        type(m)
        for m in GoogLeNetHead(3, norm_cfg=norm_cfg, conv_cfg=conv_cfg).modules()
    ]
    assert [kinds.count(kind) for kind in (ConvWS2d, nn.GroupNorm)] == [2, 2]


def test_weights_begin_as_torchvisions_and_as_caffes():
    torch.manual_seed(0)
    model = create_model('googlenet')
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            assert m.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert m.bias is None or not m.bias.any()
        elif isinstance(m, nn.BatchNorm2d):
            assert m.eps == 1e-3
    for m in create_model('googlenet_paper').modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            area = m.weight[0, 0].numel()
            # Glorot's uniform: variance 2 / (connections in + out)
            assert m.weight.std().item() == pytest.approx(
                (2 / (m.weight[0].numel() + area * len(m.weight))) ** 0.5, rel=0.05
            )
            assert (m.bias == 0.2).all()


def test_training_the_last_stage_trains_5a_and_5b():
    backbone = GoogLeNet(aux_maps=True, trainable_stages=1).train()
    trained = {
        n.partition('.')[0] for n, p in backbone.named_parameters() if p.requires_grad
    }
    assert trained == {'inception5a', 'inception5b'}
    assert len(backbone(torch.rand(2, 3, 32, 32))) == 3


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="arch 'caffe' not in"):
        GoogLeNet('caffe')
    with pytest.raises(ValueError, match='GoogLeNet has 5 stages'):
        GoogLeNet(out_indices=(5,))
    with pytest.raises(ValueError, match='1 maps for three classifiers'):
        GoogLeNetHead(3).train()((torch.rand(1, 1024, 2, 2),))
