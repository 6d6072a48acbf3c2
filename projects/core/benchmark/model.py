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
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from projects.core.benchmark.parts import Parts
from projects.core.benchmark.references import input_size_of
from projects.core.config import (
    explained,
    load_config,
    values_of,
    walk,
)
from projects.core.engine.distributed import has_own_step
from projects.core.engine.optimizers import in_full_precision, wrappers_of
from projects.core.engine.runner import Runner
from projects.core.errors import UserError
from projects.core.quiet import hushed
from projects.core.tasks.task import library_config, task_of, task_of_class
from projects.core.variants import config_root
from projects.registry import MODELS

SEED = 0


@dataclass
class BenchmarkSettings:
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


class BenchmarkedModel:
    """A config's model, optimiser and batch, and their step in parts.

    ``batch_size`` and ``input_size`` are what the settings or the config say,
    None where neither does; they may be set until :meth:`prepare`.

    Args:
        config: Config file, or ``library.name`` of a model that a library builds
            by its name, such as ``torchvision.resnet18``.
        settings: How to run it.

    Raises:
        UserError: If the config is faulty, or the parts of its model's step are
            not known.
    """

    default_batch_size = 8

    def __init__(self, config: str, settings: BenchmarkSettings) -> None:
        self.config = config
        self.settings = settings
        self.cfg = cfg = library_config(config) or load_config(
            config, settings.cfg_options
        )
        if 'model' not in cfg:
            raise UserError(f'{config} holds no model')
        _drop_pretrained(cfg.model)
        # where mmpretrain's configs have it; mmengine's runner does the same
        if 'data_preprocessor' in cfg:
            cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
        loader = cfg.get('train_dataloader') or {}
        self.batch_size = settings.batch_size or loader.get('batch_size')
        if library_config(config) is None and '::' not in config:
            task_of(cfg).prepare(cfg)  # as our tools do, unlike its library's
        hooks = {hook.type for hook in cfg.get('custom_hooks') or []}
        self.folds_batch_norm = 'projects.FoldBatchNormHook' in hooks
        self.channels_last = (
            'projects.ChannelsLastHook' in hooks
            if settings.channels_last is None
            else settings.channels_last
        )
        self.counts: dict[str, int] = {}  # of the last prediction
        torch.manual_seed(SEED)
        with self._building():
            self.model = MODELS.build(cfg.model)
            self.model.init_weights()
        self.task = task = task_of_class(type(self.model))
        self.parts: Parts | None = task.parts_of(self.model)
        if self.parts is None:
            raise UserError(
                f'{config}: the parts of a step of a {type(self.model).__name__} '
                f'({task.name}) are not known, so that it cannot be measured'
            )
        self.input_size = settings.input_size or self.parts.input_size_of(cfg)
        if len(self.input_size or ()) not in (0, len(self.parts.default_input_size)):
            raise UserError(
                f'--input-size {" ".join(map(str, self.input_size))}: that of '
                f'{task.name} has {len(self.parts.default_input_size)} numbers'
            )

    @property
    def default_input_size(self) -> tuple[int, ...]:
        """What a variant is made for; of any other config what its kind says."""
        file = Path(self.config)
        if file.parent == config_root() / '_base_/models':
            return input_size_of(file.stem, self.parts)
        return self.parts.default_input_size

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
        # also back: it may have been prepared otherwise before
        self.model.to(
            memory_format=torch.channels_last
            if self.channels_last
            else torch.contiguous_format
        )
        self.network = (
            torch.compile(self.parts.network)
            if self.settings.compile
            else (self.parts.network)
        )
        # two: a preprocessor changes what it gets
        self.batches = {phase: self._batch(phase) for phase in ('train', 'predict')}
        with self._building():
            self.optim_wrapper = build_optim_wrapper(
                self.model, _optim_cfg(self.cfg, self.model)
            )
            self.data, self.no_data = self._open_data()
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group['lr'] = 0.0  # as much work, and the weights stay

    def _batch(self, phase: str) -> dict:
        """As the model's step takes it: a step of its own preprocesses it itself."""
        batch = self.parts.random_batch(
            torch.Generator().manual_seed(SEED),
            self.batch_size,
            self.input_size,
            self.settings.objects,
        )
        is_train = phase == 'train'
        if is_train and has_own_step(self.model):
            return batch
        return self.model.data_preprocessor(batch, is_train)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        return [w.optimizer for w in wrappers_of(self.optim_wrapper).values()]

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

    def autocast(self):
        """Context of the network in the settings' precision."""
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
        """One step of training in four parts, or in one if it is the model's own."""
        batch = self.batches['train']
        self.model.train()
        if has_own_step(self.model):
            with meter.part('train.own'), self.autocast():
                self.model.train_step(batch, self.optim_wrapper)
            return
        with meter.part('train.forward'), self.autocast():
            outs = self.network(batch['inputs'])
        with meter.part('train.loss'), self.autocast():
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
        """One prediction in two parts, those of ``inner_parts`` within the second."""
        batch = self.batches['predict']
        self.model.eval()
        with meter.part('predict.forward'), self.autocast():
            outs = self.network(batch['inputs'])
        with (
            meter.part('predict.decode'),
            self.autocast(),
            self.parts.metered(meter) as self.counts,
        ):
            return self.parts.predictions(outs, batch['data_samples'])

    def held_bytes(self, phase: str) -> int:
        """Bytes of weights, buffers and inputs; of the optimiser's state too
        where ``phase`` is 'train'."""
        tensors = [
            *self.model.parameters(),
            *self.model.buffers(),
            *tree_leaves(self.batches[phase]['inputs']),
        ]
        if phase == 'train':
            tensors += [
                value
                for optimizer in self._optimizers()
                for state in optimizer.state.values()
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
            unit=self.task.unit,
            parameters=sum(p.numel() for p in self.model.parameters()),
            input_size=list(self.input_size),
            optimizer=type(self._optimizers()[0]).__name__,
            channels_last=self.channels_last,
            inner_parts=self.parts.inner_parts,
            no_data=self.no_data,
        )


def _optim_cfg(cfg: Config, model: nn.Module) -> dict:
    """The config's ``optim_wrapper`` without its own mixed precision. Where it has
    none SGD with momentum; Adam for each part of a model with a step of its own."""
    if not cfg.get('optim_wrapper'):
        if not has_own_step(model):
            return dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
        adam = dict(optimizer=dict(type='Adam', lr=0.0002))
        return dict(
            constructor='projects.PartsOptimWrapperConstructor',
            **{
                name: adam
                for name, part in model.named_children()
                if any(p.requires_grad for p in part.parameters())
            },
        )
    return in_full_precision(cfg.optim_wrapper)


def _drop_pretrained(model_cfg: dict) -> None:
    """Leave out published weights: random ones take as long, and are here."""
    for entry in walk(model_cfg):
        if entry.key == 'init_cfg' and 'checkpoint' in (entry.value or {}):
            entry.parent['init_cfg'] = None
        elif entry.key == 'pretrained' and isinstance(entry.value, str):
            entry.parent['pretrained'] = None
