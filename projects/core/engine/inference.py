"""Python API behind ``tools/infer.py``."""
import json
import os.path as osp
import time
from pathlib import Path

import cv2
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.engine.config import explained, test_pipeline_of
from projects.core.engine.training import make_folder
from projects.core.errors import UserError
from projects.core.quiet import quiet_libraries
from projects.core.visualization.detections import draw_detections
from projects.core.weights import load_weights, read_checkpoint
from projects.registry import MODELS

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def infer(checkpoint: str,
          images: str,
          out_dir: str | None = None,
          score_thr: float = 0.3,
          batch_size: int = 8,
          device: str | None = None) -> list[dict]:
    """Detect objects in images with a checkpoint of ``tools/train.py``.

    Writes a picture per image and ``detections.json``, which holds all
    detections in the COCO results format (whatever their score), each with
    the file's name and the class's besides. ``image_id`` counts the images by
    name from 0; ``category_id`` is that of the annotation file trained on.

    Args:
        checkpoint: File that holds the weights and the config.
        images: An image, or a folder of images.
        out_dir: Folder to write to; ``detections/<name of images>`` by
            default.
        score_thr: Least score that is drawn.
        batch_size: Images that go through the model together.
        device: 'cpu', 'cuda', ...; a GPU where there is one by default.

    Returns:
        What ``detections.json`` holds.

    Raises:
        UserError: If a file is missing or unreadable or of another kind.
    """
    quiet_libraries()
    logger = MMLogger.get_current_instance()
    paths = _image_paths(images)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model, cfg, meta = load_detector(checkpoint, device)
    classes = meta['dataset_meta']['classes']
    cat_ids = meta.get('cat_ids') or list(range(len(classes)))
    with explained(cfg):
        pipeline = Compose(_test_pipeline(cfg))
    out_dir = out_dir or osp.join('detections', Path(images).stem)
    if osp.realpath(out_dir) == osp.realpath(paths[0].parent):
        raise UserError(f'--out-dir {out_dir} is the folder of the images, '
                        'which the pictures could replace')
    make_folder(out_dir, '--out-dir')

    results, names, unreadable = [], set(), []
    start = time.monotonic()
    for first in range(0, len(paths), batch_size):
        batch, batch_paths = [], []
        for i, path in enumerate(paths[first:first + batch_size], first):
            try:
                batch.append(pipeline(dict(img_path=str(path), img_id=i)))
                batch_paths.append((i, path))
            except UserError as error:
                if len(paths) == 1:
                    raise
                unreadable.append(path)
                reason = str(error).partition('. Restore')[0]
                logger.warning(f'{reason}; left out')
        if not batch:
            continue
        with torch.no_grad():
            samples = model.test_step(pseudo_collate(batch))
        for (i, path), sample in zip(batch_paths, samples, strict=True):
            pred = sample.pred_instances.cpu()
            boxes, labels, scores = (
                pred.bboxes.numpy(), pred.labels.numpy(), pred.scores.numpy())
            # a.jpg and a.png of one folder must not share a picture
            name = f'{path.stem}.png' if path.stem not in names else (
                f'{path.name}.png')
            names.add(path.stem)
            cv2.imwrite(
                osp.join(out_dir, name),
                draw_detections(
                    cv2.imread(str(path)), boxes, labels, scores, classes,
                    score_thr=score_thr))
            results += [
                dict(image_id=i, category_id=int(cat_ids[label]),
                     bbox=[x1, y1, x2 - x1, y2 - y1], score=float(score),
                     file_name=path.name, category=classes[label])
                for (x1, y1, x2, y2), label, score in zip(
                    boxes.tolist(), labels, scores, strict=True)
            ]
    if len(unreadable) == len(paths):
        raise UserError(f'none of the {len(paths)} images in {images} can be '
                        'read')
    with open(osp.join(out_dir, 'detections.json'), 'w') as file:
        json.dump(results, file)
    drawn = sum(r['score'] >= score_thr for r in results)
    logger.info(f'{len(paths) - len(unreadable)} images in '
                f'{time.monotonic() - start:.1f} s, '
                f'{drawn} detections with score >= {score_thr:g}: pictures '
                f"and detections.json in {osp.relpath(out_dir)}")
    return results


def load_detector(checkpoint: str,
                  device: str = 'cpu') -> tuple[nn.Module, Config, dict]:
    """Model in eval mode, config and meta data out of a checkpoint.

    Raises:
        UserError: If the file holds no config, or weights of another model.
    """
    state = read_checkpoint(checkpoint)
    meta = state.get('meta', {})
    if 'cfg' not in meta or 'dataset_meta' not in meta:
        raise UserError(f'{checkpoint} holds no config; give a checkpoint '
                        'that tools/train.py wrote')
    cfg = Config.fromstring(meta['cfg'], file_format='.py')
    with explained(cfg):
        # as the runner does: pipelines and nested parts look it up
        DefaultScope.get_instance(f'infer_{time.time_ns()}',
                                  scope_name=cfg.default_scope)
        model = MODELS.build(cfg.model)
    load_weights(model, state['state_dict'], checkpoint)
    return model.to(device).eval(), cfg, meta


def _test_pipeline(cfg: Config) -> list[dict]:
    """The config's test pipeline on image files without annotations."""
    return [  # our loader names a file that it cannot read
        {**step, 'type': 'projects.LoadImageFromFile'}
        if step.type.rpartition('.')[2] == 'LoadImageFromFile' else step
        for step in test_pipeline_of(cfg) if 'LoadAnnotations' not in step.type
    ]


def _image_paths(images: str) -> list[Path]:
    path = Path(images)
    if path.is_dir():
        paths = sorted(p for p in path.iterdir()
                       if p.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise UserError(f'the folder {images} holds no image '
                            f"({', '.join(IMAGE_SUFFIXES)})")
        return paths
    if not path.is_file():
        raise UserError(f'there is no image or folder {images}')
    return [path]
