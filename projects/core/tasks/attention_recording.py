"""The attention of a model, as it is computed.

It is that of :class:`projects.core.layers.ScaledDotProductAttention`, whose
``softmax`` is looked at.

Legend: B samples, N heads, T tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from projects.core.layers import ScaledDotProductAttention


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[list[Tensor]]:
    """Record the attention of all blocks while the model is run.

    Attention is written out as long as that takes; see
    :class:`projects.core.layers.ScaledDotProductAttention`.

    Yields:
        list: Is filled with (B, N, T, T) attention in the order in which it is
        computed: rows are queries, each of sum 1.
    """
    modules = [m for m in model.modules() if isinstance(m, ScaledDotProductAttention)]
    were_fused = [module.fused for module in modules]
    recorded: list[Tensor] = []
    hooks = [
        module.softmax.register_forward_hook(
            lambda _, __, attention: recorded.append(attention.detach())
        )
        for module in modules
    ]
    try:
        for module in modules:
            module.fused = False
        yield recorded
    finally:
        for module, hook, fused in zip(modules, hooks, were_fused, strict=True):
            hook.remove()
            module.fused = fused
