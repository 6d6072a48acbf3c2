"""Constructors of optimizers: one for each part, rates that fall with the depth."""

import copy
from collections import defaultdict

from mmengine.logging import MMLogger
from mmengine.optim import (
    DefaultOptimWrapperConstructor,
    OptimWrapper,
    OptimWrapperDict,
    build_optim_wrapper,
)
from torch import nn

from projects.core.config import optim_wrappers_of
from projects.core.errors import UserError, did_you_mean
from projects.registry import OPTIM_WRAPPER_CONSTRUCTORS


def wrappers_of(optim_wrapper) -> dict[str, OptimWrapper]:
    """Optimizer wrappers by name; that of a single one is ''."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        return dict(optim_wrapper.items())
    return {'': optim_wrapper}


def in_full_precision(optim_wrapper: dict) -> dict:
    """Settings of an ``optim_wrapper`` without its mixed precision."""
    optim_wrapper = copy.deepcopy(optim_wrapper)
    for wrapper in optim_wrappers_of(dict(optim_wrapper=optim_wrapper)).values():
        if wrapper.get('type') == 'AmpOptimWrapper':
            for key in ('loss_scale', 'dtype', 'use_fsdp'):
                wrapper.pop(key, None)
        wrapper['type'] = 'OptimWrapper'
    return optim_wrapper


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


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Learning rates that fall layer by layer, from the head to the image.

    Fine-tuning changes the last layers most: the first see edges and colours,
    which are those of any images (Clark et al., "ELECTRA", ICLR 2020, Appendix A;
    Bao et al., "BEiT", ICLR 2022). With L groups of layers the rate of group l is

        lr * layer_decay_rate ** (L - l),    l = 0 for the layers at the image

    and that of the head, and of what the backbone has above its groups, is lr
    itself. In a config::

        optim_wrapper = dict(
            constructor='projects.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.8, flat_decay_mult=0),
            optimizer=dict(type='AdamW', lr=0.00005, weight_decay=1e-8))

    The groups are those of :meth:`projects.core.layers.Backbone.layer_groups`,
    whatever the task; each is logged with its rate.

    Args:
        optim_wrapper_cfg: Of the optimizer wrapper, as for mmengine's default
            constructor.
        paramwise_cfg: As for mmengine's, whose other keys keep their meaning;
            ``layer_decay_rate`` is ours, 0 < rate <= 1.

    Raises:
        UserError: If there is no such rate, or the model's backbone has no groups.
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None
    ) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        rate = self.paramwise_cfg.get('layer_decay_rate')
        if not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise UserError(
                f'optim_wrapper.paramwise_cfg.layer_decay_rate: {rate} is not a '
                'number above 0, 1 at most'
            )

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs
    ) -> None:
        super().add_params(params, module, prefix, **kwargs)
        if prefix:  # a part of the model, which the line above comes to
            return
        group_of, num_groups = self._layer_groups(module)
        names = {parameter: name for name, parameter in module.named_parameters()}
        by_settings = defaultdict(list)
        by_group = defaultdict(list)
        for settings in params:
            (parameter,) = settings.pop('params')
            group = group_of.get(parameter, num_groups)
            factor = self.paramwise_cfg['layer_decay_rate'] ** (num_groups - group)
            settings['lr'] = settings.get('lr', self.base_lr) * factor
            # as few groups as there are settings: the optimizer takes each at once
            by_settings[(group, *sorted(settings.items()))].append(parameter)
            by_group[group].append((names[parameter], parameter, settings['lr']))
        # the head first: the log shows the rate of the first
        params[:] = [
            {**dict(settings), 'params': by_settings[(group, *settings)]}
            for group, *settings in sorted(by_settings, reverse=True)
        ]
        MMLogger.get_current_instance().info(_table(by_group))

    @staticmethod
    def _layer_groups(model: nn.Module) -> tuple[dict[nn.Parameter, int], int]:
        """The group of each parameter that is in one, and how many there are."""
        backbone = getattr(model, 'backbone', None)
        if not hasattr(backbone, 'layer_groups'):
            owner = model if backbone is None else backbone
            raise UserError(
                f'optim_wrapper.constructor: {type(owner).__name__} has no groups of '
                'layers; the backbones of this project have them'
            )
        groups = backbone.layer_groups()
        return {
            parameter: i
            for i, group in enumerate(groups)
            for part in group
            for parameter in (
                [part] if isinstance(part, nn.Parameter) else part.parameters()
            )
        }, len(groups)


def _table(by_group: dict[int, list[tuple[str, nn.Parameter, float]]]) -> str:
    lines = ['Learning rates by layer:', '  group      rate   parameters  from, to']
    for group, members in sorted(by_group.items()):
        rates = sorted({rate for _, _, rate in members})
        total = sum(parameter.numel() for _, parameter, _ in members)
        lines.append(
            f'  {group:5d}  {rates[-1]:8.3g}  {total:11,d}  '
            f'{members[0][0]}, {members[-1][0]}'
        )
    return '\n'.join(lines)
