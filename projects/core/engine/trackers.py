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
import re
from collections.abc import Callable
from functools import wraps

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.visualization import MLflowVisBackend as MMEngineMLflowVisBackend
from mmengine.visualization import Visualizer
from mmengine.visualization import WandbVisBackend as MMEngineWandbVisBackend

from projects.core.config.walk import type_name
from projects.core.errors import UserError, described, one_line
from projects.registry import VISBACKENDS

LOCAL = 'LocalVisBackend'
TENSORBOARD = 'TensorboardVisBackend'
WANDB = 'WandbVisBackend'
MLFLOW = 'MLflowVisBackend'
# what each needs; those of other services import theirs at their first use
PACKAGES = {
    TENSORBOARD: 'tensorboard',
    WANDB: 'wandb',
    MLFLOW: 'mlflow',
}
FOLDER = 'tensorboard'  # in the work dir, for a run and all that resume it
# MLflow asks for minutes for a server that is not there, and, from version 3.7 on,
# keeps to folders, which mmengine's backend writes to, only where it is told to
ENVIRONMENT = dict(
    MLFLOW_HTTP_REQUEST_MAX_RETRIES='1',
    MLFLOW_HTTP_REQUEST_TIMEOUT='20',
    MLFLOW_ALLOW_FILE_STORE='true',
)
HINTS = {WANDB: '; with WANDB_MODE=offline in the environment it needs no account'}
METHODS = ('add_config', 'add_graph', 'add_image', 'add_scalar', 'add_scalars', 'close')
# of a validation, which training has by the same name
SHARED = ('time', 'data_time')


@VISBACKENDS.register_module()
class WandbVisBackend(MMEngineWandbVisBackend):
    """mmengine's, which knows the step of a value, and ends a run of today's wandb.

    It takes no copy of the code in the current folder, unless ``log_code_name`` is
    given. Arguments are those of :class:`mmengine.visualization.WandbVisBackend`.
    """

    def add_config(self, config, **kwargs) -> None:
        run = self.experiment.run
        run.config.update(config.to_dict(), allow_val_change=True)
        if self._log_code_name is not None:
            run.log_code(name=self._log_code_name)

    def add_image(self, name: str, image, step: int = 0, **kwargs) -> None:
        wandb = self.experiment
        wandb.log({name: wandb.Image(image)}, step=step)

    def add_scalar(self, name: str, value, step: int = 0, **kwargs) -> None:
        self.experiment.log({name: value}, step=step)

    def add_scalars(
        self, scalar_dict: dict, step: int = 0, file_path=None, **kwargs
    ) -> None:
        self.experiment.log(scalar_dict, step=step)

    def close(self) -> None:
        if hasattr(self, '_wandb'):
            self._wandb.finish()


@VISBACKENDS.register_module()
class MLflowVisBackend(MMEngineMLflowVisBackend):
    """mmengine's, for metrics of any name: ``bbox_AR@1`` becomes ``bbox_AR_1``, where
    MLflow would refuse all metrics of the validation.

    Arguments are those of :class:`mmengine.visualization.MLflowVisBackend`.
    """

    def add_scalar(self, name: str, value, step: int = 0, **kwargs) -> None:
        self.add_scalars({name: value}, step)

    def add_scalars(
        self, scalar_dict: dict, step: int = 0, file_path=None, **kwargs
    ) -> None:
        scalars = {
            re.sub(r'[^\w\-. :/]', '_', name): float(value)
            for name, value in scalar_dict.items()
        }
        self.experiment.log_metrics(scalars, step)


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
    backends = [backends] if isinstance(backends, dict) else backends
    if not isinstance(backends, (list, tuple)) or not all(
        isinstance(backend, dict) for backend in backends
    ):
        raise UserError(
            'visualizer.vis_backends: a list of settings, as '
            f"[dict(type='{TENSORBOARD}')], not {one_line(backends, 60)}"
        )
    backends = [dict(backend) for backend in backends]
    if not any(type_name(b) == LOCAL for b in backends):
        backends.insert(0, dict(type=f'mmengine.{LOCAL}'))
    if tensorboard and not any(type_name(b) == TENSORBOARD for b in backends):
        backends.append(dict(type=f'mmengine.{TENSORBOARD}'))
    for backend in backends:
        name = type_name(backend)
        package = PACKAGES.get(name)
        if package and importlib.util.find_spec(package) is None:
            option = '--tensorboard' if tensorboard and name == TENSORBOARD else name
            raise UserError(
                f'{option} needs the package {package}, which is not installed: pip '
                f'install {"mlflow-skinny" if name == MLFLOW else package}'
            )
        if name in (WANDB, MLFLOW):
            backend['type'] = f'projects.{name}'
        if name == TENSORBOARD:
            backend.setdefault('save_dir', osp.join(cfg.work_dir, FOLDER))
    settings['vis_backends'] = backends
    cfg.visualizer = settings


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
            for variable, value in ENVIRONMENT.items():
                os.environ.setdefault(variable, value)
            try:
                _ = backend.experiment
            except Exception as error:
                raise UserError(
                    f'visualizer.vis_backends: {name} cannot begin: {described(error)}'
                    + HINTS.get(name, '')
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
