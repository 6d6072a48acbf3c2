"""ViT: tokens, position embeddings of other sizes, attention in two forms."""

import math

import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from projects import create_model
from projects.core.errors import UserError
from projects.core.layers import ScaledDotProductAttention, StochasticDepth
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import MODELS
from projects.vit import (
    EncoderBlock,
    VisionTransformer,
    ViTArch,
    resize_position_embedding,
)

pytestmark = pytest.mark.usefixtures('cheap_weights')

SMALL = (24, 3, 4, 48)  # width, blocks, heads, width of the MLPs


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


class OtherNorm(nn.LayerNorm):
    """The same for a norm."""


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def small_vit(**kwargs):
    """Of 4 x 4 patches of 8 pixels, with a class token that is not 0."""
    torch.manual_seed(0)
    model = VisionTransformer(SMALL, patch_size=8, img_size=32, **kwargs)
    with torch.no_grad():
        nn.init.normal_(model.class_token)
        nn.init.normal_(model.encoder.pos_embedding)
    return model.eval()


def fill(model):
    """Weights that keep the size of the signal, norms and biases that do something."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            is_token = 'token' in name or 'pos_embed' in name
            fan_in = 1 if is_token else weight[0].numel()
            nn.init.normal_(weight, std=fan_in**-0.5)
        elif name.endswith('weight'):
            nn.init.uniform_(weight, 0.5, 1.5)
        else:
            nn.init.uniform_(weight, -0.5, 0.5)
    return model.eval()


class TestArchitecture:
    @pytest.mark.parametrize(
        ('name', 'expected'),
        [
            ('vit_tiny_16', 5_717_416),
            ('vit_small_16', 22_050_664),
            ('vit_b_16', 86_567_656),
        ],
    )
    def test_parameters_by_hand(self, name, expected):
        cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py').model
        with torch.device('meta'), DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg)
        width = model.head.in_channels
        embedding = 3 * 16**2 * width + width + width + (1 + 14**2) * width
        attention = 4 * (width**2 + width)  # queries, keys, values, output
        mlp = 2 * 4 * width**2 + 5 * width
        norms = 2 * 2 * width
        blocks = 12 * (attention + mlp + norms)
        head = 2 * width + 1000 * (width + 1)
        assert num_params(model) == embedding + blocks + head == expected

    def test_a_block_by_hand(self):
        """Attention to equal tokens gives their value; one hidden unit each."""
        block = EncoderBlock(ViTArch(2, 1, 1, 2)).eval()
        with torch.no_grad():
            # queries and keys of zero, values twice the token
            block.self_attention.in_proj_weight.zero_()[4:] = 2 * torch.eye(2)
            block.self_attention.out_proj.weight.copy_(torch.eye(2))
            for linear in (block.mlp[0], block.mlp[3]):
                linear.weight.copy_(torch.eye(2))
                linear.bias.zero_()
            out = block(torch.tensor([[[3.0, 1.0], [1.0, 3.0], [3.0, 1.0]]]))
        # ln_1: (1, -1), (-1, 1), (1, -1), whose mean is (1/3, -1/3), twice 2/3;
        # added: (11/3, 1/3), (5/3, 7/3); ln_2: (1, -1), (-1, 1);
        # gelu(1) = 0.8413, gelu(-1) = -0.1587
        up, down = 0.841345, -0.158655
        first = [11 / 3 + up, 1 / 3 + down]
        expected = [first, [5 / 3 + down, 7 / 3 + up], first]
        torch.testing.assert_close(out[0], torch.tensor(expected), atol=1e-4, rtol=0)

    def test_initialisation_is_torchvision_s(self):
        torch.manual_seed(0)
        ours = create_model('vit_tiny_16').state_dict()
        theirs = torchvision.models.VisionTransformer(224, 16, 12, 3, 192, 768)
        theirs = theirs.state_dict()
        assert len(ours) == len(theirs)
        for name, weight in theirs.items():
            mine = ours[our_name(name)]
            assert mine.shape == weight.shape
            # of the 192 numbers of a bias; others are closer
            assert mine.std() == pytest.approx(weight.std().item(), rel=0.25, abs=1e-9)
            assert mine.mean() == pytest.approx(weight.mean().item(), abs=0.02)
            if weight.dim() == 2:  # uniform: they end where torchvision's end
                largest = weight.abs().max().item()
                assert mine.abs().max() == pytest.approx(largest, rel=0.01, abs=1e-9)

    def test_own_initialisation_comes_after_it(self):
        init_cfg = dict(type='Constant', layer='Linear', val=0.5)
        model = small_vit(init_cfg=init_cfg)
        model.init_weights()
        assert (model.encoder.layers[0].mlp[0].weight == 0.5).all()

    def test_layers_are_exchanged(self):
        model = small_vit(
            in_channels=1,
            conv_cfg=dict(type=OtherConv),
            norm_cfg=dict(type=OtherNorm, eps=0.1),
            act_cfg=dict(type='ReLU'),
        )
        kinds = [type(m) for m in model.modules()]
        assert kinds.count(OtherConv) == 1
        assert kinds.count(OtherNorm) == 2 * 3 + 1
        assert kinds.count(nn.ReLU) == 3
        assert not {nn.Conv2d, nn.LayerNorm, nn.GELU} & set(kinds)
        assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 24, 4, 4)

    def test_stochastic_depth_rises_to_the_last_block(self):
        model = small_vit(stochastic_depth_prob=0.2)
        depths = [m.p for m in model.modules() if isinstance(m, StochasticDepth)]
        assert depths == pytest.approx([0.0, 0.1, 0.2])

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(arch='huge'), r"arch 'huge' not in \['tiny', 'small', "),
            (dict(arch=(10, 1, 3, 8)), 'num_heads 3 does not divide embed_dims 10'),
            (dict(pool='clas'), r"pool 'clas' not in \['token', 'average'\], nor None"),
            (dict(img_size=0), 'img_size 0, patch_size 16: no patch'),
            (dict(out_indices=(12,)), 'VisionTransformer has 12 stages'),
        ],
    )
    def test_refused(self, arguments, message):
        with torch.device('meta'), pytest.raises(ValueError, match=message):
            VisionTransformer(**{'arch': 'tiny', **arguments})


class TestOutputs:
    def test_pools_of_one_model(self):
        """The class token, or the mean of what a detector gets."""
        images = torch.randn(2, 3, 32, 32)
        outs = {}
        with torch.no_grad():
            for pool in (None, 'token', 'average'):
                outs[pool] = small_vit(pool=pool, out_indices=(0, 2))(images)
        assert [tuple(out.shape) for out in outs[None]] == [(2, 24, 4, 4)] * 2
        assert [tuple(out.shape) for out in outs['token']] == [(2, 24)] * 2
        for maps, means in zip(outs[None], outs['average'], strict=True):
            torch.testing.assert_close(maps.mean((2, 3)), means)
        # the final norm, whose weights are 1 and 0, is over the channels
        for last in (outs[None][-1], outs['token'][-1]):
            torch.testing.assert_close(last.mean(1), torch.zeros_like(last[:, 0]))
        assert outs[None][0].mean(1).abs().max() > 0.01  # and of the last alone

    def test_a_patch_is_where_it_was(self):
        """Without attention and positions each patch is seen alone."""
        model = small_vit(out_indices=(0,))
        with torch.no_grad():
            model.encoder.pos_embedding.zero_()
            model.encoder.layers[0].self_attention.out_proj.weight.zero_()
            image = torch.zeros(1, 3, 32, 48)
            image[..., 9:15, 41:47] = 1.0  # second row, last column
            (out,) = model(image)
        differs = (out - out[..., :1, :1]).abs().sum(1)[0] > 1e-4
        assert differs.nonzero().tolist() == [[1, 5]]

    def test_padding_is_on_the_right_and_below(self):
        model = small_vit()
        image = torch.randn(1, 3, 27, 33)
        padded = torch.zeros(1, 3, 32, 40)
        padded[..., :27, :33] = image
        with torch.no_grad():
            (out,), (expected,) = model(image), model(padded)
        assert out.shape == (1, 24, 4, 5)
        assert torch.equal(out, expected)

    @pytest.mark.parametrize('size', [(193, 225), (65, 97), (224, 224)])
    def test_odd_sizes_are_timm_s(self, size):
        """Padding and resized positions at once."""
        reference = timm.models.VisionTransformer(
            patch_size=16,
            embed_dim=48,
            depth=2,
            num_heads=3,
            num_classes=0,
            global_pool='',
            dynamic_img_size=True,
            dynamic_img_pad=True,
        )
        fill(reference)
        model = VisionTransformer((48, 2, 3, 192)).eval()
        load_weights(model, reference.state_dict(), 'x.pth')
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            (out,), expected = model(images), reference(images)
        torch.testing.assert_close(
            out.flatten(2).mT, expected[:, 1:], rtol=1e-4, atol=1e-4
        )

    def test_no_image(self):
        assert small_vit()(torch.zeros(0, 3, 20, 20))[0].shape == (0, 24, 3, 3)

    def test_half_precision(self):
        images = torch.randn(2, 3, 40, 24)  # positions are resized, too
        model = small_vit(pool='token')
        with torch.no_grad():
            expected = model(images)[0]
            with torch.autocast('cpu', torch.bfloat16):
                out = model(images)[0]
            halved = model.bfloat16()(images.bfloat16())[0]
        # tokens have a deviation of 1; a bfloat16 has 8 bits
        assert (out.float() - expected).abs().max() < 0.1
        assert (halved.float() - expected).abs().max() < 0.1


class TestAttention:
    def test_both_forms_are_equal(self):
        images = torch.randn(2, 3, 32, 32)
        results = []
        for fused in (True, False):
            model = small_vit(fused_attention=fused)
            assert {
                m.fused
                for m in model.modules()
                if isinstance(m, ScaledDotProductAttention)
            } == {fused}
            (out,) = model(images)
            out.square().sum().backward()
            results.append((out, {n: p.grad for n, p in model.named_parameters()}))
        (out_fused, of_fused), (written, of_written) = results
        # kernels of their own order of summation
        torch.testing.assert_close(out_fused, written, rtol=1e-4, atol=1e-5)
        for name, gradient in of_fused.items():
            assert gradient.abs().max() > 0
            torch.testing.assert_close(gradient, of_written[name], rtol=1e-3, atol=1e-4)

    def test_it_is_torch_s_multi_head_attention(self):
        block = small_vit().encoder.layers[0].self_attention
        reference = nn.MultiheadAttention(24, 4, batch_first=True)
        reference.load_state_dict(block.state_dict())
        x = torch.randn(2, 5, 24)
        torch.testing.assert_close(
            block(x), reference(x, x, x)[0], rtol=1e-4, atol=1e-5
        )

    def test_without_positions_the_order_of_patches_is_nothing(self):
        """Sec. 3.1: all knowledge of the image's plane is in the embeddings."""
        model = small_vit(pool='token')
        image = torch.randn(1, 3, 32, 32)
        moved = image.roll(8, dims=3)  # by a patch
        with torch.no_grad():
            assert (model(image)[0] - model(moved)[0]).abs().max() > 0.01
            model.encoder.pos_embedding.zero_()
            torch.testing.assert_close(model(image)[0], model(moved)[0])


class TestPositionEmbedding:
    @pytest.mark.parametrize('side', [3, 7])
    def test_resized_as_timm_and_torchvision(self, side):
        torch.manual_seed(0)
        embedding = torch.randn(1, 1 + 25, 8)
        size = (side, side)
        torch.testing.assert_close(
            resize_position_embedding(embedding, (5, 5), size),
            resample_abs_pos_embed(embedding, size),
        )
        torch.testing.assert_close(
            resize_position_embedding(
                embedding, (5, 5), size, align_corners=True, antialias=False
            ),
            interpolate_embeddings(
                side * 16, 16, {'encoder.pos_embedding': embedding.clone()}
            )['encoder.pos_embedding'],
        )

    def test_class_token_and_slopes_stay(self):
        """Embeddings that rise along the rows still do, half as steeply."""
        slope = torch.arange(8.0).view(1, 8, 1).expand(8, 8, 1)
        embedding = torch.cat([torch.tensor([[9.0]]), slope.reshape(64, 1)])[None]
        out = resize_position_embedding(embedding, (8, 8), (16, 8))
        assert out[0, 0] == 9
        torch.testing.assert_close(out[0, 1:].view(16, 8)[0], torch.arange(8.0))
        torch.testing.assert_close(out[0, 1:].view(16, 8)[9], torch.arange(8.0))
        wide = resize_position_embedding(embedding, (8, 8), (8, 16))[0, 1:].view(8, 16)
        # away from the border; the middles of the new patches
        torch.testing.assert_close(wide[3, 4:12], torch.arange(8) / 2 + 1.75)

    def test_a_file_of_another_size_is_resized_and_says_so(self):
        source = small_vit()
        target = VisionTransformer(SMALL, patch_size=8, img_size=(48, 64))
        report = load_weights(target, source.state_dict(), 'small.pth')
        assert '42 of 42 weights (100.0% of the parameters)' in report
        assert 'encoder.pos_embedding: 4 x 4 to 6 x 8 patches, bicubic' in report
        expected = resize_position_embedding(
            source.encoder.pos_embedding, (4, 4), (6, 8)
        )
        assert torch.equal(target.encoder.pos_embedding, expected)
        # the same as a model does with an image of that size
        image = torch.randn(1, 3, 48, 64)
        with torch.no_grad():
            torch.testing.assert_close(target.eval()(image), source(image))

    def test_a_classifier_s_own_file_is_resized(self):
        small, large = (
            create_model('vit_tiny_16', cfg_options=[f'model.backbone.img_size={size}'])
            for size in (32, 64)
        )
        report = load_weights(large, small.state_dict(), 'x.pth')
        assert 'backbone.encoder.pos_embedding: 2 x 2 to 4 x 4 patches' in report

    def test_what_is_no_square_is_refused(self):
        state = VisionTransformer(SMALL, patch_size=8, img_size=(16, 24)).state_dict()
        with pytest.raises(UserError, match=r'pos_embedding \(1, 17, 24\)'):
            load_weights(small_vit(), state, 'x.pth')


class TestTraining:
    def test_embeddings_are_frozen_with_the_first_block(self):
        model = small_vit(trainable_stages=2)
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        assert {n.split('.')[0] for n in frozen} == {
            'class_token',
            'conv_proj',
            'encoder',
        }
        assert {n.split('.')[2] for n in frozen if 'layers' in n} == {'encoder_layer_0'}
        assert 'encoder.pos_embedding' in frozen
        model.freeze(None)
        assert all(p.requires_grad for p in model.parameters())

    def test_groups_of_layer_wise_decay(self):
        """The embedding, each block; the final norm is the head's."""
        model = small_vit()
        groups = model.layer_groups()
        assert len(groups) == 1 + 3
        assert groups[0][:2] == (model.class_token, model.encoder.pos_embedding)
        grouped = [
            parameter
            for group in groups
            for part in group
            for parameter in (
                [part] if isinstance(part, nn.Parameter) else part.parameters()
            )
        ]
        rest = set(model.parameters()) - set(grouped)
        assert rest == set(model.encoder.ln.parameters())
        assert len(grouped) == len(set(grouped))

    def test_blocks_after_the_last_map_are_not_trained(self):
        model = small_vit(out_indices=(1,))
        model(torch.randn(1, 3, 32, 32))[0].sum().backward()
        for name, parameter in model.named_parameters():
            is_above = 'encoder_layer_2' in name or 'encoder.ln' in name
            assert (parameter.grad is None) == is_above, name


class TestPublishedFiles:
    def test_torchvision_s_older_names(self):
        """As in its files, where an MLP has linear_1 and linear_2."""
        theirs = torchvision.models.VisionTransformer(224, 16, 12, 3, 192, 768)
        fill(theirs)
        state = {
            k.replace('mlp.0', 'mlp.linear_1').replace('mlp.3', 'mlp.linear_2'): v
            for k, v in theirs.state_dict().items()
        }
        self.check('vit_tiny_16', state, theirs)

    def test_timm_s(self):
        theirs = fill(timm.create_model('vit_small_patch16_224'))
        self.check('vit_small_16', theirs.state_dict(), theirs)

    def test_mmpretrain_s(self):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            theirs = MODELS.build(
                dict(
                    type='ImageClassifier',
                    backbone=dict(type='VisionTransformer', arch='deit-tiny'),
                    head=dict(
                        type='VisionTransformerClsHead',
                        num_classes=1000,
                        in_channels=192,
                    ),
                )
            )
        fill(theirs)
        self.check('vit_tiny_16', theirs.state_dict(), theirs)

    @pytest.mark.parametrize('prefix', ['', 'backbone.'])
    def test_into_a_backbone_alone(self, prefix):
        theirs = torchvision.models.VisionTransformer(32, 8, 3, 4, 24, 48)
        state = {f'{prefix}{k}': v for k, v in theirs.state_dict().items()}
        model = small_vit()
        load_weights(model, state, 'x.pth', allow_new_head=True)
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, theirs.state_dict()[name])

    @staticmethod
    def check(name, state, reference):
        model = create_model(name).eval()
        report = load_weights(model, state, 'x.pth')
        num = len(model.state_dict())
        assert report.startswith(f'{num} of {num} weights (100.0% ')
        images = torch.randn(2, 3, 224, 224)
        with torch.no_grad():
            out, expected = model(images), reference(images)
        assert (expected[0] - expected[1]).abs().max() > 0.1
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


def our_name(name):
    return (
        name.replace('heads.head', 'head.fc')
        if name.startswith('heads')
        else f'backbone.{name}'
    )


def run_config(name):
    return Config.fromfile(config_root() / 'vit' / name)


def rates_of(cfg, epochs, epoch_length=10):
    """The rate at the beginning of each epoch, as a runner sets it."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], cfg.optim_wrapper.optimizer.lr)
    rates = []
    schedulers = [
        PARAM_SCHEDULERS.build(
            dict(scheduler),
            default_args=dict(optimizer=optimizer, epoch_length=epoch_length),
        )
        for scheduler in cfg.param_scheduler
    ]
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler, settings in zip(schedulers, cfg.param_scheduler, strict=True):
            by_step = settings.get('convert_to_iter_based', False)
            for _ in range(epoch_length if by_step else 1):
                scheduler.step()
    return rates


class TestRecipes:
    def test_rates_of_torchvision_s(self):
        """From 0.033 of 0.003 within 30 epochs, then along a cosine to 0."""
        cfg = run_config('vit-b-16_8xb512-300e_imagenet.py')
        rates = rates_of(cfg, 300)
        expected = [0.003 * (0.033 + 0.967 * i / 30) for i in range(31)]
        assert rates[:31] == pytest.approx(expected)
        for epoch in (31, 165, 299):
            cosine = math.cos(math.pi * (epoch - 30) / 270)
            assert rates[epoch] == pytest.approx(0.0015 * (1 + cosine), rel=1e-6)

    def test_rates_of_deit_s(self):
        rates = rates_of(run_config('vit-tiny-16_4xb256-300e_imagenet.py'), 300)
        assert rates[0] == pytest.approx(1e-6)
        assert rates[5] == pytest.approx(0.001)
        assert rates[299] == pytest.approx(1e-5, rel=0.01)

    @pytest.mark.parametrize(
        ('name', 'decays'),
        [
            # of all; of matrices alone, but not the embeddings of no image
            ('vit-b-32_8xb512-300e_imagenet.py', {0.3: 152}),
            ('vit-tiny-16_4xb256-300e_imagenet.py', {0.05: 4 * 12 + 2, 0.0: 102}),
        ],
    )
    def test_what_decays(self, name, decays):
        cfg = run_config(name)
        with torch.device('meta'), DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
            wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        found = {}
        for group in wrapper.optimizer.param_groups:
            decay = group['weight_decay']
            found[decay] = found.get(decay, 0) + len(group['params'])
        assert found == decays

    def test_average_is_torchvision_s(self):
        hook = run_config('vit-b-16_8xb512-300e_imagenet.py').custom_hooks[-1]
        # 1 - 0.99998 a step, for 4,096 images, each 32nd step of 300 epochs
        assert hook.momentum == pytest.approx(0.00873813, rel=1e-4)

    def test_fine_tuning_falls_layer_by_layer(self):
        cfg = run_config('vit-b-16-384_8xb64-30e_imagenet.py')
        assert cfg.custom_hooks == Config.fromfile(
            config_root() / '_base_/default_runtime.py'
        ).get('custom_hooks', [])
        cfg.model.init_cfg = None
        with torch.device('meta'), DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
            wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        rates = {
            parameter: group['lr']
            for group in wrapper.optimizer.param_groups
            for parameter in group['params']
        }
        backbone = model.backbone
        assert backbone.encoder.pos_embedding.shape[1] == 1 + 24**2
        for parameter, depth in (
            (model.head.fc.weight, 0),
            (backbone.encoder.ln.weight, 0),
            (backbone.encoder.layers[11].mlp[0].weight, 1),
            (backbone.encoder.layers[0].mlp[0].weight, 12),
            (backbone.class_token, 13),
            (backbone.conv_proj.weight, 13),
        ):
            assert rates[parameter] == pytest.approx(5e-5 * 0.7**depth)
