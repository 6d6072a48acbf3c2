"""ResNet, ResNeXt and Wide ResNet: blocks, options, recipes."""

import cv2
import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmpretrain.structures import DataSample
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.core.variants import config_root
from projects.registry import MODELS
from projects.resnet import BasicBlock, Bottleneck, ResNet

ALL = range(5)
BN = dict(type='BN')


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def run_config(name):
    return Config.fromfile(config_root() / 'resnet' / name)


def with_statistics(model):
    """Random batch-norm statistics and affine weights, in eval mode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval()


@pytest.mark.parametrize('depth', sorted(ResNet.arch_settings))
def test_depth_counts_the_layers_with_weights(depth):
    with torch.device('meta'):
        convs = [
            name
            for name, m in ResNet(depth).named_modules()
            if isinstance(m, nn.Conv2d) and 'downsample' not in name
        ]
    assert len(convs) + 1 == depth  # and the classifier


@pytest.mark.parametrize(
    ('options', 'width'),
    [
        (dict(), 64),
        (dict(groups=32, base_width=4), 128),
        (dict(groups=64, base_width=4), 256),
        (dict(base_width=128), 128),
    ],
)
def test_first_bottleneck_by_hand(options, width):
    """1x1, 3x3 in groups, 1x1, projection; scales and shifts of four norms."""
    block = ResNet(50, **options).layer1[0]
    groups = options.get('groups', 1)
    assert num_params(block) == (
        64 * width
        + 9 * width * width // groups
        + width * 256
        + 64 * 256
        + 2 * (width + width + 256 + 256)
    )


def test_second_stage_of_resnet18_by_hand():
    stage = ResNet(18).layer2
    # 64 -> 128 with its projection, then three times 128 -> 128
    assert num_params(stage) == (
        9 * 64 * 128 + 3 * 9 * 128 * 128 + 64 * 128 + 5 * 2 * 128
    )


@pytest.mark.parametrize('name', ['resnet18', 'resnet50', 'resnext50_32x4d'])
def test_maps_are_those_of_torchvision(name):
    torch.manual_seed(0)
    reference = with_statistics(getattr(torchvision.models, name)())
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py')
    backbone = MODELS.build({**cfg.model.backbone, 'out_indices': ALL}).eval()
    state = reference.state_dict()
    backbone.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith('fc.')}
    )
    images = torch.randn(2, 3, 49, 70)  # odd: each stage rounds up
    nodes = ['relu', 'layer1', 'layer2', 'layer3', 'layer4']
    with torch.no_grad():
        expected = create_feature_extractor(reference, nodes)(images)
        outs = backbone(images)
    for node, out in zip(nodes, outs, strict=True):
        assert expected[node].std() > 0.01
        torch.testing.assert_close(out, expected[node], rtol=1e-4, atol=1e-4)
    assert [tuple(out.shape[2:]) for out in outs] == [
        (25, 35),
        (13, 18),
        (7, 9),
        (4, 5),
        (2, 3),
    ]


def test_bottleneck_halves_in_its_3x3_convolution():
    first = ResNet(50).layer2[0]
    assert [
        conv.stride
        for conv in (first.conv1, first.conv2, first.conv3, first.downsample[0])
    ] == [(1, 1), (2, 2), (1, 1), (2, 2)]


def test_basic_block_by_hand():
    """Weights of 1 in the middle of each kernel, norms that do nothing."""
    block = BasicBlock(1, 1, 1, 1, 64, None, BN).eval()
    for conv in (block.conv1, block.conv2):
        nn.init.dirac_(conv.weight)
    for norm in (block.bn1, block.bn2):
        norm.eps = 0.0
    x = torch.tensor([-2.0, 0.0, 3.0]).view(1, 1, 1, 3)
    # residual: relu(x); out: relu(relu(x) + x), so that -2 gives 0, 3 gives 6
    assert block(x).flatten().tolist() == [0.0, 0.0, 6.0]


@pytest.mark.parametrize('depth', [18, 50])
def test_zero_init_residual_makes_blocks_their_shortcuts(depth):
    """By the last norm: what reaches it, as after training, is not zero."""
    torch.manual_seed(0)
    x = torch.rand(2, 64 * (1 if depth == 18 else 4), 6, 6)
    for is_zero in (True, False):
        model = ResNet(depth, zero_init_residual=is_zero)
        model.init_weights()
        block = model.layer1[1].eval()
        for norm in (block.bn1, block.bn2)[: 1 if depth == 18 else 2]:
            nn.init.ones_(norm.bias)
        assert torch.equal(block(x), x) == is_zero


def test_initialisation_is_torchvisions():
    torch.manual_seed(0)
    model = create_model('resnext50_32x4d')
    block = model.backbone.layer4[1]
    # Kaiming, fan_out: 2048 * 1 * 1 and, groups left aside, 1024 * 3 * 3
    assert block.conv3.weight.std().item() == pytest.approx((2 / 2048) ** 0.5, rel=0.02)
    assert block.conv2.weight.std().item() == pytest.approx((2 / 9216) ** 0.5, rel=0.02)
    for norm in (model.backbone.bn1, block.bn3):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert not norm.bias.any()
    # torch's linear layer: uniform within 1 / sqrt(2048), also the bias
    weight, bound = model.head.fc.weight, 2048**-0.5
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert model.head.fc.bias.any()


@pytest.mark.parametrize('depth', [18, 50])
def test_layers_are_exchanged(depth):
    model = ResNet(
        depth,
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=8),
        pool_cfg=dict(type='projects.AvgPool2d'),
    )
    kinds = {type(m) for m in model.modules()}
    assert OtherConv in kinds
    assert nn.GroupNorm in kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d})
    outs = model(torch.rand(1, 1, 32, 32))
    assert outs[0].shape == (1, 512 * (1 if depth == 18 else 4), 1, 1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=20), 'depth 20 not in'),
        (dict(depth=18, groups=32), 'groups 32, base_width 64: ResNet-18'),
        (dict(depth=34, base_width=128), 'no bottleneck to change'),
        (dict(depth=50, out_indices=(5,)), 'ResNet has 5 stages'),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**arguments)


def test_widths_double_from_stage_to_stage():
    with torch.device('meta'):
        model = ResNet(101, groups=32, base_width=8)
    blocks = [getattr(model, f'layer{i}')[-1] for i in range(1, 5)]
    assert all(isinstance(block, Bottleneck) for block in blocks)
    # Table 1 of ResNeXt, for C x d = 32 x 8
    assert [block.conv2.in_channels for block in blocks] == [256, 512, 1024, 2048]
    assert {block.conv2.groups for block in blocks} == {32}


def rates(cfg, epochs):
    """The rate of each epoch, as a runner sets it."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], cfg.optim_wrapper.optimizer.lr)
    schedulers = [
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=optimizer))
        for scheduler in cfg.param_scheduler
    ]
    lrs = []
    for _ in range(epochs):
        lrs.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return lrs


def test_resnext_falls_three_times_in_100_epochs():
    lrs = rates(run_config('resnext50-32x4d_8xb32-100e_imagenet.py'), 100)
    assert lrs == pytest.approx([0.1] * 30 + [0.01] * 30 + [0.001] * 30 + [0.0001] * 10)


class TestNewerRecipe:
    """torchvision's of 600 epochs."""

    @pytest.fixture
    def cfg(self):
        return run_config('resnet50_8xb128-600e_imagenet.py')

    @pytest.fixture
    def model(self, cfg):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return MODELS.build(cfg.model)

    def test_rates(self, cfg):
        """From a hundredth of 0.5 within five epochs, then along a cosine."""
        lrs = rates(cfg, 600)
        assert lrs[:6] == pytest.approx([0.005, 0.104, 0.203, 0.302, 0.401, 0.5])
        for epoch in (6, 300, 599):
            assert lrs[epoch] == pytest.approx(
                0.25 * (1 + np.cos(np.pi * (epoch - 5) / 595))
            )

    def test_norms_do_not_decay(self, cfg, model):
        groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
        decays = {id(g['params'][0]): g['weight_decay'] for g in groups}
        norms = {
            id(p)
            for m in model.modules()
            if isinstance(m, nn.BatchNorm2d)
            for p in m.parameters()
        }
        assert len(norms) == 2 * 53
        for p in model.parameters():
            assert decays[id(p)] == (0 if id(p) in norms else 2e-5)

    def test_labels_are_mixed_and_smoothed(self, model):
        np.random.seed(0)
        images = torch.randint(0, 256, (2, 3, 32, 32))
        samples = [DataSample().set_gt_label(i) for i in (3, 8)]
        mixed = model.data_preprocessor(
            dict(inputs=list(images), data_samples=samples), True
        )
        scores = torch.stack([s.gt_score for s in mixed['data_samples']])
        assert scores.sum(1).tolist() == pytest.approx([1, 1])
        assert set(scores.nonzero()[:, 1].tolist()) == {3, 8}
        logits = torch.randn(2, 1000)
        expected = nn.functional.cross_entropy(logits, scores, label_smoothing=0.1)
        assert model.head.loss_module(logits, scores) == pytest.approx(expected.item())

    def test_average_takes_in_statistics(self, cfg, model):
        hook = cfg.custom_hooks[-1]
        # 1 - 0.99998 a step, for 1,024 images, each 32nd step of 600 epochs
        assert hook.momentum == pytest.approx(0.00109227, rel=1e-4)
        assert hook.begin_epoch == 5
        source = nn.BatchNorm2d(1)
        average = ExponentialMovingAverage(
            source,
            momentum=hook.momentum,
            interval=hook.interval,
            update_buffers=hook.update_buffers,
        )
        average.update_parameters(source)  # the first one copies
        nn.init.constant_(source.running_mean, 1.0)
        for _ in range(32):
            average.update_parameters(source)
        assert average.module.running_mean.item() == pytest.approx(hook.momentum)

    def test_pipelines_read_a_jpeg(self, cfg, tmp_path):
        path = str(tmp_path / 'image.jpg')
        cv2.imwrite(
            path, np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
        )
        data = dict(img_path=path, gt_label=3)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            train, test = (
                Compose(pipeline)
                for pipeline in (
                    cfg.train_dataloader.dataset.pipeline,
                    cfg.val_dataloader.dataset.pipeline,
                )
            )
        for pipeline, side in ((train, 176), (test, 224)):
            packed = pipeline(dict(data))
            assert packed['inputs'].shape == (3, side, side)
            assert packed['inputs'].dtype == torch.uint8
            assert packed['data_samples'].gt_label.tolist() == [3]

    def test_erased_pixels_are_the_mean(self, cfg):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            erase = Compose([{**cfg.train_pipeline[-2], 'erase_prob': 1.0}])
        image = np.full((176, 176, 3), 255, np.uint8)
        image = erase(dict(img=image))['img']
        erased = image[(image != 255).all(-1)]
        assert 0.02 * 176**2 * 0.9 < len(erased) < 0.33 * 176**2 * 1.1
        mean = list(reversed(cfg.model.data_preprocessor.mean))  # BGR
        assert np.unique(erased, axis=0).tolist() == [[int(value) for value in mean]]
