"""What stands in for ``mmcv._ext``: the operators, and those that raise."""

from collections.abc import Callable
from typing import NoReturn

from projects.core.errors import UserError
from projects.core.mmcv_ops import COMPILE_COMMAND
from projects.core.mmcv_ops.box_ops import (
    bbox_overlaps,
    nms,
    nms_match,
    softnms,
)
from projects.core.mmcv_ops.carafe import (
    carafe_backward,
    carafe_forward,
    carafe_naive_backward,
    carafe_naive_forward,
)
from projects.core.mmcv_ops.deform_ops import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
    ms_deform_attn_backward,
    ms_deform_attn_forward,
)
from projects.core.mmcv_ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from projects.core.mmcv_ops.line_nms import line_nms_forward
from projects.core.mmcv_ops.masked_conv import (
    masked_col2im_forward,
    masked_im2col_forward,
)
from projects.core.mmcv_ops.roi_ops import (
    roi_align_backward,
    roi_align_forward,
    roi_pool_backward,
    roi_pool_forward,
)

__all__ = [
    'bbox_overlaps',
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'get_compiler_version',
    'get_compiling_cuda_version',
    'line_nms_forward',
    'masked_col2im_forward',
    'masked_im2col_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]


class MissingOpError(UserError, NotImplementedError):
    """The operator exists in compiled mmcv only."""


def missing_op(name: str) -> Callable[..., NoReturn]:
    """Operator of that name that raises when called.

    mmcv looks up every operator on import, so none may be absent.

    Raises:
        AttributeError: If no operator can have that name.
    """
    if name.startswith('_'):
        raise AttributeError(f"module 'mmcv._ext' has no attribute '{name}'")

    def op(*args: object, **kwargs: object) -> NoReturn:
        raise MissingOpError(
            f"mmcv's operator '{name}' needs compiled mmcv; to install it, in "
            f'about 10 minutes: {COMPILE_COMMAND}'
        )

    op.__name__ = op.__qualname__ = name
    return op


def get_compiler_version() -> str:
    """What ``mmcv.utils.collect_env`` reports as the compiler."""
    return 'none (operators of MMAtlas)'


def get_compiling_cuda_version() -> str:
    """As that of an extension built without CUDA."""
    return 'not available'
