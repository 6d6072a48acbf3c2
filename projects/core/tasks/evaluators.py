"""The metrics of a test, in its config."""

from projects.core.config.walk import type_name


def evaluator_of(cfg, *names: str, key: str = 'test_evaluator') -> dict | None:
    """The first of the metrics of a test, or a validation by its ``key``, that is of
    one of these types."""
    evaluators = cfg.get(key) or []
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if type_name(evaluator) in names:
            return evaluator
    return None


def add_evaluators(cfg, *evaluators: dict, key: str = 'test_evaluator') -> None:
    """Let a test, or a validation by its ``key``, compute more metrics than its
    config says."""
    stated = cfg[key]
    cfg[key] = [
        *([stated] if isinstance(stated, dict) else stated),
        *evaluators,
    ]
