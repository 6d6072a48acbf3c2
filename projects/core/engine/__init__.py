"""Training, testing and inference, and what hangs on the runner."""

from projects.core.cli import run_tool
from projects.core.engine import hooks
from projects.core.engine.benchmarking import benchmark
from projects.core.engine.config import load_config
from projects.core.engine.evaluation import evaluate
from projects.core.engine.inference import infer
from projects.core.engine.runner import Runner
from projects.core.engine.training import train

__all__ = [
    'Runner',
    'benchmark',
    'evaluate',
    'hooks',
    'infer',
    'load_config',
    'run_tool',
    'train',
]
