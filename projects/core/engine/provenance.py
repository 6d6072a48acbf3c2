"""Where a run comes from: its command, the machine, the state of the code."""

import os
import platform
import sys
from dataclasses import dataclass, field
from typing import Any

import torch

from projects.core.machine import cpu_name, num_cores, nvidia_driver
from projects.core.tasks.task import option_of

LIBRARIES = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain')
LIBRARIES += ('numpy', 'cv2')


@dataclass
class Origin:
    """What a run was started with.

    Args:
        config: Path of the config as the user gave it.
        command: What trains like this from the beginning, the program first.
        cfg_options: Settings over the config's.
        overrides: See :func:`projects.core.config.overrides.overrides_of`.
        group: Of a member of a group, see
            :class:`projects.core.reports.record.Record`.
    """

    config: str
    command: list[str] = field(default_factory=list)
    cfg_options: list[str] = field(default_factory=list)
    overrides: list[dict[str, Any]] = field(default_factory=list)
    group: dict[str, Any] | None = None


def environment() -> dict[str, str]:
    """Versions and machine; neither its name nor the user's."""
    found = {'python': platform.python_version()}
    for name in LIBRARIES:  # those that are in use
        version = getattr(sys.modules.get(name), '__version__', None)
        if version is not None:
            found[name] = str(version)
    found['platform'] = platform.platform()
    found['cpu'] = cpu_name()
    found['cores'] = str(num_cores())
    found['threads'] = str(torch.get_num_threads())
    if torch.cuda.is_available():
        names = [
            torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())
        ]
        found['gpu'] = ', '.join(
            f'{names.count(name)} x {name}' for name in dict.fromkeys(names)
        )
        found['cuda'] = str(torch.version.cuda)
        found['cudnn'] = str(torch.backends.cudnn.version())
        if driver := nvidia_driver():
            found['driver'] = driver
    return found


def command_of(
    config: str,
    launcher: str,
    values: dict[str, object],
    flags: dict[str, bool],
    cfg_options: list[str],
) -> list[str]:
    """The command that trains like this, from the beginning."""
    command = ['python', 'tools/train.py', config]
    if launcher == 'pytorch':
        num = os.environ.get('LOCAL_WORLD_SIZE', '1')
        command = ['tools/dist_train.sh', config, num]
    elif launcher != 'none':
        command += ['--launcher', launcher]
    for name, value in values.items():
        if value is not None:
            command += [option_of(name), str(value)]
    command += [option_of(name) for name, is_set in flags.items() if is_set]
    return command + (['--cfg-options', *cfg_options] if cfg_options else [])
