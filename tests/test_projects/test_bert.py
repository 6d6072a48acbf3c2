"""BERT: its layers beside transformers', what is masked, pairs, files of weights."""

import numpy as np
import pytest
import torch
from torch import nn

from projects.bert import (
    BERT,
    BERTForPreTraining,
    MaskedPairDataset,
    Masking,
    NextSentenceDataset,
    words_of,
)
from projects.core.errors import UserError
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.models import SequenceClassifier
from projects.core.tasks.language.tokenizers import train_tokenizer
from projects.core.weights import load_weights
from projects.registry import MODELS

V, D, MAX = 40, 16, 12
SIZES = dict(
    vocab_size=V, embed_dims=D, num_layers=3, num_heads=4, mlp_dims=24, max_length=MAX
)
TINY = dict(type='projects.BERT', **SIZES)


def fill(module, seed=0):
    """Weights that keep the size of the signal; norms and biases that do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
            weight.mul_(weight.shape[-1] ** -0.5 if weight.dim() > 1 else 0.3)
            if weight.dim() == 1:
                weight.add_(0.5)
    return module.eval()


def tiny(**kwargs):
    return fill(BERT(**{**SIZES, **kwargs}))


def reference(name, **kwargs):
    """A model of transformers, of the tiny size and with such weights."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=V,
        hidden_size=D,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=MAX,
        **kwargs,
    )
    return fill(getattr(transformers, name)(config), seed=1)


@pytest.fixture
def batch():
    """Two sequences of two texts each, the second with three tokens of padding."""
    torch.manual_seed(0)
    tokens = torch.randint(5, V, (2, 9))
    types = torch.tensor([[0] * 4 + [1] * 5, [0] * 3 + [1] * 6])
    return dict(tokens=tokens, token_types=types, lengths=torch.tensor([9, 6]))


def as_theirs(batch):
    places = torch.arange(batch['tokens'].shape[1])
    return dict(
        input_ids=batch['tokens'],
        token_type_ids=batch['token_types'],
        attention_mask=(places < batch['lengths'][:, None]).long(),
    )


def assert_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


class TestBackbone:
    @pytest.mark.parametrize(
        ('name', 'bare', 'pretraining', 'two_labels'),
        [
            ('bert_base', 109_482_240, 110_106_428, 109_483_778),
            ('bert_large', 335_141_888, 336_226_108, 335_143_938),
        ],
    )
    def test_parameters(self, name, bare, pretraining, two_labels, build_on_meta):
        model = build_on_meta(name)
        backbone = dict(
            type='projects.BERT',
            embed_dims=model.backbone.embed_dims,
            num_layers=len(model.backbone.encoder['layer']),
            num_heads=16 if name == 'bert_large' else 12,
            mlp_dims=4 * model.backbone.embed_dims,
        )
        with torch.device('meta'):
            classifier = SequenceClassifier(backbone, num_classes=2)
        for module, expected in (
            (model.backbone, bare),
            (model, pretraining),
            (classifier, two_labels),
        ):
            assert sum(p.numel() for p in module.parameters()) == expected

    def test_parameters_of_the_small_one_by_hand(self, build_on_meta):
        embeddings = (30522 + 64 + 2 + 2) * 128
        layer = 4 * (128 * 128 + 128) + 2 * 128 * 256 + 256 + 128 + 4 * 128
        heads = 2 * (128 * 128 + 128) + 2 * 128 + 30522 + 2 * 128 + 2
        model = build_on_meta('bert_mini')
        total = sum(p.numel() for p in model.parameters())
        assert total == embeddings + 3 * layer + heads

    @pytest.mark.parametrize('fused', [True, False])
    def test_hidden_states_are_those_of_transformers(self, batch, fused):
        theirs = reference('BertModel')
        ours = tiny(fused_attention=fused)
        load_weights(ours, theirs.state_dict(), 'theirs')
        states = []
        for module in (ours.embeddings, *ours.encoder['layer']):
            module.register_forward_hook(lambda _, __, out: states.append(out))
        with torch.no_grad():
            hidden, state = ours(**batch)
            expected = theirs(**as_theirs(batch), output_hidden_states=True)
        assert state is None
        assert len(states) == len(expected.hidden_states) == 4
        is_token = as_theirs(batch)['attention_mask'].bool()
        for mine, other in zip(states, expected.hidden_states, strict=True):
            assert_close(mine[is_token], other[is_token])
        assert_close(ours.summary(hidden), expected.pooler_output)

    def test_padding_changes_nothing(self, batch):
        model = tiny()
        with torch.no_grad():
            together, _ = model(**batch)
            alone, _ = model(
                batch['tokens'][1:, :6], None, None, batch['token_types'][1:, :6]
            )
        assert_close(together[1, :6], alone[0])

    def test_sees_later_tokens(self):
        model = tiny()
        tokens = torch.randint(5, V, (1, 6))
        other = tokens.clone()
        other[0, -1] = 5 + (tokens[0, -1] - 4) % (V - 5)
        with torch.no_grad():
            difference = (model(tokens)[0] - model(other)[0])[0].abs().amax(1)
        assert (difference > 1e-3).all()

    def test_a_token_alone_and_as_many_as_there_are_positions(self):
        model = tiny()
        with torch.no_grad():
            assert model(torch.tensor([[7]]))[0].shape == (1, 1, D)
            assert model(torch.randint(0, V, (2, MAX)))[0].shape == (2, MAX, D)
        with pytest.raises(
            UserError, match='13 tokens is longer than the 12 positions'
        ):
            model(torch.randint(0, V, (2, MAX + 1)))

    def test_token_types_are_those_of_the_first_text_by_default(self, batch):
        model = tiny()
        with torch.no_grad():
            default, _ = model(batch['tokens'])
            zeros, _ = model(
                batch['tokens'], token_types=torch.zeros_like(batch['tokens'])
            )
            others, _ = model(batch['tokens'], token_types=batch['token_types'])
        assert_close(default, zeros)
        assert (default - others).abs().max() > 0.01

    def test_refuses_heads_that_do_not_divide_the_width(self):
        with pytest.raises(ValueError, match='num_heads 5 does not divide'):
            BERT(**{**SIZES, 'num_heads': 5})

    def test_refuses_a_state(self):
        with pytest.raises(ValueError, match='at once'):
            tiny()(torch.tensor([[7]]), state=())

    def test_without_a_pooler_there_is_no_summary(self):
        with pytest.raises(ValueError, match='pooler=False'):
            tiny(pooler=False).summary(torch.zeros(1, 2, D))

    def test_attention_maps_are_those_of_transformers(self, batch):
        theirs = reference('BertModel', attn_implementation='eager')
        ours = tiny()
        load_weights(ours, theirs.state_dict(), 'theirs')
        maps = ours.attention_maps(batch)
        with torch.no_grad():
            expected = theirs(**as_theirs(batch), output_attentions=True).attentions
        assert list(maps) == ['encoder 0', 'encoder 1', 'encoder 2']
        for mine, other in zip(maps.values(), expected, strict=True):
            assert_close(mine, other)
        assert all(
            layer.attention['self'].attention.fused for layer in ours.encoder['layer']
        )

    def test_every_weight_has_a_gradient(self, batch):
        model = tiny().train()
        hidden, _ = model(**batch)
        (hidden.square().sum() + model.summary(hidden).square().sum()).backward()
        for name, weight in model.named_parameters():
            assert weight.grad is not None, name

    def test_initial_weights(self):
        torch.manual_seed(0)
        model = BERTForPreTraining(TINY)
        model.init_weights()
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                assert weight.std().item() == pytest.approx(0.02, rel=0.5), name
            else:
                assert (weight == float(name.endswith('LayerNorm.weight'))).all(), name


class TestModels:
    def load(self, model, theirs, **kwargs):
        return load_weights(model, theirs.state_dict(), 'theirs', **kwargs)

    def test_pretraining_is_that_of_transformers(self, batch):
        theirs = reference('BertForPreTraining')
        ours = fill(BERTForPreTraining(TINY))
        report = self.load(ours, theirs)
        assert '100.0% of the parameters' in report
        with torch.no_grad():
            outs = ours(batch)
            expected = theirs(**as_theirs(batch))
        is_token = as_theirs(batch)['attention_mask'].bool()
        assert_close(outs['tokens'][is_token], expected.prediction_logits[is_token])
        assert_close(outs['pairs'], expected.seq_relationship_logits)

    def test_loss_is_that_of_transformers(self, batch):
        theirs = reference('BertForPreTraining')
        ours = fill(BERTForPreTraining(TINY))
        self.load(ours, theirs)
        labels = torch.full((2, 9), IGNORE)
        labels[0, 2], labels[0, 7], labels[1, 3] = 5, 6, 7
        pairs = torch.tensor([0, 1])
        losses = ours(batch, dict(labels=labels, pair_labels=pairs), mode='loss')
        expected = theirs(
            **as_theirs(batch), labels=labels, next_sentence_label=pairs
        ).loss
        assert_close(losses['loss_tokens'] + losses['loss_pairs'], expected)

    def test_masked_model_is_that_of_transformers(self, batch):
        theirs = reference('BertForMaskedLM')
        ours = fill(BERTForPreTraining({**TINY, 'pooler': False}, next_sentence=False))
        self.load(ours, theirs)
        with torch.no_grad():
            outs = ours(batch)
            expected = theirs(**as_theirs(batch)).logits
        is_token = as_theirs(batch)['attention_mask'].bool()
        assert outs.keys() == {'tokens'}
        assert_close(outs['tokens'][is_token], expected[is_token])

    def test_classifier_is_that_of_transformers(self, batch):
        theirs = reference('BertForSequenceClassification', num_labels=3)
        ours = fill(SequenceClassifier(TINY, num_classes=3))
        self.load(ours, theirs)
        with torch.no_grad():
            assert_close(ours(batch), theirs(**as_theirs(batch)).logits)

    def test_predictions_add_up_to_the_loss(self, batch):
        model = fill(BERTForPreTraining(TINY))
        labels = torch.full((2, 9), IGNORE)
        labels[0, 2], labels[0, 7], labels[1, 3] = 5, 6, 7
        samples = dict(labels=labels, pair_labels=torch.tensor([0, 1]), text=['a', 'b'])
        with torch.no_grad():
            losses = model(batch, samples, mode='loss')
            rows = model(batch, samples, mode='predict')
            right = model(batch)['tokens'].argmax(-1) == labels
        assert [row['num_tokens'] for row in rows] == [2, 1]
        assert [row['num_right'] for row in rows] == right.sum(1).tolist()
        assert [row['text'] for row in rows] == ['a', 'b']
        assert [row['gt_label'].tolist() for row in rows] == [[0], [1]]
        total = sum(row['nll'] for row in rows)
        assert total / 3 == pytest.approx(losses['loss_tokens'].item(), abs=1e-4)

    def test_nothing_masked_gives_no_loss(self, batch):
        model = fill(BERTForPreTraining(TINY))
        labels = torch.full((2, 9), IGNORE)
        losses = model(batch, dict(labels=labels), mode='loss')
        assert losses == dict(loss_tokens=0)
        (row, _) = model(batch, dict(labels=labels), mode='predict')
        assert (row['nll'], row['num_tokens']) == (0, 0)


class TestFiles:
    def test_first_files_have_other_names_for_norms(self):
        theirs = reference('BertForPreTraining').state_dict()
        old = {
            name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(
                'LayerNorm.bias', 'LayerNorm.beta'
            ): weight
            for name, weight in theirs.items()
            if name != 'cls.predictions.decoder.bias'
        }
        old['bert.embeddings.position_ids'] = torch.arange(MAX)[None]
        assert 'bert.embeddings.LayerNorm.gamma' in old
        ours = BERTForPreTraining(TINY)
        load_weights(ours, old, 'old')
        assert torch.equal(
            ours.state_dict()['backbone.encoder.layer.2.output.LayerNorm.bias'],
            theirs['bert.encoder.layer.2.output.LayerNorm.bias'],
        )

    def test_a_file_without_the_tied_copies(self):
        theirs = reference('BertForPreTraining').state_dict()
        for name in ('weight', 'bias'):
            del theirs[f'cls.predictions.decoder.{name}']
        load_weights(BERTForPreTraining(TINY), theirs, 'saved')

    @pytest.mark.parametrize(
        'name', ['cls.predictions.decoder.weight', 'bert.embeddings.position_ids']
    )
    def test_copies_that_are_none_are_refused(self, name):
        theirs = dict(reference('BertForPreTraining').state_dict())
        theirs[name] = torch.ones(V, D) if 'decoder' in name else torch.ones(1, MAX)
        with pytest.raises(UserError, match=name.rpartition('.')[2]):
            load_weights(BERTForPreTraining(TINY), theirs, 'odd')

    @pytest.mark.parametrize('change', ['missing', 'unknown'])
    def test_missing_and_unknown_names_are_errors(self, change):
        theirs = dict(reference('BertModel').state_dict())
        if change == 'missing':
            del theirs['encoder.layer.1.attention.self.key.bias']
        else:
            theirs['encoder.layer.1.attention.self.gate.bias'] = torch.zeros(D)
        with pytest.raises(UserError, match=r'encoder\.layer\.1\.attention\.self\.'):
            load_weights(tiny(), theirs, 'file')

    @pytest.mark.parametrize('of', ['ours', 'theirs'])
    def test_fine_tuning_begins_with_the_pretrained_encoder(self, of):
        source = (
            fill(BERTForPreTraining(TINY))
            if of == 'ours'
            else reference('BertForPreTraining')
        )
        classifier = SequenceClassifier(TINY, num_classes=3)
        report = load_weights(
            classifier, source.state_dict(), 'pretrained', allow_new_head=True
        )
        encoder = source.backbone if of == 'ours' else source.bert
        for name, weight in encoder.state_dict().items():
            assert torch.equal(classifier.backbone.state_dict()[name], weight)
        assert 'head.weight (3, 16): not in the file' in report

    def test_the_encoder_alone_out_of_a_whole_file(self):
        theirs = reference('BertForSequenceClassification', num_labels=3)
        ours = tiny()
        load_weights(ours, theirs.state_dict(), 'theirs', allow_new_head=True)
        for name, weight in theirs.bert.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight)


@pytest.fixture(scope='module')
def pieces():
    """A tokenizer of parts of words."""
    return train_tokenizer('wordpiece', ['the dates of the day'] * 3, 30)


class TestMasking:
    def test_words_of_pieces(self, pieces):
        tokens, words = words_of(pieces, 'dates, of yes', True)
        parts = [pieces.token(t) for t in tokens]
        comma = parts.index('[UNK]')  # never seen
        assert parts[0] == 'd' or not parts[0].startswith('##')
        # one word, what was never seen, and words again
        assert set(words[:comma]) == {0}
        assert words[comma] == -1  # a special token
        assert words[-1] > words[0]

    def test_words_of_characters(self):
        text = '3. म\u093eर् 20'
        chars = train_tokenizer('chars', [text])
        _, words = words_of(chars, text, True)
        #                      3  .   ␣  four, two of them marks  ␣  20
        assert words.tolist() == [0, 1, -1, 3, 3, 3, 3, -1, 5, 5]
        _, single = words_of(chars, text)
        assert single.tolist() == list(range(10))

    def test_shares(self, pieces):
        random = np.random.default_rng(0)
        tokens = np.full(100_000, len(pieces) - 1)
        words = np.arange(len(tokens))
        masked, labels = Masking()(tokens, words, pieces, random)
        chosen = labels != IGNORE
        assert chosen.mean() == pytest.approx(0.15, abs=0.005)
        assert (labels[chosen] == tokens[chosen]).all()
        assert (masked[~chosen] == tokens[~chosen]).all()
        assert (masked[chosen] == pieces.mask).mean() == pytest.approx(
            0.8 + 0.1 / len(pieces), abs=0.01
        )
        assert (masked[chosen] == tokens[chosen]).mean() == pytest.approx(
            0.1 + 0.1 / len(pieces), abs=0.01
        )

    def test_whole_words_go_together(self, pieces):
        random = np.random.default_rng(0)
        words = np.repeat(np.arange(500), 3)
        _, labels = Masking(0.3, whole_words=True)(
            np.full(1500, 9), words, pieces, random
        )
        by_word = (labels != IGNORE).reshape(500, 3)
        assert (by_word.all(1) == by_word.any(1)).all()
        assert by_word[:, 0].mean() == pytest.approx(0.3, abs=0.06)

    def test_at_least_one_and_nothing_special(self, pieces):
        words = np.array([-1, 0, -1])
        tokens = np.array([pieces.bos, 9, pieces.eos])
        for seed in range(30):
            _, labels = Masking()(tokens, words, pieces, np.random.default_rng(seed))
            assert labels.tolist() == [IGNORE, 9, IGNORE]

    def test_a_sequence_without_words(self, pieces):
        tokens = np.array([pieces.bos, pieces.eos])
        masked, labels = Masking()(
            tokens, np.array([-1, -1]), pieces, np.random.default_rng(0)
        )
        assert masked.tolist() == tokens.tolist()
        assert (labels == IGNORE).all()

    @pytest.mark.parametrize('share', [0, 1.5, 'much'])
    def test_refuses_what_is_no_share(self, share):
        with pytest.raises(UserError, match=r'masking\.probability'):
            Masking(share)


DATES = dict(
    type='projects.DatePairsCorpus',
    locales=('en', 'de', 'ru'),
    num=dict(train=60, val=20, test=20),
)


class TestData:
    def pairs(self, split, tmp_path, **kwargs):
        return MaskedPairDataset(
            {**DATES, 'data_root': str(tmp_path)},
            split,
            tokenizer=dict(kind='wordpiece', vocab_size=150),
            **kwargs,
        )

    def test_sample(self, tmp_path):
        data = self.pairs('train', tmp_path)
        sample = data[3]
        tokens, types = sample['inputs']['tokens'], sample['inputs']['token_types']
        first, second, is_same = data.corpus.triples('train')[3]
        labels = sample['data_samples']['labels']
        whole = torch.where(labels == IGNORE, tokens, labels)
        tokenizer = data.tokenizer
        assert whole.tolist() == [
            tokenizer.bos,
            *tokenizer.encode(first),
            tokenizer.eos,
            *tokenizer.encode(second),
            tokenizer.eos,
        ]
        assert types.tolist() == [0] * (len(tokenizer.encode(first)) + 2) + [1] * (
            len(tokenizer.encode(second)) + 1
        )
        assert sample['data_samples']['pair_labels'] == (0 if is_same else 1)
        assert sample['data_samples']['text'] == f'{first} | {second}'
        assert data.length_of(3) == len(tokens) == len(labels)

    def test_masks_are_new_in_training_and_fixed_in_evaluation(self, tmp_path):
        def masks(data, seed):
            np.random.seed(seed)
            return [data[i]['data_samples']['labels'].tolist() for i in range(20)]

        train, val = self.pairs('train', tmp_path), self.pairs('val', tmp_path)
        assert masks(train, 0) == masks(train, 0) != masks(train, 1)
        assert masks(val, 0) == masks(val, 1)

    def test_special_tokens_in_a_text_are_not_masked(self, tmp_path):
        data = self.pairs('train', tmp_path)
        tokens, words = words_of(data.tokenizer, 'May [MASK] 1')
        assert words[tokens.tolist().index(data.tokenizer.mask)] == -1


def documents(folder, texts):
    for split in ('train', 'val'):
        (folder / split).mkdir()
        for i, text in enumerate(texts):
            (folder / split / f'{i}.txt').write_text(text)
    return dict(
        type='projects.TextFiles', data_root=str(folder), train='train', val='val'
    )


class TestNextSentences:
    @pytest.fixture
    def data(self, tmp_path):
        lines = ['\n'.join(f'{name}{i}' * 2 + ' x' for i in range(9)) for name in 'abc']
        return NextSentenceDataset(
            documents(tmp_path, lines),
            'train',
            max_length=23,
            tokenizer=dict(kind='chars'),
        )

    def test_half_of_the_second_texts_follow(self, data):
        np.random.seed(0)
        follow = []
        for _ in range(20):
            for i in range(len(data)):
                sample = data[i]
                labels = sample['data_samples']['labels']
                tokens = sample['inputs']['tokens']
                assert len(tokens) <= 23
                tokens = torch.where(labels == IGNORE, tokens, labels)
                ends = (tokens == data.tokenizer.eos).nonzero().flatten().tolist()
                first = data.tokenizer.decode(tokens[1 : ends[0]])
                second = data.tokenizer.decode(tokens[ends[0] + 1 : ends[1]])
                belong = sample['data_samples']['pair_labels'] == 0
                assert (first[0] == second[0]) == belong
                if belong:  # a1a1 x -> a2a2 x
                    assert int(second[1]) == int(first[-3]) + 1
                follow.append(bool(belong))
        assert np.mean(follow) == pytest.approx(0.5, abs=0.1)

    def test_needs_two_documents(self, tmp_path):
        with pytest.raises(UserError, match='1 documents of at least two pieces'):
            NextSentenceDataset(
                documents(tmp_path, ['a b\nc d', 'e']),
                'train',
                max_length=9,
                tokenizer=dict(kind='chars'),
            )

    def test_refuses_a_length_without_room(self):
        with pytest.raises(UserError, match='max_length'):
            NextSentenceDataset({}, 'train', max_length=4)


class TestAnswers:
    @pytest.fixture
    def tokenizer(self):
        return train_tokenizer('wordpiece', ['march may june 1 2 3'] * 3, V)

    def test_fills_in(self, tokenizer):
        model = fill(BERTForPreTraining({**TINY, 'vocab_size': len(tokenizer)}))
        (row, pair) = model.answer(
            ['1 [MASK] 2 [MASK]', '1 [MASK] [SEP] 2'], tokenizer, {}
        )
        assert len(row['masks']) == 2
        assert len(pair['masks']) == 1
        for best in row['masks']:
            scores = [p['score'] for p in best]
            assert scores == sorted(scores, reverse=True)
            assert len(best) == 5
        shown = model.shown(row)
        assert shown.startswith('1 [MASK] 2 [MASK] -> ')
        assert shown.count('%') == 10

    def test_second_text_has_its_own_type(self, tokenizer):
        model = fill(BERTForPreTraining({**TINY, 'vocab_size': len(tokenizer)}))
        seen = []
        model.backbone.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(kwargs['token_types']),
            with_kwargs=True,
        )
        model.answer(['1 [MASK] [SEP] 2'], tokenizer, {})
        assert seen[0].tolist() == [[0, 0, 0, 0, 1, 1]]

    def test_a_text_without_a_mask(self, tokenizer):
        model = fill(BERTForPreTraining({**TINY, 'vocab_size': len(tokenizer)}))
        with pytest.raises(UserError, match='nothing to fill in'):
            model.answer(['1 march'], tokenizer, {})


def test_rates_fall_layer_by_layer():
    from mmengine.optim import build_optim_wrapper

    model = SequenceClassifier(TINY, num_classes=3)
    wrapper = build_optim_wrapper(
        model,
        dict(
            constructor='projects.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.5),
            optimizer=dict(type='SGD', lr=1.0),
        ),
    )
    rates = {
        id(p): group['lr']
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }
    layers = model.backbone.encoder['layer']
    assert rates[id(model.head.weight)] == 1
    assert rates[id(model.backbone.pooler['dense'].weight)] == 1
    assert rates[id(layers[2].output.dense.weight)] == 0.5
    assert rates[id(model.backbone.embeddings.word_embeddings.weight)] == 0.5**4


def test_dropout_works_in_training_alone():
    model = BERT(**SIZES, dropout=0.5)
    assert isinstance(model.embeddings.dropout, nn.Dropout)
    tokens = torch.randint(0, V, (2, 5))
    torch.manual_seed(0)
    first, second = model(tokens)[0], model(tokens)[0]
    assert not torch.equal(first, second)
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


def test_variants_are_built_by_name(build_on_meta):
    for name in ('bert_base', 'bert_large', 'bert_mini'):
        assert isinstance(
            build_on_meta(name), MODELS.get('projects.BERTForPreTraining')
        )


def test_trigrams_know_what_they_were_taught():
    from projects.bert.trigrams import trigram_accuracy

    train = [
        (f'{i} {month} 2001', label)
        for i in range(1, 13)
        for label, month in enumerate(('mars', 'avril'))
    ]
    test = [('30 mars 1999', 0), ('29 avril 1999', 1), ('28 avril 1999', 0)]
    assert trigram_accuracy(train, test) == pytest.approx(2 / 3)
