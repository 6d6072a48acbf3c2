"""Seq2Seq: one code against a code for each step, and what a search finds."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from projects.core.tasks.language.backbones import select
from projects.core.tasks.language.generation import search
from projects.core.tasks.language.models import EncoderDecoder
from projects.registry import MODELS
from projects.seq2seq import AdditiveAttention, MultiplicativeAttention, Seq2Seq
from projects.seq2seq.seq2seq import ATTENTIONS, Encoder

BEGIN, END = 1, 2
EACH = pytest.mark.parametrize(
    ('attention', 'bidirectional'),
    [(a, b) for a in ATTENTIONS for b in (False, True) if (a, b) != ('dot', True)],
)


def tiny(attention, seed=0, **kwargs):
    """Of 7 tokens to read and 6 to write, with weights that tell them apart."""
    torch.manual_seed(seed)
    options = dict(embed_dims=5, hidden_dims=6, num_layers=2)
    model = Seq2Seq(6, 7, attention, **{**options, **kwargs}).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-1, 1)
    return model


def num_params(model):
    return sum(p.numel() for p in model.parameters())


class TestArchitecture:
    @pytest.mark.parametrize(('vs', 'vt'), [(200, 200), (31, 47)])
    def test_parameters_by_hand(self, vs, vt):
        """Reference table, section 7: embeddings, output, the encoder's GRU,
        attention, the decoder's GRU."""
        with torch.device('meta'):
            model = Seq2Seq(vt, vs)
        expected = 256 * (vs + vt) + 257 * vt + 789_504 + 131_328 + 986_112
        assert num_params(model) == expected
        assert num_params(model.attention) == 2 * 256**2 + 256

    def test_variant(self, build_on_meta):
        assert num_params(build_on_meta('seq2seq_bahdanau')) == 2_060_744

    @EACH
    def test_shapes_of_a_batch_of_one_token(self, attention, bidirectional):
        model = tiny(attention, bidirectional=bidirectional)
        memory = model.encode(torch.tensor([[3]]))
        scores, state = model.decode(torch.tensor([[BEGIN]]), memory)
        assert scores.shape == (1, 1, 6)
        assert state is None

    @EACH
    def test_every_weight_learns(self, attention, bidirectional):
        model = tiny(attention, bidirectional=bidirectional)
        memory = model.encode(torch.randint(7, (3, 5)), torch.tensor([5, 2, 4]))
        model.decode(torch.randint(6, (3, 4)), memory)[0].square().sum().backward()
        for name, weight in model.named_parameters():
            assert weight.grad.abs().sum() > 0, name

    def test_dropout_is_for_training_alone(self):
        model = tiny('additive', dropout=0.5)
        source, target = torch.randint(7, (2, 5)), torch.randint(6, (2, 4))

        def scores():
            return model.decode(target, model.encode(source))[0]

        assert torch.equal(scores(), scores())
        model.train()
        assert not torch.equal(scores(), scores())

    @pytest.mark.parametrize('attention', ['luong', True, ''])
    def test_unknown_attention_is_refused(self, attention):
        with pytest.raises(ValueError, match=r"none of \(None, 'additive', 'mult"):
            Seq2Seq(6, attention=attention)

    def test_dot_needs_equal_widths(self):
        with pytest.raises(ValueError, match='query of 6 and a value of 12 channels'):
            tiny('dot', bidirectional=True)


class TestEncoder:
    @pytest.mark.parametrize('bidirectional', [False, True])
    def test_equals_torch_s_of_packed_sequences(self, bidirectional):
        torch.manual_seed(0)
        encoder = Encoder(5, 7, 2, bidirectional)
        reference = nn.GRU(5, 7, 2, batch_first=True, bidirectional=bidirectional)
        for i, directions in enumerate(encoder.layers):
            for layer, end in zip(directions, ('', '_reverse'), strict=False):
                for name, weight in layer.state_dict().items():
                    name = f'{name[:-1]}{i}{end}'
                    getattr(reference, name).data.copy_(weight)
        x, lengths = torch.randn(3, 6, 5), torch.tensor([4, 6, 1])
        packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        expected, last = reference(packed)
        expected, _ = pad_packed_sequence(expected, batch_first=True)
        if bidirectional:
            last = torch.cat([last[0::2], last[1::2]], -1)
        values, ours = encoder(x, lengths)
        is_token = torch.arange(6) < lengths[:, None]
        torch.testing.assert_close(values[is_token], expected[is_token])
        torch.testing.assert_close(ours, last)
        torch.testing.assert_close(encoder(x)[0], reference(x)[0])


class TestAttention:
    def test_additive_by_hand(self):
        """W, U and v of ones, one channel: v^T tanh(q + k)."""
        attention = AdditiveAttention(1, 1, 1)
        with torch.no_grad():
            for weight in attention.parameters():
                weight.fill_(1.0)
        values = torch.tensor([[[0.0], [1.0], [9.0]]])
        mask = torch.tensor([[True, True, False]])
        query = torch.tensor([[[0.5]]])
        context, weights = attention(query, attention.keys_of(values), values, mask)
        # tanh 0.5 = 0.462117, tanh 1.5 = 0.905148; e^-0.443031 = 0.642087;
        # 1 / (1 + 0.642087) = 0.608981 for the second, whose value is 1
        expected = torch.tensor([[[0.391019, 0.608981, 0.0]]])
        torch.testing.assert_close(weights, expected, atol=1e-5, rtol=0)
        assert context.item() == pytest.approx(0.608981, abs=1e-5)

    @pytest.mark.parametrize(
        ('general', 'second'),
        [
            # q = (1, 2), values (1, 0) and (0, 1): scores 1 and 2
            (False, 0.731059),
            # W = (1 0; 0 3): scores 1 and 6, 1 / (1 + e^-5)
            (True, 0.993307),
        ],
    )
    def test_multiplicative_by_hand(self, general, second):
        attention = MultiplicativeAttention(2, 2, general)
        if general:
            attention.key.weight.data = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
        values = torch.eye(2)[None]
        query = torch.tensor([[[1.0, 2.0]]])
        context, weights = attention(query, attention.keys_of(values), values)
        expected = torch.tensor([[[1 - second, second]]])
        torch.testing.assert_close(weights, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(context, expected, atol=1e-5, rtol=0)

    def test_w_is_between_the_query_and_the_value(self):
        """'general' is q^T W v: with a W that is not symmetric."""
        attention = MultiplicativeAttention(2, 3)
        query, value = torch.randn(1, 1, 2), torch.randn(1, 4, 3)
        scores = attention.scores(query, attention.keys_of(value))
        expected = query[0] @ attention.key.weight @ value[0].mT
        torch.testing.assert_close(scores[0], expected)


class ReferenceDecoder(nn.Module):
    """The decoder of Bahdanau et al. in the form of the book "Dive into Deep
    Learning", Sec. 11.4, of torch's parts: time first, the state of all layers."""

    def __init__(self, vocab_size, embed_dims, hidden_dims, num_layers):
        super().__init__()
        self.W_q = nn.Linear(hidden_dims, hidden_dims, bias=False)
        self.W_k = nn.Linear(hidden_dims, hidden_dims, bias=False)
        self.w_v = nn.Linear(hidden_dims, 1, bias=False)
        self.embedding = nn.Embedding(vocab_size, embed_dims)
        self.rnn = nn.GRU(embed_dims + hidden_dims, hidden_dims, num_layers)
        self.dense = nn.Linear(hidden_dims, vocab_size)

    def forward(self, target, enc_outputs, hidden, lengths):
        """(S, B, H) outputs of the encoder, (N, B, H) state; (B, T, V) scores, the
        last state and the weights of each step."""
        values = enc_outputs.permute(1, 0, 2)
        outputs, all_weights = [], []
        for x in self.embedding(target).permute(1, 0, 2):
            query = hidden[-1].unsqueeze(1)
            features = torch.tanh(
                self.W_q(query).unsqueeze(2) + self.W_k(values).unsqueeze(1)
            )
            scores = self.w_v(features).squeeze(-1)
            for row, length in enumerate(lengths):
                scores[row, :, length:] = -1e6
            weights = scores.softmax(-1)
            context = torch.bmm(weights, values)
            x = torch.cat((context, x.unsqueeze(1)), dim=-1)
            out, hidden = self.rnn(x.permute(1, 0, 2), hidden)
            outputs.append(out)
            all_weights.append(weights)
        scores = self.dense(torch.cat(outputs)).permute(1, 0, 2)
        return scores, hidden, torch.cat(all_weights, 1)


def test_parity_with_a_decoder_of_torch_s_parts():
    model = tiny('additive')
    embedding, encoder = nn.Embedding(7, 5), nn.GRU(5, 6, 2)
    decoder = ReferenceDecoder(6, 5, 6, 2)
    embedding.load_state_dict(model.source_embedding.state_dict())
    for i, (layer,) in enumerate(model.encoder.layers):
        for name, weight in layer.state_dict().items():
            getattr(encoder, f'{name[:-1]}{i}').data.copy_(weight)
    for ours, theirs in (
        (model.attention.query, decoder.W_q),
        (model.attention.key, decoder.W_k),
        (model.attention.score, decoder.w_v),
        (model.target_embedding, decoder.embedding),
        (model.decoder, decoder.rnn),
        (model.output, decoder.dense),
    ):
        theirs.load_state_dict(ours.state_dict())
    source, target = torch.randint(7, (3, 9)), torch.randint(6, (3, 8))
    lengths = torch.tensor([9, 4, 7])
    with torch.no_grad():
        packed = pack_padded_sequence(
            embedding(source.T), lengths, enforce_sorted=False
        )
        outs, hidden = encoder(packed)
        outs, _ = pad_packed_sequence(outs)
        expected, last, weights = decoder(target, outs, hidden, lengths)
        memory = model.encode(source, lengths)
        state = model.begin(memory, 8)
        scores, state = model.decode(target, memory, state)
        inputs = dict(tokens=source, lengths=lengths, target=target)
        maps = model.attention_maps(inputs)
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(state['hidden'], last.transpose(0, 1))
    torch.testing.assert_close(maps['decoder to encoder 0'][:, 0], weights)


@pytest.mark.parametrize('attention', ['multiplicative', 'dot'])
def test_luong_s_step_by_hand(attention):
    """Eq. 5 to 8 for the second of two steps, in matrices."""
    model = tiny(attention, num_layers=1)
    source, target = torch.tensor([[3, 4, 5]]), torch.tensor([[BEGIN, 4]])
    with torch.no_grad():
        values = model.encoder(model.source_embedding(source))[0][0]
        hidden, _ = model.decoder(model.target_embedding(target), values[None, -1:])
        h = hidden[0, 1]
        w = (
            model.attention.key.weight
            if attention == 'multiplicative'
            else torch.eye(6)
        )
        a = torch.softmax(h @ w @ values.T, 0)
        attentional = torch.tanh(model.combine.weight @ torch.cat([a @ values, h]))
        expected = model.output.weight @ attentional + model.output.bias
        scores, _ = model.decode(target, model.encode(source))
    torch.testing.assert_close(scores[0, 1], expected, atol=1e-5, rtol=0)


def test_without_attention_a_source_is_its_code():
    """Two sources of different lengths, one code: no step sees a difference."""
    model = tiny(None)
    memory = model.encode(
        torch.tensor([[3, 4, 5, 6, 3], [5, 3, 0, 0, 0]]), torch.tensor([5, 2])
    )
    assert memory.keys() == {'hidden'}
    code = memory['hidden'][:1].expand(2, -1, -1)
    scores, _ = model.decode(torch.tensor([[BEGIN, 3]] * 2), dict(hidden=code))
    torch.testing.assert_close(scores[0], scores[1], atol=1e-5, rtol=0)
    inputs = dict(tokens=torch.tensor([[3, 4]]), target=torch.tensor([[BEGIN]]))
    assert model.attention_maps(inputs) == {}


@EACH
class TestProperties:
    def test_padding_changes_nothing(self, attention, bidirectional):
        model = tiny(attention, bidirectional=bidirectional)
        source, target = torch.randint(7, (3, 6)), torch.randint(6, (3, 4))
        lengths = torch.tensor([6, 1, 4])
        with torch.no_grad():
            together = model.decode(target, model.encode(source, lengths))[0]
            for row, length in enumerate(lengths):
                memory = model.encode(source[row : row + 1, :length])
                alone = model.decode(target[row : row + 1], memory)[0]
                torch.testing.assert_close(together[row : row + 1], alone)

    def test_a_later_token_changes_nothing_before_it(self, attention, bidirectional):
        model = tiny(attention, bidirectional=bidirectional)
        memory = model.encode(torch.randint(7, (2, 5)))
        target = torch.randint(6, (2, 6))
        scores, _ = model.decode(target, memory)
        target[:, 3] = (target[:, 3] + 1) % 6
        changed, _ = model.decode(target, memory)
        torch.testing.assert_close(changed[:, :3], scores[:, :3], rtol=0, atol=0)
        assert (changed[:, 3:] != scores[:, 3:]).any(-1).all()

    def test_step_by_step_equals_all_at_once(self, attention, bidirectional):
        """And sequences of a batch can be chosen on the way, as a search does."""
        model = tiny(attention, bidirectional=bidirectional)
        memory = model.encode(torch.randint(7, (3, 5)), torch.tensor([5, 2, 4]))
        target = torch.randint(6, (3, 5))
        expected, _ = model.decode(target, memory)
        state = model.begin(memory, 5)
        first, state = model.decode(target[:, :2], memory, state)
        torch.testing.assert_close(first, expected[:, :2])
        order = torch.tensor([2, 0, 0, 1])
        memory, state = select(memory, order), select(state, order)
        for i in range(2, 5):
            scores, state = model.decode(target[order, i : i + 1], memory, state)
            torch.testing.assert_close(scores[:, 0], expected[order, i])

    def test_attention_is_on_tokens_alone(self, attention, bidirectional):
        model = tiny(attention, bidirectional=bidirectional)
        maps = model.attention_maps(
            dict(
                tokens=torch.randint(7, (2, 5)),
                lengths=torch.tensor([5, 3]),
                target=torch.randint(6, (2, 4)),
            )
        )
        if attention is None:
            assert maps == {}
            return
        weights = maps['decoder to encoder 0']
        assert weights.shape == (2, 1, 4, 5)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 1, 4))
        assert (weights[1, ..., 3:] == 0).all()
        assert (weights[0] > 0).all()

    def test_beam_of_one_is_greedy(self, attention, bidirectional):
        model = tiny(attention, bidirectional=bidirectional)
        inputs = dict(
            tokens=torch.randint(7, (4, 5)), lengths=torch.tensor([5, 2, 4, 1])
        )
        found = search(model, inputs, BEGIN, END, max_length=7)
        for row, length in enumerate(inputs['lengths']):
            source = inputs['tokens'][row : row + 1, :length]
            memory, text = model.encode(source), [BEGIN]
            while len(text) <= 7 and text[-1] != END:
                scores, _ = model.decode(torch.tensor([text]), memory)
                text.append(scores[0, -1].argmax().item())
            assert found[row] == [t for t in text[1:] if t != END]

    def test_a_wide_beam_is_exhaustive(self, attention, bidirectional):
        """Of all texts of at most three tokens, the end among them."""
        texts = [
            (*text, end)
            for length in range(3)
            for text in itertools.product([0, 1, 3, 4, 5], repeat=length)
            for end in ([END] if length < 2 else [0, 1, 2, 3, 4, 5])
        ]
        greedy_is_worse = 0
        for seed in range(6):
            model = tiny(attention, seed, bidirectional=bidirectional)
            source = torch.randint(7, (1, 4))
            with torch.no_grad():
                memory = model.encode(source)
                totals = {}
                for length in (1, 2, 3):
                    of_length = torch.tensor([t for t in texts if len(t) == length])
                    begins = torch.full((len(of_length), 1), BEGIN)
                    target = torch.cat([begins, of_length[:, :-1]], 1)
                    rows = torch.zeros(len(of_length), dtype=torch.long)
                    scores = model.decode(target, select(memory, rows))[0]
                    chosen = scores.log_softmax(-1).gather(-1, of_length[..., None])
                    for text, total in zip(
                        of_length.tolist(), chosen.sum((1, 2)).tolist(), strict=True
                    ):
                        totals[tuple(text)] = total
            best = max(totals, key=totals.__getitem__)
            inputs, options = dict(tokens=source), dict(max_length=3)
            (found,) = search(model, inputs, BEGIN, END, beam_size=150, **options)
            assert found == [t for t in best if t != END]
            (greedy,) = search(model, inputs, BEGIN, END, **options)
            greedy_is_worse += greedy != found
        assert greedy_is_worse


def test_a_model_of_the_room_learns_and_writes():
    """It copies two letters, of 25 pairs nearly all."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='projects.EncoderDecoder',
            backbone=dict(
                type='projects.Seq2Seq',
                vocab_size=8,
                embed_dims=8,
                hidden_dims=16,
                num_layers=1,
            ),
            begin_token=BEGIN,
            end_token=END,
        )
    )
    assert isinstance(model, EncoderDecoder)
    pairs = torch.tensor([[a, b] for a in range(3, 8) for b in range(3, 8)])
    ends = torch.full((len(pairs), 1), END)
    begins = torch.full((len(pairs), 1), BEGIN)
    inputs = dict(
        tokens=torch.cat([pairs, ends], 1), target=torch.cat([begins, pairs], 1)
    )
    samples = dict(labels=torch.cat([pairs, ends], 1))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        losses = model(inputs, samples, mode='loss')
        optimizer.zero_grad()
        losses['loss'].backward()
        optimizer.step()
    model.eval()
    right = sum(
        result['tokens'] == pair
        for result, pair in zip(
            model(inputs, samples, mode='predict'), pairs.tolist(), strict=True
        )
    )
    assert right >= 23
