"""Python API of ``tools/model_converters/reparameterize.py``."""

from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from projects.core.config import explained, find_config_or_model, load_config
from projects.core.config.saved import (
    JSON_KEY,
    config_to_json,
    registered_types_only,
    saved_config,
)
from projects.core.errors import UserError
from projects.core.files import check_outputs
from projects.core.quiet import hushed, quiet_libraries
from projects.core.values import PATH, TEXT, checked, optional
from projects.core.weights import load_weights, read_checkpoint, write_checkpoint
from projects.registry import MODELS
from projects.repvgg.repvgg import RepVGG, RepVGGBlock

TARGET = 'the argument target'
# greatest change of a map, as a share of its largest value
TOLERANCE = 1e-4
OPTION = 'model.backbone.deploy=True'


@checked(source=PATH, target=PATH, config=optional(TEXT))
def reparameterize(source: str, target: str, config: str | None = None) -> float:
    """Turn a checkpoint of a trained RepVGG into one of the deployed form.

    The file that is written holds the weights, and what the source said of its
    training but optimiser and schedules; its config builds the deployed form. Of a
    checkpoint with averaged weights it is the averages, which are also what is
    evaluated.

    Args:
        source: Checkpoint with the training form of a classifier or a detector.
        target: File to write; one that this function wrote is replaced.
        config: Config file or variant, for a source that holds no config, such as
            the authors' or timm's.

    Returns:
        The greatest change of a map on random images, as a share of the largest
        value.

    Raises:
        UserError: If a file is missing, not to be replaced, of another model or in
            the deployed form already, or the maps change.
    """
    quiet_libraries()
    check_outputs([target], TARGET)
    checkpoint = read_checkpoint(source)
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    if config is not None:
        cfg = load_config(find_config_or_model(config))
    elif JSON_KEY in meta or 'cfg' in meta:
        cfg = saved_config(meta, source)
    else:
        raise UserError(
            f'{source} holds no config; say which model it is of, with --config and a '
            'config file or a variant such as repvgg_a0'
        )
    if 'model' not in cfg:
        raise UserError(f'{config} holds no model')
    model = _build(cfg, trusted=config is not None)
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, RepVGG):
        kind = type(backbone if backbone is not None else model)
        raise UserError(
            f'{config or source} has a '
            f'{kind.__module__.partition(".")[0]}.{kind.__name__}; only a '
            'projects.RepVGG can be re-parameterised'
        )
    if backbone.deploy or any('.reparam_conv.' in k for k in checkpoint['state_dict']):
        raise UserError(f'{source} is re-parameterised already')
    load_weights(model, checkpoint['state_dict'], source)

    model.eval()
    before, num_before = _maps(backbone), _num_params(model)
    try:
        backbone.switch_to_deploy()
    except ValueError as error:
        raise UserError(f'{source}: {error}') from error
    num_blocks = sum(isinstance(m, RepVGGBlock) for m in backbone.modules())
    difference, change = _greatest_change(before, _maps(backbone))
    if not change <= TOLERANCE:  # also nan
        raise UserError(
            f'{source}: the maps change by {change:.1e} of their largest value, above '
            f'{TOLERANCE:.0e}; {target} is not written'
        )

    cfg.model.backbone.deploy = True
    kept = {k: v for k, v in meta.items() if k not in ('cfg', 'config')}
    write_checkpoint(
        target,
        dict(
            meta={**kept, JSON_KEY: config_to_json(cfg)},
            state_dict=model.state_dict(),
        ),
        TARGET,
    )
    print_log(
        f'{num_blocks} blocks, each fused into one 3x3 convolution; parameters '
        f'{num_before:,} -> {_num_params(model):,}\n'
        f'largest difference of the maps on random images: {difference:.1e}, '
        f'{change:.1e} of the largest value\n'
        f'written to {target}; to evaluate it:\n'
        f'  python tools/test.py {_run_config(source, config)} {target} '
        f'--cfg-options {OPTION}',
        'current',
    )
    return change


def _build(cfg: Config, trusted: bool) -> nn.Module:
    """The config's model; of a config that came in a file registered parts alone."""
    with (
        hushed(),
        explained(cfg),
        nullcontext() if trusted else registered_types_only(),
        DefaultScope.overwrite_default_scope(cfg.get('default_scope')),
    ):
        return MODELS.build(cfg.model)


@torch.no_grad()
def _maps(backbone: RepVGG) -> tuple[Tensor, ...]:
    """Of two random images with odd sides."""
    weight = next(backbone.parameters())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, weight.shape[1], 97, 129, generator=generator)
    return backbone(images.to(weight))


def _greatest_change(
    before: tuple[Tensor, ...], after: tuple[Tensor, ...]
) -> list[float]:
    """Of a map, and as a share of its largest value; nan where one is."""
    changes = []
    for x, y in zip(before, after, strict=True):
        change, largest = (x - y).abs().max(), x.abs().max()
        changes.append(torch.stack((change, change / largest.clamp(min=1e-30))))
    return torch.stack(changes).amax(0).tolist()


def _num_params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _run_config(source: str, config: str | None) -> str:
    """The file that was given, or that a run left beside its checkpoints; else a
    word for it."""
    if config is not None and config.endswith('.py'):
        return config
    files = list(Path(source).parent.glob('*.py'))
    return str(files[0]) if len(files) == 1 else 'CONFIG'
