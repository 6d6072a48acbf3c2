"""The environment in one text: what clashes and what is missing come first."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from projects.core.diagnosis import environment, import_probe, installed
from projects.core.errors import UserError

ROOT = Path(__file__).parents[2]
FINE = {
    'mmatlas': ('0.1.0', ['torch>=2.7', 'onedl-mmcv>=2', 'onnx>=1; extra == "export"']),
    'torch': ('2.15.0', ['numpy']),
    'torchvision': ('0.29.0', ['torch==2.15.0']),
    'numpy': ('2.2.6', []),
    'onedl-mmcv': ('2.3.6', []),
    'onnx': ('1.18', []),
}


class Installed:
    """Stands in for ``importlib.metadata``."""

    PackageNotFoundError = metadata.PackageNotFoundError

    def __init__(self, distributions):
        self.distributions = distributions

    def _entry(self, name):
        if name not in self.distributions:
            raise metadata.PackageNotFoundError(name)
        return self.distributions[name]

    def version(self, name):
        return self._entry(name)[0]

    def requires(self, name):
        return self._entry(name)[1]

    def metadata(self, name):
        self._entry(name)
        return self

    def get_all(self, key):
        return ['tests', 'export', 'all']

    def files(self, name):
        return []


@pytest.fixture
def installed_are(monkeypatch):
    """Function that sets what is installed: ``FINE`` with changes."""

    def set_(**changes):
        found = {**FINE, **{k.replace('_', '-'): v for k, v in changes.items()}}
        found = {k: v for k, v in found.items() if v is not None}
        monkeypatch.setattr(installed, 'metadata', Installed(found))

    return set_


def test_nothing_is_wrong(installed_are):
    installed_are()
    assert list(installed.troubles()) == []
    assert list(installed.missing_extras()) == []


@pytest.mark.parametrize(
    ('changes', 'what', 'fix', 'serious'),
    [
        (
            dict(mmcv=('2.1.0', [])),
            'onedl-mmcv and mmcv are both installed: each overwrites files of',
            'pip uninstall -y onedl-mmcv mmcv && pip install onedl-mmcv',
            True,
        ),
        (
            dict(opencv_python=('4.12', []), opencv_python_headless=('4.11', [])),
            'opencv-python 4.12, opencv-python-headless 4.11',
            'pip uninstall -y opencv-python opencv-python-headless && pip install '
            'opencv-python',
            True,
        ),
        (
            dict(opencv_python=('4.12', []), opencv_python_headless=('4.12', [])),
            'several distributions of OpenCV',
            'pip uninstall -y',
            False,
        ),
        (
            dict(onedl_mmcv=None),
            'onedl-mmcv is missing, which mmatlas requires',
            'pip install "onedl-mmcv>=2"',
            True,
        ),
        (
            dict(onedl_mmcv=('1.7.0', [])),
            'onedl-mmcv 1.7.0 is installed, and mmatlas requires >=2',
            'pip install "onedl-mmcv>=2"',
            True,
        ),
        (
            dict(
                mmatlas=('0.1.0', ['torch>=2.7', 'torchvision']),
                torchvision=('0.28.0', ['torch==2.14.0']),
            ),
            'torch 2.15.0 is installed, and torchvision 0.28.0 requires ==2.14.0',
            'pip install --upgrade torch torchvision',
            True,
        ),
        (
            dict(torch=('2.15.0', ['numpy<2'])),
            'numpy 2.2.6 is installed, and torch 2.15.0 requires <2',
            'pip install "numpy<2"',
            False,
        ),
        (dict(mmatlas=None), 'mmatlas is not installed', 'pip install -e .', True),
    ],
)
def test_troubles(installed_are, changes, what, fix, serious):
    installed_are(**changes)
    (found,) = installed.troubles()
    assert what in found.what
    assert found.fix.startswith(fix)
    assert found.serious is serious


def test_a_missing_extra(installed_are):
    installed_are(onnx=None)
    assert list(installed.troubles()) == []
    assert list(installed.missing_extras()) == ['export: pip install onnx']


def test_a_build_of_torch_is_the_version_it_is_of(installed_are):
    installed_are(torch=('2.15.0+cpu', []))
    assert list(installed.troubles()) == []


def test_probe_tells_what_imports_and_what_ends_python(tmp_path, monkeypatch):
    (tmp_path / 'ends.py').write_text('import os; os._exit(3)')
    (tmp_path / 'fails.py').write_text("raise ImportError('libx.so:\\n is missing')")
    (tmp_path / 'noisy.py').write_text("print('hello'); __version__ = '1.2'")
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    found = import_probe.probe(('noisy', 'ends', 'fails', 'json'))
    assert found == {
        'noisy': dict(version='1.2', error=None),
        'ends': dict(version=None, error='the import ends Python (3)'),
        'fails': dict(version=None, error='ImportError: libx.so: is missing'),
        'json': dict(version=json.__version__, error=None),
    }


IMPORTS = {name: dict(version='1', error=None) for name in import_probe.MODULES}
TORCH = dict(
    version='2.15.0',
    error=None,
    cuda='13.2',
    gpus=['H200'],
    threads=4,
    capability='AVX2',
)


@pytest.fixture
def report_of(monkeypatch, installed_are):
    """Function that reports an environment whose imports end as they are told."""
    installed_are()

    def report(**changes):
        imports = {**IMPORTS, 'torch': TORCH, **changes}
        monkeypatch.setattr(environment, 'probe', lambda: imports)
        monkeypatch.setattr(environment, '_nvidia_smi', lambda: '')
        return environment.environment_report()

    return report


def test_a_torch_that_does_not_import_is_one_problem(report_of):
    broken = dict(version=None, error='ImportError: libcudart.so')
    report = report_of(**{'torch': broken, 'torchvision': broken, 'mmcv.ops': broken})
    (problem,) = report['problems']
    assert problem['what'] == (
        'torch does not import: ImportError: libcudart.so; so do not torchvision, '
        'mmcv.ops'
    )
    assert problem['fix'] == 'pip install --force-reinstall torch torchvision'
    first, second, *_ = environment.text_of(report).splitlines()
    assert first == 'TO REPAIR'
    assert problem['what'] in second


def test_a_pair_of_two_cudas(report_of):
    vision = dict(version='0.29', error=None, cuda='12.8')
    (problem,) = report_of(torchvision=vision)['problems']
    assert problem['what'] == (
        'torch is built for CUDA 13.2 and torchvision for CUDA 12.8'
    )


def test_notes_on_the_machine(report_of, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '999')
    monkeypatch.setattr(environment, 'LEAST_SHARED', 1e9)
    monkeypatch.setattr(environment, '_folders', lambda: {'shared memory': '.'})
    report = report_of()
    assert report['problems'] == []
    threads, shared = (note['what'] for note in report['notes'])
    assert threads.startswith('OMP_NUM_THREADS is 999, and this process has ')
    assert shared.startswith('shared memory: ')


def test_a_gpu_that_torch_does_not_see(report_of, monkeypatch):
    smi = 'NVIDIA H200, 143771 MiB, 580.1'
    report_of()
    monkeypatch.setattr(environment, '_nvidia_smi', lambda: smi)
    environment.probe()['torch'] = {**TORCH, 'gpus': []}
    whats = [note['what'] for note in environment.environment_report()['notes']]
    assert f'there is a GPU ({smi}), and torch, built for CUDA 13.2, sees none' in whats


def test_no_secret_and_no_home_in_the_text(report_of, monkeypatch):
    monkeypatch.setenv('WANDB_API_KEY', 'secret-key')
    monkeypatch.setenv('PYTHONPATH', str(Path.home() / 'code'))
    text = environment.text_of(report_of())
    assert 'secret-key' not in text
    assert str(Path.home() / 'code') not in text
    assert '~/code' in text


def test_status(report_of, capsys):
    report_of()
    assert environment.collect_env()['problems'] == []
    assert 'nothing to repair' in capsys.readouterr().out
    report_of(cv2=dict(version=None, error='ImportError: libGL.so.1'))
    with pytest.raises(UserError, match='1 of the above is broken'):
        environment.collect_env(as_json=True)
    (problem,) = json.loads(capsys.readouterr().out)['problems']
    assert problem['what'] == 'cv2 does not import: ImportError: libGL.so.1'


def test_tool_itself_needs_no_torch(tmp_path):
    (tmp_path / 'torch.py').write_text("raise ImportError('broken')")
    code = (
        'import sys, projects.core.diagnosis.environment as e; e.probe = dict; '
        "e.environment_report(); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        env={'PYTHONPATH': f'{tmp_path}:{ROOT}', 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
