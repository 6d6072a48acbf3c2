"""What a variant is compared with, and at which input size."""

import importlib.util
import re
from pathlib import Path

from projects.core.benchmark.parts import Parts
from projects.core.config import load_config
from projects.core.config.find import TIMM, TORCHVISION, TRANSFORMERS, run_configs
from projects.core.errors import UserError
from projects.core.tasks.task import library_config
from projects.core.variants import config_root, list_models


def references_of(variant: str) -> dict[str, str]:
    """Other implementations of a variant, by library, as the benchmark takes them.

    They are torchvision's, timm's and transformers' model of the same name; the config
    ``<variant>_<library>.py`` of a folder ``reference`` in ``configs``; and the
    ImageNet config of that name in mmpretrain's wheel.
    """
    found = {}
    for prefix in (TORCHVISION, TIMM, TRANSFORMERS):
        try:
            library_config(prefix + variant)
        except UserError:  # not installed, or none of that name
            continue
        found[prefix.rstrip('.')] = prefix + variant
    for file in sorted(config_root().glob(f'*/reference/{variant}_*.py')):
        library = file.stem.removeprefix(f'{variant}_')
        if '_' not in library:  # else of a variant with a longer name
            found[library] = str(file)
    config = _mmpretrain_configs().get(_letters(variant))
    if config is not None:
        found.setdefault('mmpretrain', config)
    return found


def _mmpretrain_configs() -> dict[str, str]:
    """The plain ImageNet config of each model in the wheel, by its letters."""
    spec = importlib.util.find_spec('mmpretrain')
    if spec is None:
        return {}
    folder = Path(spec.origin).parent / '.mim/configs'
    found = {}
    for file in sorted(folder.glob('*/*_in1k.py')):
        match = re.fullmatch(r'(.+?)_\d+xb\d+_in1k', file.stem)
        if match:
            path = f'mmpretrain::{file.parent.name}/{file.name}'
            found.setdefault(_letters(match[1]), path)
    return found


def _letters(name: str) -> str:
    return re.sub(r'[-_]', '', name.lower())


def input_size_of(variant: str, parts: Parts) -> tuple[int, ...]:
    """Size of the inputs that a variant is made for.

    It is the largest of the run configs on the variant, or of those on the variant
    that it is made from; without any the default of its kind.

    Args:
        variant: One of :func:`projects.core.list_models`.
        parts: Its :class:`projects.core.benchmark.parts.Parts`.
    """
    base = re.compile(rf"models/{variant}\.py'")
    sizes = [
        parts.input_size_of(load_config(str(path)))
        for path in run_configs()
        if base.search(path.read_text())
    ]
    sizes = [size for size in sizes if size]
    if sizes:
        return max(sizes)
    text = (config_root() / '_base_/models' / f'{variant}.py').read_text()
    match = re.search(r"^_base_ = '\./(\w+)\.py'", text, re.MULTILINE)
    if match and match[1] in list_models():
        return input_size_of(match[1], parts)
    return parts.default_input_size
