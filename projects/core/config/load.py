"""Reading a config, and finding misspelt keys in it."""

import inspect
import traceback
from os import PathLike, fspath
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from projects.core import imports
from projects.core.config.checks import check_keys, check_values
from projects.core.config.find import find_config
from projects.core.config.options import merge_option
from projects.core.config.own_keys import PASSED_ON, data_of
from projects.core.config.passed_on import check_passed_on
from projects.core.config.walk import values_of, walk
from projects.core.errors import UserError, close_names, described, did_you_mean
from projects.core.values import PATH

# what a Runner, or a task, reads of a config besides the constructor's arguments
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) | {
    'activation_checkpointing',
    'channels_last',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'fold_batch_norm',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
}
# of a test with augmentation; no names to propose for a misspelt 'model'
TTA_KEYS = frozenset({'tta_model', 'tta_pipeline'})
CHECKPOINTS = ('.pth', '.pt')  # which are no configs
SUFFIXES = ('.py', '.json', '.yml', '.yaml')  # which mmengine reads
# what a config's own names may begin with, however like a key they are
VARIABLES = (*(f'{key}_' for key in RUNNER_KEYS), 'train_pipeline', 'test_pipeline')


def load_config(path: str | PathLike, cfg_options: list[str] | None = None) -> Config:
    """Read a config, merge ``key.sub=value`` options, look for mistakes.

    Raises:
        UserError: If the file is missing or malformed, an option is none,
            a key is one letter or two from a known one, a value that every
            config may have is out of its range, or a variable is changed in vain.
    """
    if refusal := PATH.refusal(fspath(path) if isinstance(path, PathLike) else path):
        raise UserError(f'config: {refusal}')
    if isinstance(cfg_options, str) or not all(
        isinstance(option, str) for option in cfg_options or []
    ):
        raise UserError(f'cfg_options: a list of texts KEY=VALUE, not {cfg_options!r}')
    cfg, before = _merged(str(path), cfg_options)
    _refuse_text_for_classes(cfg._cfg_dict, str(path))
    check_config(cfg, str(path), cfg_options)
    from projects.core.datasets.own_data import take_own_data

    lines = take_own_data(cfg, str(find_config(str(path))), before)
    object.__setattr__(cfg, 'own_data', lines)  # no key of the config
    return cfg


def read_config(path: str, cfg_options: list[str] | None = None) -> Config:
    """Read a config and merge options, without a look at what it says.

    Raises:
        UserError: If the file is missing or malformed, or an option is none.
    """
    return _merged(path, cfg_options)[0]


def _merged(path: str, cfg_options: list[str] | None) -> tuple[Config, dict]:
    """A config with options over it, and its data without them."""
    cfg = _read(path, find_config(path))
    before = data_of(cfg._cfg_dict)
    for option in cfg_options or []:
        merge_option(cfg, option, RUNNER_KEYS | {*PASSED_ON})
    types = values_of(cfg._cfg_dict, 'type')
    imports.allow_for({t for t in types if isinstance(t, str)})
    return cfg, before


def check_config(cfg: Config, path: str, cfg_options: list[str] | None = None) -> None:
    """Look for mistakes in a config, see :func:`load_config`."""
    for key in cfg:
        # a variable may extend one's name, as in val_evaluator_small
        known = RUNNER_KEYS | TTA_KEYS
        if not (key in known or key.startswith(VARIABLES)) and close_names(
            key, known, 0.85
        ):
            raise UserError(
                f"{path}: nothing reads the key '{key}'" + did_you_mean(key, known)
            )
    check_values(cfg._cfg_dict, path)
    check_keys(cfg._cfg_dict, path)
    check_passed_on(cfg, str(find_config(path)), cfg_options or (), RUNNER_KEYS)


def _refuse_text_for_classes(cfg: dict, source: str) -> None:
    """Refuse ``classes=('cat')``, which is the text 'cat', wherever it stands.

    Raises:
        UserError: With the comma to add, unless the text names a file.
    """
    for entry in walk(cfg):
        if (
            entry.key == 'classes'
            and isinstance(entry.value, str)
            and not Path(entry.value).is_file()
        ):
            raise UserError(
                f'{source}: {entry.path} is the text {entry.value!r}, which MMEngine '
                'takes for the name of a file; for a single class write '
                f'classes=({entry.value!r}, ), with the comma'
            )


def _read(path: str, file: Path) -> Config:
    """Run the file as a config, and say where it goes wrong."""
    if file.suffix in CHECKPOINTS:
        raise UserError(
            f'{path} is a checkpoint, no config: give the .py file that it was trained '
            'by; the run left a copy beside it'
        )
    if file.suffix not in SUFFIXES:
        raise UserError(f'{path} is no config: the name of one ends in .py')
    try:
        cfg = Config.fromfile(file)
        for _ in walk(cfg._cfg_dict):
            pass  # what it imports by mmengine's lazy way, is imported now
    except (Exception, SystemExit) as error:  # a config is a program
        raise UserError(_flaw(path, error)) from error
    if not cfg:
        raise UserError(f'{path} is empty: a config sets model, train_cfg, ...')
    return cfg


def _flaw(path: str, error: BaseException) -> str:
    """Why a config cannot be read, with the file of its bases and the line."""
    frames = list(traceback.walk_tb(error.__traceback__))
    # mmengine reads a base from within the reading of what names it
    files = [
        str(frame.f_locals['filename'])
        for frame, _ in frames
        if frame.f_code.co_name in ('_file2dict', '_parse_lazy_import')
        and 'filename' in frame.f_locals
    ] or [path]
    where = path
    if len(files) > 1 and files[-1] != files[0]:
        where = f'{path}: {files[-1]}'
    if isinstance(error, RecursionError) and len(set(files)) < len(files):
        return f'{where}: its _base_ leads back to itself'
    if isinstance(error, SyntaxError):
        line = f', line {error.lineno}' if error.lineno else ''
        return f'{where}{line}: {error.msg}'
    if isinstance(error, AttributeError) and not files[-1].endswith('.py'):
        return f'{where} is no config: it holds no settings by name'
    lines = [line for frame, line in frames if frame.f_code.co_filename == files[-1]]
    line = f', line {lines[-1]}' if lines else ''
    if isinstance(error, ImportError) and error.__cause__ is not None:
        error = error.__cause__  # without mmengine's page on sys.path
    return f'{where}{line} cannot be read as a config: {described(error)}'
