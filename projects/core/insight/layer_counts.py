"""What each module of a model costs, for one input.

Conventions, those of resources/architectures.json:

- A MAC is a multiplication with its addition. By torch's formulas
  (``torch.utils.flop_counter``) counted are convolutions, transposed ones, linear
  layers and other matrix products, of attention all of its square under a causal mask,
  too. Nothing else is; what is left out is told by operator, with the elements that it
  goes through.
- Parameters are counted once, where they come first; buffers are none.
- Activations are the results of all operations, as float32: 4 bytes an element. Views
  and what is written in place take no memory. That is what a training step without
  checkpointing keeps at most; a prediction holds far less at a time.

mmengine.analysis has ``get_model_complexity_info``, a copy of fvcore's: it traces the
model by ``torch.jit``, counts batch norm and pooling in, and leaves attention's matrix
products out where they are fused, so that its totals are not those of the table.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._pytree import tree_leaves, tree_map_only

from projects.core.engine.speed import FlopCounter

BYTES = 4  # of a float32
# views by another name, and in place
VIEWS = (
    '_reshape_alias',
    '_unsafe_view',
    'squeeze_',
    'transpose_',
    'unsafe_chunk',
    'unsafe_split',
    'unsqueeze_',
)
LOOKUPS = ('embedding',)  # of the weights they go through what they find alone


@dataclass
class LayerCounts:
    """A module, with all that is in it.

    Args:
        name: Its path in the model, '' for the model.
        kind: Its class.
        num_params: Parameters in it that are in no module before.
        own_params: Those that are its own, not a submodule's.
        shared: Whether some of its parameters were counted before, at their first
            place.
        calls: How often it was called.
        shape: Of its last output, without the first axis, the input's; None where
            there is no one tensor.
        macs: Multiply-accumulates, with those of the modules in it.
        own_macs: Those outside of the modules in it.
        elements: Elements of its activations, with those of the modules in it.
    """

    name: str
    kind: str
    num_params: int = 0
    own_params: int = 0
    shared: bool = False
    calls: int = 0
    shape: tuple[int, ...] | None = None
    macs: int = 0
    own_macs: int = 0
    elements: int = 0

    @property
    def depth(self) -> int:
        """0 of the model, 1 of its parts, ..."""
        return self.name.count('.') + 1 if self.name else 0

    @property
    def activation_bytes(self) -> int:
        return BYTES * self.elements


@dataclass
class ModelCounts:
    """All modules of a model, each before what is in it.

    Args:
        layers: The first is the model itself.
        uncounted: Elements that pass through operators without MACs, by operator.
        calls: Of each of these operators.
        unknown: Operators made of matrix products for which there is no formula.
    """

    layers: list[LayerCounts]
    uncounted: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)

    @property
    def total(self) -> LayerCounts:
        return self.layers[0]


def on_meta(model: nn.Module) -> nn.Module:
    """The model with parameters and buffers that have shapes alone; what is shared
    stays shared."""
    moved: dict[int, Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or tensor.is_meta:
                    continue
                if id(tensor) not in moved:
                    new = tensor.detach().to('meta')
                    if isinstance(tensor, nn.Parameter):
                        new = nn.Parameter(new, tensor.requires_grad)
                    moved[id(tensor)] = new
                tensors[name] = moved[id(tensor)]
    return model


def count_layers(
    model: nn.Module, network: Callable[[Any], Any], inputs: Any
) -> ModelCounts:
    """Run a model on one input and count.

    Args:
        model: In eval mode; :func:`on_meta`, so that nothing is computed.
        network: Calls the model's layers.
        inputs: A batch of one, as ``network`` takes it.
    """
    counts = ModelCounts(_parameters_of(model))
    by_module = dict(zip(model.modules(), counts.layers, strict=True))
    inputs = tree_map_only(Tensor, lambda t: t.to('meta'), inputs)
    with torch.no_grad(), _Counter(model, by_module, counts):
        network(inputs)
    _add_to_parents(counts.layers)
    return counts


def _parameters_of(model: nn.Module) -> list[LayerCounts]:
    """The modules with their own parameters, each counted at its first place."""
    seen: set[int] = set()
    layers = []
    for name, module in model.named_modules():
        layer = LayerCounts(name, type(module).__name__)
        for parameter in module.parameters(recurse=False):
            layer.shared |= id(parameter) in seen
            if id(parameter) not in seen:
                layer.own_params += parameter.numel()
            seen.add(id(parameter))
        layer.num_params = layer.own_params
        layers.append(layer)
    return layers


def _add_to_parents(layers: list[LayerCounts]) -> None:
    by_name = {layer.name: layer for layer in layers}
    for layer in reversed(layers):  # each after what is in it
        if layer.name:
            parent = by_name[layer.name.rpartition('.')[0]]
            parent.num_params += layer.num_params
            parent.macs += layer.macs
            parent.elements += layer.elements


class _Counter(FlopCounter):
    """Gives each operation to the innermost module that is being called.

    Modules that are not the model's, such as a slice of a ``nn.Sequential``, are looked
    through.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: dict[nn.Module, LayerCounts],
        counts: ModelCounts,
    ) -> None:
        super().__init__()
        self._layers, self._counts = layers, counts
        self._open = [layers[model]]

    def __enter__(self):
        self._handles = (
            register_module_forward_pre_hook(self._begin),
            register_module_forward_hook(self._end),
        )
        return super().__enter__()

    def __exit__(self, *args):
        for handle in self._handles:
            handle.remove()
        return super().__exit__(*args)

    def _begin(self, module: nn.Module, args: tuple) -> None:
        layer = self._layers.get(module)
        if layer is not None:
            layer.calls += 1
        self._open.append(layer or self._open[-1])

    def _end(self, module: nn.Module, args: tuple, output: Any) -> None:
        layer = self._layers.get(module)
        if layer is not None:
            layer.shape = _shape_of(output)
        self._open.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before, self.flops = self.flops, 0
        out = super().__torch_dispatch__(func, types, args, kwargs)
        flops, layer, counts = self.flops, self._open[-1], self._counts
        name = func._schema.name.partition('::')[2]
        if flops is None:
            counts.unknown.add(name)
        else:
            layer.macs += flops // 2
            layer.own_macs += flops // 2
        self.flops = (before or 0) + (flops or 0)
        inside = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        results = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
        infos = [r.alias_info for r in func._schema.returns]
        is_view = name in VIEWS or any(i is not None and not i.is_write for i in infos)
        if not inside or is_view:
            return out  # tensors are made of nothing, or seen in another shape
        if not any(infos):
            layer.elements += sum(t.numel() for t in results if t.is_floating_point())
        if not flops:
            name = name.rstrip('_').removeprefix('native_').lstrip('_')
            counts.calls[name] += 1
            sizes = [t.numel() for t in results]
            if name not in LOOKUPS:
                sizes += [t.numel() for t in inside]
            counts.uncounted[name] += max(sizes, default=0)
        return out


def _shape_of(output: Any) -> tuple[int, ...] | None:
    """Of a tensor, or of the last of a tuple of maps, as backbones give them."""
    if isinstance(output, (tuple, list)) and output:
        output = output[-1]
    return tuple(output.shape[1:]) if isinstance(output, Tensor) else None
