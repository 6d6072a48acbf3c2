"""Swin and Swin V2: windows, attention within them, published files, recipes."""

import math

import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.models import SwinTransformer as MMSwin
from mmpretrain.models import SwinTransformerV2 as MMSwinV2
from reference_table import TABLE
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.swin_transformer import PatchMerging as ReferenceMerging

from projects import create_model
from projects.core.layers import StochasticDepth
from projects.core.weights import load_weights
from projects.registry import MODELS
from projects.swin import SwinTransformer, SwinTransformerV2
from projects.swin.backbone import PatchMerging, WindowAttention
from projects.swin.swin import BiasedWindowAttention
from projects.swin.swin_v2 import CosineWindowAttention, log_spaced_offsets
from projects.swin.windows import (
    make_mask,
    relative_position_index,
    shift_mask,
    window_partition,
    window_reverse,
)

pytestmark = pytest.mark.usefixtures('cheap_weights')
NARROW = (24, (2, 2, 2, 2), (1, 2, 4, 8))
ATTENTIONS = [BiasedWindowAttention, CosineWindowAttention]
VERSIONS = [SwinTransformer, SwinTransformerV2]


def num_params(module):
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def with_weights(model):
    """Weights under which all layers matter, in eval mode."""
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            weight.normal_(0, weight[0].numel() ** -0.5)
        elif name.endswith('weight'):
            weight.uniform_(0.5, 1.5)
        else:  # or the logits would be those of the biases
            weight.uniform_(-0.2, 0.2)
    return model.eval()


def config(path):
    return Config.fromfile(f'configs/{path}')


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


class TestWindows:
    def test_windows_are_cut_row_by_row(self):
        x = torch.arange(24).view(1, 4, 6, 1)
        windows = window_partition(x, 2)
        assert windows[0, :, :, 0].tolist() == [
            [0, 1, 6, 7],
            [2, 3, 8, 9],
            [4, 5, 10, 11],
            [12, 13, 18, 19],
            [14, 15, 20, 21],
            [16, 17, 22, 23],
        ]

    def test_they_are_put_back(self):
        x = torch.rand(2, 6, 9, 5)
        assert torch.equal(window_reverse(window_partition(x, 3), 3, 6), x)

    def test_index_of_offsets_by_hand(self):
        """M = 2: an offset (r, c) of -1, 0, 1 reads row 3 (r + 1) + c + 1."""
        assert relative_position_index(2).tolist() == [
            [4, 3, 1, 0],
            [5, 4, 2, 1],
            [7, 6, 4, 3],
            [8, 7, 5, 4],
        ]

    @pytest.mark.parametrize('window_size', [1, 7, 8])
    def test_index_is_the_reference_s(self, window_size):
        reference = torchvision.models.swin_transformer.ShiftedWindowAttention(
            8, [window_size] * 2, [0, 0], 2
        )
        index = relative_position_index(window_size)
        assert torch.equal(index.flatten(), reference.relative_position_index)

    def test_mask_by_hand(self):
        """4 x 4 tokens, M = 2, shifted by 1: of the last row and column, what was
        at the top or at the left."""
        mask = shift_mask((4, 4), 2, (1, 1), torch.device('cpu'), torch.float32)
        apart = mask != 0
        assert mask.unique().tolist() == [-100.0, 0.0]
        assert not apart[0].any()  # neighbours in the image
        left_from_right = [[False, True] * 2, [True, False] * 2] * 2
        assert apart[1].tolist() == left_from_right
        assert apart[3].tolist() == [[i != j for j in range(4)] for i in range(4)]

    def test_mask_is_made_once_and_few_are_kept(self):
        make_mask.cache_clear()
        arguments = ((8, 8), 4, (2, 2), torch.device('cpu'))
        mask = shift_mask(*arguments, torch.float32)
        assert shift_mask(*arguments, torch.float32) is mask
        assert shift_mask(*arguments, torch.float64).dtype == torch.float64
        assert make_mask.cache_info().misses == 2
        for height in range(8, 200, 4):
            shift_mask((height, 8), *arguments[1:], torch.float32)
        assert make_mask.cache_info().currsize == 16


@torch.no_grad()
def attend_in_explicit_windows(attention, x):
    """What the paper's Fig. 2 shows: no cyclic shift, no mask.

    The map, padded to whole windows, is cut at M // 2, M // 2 + M, ... where windows
    are shifted. Those at the border are smaller; each token sees those of its window.
    """
    _, height, width, channels = x.shape
    side, heads = attention.window_size, attention.num_heads
    x = nn.functional.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    cuts = []
    for extent in x.shape[1:3]:
        shift = attention.shift if extent > side else 0
        starts = range(shift, extent, side)
        cuts.append(sorted({0, *starts, extent}))
    out = torch.full_like(x, float('nan'))
    bias = attention.position_bias()
    for top, bottom in zip(cuts[0][:-1], cuts[0][1:], strict=True):
        for left, right in zip(cuts[1][:-1], cuts[1][1:], strict=True):
            rows, columns = bottom - top, right - left
            tokens = x[:, top:bottom, left:right].flatten(1, 2)
            query, key, value = (
                part.unflatten(-1, (heads, -1)).transpose(1, 2)
                for part in attention.project(tokens).chunk(3, -1)
            )
            query, key = attention.compare(query, key)
            scale = attention.attention.scale or (channels // heads) ** -0.5
            scores = scale * query @ key.transpose(-2, -1)
            # the offsets of a smaller window are those of its place in a whole one
            place = torch.arange(side**2).view(side, side)[:rows, :columns].flatten()
            scores = scores + bias[:, place][:, :, place]
            result = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
            out[:, top:bottom, left:right] = attention.proj(result).unflatten(
                1, (rows, columns)
            )
    return out[:, :height, :width]


@pytest.mark.parametrize('size', [(8, 12), (9, 13), (4, 11), (3, 2), (5, 4)])
@pytest.mark.parametrize('shifted', [False, True])
@pytest.mark.parametrize('kind', ATTENTIONS)
def test_cyclic_shift_is_equal_to_explicit_windows(kind, shifted, size):
    attention = with_weights(kind(12, 3, 4, shifted)).double()
    x = torch.randn(2, *size, 12, dtype=torch.float64)
    expected = attend_in_explicit_windows(attention, x)
    assert expected.std() > 0.1
    torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize('shifted', [False, True])
@pytest.mark.parametrize('kind', ATTENTIONS)
def test_written_out_form_is_equal_to_the_fused(kind, shifted):
    attention = with_weights(kind(12, 3, 4, shifted)).double()
    x = torch.randn(2, 9, 13, 12, dtype=torch.float64, requires_grad=True)
    results = []
    for fused in (True, False):
        attention.attention.fused = fused
        attention.zero_grad()
        x.grad = None
        out = attention(x)
        (out**2).sum().backward()
        results.append([out, x.grad, *(p.grad for p in attention.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_option_reaches_every_block():
    for version in VERSIONS:
        with torch.device('meta'):
            model = version(NARROW, fused_attention=False)
        kinds = [m for m in model.modules() if isinstance(m, WindowAttention)]
        assert len(kinds) == 8
        assert not any(m.attention.fused for m in kinds)


@pytest.mark.parametrize('version', VERSIONS)
def test_shifted_windows_connect_what_windows_part(version):
    """Sec. 3.2: a token reaches its window in one block, its neighbours' in two."""
    backbone = with_weights(version((12, (2,), (3,)), window_size=4))
    first, second = backbone.features[1]
    x = torch.randn(1, 8, 8, 12)
    changed = x.clone()
    changed[0, 0, 0] = torch.randn(12)

    def reached(*blocks):
        outs = []
        with torch.no_grad():
            for tokens in (x, changed):
                for block in blocks:
                    tokens = block(tokens)
                outs.append(tokens)
        # far above rounding, far below what a changed token gives
        return (outs[0] - outs[1]).abs().amax(-1)[0] > 1e-5

    window = torch.zeros(8, 8, dtype=torch.bool)
    window[:4, :4] = True
    assert torch.equal(reached(first), window)
    assert reached(second)[:2, :2].all()  # the corner that the shift cuts off
    assert reached(second).sum() == 4
    both = reached(first, second)
    assert both[:6, :6].all()
    assert both.sum() == 36


class TestPatchMerging:
    def test_channels_of_four_are_joined_column_by_column(self):
        x = torch.tensor([[0, 2], [1, 3]]).view(1, 2, 2, 1)
        assert PatchMerging.join(x).tolist() == [[[[0, 1, 2, 3]]]]

    def test_odd_sides_are_padded(self):
        torch.manual_seed(0)
        merging = PatchMerging(6, dict(type='LN'))
        reference = ReferenceMerging(6)
        reference.load_state_dict(merging.state_dict())
        x = torch.randn(2, 5, 7, 6)
        assert merging(x).shape == (2, 3, 4, 12)
        torch.testing.assert_close(merging(x), reference(x))


class TestCounts:
    def test_block_by_hand(self):
        """Two norms, queries to values, projection, MLP, a table of 13^2 offsets."""
        c, heads = 96, 3
        block = SwinTransformer('t').features[1][0]
        assert num_params(block) == (
            2 * 2 * c
            + (c * 3 * c + 3 * c)
            + (c * c + c)
            + (c * 4 * c + 4 * c)
            + (4 * c * c + c)
            + 13**2 * heads
        )

    @pytest.mark.parametrize('key_bias', [True, False])
    def test_block_of_v2_by_hand(self, key_bias):
        """A temperature per head and a network in the place of the table."""
        c, heads = 96, 3
        with torch.device('meta'):
            block = SwinTransformerV2('t', key_bias=key_bias).features[1][0]
        assert num_params(block) == (
            2 * 2 * c
            + c * 3 * c
            + (3 if key_bias else 2) * c
            + (c * c + c)
            + (8 * c * c + 5 * c)
            + heads
            + (2 * 512 + 512 + 512 * heads)
        )

    def test_patch_embedding_and_merging_by_hand(self):
        with torch.device('meta'):
            features = SwinTransformer('t').features
        assert num_params(features[0]) == (3 * 16 * 96 + 96) + 2 * 96
        assert num_params(features[2]) == 4 * 96 * 2 * 96 + 2 * 4 * 96

    @pytest.mark.parametrize(
        'name', ['swin_t', 'swin_b_384', 'swin_v2_t', 'swin_v2_t_w16']
    )
    def test_operations_are_those_of_the_reference(self, name, build_on_meta):
        entry = TABLE[name]
        model = build_on_meta(name).eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, *entry['input'], device='meta'))
        # the table has six decimals; a network of offsets is counted with each block
        assert counter.get_total_flops() / 2e9 == pytest.approx(
            entry['macs_g'], abs=1e-6
        )


class TestCost:
    """The README's section: Eq. 1 and 2, counted."""

    @staticmethod
    def count(side, channels, window_size, fused):
        """Multiply-accumulates of a map of side x side tokens."""
        with torch.device('meta'):
            attention = BiasedWindowAttention(channels, 4, window_size, False, fused)
            x = torch.empty(1, side, side, channels)
        with FlopCounterMode(display=False) as counter:
            attention(x)
        return counter.get_total_flops() // 2

    @pytest.mark.parametrize('fused', [True, False])
    @pytest.mark.parametrize(('side', 'channels'), [(14, 96), (28, 32)])
    def test_global_attention(self, side, channels, fused):
        """One window: 4 hw C^2 + 2 (hw)^2 C."""
        tokens = side * side
        assert self.count(side, channels, side, fused) == (
            4 * tokens * channels**2 + 2 * tokens**2 * channels
        )

    @pytest.mark.parametrize('fused', [True, False])
    @pytest.mark.parametrize(('side', 'channels'), [(14, 96), (56, 96), (112, 32)])
    def test_windowed_attention(self, side, channels, fused):
        """4 hw C^2 + 2 M^2 hw C: linear in the number of tokens."""
        tokens = side * side
        assert self.count(side, channels, 7, fused) == (
            4 * tokens * channels**2 + 2 * 7**2 * tokens * channels
        )


class TestVersion2:
    def test_offsets_by_hand(self):
        """M = 3: -1, -1/2, 0, 1/2, 1 times 8; log2(1 + 8) / 3, log2(1 + 4) / 3."""
        table = log_spaced_offsets(3, 3)
        far, near = math.log2(9) / 3, math.log2(5) / 3
        assert table[:5, 1].tolist() == pytest.approx([-far, -near, 0, near, far])
        assert table[::5, 0].tolist() == pytest.approx([-far, -near, 0, near, far])
        # a window of 3, seen by weights of one of 5: its offsets are -2 / 4 to 2 / 4
        assert log_spaced_offsets(3, 5)[:5, 1].tolist() == pytest.approx(
            log_spaced_offsets(5, 5)[2:7, 1].tolist()
        )

    def test_weights_fit_every_window(self):
        with torch.device('meta'):
            small, large = (
                SwinTransformerV2(NARROW, window_size=side).state_dict()
                for side in (4, 16)
            )
        assert {k: v.shape for k, v in small.items()} == {
            k: v.shape for k, v in large.items()
        }

    def test_scores_are_cosines(self):
        """Longer queries and keys change nothing; a temperature does."""
        attention = with_weights(CosineWindowAttention(12, 3, 4, False))
        with torch.no_grad():
            attention.qkv.bias.zero_()
            x = torch.randn(1, 4, 4, 12)
            before = attention(x)
            attention.qkv.weight[:24] *= 10
            torch.testing.assert_close(attention(x), before)
            attention.logit_scale += 1
            assert (attention(x) - before).abs().max() > 1e-3

    def test_temperature_has_an_end(self):
        attention = CosineWindowAttention(12, 3, 4, False)
        nn.init.constant_(attention.logit_scale, 50.0)
        query, key = attention.compare(*torch.randn(2, 1, 3, 16, 4))
        assert query.norm(dim=-1).max().item() == pytest.approx(100, rel=1e-4)
        assert key.norm(dim=-1).max().item() == pytest.approx(1, rel=1e-4)

    def test_bias_of_keys_is_zero(self):
        attention = with_weights(CosineWindowAttention(12, 3, 4, False))
        x = torch.randn(1, 4, 4, 12)
        before = attention(x)
        with torch.no_grad():
            attention.qkv.bias[12:24] = 7.0
        assert torch.equal(attention(x), before)
        with torch.no_grad():
            attention.qkv.bias[:12] += 7.0
        assert not torch.equal(attention(x), before)

    def test_residuals_are_normalised_last(self):
        block = SwinTransformerV2(NARROW).eval().features[1][0]
        for norm in (block.norm1, block.norm2):
            nn.init.zeros_(norm.weight)
        x = torch.randn(1, 8, 8, 24)
        assert torch.equal(block(x), x)


class TestBackbone:
    @pytest.mark.parametrize('name', ['swin_t', 'swin_v2_t'])
    def test_maps_are_those_of_torchvision(self, name):
        reference = with_weights(getattr(torchvision.models, name)())
        cfg = config(f'_base_/models/{name}.py').model.backbone
        backbone = MODELS.build({**cfg, 'out_indices': range(4)}).eval()
        load_weights(backbone, reference.state_dict(), name, allow_new_head=True)
        images = torch.randn(1, 3, 193, 225)
        expected, x = [], images
        with torch.no_grad():
            for i, layer in enumerate(reference.features):
                x = layer(x)
                if i % 2 == 1:
                    expected.append(x.permute(0, 3, 1, 2))
            expected[-1] = reference.norm(x).permute(0, 3, 1, 2)
            outs = backbone(images)
        sizes = [(48, 56), (24, 28), (12, 14), (6, 7)]
        for out, map_, size in zip(outs, expected, sizes, strict=True):
            assert map_.std() > 0.1
            assert out.shape[2:] == size
            torch.testing.assert_close(out, map_, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('version', VERSIONS)
    @pytest.mark.parametrize('batch_size', [0, 1, 2])
    def test_any_size(self, version, batch_size):
        backbone = version(NARROW, out_indices=range(4))
        outs = backbone(torch.randn(batch_size, 3, 33, 31))
        assert [tuple(out.shape) for out in outs] == [
            (batch_size, 24, 8, 7),
            (batch_size, 48, 4, 4),
            (batch_size, 96, 2, 2),
            (batch_size, 192, 1, 1),
        ]
        assert all(out.isfinite().all() for out in outs)

    @pytest.mark.parametrize('version', VERSIONS)
    def test_bfloat16(self, version):
        backbone = with_weights(version(NARROW))
        images = torch.randn(1, 3, 65, 97)
        with torch.no_grad():
            (expected,) = backbone(images)
            with torch.autocast('cpu', torch.bfloat16):
                (out,) = backbone(images)
        # eight bits: a relative error of 1 / 256 in each of eight blocks
        assert (out - expected).norm() < 0.05 * expected.norm()

    def test_a_mask_of_inference_serves_training(self):
        make_mask.cache_clear()
        backbone = SwinTransformer(NARROW)
        images = torch.randn(1, 3, 65, 97)
        with torch.inference_mode():
            backbone(images)
        backbone(images)[0].sum().backward()
        assert backbone.features[0][0].weight.grad.any()

    def test_each_map_of_a_detector_is_normalised(self):
        torch.manual_seed(0)
        images = torch.randn(1, 3, 64, 64)
        plain = SwinTransformer(NARROW, out_indices=(1, 3))
        normed = SwinTransformer(NARROW, out_indices=(1, 3), out_norms=True)
        load_weights(normed, plain.state_dict(), 'classifier')
        assert {n for n, _ in normed.named_children()} == {'features', 'norm', 'norm1'}
        a, b = plain.eval()(images), normed.eval()(images)
        assert torch.equal(a[1], b[1])
        assert not torch.equal(a[0], b[0])
        torch.testing.assert_close(
            nn.functional.layer_norm(a[0].permute(0, 2, 3, 1), (48,)),
            b[0].permute(0, 2, 3, 1),
        )

    def test_norms_are_frozen_with_their_stages(self):
        model = SwinTransformer(
            NARROW, out_indices=range(4), out_norms=True, trainable_stages=2
        )
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        assert {n.partition('.')[0] for n in trained} == {'features', 'norm', 'norm2'}
        assert {n.split('.')[1] for n in trained if 'features' in n} == set('4567')

    def test_groups_are_embedding_and_blocks(self):
        model = SwinTransformer('t')
        groups = model.layer_groups()
        assert len(groups) == 1 + 12
        assert groups[0] == [model.features[0]]
        # stage 1 begins with patch merging, in the group of its first block
        assert groups[3] == [model.features[2], model.features[3][0]]
        assert groups[4] == [model.features[3][1]]
        grouped = [p for group in groups for m in group for p in m.parameters()]
        others = {id(p) for p in model.norm.parameters()}
        assert {id(p) for p in grouped} | others == {id(p) for p in model.parameters()}
        assert len(grouped) + len(others) == len(list(model.parameters()))

    def test_blocks_are_dropped_more_and_more(self):
        model = SwinTransformer('t', stochastic_depth_prob=0.22)
        probabilities = [m.p for m in model.modules() if isinstance(m, StochasticDepth)]
        assert probabilities == pytest.approx([0.02 * i for i in range(12)])

    def test_every_second_block_is_shifted(self):
        for version, shift in ((SwinTransformer, 3), (SwinTransformerV2, 4)):
            with torch.device('meta'):
                model = version('t')
            attentions = [m for m in model.modules() if isinstance(m, WindowAttention)]
            assert [m.shift for m in attentions] == [0, shift] * 6

    def test_layers_are_exchanged(self):
        model = SwinTransformer(
            NARROW,
            patch_size=2,
            in_channels=1,
            conv_cfg=dict(type=OtherConv),
            norm_cfg=dict(type='LN', eps=0.5),
            act_cfg=dict(type='ReLU'),
        )
        kinds = {type(m) for m in model.modules()}
        assert OtherConv in kinds
        assert nn.ReLU in kinds
        assert kinds.isdisjoint({nn.Conv2d, nn.GELU})
        norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm)]
        assert {norm.eps for norm in norms} == {0.5}
        assert model(torch.rand(1, 1, 32, 32))[0].shape == (1, 192, 2, 2)

    @pytest.mark.parametrize('version', VERSIONS)
    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(arch='xl'), r"arch 'xl' not in \['t', 's', 'b', 'l'\]"),
            (dict(arch=(24, (2, 2), (3,))), '2 depths for 1 num_heads'),
            (dict(arch=(10, (2, 2), (2, 3))), '20 channels of stage 1 .* 3 heads'),
            (dict(window_size=(7, 7)), r'window_size \(7, 7\): one .* or 4 of them'),
            (dict(window_size=0), 'window_size 0: one number above 0'),
            (dict(out_indices=(4,)), 'has 4 stages'),
        ],
    )
    def test_refused(self, version, arguments, message):
        with torch.device('meta'), pytest.raises(ValueError, match=message):
            version(**arguments)

    def test_initialisation_is_torchvisions(self):
        torch.manual_seed(0)
        model = create_model('swin_v2_t')
        block = model.backbone.features[5][3]
        for layer in (
            *(block.attn.qkv, block.attn.proj, block.mlp[0], block.mlp[3]),
            model.backbone.features[6].reduction,
            model.head.fc,
        ):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
            assert layer.bias is None or not layer.bias.any()
        for norm in (block.norm1, model.backbone.norm):
            assert torch.equal(norm.weight, torch.ones_like(norm.weight))
            assert not norm.bias.any()
        assert block.attn.logit_scale.exp().flatten().tolist() == pytest.approx(
            [10.0] * 12
        )
        # torch's convolution: uniform within 1 / sqrt(3 * 4 * 4)
        weight = model.backbone.features[0][0].weight
        assert weight.abs().max() <= 48**-0.5
        assert weight.std().item() == pytest.approx(48**-0.5 / 3**0.5, rel=0.03)
        table = SwinTransformer('t').features[5][0].attn.relative_position_bias_table
        assert table.std().item() == pytest.approx(0.02, rel=0.1)


class OtherConv(nn.Conv2d):
    """Stands in for a convolution of a config's choice."""


def classifier(type_, **kwargs):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(
            dict(
                type='projects.ImageClassifier',
                backbone=dict(type=f'projects.{type_}', arch=NARROW, **kwargs),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=5, in_channels=192),
            )
        ).eval()


def of_timm(**kwargs):
    embed_dim, depths, num_heads = NARROW
    return timm.models.SwinTransformer(
        embed_dim=embed_dim,
        depths=depths,
        num_heads=num_heads,
        num_classes=5,
        **kwargs,
    )


def of_timm_v2(img_size=256, **kwargs):
    embed_dim, depths, num_heads = NARROW
    return timm.models.SwinTransformerV2(
        img_size=img_size,
        embed_dim=embed_dim,
        depths=depths,
        num_heads=num_heads,
        num_classes=5,
        **kwargs,
    )


def of_torchvision_v2():
    module = torchvision.models.swin_transformer
    return module.SwinTransformer(
        [4, 4],
        *NARROW,
        [8, 8],
        num_classes=5,
        block=module.SwinTransformerBlockV2,
        downsample_layer=module.PatchMergingV2,
    )


def of_mmpretrain(backbone, **kwargs):
    arch = dict(zip(('embed_dims', 'depths', 'num_heads'), NARROW, strict=True))
    if backbone is MMSwinV2:
        arch['extra_norm_every_n_blocks'] = 0
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type=backbone, arch=arch, **kwargs),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=5, in_channels=192),
            )
        )


def slope_of(num):
    """Centres of num cells, on a line that is -1 and 1 in the first and the last of
    13 cells."""
    return (torch.arange(num) + 0.5) * 13 / num / 6 - 6.5 / 6


# our model, another library's, the side of an image that whole windows cover
FILES = {
    'timm': (lambda: classifier('SwinTransformer'), of_timm, 224),
    'timm, v2': (
        lambda: classifier('SwinTransformerV2', key_bias=False),
        lambda: of_timm_v2(window_size=8),
        256,
    ),
    "timm, v2, into torchvision's form": (
        lambda: classifier('SwinTransformerV2'),
        lambda: of_timm_v2(window_size=8),
        256,
    ),
    # as swin_v2_l_w16: the last stage is smaller than the window, and all were
    # trained on smaller ones
    'timm, v2, other windows': (
        lambda: classifier(
            'SwinTransformerV2',
            key_bias=False,
            window_size=(8, 8, 8, 4),
            pretrained_window_size=(6, 6, 6, 3),
        ),
        lambda: of_timm_v2(
            img_size=128, window_size=8, pretrained_window_sizes=(6, 6, 6, 3)
        ),
        128,
    ),
    'torchvision, v2, without the bias of keys': (
        lambda: classifier('SwinTransformerV2', key_bias=False),
        of_torchvision_v2,
        256,
    ),
    'mmpretrain': (
        lambda: classifier('SwinTransformer'),
        lambda: of_mmpretrain(MMSwin),
        224,
    ),
    'mmpretrain, v2': (
        lambda: classifier('SwinTransformerV2', key_bias=False),
        lambda: of_mmpretrain(MMSwinV2, img_size=256, window_size=8),
        256,
    ),
}


class TestFiles:
    @pytest.mark.parametrize('library', FILES)
    def test_logits_are_the_library_s(self, library):
        ours, theirs, side = FILES[library]
        model, reference = ours(), with_weights(theirs())
        report = load_weights(model, reference.state_dict(), library)
        num = len(model.state_dict())
        assert report.startswith(f'{num} of {num} weights (100.0% ')
        # of two colours: the average of noise is that of other noise
        images = torch.randn(2, 3, side, side) + 2 * torch.randn(2, 3, 1, 1)
        with torch.no_grad():
            logits, expected = model(images), reference(images)
        assert (expected[0] - expected[1]).abs().max() > 0.01
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)

    def test_the_authors_file(self):
        """timm's, with patch merging at the end of the stage before, and tables."""
        reference = with_weights(of_timm())
        state_dict = {}
        for name, weight in reference.state_dict().items():
            layer, number, rest = (*name.split('.', 2), '', '')[:3]
            if rest.startswith('downsample'):
                name = f'{layer}.{int(number) - 1}.{rest}'
            state_dict[name.replace('head.fc', 'head')] = weight
        state_dict['layers.0.blocks.1.attn_mask'] = torch.zeros(64, 49, 49)
        state_dict['layers.0.blocks.1.attn.relative_position_index'] = (
            relative_position_index(7)
        )
        model = classifier('SwinTransformer')
        load_weights(model, state_dict, 'swin_tiny_patch4_window7_224.pth')
        images = torch.randn(1, 3, 224, 224)
        with torch.no_grad():
            torch.testing.assert_close(
                model(images), reference(images), rtol=1e-4, atol=1e-4
            )

    def test_tables_of_other_windows_are_resized(self):
        """A bias that grows with the offset along the columns, from -1 to 1."""
        reference = of_timm()
        state_dict = reference.state_dict()
        slope = torch.linspace(-1, 1, 13).repeat(13)[:, None]
        for name, weight in state_dict.items():
            if name.endswith('table'):
                weight.copy_(slope.expand_as(weight))
        model = classifier('SwinTransformer', window_size=12)
        report = load_weights(model, state_dict, 'x.pth')
        assert 'from 13 x 13 to 23 x 23 offsets' in report
        table = model.backbone.features[3][1].attn.relative_position_bias_table
        assert table.shape == (23 * 23, 2)
        for column in table.t().unflatten(1, (23, 23)).flatten(0, 1):
            # the outermost offsets lie half a step further in than the old ones'
            # and bicubic interpolation is not exact on a line: a tenth of a step
            torch.testing.assert_close(
                column[3:-3], slope_of(23)[3:-3], rtol=0, atol=0.01
            )

    def test_a_classifier_s_file_serves_a_detector(self):
        reference = torchvision.models.swin_t()
        with torch.device('meta'), DefaultScope.overwrite_default_scope('mmdet'):
            cfg = config('_base_/models/faster_rcnn_swin_t.py')
            detector = MODELS.build(cfg.model)
        detector.backbone.to_empty(device='cpu')
        report = load_weights(
            detector.backbone, reference.state_dict(), 'x', allow_new_head=True
        )
        missing = [f'norm{i}.{kind}' for i in range(3) for kind in ('weight', 'bias')]
        assert all(name in report for name in missing)
        state = reference.state_dict()
        for name, weight in detector.backbone.state_dict().items():
            if name not in missing:
                assert torch.equal(weight, state[name]), name


class TestRecipe:
    def test_rates_fall_from_block_to_block(self):
        settings = dict(
            constructor='projects.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.5),
            optimizer=dict(type='SGD', lr=1.0),
        )
        model = classifier('SwinTransformer')
        rates = {
            id(p): group['lr']
            for group in build_optim_wrapper(model, settings).param_groups
            for p in group['params']
        }
        backbone = model.backbone
        # one group for the patch embedding, eight for blocks, and what is above them
        for module, group in (
            (backbone.features[0], 0),
            (backbone.features[1][0], 1),
            (backbone.features[1][1], 2),
            (backbone.features[2], 3),
            (backbone.features[3][0], 3),
            (backbone.features[7][1], 8),
            (backbone.norm, 9),
            (model.head, 9),
        ):
            assert {rates[id(p)] for p in module.parameters()} == {0.5 ** (9 - group)}

    @pytest.mark.parametrize(
        ('path', 'free'),
        [
            (
                'swin/swin-t_8xb128-300e_imagenet.py',
                ('bias', 'norm', 'relative_position_bias_table', 'features.0.2'),
            ),
            (
                'swin/swin-v2-t_8xb128-300e_imagenet.py',
                ('bias', 'norm', 'logit_scale', 'cpb_mlp', 'features.0.2'),
            ),
            (
                'swin/faster-rcnn-swin-t_8xb2-12e_coco.py',
                ('bias', 'norm', 'relative_position_bias_table', 'features.0.2'),
            ),
        ],
    )
    def test_what_does_not_decay(self, path, free):
        cfg = config(path)
        scope = cfg.default_scope
        with torch.device('meta'), DefaultScope.overwrite_default_scope(scope):
            model = MODELS.build(cfg.model)
        decays = {
            id(p): group['weight_decay']
            for group in build_optim_wrapper(model, cfg.optim_wrapper).param_groups
            for p in group['params']
        }
        for name, p in model.named_parameters():
            expected = 0.0 if any(part in name for part in free) else 0.05
            assert decays[id(p)] == expected, name
