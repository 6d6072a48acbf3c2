"""The losses of a classifier's validation, see
:mod:`projects.core.tasks.validation_losses`."""

from projects.core.tasks.validation_losses import ValidationLosses


def losses_of_classifier(model) -> ValidationLosses | None:
    """Those of mmpretrain's classifiers, ours and those that wrap another library.

    What the head returns is kept, or what its ``kept_calls`` name: methods of a head
    whose ``loss`` does not go by its ``forward``. A label is smoothed, or becomes
    one-hot, as in training; images are not mixed. Of a head with auxiliary
    classifiers, which it has in training alone, the main one counts.

    Args:
        model: A classifier.

    Returns:
        None for one of another kind than those.
    """
    if not hasattr(model, 'loss'):
        return None
    if hasattr(model, 'extract_feat') and getattr(model, 'head', None) is not None:
        names = getattr(model.head, 'kept_calls', ('forward',))
        calls = [(model, 'extract_feat'), *((model.head, name) for name in names)]
    elif hasattr(model, 'model'):  # TimmClassifier, HuggingFaceClassifier
        calls = [(model.model, 'forward')]
    else:
        return None
    return ValidationLosses(model, calls, _labelled)


def _labelled(samples: list) -> tuple[list, int]:
    if not all('gt_label' in s or 'gt_score' in s for s in samples):
        return [], 0
    return samples, len(samples)
