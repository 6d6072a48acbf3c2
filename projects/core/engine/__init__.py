"""Training, testing and inference, and what hangs on the runner."""

from projects.core.cli import run_tool
from projects.core.engine import (
    checkpoint_hook,
    evaluation_hook,
    gradients,
    hooks,
    loops,
    optimizers,
    patience,
    record_hook,
    seeding,
    speed,
    step_times,
    stopping,
    views_hook,
)
from projects.core.engine.evaluation import evaluate
from projects.core.engine.inference import infer
from projects.core.engine.repeats import cross_validate, repeat
from projects.core.engine.runner import Runner
from projects.core.engine.training import train

__all__ = [
    'Runner',
    'checkpoint_hook',
    'cross_validate',
    'evaluate',
    'evaluation_hook',
    'gradients',
    'hooks',
    'infer',
    'loops',
    'optimizers',
    'patience',
    'record_hook',
    'repeat',
    'run_tool',
    'seeding',
    'speed',
    'step_times',
    'stopping',
    'train',
    'views_hook',
]
