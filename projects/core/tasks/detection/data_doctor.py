"""Data in COCO's and VOC's format, as far as the annotations tell.

What a run checks at its start is asked for first; after a flaw that ends a run the
check goes on without the flawed rows, in memory.
"""

import os.path as osp
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.config import explained, walk
from projects.core.datasets.class_balance import balance_findings
from projects.core.datasets.files import (
    different_splits,
    inner_datasets,
    is_remote,
)
from projects.core.datasets.findings import (
    ERROR,
    WARNING,
    Examination,
    Finding,
    SplitOfData,
)
from projects.core.errors import UserError
from projects.core.tasks.detection.box_findings import box_findings
from projects.core.tasks.detection.box_table import (
    BoxTable,
    MaskReader,
    table_of_coco,
    table_of_voc,
)
from projects.core.tasks.detection.coco_checks import check_coco
from projects.core.tasks.detection.coco_schema import (
    CocoFile,
    FlawedRowsError,
    read_coco,
)
from projects.core.tasks.detection.data_checks import (
    DetectionChecks,
    kind_and_classes,
    paths_of,
)
from projects.core.tasks.detection.model_reach import reach_findings
from projects.core.tasks.detection.voc_checks import (
    MissingFilesError,
    VocXml,
    image_names,
    voc_folders,
)
from projects.registry import DATASETS

FIX = 'A run stops here: fix the data, or the config, as it says'
SEE = 'A run goes on with this: see whether it is meant'


def examine_detection_data(cfg) -> Examination:
    """Look over the annotations of a config.

    Args:
        cfg: MMEngine Config; without a ``model`` the data alone are looked at.

    Raises:
        UserError: If no data set of it is of a known format.
    """
    return _Doctor(cfg).examine()


class _Doctor:
    """The files of a config, each read once."""

    def __init__(self, cfg) -> None:
        self.cfg = Config(cfg.to_dict())
        self.findings: list[Finding] = []
        self.masks = MaskReader()
        self.files: dict[str, CocoFile] = {}
        self.unsound: dict[str, set[str]] = {}  # names of VOC's images by their list
        self.label_of: dict[str, tuple[int, str]] = {}
        self.split = ''

    def examine(self) -> Examination:
        splits, tables = [], {}
        for split, loader in different_splits(self.cfg):
            self.split = split
            tables[split] = self._split(loader)
            if tables[split]:
                splits.append(_split_of(split, tables[split], self.cfg))
        if not any(tables.values()) and not self.findings:
            raise UserError(
                'there are no annotations in COCO or VOC format to check; a detection '
                'config names them in train_dataloader and val_dataloader'
            )
        counts = {
            split: sum((Counter(t.class_counts()) for t in found), Counter())
            for split, found in tables.items()
            if found
        }
        classes = dict.fromkeys(
            c for found in tables.values() for t in found for c in t.classes
        )
        counts = {s: {c: n[c] for c in classes} for s, n in counts.items()}
        for part in splits:
            part.facts['classes'] = counts[part.split]
        self.findings += balance_findings(counts, 'boxes')
        if self.cfg.get('model') and splits:
            part = splits[0]  # train, where there is one
            self.split = part.split
            try:
                found, facts = reach_findings(self.cfg, tables[part.split], part.split)
                self.findings += found
                part.facts['model'] = facts
            except UserError as error:  # of building the model
                self._add(ERROR, 'refused by a run', str(error), FIX)
        return Examination(splits, self.findings)

    def _split(self, loader: dict) -> list[BoxTable]:
        """The files of ``self.split``, and what is found about them."""
        makers = []
        with DefaultScope.overwrite_default_scope(self.cfg.get('default_scope')):
            for dataset in inner_datasets(loader.get('dataset')):
                if not self.cfg.get('model') and 'metainfo' not in dataset:
                    # data at a path: all that is in there
                    names = _names_in(dataset, self.read)
                    dataset['metainfo'] = dict(classes=names)
                try:
                    makers += self._makers(dataset)
                except UserError as error:
                    self._add(ERROR, 'refused by a run', str(error), FIX)
            self._check()
        tables = [table for make in makers for table in make()]
        for table in tables:
            self.findings += box_findings(table, self.split)
        return tables

    def _makers(self, dataset: dict) -> list[Callable[[], list[BoxTable]]]:
        """What makes the table of a data set once its file is checked; none where
        there is nothing to look at.

        Raises:
            UserError: If the config, or a list of VOC's images, is flawed.
        """
        kind, classes = kind_and_classes(dataset, self.cfg, self.split)
        if kind is None:
            self._add(
                WARNING,
                'not looked at',
                f'a {dataset.get("type")} is neither COCO nor VOC',
                'Ask for its annotation file by itself, if it is one of COCO or VOC',
            )
            return []
        if kind == 'made':
            with explained(self.cfg):
                _write_out(dataset)
        paths = paths_of(dataset, self.split)
        if is_remote(dataset, paths) or not osp.isfile(paths['ann_file']):
            return []
        make = self._voc if kind == 'voc' else self._coco
        return [make(dataset, paths, classes)]

    def _add(self, level: str, kind: str, text: str, advice: str = '') -> None:
        if not any(f.text == text for f in self.findings):
            self.findings.append(Finding(level, kind, self.split, text, advice))

    def read(self, path: str, split: str, masks: bool = False) -> CocoFile:
        """As :func:`read_coco`, once, and without the flawed rows."""
        if path not in self.files:
            self.files[path] = read_coco(
                path,
                split,
                masks,
                self.masks if not masks else None,
                lambda flaw: self._add(ERROR, 'refused by a run', str(flaw), FIX),
            )
        return self.files[path]

    def _check(self) -> None:
        """What a run checks, as findings.

        After a flaw of some rows the check is made again without them, after another
        once more without the model.
        """
        cfg = self.cfg
        while True:
            try:
                for notice in self._notices(cfg):
                    self._add(WARNING, 'noticed by a run', notice, SEE)
                return
            except FlawedRowsError as error:
                self._add(ERROR, 'refused by a run', str(error), FIX)
                file = self.files[error.path]
                self.files[error.path] = file.without(error.table, error.rows)
            except MissingFilesError as error:
                self._add(ERROR, 'refused by a run', str(error), FIX)
                self.unsound.setdefault(error.path, set()).update(error.names)
            except UserError as error:
                self._add(ERROR, 'refused by a run', str(error), FIX)
                if 'model' not in cfg:
                    return
                kept = ('default_scope', f'{self.split}_dataloader')
                cfg = Config({key: cfg.get(key) for key in kept})

    def _notices(self, cfg) -> list[str]:
        dataset = cfg[f'{self.split}_dataloader']['dataset']
        if self.cfg.get('model') or 'data_prefix' in dataset:
            checks = DetectionChecks(cfg, self.read, self.unsound)
            checks.label_of = self.label_of  # of the splits before
            return checks.of(self.split)
        # an annotation file alone
        path, metainfo = dataset['ann_file'], dataset['metainfo']
        return check_coco(
            path, list(metainfo['classes']), self.split, metainfo, read=self.read
        )[0]

    def _coco(
        self, dataset: dict, paths: dict[str, str], classes: list[str]
    ) -> Callable[[], list[BoxTable]]:
        path = paths['ann_file']

        def make() -> list[BoxTable]:
            file = self.files.get(path)
            if file is None:
                return []
            return [table_of_coco(file, classes, paths.get('img'), self.masks)]

        return make

    def _voc(
        self, dataset: dict, paths: dict[str, str], classes: list[str]
    ) -> Callable[[], list[BoxTable]]:
        path = paths['ann_file']
        xml_folder, folder = voc_folders(dataset, paths)
        unsound = self.unsound.setdefault(path, set())
        names, xmls = [], []
        for name in image_names(path):
            file = osp.join(xml_folder, f'{name}.xml')
            if osp.isfile(file):  # the check names those that are missing
                try:
                    xmls.append(VocXml(file, classes))
                    names.append(name)
                except UserError as error:
                    self._add(ERROR, 'refused by a run', str(error), FIX)
                    unsound.add(name)

        def make() -> list[BoxTable]:
            sound = [i for i, name in enumerate(names) if name not in unsound]
            return [
                table_of_voc(
                    path,
                    [names[i] for i in sound],
                    [xmls[i] for i in sound],
                    classes,
                    folder,
                )
            ]

        return make


def _names_in(dataset: dict, read: Callable) -> tuple[str, ...]:
    """The classes that an annotation file names.

    Raises:
        UserError: If it cannot be read, or names none.
    """
    path = dataset['ann_file']
    if dataset['type'] == 'CocoDataset':
        names = read(path, 'train').categories['name']
    else:
        folder = voc_folders(dataset, paths_of(dataset, 'train'))[0]
        files = [osp.join(folder, f'{name}.xml') for name in image_names(path)]
        found = Counter()
        for file in files:
            with suppress(UserError):  # named where the boxes are read
                found.update(VocXml(file, []).names)
        names = sorted(filter(None, found))
    if not names:
        raise UserError(f'{path} names no class: there is nothing to check')
    return tuple(dict.fromkeys(names))


def _write_out(dataset: dict) -> None:
    """State the files of a data set that makes them."""
    built = DATASETS.build({**dataset, 'lazy_init': True, 'pipeline': []})
    dataset.pop('split', None)
    dataset.pop('make_cfg', None)
    dataset.update(
        type='CocoDataset',
        data_root='',
        ann_file=built.ann_file,
        data_prefix=dict(img=built.data_prefix['img']),
        metainfo=dict(classes=tuple(built.metainfo['classes'])),
    )


def _split_of(split: str, tables: list[BoxTable], cfg) -> SplitOfData:
    """The images of a split, of all its files."""
    steps = [
        entry.value
        for entry in walk(cfg.get(f'{split}_dataloader'))
        if entry.key == 'as_stored'
    ]
    boxes = np.concatenate([table.image_of for table in tables])
    return SplitOfData(
        split,
        [image for table in tables for image in table.images],
        [name for table in tables for name in table.names],
        np.concatenate([table.sizes for table in tables]),
        as_stored=steps[0] if steps else None,
        facts=dict(images=sum(len(table.names) for table in tables), boxes=len(boxes)),
    )
