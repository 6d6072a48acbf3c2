"""Whether libraries import, each in a process that may break.

:func:`probe` starts ``main`` in a process of its own, which writes a line for each
module, so that what ends it is known by what it did not write.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import projects

MARK = 'MMATLAS-PROBE '
SECONDS = 180  # for all together, on a slow disk
# in this order: each stands on those before
MODULES = (
    'numpy',
    'cv2',
    'torch',
    'torchvision',
    'mmengine',
    'mmcv',
    'mmcv.ops',
    'mmdet.models',
    'mmpretrain.models',
    'pycocotools.mask',
    'faster_coco_eval',
    'projects.registry',
)


def probe(modules: tuple[str, ...] = MODULES) -> dict[str, dict[str, Any]]:
    """Import modules elsewhere.

    Returns:
        dict: By module ``version``, ``error`` (None where it imports) and what else is
        known of it, see :func:`details`.
    """
    found: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + SECONDS
    root = str(Path(projects.__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get('PYTHONPATH')]))
    while left := [name for name in modules if name not in found]:
        code = f'from {__name__} import main; main()'
        try:
            done = subprocess.run(
                [sys.executable, '-c', code, *left],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors='replace',
                timeout=max(1, deadline - time.monotonic()),
                env={**os.environ, 'PYTHONPATH': path},
                check=False,
            )
            output, reason = done.stdout, f'the import ends Python ({done.returncode})'
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b'').decode(errors='replace')
            reason = 'the import does not come to an end'
        for line in output.splitlines():
            if line.startswith(MARK):
                row = json.loads(line.removeprefix(MARK))
                found[row.pop('name')] = row
        left = [name for name in left if name not in found]
        if left:  # the first of these is it
            found[left[0]] = dict(version=None, error=reason)
        if time.monotonic() > deadline:
            break
    return found


def main() -> None:
    """Import the modules of the command line, and write what is known of each."""
    for name in sys.argv[1:]:
        row: dict[str, Any] = dict(name=name, version=None, error=None)
        try:
            module = importlib.import_module(name)
            package = sys.modules[name.partition('.')[0]]
            row['version'] = getattr(package, '__version__', None)
            row.update(details(name, module))
        except BaseException as error:  # whatever it is, it is told
            text = ' '.join(str(error).split())
            row['error'] = f'{type(error).__name__}: {text}'[:300]
        print(f'\n{MARK}{json.dumps(row, default=str)}', flush=True)


def details(name: str, module) -> dict[str, Any]:
    """What only an imported library knows of itself."""
    if name == 'torch':
        found = dict(
            cuda=module.version.cuda,
            hip=getattr(module.version, 'hip', None),
            cudnn=module.backends.cudnn.version(),
            threads=module.get_num_threads(),
            capability=module.backends.cpu.get_cpu_capability(),
            gpus=[],
        )
        if module.cuda.is_available():
            numbers = range(module.cuda.device_count())
            found['gpus'] = [module.cuda.get_device_name(i) for i in numbers]
        return found
    if name == 'torchvision':
        cuda = module.version.cuda  # 13020 for 13.2, in some versions
        if isinstance(cuda, int):
            cuda = f'{cuda // 1000}.{cuda % 1000 // 10}'
        return dict(cuda=cuda)
    if name == 'mmcv.ops':
        origin = getattr(sys.modules['mmcv._ext'].__spec__, 'origin', None)
        return dict(compiled=origin != 'projects.core.mmcv_ops')
    return {}
