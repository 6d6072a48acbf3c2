"""Pictures of detections while a model is trained and tested."""

import os.path as osp

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.utils import mkdir_or_exist

from projects.core.errors import UserError
from projects.core.tasks.detection.pictures import draw_detections, draw_grid
from projects.registry import HOOKS


@HOOKS.register_module()
class DetectionPicturesHook(Hook):
    """Draws detections beside the ground truth (thin white boxes).

    In validation the first images of the data set go to one picture,
    ``<work_dir>/pictures/epoch_<n>.png``. In a test every image goes to
    ``show_dir``, where that is given.

    Args:
        num_images: Images in the picture of a validation.
        score_thr: Least score that is drawn.
        show_dir: Folder for a test's pictures; None for none.
    """

    def __init__(
        self, num_images: int = 12, score_thr: float = 0.3, show_dir: str | None = None
    ) -> None:
        self.num_images = num_images
        self.score_thr = score_thr
        self.show_dir = show_dir
        self._pictures: list[np.ndarray] = []

    def _draw(self, sample, classes) -> np.ndarray:
        pred = sample.pred_instances.cpu()
        gt_bboxes = None
        if 'gt_instances' in sample:
            # as the detections in pixels of the file: test pipelines load
            # annotations after the resize
            gt_bboxes = sample.gt_instances.bboxes.cpu().numpy()
        return draw_detections(
            cv2.imread(sample.img_path),
            pred.bboxes.numpy(),
            pred.labels.numpy(),
            pred.scores.numpy(),
            classes,
            gt_bboxes,
            self.score_thr,
        )

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if not is_main_process():
            return
        classes = runner.val_dataloader.dataset.metainfo['classes']
        for sample in outputs[: self.num_images - len(self._pictures)]:
            self._pictures.append(self._draw(sample, classes))

    def after_val_epoch(self, runner, metrics=None) -> None:
        if not self._pictures:
            return
        folder = osp.join(runner.work_dir, 'pictures')
        mkdir_or_exist(folder)
        cv2.imwrite(
            osp.join(folder, f'epoch_{runner.epoch}.png'), draw_grid(self._pictures)
        )
        self._pictures = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.show_dir is None:
            return
        classes = runner.test_dataloader.dataset.metainfo['classes']
        mkdir_or_exist(self.show_dir)
        for sample in outputs:
            name = osp.splitext(osp.basename(sample.img_path))[0]
            path = osp.join(self.show_dir, f'{name}.png')
            if osp.realpath(path) == osp.realpath(sample.img_path):
                raise UserError(
                    f'--show-dir {self.show_dir} is the folder of '
                    'the images, which the pictures would replace'
                )
            cv2.imwrite(path, self._draw(sample, classes))
