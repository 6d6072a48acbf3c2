"""What a validation says of a model of sequences.

The predictions are those of :mod:`projects.core.tasks.language.models`.
"""

import math
from collections.abc import Sequence
from functools import cached_property

from projects.core.errors import UserError
from projects.core.reports.blocks import Block, Section
from projects.core.tasks.language.sections import (
    SCORED,
    bleu_table,
    line_blocks,
    sequence_table,
)
from projects.core.tasks.language.token_statistics import TokenMetric
from projects.core.tasks.language.tokenizers import Tokenizer
from projects.registry import METRICS


def total(results: Sequence[dict], name: str) -> float:
    """The sum of a value over all sequences, exact in any order."""
    return math.fsum(result[name] for result in results)


def perplexity(results: Sequence[dict]) -> float:
    """exp of the mean negative log-likelihood of a token, infinite beyond floats."""
    num_tokens = total(results, 'num_tokens')
    mean = total(results, 'nll') / num_tokens if num_tokens else math.nan
    try:
        return math.exp(mean)
    except OverflowError:
        return math.inf


def share(part: float, whole: float) -> float:
    """In %; NaN of nothing."""
    return 100 * part / whole if whole else math.nan


class SumMetric(TokenMetric):
    """Keeps of each prediction what ``names`` says, if it has it."""

    names: tuple[str, ...]
    _of_sequences: Sequence[Block] = ()

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        super().process(data_batch, data_samples)
        self.results += [
            {name: sample[name] for name in self.names if name in sample}
            for sample in data_samples
        ]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self._of_sequences = sequence_table(results)
        return {}

    def sections(self, dataset) -> list[Section]:
        blocks = [*self.token_blocks(dataset), *self._of_sequences]
        return [Section('Tokens', blocks)] if blocks else []


@METRICS.register_module()
class LanguageMetric(SumMetric):
    """How well each token is predicted from those before it.

    ==================  =====================================================
    ``perplexity``      exp of the mean negative log-likelihood of a token
    ``bits_per_byte``   the bits that the tokens take, by the bytes of their
                        text: comparable over tokenizers. Where the data set
                        counts bytes (``num_bytes``)
    ``accuracy``        tokens that get the highest score, in %
    ==================  =====================================================

    They are of all tokens together, so that neither batches nor the cut into
    windows weigh.

    Args:
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.
    """

    default_prefix = 'language'
    names = ('nll', 'num_tokens', 'num_right', 'num_bytes', 'text')

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        metrics = super().compute_metrics(results)
        metrics |= dict(perplexity=perplexity(results))
        if results and 'num_bytes' in results[0]:
            bits = total(results, 'nll') / math.log(2)
            num_bytes = total(results, 'num_bytes')
            metrics['bits_per_byte'] = bits / num_bytes if num_bytes else math.nan
        metrics['accuracy'] = share(
            total(results, 'num_right'), total(results, 'num_tokens')
        )
        return metrics


@METRICS.register_module()
class MaskedTokenMetric(SumMetric):
    """How well masked tokens are filled in, and pairs of texts are judged.

    ======================  =================================================
    ``accuracy``            masked tokens that get the highest score, in %
    ``perplexity``          of the masked tokens
    ``next_sentence_acc``   pairs that are judged rightly, in %; where the
                            predictions have ``nsp_right``
    ======================  =================================================

    Args:
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.
    """

    default_prefix = 'masked'
    names = ('nll', 'num_tokens', 'num_right', 'nsp_right', 'text')

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        metrics = super().compute_metrics(results)
        metrics |= dict(
            accuracy=share(total(results, 'num_right'), total(results, 'num_tokens'))
        )
        if results and 'nll' in results[0]:
            metrics['perplexity'] = perplexity(results)
        if results and 'nsp_right' in results[0]:
            right = total(results, 'nsp_right')
            metrics['next_sentence_acc'] = share(right, len(results))
        return metrics


@METRICS.register_module()
class TranslationMetric(TokenMetric):
    """What a model writes by itself against the reference.

    ================  =======================================================
    ``exact_match``   lines that are the reference to the letter, in %
    ``bleu``          BLEU of the corpus (Papineni et al., ACL 2002) as
                      sacrebleu computes it (Post, WMT 2018), from 0 to 100
    ``chrf``          chrF2 of the corpus (Popović, WMT 2015) by sacrebleu, from 0
                      to 100: of characters, so that it needs no words
    ``perplexity``    of the reference's tokens, each after the true ones
    ================  =======================================================

    Args:
        tokenize: sacrebleu's tokenizer of BLEU: '13a' as WMT's, 'char' for
            languages without spaces.
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        UserError: If there is no such tokenizer, or the data set has none for the
            tokens that were written.
    """

    default_prefix = 'translation'

    def __init__(self, tokenize: str = '13a', **kwargs) -> None:
        from sacrebleu.metrics import BLEU

        if tokenize not in BLEU.TOKENIZERS:
            raise UserError(
                f'TranslationMetric.tokenize: {tokenize!r} is none of '
                f'{", ".join(BLEU.TOKENIZERS)}'
            )
        super().__init__(**kwargs)
        self.tokenize = tokenize
        self._lines: list[dict] = []

    @cached_property
    def tokenizer(self) -> Tokenizer:
        text = (self.dataset_meta or {}).get('tokenizer')
        if text is None:
            raise UserError(
                'TranslationMetric: the metainfo of the data set has no tokenizer'
            )
        return Tokenizer(text, 'the tokenizer of the data set')

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        super().process(data_batch, data_samples)
        self.results += [
            dict(
                written=self.tokenizer.decode(sample['tokens']),
                **{
                    name: sample[name]
                    for name in ('source', 'reference', 'nll', 'num_tokens')
                    if name in sample
                },
            )
            for sample in data_samples
        ]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        from sacrebleu.metrics import BLEU, CHRF

        written, references = (
            [result[name] for result in results] for name in ('written', 'reference')
        )
        right = sum(map(str.__eq__, written, references))
        # force: dates are tokens with a blank before the full stop
        bleu = BLEU(tokenize=self.tokenize, force=True)
        self._bleu = bleu.corpus_score(written, [references])
        self._lines = results[:SCORED]
        self._scores = dict(
            exact_match=share(right, len(results)),
            bleu=self._bleu.score,
            chrf=CHRF().corpus_score(written, [references]).score,
            perplexity=perplexity(results),
        )
        return self._scores

    def sections(self, dataset) -> list[Section]:
        if not self._lines:
            return []
        scores = (self._scores[name] for name in ('chrf', 'exact_match'))
        blocks = [bleu_table(self._bleu, *scores), *line_blocks(self._lines)]
        return [
            Section('What it writes', blocks),
            Section(
                'Tokens',
                self.token_blocks(dataset),
                'Of the reference, each predicted after the true ones before it.',
            ),
        ]
