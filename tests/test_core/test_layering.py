"""Who imports whom: arrows run downwards only.

tools -> benchmark, diagnosis, export, insight -> engine -> tasks -> config, datasets,
layers, mmcv_ops, reports, weights
"""

import ast
from pathlib import Path

import pytest

import projects

PACKAGE = Path(projects.__file__).parent
# rooms of core, the upper first; those in a row may know each other
FLOORS = [
    {'benchmark', 'diagnosis', 'export', 'insight'},
    {'engine'},
    {'tasks'},
    {'config', 'datasets', 'weights', 'layers', 'mmcv_ops', 'reports'},
]


def imports_of(file):
    """Modules of ``projects`` that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def files(folder):
    return sorted((PACKAGE / folder).rglob('*.py'))


def rooms_of(file):
    """Rooms of core that a file imports from."""
    return {
        parts[2]
        for parts in (name.split('.') for name in imports_of(file))
        if parts[:2] == ['projects', 'core'] and len(parts) > 2
    }


@pytest.mark.parametrize('floor', range(len(FLOORS)))
def test_a_room_knows_none_above(floor):
    above = set().union(*FLOORS[:floor])
    for room in FLOORS[floor]:
        for file in files(f'core/{room}'):
            assert not rooms_of(file) & above, file


@pytest.mark.parametrize(
    'room', ['engine', 'benchmark', 'diagnosis', 'export', 'insight', 'config']
)
def test_no_task_is_known_by_name(room):
    kinds = {p.name for p in (PACKAGE / 'core/tasks').iterdir() if p.is_dir()}
    for file in files(f'core/{room}'):
        known = {
            name
            for name in imports_of(file)
            if name.startswith('projects.core.tasks.') and name.split('.')[3] in kinds
        }
        libraries = {
            name
            for name in imports_of(file)
            if name.partition('.')[0] in ('mmdet', 'mmpretrain')
        }
        assert known | libraries == set(), file


def test_tasks_do_not_know_each_other():
    tasks = [p.name for p in (PACKAGE / 'core/tasks').iterdir() if p.is_dir()]
    for task in tasks:
        for file in files(f'core/tasks/{task}'):
            others = [
                name
                for name in imports_of(file)
                for other in tasks
                if other != task and name.startswith(f'projects.core.tasks.{other}.')
            ]
            assert others == [], file


def test_plugins_meet_in_configs_only():
    plugins = [p.name for p in PACKAGE.iterdir() if (p / '__init__.py').is_file()]
    for plugin in plugins:
        for file in files(plugin):
            strangers = [
                name
                for name in imports_of(file)
                if name.startswith('projects.')
                and name.split('.')[1] in plugins
                and name.split('.')[1] not in ('core', plugin)
            ]
            assert strangers == [], file
