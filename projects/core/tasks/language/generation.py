"""Writing: sampling from a language model, search with an encoder-decoder.

Legend: B sequences, K beams, V tokens of the vocabulary.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from projects.core.tasks.language.backbones import (
    EncoderDecoderBackbone,
    SequenceBackbone,
    select,
)
from projects.core.values import checked, number, optional, whole

# tokens that a translation may be longer than its source, as in Vaswani et al.,
# "Attention Is All You Need", NIPS 2017, Sec. 6.1
LONGER = 50


@checked(
    max_new_tokens=whole(0),
    num_samples=whole(1),
    temperature=number(0),
    top_k=optional(whole(1)),
    top_p=optional(number(0, 1)),
)
@torch.no_grad()
def generate(
    backbone: SequenceBackbone,
    prompt: Sequence[int],
    max_new_tokens: int,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    end: int | None = None,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Continue a text, token by token.

    Where the positions of the architecture are used up, the text goes on with the
    latter half of them as its beginning.

    Args:
        backbone: In eval mode.
        prompt: Its first tokens, one at least.
        max_new_tokens: Most tokens that are added.
        num_samples: Continuations of the same prompt.
        temperature: The scores are divided by it: below 1 the likely tokens become
            likelier; 0 takes the likeliest each time.
        top_k: Only so many of the likeliest tokens are drawn from.
        top_p: Only the likeliest are, that together have this probability (Holtzman
            et al., "The Curious Case of Neural Text Degeneration", ICLR 2020).
        end: Token after which a continuation ends; it is left out.
        generator: Where random numbers are drawn from.

    Returns:
        The new tokens of each sample.

    Raises:
        UserError: If an option is out of its range.
        ValueError: If the prompt is empty.
    """
    if not len(prompt):
        raise ValueError('an empty prompt; begin with a beginning token')
    device = next(backbone.parameters()).device
    limit = backbone.max_length
    seen = torch.tensor([list(prompt)] * num_samples, device=device)
    room = len(prompt) + max_new_tokens if limit is None else limit
    if limit is not None:
        seen = seen[:, -limit:]
    state = None
    written: list[list[int]] = [[] for _ in range(num_samples)]
    running = torch.arange(num_samples, device=device)
    tokens = seen
    for _ in range(max_new_tokens):
        if state is None:
            state = backbone.begin(len(tokens), room)
        hidden, state = backbone(tokens, state=state)
        scores = backbone.logits(hidden[:, -1]).float()
        tokens = draw(scores, temperature, top_k, top_p, generator)
        rows = tokens.squeeze(1).tolist()
        for place, token in zip(running.tolist(), rows, strict=True):
            if token != end:
                written[place].append(token)
        if end is not None and end in rows:
            kept = torch.tensor(
                [i for i, token in enumerate(rows) if token != end], device=device
            ).long()
            if not len(kept):
                break
            running, tokens, seen = running[kept], tokens[kept], seen[kept]
            state = select(state, kept)
        seen = torch.cat([seen, tokens], 1)
        if limit is not None and seen.shape[1] > limit:
            seen = seen[:, -max(1, limit // 2) :]
            tokens, state = seen, None
    return written


def draw(
    scores: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """(B, 1) tokens from (B, V) scores; see :func:`generate`."""
    if temperature == 0:
        return scores.argmax(-1, keepdim=True)
    scores = scores / temperature
    if top_k is not None and top_k < scores.shape[-1]:
        least = scores.topk(top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, float('-inf'))
    probabilities = scores.softmax(-1)
    if top_p is not None:
        ordered, order = probabilities.sort(-1, descending=True)
        # the one that passes the limit stays: one is there always
        outside = ordered.cumsum(-1) - ordered > top_p
        dropped = torch.zeros_like(outside).scatter(-1, order, outside)
        probabilities = probabilities.masked_fill(dropped, 0.0)
    return torch.multinomial(probabilities, 1, generator=generator)


@checked(beam_size=whole(1), length_penalty=number(0), max_length=optional(whole(1)))
@torch.no_grad()
def search(
    backbone: EncoderDecoderBackbone,
    inputs: dict,
    begin: int,
    end: int,
    beam_size: int = 1,
    length_penalty: float = 0.0,
    max_length: int | None = None,
) -> list[list[int]]:
    """Write the target of each source: the likeliest that a beam search finds.

    A beam of 1 is greedy search. A text of n tokens, its end included, has the
    score of its log-likelihood divided by ((5 + n) / 6) ** length_penalty (Wu et
    al., "Google's Neural Machine Translation System", 2016, Eq. 14). The search of
    a source stops when K texts have ended, or none could be better.

    Args:
        backbone: In eval mode.
        inputs: ``tokens`` (B, S) and, where padded, ``lengths`` (B,).
        begin: Token that a target begins with.
        end: Token that ends it.
        beam_size: K, texts that are followed together.
        length_penalty: 0 for none; the greater, the longer the texts.
        max_length: Most tokens, the end included; by default 50 more than the
            source has.

    Returns:
        Tokens of each target, without beginning and end.
    """
    source, lengths = inputs['tokens'], inputs.get('lengths')
    memory = backbone.encode(source, lengths)
    if max_length is None:
        max_length = source.shape[1] + LONGER
    if backbone.max_length is not None:
        max_length = min(max_length, backbone.max_length)
    num_sources, device = len(source), source.device
    # a source's beams are rows one after the other; it has one at first
    state = backbone.begin(memory, max_length)
    tokens = torch.full((num_sources, 1), begin, device=device)
    beams = [[(0.0, [])] for _ in range(num_sources)]  # log-likelihood, tokens
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(num_sources)]
    running = list(range(num_sources))

    def score(total: float, length: int) -> float:
        return total / ((5 + length) / 6) ** length_penalty

    for length in range(1, max_length + 1):
        scores, state = backbone.decode(tokens, memory, state)
        scores = scores[:, -1].float().log_softmax(-1)
        # of a beam no more than 2K candidates can be among the best of its source
        best = scores.topk(min(2 * beam_size, scores.shape[-1]))
        best_scores, best_tokens = best.values.tolist(), best.indices.tolist()
        rows: list[int] = []
        first, still_running = 0, []
        for i in running:
            candidates = sorted(
                (
                    (total + gain, first + j, token)
                    for j, (total, _) in enumerate(beams[i])
                    for gain, token in zip(
                        best_scores[first + j], best_tokens[first + j], strict=True
                    )
                ),
                key=lambda candidate: -candidate[0],
            )
            followed, new_rows = [], []
            for rank, (total, row, token) in enumerate(candidates):
                text = beams[i][row - first][1]
                if token != end:
                    followed.append((total, [*text, token]))
                    new_rows.append(row)
                elif rank < beam_size:
                    ended[i].append((score(total, length), text))
                if len(followed) == beam_size:
                    break
            first += len(beams[i])
            if length == max_length:
                ended[i] += [(score(total, length), text) for total, text in followed]
            elif len(ended[i]) < beam_size and followed:
                # log-likelihoods only fall, by no more tokens than there is room
                could_be = score(followed[0][0], max_length)
                if not ended[i] or could_be > max(ended[i])[0]:
                    beams[i] = followed
                    rows += new_rows
                    still_running.append(i)
        running = still_running
        if not running:
            break
        chosen = torch.tensor(rows, device=device)
        if rows != list(range(len(tokens))):  # else nothing ended or changed places
            state, memory = select(state, chosen), select(memory, chosen)
        tokens = torch.tensor(
            [[text[-1]] for i in running for _, text in beams[i]], device=device
        )
    return [max(texts, key=lambda text: text[0])[1] for texts in ended]
