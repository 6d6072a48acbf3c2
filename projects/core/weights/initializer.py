"""Published weights as an initialiser of MMEngine's ``init_cfg``."""

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from torch import nn

from projects.core.weights.loading import load_weights
from projects.core.weights.sources import read_weights
from projects.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module()
class Pretrained:
    """Loads published weights into a model, or into a backbone alone.

    ``init_cfg=dict(type='projects.Pretrained', checkpoint='resnet50.pth')``.
    Unlike MMEngine's ``Pretrained`` it refuses a file that does not cover the
    backbone wholly, and logs what became of every weight; see
    :func:`projects.core.weights.load_weights`.

    Args:
        checkpoint: A file or a name, see
            :func:`projects.core.weights.read_weights`.
        unpickle: Run what the file says where it is more than data.
    """

    def __init__(self, checkpoint: str, unpickle: bool = False) -> None:
        self.checkpoint = checkpoint
        self.unpickle = unpickle

    def __call__(self, module: nn.Module) -> None:
        # MMEngine would initialise the parts of a model after it, and so undo
        # what is loaded here
        for part in module.children():
            if hasattr(part, 'init_weights') and not getattr(part, 'is_init', False):
                part.init_weights()
        weights = read_weights(self.checkpoint, unpickle=self.unpickle)
        print_log(
            load_weights(
                module, weights['state_dict'], self.checkpoint, allow_new_head=True
            ),
            'current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, f'loaded from {self.checkpoint}')
