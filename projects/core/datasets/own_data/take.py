"""Turning the data sets of a config to what lies in its ``data_root``."""

import copy
import os.path as osp
from typing import Any, NoReturn

from mmengine.config import Config

from projects.core.config.own_keys import SPLITS, base_of, state_of
from projects.core.config.walk import type_name, values_of, walk
from projects.core.datasets.files import class_list, inner_datasets
from projects.core.datasets.missing_split import MISSING
from projects.core.datasets.own_data.kinds import (
    Boxes,
    Found,
    check_chosen,
    kind_of,
    not_found,
)
from projects.core.datasets.own_data.model import set_num_classes
from projects.core.datasets.own_data.places import (
    Place,
    check_root,
    place_in,
    place_of,
)
from projects.core.errors import UserError, listed

# of any data set: how it is used
KEPT = (
    'backend_args',
    'lazy_init',
    'max_refetch',
    'pipeline',
    'serialize_data',
    'test_mode',
)
THEIR_ACCURACY = ('Accuracy', 'mmpretrain.Accuracy')
SEVERAL = (list, tuple)


def take_own_data(cfg: Config, file: str, before: dict) -> list[str]:
    """Pass on ``data_root``, ``classes``, ``train``, ``val`` and ``test``.

    They are set at the top of a config or by an option, over a base that has used
    other values. Data sets that are still the base's become what lies in
    ``data_root``: images in a folder per class, or annotations in the COCO format.
    What the config sets in its data loaders by itself is left as it is. The number
    of classes of the model and the evaluators follow.

    Args:
        cfg: The config, with the options over it; it is changed.
        file: Its path.
        before: :func:`projects.core.config.own_keys.data_of` it without the options.

    Returns:
        list: Lines for the log, of what was found; none where there is nothing to
        pass on.

    Raises:
        UserError: If the data are not found, or cannot be told.
    """
    state = state_of(cfg._cfg_dict)
    base = base_of(before, file, state) if state else None
    if base is None:
        return []
    return _Taking(cfg, base, state).take()


class _Taking:
    """A config, and what its base was.

    Args:
        cfg: The config.
        base: Data loaders and evaluators before the variables had their values.
        state: The variables.
    """

    def __init__(self, cfg: Config, base: dict, state: dict[str, Any]) -> None:
        self.cfg, self.base, self.state = cfg, base, state
        self.root = state.get('data_root')
        if isinstance(self.root, str):
            self.root = osp.expanduser(self.root)
        elif self.root is not None:
            check_root(self.root)
        if isinstance(state.get('classes'), SEVERAL):  # 3 of an option is named '3'
            named = [str(c) if type(c) is int else c for c in state['classes']]
            self.state = {**state, 'classes': tuple(named)}
        self.old = {s: _first(base.get(f'{s}_dataloader')) for s in SPLITS}
        self.now = {s: _first(cfg.get(f'{s}_dataloader')) for s in SPLITS}
        self.taken = [s for s in SPLITS if self._is_base_s(s)]

    def take(self) -> list[str]:
        if not self.taken:
            return []
        types = {type_name(self.now[s]) for s in self.taken}
        kind = kind_of(types, self.cfg.get('model') or {})
        if kind is None:
            return self._move()
        if self.root is None:  # classes alone, of data whose place the base knows
            self.root = self.now[self.taken[0]].get('data_root')
            if self.root is None:
                self._refuse_classes(type_name(self.now[self.taken[0]]))
        check_root(self.root)
        if 'data_root' in self.state and kind.is_at(self.root, self.now[self.taken[0]]):
            return self._move() + self._choose(kind)
        return self._turn(kind)

    def _choose(self, kind) -> list[str]:
        """Set the classes of the base's own data, which lie in another folder."""
        if 'classes' not in self.state:
            return []
        if not isinstance(kind, Boxes):
            self._refuse_classes(type_name(self.now[self.taken[0]]))
        names = tuple(class_list(self.state['classes'], 'the config'))
        for split in self.taken:
            for dataset in inner_datasets(self.cfg[f'{split}_dataloader']['dataset']):
                dataset['metainfo'] = dict(classes=names)
        return set_num_classes(self.cfg._cfg_dict, len(names))

    def _refuse_classes(self, type_: str) -> NoReturn:
        raise UserError(
            f'classes in the config: {type_} are published data, of which all classes '
            'are read; they are chosen among folders of images, in data_root'
        )

    def _is_base_s(self, split: str) -> bool:
        """Whether a split's data set is still that of the base."""
        now, old = self.now[split], self.old[split]
        if not now:
            return False
        keys = ('type', 'data_root')
        if any(now.get(key) != old.get(key) for key in keys):
            return False
        return (
            not _is_same(now.get('data_root'), self.root)
            or split in self.state
            or _differ(_classes_in(now), self.state.get('classes'))
        )

    def _turn(self, kind) -> list[str]:
        """Let data sets be what was found."""
        found = {s: self._find(kind, s) for s in self.taken}
        if 'train' in self.taken and found['train'] is None:
            raise UserError(
                not_found(kind, self.root, 'train')
                + (kind.other(self.root) or '; name the place by train=...')
            )
        first = next(filter(None, found.values()), None)
        if first is None and not self.now['train']:
            raise UserError(not_found(kind, self.root, self.taken[0]))
        names, is_choice = self._classes(kind, first) if first else ([], False)
        for split in self.taken:
            self._set(kind, split, found, names, is_choice)
        lines = self._lines(found, names, first) if first else []
        if names:
            lines += set_num_classes(self.cfg._cfg_dict, len(names))
            self._cut_top_k(len(names))
        if isinstance(kind, Boxes):
            self._evaluate_boxes()
        return lines

    def _find(self, kind, split: str) -> Found | None:
        now, old = self.now[split], self.old[split]
        said = place_of(self.state[split], split) if split in self.state else Place()
        # what the loader says is the user's where it is not the base's
        is_same = _is_same(now.get('data_root'), self.root)
        values = []
        for value, is_, was in zip(said, place_in(now), place_in(old), strict=True):
            own = is_ if is_same or is_ != was else None
            values.append(own if value is None else value)
        return kind.find(self.root, split, Place(*values), now)

    def _classes(self, kind, first: Found) -> tuple[list[str], bool]:
        """The classes in the order of their labels, and whether the user chose them."""
        stated, where = self.state.get('classes'), 'the config'
        for split in SPLITS:
            if stated is None:
                stated, where = _classes_in(self.now[split]), f'{split}_dataloader'
                is_base_s = stated == _classes_in(self.old[split])
                if is_base_s and not {*(stated or ())} <= {*first.names}:
                    stated = None  # of other data
        if stated is None:
            return first.names, False
        chosen = class_list(stated, where)
        check_chosen(chosen, first.names, self.root)
        return kind.ordered(chosen, first.names), chosen != first.names

    def _set(
        self,
        kind,
        split: str,
        found: dict[str, Found | None],
        names: list[str],
        is_choice: bool,
    ) -> None:
        """Put what was found in the place of the base's data set."""
        now = self.now[split]
        new = {k: now[k] for k in (*KEPT, *kind.kept) if k in now}
        if found[split] is not None:
            new |= kind.settings(found[split], names, is_choice)
            new['data_root'] = self.root
            new['type'] = self._in_scope(new['type'])
            kind.complete(self.cfg._cfg_dict, new, now)
        elif split == 'test' and self.now['val']:
            val = _first(self.cfg.val_dataloader)
            new = {**copy.deepcopy(val), 'pipeline': val.get('pipeline')}
        else:
            kind.complete(self.cfg._cfg_dict, new, now)
            new |= dict(type=MISSING, reason=self._reason(kind, split))
        loader = self.cfg[f'{split}_dataloader']
        if len(list(inner_datasets(loader['dataset']))) > 1:
            loader['dataset'] = new
        else:  # in its wrapper, if there is one
            inner = _first(loader)
            inner.clear()
            inner.update(new)

    def _reason(self, kind, split: str) -> str:
        return (
            not_found(kind, self.root, split)
            + f". Name them by {split}='...', such as another folder or file, or train "
            'with --folds 5, which validates on parts of the training data'
        )

    def _in_scope(self, type_: str) -> str:
        """Without the scope where that is the config's."""
        return type_.removeprefix(f'{self.cfg.get("default_scope")}.')

    def _evaluate_boxes(self) -> None:
        """Let COCO metrics evaluate by the file of the data."""
        for split in ('val', 'test'):
            key = f'{split}_evaluator'
            dataset = _first(self.cfg.get(f'{split}_dataloader'))
            if dataset.get('type') == MISSING:  # parts of these are held out
                dataset = _first(self.cfg.get('train_dataloader'))
            if 'ann_file' not in dataset:
                continue
            path = osp.join(dataset.get('data_root') or '', dataset['ann_file'])
            was = values_of(self.base.get(key), 'ann_file')
            for evaluator in _as_list(self.cfg.get(key)):
                name = type_name(evaluator)
                if name == 'VOCMetric':
                    evaluator.clear()
                    evaluator.update(type='projects.CocoMetric', metric='bbox')
                    self._save_best('pascal_voc/mAP', 'coco/bbox_mAP')
                    name = 'CocoMetric'
                if name == 'CocoMetric' and evaluator.get('ann_file') in (None, *was):
                    evaluator['ann_file'] = path

    def _save_best(self, old: str, new: str) -> None:
        hook = (self.cfg.get('default_hooks') or {}).get('checkpoint') or {}
        if hook.get('save_best') == old:
            hook['save_best'] = new

    def _cut_top_k(self, num_classes: int) -> None:
        """Leave out accuracies of more scores than there are classes, which
        ``projects.Accuracy`` does by itself."""
        for split in ('val', 'test'):
            for evaluator in _as_list(self.cfg.get(f'{split}_evaluator')):
                ks = evaluator.get('topk')
                if evaluator.get('type') in THEIR_ACCURACY and isinstance(ks, SEVERAL):
                    evaluator['topk'] = tuple(k for k in ks if k <= num_classes) or (1,)

    def _lines(
        self, found: dict[str, Found | None], names: list[str], first: Found
    ) -> list[str]:
        parts = [
            f'{split}: {it.num_images(names)} images in {it.text}'
            for split, it in found.items()
            if it is not None
        ]
        lines = [
            f'data of {osp.normpath(self.root)}: {"; ".join(parts)}; '
            + (f'{len(names)} classes: ' if len(names) > 1 else 'a single class: ')
            + listed(names, 20)
        ]
        if 'test' in found and found['test'] is None and found.get('val'):
            lines[0] += '; a test takes the validation data'
        unused = [name for name in names if name in first.unused]
        if unused:
            lines.append(
                f'{listed(unused)}: no sample to train on; classes=(...) at the top of '
                'the config chooses among the classes'
            )
        return lines

    def _move(self) -> list[str]:
        """Read data of the same layout from another folder."""
        read = {'classes'}  # of other kinds of data, which name them elsewhere
        for split in self.taken:
            dataset = self.cfg[f'{split}_dataloader']['dataset']
            for _, parent, key, value in walk(dataset):
                if key == 'data_root' and key in self.state and isinstance(value, str):
                    parent[key] = self._moved(value)
                    read.add(key)
                    _forget_prefix(parent)
                elif key in SPLITS and key in self.state and 'data_root' in parent:
                    parent[key] = self.state[key]  # of a corpus of texts
                    read.add(key)
            for entry in walk(self.cfg.get(f'{split}_evaluator')):
                if _is_in(entry.value, self.base.get('data_root')):
                    entry.parent[entry.key] = self._moved(entry.value)
        unread = sorted(self.state.keys() - read)
        if unread:
            types = {str(self.now[s].get('type')) for s in self.taken}
            raise UserError(
                f'{listed(unread)} at the top of the config: it is not known how to '
                f'pass that on to {listed(sorted(types))}; set it in the data loaders, '
                'as in train_dataloader=dict(dataset=dict(...))'
            )
        return [f'data of {osp.normpath(self.root)}'] if 'data_root' in read else []

    def _moved(self, path: str) -> str:
        old_root = self.base.get('data_root')
        if _is_in(path, old_root):
            rest = osp.relpath(path, old_root)
            return self.root if rest == '.' else osp.join(self.root, rest)
        return self.root


def _first(loader) -> dict:
    """The data set of a loader, in its wrappers; the first of several."""
    dataset = loader.get('dataset') if isinstance(loader, dict) else None
    return next(inner_datasets(dataset), {}) if dataset else {}


def _classes_in(dataset: dict):
    """What a data set's ``metainfo`` says."""
    metainfo = dataset.get('metainfo')
    return metainfo.get('classes') if isinstance(metainfo, dict) else None


def _differ(now, stated) -> bool:
    """Whether classes are stated, and are not those of a data set."""
    if isinstance(now, SEVERAL) and isinstance(stated, SEVERAL):
        return [*now] != [*stated]
    return stated is not None and now != stated


def _forget_prefix(dataset: dict) -> None:
    """Take images without labels from the folder itself, if it has no such folder."""
    root, prefix = dataset['data_root'], dataset.get('data_prefix')
    if (
        dataset.get('with_label') is False
        and isinstance(prefix, str)
        and osp.isdir(root)
        and not osp.isdir(osp.join(root, prefix))
    ):
        dataset['data_prefix'] = ''


def _as_list(value) -> list[dict]:
    values = value if isinstance(value, SEVERAL) else [value]
    return [v for v in values if isinstance(v, dict)]


def _is_same(path, folder) -> bool:
    return _is_in(path, folder) and _is_in(folder, path)


def _is_in(path, folder) -> bool:
    if not (isinstance(path, str) and isinstance(folder, str)):
        return False
    path, folder = osp.normpath(path), osp.normpath(folder)
    return path == folder or path.startswith(folder + osp.sep)
