"""A head whose pooling is from scratch, too."""

from projects.core.tasks.classification.classifier import MLPClsHead
from projects.registry import MODELS
from projects.scratch.pooling import ScratchAdaptiveAvgPool2d


@MODELS.register_module()
class ScratchMLPClsHead(MLPClsHead):
    """:class:`MLPClsHead` with :class:`ScratchAdaptiveAvgPool2d`.

    Its other layers are the config's: ``linear_cfg``, ``dropout_cfg`` and
    ``act_cfg``.

    Args:
        *args: Of :class:`MLPClsHead`.
        **kwargs: Of :class:`MLPClsHead`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.avgpool = ScratchAdaptiveAvgPool2d(self.avgpool.output_size)
