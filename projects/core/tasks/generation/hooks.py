"""What a training of a generative model leaves to look at."""

import os.path as osp
from pathlib import Path

import cv2
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from projects.core.files import output_file
from projects.core.tasks.drawing import PictureFolder, write_picture
from projects.core.tasks.generation.pictures import (
    Kept,
    captioned,
    film_of,
    frames_of,
    loss_curves,
)
from projects.registry import HOOKS

OPTION = '--work-dir'
FOLDER, FILM, CURVES = 'samples', 'samples.gif', 'losses.png'


@HOOKS.register_module()
class SamplesHook(Hook):
    """Draws what a model makes, and how its losses went.

    At each validation the first samples, which are of the same latents each time, as
    ``samples/iter_<N>.png``; at the end of the training all of these as a film,
    ``samples.gif``, and ``losses.png``. The task adds it to every training and test,
    whose reports show what is ``kept``. A picture that cannot be written is a warning.

    Attributes:
        kept: The first samples of the last evaluation.
    """

    kept: Kept | None = None

    def before_train(self, runner) -> None:
        self._pictures = PictureFolder(osp.join(runner.work_dir, FOLDER), OPTION)

    def before_val_epoch(self, runner) -> None:
        model = getattr(runner.model, 'module', runner.model)
        self.kept = Kept(getattr(model, 'num_classes', None))

    def after_val_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        if is_main_process():
            self.kept.add(outputs)

    before_test_epoch, after_test_iter = before_val_epoch, after_val_iter

    def after_val_epoch(self, runner, metrics=None) -> None:
        if runner._train_loop is None or not is_main_process() or not self.kept.rows:
            return
        self._pictures.add(
            f'iter_{runner.iter:07}.png',
            f'the samples of iteration {runner.iter}',
            lambda: captioned(self.kept.picture(), f'iteration {runner.iter:,}'),
        )

    def after_train(self, runner) -> None:
        if not is_main_process():
            return
        history = {
            name.removeprefix('train/'): buffer.data[0]
            for name, buffer in runner.message_hub.log_scalars.items()
            if name.startswith('train/')
        }
        frames = frames_of(Path(runner.work_dir, FOLDER))
        curves = osp.join(runner.work_dir, CURVES)
        self._pictures.attempt(
            'the losses', lambda: write_picture(curves, loss_curves(history), OPTION)
        )
        if frames:
            self._pictures.attempt(
                'the film', lambda: _write_film(runner.work_dir, frames)
            )


def _write_film(work_dir: str, frames: list[Path]) -> None:
    film = film_of([cv2.imread(str(frame)) for frame in frames])
    with output_file(osp.join(work_dir, FILM), OPTION) as file:
        file.write(film)


def pictures_of(work_dir: str) -> list[str]:
    """What a training left to look at, in the log's words."""
    lines = []
    frames = frames_of(Path(work_dir, FOLDER))
    film, curves = osp.join(work_dir, FILM), osp.join(work_dir, CURVES)
    if frames and osp.isfile(film):
        lines.append(
            f'samples at {len(frames)} validations: {osp.relpath(film)}, the last '
            f'{osp.relpath(frames[-1])}'
        )
    if osp.isfile(curves):
        lines.append(f'curves of the losses: {osp.relpath(curves)}')
    return lines
