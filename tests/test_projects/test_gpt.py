"""GPT: each token sees those before it, and nothing of what comes after."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from projects.core.config import load_config
from projects.core.errors import UserError
from projects.core.layers import ScaledDotProductAttention
from projects.core.tasks.language.backbones import select
from projects.core.tasks.language.generation import generate
from projects.core.weights import load_weights
from projects.gpt import GPT
from projects.registry import MODELS

ROOT = Path(__file__).parents[2]
SIZES = dict(arch=(24, 3, 4), vocab_size=61, max_length=16)


def gpt(**kwargs):
    """Small, with weights that all do something, in eval mode."""
    torch.manual_seed(0)
    return fill(GPT(**{**SIZES, **kwargs}))


def fill(model):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            is_scale = weight.dim() == 1 and name.endswith('weight')
            nn.init.normal_(weight, mean=float(is_scale), std=0.3)
    return model.eval()


def transformers_model(pre_norm):
    """The language model of transformers with the sizes of :func:`gpt`."""
    import transformers

    names = ('GPT2Config', 'GPT2LMHeadModel')
    if not pre_norm:
        names = ('OpenAIGPTConfig', 'OpenAIGPTLMHeadModel')
    config, model = (getattr(transformers, name) for name in names)
    torch.manual_seed(0)
    options = dict(n_embd=24, n_layer=3, n_head=4, n_positions=16, vocab_size=61)
    if pre_norm:  # no token ends a text
        options.update(bos_token_id=None, eos_token_id=None)
    return fill(model(config(**options)))


def language_model(**kwargs):
    backbone = dict(type='projects.GPT', **{**SIZES, **kwargs})
    return MODELS.build(
        dict(type='projects.CausalLanguageModel', backbone=backbone)
    ).eval()


def tokens_of(*shape):
    return torch.randint(61, shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=[True, False], ids=['gpt2', 'gpt1'])
def pre_norm(request):
    return request.param


class TestSizes:
    @pytest.mark.parametrize(
        ('name', 'expected'),
        [
            ('gpt1', 116_534_784),
            ('gpt2_small', 124_439_808),
            ('gpt2_medium', 354_823_168),
            ('gpt2_large', 774_030_080),
            ('gpt2_xl', 1_557_611_200),
            ('gpt_mini', 889_984),
        ],
    )
    def test_parameters_of_variants(self, build_on_meta, name, expected):
        model = build_on_meta(name)
        assert sum(p.numel() for p in model.parameters()) == expected

    def test_parameters_by_hand(self):
        d, t, v = 24, 16, 61
        attention = d * 3 * d + 3 * d + d * d + d
        mlp = d * 4 * d + 4 * d + 4 * d * d + d
        block = attention + mlp + 2 * 2 * d
        total = sum(p.numel() for p in gpt().parameters())
        assert total == v * d + t * d + 3 * block + 2 * d  # no output matrix
        total = sum(p.numel() for p in gpt(pre_norm=False).parameters())
        assert total == v * d + t * d + 3 * block  # no final norm

    def test_initial_values(self):
        torch.manual_seed(0)
        model = GPT((64, 8, 4), 500, 32)
        sixteenth = 0.02 / 4  # 2 x 8 layers add to a hidden state
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                std = sixteenth if name.endswith('c_proj.weight') else 0.02
                assert weight.std().item() == pytest.approx(std, rel=0.05), name
            else:
                assert (weight == float(name.endswith('weight'))).all(), name
        post_norm = GPT((64, 8, 4), 500, 32, pre_norm=False)
        assert post_norm.h[0].mlp.c_proj.weight.std().item() == pytest.approx(
            0.02, rel=0.05
        )

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(arch='tiny'), r"arch 'tiny' not in \['small', 'medium', "),
            (dict(arch=(10, 1, 3)), 'num_heads 3 does not divide embed_dims 10'),
            (dict(arch=(12, 0, 3)), 'num_blocks 0: 1 at least'),
            (dict(vocab_size=None), 'vocab_size None: a whole number, 1 at least'),
            (dict(max_length=0), 'max_length 0: a whole number, 1 at least'),
        ],
    )
    def test_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            GPT(**{**SIZES, **arguments})


class TestParity:
    def test_hidden_states_and_logits(self, pre_norm):
        reference = transformers_model(pre_norm)
        model = language_model(pre_norm=pre_norm)
        report = load_weights(model, reference.state_dict(), 'x.bin')
        assert '(100.0% of the parameters) loaded from x.bin' in report
        assert 'lm_head.weight: the same as transformer.' in report
        tokens, inputs = tokens_of(2, 16), []
        hooks = [
            block.register_forward_hook(lambda _, __, out: inputs.append(out))
            for block in model.backbone.h
        ]
        with torch.no_grad():
            expected = reference(tokens, output_hidden_states=True)
            hidden, _ = model.backbone(tokens)
            for hook in hooks:
                hook.remove()
            logits = model(dict(tokens=tokens))
        assert expected.logits.std() > 1
        torch.testing.assert_close(logits, expected.logits, rtol=0, atol=1e-4)
        # transformers gives the last block's after the final norm
        for mine, theirs in zip(
            [*inputs[:-1], hidden], expected.hidden_states[1:], strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)

    def test_gradients(self, pre_norm):
        """Of the embedding too, which is used at both ends."""
        reference = transformers_model(pre_norm)
        model = language_model(pre_norm=pre_norm)
        load_weights(model, reference.state_dict(), 'x.bin')
        tokens = tokens_of(2, 9)
        reference(tokens, labels=tokens).loss.backward()
        samples = dict(labels=tokens[:, 1:])
        model(dict(tokens=tokens[:, :-1]), samples, mode='loss')['loss'].backward()
        gradients = {
            name: weight.grad.t()
            if 'attn.c_' in name or 'mlp.c_' in name
            else (weight.grad)
            for name, weight in reference.transformer.named_parameters()
            if weight.dim() == 2
        }
        for name, mine in model.backbone.named_parameters():
            assert mine.grad.abs().max() > 0, name
            theirs = {'wte.weight': 'tokens_embed.weight'}
            theirs['wpe.weight'] = 'positions_embed.weight'
            name = name if pre_norm else theirs.get(name, name)
            if name in gradients:
                torch.testing.assert_close(
                    mine.grad, gradients[name], rtol=1e-3, atol=1e-5
                )

    def test_greedy_text_is_that_of_transformers(self):
        reference = transformers_model(True)
        model = language_model()
        load_weights(model, reference.state_dict(), 'x.bin')
        prompt = tokens_of(1, 4)
        expected = reference.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=0,
        )
        written = generate(model.backbone, prompt[0].tolist(), 12, temperature=0)
        assert written == expected[:, 4:].tolist()

    @pytest.mark.slow
    @pytest.mark.parametrize('name', ['gpt1', 'gpt2_small'])
    def test_real_size(self, name):
        from projects import create_model

        torch.manual_seed(0)
        model = create_model(name).eval()
        if name == 'gpt1':
            from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

            reference = OpenAIGPTLMHeadModel(OpenAIGPTConfig()).eval()
        else:
            from transformers import GPT2Config, GPT2LMHeadModel

            reference = GPT2LMHeadModel(GPT2Config()).eval()
        load_weights(model, reference.state_dict(), 'x.bin')
        tokens = torch.randint(40_000, (1, 512))
        with torch.no_grad():
            torch.testing.assert_close(
                model(dict(tokens=tokens)), reference(tokens).logits, rtol=0, atol=1e-4
            )


class TestFiles:
    """What published files look like, beside that of a language model."""

    def test_without_prefix_and_with_masks(self, tmp_path):
        """As GPT-2's own file: of the bare model, with buffers of older versions."""
        from safetensors.torch import save_file

        from projects.core.weights import read_weights

        state = transformers_model(True).transformer.state_dict()
        for i in range(3):
            state[f'h.{i}.attn.bias'] = torch.ones(1, 1, 16, 16).tril()
            state[f'h.{i}.attn.masked_bias'] = torch.tensor(-1e4)
        file = str(tmp_path / 'model.safetensors')
        save_file(state, file)
        models = [language_model(), GPT(**SIZES).eval()]
        for model in models:
            report = load_weights(model, read_weights(file)['state_dict'], file)
            assert '40 of 40 weights (100.0% of the parameters)' in report
            assert 'h.*.attn.bias: a mask, which is computed (3)' in report
            assert 'h.*.attn.masked_bias: a mask, which is computed (3)' in report
            assert 'h.*.attn.c_attn.weight: transposed (3)' in report
        tokens = tokens_of(1, 5)
        with torch.no_grad():
            hidden, _ = models[1](tokens)
            expected = models[0](dict(tokens=tokens))
        assert torch.equal(models[1].logits(hidden), expected)
        # what is square is transposed, too
        theirs = state['h.0.attn.c_proj.weight']
        assert torch.equal(models[1].h[0].attn.c_proj.weight, theirs.t())

    def test_linear_layers_as_here_stay_as_they_are(self):
        source = gpt()
        state = {f'transformer.{k}': v for k, v in source.state_dict().items()}
        model = language_model()
        report = load_weights(model, state, 'x.pth')
        assert 'reshaped' not in report
        for name, weight in source.state_dict().items():
            assert torch.equal(model.backbone.state_dict()[name], weight)

    def test_into_a_classifier(self):
        cfg = dict(type='projects.SequenceClassifier', num_classes=3)
        backbone = dict(type='projects.GPT', **SIZES)
        model = MODELS.build(dict(**cfg, backbone=backbone)).eval()
        state = transformers_model(True).state_dict()
        report = load_weights(model, state, 'x.bin', allow_new_head=True)
        assert 'head.weight (3, 24): not in the file' in report
        # the last token has seen all the others
        lengths, tokens = torch.tensor([5, 9]), tokens_of(2, 9)
        with torch.no_grad():
            both = model(dict(tokens=tokens, lengths=lengths))
            alone = model(dict(tokens=tokens[:1, :5]))
        torch.testing.assert_close(both[:1], alone, rtol=1e-4, atol=1e-5)

    def test_another_output_matrix_is_refused(self):
        state = transformers_model(True).state_dict()
        state['lm_head.weight'] = state['lm_head.weight'] + 1
        with pytest.raises(
            UserError, match=r'lm_head.weight is not equal to transformer.wte.weight: '
        ):
            load_weights(language_model(), state, 'x.bin')

    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (
                lambda state: state.pop('transformer.h.1.ln_2.bias'),
                r'backbone.h.1.ln_2.bias \(24,\) \| missing',
            ),
            (
                lambda state: state.update(
                    {'transformer.h.3.ln_1.bias': torch.ones(24)}
                ),
                r'missing \| transformer.h.3.ln_1.bias \(24,\)',
            ),
            (
                lambda state: state.update({'score.weight': torch.ones(2, 24)}),
                r'missing \| score.weight \(2, 24\)',
            ),
        ],
    )
    def test_missing_and_unknown_names_are_refused(self, change, message):
        state = transformers_model(True).state_dict()
        change(state)
        with pytest.raises(UserError, match=message):
            load_weights(language_model(), state, 'x.bin', allow_new_head=True)

    def test_another_vocabulary_is_refused(self):
        state = transformers_model(True).state_dict()
        with pytest.raises(
            UserError,
            match=r'wte.weight \(60, 24\) \| transformer.wte.weight \(61, 24\)',
        ):
            load_weights(language_model(vocab_size=60), state, 'x.bin')


class TestText:
    def test_later_tokens_change_nothing(self, pre_norm):
        for fused in (True, False):
            model = gpt(pre_norm=pre_norm, fused_attention=fused)
            tokens = tokens_of(2, 12)
            changed = tokens.clone()
            changed[:, 7:] = (changed[:, 7:] + 1) % 61
            with torch.no_grad():
                before, _ = model(tokens)
                after, _ = model(changed)
            assert torch.equal(before[:, :7], after[:, :7])
            assert (before[:, 7:] - after[:, 7:]).abs().amin(-1).max() > 0
            assert (before[:, 7] - after[:, 7]).abs().max() > 1e-3

    def test_padding_changes_nothing(self):
        model, tokens = gpt(), tokens_of(3, 12)
        lengths = torch.tensor([12, 1, 7])
        with torch.no_grad():
            padded, _ = model(tokens, lengths)
            for row, length in enumerate(lengths.tolist()):
                alone, _ = model(tokens[row : row + 1, :length])
                torch.testing.assert_close(
                    padded[row, :length], alone[0], rtol=1e-4, atol=1e-5
                )

    @pytest.mark.parametrize('fused', [True, False])
    def test_cache_gives_what_the_whole_text_gives(self, fused):
        """A prompt, one token at a time, several at once."""
        model, tokens = gpt(fused_attention=fused), tokens_of(2, 16)
        with torch.no_grad():
            expected, nothing = model(tokens)
            assert nothing is None
            state, parts = model.begin(2, 16), []
            for part in tokens.split([5, 1, 1, 6, 3], dim=1):
                hidden, state = model(part, state=state)
                parts.append(hidden)
        torch.testing.assert_close(torch.cat(parts, 1), expected, rtol=1e-4, atol=1e-5)

    def test_cache_of_chosen_texts(self):
        model, tokens = gpt(), tokens_of(3, 8)
        with torch.no_grad():
            expected, _ = model(tokens)
            _, state = model(tokens[:, :7], state=model.begin(3, 8))
            chosen = torch.tensor([2, 0, 2])
            hidden, _ = model(tokens[chosen, 7:], state=select(state, chosen))
        torch.testing.assert_close(
            hidden[:, 0], expected[chosen, 7], rtol=1e-4, atol=1e-5
        )

    def test_longest_text_and_one_beyond(self):
        model = gpt()
        assert model(tokens_of(1, 16))[0].shape == (1, 16, 24)
        message = 'a sequence of 17 tokens is longer than the 16 positions of GPT'
        with pytest.raises(UserError, match=message):
            model(tokens_of(1, 17))
        with torch.no_grad():
            _, state = model(tokens_of(1, 16), state=model.begin(1, 16))
            with pytest.raises(UserError, match=message):
                model(tokens_of(1, 1), state=state)
        with pytest.raises(UserError, match=message):
            model.begin(1, 17)

    def test_one_token(self):
        """A text of one, which predicts the next: of a batch of one."""
        model, token = language_model(), tokens_of(1, 1)
        scores = model(dict(tokens=token))
        assert scores.shape == (1, 1, 61)
        losses = model(dict(tokens=token), dict(labels=token), mode='loss')
        expected = scores.logsumexp(-1) - scores[0, 0, token]
        torch.testing.assert_close(losses['loss'], expected.squeeze())

    def test_both_forms_of_attention_are_equal(self):
        tokens, results = tokens_of(2, 11), []
        for fused in (True, False):
            model = gpt(fused_attention=fused)
            assert {
                m.fused
                for m in model.modules()
                if isinstance(m, ScaledDotProductAttention)
            } == {fused}
            hidden, _ = model(tokens)
            hidden.square().sum().backward()
            results.append((hidden, [p.grad for p in model.parameters()]))
        (hidden, gradients), (written, of_written) = results
        torch.testing.assert_close(hidden, written, rtol=1e-4, atol=1e-5)
        for one, other in zip(gradients, of_written, strict=True):
            assert one.abs().max() > 0
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize('fused', [True, False])
    def test_dropout_of_attention_weights(self, fused):
        """In training alone; of the first token there is one weight."""
        layer = gpt(dropout=0.5, fused_attention=fused).h[0].attn
        x = torch.randn(1, 8, 24)
        with torch.no_grad():
            expected = layer(x)
            assert torch.equal(layer(x), expected)
            layer.train()
            layer.dropout.eval()
            first = {tuple(layer(x)[0, 0].tolist()) for _ in range(20)}
        assert len(first) > 2  # each of four heads is kept, doubled, or not

    def test_attention_maps(self):
        model, tokens = gpt(), tokens_of(2, 6)
        with torch.no_grad():
            maps = model.attention_maps(dict(tokens=tokens))
        assert list(maps) == ['decoder 0', 'decoder 1', 'decoder 2']
        for attention in maps.values():
            assert attention.shape == (2, 4, 6, 6)
            torch.testing.assert_close(attention.sum(-1), torch.ones(2, 4, 6))
            assert attention.triu(1).abs().max() == 0  # nothing of later tokens
            assert (attention.tril() > 0).sum() == 2 * 4 * 21
        assert model.h[0].attn.attention.fused


class TestRecipes:
    @pytest.mark.parametrize(
        'config', sorted(p.stem for p in (ROOT / 'configs/gpt').glob('*.py'))
    )
    def test_matrices_decay_and_nothing_else_does(self, config):
        cfg = load_config(ROOT / f'configs/gpt/{config}.py')
        cfg.optim_wrapper.type = 'OptimWrapper'  # without mixed precision
        cfg.optim_wrapper.pop('dtype', None)
        model = language_model()
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        decays = {
            id(p): group['weight_decay']
            for group in wrapper.param_groups
            for p in group['params']
        }
        expected = cfg.optim_wrapper.optimizer.weight_decay
        for name, weight in model.named_parameters():
            assert decays[id(weight)] == (expected if weight.dim() == 2 else 0), name
        assert expected > 0
        assert wrapper.clip_grad_kwargs == dict(max_norm=1)

    def test_an_update_is_the_paper_s_batch(self):
        (file,) = (ROOT / 'configs/gpt').glob('gpt2-small_8x*.py')
        cfg = load_config(file)
        accumulated = cfg.optim_wrapper.accumulative_counts
        batch = 8 * cfg.train_dataloader.batch_size * accumulated
        assert batch == cfg.auto_scale_lr.base_batch_size == 512
        assert cfg.train_dataloader.dataset.length == 1024
        # no update is cut in two by the end or by a checkpoint
        assert cfg.train_cfg.max_iters % accumulated == 0
        assert cfg.default_hooks.checkpoint.interval % accumulated == 0

    def test_accumulated_batches_are_one_large_batch(self):
        tokens, weights = tokens_of(4, 9), []
        for parts in (1, 2):
            torch.manual_seed(0)
            model = language_model()
            wrapper = OptimWrapper(
                torch.optim.SGD(model.parameters(), 0.1), accumulative_counts=parts
            )
            wrapper.initialize_count_status(model, 0, parts)
            for rows in tokens.chunk(parts):
                inputs = dict(tokens=rows[:, :-1])
                samples = dict(labels=rows[:, 1:])
                with wrapper.optim_context(model):
                    loss = model(inputs, samples, mode='loss')['loss']
                wrapper.update_params(loss)
            weights.append([p.detach().clone() for p in model.parameters()])
        for one, other in zip(*weights, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
