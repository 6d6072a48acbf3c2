"""Pictures of detections while a model is trained and tested."""

import os.path as osp

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from projects.core.datasets.transforms import loader_of
from projects.core.errors import UserError
from projects.core.files import check_outputs
from projects.core.tasks.detection.pictures import (
    MAX_TILES,
    draw_detections,
    draw_grid,
    grid_layout,
)
from projects.core.tasks.drawing import MAX_SIDE, PictureFolder, picture_names
from projects.registry import HOOKS


@HOOKS.register_module()
class DetectionPicturesHook(Hook):
    """Draws detections beside the ground truth (thin white boxes).

    In validation the first images of the data set go to one picture,
    ``<work_dir>/pictures/epoch_<n>.png``. In a test every image goes to
    ``show_dir``, where that is given. A picture that cannot be drawn or written
    ends neither; the first is a warning.

    Args:
        num_images: Images in the picture of a validation, 400 at most.
        score_thr: Least score that is drawn.
        show_dir: Folder for a test's pictures; None for none.

    Raises:
        UserError: If ``num_images`` is out of range; before a test, if a picture
            would replace what is not the tools' own.
    """

    def __init__(
        self, num_images: int = 12, score_thr: float = 0.3, show_dir: str | None = None
    ) -> None:
        if not 0 <= num_images <= MAX_TILES:
            raise UserError(
                f'num_images={num_images} of projects.DetectionPicturesHook: must be '
                f'from 0 to {MAX_TILES}'
            )
        self.num_images = num_images
        self.score_thr = score_thr
        self.show_dir = show_dir
        self._tiles: list[np.ndarray] = []
        self._num_seen = 0
        self._names: dict[str, str] = {}  # pictures by their images
        self._pictures: PictureFolder | None = None

    def _draw(self, sample, dataset, max_side: int) -> np.ndarray:
        pred = sample.pred_instances.cpu()
        gt_bboxes = None
        if 'gt_instances' in sample:
            # as the detections in pixels of the file: test pipelines load
            # annotations after the resize
            gt_bboxes = sample.gt_instances.bboxes.cpu().numpy()
        return draw_detections(
            loader_of(dataset).picture(sample.img_path),
            pred.bboxes.numpy(),
            pred.labels.numpy(),
            pred.scores.numpy(),
            dataset.metainfo['classes'],
            gt_bboxes,
            self.score_thr,
            max_side,
        )

    def before_val_epoch(self, runner) -> None:
        self._tiles, self._num_seen = [], 0
        if self._pictures is None:  # or each epoch would warn anew
            self._pictures = PictureFolder(
                osp.join(runner.work_dir, 'pictures'), '--work-dir'
            )

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if not is_main_process():
            return
        dataset = runner.val_dataloader.dataset
        side = grid_layout(self.num_images)[1]
        for sample in outputs[: self.num_images - self._num_seen]:
            self._num_seen += 1
            tile = self._pictures.attempt(
                sample.img_path, lambda s=sample: self._draw(s, dataset, side)
            )
            if tile is not None:
                self._tiles.append(tile)

    def after_val_epoch(self, runner, metrics=None) -> None:
        if self._tiles:
            self._pictures.add(
                f'epoch_{runner.epoch}.png',
                'the validation',
                lambda: draw_grid(self._tiles),
            )

    def before_test(self, runner) -> None:
        if self.show_dir is None:
            return
        dataset = runner.test_dataloader.dataset
        self._names = picture_names(
            [str(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))]
        )
        check_outputs(
            [osp.join(self.show_dir, name) for name in self._names.values()],
            '--show-dir',
        )
        self._pictures = PictureFolder(self.show_dir, '--show-dir')

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.show_dir is None:
            return
        dataset = runner.test_dataloader.dataset
        for sample in outputs:
            self._pictures.add(
                self._names[str(sample.img_path)],
                sample.img_path,
                lambda s=sample: self._draw(s, dataset, MAX_SIDE),
            )

    def after_test(self, runner) -> None:
        if self._pictures is not None and self._pictures.failures:
            runner.logger.warning(f'{self._pictures.failures} pictures are missing')
