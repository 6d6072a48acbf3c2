"""Transformer: three kinds of attention, positions, files of torch and Marian."""

import itertools
import math
import pickle

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from projects.core.errors import UserError
from projects.core.tasks.language.backbones import select
from projects.core.tasks.language.generation import search
from projects.core.weights import load_weights
from projects.registry import MODELS, PARAM_SCHEDULERS
from projects.transformer import MultiheadAttention, Transformer, sinusoids

V, BEGIN, END = 11, 1, 2
# width, heads, layers of encoder and decoder, hidden layer
SIZES = dict(
    embed_dims=16,
    num_heads=4,
    num_encoder_layers=2,
    num_decoder_layers=3,
    feedforward_dims=24,
)


def tiny(**kwargs):
    """With weights that tell tokens, heads and layers apart."""
    torch.manual_seed(0)
    return fill(Transformer(**{'vocab_size': V, **SIZES, **kwargs}))


def fill(model):
    for name, weight in model.named_parameters():
        if not weight.requires_grad:  # Marian's positions
            continue
        if weight.dim() > 1:
            nn.init.normal_(weight, std=2 * weight.shape[1] ** -0.5)
        elif name.endswith('weight'):
            nn.init.uniform_(weight, 0.5, 1.5)
        else:
            nn.init.uniform_(weight, -0.5, 0.5)
    return model.eval()


def batch():
    """Sources of 7, 3 and 1 token, targets of 5."""
    torch.manual_seed(1)
    lengths = torch.tensor([7, 3, 1])
    return torch.randint(V, (3, 7)), lengths, torch.randint(V, (3, 5))


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def assert_close(ours, theirs, atol=1e-4):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


class TestArchitecture:
    def test_variant(self, build_on_meta):
        """transformers' Marian of these sizes; reference table, section 7."""
        model = build_on_meta('transformer_base')
        assert num_params(model) == 63_082_496
        assert num_params(model) - 37_000 * 512 == 44_138_496

    def test_parameters_by_hand(self):
        """torch.nn.Transformer, which ends both stacks with a norm."""
        with torch.device('meta'):
            model = Transformer(1, final_norm=True)
            reference = nn.Transformer()
        attention = 4 * (512**2 + 512)
        network = 2 * 512 * 2048 + 2048 + 512
        norm = 2 * 512
        encoder = attention + network + 2 * norm
        decoder = 2 * attention + network + 3 * norm
        expected = 6 * encoder + 6 * decoder + 2 * norm
        assert num_params(model) - 512 == expected == num_params(reference)
        assert expected == 44_140_544

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(num_heads=3), 'num_heads 3 does not divide embed_dims 16'),
            (dict(num_heads=0), 'num_heads 0 does not divide'),
            (dict(embed_dims=9, num_heads=3), 'embed_dims 9: an even number'),
            (dict(vocab_size=0), 'vocab_size 0: a whole number, 1 at least'),
            (dict(num_decoder_layers=0), 'num_decoder_layers 0: a whole number'),
            (dict(max_length=0), 'max_length 0: a whole number'),
            (dict(positions='sin'), r"positions 'sin' not in \['interleaved', "),
        ],
    )
    def test_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            tiny(**arguments)

    def test_each_parameter_learns(self):
        model = tiny(final_norm=True, output_bias=True).train()
        source, lengths, target = batch()
        scores, _ = model.decode(target, model.encode(source, lengths))
        nn.functional.cross_entropy(scores.flatten(0, 1), target.flatten()).backward()
        for name, weight in model.named_parameters():
            assert weight.grad.abs().max() > 0, name

    def test_embedding_is_as_large_as_positions(self):
        """Rows of norm 1, times sqrt(D): a deviation of 1. A sine's is 0.71."""
        model = Transformer(2000, 64, 4, 1, 1, 64, dropout=0.0)
        tokens = torch.arange(2000)[None]
        with torch.no_grad():
            alone = model.embed(tokens) - sinusoids(2000, 64, 'interleaved')
        assert alone.std() == pytest.approx(1, abs=0.01)

    def test_half_precision(self):
        model = tiny()
        source, lengths, target = batch()
        with torch.no_grad():
            expected, _ = model.decode(target, model.encode(source, lengths))
            with torch.autocast('cpu', torch.bfloat16):
                out, _ = model.decode(target, model.encode(source, lengths))
            model.bfloat16()
            halved, _ = model.decode(target, model.encode(source, lengths))
        # scores have a deviation of 1; a bfloat16 has 8 bits
        assert (out.float() - expected).abs().mean() < 0.05
        assert (halved.float() - expected).abs().mean() < 0.05


class TestPositions:
    def test_by_hand(self):
        """D = 4: wavelengths 2 pi and 2 pi 100."""
        expected = [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]
        assert sinusoids(4, 4, 'interleaved')[3].tolist() == pytest.approx(expected)
        halves = [expected[i] for i in (0, 2, 1, 3)]
        assert sinusoids(4, 4, 'halves')[3].tolist() == pytest.approx(halves)

    def test_a_shift_is_a_rotation(self):
        """Sec. 3.5: PE(pos + k) is a linear function of PE(pos), whatever pos."""
        table = sinusoids(60, 8, 'interleaved').double().view(60, 4, 2)
        shift, angles = 7, 7 / 10000 ** (torch.arange(0, 8, 2).double() / 8)
        cos, sin = angles.cos(), angles.sin()
        turn = torch.stack([cos, sin, -sin, cos], -1).view(4, 2, 2)
        turned = torch.einsum('pij,npj->npi', turn, table[:-shift])
        torch.testing.assert_close(turned, table[shift:], rtol=0, atol=1e-6)

    def test_without_them_order_is_not_seen(self):
        model = tiny()
        source = torch.arange(3, 9)[None]
        turned = source.flip(1)
        with torch.no_grad():
            assert (
                model.encode(source)[0] - model.encode(turned)[0].flip(1)
            ).abs().max() > 0.1
            model.positions.forward = lambda x, first=0: x
            assert_close(model.encode(source)[0], model.encode(turned)[0].flip(1))

    def test_any_number_of_tokens(self):
        """The table grows, and what it held stays."""
        model = tiny()
        source = torch.randint(V, (1, 700))
        with torch.no_grad():
            before = model.encode(source[:, :5])[0]
            assert model.encode(source)[0].shape == (1, 700, 16)
            assert torch.equal(model.encode(source[:, :5])[0], before)

    def test_greatest_length_and_one_beyond(self):
        model = tiny(max_length=6)
        tokens = torch.full((1, 6), 3)
        memory = model.encode(tokens)
        assert model.decode(tokens, memory)[0].shape == (1, 6, V)
        longer = torch.full((1, 7), 3)
        message = 'a sequence of 7 tokens is longer than the 6 positions of Transformer'
        with pytest.raises(UserError, match=message):
            model.encode(longer)
        with pytest.raises(UserError, match=message):
            model.decode(longer, memory)
        with pytest.raises(UserError, match=message):
            model.begin(memory, 7)
        (written,) = search(model, dict(tokens=tokens), BEGIN, -1)  # never ends
        assert len(written) == 6

    def test_one_beyond_with_a_cache(self):
        model = tiny(max_length=6)
        memory = model.encode(torch.full((1, 2), 3))
        state = model.begin(memory, 6)
        _, state = model.decode(torch.full((1, 6), 3), memory, state)
        with pytest.raises(UserError, match='7 tokens is longer than the 6 positions'):
            model.decode(torch.full((1, 1), 3), memory, state)

    def test_no_part_of_the_weights(self):
        model = tiny()
        model.encode(torch.full((1, 3), 3))
        assert not [name for name in model.state_dict() if 'position' in name]
        assert not list(model.buffers())


class TestAttention:
    @pytest.mark.parametrize('padded', [False, True])
    def test_both_forms_are_equal(self, padded):
        source, lengths, target = batch()
        results = []
        for fused in (True, False):
            model = tiny(fused_attention=fused)
            memory = model.encode(source, lengths if padded else None)
            scores, _ = model.decode(target, memory)
            scores.logsumexp(-1).sum().backward()
            results.append([scores, *(w.grad for w in model.parameters())])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('fused', [True, False])
    def test_is_torch_s(self, fused):
        """torch.nn.MultiheadAttention, whose weights have the same names."""
        torch.manual_seed(0)
        reference = nn.MultiheadAttention(16, 4, batch_first=True)
        ours = MultiheadAttention(16, 4, 0.0, fused)
        ours.load_state_dict(reference.state_dict())
        x, memory = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
        hidden = nn.Transformer.generate_square_subsequent_mask(5)
        expected, _ = reference(x, x, x, attn_mask=hidden, need_weights=False)
        assert_close(ours(*ours.project(x, 0, 3), causal=True), expected, 1e-5)
        expected, _ = reference(x, memory, memory, need_weights=False)
        (query,) = ours.project(x, 0, 1)
        assert_close(ours(query, *ours.project(memory, 1, 3)), expected, 1e-5)

    def test_no_mask_where_nothing_is_padded(self):
        source, lengths, _ = batch()
        model = tiny()
        assert model.encode(source)[1] is None
        mask = model.encode(source, lengths)[1]
        assert mask.shape == (3, 1, 1, 7)
        assert (mask == 0).sum((1, 2, 3)).tolist() == [7, 3, 1]

    def test_maps(self):
        """Of the three kinds; what is hidden gets nothing; all is as it was after."""
        source, lengths, target = batch()
        model = tiny()
        inputs = dict(tokens=source, lengths=lengths, target=target)
        maps = model.attention_maps(inputs)
        shapes = {name: tuple(weights.shape) for name, weights in maps.items()}
        assert shapes == {
            **{f'encoder {i}': (3, 4, 7, 7) for i in range(2)},
            **{f'decoder {i}': (3, 4, 5, 5) for i in range(3)},
            **{f'decoder to encoder {i}': (3, 4, 5, 7) for i in range(3)},
        }
        for name, weights in maps.items():
            assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
            if name.startswith('decoder ') and 'to' not in name:
                assert weights.triu(1).abs().max() == 0
            else:
                assert weights[1, ..., 3:].abs().max() == 0
                assert weights[0].std() > 0.01
        assert all(layer.self_attn.attention.fused for layer in model.encoder.layers)
        assert not any(module._forward_hooks for module in model.modules())


class TestProperties:
    def test_a_padded_batch_is_each_alone(self):
        source, lengths, target = batch()
        model = tiny()
        with torch.no_grad():
            together, _ = model.decode(target, model.encode(source, lengths))
            for i, length in enumerate(lengths):
                memory = model.encode(source[i : i + 1, :length])
                alone, _ = model.decode(target[i : i + 1], memory)
                assert_close(together[i : i + 1], alone, 1e-5)

    def test_what_stands_in_padding_changes_nothing(self):
        source, lengths, target = batch()
        model = tiny()
        other = source.clone()
        other[1, 3:] = 9
        other[2, 1:] = 4
        with torch.no_grad():
            outs = [
                model.decode(target, model.encode(s, lengths))[0]
                for s in (source, other)
            ]
        assert torch.equal(*outs)

    @pytest.mark.parametrize('fused', [True, False])
    def test_a_later_token_changes_nothing_before(self, fused):
        source, lengths, target = batch()
        model = tiny(fused_attention=fused)
        other = target.clone()
        other[:, 3] = (other[:, 3] + 1) % V
        with torch.no_grad():
            memory = model.encode(source, lengths)
            outs = [model.decode(t, memory)[0] for t in (target, other)]
        assert_close(outs[0][:, :3], outs[1][:, :3], 1e-6)
        changed = (outs[0][:, 3:] - outs[1][:, 3:]).abs().amax((0, 2))
        assert changed.min() > 1e-4

    @pytest.mark.parametrize('steps', [(1, 1, 1, 1, 1), (2, 3), (4, 1), (5,)])
    @pytest.mark.parametrize('fused', [True, False])
    def test_cached_is_uncached(self, steps, fused):
        source, lengths, target = batch()
        model = tiny(fused_attention=fused)
        with torch.no_grad():
            memory = model.encode(source, lengths)
            expected, state = model.decode(target, memory)
            assert state is None
            state, outs = model.begin(memory, 5), []
            for tokens in target.split(steps, 1):
                scores, state = model.decode(tokens, memory, state)
                outs.append(scores)
        assert_close(torch.cat(outs, 1), expected, 1e-5)

    def test_keys_of_the_source_are_computed_once(self, monkeypatch):
        source, lengths, target = batch()
        model = tiny()
        memory = model.encode(source, lengths)
        state = model.begin(memory, 5)
        projected = []
        project = MultiheadAttention.project

        def counted(self, x, first, last):
            projected.append((first, last))
            return project(self, x, first, last)

        monkeypatch.setattr(MultiheadAttention, 'project', counted)
        for token in target.split(1, 1):
            _, state = model.decode(token, memory, state)
        # of the target alone: all three, and the question to the source
        assert projected == [(0, 3), (0, 1)] * 3 * 5

    def test_selected_sources(self):
        source, lengths, target = batch()
        model = tiny()
        chosen = torch.tensor([2, 0, 0])
        with torch.no_grad():
            memory = model.encode(source, lengths)
            expected, _ = model.decode(target[chosen], select(memory, chosen))
            state = model.begin(memory, 5)
            first, state = model.decode(target[:, :2], memory, state)
            rest, _ = model.decode(
                target[chosen, 2:], select(memory, chosen), select(state, chosen)
            )
        assert_close(torch.cat([first[chosen], rest], 1), expected, 1e-5)

    def test_a_batch_of_one_token(self):
        model = tiny()
        memory = model.encode(torch.tensor([[END]]))  # an empty text
        scores, _ = model.decode(torch.tensor([[BEGIN]]), memory)
        assert scores.shape == (1, 1, V)
        assert scores.isfinite().all()

    def test_no_sequence(self):
        model = tiny()
        memory = model.encode(torch.zeros(0, 4, dtype=torch.long))
        scores, _ = model.decode(torch.zeros(0, 2, dtype=torch.long), memory)
        assert scores.shape == (0, 2, V)


class TestSearch:
    def test_beam_of_one_is_greedy(self):
        source, lengths, _ = batch()
        model = tiny()
        written = search(
            model, dict(tokens=source, lengths=lengths), BEGIN, END, max_length=9
        )
        for i, length in enumerate(lengths):
            text = [BEGIN]
            with torch.no_grad():
                memory = model.encode(source[i : i + 1, :length])
                while len(text) < 10:
                    scores, _ = model.decode(torch.tensor([text]), memory)
                    text.append(scores[0, -1].argmax().item())
                    if text[-1] == END:
                        break
            assert written[i] == [t for t in text[1:] if t != END]
        assert len({tuple(text) for text in written}) > 1

    @pytest.mark.parametrize('penalty', [0.0, 0.6])
    def test_a_wide_beam_is_exhaustive(self, penalty):
        """Of 4 tokens and 3 steps: each text, and what it scores."""
        model = tiny(vocab_size=4)
        source = torch.tensor([[3, 0, 2]])
        best = {}
        with torch.no_grad():
            memory = model.encode(source)
            for num in range(4):
                for text in itertools.product((0, 1, 3), repeat=num):
                    labels = torch.tensor([*text, *[END] * (num < 3)])
                    target = torch.tensor([[BEGIN, *labels[:-1].tolist()]])
                    scores, _ = model.decode(target, memory)
                    log = scores[0].log_softmax(-1)[range(len(labels)), labels].sum()
                    best[text] = log.item() / ((5 + len(labels)) / 6) ** penalty
        (written,) = search(
            model, dict(tokens=source), BEGIN, END, 64, penalty, max_length=3
        )
        assert tuple(written) == max(best, key=best.get)


class TestFiles:
    @pytest.mark.parametrize('in_model', [True, False])
    def test_torch_s(self, in_model):
        torch.manual_seed(0)
        reference = fill(nn.Transformer(16, 4, 2, 3, 24, batch_first=True))
        cfg = dict(type='projects.Transformer', vocab_size=V, **SIZES, final_norm=True)
        if in_model:
            cfg = dict(type='projects.EncoderDecoder', backbone=cfg)
        model = MODELS.build(cfg).eval()
        report = load_weights(model, reference.state_dict(), 'x.pth')
        assert '82 of 83 weights' in report
        assert 'embedding.weight (11, 16): not in the file' in report
        model = model.backbone if in_model else model
        source, lengths, target = batch()
        padding = torch.arange(7) >= lengths[:, None]
        seen = hidden_states(model)
        with torch.no_grad():
            memory = model.encode(source, lengths)
            model.decode(target, memory)
            x, y = model.embed(source), model.embed(target)
            causal = nn.Transformer.generate_square_subsequent_mask(5)
            for ours, layer in zip(
                seen['encoder'], reference.encoder.layers, strict=True
            ):
                x = layer(x, src_key_padding_mask=padding)
                assert_close(ours[~padding], x[~padding])
            x = reference.encoder.norm(x)
            assert_close(memory[0][~padding], x[~padding])
            for ours, layer in zip(
                seen['decoder'], reference.decoder.layers, strict=True
            ):
                y = layer(y, x, causal, memory_key_padding_mask=padding)
                assert_close(ours, y)
            expected = reference.decoder.norm(y)
            assert_close(seen['norm'][0], expected)
            assert expected.std() > 0.1

    def test_norms_of_torch_that_the_model_has_not(self):
        reference = nn.Transformer(16, 4, 2, 3, 24)
        with pytest.raises(UserError, match=r'missing \| encoder.norm.weight'):
            load_weights(tiny(), reference.state_dict(), 'x.pth')

    @pytest.mark.parametrize('act', ['relu', 'silu'])
    def test_marian_s(self, act):
        """Logits, hidden states and attention; published models have SiLU."""
        reference = marian(act)
        model = MODELS.build(marian_cfg(act)).eval()
        report = load_weights(model, reference.state_dict(), 'x.bin')
        assert '80 of 80 weights (100.0% of the parameters)' in report
        assert 'lm_head.weight: the same as model.shared.weight' in report
        assert 'sines and cosines, which are computed' in report
        source, lengths, target = batch()
        inputs = dict(tokens=source, lengths=lengths, target=target)
        padding = torch.arange(7) >= lengths[:, None]
        seen = hidden_states(model.backbone)
        with torch.no_grad():
            scores = model(inputs)
            theirs = reference(
                input_ids=source,
                attention_mask=(~padding).long(),
                decoder_input_ids=target,
                output_hidden_states=True,
                output_attentions=True,
            )
        assert_close(scores, theirs.logits)
        assert scores.std() > 0.1
        for ours, expected in zip(
            seen['encoder'], theirs.encoder_hidden_states[1:], strict=True
        ):
            assert_close(ours[~padding], expected[~padding])
        for ours, expected in zip(
            seen['decoder'], theirs.decoder_hidden_states[1:], strict=True
        ):
            assert_close(ours, expected)
        maps = model.backbone.attention_maps(inputs)
        kinds = {
            'encoder': theirs.encoder_attentions,
            'decoder': theirs.decoder_attentions,
            'decoder to encoder': theirs.cross_attentions,
        }
        for kind, layers in kinds.items():
            for i, expected in enumerate(layers):
                assert_close(maps[f'{kind} {i}'], expected)

    def test_marian_s_without_copies(self):
        """A safetensors file holds a shared matrix once, and no positions."""
        weights = marian().state_dict()
        kept = {
            name: weight
            for name, weight in weights.items()
            if name == 'lm_head.weight'
            or ('embed' not in name and 'shared' not in name)
        }
        models = [MODELS.build(marian_cfg()) for _ in range(2)]
        for model, file in zip(models, (weights, kept), strict=True):
            load_weights(model, file, 'x.safetensors')
        for one, other in zip(*(m.parameters() for m in models), strict=True):
            assert torch.equal(one, other)

    @pytest.mark.parametrize(
        ('options', 'change', 'message'),
        [
            (dict(positions='interleaved'), {}, "with positions='halves'"),
            (dict(output_bias=False), {}, 'with output_bias=True'),
            ({}, {'lm_head.weight': torch.ones(V, 16)}, 'lm_head.weight is not equal'),
            ({}, {'model.extra': torch.ones(1)}, r'missing \| model.extra'),
            (
                {},
                {'model.encoder.layers.0.self_attn.k_proj.bias': None},
                r'backbone.encoder.layers.0.self_attn.in_proj_bias \(48,\) \| missing',
            ),
        ],
    )
    def test_other_files_are_refused(self, options, change, message):
        cfg = marian_cfg()
        cfg['backbone'].update(options)
        weights = {**marian().state_dict(), **change}
        weights = {name: w for name, w in weights.items() if w is not None}
        model = MODELS.build(cfg)
        before = model.backbone.embedding.weight.clone()
        with pytest.raises(UserError, match=message):
            load_weights(model, weights, 'x.bin')
        assert torch.equal(model.backbone.embedding.weight, before)

    def test_a_bias_of_zeros_is_none(self):
        cfg = marian_cfg()
        cfg['backbone']['output_bias'] = False
        weights = marian().state_dict()
        weights['final_logits_bias'] = torch.zeros(1, V)
        report = load_weights(MODELS.build(cfg), weights, 'x.bin')
        assert 'final_logits_bias: zeros' in report

    @pytest.mark.slow
    def test_real_size(self, build_on_meta):
        """The reference table's constructor."""
        from transformers import MarianConfig, MarianMTModel

        reference = MarianMTModel(marian_config(37_000, 512, 8, 6, 6, 2048, 'relu'))
        assert isinstance(reference.config, MarianConfig)
        trained = sum(p.numel() for p in reference.parameters() if p.requires_grad)
        assert trained == num_params(build_on_meta('transformer_base'))
        model = Transformer(37_000, positions='halves', dropout=0.0).eval()
        load_weights(model, reference.eval().state_dict(), 'x.bin')
        source, target = torch.randint(37_000, (2, 2, 30)).unbind()
        with torch.no_grad():
            scores, _ = model.decode(target, model.encode(source))
            expected = reference(input_ids=source, decoder_input_ids=target).logits
        assert_close(scores, expected)


def hidden_states(model):
    """Filled in the forward pass: outputs of all layers, and of the last norm."""
    seen = {'encoder': [], 'decoder': [], 'norm': []}
    for name in ('encoder', 'decoder'):
        for layer in getattr(model, name).layers:
            layer.register_forward_hook(
                lambda module, _, out, name=name: seen[name].append(out)
            )
    model.decoder.norm.register_forward_hook(
        lambda module, _, out: seen['norm'].append(out)
    )
    return seen


def marian_config(vocab_size, width, heads, encoder, decoder, hidden, act):
    from transformers import MarianConfig

    return MarianConfig(
        vocab_size=vocab_size,
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=hidden,
        decoder_ffn_dim=hidden,
        activation_function=act,
        scale_embedding=True,
        max_position_embeddings=512,
        pad_token_id=0,
        decoder_start_token_id=0,
        eos_token_id=1,
        forced_eos_token_id=1,
        attn_implementation='eager',
    )


def marian(act='relu'):
    from transformers import MarianMTModel

    torch.manual_seed(0)
    model = fill(MarianMTModel(marian_config(V, 16, 4, 2, 3, 24, act)))
    model.final_logits_bias.uniform_(0.5, 1.5)
    return model


def marian_cfg(act='relu'):
    backbone = dict(
        type='projects.Transformer',
        vocab_size=V,
        **SIZES,
        positions='halves',
        output_bias=True,
        act_cfg=dict(type='ReLU' if act == 'relu' else 'SiLU'),
    )
    return dict(type='projects.EncoderDecoder', backbone=backbone)


class TestSchedule:
    def scheduler(self, lr=1.0, **kwargs):
        weight = nn.Parameter(torch.zeros(1))
        optimizer = build_optim_wrapper(
            nn.ParameterList([weight]),
            dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr)),
        )
        cfg = dict(
            type='projects.WarmupInverseSqrtLR',
            embed_dims=512,
            warmup=4,
            by_epoch=False,
        )
        return optimizer, PARAM_SCHEDULERS.build(
            {**cfg, **kwargs}, default_args=dict(optimizer=optimizer)
        )

    def rates(self, optimizer, scheduler, num):
        rates = []
        for _ in range(num):
            rates.append(optimizer.get_lr()['lr'][0])
            optimizer.step()
            scheduler.step()
        return rates

    def test_by_hand(self):
        """Steps 1 to 4 rise by 1/8 of 512^-0.5 each, then n^-0.5 of it."""
        rates = self.rates(*self.scheduler(), 9)
        unit = 512**-0.5
        expected = [unit / 8, unit / 4, 3 * unit / 8, unit / 2, unit / 5**0.5]
        assert rates[:5] == pytest.approx(expected)
        assert rates[8] == pytest.approx(unit / 3)

    def test_paper_s_greatest(self):
        """Of the base model: 7.0e-4, at step 4,000."""
        rates = self.rates(*self.scheduler(warmup=4000), 4002)
        assert max(rates) == rates[3999] == pytest.approx(6.9877e-4, rel=1e-4)

    def test_optimizer_s_rate_is_a_factor(self):
        twice = self.rates(*self.scheduler(lr=2.0), 6)
        assert twice == pytest.approx([2 * r for r in self.rates(*self.scheduler(), 6)])

    def test_goes_on_where_it_was(self):
        expected = self.rates(*self.scheduler(), 9)
        optimizer, scheduler = self.scheduler()
        self.rates(optimizer, scheduler, 3)
        saved = pickle.dumps([optimizer.state_dict(), scheduler.state_dict()])
        optimizer, scheduler = self.scheduler()
        of_optimizer, of_scheduler = pickle.loads(saved)
        optimizer.load_state_dict(of_optimizer)
        scheduler.load_state_dict(of_scheduler)
        assert self.rates(optimizer, scheduler, 6) == pytest.approx(expected[3:])

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(by_epoch=True), 'by_epoch: steps are iterations'),
            (dict(warmup=0), 'warmup 0: 1 step at least'),
        ],
    )
    def test_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            self.scheduler(**arguments)
