"""The processor of this machine."""

import os
import platform
from pathlib import Path

CPUINFO = Path('/proc/cpuinfo')
DRIVER = Path('/proc/driver/nvidia/version')


def cpu_name() -> str:
    """Model of the processor."""
    return cpu_entry('model name') or platform.processor() or platform.machine()


def cpu_entry(name: str) -> str:
    """What Linux says of the first core under a name; empty if nothing."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.is_file() else []
    entries = (line.partition(':') for line in lines)
    return next((v.strip() for k, _, v in entries if k.strip() == name), '')


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def nvidia_driver() -> str:
    """Driver of NVIDIA's GPUs, as Linux describes it; empty if there is none."""
    text = DRIVER.read_text() if DRIVER.is_file() else ''
    return text.partition('\n')[0].partition(':')[2].strip()
