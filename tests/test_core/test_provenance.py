"""Where a run comes from: what its config overrides, the machine, the code."""

import platform
import subprocess
from pathlib import Path

import pytest

import projects
from projects.core.checkout import code_state, without_home
from projects.core.config import load_config, overrides_of
from projects.core.engine.provenance import environment

BASE = """
model = dict(type='Some', depth=3, norm=dict(type='BN', eps=1e-3))
steps = [1, 2]
hooks = None
"""
CONFIG = """
_base_ = ['base.py', 'other.py']
model = dict(depth=4, norm=dict(_delete_=True, type='GN'), width=2)
steps = [1, 2]
hooks = dict(_delete_=True, timer=dict(type='Timer'))
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'other.py').write_text("work_dir = 'somewhere'\n")
    path = tmp_path / 'run.py'
    path.write_text(CONFIG)
    return str(path)


def test_overrides_of_a_config(config):
    options = ['work_dir=elsewhere', 'model.depth=5']
    overrides = overrides_of(load_config(config, options), config)
    assert [(o['key'], o['base'], o['value']) for o in overrides] == [
        ('hooks.timer.type', None, "'Timer'"),
        ('model.depth', '3', '5'),
        ('model.norm.eps', '0.001', None),
        ('model.norm.type', "'BN'", "'GN'"),
        ('model.width', None, '2'),
        ('work_dir', "'somewhere'", "'elsewhere'"),
    ]


def test_a_config_without_bases_overrides_nothing_but_by_options(config):
    path = str(Path(config).with_name('base.py'))
    assert overrides_of(load_config(path), path) == []
    (override,) = overrides_of(load_config(path, ['steps=[3]']), path)
    assert override == dict(key='steps', base='[1, 2]', value='[3]')


def test_a_config_of_this_project():
    path = 'ssd/ssd-mini_1xb16-22e_digits-coco.py'
    found = {o['key'] for o in overrides_of(load_config(path), path)}
    assert found
    assert all(key.partition('.')[0] in load_config(path) for key in found)


def test_a_value_is_cut(config):
    Path(config).write_text("_base_ = 'base.py'\nsteps = list(range(1000))\n")
    (override,) = overrides_of(load_config(config), config)
    assert len(override['value']) == 200
    assert override['value'].startswith('[0, 1, 2')


def test_environment_names_neither_machine_nor_user():
    found = environment()
    assert all(isinstance(v, str) and v for v in found.values())
    assert found['python'] == platform.python_version()
    assert {'torch', 'mmengine', 'platform', 'cpu', 'cores', 'threads'} <= found.keys()
    assert platform.node() not in ' '.join(found.values()).split()


def test_home_is_not_named(monkeypatch):
    monkeypatch.setattr(Path, 'home', lambda: Path('/home/ada'))
    assert without_home('/home/ada/a.py=/home/ada/b') == '~/a.py=~/b'
    assert without_home('/home/adam/a.py') == '/home/adam/a.py'


def git(folder, *args):
    identity = ('-c', 'user.name=n', '-c', 'user.email=e', '-c', 'commit.gpgsign=no')
    command = ['git', '-C', str(folder), *identity, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a config, in which the project is not."""
    monkeypatch.setattr(projects, '__file__', str(tmp_path / 'absent/__init__.py'))
    folder = tmp_path / 'checkout'
    folder.mkdir()
    git(folder, 'init', '-q', '-b', 'trunk')
    (folder / 'run.py').write_text('a = 1\n')
    (folder / 'old name.py').write_text('b = 1\n' * 9)
    git(folder, 'add', '.')
    git(folder, 'commit', '-q', '-m', 'first')
    return folder


def test_state_of_the_code(checkout):
    config = str(checkout / 'run.py')
    commit = git(checkout, 'rev-parse', 'HEAD').strip()
    clean = dict(commit=commit, branch='trunk', changed=[], diff_sha256=None)
    assert code_state(config) == clean
    (checkout / 'run.py').write_text('a = 2\n')
    (checkout / 'new.py').write_text('')
    git(checkout, 'mv', 'old name.py', 'new name.py')
    changed = code_state(config)
    assert changed['changed'] == ['new name.py', 'new.py', 'run.py']
    first = changed['diff_sha256']
    assert len(first) == 64
    assert code_state(config)['diff_sha256'] == first
    (checkout / 'run.py').write_text('a = 3\n')
    assert code_state(config)['diff_sha256'] not in (None, first)
    git(checkout, 'checkout', '-q', '--detach')
    assert code_state(config)['branch'] is None


def test_no_code_outside_of_a_checkout(checkout, tmp_path, monkeypatch):
    (tmp_path / 'run.py').write_text('')
    assert code_state(str(tmp_path / 'run.py')) == {}
    assert code_state(None) == {}
    (checkout / '.gitignore').write_text('venv/\n')
    (checkout / 'venv').mkdir()  # installed here, of other origin
    assert code_state(str(checkout / 'venv/run.py')) == {}
    monkeypatch.setenv('PATH', str(tmp_path))
    assert code_state(str(checkout / 'run.py')) == {}


def test_a_checkout_without_a_commit(checkout):
    other = checkout.parent / 'fresh'
    other.mkdir()
    git(other, 'init', '-q', '-b', 'trunk')
    (other / 'run.py').write_text('')
    assert code_state(str(other / 'run.py')) == dict(
        commit=None, branch='trunk', changed=['run.py'], diff_sha256=None
    )
