"""Trackers of experiments, TensorBoard above all, beside a run's own log.

They are mmengine's backends of a visualizer. Two things are set right. All curves are
over iterations, where mmengine counts epochs for a validation, so that those of
training and of validation lie over each other. And a tracker that fails is left out:
with an error before the run begins, with a warning from then on.
"""

import importlib.util
import logging
import os
import os.path as osp
from collections.abc import Callable
from functools import wraps

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.visualization import Visualizer

from projects.core.errors import UserError, described

LOCAL = 'LocalVisBackend'
TENSORBOARD = 'TensorboardVisBackend'
# what each needs; those of other services import theirs at their first use
PACKAGES = {
    TENSORBOARD: 'tensorboard',
    'WandbVisBackend': 'wandb',
    'MLflowVisBackend': 'mlflow',
}
FOLDER = 'tensorboard'  # in the work dir, for a run and all that resume it
METHODS = ('add_config', 'add_graph', 'add_image', 'add_scalar', 'add_scalars', 'close')
# of a validation, which training has by the same name
SHARED = ('time', 'data_time')


def set_up_trackers(cfg, tensorboard: bool) -> None:
    """Complete the visualizer of a config, and see whether its packages are here.

    The run's own backend is among its backends in any case: reports read its file.

    Args:
        cfg: Config with ``work_dir``, which is changed.
        tensorboard: Whether TensorBoard is asked for besides.

    Raises:
        UserError: If a package is missing.
    """
    if not tensorboard and not cfg.get('visualizer'):
        return
    settings = dict(cfg.get('visualizer') or {})
    settings.setdefault('type', 'mmengine.Visualizer')
    backends = settings.get('vis_backends') or []
    backends = [
        dict(b) for b in ([backends] if isinstance(backends, dict) else backends)
    ]
    if not any(_name(b) == LOCAL for b in backends):
        backends.insert(0, dict(type=f'mmengine.{LOCAL}'))
    if tensorboard and not any(_name(b) == TENSORBOARD for b in backends):
        backends.append(dict(type=f'mmengine.{TENSORBOARD}'))
    for backend in backends:
        name = _name(backend)
        package = PACKAGES.get(name)
        if package and importlib.util.find_spec(package) is None:
            option = '--tensorboard' if tensorboard and name == TENSORBOARD else name
            raise UserError(
                f'{option} needs the package {package}, which is not installed: pip '
                'install "mmatlas[trackers]"'
            )
        if name == TENSORBOARD:
            backend.setdefault('save_dir', osp.join(cfg.work_dir, FOLDER))
    settings['vis_backends'] = backends
    cfg.visualizer = settings


def _name(backend: dict) -> str:
    return str(backend.get('type')).rpartition('.')[2]


def begin_trackers(visualizer: Visualizer, iterations: Callable[[], int]) -> None:
    """Open the trackers of a visualizer, and let none of them end the run.

    Args:
        visualizer: Just built.
        iterations: How many the training has done.

    Raises:
        UserError: If one cannot be opened.
    """
    for name, backend in visualizer._vis_backends.items():
        if type(backend).__name__ == LOCAL:
            continue
        if is_main_process():
            # a server that is not there is asked for minutes else
            os.environ.setdefault('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '1')
            os.environ.setdefault('MLFLOW_HTTP_REQUEST_TIMEOUT', '20')
            try:
                _ = backend.experiment
            except Exception as error:
                raise UserError(
                    f'visualizer.vis_backends: {name} cannot begin: {described(error)}'
                ) from error
        _spare(name, backend, iterations)


def _spare(name: str, backend, iterations: Callable[[], int]) -> None:
    """Let a backend fail once, and be left out from then on."""
    failed = False

    def spared(method: Callable) -> Callable:
        @wraps(method)
        def call(*args, **kwargs) -> None:
            nonlocal failed
            if failed:
                return
            try:
                method(*args, **kwargs)
            except Exception as error:
                failed = True
                print_log(
                    f'{name} failed and is left out from here on: {described(error)}',
                    'current',
                    logging.WARNING,
                )

        return call

    for method in METHODS:
        setattr(backend, method, spared(getattr(backend, method)))
    add = backend.add_scalars

    def add_scalars(scalars: dict, step: int = 0, *args, **kwargs) -> None:
        done = iterations()
        if step <= done:  # of a validation; training counts the step under way
            scalars = {
                f'val/{key}' if key in SHARED else key: value
                for key, value in scalars.items()
            }
        add(scalars, max(step, done), *args, **kwargs)

    backend.add_scalars = add_scalars
