"""Where the first number arises that is not finite, in a step of training.

Every operation of a forward pass is looked at. An infinity may be meant, as that of
an attention mask, so that what counts is not the first one but that from which the
loss came: each tensor that is not finite carries its origin from operation to
operation, until one heals it, as softmax does. In the backward pass the first node of
the graph counts that makes gradients which are not finite of such as are.
"""

import linecache
import math
import os.path as osp
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

HERE = osp.abspath(__file__)
TORCH = osp.dirname(torch.__file__) + osp.sep
SITE = osp.dirname(osp.dirname(TORCH)) + osp.sep
MARK = 'mmatlas'  # in the metadata of a node that is watched
UNSET = ('empty', 'empty_like', 'empty_strided', 'new_empty')  # any bytes
MAX_ROWS = 4  # tensors of a kind whose statistics are shown


class Statistics(NamedTuple):
    """Of a tensor. ``min`` to ``std`` are of its finite numbers, nan without any; the
    shares ``nan`` and ``inf`` are in [0, 1]."""

    shape: tuple[int, ...]
    dtype: str
    min: float
    max: float
    mean: float
    std: float
    nan: float
    inf: float

    @classmethod
    def of(cls, tensor: Tensor) -> 'Statistics':
        values = tensor.detach()
        values = (values.abs() if values.is_complex() else values).double().flatten()
        finite = values[values.isfinite()]
        numbers = [math.nan] * 4
        if len(finite):
            std = finite.std(correction=0)
            numbers = torch.stack([finite.min(), finite.max(), finite.mean(), std])
            numbers = numbers.tolist()
        total = max(1, len(values))
        nan, inf = values.isnan().sum().item(), values.isinf().sum().item()
        dtype = str(tensor.dtype).removeprefix('torch.')
        return cls(tuple(tensor.shape), dtype, *numbers, nan / total, inf / total)

    def __str__(self) -> str:
        shares = [
            f'{share:.3g} of it {name}' if share < 1 else f'all {name}'
            for name, share in (('NaN', self.nan), ('infinite', self.inf))
            if share
        ]
        numbers = (
            f'min {self.min:.4g}, max {self.max:.4g}, mean {self.mean:.4g}, '
            f'std {self.std:.4g}'
        )
        parts = [] if math.isnan(self.min) else [numbers]
        return f'{self.shape} {self.dtype}, ' + ', '.join(
            parts + (shares or ['finite'])
        )


class Place(NamedTuple):
    """Where in the code: the module by its dotted name, '' for the model itself, and
    the line of the first frame that is not torch's."""

    module: str
    file: str
    line: int

    def shown(self) -> str:
        file = (
            osp.relpath(self.file)
            if '..' not in osp.relpath(self.file)
            else (self.file.removeprefix(SITE))
        )
        text = linecache.getline(self.file, self.line).strip()
        return f'{file}:{self.line}: {text}'


@dataclass(eq=False)
class Origin:
    """What brought a number that is not finite into a step.

    Args:
        kind: 'operation', 'node' (of the backward pass), 'weight', 'batch', 'unseen'.
        name: Of the operation, the node, the parameter or the part of the batch.
        place: Where; None for a weight and the batch.
        is_meant: Whether the code states the infinity, as for a mask.
        turned: The operation that made NaN of the infinity, and its place.
        statistics: By what they are of.
    """

    kind: str
    name: str
    place: Place | None = None
    is_meant: bool = False
    turned: tuple[str, Place] | None = None
    statistics: dict[str, Statistics] = field(default_factory=dict)


def tensors_in(value: Any, path: str = '') -> Iterator[tuple[str, Tensor]]:
    """Tensors in nested containers and data samples, with their paths."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(getattr(value, 'tensor', None), Tensor):  # boxes
        yield path, value.tensor
    else:
        if isinstance(value, dict):
            items: Iterable = value.items()
        elif isinstance(value, (list, tuple)):
            items = enumerate(value)
        elif hasattr(value, 'all_items'):  # a data sample
            items = value.all_items()
        else:
            return
        for key, part in items:
            yield from tensors_in(part, f'{path}.{key}' if path else str(key))


def is_nonfinite(tensor: Tensor) -> bool:
    """Whether a tensor holds numbers, not all of them finite."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    if tensor.is_meta or tensor.is_sparse or not tensor.numel():
        return False
    return not tensor.detach().isfinite().all().item()


def _key(tensor: Tensor) -> tuple:
    return tensor.device, tensor.untyped_storage().data_ptr()


class Watch(TorchFunctionMode):
    """Context in which the operations of a model are watched.

    Args:
        model: Not in a wrapper.
        batch: What it is given.

    Attributes:
        backward_origin: The node of the backward pass; None where all is finite.
        parameters: Names of those whose gradient is not finite, in the order in which
            the gradients came.
    """

    def __init__(self, model: nn.Module, batch: Any) -> None:
        super().__init__()
        self.model = model
        self.backward_origin: Origin | None = None
        self.parameters: list[str] = []
        self._names = {id(module): name for name, module in model.named_modules()}
        self._origins: dict[tuple, Origin] = {}
        self._order: list[Origin] = []
        self._inputs: dict[str, Any] = {}
        self._handles: list = []
        # a batch norm in training writes them, and the step did so before it was kept
        self._written = {
            id(buffer)
            for module in model.modules()
            if isinstance(module, _BatchNorm) and module.training
            for buffer in module.buffers()
        }
        for kind, tensors in (
            ('batch', tensors_in(batch)),
            ('weight', [*model.named_parameters(), *model.named_buffers()]),
        ):
            for name, tensor in tensors:
                if id(tensor) not in self._written and is_nonfinite(tensor):
                    origin = Origin(kind, name)
                    origin.statistics[name] = Statistics.of(tensor)
                    self._note(tensor, origin)

    def __enter__(self) -> 'Watch':
        for name, module in self.model.named_modules():
            self._handles += [
                module.register_forward_pre_hook(
                    partial(self._before, name), with_kwargs=True
                ),
                module.register_forward_hook(partial(self._after, name)),
            ]
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                hook = partial(self._gradient, name)
                self._handles.append(parameter.register_hook(hook))
        return super().__enter__()

    def close(self) -> None:
        """Take the hooks off the model, after the backward pass."""
        for handle in self._handles:
            handle.remove()

    def origin_of(self, value: Any) -> Origin | None:
        """The origin of what is not finite in ``value``; None where all is finite."""
        bad = [t for _, t in tensors_in(value) if is_nonfinite(t)]
        if not bad:
            return None
        unseen = Origin('unseen', 'what is no operation of torch')
        found = [self._origins.get(_key(tensor), unseen) for tensor in bad]
        return next((o for o in self._order if o in found), unseen)

    def last_origin(self) -> Origin | None:
        """The last infinity or NaN that was not meant, of a step that broke off."""
        return next((o for o in reversed(self._order) if not o.is_meant), None)

    def watch_graph(self, tensor: Tensor, place: Place | None = None) -> None:
        """Watch what computes the gradients of a tensor and is not watched yet."""
        nodes = [tensor.grad_fn]
        while nodes:
            node = nodes.pop()
            if node is None or MARK in node.metadata or 'Accumulate' in node.name():
                continue
            node.metadata[MARK] = True
            node.register_hook(
                partial(self._gradients, place or self._place(), node.name())
            )
            nodes += [following for following, _ in node.next_functions]

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, '__name__', str(function))
        if name in ('__get__', '__set__', 'backward', 'requires_grad_'):
            return function(*args, **kwargs)
        given = [t for _, t in tensors_in((args, kwargs)) if id(t) not in self._written]
        bad = [t for t in given if is_nonfinite(t)]
        with_nan = [t for t in bad if t.detach().isnan().any()]
        before = {f'input of {name}': Statistics.of(t) for t in bad[:1]}
        out = function(*args, **kwargs)
        place = None
        for _, tensor in tensors_in(out):
            if id(tensor) in self._written:
                continue
            if tensor.grad_fn is not None and MARK not in tensor.grad_fn.metadata:
                place = place or self._place()
                self.watch_graph(tensor, place)
            if name not in UNSET and is_nonfinite(tensor):
                place = place or self._place()
                has_nan = bool(tensor.detach().isnan().any())
                origin = self._inherited(name, place, bad, with_nan, has_nan)
                if origin is None:
                    is_meant = not has_nan and (
                        name == 'tensor'
                        or any(map(_is_infinity, (*args, *kwargs.values())))
                    )
                    origin = Origin('operation', name, place, is_meant)
                    origin.statistics = before or _rows(f'input of {name}', given)
                    origin.statistics |= _rows(f'output of {name}', [tensor])
                    self._add_module(origin)
                self._note(tensor, origin)
        return out

    def _inherited(
        self,
        name: str,
        place: Place,
        bad: list[Tensor],
        with_nan: list[Tensor],
        has_nan: bool,
    ) -> Origin | None:
        """The origin of an operation's inputs, which goes on to its output."""
        pool = with_nan if has_nan and with_nan else bad
        origins = [self._origins.get(_key(t)) for t in pool]
        known = [o for o in origins if o is not None and not o.is_meant]
        if known:
            first = min(known, key=self._order.index)
            if has_nan and not with_nan and first.turned is None:
                first.turned = name, place
            return first
        if has_nan and not with_nan:
            return None  # NaN of an infinity that was meant: here
        if None in origins:  # a function of its own made it
            origin = Origin('unseen', f'what comes before {name}', place)
            origin.statistics = _rows(f'input of {name}', pool)
            return origin
        return origins[0] if origins else None

    def _note(self, tensor: Tensor, origin: Origin) -> None:
        if origin not in self._order:
            self._order.append(origin)
        self._origins[_key(tensor)] = origin

    def _before(self, name: str, module, args, kwargs) -> None:
        self._inputs[name] = (args, kwargs)

    def _after(self, name: str, module, args, out) -> None:
        self._inputs.pop(name, None)
        for origin in self._order:
            if origin.place is not None and origin.place.module == name:
                rows = _rows(f'output of {name or "the model"}', _parts(out))
                for key, value in rows.items():
                    origin.statistics.setdefault(key, value)

    def _add_module(self, origin: Origin) -> None:
        """What goes into the module of an operation, and its own weights."""
        name = origin.place.module
        inputs = _parts(self._inputs.get(name))
        origin.statistics |= _rows(f'input of {name or "the model"}', inputs)
        module = self.model.get_submodule(name)
        for key, parameter in list(module.named_parameters(recurse=False))[:MAX_ROWS]:
            label = f'{name}.{key}'.lstrip('.')
            origin.statistics[label] = Statistics.of(parameter)

    def _gradient(self, name: str, gradient: Tensor) -> None:
        if name not in self.parameters and is_nonfinite(gradient):
            self.parameters.append(name)

    def _gradients(self, place: Place, name: str, to_inputs, of_outputs) -> None:
        if self.backward_origin is not None:
            return
        given = [g for g in of_outputs if g is not None]
        made = [g for g in to_inputs if g is not None]
        if any(map(is_nonfinite, made)) and not any(map(is_nonfinite, given)):
            self.backward_origin = Origin('node', name, place)
            self.backward_origin.statistics = _rows('gradient that comes in', given)
            self.backward_origin.statistics |= _rows('gradient that it makes', made)
            self._add_module(self.backward_origin)

    def _place(self) -> Place:
        frame = sys._getframe(1)
        module, file, line = None, '', 0
        while frame is not None:
            name = frame.f_code.co_filename
            if name != HERE:
                if not file and not name.startswith(TORCH):
                    file, line = name, frame.f_lineno
                if module is None:
                    module = self._names.get(id(frame.f_locals.get('self')))
                if file and module is not None:
                    break
            frame = frame.f_back
        return Place(module or '', file, line)


def _is_infinity(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_is_infinity, value))
    if isinstance(value, Tensor) and value.dim() == 0 and value.is_floating_point():
        return value.device.type == 'cpu' and math.isinf(value.item())
    return isinstance(value, float) and math.isinf(value)


def _parts(value: Any) -> list[Tensor]:
    return [t for _, t in tensors_in(value) if t.is_floating_point()]


def _rows(label: str, tensors: list[Tensor]) -> dict[str, Statistics]:
    """Statistics of the first tensors, numbered where there are several."""
    tensors = [t for t in tensors if t.is_floating_point()][:MAX_ROWS]
    return {
        f'{label} ({i + 1})' if len(tensors) > 1 else label: Statistics.of(t)
        for i, t in enumerate(tensors)
    }
