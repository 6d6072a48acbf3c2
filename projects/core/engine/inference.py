"""Python API behind ``tools/infer.py``."""

import json
import os.path as osp
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.engine.config import explained, test_pipeline_of
from projects.core.engine.training import make_folder
from projects.core.errors import UserError, listed
from projects.core.quiet import quiet_libraries
from projects.core.visualization.detections import draw_detections
from projects.core.visualization.labels import draw_labels
from projects.core.weights import load_weights, read_checkpoint
from projects.registry import MODELS

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
WHITE_ON_BLACK = ('DigitsDataset', 'FashionMNIST', 'MNIST')


def infer(
    checkpoint: str,
    images: str,
    out_dir: str | None = None,
    score_thr: float = 0.3,
    batch_size: int = 8,
    device: str | None = None,
) -> list[dict]:
    """Detect objects in images, or classify them, with a checkpoint of
    ``tools/train.py``.

    Writes a picture per image. Of a detector ``detections.json`` holds all
    detections in the COCO results format (whatever their score), each with
    the file's name and the class's besides; ``image_id`` counts the images by
    name from 0, ``category_id`` is that of the annotation file trained on. Of
    a classifier ``predictions.json`` holds the five best classes per image.

    Args:
        checkpoint: File that holds the weights and the config.
        images: An image, or a folder of images.
        out_dir: Folder to write to; ``detections/<name of images>`` or
            ``predictions/<name of images>`` by default.
        score_thr: Least score of a detection that is drawn.
        batch_size: Images that go through the model together.
        device: 'cpu', 'cuda', ...; a GPU where there is one by default.

    Returns:
        What the JSON file holds.

    Raises:
        UserError: If a file is missing or unreadable or of another kind.
    """
    quiet_libraries()
    logger = MMLogger.get_current_instance()
    paths = _image_paths(images)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model, cfg, meta = load_model(checkpoint, device)
    output = _output_of(model, meta, score_thr, checkpoint)
    with explained(cfg):
        pipeline = Compose(_test_pipeline(cfg, model))
    out_dir = out_dir or osp.join(output.name, Path(images).stem)
    if osp.realpath(out_dir) == osp.realpath(paths[0].parent):
        raise UserError(
            f'--out-dir {out_dir} is the folder of the images, '
            'which the pictures could replace'
        )
    make_folder(out_dir, '--out-dir')

    results, names, unreadable = [], set(), []
    bright = 0
    start = time.monotonic()
    for first in range(0, len(paths), batch_size):
        batch, batch_paths = [], []
        for i, path in enumerate(paths[first : first + batch_size], first):
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
            # a.jpg and a.png of one folder must not share a picture
            name = (
                f'{path.stem}.png' if path.stem not in names else (f'{path.name}.png')
            )
            names.add(path.stem)
            image = cv2.imread(str(path))
            bright += _has_bright_border(image)
            picture, found = output.of(image, sample.cpu(), i, path.name)
            cv2.imwrite(osp.join(out_dir, name), picture)
            results += found
    num_read = len(paths) - len(unreadable)
    if not num_read:
        raise UserError(f'none of the {len(paths)} images in {images} can be read')
    with open(osp.join(out_dir, f'{output.name}.json'), 'w') as file:
        json.dump(results, file)
    if bright and _learnt_white_on_black(cfg):
        logger.warning(
            f'{bright} of {num_read} images are bright at the '
            'border: the model learnt white on black; invert black '
            'ink on white before'
        )
    logger.info(
        f'{num_read} images in {time.monotonic() - start:.1f} s, '
        f'{output.summary(results)}: pictures and {output.name}.json '
        f'in {osp.relpath(out_dir)}'
    )
    return results


class _Detections:
    """A picture and rows of JSON of a detector's output."""

    name = 'detections'

    def __init__(self, meta: dict, score_thr: float) -> None:
        self.classes = meta['dataset_meta']['classes']
        self.cat_ids = meta.get('cat_ids') or list(range(len(self.classes)))
        self.score_thr = score_thr

    def of(
        self, image: np.ndarray, sample, index: int, file_name: str
    ) -> tuple[np.ndarray, list[dict]]:
        pred = sample.pred_instances
        boxes, labels, scores = (
            pred.bboxes.numpy(),
            pred.labels.numpy(),
            pred.scores.numpy(),
        )
        picture = draw_detections(
            image, boxes, labels, scores, self.classes, score_thr=self.score_thr
        )
        return picture, [
            dict(
                image_id=index,
                category_id=int(self.cat_ids[label]),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                score=float(score),
                file_name=file_name,
                category=self.classes[label],
            )
            for (x1, y1, x2, y2), label, score in zip(
                boxes.tolist(), labels, scores, strict=True
            )
        ]

    def summary(self, results: list[dict]) -> str:
        drawn = sum(r['score'] >= self.score_thr for r in results)
        return f'{drawn} detections with score >= {self.score_thr:g}'


class _Labels:
    """A picture and a row of JSON of a classifier's output."""

    name = 'predictions'

    def __init__(self, meta: dict) -> None:
        self.meta = meta.get('dataset_meta')

    def of(
        self, image: np.ndarray, sample, index: int, file_name: str
    ) -> tuple[np.ndarray, list[dict]]:
        from projects.core.evaluation.report import best_classes, class_names

        scores = sample.pred_score
        best = best_classes(scores, class_names(self.meta, len(scores)))
        return draw_labels(image, best), [dict(file_name=file_name, predictions=best)]

    def summary(self, results: list[dict]) -> str:
        if len(results) == 1:
            return ', '.join(
                f'{p["class"]} {100 * p["score"]:.1f} %'
                for p in results[0]['predictions']
            )
        counts = Counter(r['predictions'][0]['class'] for r in results)
        return 'classified as ' + listed(
            (f'{name} ({count})' for name, count in counts.most_common()), 10
        )


def _output_of(
    model: nn.Module, meta: dict, score_thr: float, checkpoint: str
) -> _Detections | _Labels:
    # by name: neither library is imported for the other's sake
    bases = {base.__name__ for base in type(model).__mro__}
    if 'BaseClassifier' in bases:
        return _Labels(meta)
    if 'BaseDetector' in bases:
        return _Detections(meta, score_thr)
    raise UserError(
        f'{checkpoint} holds a {type(model).__name__}, which is '
        'neither a detector nor an image classifier'
    )


def load_model(checkpoint: str, device: str = 'cpu') -> tuple[nn.Module, Config, dict]:
    """Model in eval mode, config and meta data out of a checkpoint.

    Raises:
        UserError: If the file holds no config, or weights of another model.
    """
    state = read_checkpoint(checkpoint)
    meta = state.get('meta', {})
    if 'cfg' not in meta or 'dataset_meta' not in meta:
        raise UserError(
            f'{checkpoint} holds no config; give a checkpoint that tools/train.py wrote'
        )
    cfg = Config.fromstring(meta['cfg'], file_format='.py')
    with explained(cfg):
        # as the runner does: pipelines and nested parts look it up
        DefaultScope.get_instance(
            f'infer_{time.time_ns()}', scope_name=cfg.default_scope
        )
        model = MODELS.build(cfg.model)
    load_weights(model, state['state_dict'], checkpoint)
    return model.to(device).eval(), cfg, meta


def _test_pipeline(cfg: Config, model: nn.Module) -> list[dict]:
    """The config's test pipeline on image files without annotations."""
    steps = [  # our loader names a file that it cannot read
        {**step, 'type': 'projects.LoadImageFromFile'}
        if step.type.rpartition('.')[2] == 'LoadImageFromFile'
        else step
        for step in test_pipeline_of(cfg)
        if 'LoadAnnotations' not in step.type
    ]
    if any(step['type'] == 'projects.LoadImageFromFile' for step in steps):
        return steps
    # the data set was in memory, grey or RGB
    stem = next((p for p in model.backbone.parameters() if p.dim() == 4), None)
    if stem is not None and stem.shape[1] == 1:
        return [dict(type='projects.LoadImageFromFile', color_type='grayscale'), *steps]
    to_rgb = (
        []
        if model.data_preprocessor.to_rgb
        else [dict(type='NumpyToPIL', to_rgb=True), dict(type='PILToNumpy')]
    )
    return [dict(type='projects.LoadImageFromFile'), *to_rgb, *steps]


def _has_bright_border(image: np.ndarray) -> bool:
    """Whether most of the outermost pixels are nearer to white."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool(np.median(border) > 127)


def _learnt_white_on_black(cfg: Config) -> bool:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    return str(dataset.get('type')).rpartition('.')[2] in WHITE_ON_BLACK


def _image_paths(images: str) -> list[Path]:
    path = Path(images)
    if path.is_dir():
        paths = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise UserError(
                f'the folder {images} holds no image ({", ".join(IMAGE_SUFFIXES)})'
            )
        return paths
    if not path.is_file():
        raise UserError(f'there is no image or folder {images}')
    return [path]
