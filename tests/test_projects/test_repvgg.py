"""RepVGG: branches that add up to one convolution, and files of either form."""

from pathlib import Path

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from reference_table import TABLE
from test_resnet import rates
from timm.utils.model import reparameterize_model
from torch import nn

from projects import create_model
from projects.core.config.saved import JSON_KEY, config_to_json
from projects.core.engine.inference import load_model
from projects.core.errors import UserError
from projects.core.variants import config_root
from projects.core.weights import load_weights, read_checkpoint
from projects.registry import MODELS
from projects.repvgg import RepVGG, RepVGGBlock, fuse_branches
from projects.repvgg.reparameterize import reparameterize

BN = dict(type='BN')
RELU = dict(type='ReLU')
DEPLOY = ['model.backbone.deploy=True']
TINY = dict(series='A', a=0.125, b=0.25)


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


class DoubledConv(nn.Conv2d):
    """Computes with other weights than it holds, as standardised ones."""

    def forward(self, x):
        return 2 * super().forward(x)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def run_config(name):
    return Config.fromfile(config_root() / 'repvgg' / name)


@torch.no_grad()
def trained(model, side=128):
    """Random scales and shifts, and the statistics of random images, in eval mode:
    maps of a network in training, neither tiny nor huge."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
        norm.momentum = 1.0
    stem = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    model.train()(torch.randn(4, stem.in_channels, side, side))
    for norm in norms:  # not those of these very images
        norm.running_mean += 0.05 * torch.randn_like(norm.running_mean)
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.9, 1.1)
        norm.running_var.clamp_(min=0.1)  # channels that are silent there
    return model.eval()


def build(cfg):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg)


def deployed(name):
    return create_model(name, cfg_options=DEPLOY).eval()


def block(in_channels=6, out_channels=6, stride=1, groups=1):
    return RepVGGBlock(in_channels, out_channels, stride, groups, False, None, BN, RELU)


class TestBranches:
    def test_by_hand(self):
        """One channel: each branch is k * s * x + t, with s and t of its norm."""

        def norm(gamma, beta, mean, var):
            return dict(weight=gamma, bias=beta, running_mean=mean, running_var=var)

        norms = {
            'conv_kxk.bn': norm(2.0, 1.0, 3.0, 3.0),  # s = 2 / 2 = 1, t = 1 - 3
            'conv_1x1.bn': norm(3.0, 0.0, 1.0, 8.0),  # s = 3 / 3 = 1, t = 0 - 1
            'identity': norm(4.0, 5.0, 0.0, 0.0),  # s = 4 / 1 = 4, t = 5
        }
        weights = {
            f'{name}.{kind}': torch.tensor([value])
            for name, values in norms.items()
            for kind, value in values.items()
        }
        weights['conv_kxk.conv.weight'] = torch.arange(9.0).view(1, 1, 3, 3)
        weights['conv_1x1.conv.weight'] = torch.full((1, 1, 1, 1), 10.0)
        fused = fuse_branches(weights, eps=1.0)
        # in the middle 4 * 1 + 10 * 1 + 1 * 4
        assert fused['weight'].flatten().tolist() == [0, 1, 2, 3, 18, 5, 6, 7, 8]
        assert fused['bias'].tolist() == [-2 - 1 + 5]

    def test_identity_in_groups_leads_from_each_channel_to_itself(self):
        plain = block(6, 6, groups=3).eval()
        nn.init.zeros_(plain.conv_kxk.conv.weight)
        nn.init.zeros_(plain.conv_1x1.conv.weight)
        weights = fuse_branches(plain.state_dict(), plain.eps)['weight']
        assert weights.shape == (6, 2, 3, 3)
        expected = torch.zeros(6, 2, 3, 3)
        for i in range(6):  # channels 0 and 1 are the first group, ...
            expected[i, i % 2, 1, 1] = (1 + 1e-5) ** -0.5
        torch.testing.assert_close(weights, expected)

    @pytest.mark.parametrize(
        'arguments',
        [
            dict(),
            dict(groups=2),
            dict(groups=6),
            dict(stride=2),
            dict(out_channels=12, groups=3),
        ],
    )
    def test_sum_is_the_same_also_at_the_borders(self, arguments):
        """In float64, so that nothing but the algebra counts."""
        torch.manual_seed(0)
        model = trained(block(**arguments), 9).double()
        x = torch.randn(2, 6, 7, 5, dtype=torch.double)
        expected = model(x)
        model.switch_to_deploy()
        assert [name for name, _ in model.named_parameters()] == [
            'reparam_conv.weight',
            'reparam_conv.bias',
        ]
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-12)

    def test_only_equal_shapes_have_an_identity(self):
        assert isinstance(block().identity, nn.BatchNorm2d)
        assert block(stride=2).identity is None
        assert block(6, 12).identity is None

    def test_gradients_of_the_stem_channels_last(self):
        """With the stride in its 1x1 convolution torch 2.15 crashes."""
        torch.manual_seed(0)
        exact = block(3, 8, stride=2).double()
        model = block(3, 8, stride=2)
        model.load_state_dict(exact.state_dict())
        model.to(memory_format=torch.channels_last)
        x = torch.randn(2, 3, 225, 224)
        exact(x.double()).square().sum().backward()
        for _ in range(3):
            model.zero_grad()
            out = model(x.to(memory_format=torch.channels_last))
            out.square().sum().backward()
        for p, q in zip(model.parameters(), exact.parameters(), strict=True):
            torch.testing.assert_close(
                p.grad.double(), q.grad, rtol=1e-3, atol=1e-3 * q.grad.abs().max()
            )

    def test_it_is_worked_out_in_float64(self):
        """Kernels of 1e4 and -1e4 leave 1e-3, which float32 would round."""
        model = block(1, 1).eval()
        nn.init.zeros_(model.conv_kxk.conv.weight)
        model.conv_kxk.conv.weight.data[..., 1, 1] = 1e4
        nn.init.constant_(model.conv_1x1.conv.weight, -1e4)
        model.identity.weight.data.fill_(1e-3)
        for norm in (model.conv_kxk.bn, model.conv_1x1.bn, model.identity):
            norm.running_var.fill_(0.3)
        fused = fuse_branches(model.state_dict(), 1e-5)['weight'][0, 0, 1, 1]
        # the float32 of 1e-3, divided by the root of that of 0.3 + 1e-5
        assert fused.item() == pytest.approx(1e-3 / 0.30001**0.5, rel=1e-6)


NAMES = [name for name, entry in TABLE.items() if entry['family'] == 'RepVGG']


@pytest.mark.parametrize(
    ('name', 'scale'),
    [
        *[(name, 1 / 8) for name in NAMES],
        *[
            pytest.param(name, 1, marks=[] if name == NAMES[0] else pytest.mark.slow)
            for name in NAMES
        ],
    ],
)
@torch.no_grad()
def test_deployed_form_gives_the_logits_of_the_training_form(name, scale):
    """The whole network, and one of the same layers with fewer channels."""
    torch.manual_seed(0)
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py').model
    for key in ('a', 'b'):
        cfg.backbone[key] *= scale
    cfg.head.in_channels = int(cfg.head.in_channels * scale)
    model = trained(build(cfg))
    images = torch.randn(1, 3, 97, 113)
    expected = model(images)
    assert expected.std() > 0.1
    cfg.backbone.deploy = True
    of_file = build(cfg).eval()
    load_weights(of_file, model.state_dict(), 'x.pth')
    model.backbone.switch_to_deploy()
    logits = model(images)
    assert (logits - expected).abs().max() < 1e-4
    assert torch.equal(of_file(images), logits)
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert {conv.kernel_size for conv in convs} == {(3, 3)}
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize('name', NAMES)
def test_parameters_of_the_deployed_form(name):
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py').model
    cfg.backbone.deploy = True
    with torch.device('meta'):
        model = build(cfg)
    assert num_params(model) == TABLE[name]['deploy']['params']


class TestArchitecture:
    def test_second_stage_of_a0_by_hand(self):
        with torch.device('meta'):
            stage = RepVGG('A', 0.75, 2.5).stages[1]

        def branches(before, width):  # 3x3 and 1x1, scale and shift of both
            return 10 * before * width + 4 * width

        # 48 -> 96, then three times 96 -> 96 with the norm of the identity
        assert num_params(stage) == branches(48, 96) + 3 * (branches(96, 96) + 2 * 96)

    def test_groups_are_in_every_second_block(self):
        with torch.device('meta'):
            model = RepVGG('B', 2, 4, groups=4)
        assert model.stem.conv_kxk.conv.groups == 1
        groups = [
            (block.conv_kxk.conv.groups, block.conv_1x1.conv.groups)
            for stage in model.stages
            for block in stage
        ]
        # authors' layers 2, 4, ..., 26 of those after the stem
        assert groups == [(4, 4) if i % 2 == 0 else (1, 1) for i in range(1, 28)]

    def test_depth_and_widths(self):
        with torch.device('meta'):
            model = RepVGG('A', 1.5, 2.75)
        assert [len(stage) for stage in model.stages] == [2, 4, 14, 1]
        assert [stage[0].conv_kxk.conv.out_channels for stage in model.stages] == [
            96,
            192,
            384,
            1408,
        ]
        assert model.stem.conv_kxk.conv.out_channels == 64  # not 96

    @torch.no_grad()
    def test_maps_are_those_of_timm(self):
        torch.manual_seed(0)
        reference = trained(timm.create_model('repvgg_a0'))
        outs = []
        for module in (reference.stem, *reference.stages):
            module.register_forward_hook(lambda m, args, out: outs.append(out))
        cfg = Config.fromfile(config_root() / '_base_/models/repvgg_a0.py')
        model = build({**cfg.model.backbone, 'out_indices': range(5)}).eval()
        report = load_weights(
            model, reference.state_dict(), 'x.pth', allow_new_head=True
        )
        assert report.startswith('349 of 349 weights (100.0% ')
        images = torch.randn(1, 3, 193, 225)
        reference(images)
        for ours, theirs in zip(model(images), outs, strict=True):
            assert theirs.std() > 0.1
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        assert outs[-1].shape[2:] == (7, 8)

    def test_initialisation_is_torchs(self):
        torch.manual_seed(0)
        model = create_model('repvgg_a0')
        last = model.backbone.stages[3][0]
        # uniform within 1 / sqrt(fan_in)
        for conv, fan_in in ((last.conv_kxk.conv, 192 * 9), (last.conv_1x1.conv, 192)):
            assert conv.weight.abs().max() <= fan_in**-0.5
            assert conv.weight.std().item() == pytest.approx(
                (3 * fan_in) ** -0.5, rel=0.02
            )
        for norm in (last.conv_kxk.bn, model.backbone.stages[2][1].identity):
            assert torch.equal(norm.weight, torch.ones_like(norm.weight))
            assert not norm.bias.any()
        assert model.head.fc.weight.std().item() == pytest.approx(
            (3 * 1280) ** -0.5, rel=0.02
        )

    def test_layers_are_exchanged(self):
        model = RepVGG(
            **TINY,
            in_channels=1,
            conv_cfg=dict(type=OtherConv),
            norm_cfg=dict(type='GN', num_groups=4),
            act_cfg=dict(type='GELU'),
        )
        kinds = {type(m) for m in model.modules()}
        assert {OtherConv, nn.GroupNorm, nn.GELU} <= kinds
        assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d, nn.ReLU})
        assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 128, 1, 1)
        with pytest.raises(ValueError, match='only batch norm can become'):
            model.switch_to_deploy()

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(series='C'), "series 'C' not in"),
            (dict(groups=3), r'widths \[8, 16, 32, 128\]: not all are multiples of 3'),
            (dict(a=0.001), r'widths \[0, 0, 0, 128\]: not all'),
            (dict(out_indices=(5,)), 'RepVGG has 5 stages'),
            (
                dict(deploy=True, norm_cfg=dict(type='GN', num_groups=4)),
                'only batch norm can become a part of a convolution',
            ),
        ],
    )
    def test_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            RepVGG(**{**TINY, **arguments})

    def test_frozen_stages_stay_frozen(self):
        model = RepVGG(**TINY, trainable_stages=2, out_indices=(2, 3))
        model.switch_to_deploy()
        # the last is not computed
        assert [
            {p.requires_grad for p in module.parameters()}
            for (module,) in model.stage_modules()
        ] == [{False}, {False}, {True}, {True}, {False}]


def authors(name):
    """timm's name as the authors' code has it."""
    for old, new in (
        ('conv_kxk', 'rbr_dense'),
        ('conv_1x1', 'rbr_1x1'),
        ('identity', 'rbr_identity'),
        ('reparam_conv', 'rbr_reparam'),
        ('head.fc', 'linear'),
        ('stem', 'stage0'),
    ):
        name = name.replace(old, new)
    if name.startswith('stages.'):
        _, stage, rest = name.split('.', 2)
        name = f'stage{int(stage) + 1}.{rest}'
    return name


@pytest.fixture(scope='module')
def reference():
    torch.manual_seed(0)
    return trained(timm.create_model('repvgg_a0'))


class TestFiles:
    """Of timm, the authors and mmpretrain, in both forms."""

    @pytest.mark.parametrize('is_fused', [False, True])
    @pytest.mark.parametrize('rename', [str, authors])
    @torch.no_grad()
    def test_of_timm_and_the_authors(self, reference, rename, is_fused):
        images = torch.randn(1, 3, 65, 97)
        expected = reference(images)
        file = reparameterize_model(reference) if is_fused else reference
        state = {rename(name): weight for name, weight in file.state_dict().items()}
        for model in [deployed('repvgg_a0')] + [create_model('repvgg_a0').eval()] * (
            not is_fused
        ):
            report = load_weights(model, state, 'x.pth')
            num = len(model.state_dict())
            assert report.startswith(f'{num} of {num} weights (100.0% ')
            torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('is_fused', [False, True])
    @torch.no_grad()
    def test_of_mmpretrain(self, is_fused):
        torch.manual_seed(0)
        reference = trained(
            build(
                dict(
                    type='ImageClassifier',
                    backbone=dict(type='RepVGG', arch='A0', out_indices=(3,)),
                    neck=dict(type='GlobalAveragePooling'),
                    head=dict(type='LinearClsHead', num_classes=1000, in_channels=1280),
                )
            )
        )
        images = torch.randn(1, 3, 65, 97)
        expected = reference(images)
        if is_fused:
            reference.backbone.switch_to_deploy()
        model = deployed('repvgg_a0') if is_fused else create_model('repvgg_a0').eval()
        report = load_weights(model, reference.state_dict(), 'x.pth')
        num = len(model.state_dict())
        assert report.startswith(f'{num} of {num} weights (100.0% ')
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)

    def test_report_of_fusing_on_loading(self, reference):
        report = load_weights(deployed('repvgg_a0'), reference.state_dict(), 'x.pth')
        assert '\n  reshaped    44 ' in report
        assert 'backbone.stem.reparam_conv.weight: its branches added up' in report

    def test_deployed_form_is_not_undone(self, reference):
        state = reparameterize_model(reference).state_dict()
        model = create_model('repvgg_a0')
        for target in (model, model.backbone):
            with pytest.raises(UserError, match='whose branches are gone; build the'):
                load_weights(target, state, 'x.pth', allow_new_head=True)

    @pytest.mark.parametrize('options', [None, DEPLOY])
    def test_of_another_variant(self, reference, options):
        model = create_model('repvgg_a1', cfg_options=options)
        with pytest.raises(UserError, match='does not fit this model'):
            load_weights(model, reference.state_dict(), 'x.pth', allow_new_head=True)


class TestTool:
    """``tools/model_converters/reparameterize.py``, but for its command line."""

    @pytest.fixture
    def cfg(self, fresh):
        cfg = Config.fromfile(config_root() / '_base_/models/repvgg_a0.py')
        cfg.merge_from_dict(
            {
                'model.backbone': {**TINY, 'in_channels': 1},
                'model.head': dict(in_channels=128, num_classes=10),
                'model.data_preprocessor': dict(mean=[0.0], std=[1.0]),
            }
        )
        return cfg

    @pytest.fixture
    def model(self, cfg):
        torch.manual_seed(0)
        return trained(build(cfg.model))

    @pytest.fixture
    def said(self, monkeypatch):
        lines = []
        monkeypatch.setattr(
            'projects.repvgg.reparameterize.print_log',
            lambda text, logger: lines.append(text),
        )
        return lines

    def save(self, cfg, model, path='trained.pth', **kwargs):
        meta = {
            JSON_KEY: config_to_json(cfg),
            'cfg': "model = dict(type='Other')",
            'dataset_meta': dict(classes=tuple('0123456789')),
            'epoch': 3,
        }
        torch.save(
            dict(meta=meta, state_dict=model.state_dict(), optimizer={}, **kwargs),
            path,
        )
        return path

    @torch.no_grad()
    def test_what_it_writes_is_read(self, cfg, model, said):
        images = torch.randn(2, 1, 33, 49)
        expected = model(images)
        before = num_params(model)
        # of EMAHook: the averages stand under state_dict
        file = self.save(cfg, model, ema_state_dict={'module.x': torch.zeros(1)})
        change = reparameterize(file, 'out/deployed.pth')
        assert 0 < change < 1e-5
        model, read, meta = load_model('out/deployed.pth')
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
        assert read.model.backbone.deploy
        assert meta['epoch'] == 3
        assert set(read_checkpoint('out/deployed.pth')) == {'meta', 'state_dict'}
        (out,) = said
        assert '22 blocks, each fused into one 3x3 convolution; parameters ' in out
        assert f' {before:,} -> {num_params(model):,}\n' in out
        assert 'python tools/test.py CONFIG out/deployed.pth --cfg-options' in out
        reparameterize(file, 'out/deployed.pth')  # again: it is its own

    def test_run_config_is_found_beside_the_checkpoint(self, cfg, model, said):
        Path('run').mkdir()
        Path('run/mine.py').touch()
        reparameterize(self.save(cfg, model, 'run/x.pth'), 'y.pth')
        assert 'tools/test.py run/mine.py y.pth ' in said[0]

    def test_file_without_a_config(self, cfg, model, error_of):
        torch.save(model.state_dict(), 'x.pth')
        assert error_of(reparameterize, 'x.pth', 'y.pth') == (
            'x.pth holds no config; say which model it is of, with --config and a '
            'config file or a variant such as repvgg_a0'
        )
        cfg.dump('mine.py')
        reparameterize('x.pth', 'y.pth', 'mine.py')
        assert (
            'backbone.stem.reparam_conv.bias' in read_checkpoint('y.pth')['state_dict']
        )

    def test_mistakes(self, cfg, model, error_of):
        assert error_of(reparameterize, 'no.pth', 'y.pth') == (
            'there is no checkpoint no.pth'
        )
        file = self.save(cfg, model)
        assert 'no config or model' in error_of(reparameterize, file, 'y.pth', 'repvg')
        assert 'does not fit this model' in error_of(
            reparameterize, file, 'y.pth', 'repvgg_a0'
        )
        recipe = '_base_/recipes/digits_32.py'
        assert error_of(reparameterize, file, 'y.pth', recipe) == (
            f'{recipe} holds no model'
        )
        assert error_of(reparameterize, file, 'y.pth', 'lenet5') == (
            'lenet5 has a projects.LeNet; only a projects.RepVGG can be '
            're-parameterised'
        )
        reparameterize(file, 'y.pth')
        assert error_of(reparameterize, 'y.pth', 'z.pth') == (
            'y.pth is re-parameterised already'
        )
        assert not Path('z.pth').exists()

    def test_a_layer_that_cannot_be_fused_is_seen(self, cfg, model, error_of):
        MODELS.register_module(name='DoubledConv', module=DoubledConv, force=True)
        cfg.model.backbone.conv_cfg = dict(type='projects.DoubledConv')
        error = error_of(reparameterize, self.save(cfg, model), 'y.pth')
        assert 'the maps change by ' in error
        assert not Path('y.pth').exists()

    def test_weights_that_are_no_numbers(self, cfg, model, error_of):
        nn.init.constant_(model.backbone.stages[1][0].conv_1x1.bn.weight, torch.nan)
        error = error_of(reparameterize, self.save(cfg, model), 'y.pth')
        assert 'the maps change by nan' in error

    def test_a_norm_that_cannot_be_fused(self, cfg, error_of):
        cfg.model.backbone.norm_cfg = dict(type='GN', num_groups=4)
        file = self.save(cfg, build(cfg.model))
        assert 'only batch norm can become' in error_of(reparameterize, file, 'y.pth')


class TestRecipes:
    def test_only_kernels_and_scales_of_identities_decay(self):
        cfg = run_config('repvgg-a0_8xb32-120e_imagenet.py')
        model = build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
        decays = {id(g['params'][0]): g['weight_decay'] for g in groups}
        for name, p in model.named_parameters():
            decaying = p.dim() > 1 or name.endswith('identity.weight')
            assert decays[id(p)] == (1e-4 if decaying else 0), name

    @pytest.mark.parametrize(
        ('name', 'epochs'),
        [
            ('repvgg-a0_8xb32-120e_imagenet.py', 120),
            ('repvgg-b3_8xb32-200e_imagenet.py', 200),
        ],
    )
    def test_rate_falls_along_a_cosine(self, name, epochs):
        cfg = run_config(name)
        (scheduler,) = cfg.param_scheduler
        assert scheduler.pop('convert_to_iter_based')
        lrs = rates(cfg, epochs)
        assert lrs[0] == 0.1
        assert lrs[epochs // 2] == pytest.approx(0.05)
        assert lrs[-1] < 1e-4

    def test_the_largest_have_more_augmentation(self):
        cfg = run_config('repvgg-b3_8xb32-200e_imagenet.py')
        assert [t.type for t in cfg.train_dataloader.dataset.pipeline][-2:] == [
            'AutoAugment',
            'PackInputs',
        ]
        assert cfg.model.train_cfg.augments.type == 'Mixup'
