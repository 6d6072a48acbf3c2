"""A test in which several views of each datum are merged."""

from mmengine.hooks import Hook

from projects.core.config.walk import test_pipeline_entry
from projects.core.tasks.task import Views
from projects.registry import HOOKS, MODELS


@HOOKS.register_module()
class ViewsHook(Hook):
    """Wraps the model for a test in what merges its predictions.

    It is unwrapped before others report: after a test they find it as it was.

    Args:
        model: Config of an ``mmengine.model.BaseTTAModel`` without its ``module``.
    """

    def __init__(self, model: dict) -> None:
        self.model = model

    def before_test(self, runner) -> None:
        runner.model = MODELS.build({**self.model, 'module': runner.model})

    def after_test_epoch(self, runner, metrics=None) -> None:
        runner.model = runner.model.module


def use_views(cfg, views: Views) -> None:
    """Let a test see all views, and merge them."""
    entry = test_pipeline_entry(cfg)
    entry.parent[entry.key] = views.pipeline
    cfg.custom_hooks = [
        *(cfg.get('custom_hooks') or []),
        dict(type='projects.ViewsHook', model=views.model),
    ]
