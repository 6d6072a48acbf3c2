"""Pictures of what goes on inside a model, given an image."""

import os.path as osp
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.config import explained, load_config, test_pipeline_of
from projects.core.config.saved import registered_types_only
from projects.core.devices import find_device
from projects.core.engine.inference import check_finite, load_model
from projects.core.errors import UserError, did_you_mean
from projects.core.files import check_outputs, output_file
from projects.core.insight.views import ViewOptions, views_of
from projects.core.quiet import hushed, quiet_libraries
from projects.core.tasks.drawing import in_one_line
from projects.core.tasks.subject import Drawn, NotServed
from projects.core.tasks.task import LookOptions, task_of
from projects.core.values import (
    PATH,
    TEXT,
    checked,
    either,
    optional,
    several,
    whole,
)
from projects.core.weights import load_weights, read_weights
from projects.registry import DATASETS, MODELS


@checked(
    checkpoint=PATH,
    image=PATH,
    what=optional(several(TEXT)),
    out_dir=PATH,
    method=optional(TEXT),
    layer=optional(TEXT),
    class_=optional(either(TEXT, whole(0))),
    detection=optional(whole(0)),
    block=whole(),
    config=optional(PATH),
    device=optional(TEXT),
)
def look_inside(
    checkpoint: str,
    image: str,
    what: str | Sequence[str] | None = None,
    out_dir: str = 'look',
    method: str | None = None,
    layer: str | None = None,
    class_: str | int | None = None,
    detection: int | None = None,
    block: int = -1,
    config: str | None = None,
    device: str | None = None,
) -> list[str]:
    """Draw what goes on inside a model that is given an image.

    Args:
        checkpoint: File of ``tools/train.py``; with ``config`` any weights, see
            :func:`projects.core.weights.read_weights`.
        image: Image file; the config's test pipeline prepares it.
        what: Views, see :data:`projects.core.insight.views.GENERAL`, and those of the
            model's parts; None for all that the model can serve.
        out_dir: Folder to write to; ``<image>_<view>.png`` each.
        method: Of the heat map, a key of
            :data:`projects.core.insight.heat_maps.METHODS`; None for Grad-CAM, of
            a detection HiResCAM.
        layer: Dotted name of the module whose map the heat map explains; None for the
            last map of the backbone that has 4 rows and columns or more.
        class_: Name or number of the class that the heat map explains; None for the
            likeliest.
        detection: Number of the detection that it explains, from 0, the surest.
        block: Whose attention is drawn, from 0; -1 is the last.
        config: Run config of weights that hold none.
        device: 'cpu', 'cuda', ...; a GPU where there is one by default.

    Returns:
        The files.

    Raises:
        UserError: If a file is missing or unreadable, the model takes no images, a view
            that was named cannot be drawn, or an option makes no sense.
    """
    quiet_libraries()
    from projects.core.insight.heat_maps import check_method

    check_method(method)
    device = find_device(device)
    if config is None:
        model, cfg, meta = load_model(checkpoint, device)
    else:
        model, cfg, meta = _with_config(checkpoint, config, device)
    check_finite(model, checkpoint)
    views = views_of(model)
    asked = list(dict.fromkeys([what] if isinstance(what, str) else what or ()))
    for name in asked:
        if name not in views:
            raise UserError(
                f'--what {name}: {checkpoint} holds {_kind(model)}, of which there '
                f'are {", ".join(views)}' + did_you_mean(name, views)
            )
    wanted = asked or list(views)
    files = {
        name: osp.join(out_dir, f'{Path(image).stem}_{name}.png') for name in wanted
    }
    check_outputs(files.values(), '--out-dir')
    look = LookOptions(checkpoint, class_, detection)
    options = ViewOptions(method, layer, block)
    drawn: dict[str, Drawn] = {}
    reasons: dict[str, str] = {}
    with explained(cfg), registered_types_only():
        subject = task_of(cfg).subject(model, cfg, meta, image, look)
        # names of classes are no formulas
        with torch.no_grad(), matplotlib.rc_context({'text.parse_math': False}):
            for name in wanted:
                try:
                    drawn[name] = views[name](subject, options)
                except NotServed as reason:
                    if asked:
                        raise UserError(f'--what {name}: {reason}') from reason
                    reasons[name] = str(reason)
    for name, view in drawn.items():
        with output_file(files[name], '--out-dir') as stream:
            view.figure.savefig(stream, format='png')
    lines = [f'{image}, seen by {_kind(model)}: {in_one_line(subject.prediction)}']
    lines += [f'{files[name]}: {view.text}' for name, view in drawn.items()]
    lines += [f'no {name}: {reason}' for name, reason in reasons.items()]
    print_log('\n'.join(lines), 'current')
    return [files[name] for name in drawn]


def _kind(model: nn.Module) -> str:
    """The model in words: 'ImageClassifier with LeNet'."""
    backbone = getattr(model, 'backbone', None)
    return type(model).__name__ + (f' with {type(backbone).__name__}' * bool(backbone))


def _with_config(checkpoint: str, config: str, device: str):
    """Model, config and meta data of published weights and a run config.

    Raises:
        UserError: If the config has no test data, which say how an image is prepared.
    """
    cfg = load_config(config)
    if not test_pipeline_of(cfg):
        raise UserError(
            f'{config} does not say how an image is prepared (test_dataloader): give '
            'a run config'
        )
    dataset = cfg.test_dataloader.dataset
    # its pipeline and nested parts look it up
    DefaultScope.get_instance(f'look_{time.time_ns()}', scope_name=cfg.default_scope)
    with explained(cfg):
        model = MODELS.build(cfg.model)
        with hushed():
            model.init_weights()
        metainfo = {
            **(getattr(DATASETS.get(dataset.type), 'METAINFO', None) or {}),
            **(dataset.get('metainfo') or {}),
        }
    weights = read_weights(checkpoint)['state_dict']
    print_log(load_weights(model, weights, checkpoint), 'current')
    return model.to(device).eval(), cfg, dict(dataset_meta=metainfo)
