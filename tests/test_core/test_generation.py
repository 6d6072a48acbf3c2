"""Sampling and beam search, against trying everything."""

import itertools

import pytest
import torch
from toy_sequences import ToyReader, ToyTranslator

from projects.core.errors import UserError
from projects.core.tasks.language.backbones import select
from projects.core.tasks.language.generation import draw, generate, search

BEGIN, END = 2, 3
SOURCES = torch.tensor([[0, 1], [2, 4], [3, 3]])


def log_likelihood(model, memory, text, ended):
    scores, _ = model.decode(torch.tensor([[BEGIN, *text]]), memory)
    labels = [*text, END] if ended else list(text)
    log_probs = scores[0].log_softmax(-1)
    return sum(log_probs[i, label].item() for i, label in enumerate(labels))


def best_of_all(model, memory, length_penalty, max_length):
    """The best text, by its score, of all that there are."""

    def score(text):
        ended = len(text) < max_length
        length = len(text) + ended
        total = log_likelihood(model, memory, text, ended)
        return total / ((5 + length) / 6) ** length_penalty

    tokens = [t for t in range(model.vocab_size) if t != END]
    texts = (
        text
        for length in range(max_length + 1)
        for text in itertools.product(tokens, repeat=length)
    )
    return list(max(texts, key=score))


@pytest.mark.parametrize('length_penalty', [0.0, 0.6, 2.0])
@pytest.mark.parametrize('seed', range(3))
def test_a_wide_beam_finds_the_best_of_all(seed, length_penalty):
    model = ToyTranslator(5, seed=seed)
    found = search(
        model,
        dict(tokens=SOURCES),
        BEGIN,
        END,
        beam_size=4**4,
        length_penalty=length_penalty,
        max_length=4,
    )
    for i, text in enumerate(found):
        memory = select(model.encode(SOURCES), torch.tensor([i]))
        with torch.no_grad():
            assert text == best_of_all(model, memory, length_penalty, 4)


@pytest.mark.parametrize('seed', range(4))
def test_a_beam_of_one_is_greedy(seed):
    model = ToyTranslator(5, seed=seed)
    found = search(model, dict(tokens=SOURCES), BEGIN, END, max_length=8)
    for i, text in enumerate(found):
        memory = select(model.encode(SOURCES), torch.tensor([i]))
        greedy = [BEGIN]
        while len(greedy) <= 8:
            scores, _ = model.decode(torch.tensor([greedy]), memory)
            token = scores[0, -1].argmax().item()
            if token == END:
                break
            greedy.append(token)
        assert text == greedy[1:]


def test_each_source_is_searched_as_if_alone():
    model = ToyTranslator(7, seed=1)
    sources = torch.randint(0, 7, (6, 5), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([5, 1, 3, 5, 2, 4])
    options = dict(beam_size=3, length_penalty=0.6, max_length=9)
    together = search(
        model, dict(tokens=sources, lengths=lengths), BEGIN, END, **options
    )
    for source, length, text in zip(sources, lengths, together, strict=True):
        alone = dict(tokens=source[None, :length])
        assert search(model, alone, BEGIN, END, **options) == [text]


def test_a_text_ends_at_the_greatest_length():
    model = ToyTranslator(5)
    with torch.no_grad():
        model.source[:, END] = -1e4  # never
    inputs = dict(tokens=SOURCES)
    assert {len(t) for t in search(model, inputs, BEGIN, END, max_length=4)} == {4}
    assert {len(t) for t in search(model, inputs, BEGIN, END, beam_size=3)} == {52}
    model.max_length = 7  # positions
    assert {len(t) for t in search(model, inputs, BEGIN, END)} == {7}


@pytest.mark.parametrize(
    'option', [dict(beam_size=0), dict(length_penalty=-1.0), dict(max_length=0)]
)
def test_search_refuses(option):
    with pytest.raises(UserError, match=next(iter(option))):
        search(ToyTranslator(5), dict(tokens=SOURCES), BEGIN, END, **option)


class TestDraw:
    scores = torch.tensor([[0.0, 3.0, 2.0, 1.0]]).repeat(2000, 1)

    def drawn(self, **options):
        generator = torch.Generator().manual_seed(0)
        return draw(self.scores, generator=generator, **options).squeeze(1)

    def test_it_follows_the_probabilities(self):
        shares = torch.bincount(self.drawn(), minlength=4) / 2000
        expected = self.scores[0].softmax(0)  # 0.032 0.644 0.237 0.087
        assert shares == pytest.approx(expected, abs=0.035)

    def test_zero_temperature_takes_the_likeliest(self):
        assert self.drawn(temperature=0).unique().tolist() == [1]

    def test_temperature_divides_the_scores(self):
        shares = torch.bincount(self.drawn(temperature=2.0), minlength=4) / 2000
        assert shares == pytest.approx((self.scores[0] / 2).softmax(0), abs=0.035)

    @pytest.mark.parametrize(
        ('k', 'tokens'), [(1, [1]), (2, [1, 2]), (9, [0, 1, 2, 3])]
    )
    def test_top_k(self, k, tokens):
        assert self.drawn(top_k=k).unique().tolist() == tokens

    # the likeliest alone has 0.64, the two likeliest have 0.88
    @pytest.mark.parametrize(
        ('p', 'tokens'), [(0.0, [1]), (0.6, [1]), (0.7, [1, 2]), (1.0, [0, 1, 2, 3])]
    )
    def test_top_p(self, p, tokens):
        assert self.drawn(top_p=p).unique().tolist() == tokens


class TestGenerate:
    def model(self, **options):
        torch.manual_seed(3)
        return ToyReader(9, **options).eval()

    def test_greedy_tokens_are_those_of_whole_texts(self):
        model = self.model()
        (written,) = generate(model, [2, 5], 12, temperature=0)
        text = [2, 5]
        for _ in range(12):
            hidden, _ = model(torch.tensor([text]))
            text.append(model.logits(hidden[0, -1]).argmax().item())
        assert written == text[2:]

    def test_seed_repeats_and_samples_differ(self):
        def samples(seed):
            generator = torch.Generator().manual_seed(seed)
            return generate(self.model(), [2], 20, 3, generator=generator)

        assert samples(0) == samples(0) != samples(1)
        assert len(set(map(tuple, samples(0)))) == 3

    def test_a_sample_ends_by_itself(self):
        model = self.model()
        generator = torch.Generator().manual_seed(0)
        free = generate(model, [2], 40, 8, generator=generator)
        generator = torch.Generator().manual_seed(0)
        ended = generate(model, [2], 40, 8, end=4, generator=generator)
        assert all(4 not in text for text in ended)
        assert {len(text) for text in free} == {40}
        # until the first one ends, the same numbers are drawn
        shortest = min(map(len, ended))
        assert [t[:shortest] for t in ended] == [t[:shortest] for t in free]

    def test_it_goes_on_where_positions_are_used_up(self):
        model = self.model(max_length=6)
        (written,) = generate(model, [1, 2, 3], 10, temperature=0)
        assert len(written) == 10
        # six tokens fit; the seventh is written after the last three
        seen = [1, 2, 3, *written[:4]][-3:]
        hidden, _ = model(torch.tensor([seen]))
        assert written[4] == model.logits(hidden[0, -1]).argmax().item()
        (written,) = generate(model, list(range(8)), 1, temperature=0)
        hidden, _ = model(torch.tensor([[2, 3, 4, 5, 6, 7]]))
        assert written == [model.logits(hidden[0, -1]).argmax().item()]

    def test_nothing_is_written(self):
        assert generate(self.model(), [1], 0, num_samples=2) == [[], []]

    def test_refused(self):
        with pytest.raises(ValueError, match='an empty prompt'):
            generate(self.model(), [], 1)
        with pytest.raises(UserError, match='temperature: a number of at least 0'):
            generate(self.model(), [1], 1, temperature=-1)
        with pytest.raises(UserError, match='top_p: a number from 0 to 1'):
            generate(self.model(), [1], 1, top_p=1.5)
