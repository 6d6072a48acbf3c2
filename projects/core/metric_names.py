"""What the name of a metric says of it."""

import re

# Of names: words that may be a part of a longer one, as in FrechetInceptionDistance
LESS_PARTS = ('distance', 'divergence', 'entropy', 'error', 'frechet', 'loss')
LESS_PARTS += ('perplexity', 'wasserstein')
GREATER_PARTS = ('acc', 'auc', 'bleu', 'dice', 'inception', 'iou', 'precision')
GREATER_PARTS += ('recall', 'rouge')
# and those that count as a whole word only
LESS_WORDS = {'bits', 'bpb', 'bpc', 'bpd', 'cer', 'ece', 'eer', 'epe', 'err', 'fid'}
LESS_WORDS |= {'js', 'kid', 'kl', 'lpips', 'mae', 'mape', 'mse', 'nll', 'ppl', 'rmse'}
LESS_WORDS |= {'wer'}
GREATER_WORDS = {'ap', 'ar', 'map', 'psnr', 'ssim', 'top', 'f', 'r'}  # F1, R2
GREATER_WORDS |= {'coverage', 'density', 'good', 'kept', 'match', 'modes'}


def rule_of(metric: str) -> str | None:
    """Which values of a metric are better, by its name.

    Args:
        metric: As 'accuracy/top1'; the last part counts first.

    Returns:
        'greater', 'less' or, where the name does not say, None.
    """
    for name in (metric.rpartition('/')[2], metric):
        words = re.findall('[a-z]+', name.lower())
        # first: a top-1 error is an error
        for rule, parts, wholes in (
            ('less', LESS_PARTS, LESS_WORDS),
            ('greater', GREATER_PARTS, GREATER_WORDS),
        ):
            if any(w in wholes or any(p in w for p in parts) for w in words):
                return rule
    return None
