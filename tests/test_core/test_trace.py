"""Each value of a config is traced to the line that it was written in."""

import ast
from pathlib import Path

import pytest
from mmengine.config import Config

from projects.core.config import run_configs
from projects.core.config.explain import left_over
from projects.core.config.trace import trace

RUNS = sorted(map(str, run_configs()))
BASE = """
size = 8
steps = [dict(type='Load'), dict(type='Resize', scale=(size, size)), dict(type='End')]
loader = dict(
    batch_size=4,
    dataset=dict(type='Set', pipeline=steps),
)
other = loader
hooks = [dict(type='Seed')]
model = dict(
    neck=dict(type='A', width=3),
    head=dict(type='B', depth=2, loss=dict(type='L')),
)
"""
CHILD = """
_base_ = './base.py'
steps = [*_base_.steps[:2], dict(type='Flip'), _base_.steps[-1]]
loader = dict(batch_size=2 * 4, dataset=dict(pipeline=steps))
hooks = _base_.hooks + [dict(type='EMA')]
model = dict(
    neck=dict(_delete_=True, type='C'),
    head={**_base_.model.head, 'depth': 5})
model['head']['loss'].update(weight=0.5)
folder = f'data/{size}' if (size := 3) else None
for name in ('a', 'b'):
    pass
"""


@pytest.fixture(scope='module')
def traced(tmp_path_factory):
    """The child, traced."""
    folder = tmp_path_factory.mktemp('configs')
    (folder / 'base.py').write_text(BASE)
    (folder / 'child.py').write_text(CHILD)
    return trace(str(folder / 'child.py'), ['loader.batch_size=7', 'new.key=1'])


@pytest.mark.parametrize(
    ('path', 'places'),
    [
        # where it is put, then where it is written
        ('steps.1.scale.0', ['child.py:3', 'base.py:3', 'base.py:2']),
        ('steps.2.type', ['child.py:3']),
        ('steps.3', ['child.py:3', 'base.py:3']),
        (
            'loader.dataset.pipeline.1.scale.0',
            ['child.py:4', 'child.py:3', 'base.py:3', 'base.py:2'],
        ),
        ('loader.dataset.pipeline.2.type', ['child.py:4', 'child.py:3']),
        ('loader.dataset.type', ['base.py:6']),
        ('other.dataset.pipeline.1.type', ['base.py:8', 'base.py:6', 'base.py:3']),
        ('loader.batch_size', ['--cfg-options']),
        ('hooks.0.type', ['child.py:5', 'base.py:9']),
        ('hooks.1.type', ['child.py:5']),
        ('model.neck.type', ['child.py:7']),
        ('model.head.type', ['child.py:8', 'base.py:12']),
        ('model.head.depth', ['child.py:8']),
        ('model.head.loss.weight', ['child.py:9']),
        ('name', ['child.py:11']),
        ('new.key', ['--cfg-options']),
    ],
)
def test_where_a_value_was_written(traced, path, places):
    keys = [int(k) if k.isdecimal() else k for k in path.split('.')]
    setting, found = traced.setting_of(keys), []
    while setting is not None:
        line = f':{setting.line}' if setting.line else ''
        found.append(f'{Path(setting.file).name}{line}')
        setting = setting.origin
    assert found == places


def test_what_was_replaced(traced):
    texts = [s.text for s in traced.setting_of(['loader', 'batch_size']).chain()]
    assert texts == ['4', '2 * 4', '7']
    old, new = traced.setting_of(['model', 'neck']).chain()
    assert (old.deletes, new.deletes) == (False, True)
    assert 'width' not in traced.nodes['model'].child('neck').children


def test_a_key_that_is_left_of_another_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'child.py').write_text(
        "_base_ = './base.py'\nmodel = dict(neck=dict(type='C', depth=1), "
        'head=dict(depth=3))\n'
    )
    assert left_over('child.py', 'model.neck.width') == (
        '; it is left of line 11 of base.py, where the type is another: _delete_=True '
        'beside the type in line 2 of child.py leaves the keys of the base out'
    )
    # written for this very type
    assert left_over('child.py', 'model.neck.depth') == ''
    assert left_over('child.py', 'model.head.depth') == ''
    assert left_over('none.py', 'model.head.depth') == ''


def wrong_values(path):
    """Values that are written otherwise than they are; and how many are written."""
    config = Config.fromfile(path)._cfg_dict.to_dict()
    number, wrong = 0, []
    for name, node in trace(path).nodes.items():
        for keys, part in node.nodes((name,)):
            expression = part.setting.first.expression
            if part.children or not isinstance(expression, ast.Constant):
                continue
            value = config
            for key in keys:
                value = value[key]
            number += 1
            if value != expression.value:
                wrong.append((keys, value, expression.value))
    return wrong, number


@pytest.mark.parametrize('path', RUNS[::40], ids=lambda path: Path(path).stem)
def test_values_are_those_that_were_written(path):
    wrong, number = wrong_values(path)
    assert wrong == []
    assert number > 20


@pytest.mark.slow
def test_values_of_all_configs_are_those_that_were_written():
    wrong = {path: found for path in RUNS if (found := wrong_values(path)[0])}
    # changed in place under another name, which Python shares and the text does not
    assert [Path(path).stem for path in wrong] == ['mobilevit-xxs_8xb128-300e_imagenet']


@pytest.mark.parametrize(
    ('name', 'text'), [('a.json', '{"a": {"b": 1}}'), ('a.yaml', 'a:\n  b: 1\n')]
)
def test_a_config_without_lines(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    setting = trace(str(tmp_path / name)).setting_of(['a', 'b'])
    assert (Path(setting.file).name, setting.line) == (name, None)
