"""Python API of ``tools/dataset_tools/browse_data.py``."""

import copy
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS as ANY_DATASETS
from mmengine.registry import DefaultScope

from projects.core.config import explained, load_config
from projects.core.datasets.files import SPLITS
from projects.core.engine.seeding import seed_all
from projects.core.errors import UserError
from projects.core.files import check_folder
from projects.core.insight.opening import bare_model
from projects.core.quiet import quiet_libraries
from projects.core.tasks.task import Browsed, task_of
from projects.core.values import (
    FLAG,
    PATH,
    SEED,
    Rule,
    checked,
    optional,
    several,
    whole,
)

NUM, DRAWS = 6, 3


@checked(
    config=PATH,
    split=Rule("'train', 'val' or 'test'", lambda v: v in SPLITS),
    num=optional(whole(1, 200)),
    index=optional(several(whole(0))),
    draws=optional(whole(1, 8)),
    steps=FLAG,
    seed=SEED,
    out_dir=optional(PATH),
)
def browse_data(
    config: str,
    split: str = 'train',
    num: int | None = None,
    index: int | Sequence[int] | None = None,
    draws: int | None = None,
    steps: bool = False,
    seed: int = 0,
    out_dir: str | None = None,
    cfg_options: list[str] | None = None,
) -> list[str]:
    """Draw what a config's data are, before and after their augmentation.

    Images: a contact sheet, ``<split>.png``, with a row for each image: as it is
    loaded, some draws of its augmentation, and what the model is given after its data
    preprocessor. Boxes and classes are drawn along. With ``steps`` instead a picture
    of each image's pipeline, step by step, ``<split>_<index>_steps.png``. Texts: a
    table of the tokens of each sample, ``<split>.txt``.

    Args:
        config: Run config.
        split: 'train', 'val' or 'test'.
        num: Samples, drawn at random; 6 by default, with ``steps`` 1.
        index: Numbers of samples, from 0, in place of ``num``.
        draws: How often the augmentation of a sample is drawn; 3 by default of
            training, else 1.
        steps: Whether to draw each step of the pipeline.
        seed: Of all draws.
        out_dir: Folder to write to; ``browse/<config's name>`` by default.
        cfg_options: Settings over the config's, as ``key.sub=value``.

    Returns:
        The files.

    Raises:
        UserError: If the data cannot be read or are of a kind that cannot be shown, or
            a file cannot be written.
    """
    quiet_libraries()
    if num is not None and index is not None:
        raise UserError('--num and --index: give one of the two')
    cfg = load_config(config, cfg_options)
    key = f'{split}_dataloader'
    settings = (cfg.get(key) or {}).get('dataset')
    if not settings:
        raise UserError(f'--split {split}: {config} has no {key}.dataset')
    if not cfg.get('model'):
        raise UserError(
            f'{config} holds no model, which says how its data are shown: give a run '
            'config'
        )
    out_dir = out_dir or osp.join('browse', Path(config).stem)
    check_folder(out_dir, '--out-dir')
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        task = task_of(cfg)
        task.prepare(cfg)
        settings = cfg[key].dataset
        dataset = ANY_DATASETS.build(copy.deepcopy(settings))
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        indices = _indices(dataset, config, split, num, index, steps, seed)
        browsed = Browsed(
            config=config,
            split=split,
            dataset=dataset,
            settings=settings,
            preprocessor=bare_model(cfg).data_preprocessor,
            indices=indices,
            draws=draws or (DRAWS if split == 'train' else 1),
            steps=steps,
            out_dir=out_dir,
            reseed=lambda *numbers: seed_all(seed, *numbers),
        )
        files = task.browse(browsed)
    print_log(
        f'{len(indices)} of {len(dataset)} {task.unit} of {key}: {", ".join(files)}',
        'current',
    )
    return files


def _indices(dataset, config, split, num, index, steps, seed) -> list[int]:
    total = len(dataset)
    if not total:
        raise UserError(f'--split {split}: the data of {config} hold no sample')
    if index is not None:
        indices = [index] if isinstance(index, int) else list(index)
        if not indices:
            raise UserError('--index: give a number of a sample')
        if max(indices) >= total:
            raise UserError(
                f'--index {max(indices)}: the {split} data of {config} have {total} '
                'samples, from 0'
            )
        return list(dict.fromkeys(indices))
    num = min(total, num or (1 if steps else NUM))
    chosen = np.random.default_rng(seed).choice(total, num, replace=False)
    return sorted(chosen.tolist())
