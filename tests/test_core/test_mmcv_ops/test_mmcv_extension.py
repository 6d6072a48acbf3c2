"""How the stand-in for mmcv's extension is found, and what it lacks."""

import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import mmcv.ops
import pytest
import torch

from projects.core import mmcv_ops
from projects.core.mmcv_ops import ops
from projects.core.mmcv_ops.ops import MissingOpError

COMMAND = 'pip install --no-build-isolation --no-cache-dir onedl-mmcv'
OPS_DIR = Path(mmcv.ops.__file__).parent


def names_that_mmcv_asks_for():
    names = set()
    for path in OPS_DIR.glob('*.py'):
        names |= set(re.findall(r'ext_module\.(\w+)', path.read_text()))
    return names


def test_every_operator_of_mmcv_works_or_says_how_to_install_it(fallback):
    names = names_that_mmcv_asks_for()
    assert set(ops.__all__) <= names  # each is one of mmcv's
    missing = names - set(ops.__all__)
    assert 'box_iou_rotated' in missing
    for name in missing:
        op = getattr(fallback, name)
        with pytest.raises(MissingOpError, match=f"'{name}'") as info:
            op(1, two=2)
        assert COMMAND in str(info.value)


def test_no_operator_that_mmdet_imports_is_missing():
    imported = set()
    for path in Path(find_spec('mmdet').origin).parent.rglob('*.py'):
        for names in re.findall(
            r'^\s*from mmcv\.ops[.\w]* import (\([^)]*\)|.*)$', path.read_text(), re.M
        ):
            imported |= set(re.findall(r'(\w+)(?: as \w+)?', names))
    needed = set()
    for path in OPS_DIR.glob('*.py'):
        text = path.read_text()
        if any(re.search(rf'^(class |def )?{name}\b', text, re.M) for name in imported):
            needed |= set(re.findall(r'ext_module\.(\w+)', text))
    assert {'nms', 'carafe_forward', 'line_nms_forward'} < needed
    # these stand beside nms, for boxes that mmdet has none of
    assert needed - {'nms_quadri', 'nms_rotated'} <= set(ops.__all__)


@pytest.mark.parametrize(
    ('op', 'name', 'where'),
    [
        (
            lambda: mmcv.ops.box_iou_rotated(torch.rand(2, 5), torch.rand(3, 5)),
            'box_iou_rotated',
            'for CPUs too',
        ),
        (
            lambda: mmcv.ops.nms_rotated(torch.rand(2, 5), torch.rand(2), 0.5),
            'nms_rotated',
            'for CPUs too',
        ),
        (
            lambda: mmcv.ops.knn(1, torch.rand(1, 4, 3), torch.rand(1, 2, 3)),
            'knn_forward',
            'for GPUs only, not for CPUs',
        ),
        (
            lambda: mmcv.ops.border_align(
                torch.rand(1, 4, 3, 3), torch.rand(1, 9, 4), 2
            ),
            'border_align_forward',
            'for GPUs only, not for CPUs',
        ),
    ],
)
def test_missing_operator_through_mmcv(op, name, where):
    with pytest.raises(NotImplementedError, match=f"'{name}'") as info:
        op()
    assert where in str(info.value)
    assert COMMAND in str(info.value)


def test_operators_that_compiled_mmcv_has_for_cpus():
    """Of the sources that come with mmcv; the list is read by hand."""
    sources = OPS_DIR / 'csrc' / 'pytorch'
    if not sources.is_dir():
        pytest.skip('this mmcv comes without its sources')
    kernels = set()
    for path in (sources / 'cpu').glob('*.cpp'):
        kernels |= set(
            re.findall(r'REGISTER_DEVICE_IMPL\((\w+)_impl,\s*CPU', path.read_text())
        )
    # parts of deform_conv_* and modulated_deform_conv_*, not operators
    kernels = {name for name in kernels if not re.search('deformable_.*2', name)}
    by_themselves = {
        'contour_expand',
        'nms_quadri',
        'nms_rotated',
        'points_in_boxes_cpu_forward',
    }
    assert kernels | by_themselves <= names_that_mmcv_asks_for()
    assert ops.COMPILED_FOR_CPU == (kernels | by_themselves) - set(ops.__all__)


def test_other_attributes_are_missing(fallback):
    assert not hasattr(fallback, '__path__')
    with pytest.raises(AttributeError, match='_private'):
        fallback._private  # noqa: B018


def test_environment_report_knows_that_nothing_is_compiled():
    assert mmcv.ops.get_compiler_version() == 'none (operators of MMAtlas)'
    assert mmcv.ops.get_compiling_cuda_version() == 'not available'


# --- how the extension is found


def run(code, cwd):
    """stdout of ``code`` in a fresh process that finds ``cwd`` first."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=cwd,
        timeout=600,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def fake_mmcv(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    return package


def test_install_is_done_once_and_last():
    before = list(sys.meta_path)
    mmcv_ops.install()
    assert sys.meta_path == before  # projects did it
    finders = [f for f in before if isinstance(f, mmcv_ops.FallbackFinder)]
    assert len(finders) == 1


def test_fallback_is_found_without_importing_torch(fake_mmcv):
    done = run(
        'import sys, importlib.util\n'
        'from projects.core import mmcv_ops\n'
        'mmcv_ops.install()\n'
        'assert isinstance(sys.meta_path[-1], mmcv_ops.FallbackFinder)\n'
        'spec = importlib.util.find_spec("mmcv._ext")\n'
        'assert importlib.util.find_spec("mmcv._other") is None\n'
        'heavy = {"torch", "torchvision", "mmengine"} & set(sys.modules)\n'
        'print(spec.name, spec.origin, sorted(heavy))',
        fake_mmcv.parent,
    )
    assert done.stdout.split() == ['mmcv._ext', 'projects.core.mmcv_ops', '[]']


def test_compiled_extension_is_preferred(fake_mmcv):
    (fake_mmcv / '_ext.py').write_text('nms = "compiled"')
    done = run('import projects, mmcv._ext; print(mmcv._ext.nms)', fake_mmcv.parent)
    assert done.stdout == 'compiled\n'
    assert done.stderr == ''


def test_broken_extension_is_reported_and_replaced(fake_mmcv):
    suffix = '.so' if sys.platform != 'win32' else '.pyd'
    (fake_mmcv / f'_ext{suffix}').write_bytes(b'not a library')
    done = run(
        'import projects, mmcv._ext, torch\n'
        'print(mmcv._ext.__spec__.origin)\n'
        'boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.]])\n'
        'print(mmcv._ext.nms(boxes, torch.tensor([1., 2.]), 0.5, 0).tolist())',
        fake_mmcv.parent,
    )
    assert done.stdout.splitlines() == ['projects.core.mmcv_ops', '[1]']
    assert len(done.stderr.splitlines()) == 1
    assert COMMAND in done.stderr


def test_extension_that_fails_on_execution_is_replaced(tmp_path, caplog):
    path = tmp_path / '_ext.py'
    path.write_text('raise ImportError("undefined symbol: _ZN1\\nmore")')
    spec = spec_from_file_location('mmcv._ext', path)
    spec.loader = mmcv_ops.CompiledLoader(spec)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.nms is ops.nms
    (record,) = caplog.records
    assert 'undefined symbol: _ZN1' in record.getMessage()
    assert '\n' not in record.getMessage()


def test_other_errors_of_an_extension_are_not_hidden(tmp_path):
    path = tmp_path / '_ext.py'
    path.write_text('1 / 0')
    spec = spec_from_file_location('mmcv._ext', path)
    spec.loader = mmcv_ops.CompiledLoader(spec)
    with pytest.raises(ZeroDivisionError):
        spec.loader.exec_module(module_from_spec(spec))
