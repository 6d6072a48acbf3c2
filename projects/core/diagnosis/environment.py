"""Python API of ``tools/misc/collect_env.py``; works where torch does not import."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import projects
from projects.core.checkout import code_state, without_home
from projects.core.diagnosis.import_probe import MODULES, probe
from projects.core.diagnosis.installed import (
    FAMILIES,
    OPENCV,
    Trouble,
    missing_extras,
    suppliers,
    troubles,
    version_of,
)
from projects.core.errors import UserError, listed
from projects.core.machine import cpu_entry, cpu_name, num_cores, nvidia_driver

GIB = 2**30
# none of them can hold a secret
VARIABLES = (
    'OMP_NUM_THREADS',
    'MKL_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'OMP_PROC_BIND',
    'CUDA_VISIBLE_DEVICES',
    'CUBLAS_WORKSPACE_CONFIG',
    'PYTORCH_CUDA_ALLOC_CONF',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'PYTHONPATH',
    'MMATLAS_DEBUG',
)
FLAGS = ('avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_tile', 'asimd', 'sve')
LIBRARIES = ('torch', 'torchvision', 'numpy', 'pycocotools', 'faster-coco-eval')
LEAST_SHARED = 1  # GiB, for the batches of a data loader's workers
LEAST_DISK = 5  # GiB, for checkpoints
# what asks for torch, and cannot be imported where torch cannot
WITHOUT_TORCH = ('numpy', 'cv2', 'pycocotools.mask', 'faster_coco_eval')


def collect_env(as_json: bool = False) -> dict[str, Any]:
    """Show what the environment is, and what is wrong with it.

    Args:
        as_json: Whether to write JSON instead of a text.

    Returns:
        dict: ``problems`` and ``notes`` (``what`` and ``fix`` of each), ``extras``, and
        what there is by section.

    Raises:
        UserError: If something is broken; after all is shown.
    """
    report = environment_report()
    print(json.dumps(report, indent=2) if as_json else text_of(report))
    if report['problems']:
        number = len(report['problems'])
        raise UserError(
            f'{number} of the above {"is" if number == 1 else "are"} broken'
        )
    return report


def environment_report() -> dict[str, Any]:
    """What there is and what is wrong with it, without the home folder's name."""
    imports = probe()
    sections = dict(
        system=dict(_system()),
        variables={k: os.environ[k] for k in VARIABLES if k in os.environ},
        libraries=dict(_libraries(imports)),
        imports=dict(_imports(imports)),
    )
    found = [*troubles(), *_of_imports(imports), *_of_machine(imports)]
    report = dict(
        problems=[dict(what=t.what, fix=t.fix) for t in found if t.serious],
        notes=[dict(what=t.what, fix=t.fix) for t in found if not t.serious],
        extras=list(missing_extras()),
        **sections,
    )
    return json.loads(without_home(json.dumps(report)))


def _system() -> Iterator[tuple[str, str]]:
    yield 'mmatlas', f'{projects.__version__}, {Path(projects.__file__).parent}'
    if code := code_state(None):
        changed = f', {len(code["changed"])} files changed' if code['changed'] else ''
        branch = f' ({code["branch"]})' if code['branch'] else ''
        yield 'commit', f'{(code["commit"] or "none")[:12]}{branch}{changed}'
    yield 'python', f'{platform.python_version()}, {sys.executable}'
    yield 'platform', platform.platform()
    flags = (cpu_entry('flags') or cpu_entry('Features')).split()
    known = [flag for flag in FLAGS if flag in flags]
    yield 'cpu', f'{cpu_name()}; {", ".join(known) or "flags unknown"}'
    yield 'cores', f'{num_cores()} of {os.cpu_count()}'
    if memory := _memory():
        yield 'memory', memory
    if gpus := _nvidia_smi():
        yield 'gpu', gpus
    if driver := nvidia_driver():
        yield 'driver', driver
    for name, folder in _folders().items():
        usage = shutil.disk_usage(folder)
        yield name, f'{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free'


def _folders() -> dict[str, str]:
    places = {'disk here': '.', 'temporary files': tempfile.gettempdir()}
    if os.path.isdir('/dev/shm'):
        places['shared memory'] = '/dev/shm'
    return places


def _memory() -> str:
    """Of the machine, and the limit of a container."""
    try:
        lines = Path('/proc/meminfo').read_text().splitlines()
    except OSError:
        return ''
    kib = {line.split(':')[0]: int(line.split()[1]) for line in lines if ':' in line}
    text = ', '.join(
        f'{kib[key] * 1024 / GIB:.1f} GiB {word}'
        for key, word in (('MemTotal', 'in all'), ('MemAvailable', 'available'))
        if key in kib
    )
    try:
        limit = Path('/sys/fs/cgroup/memory.max').read_text().strip()
        if limit.isdecimal():
            text += f', {int(limit) / GIB:.1f} GiB allowed here'
    except OSError:
        pass
    return text


def _nvidia_smi() -> str:
    """GPUs and the driver's CUDA as the driver sees them; empty if there are none."""
    query = ['nvidia-smi', '--query-gpu=name,memory.total,driver_version']
    try:
        done = subprocess.run(
            [*query, '--format=csv,noheader'],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ''
    return '; '.join(line.strip() for line in done.stdout.splitlines() if line.strip())


def _libraries(imports: dict) -> Iterator[tuple[str, str]]:
    """Versions by distribution, with what says where they come from."""
    for name in LIBRARIES:
        yield name, version_of(name) or 'missing'
    for family in FAMILIES:
        names = suppliers(family)
        yield (
            family,
            ' and '.join(f'{name} {version_of(name)}' for name in names) or 'missing',
        )
    opencv = [f'{name} {version_of(name)}' for name in OPENCV if version_of(name)]
    yield 'opencv', ' and '.join(opencv) or 'missing'
    torch = imports.get('torch') or {}
    if torch.get('error') is None and torch.get('version'):
        build = f'CUDA {torch["cuda"]}' if torch.get('cuda') else 'CPU alone'
        gpus = ', '.join(torch['gpus']) or 'none'
        yield (
            'torch runs',
            f'{torch["version"]}, built for {build}, GPUs that it sees: {gpus}, '
            f'{torch["threads"]} threads, {torch["capability"]}',
        )
    if 'compiled' in (ops := imports.get('mmcv.ops') or {}):
        kind = 'compiled' if ops['compiled'] else 'those of MMAtlas, not compiled'
        yield 'operators of mmcv', kind


def _imports(imports: dict) -> Iterator[tuple[str, str]]:
    """What imports, and why the rest does not."""
    rows = {name: imports.get(name) for name in MODULES}
    if fine := [name for name, row in rows.items() if row and not row['error']]:
        yield 'fine', ', '.join(fine)
    for name, row in rows.items():
        if name not in fine:
            yield name, row['error'] if row else 'not tried'


def _of_imports(imports: dict) -> Iterator[Trouble]:
    """Libraries that are installed and do not import; the first cause alone."""
    broken = [name for name in MODULES if (imports.get(name) or {}).get('error')]
    if 'torch' in broken:
        stopped = [n for n in broken if n not in ('torch', *WITHOUT_TORCH)]
        broken = [name for name in broken if name not in stopped]
    for name in broken:
        what = f'{name} does not import: {imports[name]["error"]}'
        if name == 'torch' and stopped:
            what += f'; so do not {listed(stopped, 9)}'
        package = name.partition('.')[0]
        yield Trouble(what, _reinstall(package))


def _reinstall(package: str) -> str:
    if package == 'projects':
        return 'python -c "import projects.registry" shows where'
    if package in ('torch', 'torchvision'):
        return 'pip install --force-reinstall torch torchvision'  # a pair
    if package in FAMILIES:
        names = suppliers(package) or FAMILIES[package]
    elif package == 'cv2':
        names = [name for name in OPENCV if version_of(name)] or OPENCV
    else:
        names = [package.replace('_', '-')]
    return f'pip install --force-reinstall --no-deps {names[0]}'


def _of_machine(imports: dict) -> Iterator[Trouble]:
    torch = imports.get('torch') or {}
    vision = imports.get('torchvision') or {}
    if (
        torch.get('version')
        and vision.get('version')
        and torch.get('cuda') != vision.get('cuda', torch.get('cuda'))
    ):
        yield Trouble(
            f'torch is built for {_build(torch)} and torchvision for {_build(vision)}',
            'pip install --force-reinstall torch torchvision, both of one index',
        )
    seen = torch.get('gpus')
    if torch.get('version') and not seen and (gpus := _nvidia_smi()):
        yield Trouble(
            f'there is a GPU ({gpus}), and torch, built for {_build(torch)}, sees none',
            'CUDA_VISIBLE_DEVICES hides it, or the driver is older than this CUDA: '
            'https://pytorch.org/get-started/locally lists other builds',
            serious=False,
        )
    threads = os.environ.get('OMP_NUM_THREADS', '')
    if threads.isdecimal() and int(threads) > num_cores():
        yield Trouble(
            f'OMP_NUM_THREADS is {threads}, and this process has {num_cores()} cores',
            'unset OMP_NUM_THREADS',
            serious=False,
        )
    folders = _folders()
    for name, least, fix in (
        (
            'shared memory',
            LEAST_SHARED,
            'workers of data loaders pass batches through it: '
            'docker run --shm-size=8g, or --cfg-options train_dataloader.num_workers=0',
        ),
        ('disk here', LEAST_DISK, 'checkpoints and logs go there: --work-dir chooses'),
    ):
        if name not in folders:
            continue
        free = shutil.disk_usage(folders[name]).free / GIB
        if free < least:
            yield Trouble(f'{name}: {free:.1f} GiB are free', fix, serious=False)


def _build(row: dict) -> str:
    return f'CUDA {row["cuda"]}' if row.get('cuda') else 'the CPU alone'


def text_of(report: dict[str, Any]) -> str:
    """The report as a text to paste."""
    lines = []
    for key, title in (('problems', 'TO REPAIR'), ('notes', 'TO KNOW')):
        if report[key]:
            lines.append(title)
            for i, trouble in enumerate(report[key], 1):
                lines += [f'  {i}. {trouble["what"]}', f'     {trouble["fix"]}']
            lines.append('')
    if not report['problems']:
        lines += ['nothing to repair', '']
    for key in ('system', 'variables', 'libraries', 'imports'):
        entries = report[key]
        if entries:
            width = max(map(len, entries))
            lines.append(key.upper())
            lines += [f'  {name:{width}}  {value}' for name, value in entries.items()]
            lines.append('')
    if report['extras']:
        lines += ['OPTIONAL', *(f'  {line}' for line in report['extras']), '']
    return '\n'.join(lines).rstrip()
