"""MobileViT: unfolding, reach, maps, files, initialisation, recipe."""

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmpretrain.models import LabelSmoothLoss
from test_classifiers import fill
from timm.models.byobnet import LayerFn
from timm.models.mobilevit import MobileVitBlock as TimmBlock
from torch import nn
from torch.nn.functional import unfold as im2col
from torch.utils.flop_counter import FlopCounterMode

from projects import create_model
from projects.core.engine.optimizers import LayerDecayOptimWrapperConstructor
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.mobilevit import MobileViT, MobileViTBlock, fold, unfold
from projects.mobilevit.mobilevit import TransformerLayer
from projects.registry import MODELS

pytestmark = pytest.mark.usefixtures('cheap_weights')
ARCHS = dict(xxs='xx_small', xs='x_small', s='small')  # mmpretrain's names
SILU = dict(type='SiLU')


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def block_of(patch_size=2, fused=True, act_cfg=SILU):
    """8 channels, 16 in two transformer layers of four heads."""
    return MobileViTBlock(
        8, 16, 2, 4, patch_size, fused, 0.0, None, dict(type='BN'), act_cfg
    )


def filled_block(patch_size):
    """With weights, and statistics of batch norm, that change something."""
    block = block_of(patch_size)
    fill(block, torch.randn(2, 8, 12, 12))
    return block


class TestFolding:
    def test_a_map_of_4_by_4_by_hand(self):
        """The page's example: P = 4 pixels of N = 4 patches."""
        x = torch.tensor(
            [
                [0, 1, 2, 3],
                [4, 5, 6, 7],
                [8, 9, 10, 11],
                [12, 13, 14, 15],
            ]
        )
        sequences = unfold(x.view(1, 1, 4, 4), 2)
        assert sequences.shape == (4, 4, 1)
        assert sequences[..., 0].tolist() == [
            [0, 2, 8, 10],  # upper left of each patch
            [1, 3, 9, 11],  # upper right
            [4, 6, 12, 14],  # lower left
            [5, 7, 13, 15],  # lower right
        ]

    @pytest.mark.parametrize('channels_last', [False, True])
    @pytest.mark.parametrize(
        ('patch_size', 'size'), [(1, (3, 5)), (2, (6, 4)), (3, (3, 9)), (4, (8, 12))]
    )
    def test_fold_is_the_inverse(self, patch_size, size, channels_last):
        torch.manual_seed(0)
        x = torch.randn(2, 5, *size)
        if channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        sequences = unfold(x, patch_size)
        num_pixels = patch_size**2
        assert sequences.shape == (2 * num_pixels, x[0, 0].numel() // num_pixels, 5)
        # torch's has (B, C * P, N)
        expected = im2col(x, patch_size, stride=patch_size).unflatten(1, (5, -1))
        assert torch.equal(sequences, expected.permute(0, 2, 3, 1).flatten(0, 1))
        assert torch.equal(fold(sequences, patch_size, size), x)

    def test_no_images(self):
        assert fold(unfold(torch.rand(0, 3, 4, 6), 2), 2, (4, 6)).shape == (0, 3, 4, 6)

    def test_refuses_a_rest(self):
        with pytest.raises(ValueError, match='a map of 4 x 5 is not made of patches'):
            unfold(torch.rand(1, 1, 4, 5), 2)


class TestReach:
    """Which pixels of the map a pixel of the result depends on."""

    def reached(self, function, size, pixel):
        x = torch.rand(1, 8, *size, requires_grad=True)
        # no sum over channels: LayerNorm makes it a constant
        function(x)[0, 0, pixel[0], pixel[1]].backward()
        return (x.grad[0] != 0).any(0)

    def before_fusion(self, block, size, pixel):
        return self.reached(
            lambda x: block.global_representation(block.local_representation(x)),
            size,
            pixel,
        )

    @pytest.mark.parametrize('size', [(6, 6), (12, 6), (5, 7), (9, 8)])
    @pytest.mark.parametrize('patch_size', [1, 2])
    def test_each_pixel_sees_the_whole_map(self, patch_size, size):
        """What the transformers connect, the 3x3 convolution has taken in from all
        pixels of a patch (Sec. 3.1)."""
        block = filled_block(patch_size)
        for pixel in ((0, 0), (0, 1), (2, 4), (3, 3)):
            assert self.before_fusion(block, size, pixel).all()

    def test_of_patches_of_3_the_middle_sees_all(self):
        """Others miss a row or a column at the border until the fusion, whose
        convolution sees a middle, too."""
        block = filled_block(3)
        assert self.before_fusion(block, (9, 6), (4, 1)).all()
        expected = torch.ones(9, 6, dtype=torch.bool)
        expected[-1] = expected[:, -1] = False
        assert torch.equal(self.before_fusion(block, (9, 6), (3, 0)), expected)
        assert self.reached(block, (9, 6), (3, 0)).all()

    def test_a_larger_patch_has_blind_spots(self):
        """Of each 4x4 patch the 3x3 pixels around the one in its place are seen."""
        # second row and column of its patch
        seen = self.before_fusion(filled_block(4), (12, 12), (5, 5))
        patch = torch.zeros(4, 4, dtype=torch.bool)
        patch[:3, :3] = True
        assert torch.equal(seen, patch.tile(3, 3))

    def test_transformers_alone_connect_pixels_of_one_place(self):
        block = filled_block(2)
        project = nn.Conv2d(8, 16, 1)
        seen = self.reached(
            lambda x: block.global_representation(project(x)), (6, 8), (0, 1)
        )
        expected = torch.zeros(6, 8, dtype=torch.bool)
        expected[::2, 1::2] = True
        assert torch.equal(seen, expected)

    def test_convolutions_alone_see_little(self):
        block = filled_block(2)
        seen = self.reached(block.local_representation, (6, 8), (3, 3))
        assert seen.sum() == 9


class TestBlock:
    def test_parameters_by_hand(self):
        """The first block of XXS: 48 channels, 64 in two transformer layers."""
        block = MobileViT('xxs').stages[2][1]

        def conv(kernel, before, after):  # with its norm
            return kernel**2 * before * after + 2 * after

        layer = (
            2 * (2 * 64)  # norms
            + (64 + 1) * (3 * 64)  # queries, keys and values
            + (64 + 1) * 64
            + (64 + 1) * 128
            + (128 + 1) * 64
        )
        assert num_params(block.transformer[0]) == layer
        assert num_params(block) == (
            conv(3, 48, 48)
            + 48 * 64
            + 2 * layer
            + 2 * 64
            + conv(1, 64, 48)
            + conv(3, 2 * 48, 48)
        )

    @pytest.mark.parametrize('size', [(8, 12), (7, 9), (2, 1)])
    @pytest.mark.parametrize('patch_size', [1, 2, 3, 4])
    def test_it_is_that_of_timm(self, patch_size, size):
        reference = TimmBlock(
            8, transformer_dim=16, patch_size=patch_size, layers=LayerFn(act=nn.ReLU)
        )
        fill(reference, torch.randn(2, 8, 12, 12))
        block = block_of(patch_size, act_cfg=dict(type='ReLU')).eval()
        block.load_state_dict(reference.state_dict())
        x = torch.randn(2, 8, *size)
        with torch.no_grad():
            expected, out = reference(x), block(x)
        assert expected.std() > 0.1
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)

    def test_written_out_attention_is_the_fused(self):
        """And can be seen: a weight for each pair of patches, 1 in a row."""
        fused = filled_block(2)
        written = block_of(fused=False).eval()
        written.load_state_dict(fused.state_dict())
        seen = []
        for layer in written.transformer:
            layer.attn.attend.softmax.register_forward_hook(
                lambda module, args, out: seen.append(out)
            )
        x = torch.randn(2, 8, 6, 7)
        with torch.no_grad():
            torch.testing.assert_close(written(x), fused(x), rtol=1e-5, atol=1e-5)
        # 2 images x 4 pixels, 4 heads, 3 x 4 patches
        assert [attention.shape for attention in seen] == [(8, 4, 12, 12)] * 2
        torch.testing.assert_close(seen[0].sum(-1), torch.ones(8, 4, 12))

    @pytest.mark.parametrize('patch_size', [1, 2, 4])
    def test_patches_divide_the_operations_of_attention(self, patch_size):
        """2 (H W)^2 C / P multiplications a layer, of P sequences of H W / P."""
        with torch.device('meta'):
            block, x = block_of(patch_size), torch.rand(1, 8, 8, 16)
        with FlopCounterMode(display=False) as counter:
            block.eval()(x)
        counts = counter.get_flop_counts()['Global']
        attention = sum(n for op, n in counts.items() if 'bmm' in str(op))
        # in multiplications and additions; two layers of 16 channels
        assert attention == 2 * 2 * (2 * 128**2 * 16 // patch_size**2)

    def test_dropout_comes_before_the_additions(self):
        """Where all is dropped only the shortcuts are left."""
        layer = TransformerLayer(8, 2, True, 1.0, SILU)
        x = torch.randn(3, 5, 8)
        assert torch.equal(layer.train()(x), x)
        assert not torch.allclose(layer.eval()(x), x)


@torch.no_grad()
def test_maps_are_those_of_timm():
    images = torch.rand(2, 3, 193, 225)  # odd: each stage rounds up
    reference = timm.create_model('mobilevit_xs')
    fill(reference, images)
    backbone = MobileViT('xs', out_indices=range(5)).eval()
    state = reference.state_dict()
    backbone.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith('head.')}
    )
    expected = []
    for node in (*reference.stages[:4], reference.final_conv):
        node.register_forward_hook(lambda module, args, out: expected.append(out))
    reference(images)
    outs = backbone(images)
    for out, map_ in zip(outs, expected, strict=True):
        # or any difference would be small
        assert (map_[0] - map_[1]).abs().max() > 0.1
        torch.testing.assert_close(out, map_, rtol=1e-4, atol=1e-4)
    # the last three are not whole numbers of patches
    assert [tuple(out.shape[2:]) for out in outs] == [
        (97, 113),
        (49, 57),
        (25, 29),
        (13, 15),
        (7, 8),
    ]


class TestFiles:
    @torch.no_grad()
    def test_timm_s_loads_as_it_is(self):
        torch.manual_seed(0)
        reference = timm.create_model('mobilevit_xxs')
        model = create_model('mobilevit_xxs')
        report = load_weights(model, reference.state_dict(), 'x.safetensors')
        num = len(model.state_dict())
        assert report.startswith(f'{num} of {num} weights (100.0% ')
        state = reference.state_dict()
        for name, weight in model.backbone.state_dict().items():
            assert torch.equal(weight, state[name]), name
        assert torch.equal(model.head.classifier[1].weight, state['head.fc.weight'])

    @pytest.mark.parametrize('arch', ARCHS)
    @torch.no_grad()
    def test_mmpretrain_s_gives_its_logits(self, arch):
        images = torch.randn(2, 3, 65, 97)
        model = create_model(f'mobilevit_{arch}')
        fill(model, images)
        cfg = Config.fromfile(
            config_root() / f'mobilevit/reference/mobilevit_{arch}_mmpretrain.py'
        )
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            reference = MODELS.build(cfg.model).eval()
        # the layers come in one order
        names, weights = reference.state_dict(), model.state_dict().values()
        reference.load_state_dict(dict(zip(names, weights, strict=True)))
        for weight in model.state_dict().values():  # what is not loaded will show
            weight.fill_(float('nan') if weight.is_floating_point() else 0)
        report = load_weights(model, reference.state_dict(), 'x.pth')
        num = len(names)
        assert report.startswith(f'{num} of {num} weights (100.0% ')
        expected = reference(images)
        assert (expected[0] - expected[1]).abs().max() > 0.01
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('library', ['timm', 'mmpretrain'])
    def test_a_backbone_alone_and_a_new_head(self, library):
        if library == 'timm':
            reference = timm.create_model('mobilevit_xxs')
        else:
            path = 'mobilevit/reference/mobilevit_xxs_mmpretrain.py'
            cfg = Config.fromfile(config_root() / path)
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                reference = MODELS.build(cfg.model)
        state = reference.state_dict()
        values = list(state.values())
        backbone = MobileViT('xxs')
        load_weights(backbone, state, 'x.pth', allow_new_head=True)
        model = create_model('mobilevit_xxs', num_classes=10)
        load_weights(model, state, 'x.pth', allow_new_head=True)
        for module in (backbone, model.backbone):
            # the layers come in one order
            for ours, theirs in zip(module.state_dict().values(), values, strict=False):
                assert torch.equal(ours, theirs)


def test_initialisation_is_that_of_the_authors():
    torch.manual_seed(0)
    model = create_model('mobilevit_s')
    residual, block = model.backbone.stages[4]
    # Kaiming, fan_out: 512, 512 * 3 * 3 with groups left aside, 160 * 3 * 3
    for conv, fan_out in (
        (residual.conv1_1x1.conv, 512),
        (residual.conv2_kxk.conv, 512 * 9),
        (block.conv_kxk.conv, 160 * 9),
        (block.conv_1x1, 240),
    ):
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
    layer = block.transformer[0]
    for linear in (
        layer.attn.qkv,
        layer.attn.proj,
        layer.mlp.fc1,
        layer.mlp.fc2,
        model.head.classifier[1],
    ):
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert not linear.bias.any()
    for norm in (block.norm, residual.conv1_1x1.bn):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert norm.eps == 1e-5


def test_layers_are_exchanged():
    model = MobileViT(
        'xxs',
        in_channels=1,
        conv_cfg=dict(type=OtherConv),
        norm_cfg=dict(type='GN', num_groups=8),
        act_cfg=dict(type='ReLU'),
    )
    kinds = {type(m) for m in model.modules()}
    assert {OtherConv, nn.GroupNorm, nn.ReLU} <= kinds
    assert kinds.isdisjoint({nn.Conv2d, nn.BatchNorm2d, nn.SiLU})
    assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 320, 1, 1)


def test_own_widths_and_patches():
    """A patch size for each stage, as the paper's 8, 4, 2."""
    model = MobileViT(
        (2, (8, 8, 16, 16, 24), (16, 24, 32), 64), patch_size=(8, 4, 2), num_heads=2
    )
    assert [stage[1].patch_size for stage in model.stages[2:]] == [8, 4, 2]
    assert model(torch.rand(2, 3, 65, 97))[0].shape == (2, 64, 3, 4)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='l'), "arch 'l' not in"),
        (dict(arch=(2, (8, 8, 16), (16, 24, 32), 64)), 'there are 5 stages, 3 of them'),
        (dict(num_heads=5), r'num_heads 5 does not divide .*\(144, 192, 240\)'),
        (dict(patch_size=(4, 2)), r'patch_size \(4, 2\): 3 stages have patches'),
        (dict(patch_size=0), 'patch_size 0'),
        (dict(out_indices=(5,)), 'MobileViT has 5 stages'),
        (dict(trainable_stages=6), 'MobileViT has 5 stages with weights'),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MobileViT(**arguments)


class TestLayerGroups:
    def test_they_are_all_of_it_from_the_image_up(self):
        backbone = MobileViT('xxs')
        groups = backbone.layer_groups()
        # stem, 7 inverted residuals, 9 transformer layers, before and after the
        # transformers of 3 blocks, the last layer
        assert len(groups) == 1 + 7 + 9 + 2 * 3 + 1
        grouped = [
            p for group in groups for module in group for p in module.parameters()
        ]
        own = list(backbone.parameters())
        assert len(grouped) == len(own)
        assert all(a is b for a, b in zip(grouped, own, strict=True))

    def test_rates_fall_from_layer_to_layer(self):
        model = create_model('mobilevit_xxs')
        constructor = LayerDecayOptimWrapperConstructor(
            dict(optimizer=dict(type='AdamW', lr=1.0)), dict(layer_decay_rate=0.5)
        )
        wrapper = constructor(model)
        rate_of = {
            id(p): group['lr']
            for group in wrapper.param_groups
            for p in group['params']
        }
        block = model.backbone.stages[4][1]
        for module, rate in (
            (model.head.classifier[1], 1),
            (model.backbone.final_conv.conv, 0.5),
            (block.conv_fusion.conv, 0.5**2),
            (block.transformer[2].attn.qkv, 0.5**3),
            (block.transformer[0].norm1, 0.5**5),
            (block.conv_1x1, 0.5**6),
            (model.backbone.stem.conv, 0.5**24),
        ):
            assert rate_of[id(module.weight)] == pytest.approx(rate)


class TestRecipe:
    @pytest.fixture(params=ARCHS)
    def cfg(self, request):
        name = f'mobilevit-{request.param}_8xb128-300e_imagenet.py'
        return Config.fromfile(config_root() / 'mobilevit' / name)

    def test_rates(self):
        """0.0002 to 0.002 in 20,000 steps, then down to 0.0002; 1,251 an epoch."""
        cfg = Config.fromfile(config_root() / '_base_/schedules/mobilevit_300e.py')
        assert 1281167 // 1024 == 1251
        optimizer = torch.optim.SGD(
            [nn.Parameter(torch.zeros(1))], cfg.optim_wrapper.optimizer.lr
        )
        warmup, decay = (
            PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=optimizer))
            for scheduler in cfg.param_scheduler
        )
        rates = []
        for step in range(300 * 1251):
            rates.append(optimizer.param_groups[0]['lr'])
            if step < 20001:
                optimizer.step()
                warmup.step()
            if step % 1251 == 1250:
                decay.step()
        assert rates[0] == pytest.approx(0.0002)
        assert rates[10000] == pytest.approx(0.0011, rel=1e-3)
        assert max(rates) == pytest.approx(0.002)
        # the middle of the 284 epochs after the warm-up's
        assert rates[(16 + 142) * 1251 + 1] == pytest.approx(0.0011, rel=1e-3)
        assert rates[-1] == pytest.approx(0.0002, rel=1e-3)

    def test_optimizer_average_and_loss(self, cfg):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        assert isinstance(wrapper.optimizer, torch.optim.AdamW)
        for group in wrapper.param_groups:
            assert group['betas'] == (0.9, 0.999)
            assert group['weight_decay'] == 0.01
        assert sum(len(g['params']) for g in wrapper.param_groups) == len(
            list(model.parameters())
        )
        hook = cfg.custom_hooks[-1]
        assert (hook.type, hook.momentum) == ('EMAHook', 0.0005)
        assert isinstance(model.head.loss_module, LabelSmoothLoss)
        assert model.head.loss_module.label_smooth_val == 0.1
        layer = model.backbone.stages[2][1].transformer[0]
        is_least = cfg.model.backbone.arch == 'xxs'
        assert layer.dropout.p == (0.05 if is_least else 0.1)
        assert model.head.classifier[0].p == 0.1
        assert model.data_preprocessor.sizes == (160, 192, 256, 288, 320)

    def test_crops(self, cfg):
        assert cfg.train_pipeline[1].scale == max(cfg.model.data_preprocessor.sizes)
        assert cfg.test_pipeline[1].scale == 288
        assert cfg.test_pipeline[2].crop_size == 256


def test_images_are_from_0_to_1_in_rgb():
    published = timm.create_model('mobilevit_xxs').default_cfg
    assert published['mean'] == (0, 0, 0)
    assert published['std'] == (1, 1, 1)
    assert published['input_size'] == (3, 256, 256)
    model = create_model('mobilevit_xxs')
    bgr = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1).expand(3, 32, 32)
    inputs = model.data_preprocessor(dict(inputs=[bgr]))['inputs']
    torch.testing.assert_close(inputs[0, :, 0, 0], torch.tensor([1, 0.2, 0]))
