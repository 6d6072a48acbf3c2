"""Training, testing and inference, and what hangs on the runner."""

from projects.core.cli import run_tool
from projects.core.engine import hooks, speed
from projects.core.engine.evaluation import evaluate
from projects.core.engine.inference import infer
from projects.core.engine.runner import Runner
from projects.core.engine.training import train

__all__ = ['Runner', 'evaluate', 'hooks', 'infer', 'run_tool', 'speed', 'train']
