"""Plugins join by being there, and one that fails hurts itself alone."""

import subprocess
import sys

import pytest

from projects import registry
from projects.core.errors import UserError
from projects.registry import HOOKS, MODELS, find_plugins

OUTSIDE = '''
from torch import nn
from projects.registry import MODELS

@MODELS.register_module()
class FromOutside(nn.Identity):
    """A model of another distribution."""
'''
USER = """
import projects
from mmengine.registry import MODELS
model = MODELS.build(dict(type='projects.FromOutside'))
print(type(model).__name__)
print(type(MODELS.build(dict(type='projects.YOLOv1Neck', in_channels=4,
                             channels=4))).__name__)
try:
    MODELS.build(dict(type='projects.FromOutsid'))
except Exception as error:
    print(type(error).__name__, '|', error)
"""


def test_folders_are_plugins_and_core_is_none():
    plugins = find_plugins()
    assert plugins['yolov1'] == 'projects.yolov1'
    assert 'core' not in plugins


def test_plugin_from_outside_and_one_that_fails(tmp_path):
    (tmp_path / 'outside.py').write_text(OUTSIDE)
    (tmp_path / 'broken.py').write_text('import no_such_library')
    info = tmp_path / 'outside-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Name: outside\nVersion: 1.0\n')
    (info / 'entry_points.txt').write_text(
        '[mmatlas.plugins]\noutside = outside\nbroken = broken\n'
    )
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n{USER}',
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ['FromOutside', 'YOLOv1Neck']
    message = done.stdout.split('\n', 2)[2]
    assert "did you mean 'projects.FromOutside'?" in message
    assert (
        "plugin 'broken' could not be imported: ModuleNotFoundError: No "
        "module named 'no_such_library'"
    ) in message


def test_missing_name_has_close_names_and_failed_plugins(monkeypatch):
    monkeypatch.setitem(registry.failed_plugins, 'swin', ImportError('no x'))
    with pytest.raises(UserError) as error:
        MODELS.get('projects.YOLOv1Hed')
    first, *rest = str(error.value).splitlines()
    assert first.startswith(
        "there is no 'YOLOv1Hed' among the models of "
        "MMAtlas; did you mean 'projects.YOLOv1Head'"
    )
    assert rest == ["plugin 'swin' could not be imported: ImportError: no x"]


def test_failed_plugins_are_named_also_for_a_config(
    monkeypatch, fresh, write_config, error_of
):
    from projects.core.engine import train

    monkeypatch.setitem(registry.failed_plugins, 'swin', ImportError('no x'))
    error = error_of(
        train,
        write_config(
            "\nmodel['backbone'] = dict(type='projects.Swin', _delete_=True)\n"
        ),
    )
    assert 'model.backbone.type: there is no ' in error
    assert error.endswith("\nplugin 'swin' could not be imported: ImportError: no x")


def test_names_of_the_libraries_are_found_through_ours():
    assert HOOKS.get('EMAHook').__module__.startswith('mmengine')
    assert MODELS.get('mmdet.SingleStageDetector').__name__ == ('SingleStageDetector')


def test_sources_tell_what_registers_a_name():
    modules = registry.modules_of()
    assert modules['SSDHead'] == ['projects.ssd']
    assert modules['CocoMetric'] == ['projects.core.tasks.detection.coco_metric']
    registry.import_plugins()
    ours = {
        name
        for of in (MODELS, HOOKS, registry.METRICS, registry.TRANSFORMS)
        for name, cls in of.module_dict.items()
        if cls.__module__.startswith('projects.')
    }
    assert ours <= modules.keys()


def test_plugins_import_all_that_they_register():
    """In a process of its own, where no other test has imported a module."""
    code = """
from mmengine.registry import Registry
from projects import registry
registries = [r for r in vars(registry).values() if isinstance(r, Registry)]
for name in registry.modules_of():
    registry.import_definition(name)
known = {name for r in registries for name in r.module_dict}
print(*(registry.modules_of().keys() - known))
"""
    out = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == []


def test_core_module_that_fails_is_not_taken_for_absent(monkeypatch):
    """The cause reaches the user, at the second look-up too."""
    monkeypatch.setitem(registry.modules_of(), 'Ghost', ['projects.core.no_such'])
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match='no_such'):
            MODELS.get('projects.Ghost')
