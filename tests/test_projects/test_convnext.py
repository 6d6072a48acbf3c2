"""ConvNeXt: blocks, options, published files, recipes."""

import re

import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmpretrain.models.backbones import ConvNeXt as MMConvNeXt
from timm.models.convnext import checkpoint_filter_fn
from torch import nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.feature_extraction import create_feature_extractor

from projects import create_model
from projects.convnext import ConvNeXt, ConvNeXtBlock, convert_convnext
from projects.core.engine import train
from projects.core.errors import UserError
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import MODELS

LN = dict(type='projects.LayerNorm2d', eps=1e-6)
GELU = dict(type='GELU')
SMALL = ((8, 16, 24, 32), (1, 1, 4, 1))  # channels and blocks


def block(channels, layer_scale=1.0, prob=0.0, pointwise='linear'):
    return ConvNeXtBlock(channels, layer_scale, prob, 7, pointwise, None, LN, GELU)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def run_config(name):
    return Config.fromfile(config_root() / f'convnext/{name}.py')


def randomise(model):
    """Weights that make a difference everywhere, layer scale above all."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and 'scale' not in name:
                p.normal_(0, (p.shape[0] / p.numel()) ** 0.5)
            else:
                p.uniform_(0.2, 1)
    return model.eval()


def small_torchvision():
    channels, depths = SMALL
    return torchvision.models.ConvNeXt(
        [
            CNBlockConfig(*each)
            for each in zip(channels, (*channels[1:], None), depths, strict=True)
        ]
    )


@pytest.mark.parametrize('channels', [96, 128])
def test_block_by_hand(channels):
    """7x7 for each channel, norm, C to 4 C and back with biases, layer scale."""
    c = channels
    assert num_params(block(c)) == (
        (49 * c + c) + 2 * c + (4 * c * c + 4 * c) + (4 * c * c + c) + c
    )


def test_a_pixel_by_hand():
    layer = block(2)
    nn.init.dirac_(layer.block[0].weight, groups=2)
    nn.init.zeros_(layer.block[0].bias)
    for pointwise in (layer.block.get_submodule('3'), layer.block.get_submodule('5')):
        nn.init.eye_(pointwise.weight)  # the first two of eight
        nn.init.zeros_(pointwise.bias)
    nn.init.constant_(layer.layer_scale, 10.0)
    x = torch.tensor([3.0, 1.0]).view(1, 2, 1, 1)
    # norm: (1, -1); GELU: (0.8413, -0.1587), 1 times the share of a normal
    # distribution below 1, and -1 times that below -1; ten times that beside x
    assert layer(x).flatten().tolist() == pytest.approx(
        [3 + 8.41345, 1 - 1.58655], abs=1e-4
    )


def test_a_block_begins_as_hardly_anything():
    torch.manual_seed(0)
    model = ConvNeXt(SMALL)
    model.init_weights()
    x = torch.rand(1, 24, 8, 8)
    change = (model.features[5](x) - x).abs().max()
    assert 0 < change < 1e-4  # four blocks whose layer scale is 1e-6


def test_both_forms_compute_the_same():
    torch.manual_seed(0)
    results = []
    linear, conv = (ConvNeXt(SMALL, pointwise=form) for form in ('linear', 'conv'))
    conv.load_state_dict(randomise(linear).state_dict())
    for model in (linear, conv):
        for memory_format in (torch.contiguous_format, torch.channels_last):
            model.to(memory_format=memory_format).zero_grad()
            images = torch.arange(2 * 3 * 65 * 97.0).sin().view(2, 3, 65, 97)
            (out,) = model(images.to(memory_format=memory_format))
            out.square().mean().backward()
            grads = [p.grad.flatten() for p in model.parameters()]
            results.append((out.detach(), torch.cat(grads)))
    for out, grads in results[1:]:
        torch.testing.assert_close(out, results[0][0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(grads, results[0][1], rtol=1e-3, atol=1e-4)


def test_maps_are_those_of_torchvision():
    reference = randomise(torchvision.models.convnext_tiny())
    cfg = Config.fromfile(config_root() / '_base_/models/convnext_tiny.py')
    backbone = MODELS.build({**cfg.model.backbone, 'out_indices': range(4)}).eval()
    state = reference.state_dict()
    backbone.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith('classifier.')}
    )
    images = torch.randn(1, 3, 193, 225)  # odd: each stage rounds down
    nodes = [f'features.{i}' for i in (1, 3, 5, 7)]
    with torch.no_grad():
        expected = create_feature_extractor(reference, nodes)(images)
        outs = backbone(images)
    for node, out in zip(nodes, outs, strict=True):
        assert expected[node].std() > 0.01
        torch.testing.assert_close(out, expected[node], rtol=1e-4, atol=1e-4)
    assert [tuple(out.shape[2:]) for out in outs] == [
        (48, 56),
        (24, 28),
        (12, 14),
        (6, 7),
    ]


@pytest.mark.parametrize('name', ['tiny', 'small', 'base', 'large'])
def test_stochastic_depth_is_torchvisions(name, build_on_meta):
    """From 0 in the first block to 0.1, 0.4 or 0.5 in the last."""
    with torch.device('meta'):
        reference = getattr(torchvision.models, f'convnext_{name}')()
    model = build_on_meta(f'convnext_{name}')
    probs, expected = (
        [m.p for m in net.modules() if 'StochasticDepth' in type(m).__name__]
        for net in (model, reference)
    )
    assert probs == pytest.approx(expected)
    assert probs[0] == 0
    assert probs[-1] == {'tiny': 0.1, 'small': 0.4}.get(name, 0.5)


def test_an_image_loses_its_residual_alone():
    torch.manual_seed(0)
    layer, x = block(4, prob=0.5).train(), torch.rand(64, 4, 3, 3)
    with torch.no_grad():
        change = (layer(x) - x).flatten(1)
        layer.eval()
        full = (layer(x) - x).flatten(1)
    is_lost = ~change.any(1)
    assert 16 < is_lost.sum() < 48
    torch.testing.assert_close(change[~is_lost], 2 * full[~is_lost])


def test_initialisation_is_the_paper_s():
    torch.manual_seed(0)
    model = create_model('convnext_tiny')
    layer = model.backbone.features[7][2].block
    for m in (
        model.backbone.features[6][1],
        layer[0],
        layer.get_submodule('3'),
        model.head.classifier[2],
    ):
        assert m.weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert not m.bias.any()
    scale = model.backbone.features[7][2].layer_scale
    assert torch.equal(scale, torch.full((768, 1, 1), 1e-6))
    assert torch.equal(layer[1].weight, torch.ones(768))
    assert layer[1].eps == model.head.classifier[0].eps == 1e-6


def test_a_head_may_begin_small():
    kwargs = dict(type='projects.ConvNeXtClsHead', num_classes=50, in_channels=64)
    heads = [MODELS.build(dict(kwargs, init_scale=s)) for s in (1.0, 0.001)]
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for head in heads:
            torch.manual_seed(0)
            head.init_weights()
    large, small = (head.classifier[2].weight for head in heads)
    torch.testing.assert_close(small, large * 0.001)
    assert torch.equal(heads[1].classifier[0].weight, torch.ones(64))


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def test_layers_are_exchanged():
    model = ConvNeXt(
        SMALL,
        kernel_size=5,
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='ReLU'),
    )
    kinds = {type(m) for m in model.modules()}
    assert {OtherConv, nn.BatchNorm2d, nn.ReLU} <= kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.LayerNorm, nn.GELU})
    assert model(torch.rand(2, 1, 32, 32))[0].shape == (2, 32, 1, 1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='huge'), "arch 'huge' not in"),
        (dict(arch=((8, 16), (1, 1))), 'ConvNeXt has four stages'),
        (dict(pointwise='lin'), r"pointwise 'lin' not in \['linear', 'conv'\]"),
        (dict(out_indices=(4,)), 'ConvNeXt has 4 stages'),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvNeXt(**{'arch': SMALL, **arguments})


@pytest.mark.parametrize('size', [(0, 3, 64, 64), (1, 3, 32, 33), (2, 3, 47, 95)])
def test_any_size_and_batch(size):
    outs = ConvNeXt(SMALL, out_indices=range(4))(torch.rand(size))
    assert [tuple(out.shape) for out in outs] == [
        (size[0], channels, size[2] // stride, size[3] // stride)
        for channels, stride in zip(SMALL[0], (4, 8, 16, 32), strict=True)
    ]


def test_maps_of_a_detector_are_normalised():
    model = ConvNeXt(SMALL, out_norms=True, out_indices=(1, 3), trainable_stages=0)
    for out in model(torch.rand(2, 3, 64, 64)):
        mean, deviation = out.mean(1), out.std(1, correction=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
        # but for the eps, as the values are small at the beginning
        torch.testing.assert_close(deviation, torch.ones_like(mean), atol=0.1, rtol=0)
    # they are new, and so trained
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained == ['norm1.weight', 'norm1.bias', 'norm3.weight', 'norm3.bias']


class TestFilesOfOthers:
    """All of it is loaded, and the logits are the same."""

    def check(self, state_dict, reference):
        cfg = Config.fromfile(config_root() / '_base_/models/convnext_tiny.py').model
        cfg.backbone.arch, cfg.head.in_channels = SMALL, SMALL[0][-1]
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg).eval()
        images = torch.randn(2, 3, 65, 97)
        for p in model.parameters():  # what is not loaded will show
            p.data.fill_(float('nan'))
        report = load_weights(model, state_dict, 'x.pth')
        num = len(model.state_dict())
        assert report.startswith(f'{num} of {num} weights (100.0% ')
        with torch.no_grad():
            expected = reference(images)
            assert (expected[0] - expected[1]).abs().max() > 0.01
            torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
        return report

    @pytest.mark.parametrize('conv_mlp', [False, True])
    def test_timm(self, conv_mlp):
        reference = randomise(
            timm.models.ConvNeXt(dims=SMALL[0], depths=SMALL[1], conv_mlp=conv_mlp)
        )
        report = self.check(reference.state_dict(), reference)
        assert ('1, 1) to rows' in report) == conv_mlp

    @pytest.mark.parametrize('linear_pw_conv', [True, False])
    def test_mmpretrain(self, linear_pw_conv):
        cfg = Config.fromfile(config_root() / '_base_/models/convnext_tiny.py').model
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            reference = MODELS.build(
                dict(
                    type='ImageClassifier',
                    data_preprocessor=cfg.data_preprocessor,
                    backbone=dict(
                        type='ConvNeXt',
                        arch=dict(channels=SMALL[0], depths=SMALL[1]),
                        linear_pw_conv=linear_pw_conv,
                    ),
                    head=dict(type='LinearClsHead', num_classes=1000, in_channels=32),
                )
            )
        self.check(randomise(reference).state_dict(), reference)

    def test_the_authors(self):
        """timm reads their files, too: it says what theirs give."""
        own = randomise(small_torchvision()).state_dict()
        layers = {'0': 'dwconv', '2': 'norm', '3': 'pwconv1', '5': 'pwconv2'}
        theirs = {}
        for name, weight in own.items():
            if name.startswith('classifier.'):
                old = name.replace('classifier.0', 'norm').replace(
                    'classifier.2', 'head'
                )
            elif match := re.match(r'features\.(\d)\.(\d+)\.block\.(\d)\.', name):
                stage, kind = int(match[1]) // 2, name[match.end() :]
                old = f'stages.{stage}.{match[2]}.{layers[match[3]]}.{kind}'
            elif match := re.match(r'features\.(\d)\.(\d+)\.layer_scale', name):
                old, weight = (
                    f'stages.{int(match[1]) // 2}.{match[2]}.gamma',
                    weight.flatten(),
                )
            else:
                match = re.match(r'features\.(\d)\.', name)
                old = f'downsample_layers.{int(match[1]) // 2}.{name[match.end() :]}'
            theirs[old] = weight
        reference = timm.models.ConvNeXt(dims=SMALL[0], depths=SMALL[1]).eval()
        reference.load_state_dict(checkpoint_filter_fn(theirs, reference))
        self.check(theirs, reference)

    def test_torchvision_s_into_a_detector_s_backbone(self):
        """Three of its norms are new; the last one is the classifier's."""
        own = randomise(small_torchvision()).state_dict()
        backbone = ConvNeXt(SMALL, out_norms=True, out_indices=range(4))
        report = load_weights(backbone, own, 'x.pth', allow_new_head=True)
        assert 'classifier.2.weight (1000, 32)' in report  # not used
        assert torch.equal(backbone.norm3.weight, own['classifier.0.weight'])
        assert torch.equal(backbone.norm0.weight, torch.ones(8))
        for name, weight in backbone.state_dict().items():
            if name.startswith('features.'):
                assert torch.equal(weight, own[name])

    def test_the_wrong_size_is_refused(self):
        own = small_torchvision().state_dict()
        with torch.device('meta'):
            model = ConvNeXt('tiny')
        with pytest.raises(UserError, match='does not fit'):
            load_weights(model, own, 'x.pth')


class TestLayerGroups:
    """Which layers share a rate when the rates fall layer by layer."""

    def groups(self, backbone):
        return {
            name: group
            for group, parts in enumerate(backbone.layer_groups())
            for part in parts
            for name, p in backbone.named_parameters()
            if any(p is q for q in part.parameters())
        }

    def test_those_of_the_recipe(self):
        """0 the stem, ..., 12 the last stage; 13, in no group, the norm and head."""
        with torch.device('meta'):
            backbone = ConvNeXt('small', out_norms=True)
        groups = self.groups(backbone)
        downsampling, stages = {1: 2, 2: 3, 3: 12}, {1: 1, 2: 2, 4: 12}
        for name in backbone.state_dict():
            if name.startswith('norm3'):
                assert name not in groups
                continue
            index, part = (int(i) for i in name.split('.')[1:3])
            if index == 0:
                expected = 0
            elif index % 2 == 0:
                expected = downsampling[index // 2]
            else:
                expected = stages.get((index + 1) // 2, 3 + part // 3)
            assert groups[name] == expected, name
        assert len(backbone.layer_groups()) == 13

    @pytest.mark.parametrize('depths', [(3, 3, 9, 3), (3, 3, 27, 3)])
    def test_those_of_mmpretrain(self, depths):
        theirs = MMConvNeXt(dict(channels=SMALL[0], depths=depths))
        ours = ConvNeXt((SMALL[0], depths), out_norms=True)
        converted = convert_convnext(ours, theirs.state_dict())
        groups = self.groups(ours)
        num = len(ours.layer_groups())
        for name in ours.state_dict():
            depth, total = theirs.get_layer_depth(converted.renamed.get(name, name))
            assert groups.get(name, num) == depth
            assert total == num + 1

    def test_rates_of_the_fine_tuning(self):
        cfg = run_config('convnext-base-384_8xb32-accum2-30e_imagenet')
        assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == 0.7
        cfg.model.pop('init_cfg')
        cfg.model.backbone.arch = ((8, 16, 24, 32), (1, 1, 27, 1))
        cfg.model.head.in_channels = 32
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        names = {p: name for name, p in model.named_parameters()}
        settings = {
            names[p]: (group['lr'], group['weight_decay'])
            for group in wrapper.optimizer.param_groups
            for p in group['params']
        }
        features = 'backbone.features'
        for name, power, decay in (
            ('head.classifier.2.weight', 0, 1e-8),
            (f'{features}.7.0.block.3.weight', 1, 1e-8),
            (f'{features}.5.26.block.0.bias', 2, 0),
            (f'{features}.5.0.layer_scale', 10, 0),
            (f'{features}.0.0.weight', 13, 1e-8),
        ):
            assert settings[name] == pytest.approx((5e-5 * 0.7**power, decay))
        # the cosine ends at about a fiftieth of each: none has risen
        (schedule,) = cfg.param_scheduler
        scheduler = PARAM_SCHEDULERS.build(
            {**schedule, 'convert_to_iter_based': False},
            default_args=dict(optimizer=wrapper),
        )
        first = [group['lr'] for group in wrapper.optimizer.param_groups]
        for _ in range(30):
            wrapper.optimizer.step()
            scheduler.step()
        shares = [
            group['lr'] / lr
            for group, lr in zip(wrapper.optimizer.param_groups, first, strict=True)
        ]
        assert shares == pytest.approx([shares[0]] * len(shares))
        assert 0.02 <= shares[0] < 0.025


class TestPreTraining:
    """300 epochs, 4,096 images a step."""

    NAMES = tuple(
        f'convnext-{size}_8xb64-accum8-300e_imagenet'
        for size in ('tiny', 'small', 'base', 'large')
    )

    @pytest.mark.parametrize('name', NAMES)
    def test_figures(self, name):
        cfg = run_config(name)
        optimizer = cfg.optim_wrapper.optimizer
        assert (optimizer.type, optimizer.lr) == ('AdamW', 4e-3)
        assert (optimizer.weight_decay, optimizer.betas) == (0.05, (0.9, 0.999))
        assert cfg.optim_wrapper.clip_grad is None
        assert [(s.type, s.begin, s.end) for s in cfg.param_scheduler] == [
            ('LinearLR', 0, 20),
            ('CosineAnnealingLR', 20, 300),
        ]
        assert cfg.param_scheduler[1].eta_min == 1e-6
        assert [(a.type, a.alpha) for a in cfg.model.train_cfg.augments] == [
            ('Mixup', 0.8),
            ('CutMix', 1.0),
        ]
        assert cfg.model.head.loss.label_smooth_val == 0.1
        steps = {step.type: step for step in cfg.train_pipeline}
        assert steps['RandAugment'].magnitude_level == 9
        assert steps['RandAugment'].magnitude_std == 0.5
        assert steps['RandomErasing'].erase_prob == 0.25

    def test_a_step_has_4096_images(self):
        """The rate is meant for them: the engine counts accumulated batches."""
        cfg = run_config(self.NAMES[0])
        total = 8 * cfg.train_dataloader.batch_size
        total *= cfg.optim_wrapper.accumulative_counts
        assert total == 4096 == cfg.auto_scale_lr.base_batch_size

    def test_what_has_one_dimension_does_not_decay(self):
        cfg = run_config(self.NAMES[0])
        cfg.model.backbone.arch, cfg.model.head.in_channels = SMALL, 32
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
        decays = {p: g['weight_decay'] for g in groups for p in g['params']}
        for name, p in model.named_parameters():
            is_flat = p.numel() == max(p.shape)  # norms, biases, layer scale
            assert decays[p] == (0 if is_flat else 0.05), name

    def test_the_average_moves_with_each_step_of_the_optimizer(self):
        hook = run_config(self.NAMES[0]).custom_hooks[-1]
        assert hook.type == 'EMAHook'
        source = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(source.weight)
        average = ExponentialMovingAverage(
            source, momentum=hook.momentum, interval=hook.interval
        )
        average.update_parameters(source)  # the first one copies
        nn.init.ones_(source.weight)
        for _ in range(3 * 8):  # three steps of eight batches
            average.update_parameters(source)
        assert average.module.weight.item() == pytest.approx(1 - 0.9999**3)


def test_parts_of_a_batch_make_the_step_of_the_whole():
    """As no norm is taken over the batch."""
    torch.manual_seed(0)
    images, results = torch.rand(4, 3, 32, 32), []
    for num in (1, 2):
        torch.manual_seed(1)
        model = ConvNeXt(SMALL, layer_scale=1.0)
        wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), 0.1), accumulative_counts=num
        )
        for part in images.chunk(num):
            wrapper.update_params(model(part)[0].square().mean())
        results.append(torch.cat([p.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures('fresh')
def test_the_recipe_in_small():
    """Two batches a step; the checkpoint holds the average, and the weights."""
    runner = train(
        str(next((config_root() / 'convnext').glob('convnext-mini_*_digits.py'))),
        cfg_options=[
            'train_cfg.max_epochs=2',
            'train_cfg.val_interval=2',
            'train_dataloader.batch_size=8',
            'train_dataloader.dataset.indices=32',  # four batches an epoch
            'train_dataloader.num_workers=0',
            'val_dataloader.dataset.indices=4',
            'param_scheduler.0.end=4',
            'auto_scale_lr.enable=False',
        ],
    )
    weight = runner.model.head.classifier[2].weight
    assert runner.iter == 8
    assert runner.optim_wrapper.optimizer.state[weight]['step'] == 4
    checkpoint = torch.load(f'{runner.work_dir}/epoch_2.pth', weights_only=False)
    name = 'head.classifier.2.weight'
    averaged = checkpoint['state_dict'][name]
    assert not torch.equal(averaged, weight)
    assert torch.equal(checkpoint['ema_state_dict'][f'module.{name}'], weight)
