"""Which tokens are masked, and how (Devlin et al., "BERT", NAACL 2019, Sec. 3.1).

Legend: T tokens.
"""

import unicodedata
from dataclasses import dataclass

import numpy as np

from projects.core.errors import UserError
from projects.core.tasks.language.backbones import IGNORE
from projects.core.tasks.language.tokenizers import Tokenizer
from projects.core.values import above, number

# of the tokens that are chosen; the others keep what they are
MASKED, RANDOM = 0.8, 0.1


def words_of(
    tokenizer: Tokenizer, text: str, whole_words: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of a text, and what is masked together.

    Args:
        tokenizer: How the text is divided.
        text: Any.
        whole_words: Whether all tokens of a word go together. A word is a run of
            letters, the marks on them, and digits; every other character is one by
            itself, and white space none.

    Returns:
        tuple: (T,) tokens, and (T,) the number of the word that each is of, -1 of
        those that are not masked.
    """
    tokens, places = tokenizer.encode_with_places(text)
    if not whole_words:
        words = np.arange(len(tokens))
    else:
        words, num, end, was_letter = np.full(len(tokens), -1), -1, 0, False
        for i, (first, last) in enumerate(places):
            is_letter = unicodedata.category(text[first])[0] in 'LMN'
            if not (first == end and is_letter and was_letter):
                num += 1
            if not text[first:last].isspace():
                words[i] = num
            end, was_letter = last, is_letter
    words[np.isin(tokens, [*tokenizer.special])] = -1
    return np.array(tokens, np.int64), words


@dataclass(frozen=True)
class Masking:
    """Chooses tokens of which the model is to say what they were.

    Of those chosen 80 % become the token ``[MASK]``, 10 % another token, and 10 %
    stay, so that the model cannot tell which of the tokens it sees are true.

    Args:
        probability: Share of the words, or tokens, that are chosen.
        whole_words: Whether all tokens of a word are chosen together, so that no
            part of it gives the rest away: the authors' later models,
            https://github.com/google-research/bert, "Whole Word Masking", 2019.

    Raises:
        UserError: If the share is none above 0, at most 1.
    """

    probability: float = 0.15
    whole_words: bool = False

    def __post_init__(self) -> None:
        for rule in (above(0), number(0, 1)):
            if refusal := rule.refusal(self.probability):
                raise UserError(f'masking.probability: {refusal}')

    def __call__(
        self,
        tokens: np.ndarray,
        words: np.ndarray,
        tokenizer: Tokenizer,
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mask some words of a sequence; one at least, where there is one.

        Args:
            tokens: (T,).
            words: (T,), see :func:`words_of`.
            tokenizer: Theirs.
            random: Where random numbers are drawn from.

        Returns:
            tuple: (T,) tokens and (T,) labels, which are ``IGNORE`` where nothing
            was chosen.
        """
        chosen = random.random(words.max() + 2) < self.probability
        places = np.flatnonzero(chosen[words] & (words >= 0))
        if not len(places) and (words >= 0).any():
            word = random.choice(words[words >= 0])
            places = np.flatnonzero(words == word)
        tokens, labels = tokens.copy(), np.full_like(tokens, IGNORE)
        labels[places] = tokens[places]
        fate = random.random(len(places))
        tokens[places[fate < MASKED]] = tokenizer.mask
        others = places[(fate >= MASKED) & (fate < MASKED + RANDOM)]
        tokens[others] = random.integers(len(tokenizer), size=len(others))
        return tokens, labels
