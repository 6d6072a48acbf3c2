"""Python API of ``tools/infer.py``."""

import time

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.config import explained
from projects.core.config.saved import registered_types_only, saved_config
from projects.core.devices import find_device
from projects.core.errors import UserError, one_line
from projects.core.quiet import quiet_libraries
from projects.core.tasks.task import InferOptions, option_of, task_of
from projects.core.values import (
    FLAG,
    PATH,
    SEED,
    TEXT,
    checked,
    either,
    number,
    of_type,
    optional,
    whole,
)
from projects.core.weights import build_for, load_weights, read_checkpoint
from projects.registry import MODELS


@checked(
    checkpoint=PATH,
    inputs=optional(of_type('a text', str)),
    out_dir=optional(PATH),
    score_thr=number(),
    batch_size=whole(1),
    device=optional(TEXT),
    temperature=optional(number(0)),
    top_k=optional(whole(1)),
    top_p=optional(number(0, 1)),
    num_samples=optional(whole(1)),
    max_new_tokens=optional(whole(0)),
    beam_size=optional(whole(1)),
    num=optional(whole(1)),
    class_=optional(either(TEXT, whole(0))),
    interpolate=FLAG,
    direction=optional(TEXT),
    seed=optional(SEED),
)
def infer(
    checkpoint: str,
    inputs: str | None = None,
    out_dir: str | None = None,
    score_thr: float = 0.3,
    batch_size: int = 8,
    device: str | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    num_samples: int | None = None,
    max_new_tokens: int | None = None,
    beam_size: int | None = None,
    num: int | None = None,
    class_: str | int | None = None,
    interpolate: bool = False,
    direction: str | None = None,
    seed: int | None = None,
) -> list[dict]:
    """Apply a checkpoint of ``tools/train.py`` to data of the user's.

    A detector or a classifier takes an image or a folder of images. It writes a
    picture of each, and ``detections.json`` or ``predictions.json``; see the
    ``results`` of the rooms in ``projects/core/tasks``. A model of sequences takes
    a text, or a file of texts, and shows what it makes of it; see
    :class:`projects.core.tasks.language.task.LanguageTask`. A generator takes nothing
    and writes samples, a translator of images takes those; see
    :mod:`projects.core.tasks.generation.samples`.

    Args:
        checkpoint: File that holds the weights and the config.
        inputs: An image, or a folder of images; a text, or a file of texts; None for
            a generator.
        out_dir: Folder to write to; ``detections/<name of inputs>``,
            ``predictions/<name of inputs>`` or ``samples/<name>`` by default, and of a
            text none.
        score_thr: Least score of a detection that is drawn.
        batch_size: Inputs that go through the model together.
        device: 'cpu', 'cuda', ...; a GPU where there is one by default.
        temperature: Of a language model's draws; 0 for the likeliest token.
        top_k: Likeliest tokens that it draws from.
        top_p: Probability of the likeliest tokens that it draws from.
        num_samples: Continuations of a text.
        max_new_tokens: Most tokens that are written.
        beam_size: Texts that a translation follows at a time.
        num: Samples of a generator.
        class_: Name or number of the class that it is asked for.
        interpolate: Samples on the way from one latent to another.
        direction: 'AtoB' or 'BtoA', of a translator of images.
        seed: Of the draws.

    Returns:
        What the JSON file holds.

    Raises:
        UserError: If a file is missing or unreadable or of another kind.
    """
    quiet_libraries()
    device = find_device(device)
    model, cfg, meta = load_model(checkpoint, device)
    writing = dict(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        num_samples=num_samples,
        max_new_tokens=max_new_tokens,
        beam_size=beam_size,
        num=num,
        class_=class_,
        interpolate=interpolate or None,
        direction=direction,
        seed=seed,
    )
    writing = {name: value for name, value in writing.items() if value is not None}
    task = task_of(cfg)
    for name in writing.keys() - set(task.writing_options):
        raise UserError(
            f'{option_of(name)}: {checkpoint} holds {task.name}, which has no use of '
            'it; leave it out'
        )
    if inputs is None and task.inputs is not None:
        raise UserError(f'{checkpoint} holds {task.name}: give {task.inputs}')
    options = InferOptions(checkpoint, out_dir, score_thr, batch_size, writing)
    with explained(cfg), registered_types_only():
        return task.infer(model, cfg, meta, inputs, options)


def load_model(checkpoint: str, device: str = 'cpu') -> tuple[nn.Module, Config, dict]:
    """Model in eval mode, config and meta data out of a checkpoint.

    Nothing in the file is run: weights and config are read as data, and the model is
    built of registered parts.

    Raises:
        UserError: If the file holds no config, or weights of another model.
    """
    state = read_checkpoint(checkpoint, mapped=True)
    meta = state.get('meta')
    if not isinstance(meta, dict):
        meta = {}
    cfg = saved_config(meta, checkpoint)
    meta['dataset_meta'] = _checked_dataset_meta(meta.get('dataset_meta'), checkpoint)
    cat_ids = meta.get('cat_ids') or ()
    if not isinstance(cat_ids, (list, tuple)) or not all(map(whole().fits, cat_ids)):
        raise UserError(
            f"{checkpoint}: its 'cat_ids' are no list of whole numbers: {cat_ids!r:.60}"
        )
    with explained(cfg), registered_types_only():
        # as the runner does: pipelines and nested parts look it up
        DefaultScope.get_instance(
            f'infer_{time.time_ns()}', scope_name=cfg.get('default_scope')
        )
        model = build_for(state['state_dict'], lambda: MODELS.build(cfg.model))
        if model is None:
            model = MODELS.build(cfg.model)
    load_weights(model, state['state_dict'], checkpoint)
    return model.to(device).eval(), cfg, meta


def check_finite(model: nn.Module, checkpoint: str) -> None:
    """Refuse weights that nothing can be computed with.

    Raises:
        UserError: If one is not finite.
    """
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise UserError(
                f'{checkpoint}: {name} holds numbers that are not finite, as after a '
                'training that diverged; take an earlier checkpoint'
            )


def _checked_dataset_meta(dataset_meta, checkpoint: str) -> dict:
    """What is known of the training data, with names of classes that are texts.

    Raises:
        UserError: If it is nothing of the kind.
    """
    if not isinstance(dataset_meta, dict):
        raise UserError(
            f"{checkpoint} does not say what it was trained on (no 'dataset_meta'); "
            'give a checkpoint that tools/train.py wrote'
        )
    classes = dataset_meta.get('classes', ())
    if not isinstance(classes, (list, tuple)) or not all(
        isinstance(name, str) for name in classes
    ):
        raise UserError(
            f"{checkpoint}: 'classes' of its dataset_meta is no list of names: "
            f'{one_line(repr(classes), 60)}'
        )
    return dataset_meta
