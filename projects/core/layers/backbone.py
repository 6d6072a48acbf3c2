"""What all convolutional backbones have in common."""

from collections.abc import Iterable, Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

Stages = Sequence[Iterable[nn.Module]]
LayerGroups = Sequence[Iterable[nn.Module | nn.Parameter]]


class Backbone(BaseModule):
    """Stages one after the other, some of whose maps are returned.

    Maps (B, C, H, W) images to a tuple of maps, one per index of
    ``out_indices`` in ascending order. Stages after the last of them are not
    computed. A subclass builds its modules under the names of published
    weights, groups them in :meth:`stage_modules` and calls
    :meth:`select_stages` at the end of its constructor.
    """

    out_indices: tuple[int, ...]
    num_frozen_stages = 0

    def stage_modules(self) -> Stages:
        """The modules of each stage, in the order in which they are run."""
        raise NotImplementedError

    def layer_groups(self) -> LayerGroups:
        """Layers that share a learning rate under layer-wise decay, from the
        image up; what is in none of them is above the last.

        The stages, where a subclass has nothing finer; see
        :class:`projects.core.engine.LayerDecayOptimWrapperConstructor`.
        """
        return self.stage_modules()

    def select_stages(
        self, out_indices: Sequence[int], trainable_stages: int | None = None
    ) -> None:
        """Choose which maps are returned and which weights are trained.

        Args:
            out_indices: Stages whose maps are returned; -1 is the last.
            trainable_stages: See :meth:`freeze`.

        Raises:
            ValueError: If there are no such stages.
        """
        self.out_indices = self.resolve_indices(out_indices, len(self.stage_modules()))
        # what is not computed has no gradient, which DDP takes for an error
        for module in self._modules_of(slice(self.out_indices[-1] + 1, None)):
            module.requires_grad_(False)
        self.freeze(trainable_stages)

    @classmethod
    def resolve_indices(
        cls, out_indices: Sequence[int], num_stages: int
    ) -> tuple[int, ...]:
        """Indices from 0, in ascending order, each once.

        Args:
            out_indices: Stages; -1 is the last.
            num_stages: Number of stages.

        Raises:
            ValueError: If there are none, or no such stages.
        """
        if not out_indices or not all(
            -num_stages <= i < num_stages for i in out_indices
        ):
            raise ValueError(
                f'out_indices {tuple(out_indices)}: '
                f'{cls.__name__} has {num_stages} stages'
            )
        return tuple(sorted({i % num_stages for i in out_indices}))

    def freeze(self, trainable_stages: int | None) -> None:
        """Train only the last stages: the others keep weights and statistics.

        A further call replaces the one before it: stages that were frozen by
        that one, and are not by this, are trained again.

        Args:
            trainable_stages: Stages that are trained, counted from the last
                that is computed, those without weights left aside. None for
                all; 0 for none.

        Raises:
            ValueError: If there are fewer.
        """
        num_frozen_stages = self._num_frozen(trainable_stages)
        # only what an earlier call froze: a subclass may have fixed weights
        for module in self._modules_of(slice(self.num_frozen_stages)):
            module.requires_grad_(True)
        self.num_frozen_stages = num_frozen_stages
        for module in self._modules_of(slice(self.num_frozen_stages)):
            module.requires_grad_(False)
        self.train(self.training)

    def _num_frozen(self, trainable_stages: int | None) -> int:
        """How many of the first stages :meth:`freeze` is to freeze."""
        if trainable_stages is None:
            return 0
        computed = self.stage_modules()[: self.out_indices[-1] + 1]
        with_weights = [
            i
            for i, stage in enumerate(computed)
            if any(list(module.parameters()) for module in stage)
        ]
        if not 0 <= trainable_stages <= len(with_weights):
            raise ValueError(
                f'trainable_stages {trainable_stages}: {type(self).__name__} '
                f'has {len(with_weights)} stages with weights that are computed'
            )
        return with_weights[-trainable_stages] if trainable_stages else len(computed)

    def _modules_of(self, stages: slice) -> list[nn.Module]:
        return [module for stage in self.stage_modules()[stages] for module in stage]

    def train(self, mode: bool = True) -> 'Backbone':
        """Frozen stages stay in eval mode: batch norm keeps its statistics."""
        super().train(mode)
        for module in self._modules_of(slice(self.num_frozen_stages)):
            module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = []
        for i, stage in enumerate(self.stage_modules()[: self.out_indices[-1] + 1]):
            for module in stage:
                x = module(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)
