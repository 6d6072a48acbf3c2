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
    deform_roi_pool_backward,
    deform_roi_pool_forward,
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
    'deform_roi_pool_backward',
    'deform_roi_pool_forward',
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


# Those that compiled mmcv has for a CPU, of the ones that are not above: in csrc
# of onedl-mmcv 2.3.6, REGISTER_DEVICE_IMPL(..., CPU, ...) and what dispatches by
# itself or runs on the CPU only (contour_expand, nms_quadri, nms_rotated,
# points_in_boxes_cpu_forward).
COMPILED_FOR_CPU = frozenset(
    {
        'active_rotated_filter_backward',
        'active_rotated_filter_forward',
        'bezier_align_backward',
        'bezier_align_forward',
        'box_iou_quadri',
        'box_iou_rotated',
        'contour_expand',
        'dynamic_voxelize_forward',
        'hard_voxelize_forward',
        'nms_quadri',
        'nms_rotated',
        'pixel_group',
        'points_in_boxes_cpu_forward',
        'psamask_backward',
        'psamask_forward',
        'roi_align_rotated_backward',
        'roi_align_rotated_forward',
        'rotated_feature_align_backward',
        'rotated_feature_align_forward',
    }
)


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
        if name in COMPILED_FOR_CPU:
            where = 'which has it for CPUs too; to install that'
        else:
            where = (
                'which has it for GPUs only, not for CPUs; to install that, on a '
                "machine with a GPU and CUDA's compiler"
            )
        raise MissingOpError(
            f"mmcv's operator '{name}' needs compiled mmcv, {where}, in about "
            f'10 minutes: {COMPILE_COMMAND}'
        )

    op.__name__ = op.__qualname__ = name
    return op


def get_compiler_version() -> str:
    """What ``mmcv.utils.collect_env`` reports as the compiler."""
    return 'none (operators of MMAtlas)'


def get_compiling_cuda_version() -> str:
    """As that of an extension built without CUDA."""
    return 'not available'
