"""What is benchmarked: a config's model, with its step taken apart."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import Tensor

from projects.core.benchmark.meters import NMSCounts, nms_as_part
from projects.core.config import (
    explained,
    load_config,
    test_pipeline_of,
    values_of,
    walk,
)
from projects.core.config.find import TORCHVISION
from projects.core.engine.runner import Runner
from projects.core.errors import UserError
from projects.core.factory import hushed
from projects.core.tasks.task import task_of, task_of_class
from projects.registry import MODELS

# parts of a step by the names that the meters know, and their labels
PARTS = {
    'data': 'data',
    'train.forward': 'train forward',
    'train.loss': 'train loss',
    'train.backward': 'train backward',
    'train.optimizer': 'train optimiser',
    'train.step': 'train step',
    'predict.forward': 'predict forward',
    'predict.decode': 'predict decode',
    'predict.nms': 'predict NMS',
    'predict.step': 'predict step',
}
SEED = 0


@dataclass
class SubjectSettings:
    """Arguments of :func:`projects.core.benchmark.benchmark` that say how a
    model runs."""

    batch_size: int | None
    input_size: tuple[int, int] | None
    objects: int
    device: torch.device
    dtype: torch.dtype
    channels_last: bool | None  # None: as the config's run is
    compile: bool
    data: bool
    cfg_options: list[str] | None


class Subject:
    """A config's model, optimiser and batch, and their step in parts.

    ``batch_size`` and ``input_size`` are what the settings or the config say,
    None where neither does; they may be set until :meth:`prepare`.

    Args:
        config: Config file, or ``torchvision.`` and a name of its classifiers.
        settings: How to run it.

    Raises:
        UserError: If the config is faulty, or holds no single-stage detector
            or classifier.
    """

    default_batch_size = 8

    def __init__(self, config: str, settings: SubjectSettings) -> None:
        self.config = config
        self.settings = settings
        self.cfg = cfg = (
            _torchvision_config(config)
            if config.startswith(TORCHVISION)
            else load_config(config, settings.cfg_options)
        )
        if 'model' not in cfg:
            raise UserError(f'{config} holds no model')
        _drop_pretrained(cfg.model)
        loader = cfg.get('train_dataloader') or {}
        self.batch_size = settings.batch_size or loader.get('batch_size')
        self.input_size = settings.input_size or input_size_of(cfg)
        if not config.startswith(TORCHVISION) and '::' not in config:
            task_of(cfg).prepare(cfg)  # as our tools do, unlike its library's
        hooks = {hook.type for hook in cfg.get('custom_hooks') or []}
        self.folds_batch_norm = 'projects.FoldBatchNormHook' in hooks
        self.channels_last = (
            'projects.ChannelsLastHook' in hooks
            if settings.channels_last is None
            else settings.channels_last
        )
        self.nms = NMSCounts()
        torch.manual_seed(SEED)
        with self._building():
            self.model = MODELS.build(cfg.model)
            self.model.init_weights()
        self.parts = task_of_class(type(self.model)).parts_of(self.model)
        if self.parts is None:
            raise UserError(
                f'{config}: the parts of a {type(self.model).__name__} are '
                'not known; only those of single-stage detectors (bbox_head '
                'with loss_by_feat) and of classifiers (ClsHead)'
            )
        self.default_input_size = self.parts.default_input_size

    @contextmanager
    def _building(self) -> Iterator[None]:
        """The config's scope, and its mistakes explained."""
        with (
            hushed(),
            explained(self.cfg),
            DefaultScope.overwrite_default_scope(self.cfg.get('default_scope')),
        ):
            yield

    def prepare(self) -> None:
        """Move the model, draw the batches, build optimiser and data."""
        device = self.settings.device
        self.model.to(device)
        if self.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.network = (
            torch.compile(self.parts.network)
            if self.settings.compile
            else (self.parts.network)
        )
        # two: a preprocessor changes what it gets
        self.batches = {
            phase: self.model.data_preprocessor(self._random_batch(), phase == 'train')
            for phase in ('train', 'predict')
        }
        with self._building():
            self.optim_wrapper = build_optim_wrapper(self.model, _optim_cfg(self.cfg))
            self.data, self.no_data = self._open_data()
        for group in self.optim_wrapper.optimizer.param_groups:
            group['lr'] = 0.0  # as much work, and the weights stay

    def _random_batch(self) -> dict:
        rng = torch.Generator().manual_seed(SEED)
        stem = next((p for p in self.model.backbone.parameters() if p.dim() == 4), None)
        channels = 3 if stem is None else stem.shape[1]
        images = torch.randint(
            0,
            256,
            (self.batch_size, channels, *self.input_size),
            dtype=torch.uint8,
            generator=rng,
        )
        return dict(
            inputs=list(images),
            data_samples=[
                self.parts.sample(rng, i, self.settings.objects, self.input_size)
                for i in range(self.batch_size)
            ],
        )

    def _open_data(self) -> tuple[Iterator | None, str]:
        """Endless batches of the training data; or None, and why."""
        loader = copy.deepcopy(self.cfg.get('train_dataloader'))
        if not loader or 'dataset' not in loader:
            if self.settings.data:
                raise UserError(f'--data: {self.config} has no train_dataloader')
            return None, ''
        roots = values_of(loader.dataset, 'data_root')
        absent = [root for root in roots if not Path(root).is_dir()]
        # without --data nothing is made or downloaded
        if not self.settings.data and (absent or not roots):
            return None, (
                f'there is no folder {absent[0]}'
                if absent
                else 'its dataset names no data_root'
            )
        for key in ('batch_sampler', 'persistent_workers', 'prefetch_factor'):
            loader.pop(key, None)
        loader.update(
            batch_size=self.batch_size,
            num_workers=0,
            sampler=dict(type='InfiniteSampler', shuffle=True),
        )
        try:
            return iter(Runner.build_dataloader(loader, seed=SEED)), ''
        except (FileNotFoundError, UserError) as error:
            if self.settings.data:
                raise UserError(f'--data: {self.config}: {error}') from error
            return None, str(error)

    def _autocast(self):
        dtype = self.settings.dtype
        return (
            nullcontext()
            if dtype == torch.float32
            else torch.autocast(self.settings.device.type, dtype)
        )

    def draw(self, meter) -> None:
        """Draw a batch of the training data, collate and preprocess it."""
        if self.data is not None:
            with meter.part('data'):
                self.model.data_preprocessor(next(self.data), True)

    def train_step(self, meter) -> None:
        """One step of training in four parts."""
        batch = self.batches['train']
        self.model.train()
        with meter.part('train.forward'), self._autocast():
            outs = self.network(batch['inputs'])
        with meter.part('train.loss'), self._autocast():
            loss, _ = self.model.parse_losses(
                self.parts.losses(outs, batch['data_samples'])
            )
            del outs  # a detector's own step does not hold it longer
        with meter.part('train.backward'):
            self.optim_wrapper.backward(loss)
        with meter.part('train.optimizer'):
            self.optim_wrapper.step()
            self.optim_wrapper.zero_grad()

    @torch.no_grad()
    def predict_step(self, meter) -> list:
        """One prediction in two parts, suppression within the second."""
        batch = self.batches['predict']
        self.model.eval()
        with meter.part('predict.forward'), self._autocast():
            outs = self.network(batch['inputs'])
        with (
            meter.part('predict.decode'),
            self._autocast(),
            nms_as_part(meter, 'predict.nms') as self.nms,
        ):
            return self.parts.predictions(outs, batch['data_samples'])

    def held_bytes(self, phase: str) -> int:
        """Bytes of weights, buffers and images; of the optimiser's state too
        where ``phase`` is 'train'."""
        tensors = [
            *self.model.parameters(),
            *self.model.buffers(),
            self.batches[phase]['inputs'],
        ]
        if phase == 'train':
            tensors += [
                value
                for state in self.optim_wrapper.optimizer.state.values()
                for value in state.values()
                if isinstance(value, Tensor)
            ]
        storages = {
            t.untyped_storage().data_ptr(): t.untyped_storage() for t in tensors
        }
        return sum(storage.nbytes() for storage in storages.values())

    def description(self) -> dict:
        return dict(
            model=type(self.model).__name__,
            parameters=sum(p.numel() for p in self.model.parameters()),
            input_size=list(self.input_size),
            optimizer=type(self.optim_wrapper.optimizer).__name__,
            channels_last=self.channels_last,
            no_data=self.no_data,
        )


def input_size_of(cfg: Config) -> tuple[int, int] | None:
    """Height and width that the test pipeline makes, None where it is not
    stated."""
    size = None
    for step in test_pipeline_of(cfg):
        key = 'crop_size' if step.type.endswith('CenterCrop') else 'scale'
        size = step.get(key, size)
    if size is None:
        return None
    return (size, size) if isinstance(size, int) else (size[1], size[0])


def _torchvision_config(name: str) -> Config:
    from projects.core.tasks.classification.torchvision_net import (
        torchvision_config,  # with mmpretrain
    )

    return torchvision_config(name)


def _optim_cfg(cfg: Config) -> dict:
    """The config's ``optim_wrapper`` without its own mixed precision; SGD
    with momentum where it has none."""
    optim_cfg = copy.deepcopy(
        cfg.get('optim_wrapper')
        or dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
    )
    if optim_cfg.get('type') == 'AmpOptimWrapper':
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            optim_cfg.pop(key, None)
    return {**optim_cfg, 'type': 'OptimWrapper'}


def _drop_pretrained(model_cfg: dict) -> None:
    """Leave out published weights: random ones take as long, and are here."""
    for entry in walk(model_cfg):
        if entry.key == 'init_cfg' and 'checkpoint' in (entry.value or {}):
            entry.parent['init_cfg'] = None
        elif entry.key == 'pretrained' and isinstance(entry.value, str):
            entry.parent['pretrained'] = None
