"""Checks of detection data that run before a training or a test begins."""

import os.path as osp
from collections.abc import Callable

from projects.core.config.walk import type_name, walk
from projects.core.datasets.files import (
    class_list,
    dataset_class,
    inner_datasets,
    is_remote,
    misspelt_classes,
    notices_of_splits,
    twice,
    what_is_there,
)
from projects.core.datasets.own_data.model import HEADS
from projects.core.errors import UserError, listed
from projects.core.tasks.detection.coco_checks import check_coco, check_image_files
from projects.core.tasks.detection.coco_schema import CocoFile, read_coco
from projects.core.tasks.detection.voc_checks import check_voc

MAKES_ITS_DATA = 'DigitsCocoDataset'
# known by name, so that a config that states its classes needs no import
KINDS = {'CocoDataset': 'coco', 'VOCDataset': 'voc', 'XMLDataset': 'voc'}
# settings of metrics that fail at the end of the first epoch otherwise
SETTINGS = {
    ('VOCMetric', 'eval_mode'): ('11points', 'area'),
    ('VOCMetric', 'metric'): ('mAP', 'recall'),
    ('CocoMetric', 'metric'): ('bbox', 'segm', 'proposal', 'proposal_fast'),
}


def check_detection_data(cfg) -> list[str]:
    """Check the data of a config as far as it is in COCO or VOC format.

    Reads each annotation file and lists each image folder once; opens no
    image. Other datasets, and files that are not on a local disk, are skipped.

    Args:
        cfg: MMEngine Config of a run, of which ``train_dataloader``,
            ``val_dataloader`` and ``test_dataloader`` are checked as far as
            they are there, with their evaluators. Beside data for training
            those of the test are not opened, so that their flaws are notices.

    Returns:
        list: Notices of flaws with which a run is possible.

    Raises:
        UserError: At the first flaw with which it is not, or not correct.
    """
    return notices_of_splits(cfg, DetectionChecks(cfg).of)


class DetectionChecks:
    """The checks of a config, and what is shared between its splits.

    Args:
        cfg: MMEngine Config of a run.
        read: Function that reads a COCO file, as
            :func:`projects.core.tasks.detection.coco_schema.read_coco`.
        unsound: Names of VOC's images, by their list, that are left out.
    """

    def __init__(
        self,
        cfg,
        read: Callable[[str, str, bool], CocoFile] = read_coco,
        unsound: dict[str, set[str]] | None = None,
    ) -> None:
        self.cfg = cfg
        self.read = read
        self.unsound = unsound or {}
        self.seen: set[tuple] = set()
        self.label_of: dict[str, tuple[int, str]] = {}  # class: label, file
        self.folders: dict[str, set[str]] = {}  # listings

    def of(self, split: str) -> list[str]:
        """Notices on a split, if the config has it."""
        loader = self.cfg.get(f'{split}_dataloader')
        if not isinstance(loader, dict):
            return []
        notices, ann_files = [], {}  # classes by annotation file
        evaluators = _as_list(self.cfg.get(f'{split}_evaluator'))
        evaluators = [e for e in evaluators if isinstance(e, dict)]
        _check_settings(evaluators, split)
        masks = any('segm' in _as_list(e.get('metric')) for e in evaluators)
        for dataset in inner_datasets(loader.get('dataset')):
            kind, classes = kind_and_classes(dataset, self.cfg, split)
            if kind is None:
                continue
            _check_num_classes(self.cfg, classes, split)
            paths = paths_of(dataset, split)
            if kind == 'made' or is_remote(dataset, paths):
                continue
            if kind == 'coco':
                ann_files[paths['ann_file']] = classes
            key = (split == 'train', *paths.values(), *classes)
            if key in self.seen:  # test data are often the validation data
                continue
            self.seen.add(key)
            _check_file(dataset, paths, kind, split)
            if kind == 'voc':
                unsound = self.unsound.get(paths['ann_file'], set())
                notices += check_voc(
                    dataset, paths, classes, split, self.folders, unsound
                )
                continue
            notices += self._coco(dataset, paths, classes, split, masks)
        return notices + self._evaluators(evaluators, split, ann_files)

    def _coco(
        self,
        dataset: dict,
        paths: dict[str, str],
        classes: list[str],
        split: str,
        masks: bool,
    ) -> list[str]:
        path = paths['ann_file']
        masks = masks or any(
            entry.key == 'with_mask' and entry.value
            for entry in walk(dataset.get('pipeline'))
        )
        notices, names, images = check_coco(
            path,
            classes,
            split,
            dataset.get('metainfo') or {},
            None if dataset.get('test_mode') else dataset.get('filter_cfg'),
            masks,
            self.read,
        )
        if 'img' not in paths:
            raise UserError(
                f'{split}_dataloader: the dataset has no data_prefix='
                'dict(img=...), the folder of the images'
            )
        check_image_files(path, images, paths['img'], self.folders)
        self._check_labels(names, path)
        return notices

    def _check_labels(self, names: list[str], path: str) -> None:
        """Refuse files that number the same class differently."""
        for label, name in enumerate(names):
            other, other_path = self.label_of.setdefault(name, (label, path))
            if other != label:
                raise UserError(
                    f"class '{name}' has label {other} in {other_path}, but "
                    f'{label} in {path}: labels follow the order of the '
                    "'categories' in a file. List the same categories in the same "
                    'order in both'
                )

    def _evaluators(
        self, evaluators: list[dict], split: str, ann_files: dict[str, list[str]]
    ) -> list[str]:
        """Is the annotation file of a COCO metric there, and the dataset's?"""
        notices, first = [], next(iter(ann_files), '')
        for evaluator in evaluators:
            path = evaluator.get('ann_file')
            if (
                not path
                or '://' in path
                or not ann_files
                or not str(evaluator.get('type')).endswith('CocoMetric')
            ):
                continue
            if not osp.isfile(path):
                raise UserError(
                    f'{split}_evaluator: '
                    + _no_file(path, f'ann_file={path!r}')
                    + (
                        f'. An evaluator knows no data_root: write {first}'
                        if first.endswith(path)
                        else ''
                    )
                )
            if osp.abspath(path) not in map(osp.abspath, ann_files):
                check_coco(path, ann_files[first], split, {}, read=self.read)
                notices.append(
                    f'{split}_evaluator evaluates by {path}, but {split}_dataloader '
                    f'reads {first}: set the same ann_file'
                )
        return notices


def _as_list(value) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _check_settings(evaluators: list[dict], split: str) -> None:
    """Refuse what a metric does not know, and paths that are no text."""
    for evaluator in evaluators:
        name = type_name(evaluator)
        for key in ('metric', 'eval_mode'):
            allowed = SETTINGS.get((name, key))
            for value in _as_list(evaluator.get(key)):
                if allowed and value is not None and value not in allowed:
                    raise UserError(
                        f'{split}_evaluator.{key} of {name} is {value!r}; it must be '
                        f'one of {listed(map(repr, allowed))}'
                    )
        path = evaluator.get('ann_file')
        if path is not None and not isinstance(path, str):
            raise UserError(
                f'{split}_evaluator.ann_file is {path!r}; it must be a path, as text'
            )


def kind_and_classes(dataset: dict, cfg, split: str) -> tuple[str | None, list[str]]:
    """'coco', 'voc', 'made' or None; and the classes in the config's order."""
    kind = KINDS.get(type_name(dataset))
    metainfo = dataset.get('metainfo') or {}
    if not isinstance(metainfo, dict):
        raise UserError(
            f'metainfo of {split}_dataloader is {metainfo!r}; write '
            "metainfo=dict(classes=('cat', 'dog'))"
        )
    classes = metainfo.get('classes')
    if kind is None or classes is None:
        class_ = dataset_class(dataset.get('type'), cfg.get('default_scope'))
        kind = kind or _kind(class_)
        if classes is None:
            meta = getattr(class_, 'METAINFO', None) or {}
            classes = meta.get('classes')
            if kind is not None:
                _check_misspelt(dataset, metainfo, classes, split)
    if kind is None or not classes:
        return None, []
    classes = class_list(classes, f'{split}_dataloader')
    repeated = twice(classes)
    if repeated:
        raise UserError(
            f'the classes of {split}_dataloader hold {listed(repeated)} more than once'
        )
    return kind, classes


def _check_misspelt(dataset: dict, metainfo: dict, classes, split: str) -> None:
    """Refuse classes under a key that nothing reads."""
    key = misspelt_classes(metainfo)
    wrong = (
        f"the key {key!r} of metainfo (its key is 'classes', in lower case)"
        if key
        else "'classes' (mmdet 2's; mmdet 3 has metainfo=dict(classes=...))"
        if 'classes' in dataset
        else None
    )
    if wrong:
        raise UserError(
            f'{split}_dataloader: nothing reads {wrong}, so that the config has '
            f"{listed(classes or ())}, the dataset class's own"
        )


def _kind(class_: type | None) -> str | None:
    """Kind of a class that is not known by name, from its ancestors."""
    mro = {base.__name__ for base in getattr(class_, '__mro__', ())}
    if MAKES_ITS_DATA in mro:
        return 'made'
    if 'XMLDataset' in mro:
        return 'voc'
    # LVIS and panoptic data read other fields, by methods of their own
    if 'CocoDataset' in mro and all(
        getattr(class_, name).__qualname__ == f'CocoDataset.{name}'
        for name in ('load_data_list', 'parse_data_info')
    ):
        return 'coco'
    return None


def paths_of(dataset: dict, split: str) -> dict[str, str]:
    """``ann_file`` and prefixes joined with data_root, as MMEngine does."""
    where = f'{split}_dataloader.dataset'
    root, prefixes = dataset.get('data_root'), dataset.get('data_prefix') or {}
    if root is not None and not isinstance(root, str):
        raise UserError(f'{where}.data_root is {root!r}; it must be a path, as text')
    if not isinstance(prefixes, dict):
        raise UserError(
            f'{where}.data_prefix is {prefixes!r}; it must be a dict, such as '
            'dict(img=...), or of VOC dict(sub_data_root=...)'
        )
    paths = dict(prefixes, ann_file=dataset.get('ann_file') or '')
    for key, path in paths.items():
        if not isinstance(path, str):
            raise UserError(f'{where}.{key} is {path!r}; it must be a path, as text')
    return {key: osp.join(root or '', path) for key, path in paths.items()}


def _check_num_classes(cfg, classes: list[str], split: str) -> None:
    """Compare the classes of the data with those of each head."""
    model = cfg.get('model') or {}
    if 'language_model' in model:  # classes are words there, num_classes a length
        return
    for path, parent, key, num_classes in walk(model, 'model'):
        part = [name for name in path.split('.')[:-1] if not name.isdigit()][-1]
        if key != 'num_classes' or part not in HEADS or parent.get('class_agnostic'):
            continue
        if num_classes is not None and num_classes != len(classes):
            raise UserError(
                f'{path} is {num_classes}, but the data of '
                f'{split}_dataloader have {len(classes)} classes '
                f'({listed(classes)}): set num_classes={len(classes)}, or '
                'metainfo=dict(classes=...) of the dataset'
            )


def _check_file(dataset: dict, paths: dict[str, str], kind: str, split: str) -> None:
    """The annotation file is there, and for VOC data_root, too."""
    path, root = paths['ann_file'], dataset.get('data_root')
    settings = f'data_root={root!r}, ann_file={dataset.get("ann_file")!r}'
    if kind == 'voc' and root and not osp.isdir(root):
        raise UserError(
            f'{split}_dataloader: there is no folder {osp.abspath(root)} '
            f"({settings}); it should hold VOC's folders, such as "
            'VOC2007 of VOCdevkit'
        )
    if not osp.isfile(path):
        raise UserError(
            f'{split}_dataloader: '
            + _no_file(path, settings)
            + '. It is a list of image names, such as '
            'VOC2007/ImageSets/Main/trainval.txt' * (kind == 'voc')
        )


def _no_file(path: str, settings: str) -> str:
    path = osp.abspath(path)
    if osp.isdir(path):
        return f'the annotation file {path} ({settings}) is a folder'
    return f'there is no annotation file {path} ({settings}); ' + what_is_there(
        osp.dirname(path), osp.basename(path)
    )
