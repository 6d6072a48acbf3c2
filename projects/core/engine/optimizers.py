"""Several optimizers in one run, each for a part of the model."""

from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from torch import nn

from projects.core.errors import UserError, did_you_mean
from projects.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartsOptimWrapperConstructor:
    """An optimizer for each named child module of the model.

    In a config::

        optim_wrapper = dict(
            constructor='projects.PartsOptimWrapperConstructor',
            generator=dict(optimizer=dict(type='Adam', lr=0.0002)),
            discriminator=dict(optimizer=dict(type='Adam', lr=0.0002)))

    The model's ``train_step`` gets a :class:`mmengine.optim.OptimWrapperDict`
    with these names.

    Args:
        optim_wrapper_cfg: Settings of an optimizer wrapper by the name of the
            child, each as for a single optimizer, ``paramwise_cfg`` included.
        paramwise_cfg: Only None: each part has its own.

    Raises:
        UserError: If a name is not that of a child module.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg=None) -> None:
        if paramwise_cfg is not None:
            raise UserError(
                'optim_wrapper.paramwise_cfg: there are several optimizers; give '
                'each its own, as optim_wrapper.NAME.paramwise_cfg'
            )
        self.settings = {k: v for k, v in optim_wrapper_cfg.items() if k != 'type'}

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        model = getattr(model, 'module', model)
        parts = dict(model.named_children())
        for name, settings in self.settings.items():
            if name not in parts:
                raise UserError(
                    f"optim_wrapper.{name}: {type(model).__name__} has no part '{name}'"
                    + did_you_mean(name, parts)
                )
            if not isinstance(settings, dict) or 'optimizer' not in settings:
                raise UserError(f"optim_wrapper.{name} has no 'optimizer'")
        return OptimWrapperDict(
            **{
                name: build_optim_wrapper(parts[name], settings)
                for name, settings in self.settings.items()
            }
        )
