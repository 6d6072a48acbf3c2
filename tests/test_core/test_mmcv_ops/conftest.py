"""mmcv's operators are those of the fallback, whatever mmcv itself has here.

They are called as mmcv calls them, through its own autograd functions.
"""

import sys
from types import ModuleType

import projects  # noqa: F401 - mmcv.ops needs it to have been imported

# isort: split
import mmcv.ops  # noqa: F401 - all of its modules, to be patched
import pytest

from projects.core import mmcv_ops


@pytest.fixture(autouse=True)
def fallback(monkeypatch):
    """The fallback extension, which all of ``mmcv.ops`` uses."""
    extension = ModuleType('mmcv._ext')
    mmcv_ops.fill(extension)
    for name, module in list(sys.modules.items()):
        if name.startswith('mmcv.ops.') and hasattr(module, 'ext_module'):
            monkeypatch.setattr(module, 'ext_module', extension)
    return extension
