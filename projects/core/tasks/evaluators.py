"""The metrics of a test, in its config."""


def evaluator_of(cfg, *names: str) -> dict | None:
    """The first of the test's metrics that is of one of these types."""
    evaluators = cfg.test_evaluator
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if evaluator.type.rpartition('.')[2] in names:
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
