"""What a library or a class does with an entry of a config."""

import inspect
import re
from collections.abc import Callable, Iterator

from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import DefaultScope, Registry, root
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from projects.core.config.load import RUNNER_KEYS
from projects.core.diagnosis.config_source import Keys, value_at
from projects.core.errors import one_line

# in which registry the type of an entry is looked up first, by its path
REGISTRIES = (
    (r'.*init_cfg(\.\d+)?', 'WEIGHT_INITIALIZERS'),
    (r'model(\..+)?', 'MODELS'),
    (r'.*(pipeline|transforms)(\.\d+)+', 'TRANSFORMS'),
    (r'.*sampler', 'DATA_SAMPLERS'),
    (r'.*dataloader\..*dataset(s\.\d+)?', 'DATASETS'),
    (r'.*evaluator(\.\d+)?', 'METRICS'),
    (r'.*hooks\.\w+', 'HOOKS'),
    (r'optim_wrapper(\.\w+)*\.optimizer', 'OPTIMIZERS'),
    (r'optim_wrapper.*', 'OPTIM_WRAPPERS'),
    (r'param_scheduler.*', 'PARAM_SCHEDULERS'),
    (r'\w+_cfg', 'LOOPS'),
)
# what reads an entry that has no type, by its path
FUNCTIONS: tuple[tuple[str, Callable], ...] = (
    (r'\w+_dataloader', DataLoader),
    (r'optim_wrapper\..*paramwise_cfg', DefaultOptimWrapperConstructor),
    (r'optim_wrapper', OptimWrapper),
    (r'randomness', Runner.set_randomness),
    (r'auto_scale_lr', Runner.scale_lr),
    (r'env_cfg', Runner.setup_env),
    (r'', Runner),
)


def readers_of(cfg: Config, keys: Keys) -> list[str]:
    """Sentences on what reads an entry, and what it is there.

    Args:
        cfg: The config; the classes that it names are imported.
        keys: That lead to the entry.
    """
    config = cfg._cfg_dict.to_dict()
    scope = config.get('default_scope')
    lines = []
    value = value_at(config, keys)
    if isinstance(value, dict) and 'type' in value:
        function = _function(config, keys, scope)
        if function is None:
            lines.append(f'no class of the type {value["type"]!r} is found')
        else:
            lines.append(f'it builds {_name(function)}: {_first_line(function)}')
    if keys[-1] == 'type':
        keys = keys[:-1]
        function = _function(config, keys, scope)
        if function is not None:
            return [f'the class that is built: {_name(function)}']
    for i in range(len(keys) - 1, -1, -1):
        function = _function(config, keys[:i], scope)
        if function is None:
            continue
        if i == 0 and keys[0] not in RUNNER_KEYS:
            lines.append('a variable of the configs: a run does not look for this name')
        else:
            lines.append(_as_argument(function, keys[i:], i == 0))
        break
    return lines


def is_argument(cfg: Config, keys: Keys) -> bool:
    """Whether something takes an argument of this name where the keys lead to."""
    if len(keys) == 1:
        return keys[0] in RUNNER_KEYS
    config = cfg._cfg_dict.to_dict()
    function = _function(config, keys[:-1], config.get('default_scope'))
    return function is not None and (
        keys[-1] in [p.name for p in _parameters(function)]
        or documentation_of(function, str(keys[-1])) != ''
    )


def _as_argument(function: Callable, keys: Keys, at_top: bool) -> str:
    """What an argument of a class or function is."""
    name, *below = keys
    text = f'{_name(function)} takes it as its argument {name}'
    if below:
        text = f'a part of {name}, an argument of {_name(function)}'
    parameter = next((p for p in _parameters(function) if p.name == name), None)
    documented = documentation_of(function, str(name))
    if parameter is None and at_top:  # of ours, or of a task
        return f'the engine reads {name}' if not below else f'a part of {name}'
    if parameter is None and not documented:
        if any(p.kind is p.VAR_KEYWORD for p in _parameters(function)):
            return f'{_name(function)} takes it among its other arguments'
        return f'nothing: {_name(function)} has no argument {name}'
    if parameter is not None and not below:
        default = parameter.default
        text += (
            ', which must be given'
            if default is parameter.empty
            else f', by default {one_line(repr(default), 60)}'
        )
    return f'{text}: {documented}' if documented else text


def documentation_of(function: Callable, name: str) -> str:
    """The first sentence on an argument in the docstrings of a class or function.

    Empty if there is none.
    """
    entry = re.compile(
        rf'^( *)(?:- )?`*{re.escape(name)}`* *(?:\([^\n]*?\))? *: *(.*)$',
        re.M,
    )
    for text in _docstrings(function):
        found = entry.search(text)
        if found is None:
            continue
        lines = [found[2]]
        for line in text[found.end() :].splitlines()[1:]:
            if len(line) - len(line.lstrip()) <= len(found[1]) or not line.strip():
                break
            lines.append(line)
        sentence = re.split(r'(?<=[.;])\s', one_line(' '.join(lines)))[0]
        sentence = re.sub(r' *\(default[^)]*\)$', '', sentence.rstrip('.;'))
        return re.sub(r':\w+:`~?([^`]+)`', r'\1', sentence)  # roles of Sphinx
    return ''


def _docstrings(function: Callable) -> Iterator[str]:
    functions = [function]
    if inspect.isclass(function):
        for base in function.__mro__:
            functions += [base, vars(base).get('__init__')]
    for each in functions:
        if isinstance(text := getattr(each, '__doc__', None), str):
            yield inspect.cleandoc(text)


def _first_line(function: Callable) -> str:
    lines = (inspect.getdoc(function) or '').strip().splitlines()
    return lines[0].rstrip('.') if lines else 'it has no docstring'


def _parameters(function: Callable) -> list[inspect.Parameter]:
    """Of a function; of a class those of its bases, too, to which it passes on."""
    functions = [function]
    if inspect.isclass(function):
        functions = [
            vars(b)['__init__'] for b in function.__mro__ if '__init__' in vars(b)
        ]
    parameters = []
    for each in functions:
        try:
            parameters += inspect.signature(each).parameters.values()
        except (TypeError, ValueError):  # of C
            continue
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return [p for p in parameters if p.name != 'self']


def _name(function: Callable) -> str:
    module = getattr(function, '__module__', '').partition('.')[0]
    return f'{module}.{function.__qualname__}' if module else function.__qualname__


def _function(config: dict, keys: Keys, scope: str | None) -> Callable | None:
    """What is built of an entry, or reads what is in it; None if nothing is known."""
    path, value = '.'.join(map(str, keys)), value_at(config, keys)
    if not isinstance(value, dict):
        return None
    type_ = value.get('type') if keys else None
    if type_ is not None and not isinstance(type_, str):
        return type_
    if type_ is not None:
        return _class_of(type_, path, scope)
    if path == 'train_cfg':
        by_epoch = value.get('by_epoch', 'max_epochs' in value)
        return EpochBasedTrainLoop if by_epoch else IterBasedTrainLoop
    return next((f for pattern, f in FUNCTIONS if re.fullmatch(pattern, path)), None)


def _class_of(name: str, path: str, scope: str | None) -> Callable | None:
    hinted = [
        getattr(root, registry)
        for pattern, registry in REGISTRIES
        if re.fullmatch(pattern, path)
    ]
    others = [r for r in vars(root).values() if isinstance(r, Registry)]
    if scope and '.' not in name:
        name = f'{scope}.{name}'
    with DefaultScope.overwrite_default_scope(scope):
        for registry in [*hinted, *others]:
            try:
                found = registry.get(name)
            except Exception:  # not there; a scope that is not installed
                continue
            if found is not None:
                return found
    return None
