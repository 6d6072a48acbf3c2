"""Finding the file of a config."""

import importlib.util
import os.path as osp
from pathlib import Path

from projects.core.errors import UserError, close_names, did_you_mean, listed
from projects.core.variants import config_root, list_models

# before the name of a model of theirs
TORCHVISION, TIMM, TRANSFORMERS = 'torchvision.', 'timm.', 'transformers.'


def run_configs() -> list[Path]:
    """The configs that can be run, those of the checkout or of the wheel."""
    return [path for path in config_root().rglob('*.py') if '_base_' not in path.parts]


def shown_path(file: str | Path) -> str:
    """A config's file from here, or from the configs; 'mmdet::...' of a library's."""
    path = Path(osp.abspath(file))
    for folder in (Path.cwd(), config_root().parent):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    library, mim, inside = str(path).partition('/.mim/configs/')
    return f'{osp.basename(library)}::{inside}' if mim else str(path)


def find_config(path: str) -> Path:
    """A config's file: the path itself, or one below the installed configs.

    ``mmpretrain::resnet/resnet18_8xb32_in1k.py`` is one of a library's wheel.

    Raises:
        UserError: If there is none, with the closest names.
    """
    package, separator, inside = path.partition('::')
    spec = importlib.util.find_spec(package) if separator else None
    if spec is not None:
        file = Path(spec.origin).parent / '.mim/configs' / inside
        if not file.is_file():
            raise UserError(f'no config {inside} in {file.parents[1]}')
        return file
    candidates = [Path(path), config_root() / path, config_root().parent / path]
    for candidate in candidates:
        try:
            if candidate.is_file():
                return candidate
            if candidate.is_dir():
                raise UserError(f'{path} is a folder; give one of the configs in it')
        except (OSError, ValueError) as error:  # no name of a file at all
            raise UserError(f'no config {path[:60]}: {error}') from error
    known = {p.name: p for p in run_configs()}
    close = close_names(Path(path).name, known, 0.5)
    shown = [shown_path(known[c]) for c in close]
    raise UserError(
        f'no config {path}'
        + (
            '; did you mean\n  ' + '\n  '.join(shown)
            if shown
            else f'; the configs are in {config_root()}'
        )
    )


def find_config_or_model(name: str) -> str:
    """File of a config, or of a variant of ``configs/_base_/models``.

    What names a library is left as it is: ``torchvision.resnet18``,
    ``timm.resnet18``, ``transformers.gpt2_small``, and
    ``mmpretrain::resnet/resnet18_8xb32_in1k.py`` for a config in its wheel.

    Raises:
        UserError: If a name without ``.py`` is no variant, with close names.
    """
    if name.endswith('.py') or name.startswith((TORCHVISION, TIMM, TRANSFORMERS)):
        return name  # the reader looks it up
    if name in list_models():
        return str(config_root() / '_base_/models' / f'{name}.py')
    runs = {p.stem: p for p in run_configs()}
    if name in runs:
        return str(runs[name])
    raise UserError(
        f"no config or model '{name}'"
        + (
            did_you_mean(name, {*runs, *list_models()})
            or f'; there are the models {listed(list_models(), 8)}, see '
            f'{config_root()}/_base_/models'
        )
    )
