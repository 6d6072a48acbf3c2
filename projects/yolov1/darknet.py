"""darknet's ``.weights`` files of YOLOv1: reading and writing.

A file is a header of three int32 (major, minor, revision) and the number of
images seen (int64 from version 0.2 on, before int32), then float32 arrays,
layer by layer in the order of execution, all little-endian:

- convolution: bias; with batch norm also scale, mean, variance; weights
  (out, in, k, k). The bias is then batch norm's shift.
- connected: bias, weights (out, in); (in, out) if major or minor > 1000.
- local: bias (out, H, W), weights (H * W, out, in * k * k).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmcv.cnn import ConvModule
from mmengine.logging import print_log
from torch import Tensor, nn

from projects import create_model
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file
from projects.core.values import PATH, checked, optional, whole
from projects.core.weights import load_weights, read_checkpoint, write_checkpoint
from projects.yolov1.predictors import LocallyConnected2d

TARGET = 'the argument target'
VERSION = (0, 2, 0)  # of the files that we write


def darknet_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers with weights by name, in the order of execution.

    Raises:
        UserError: If darknet has no such layer.
    """
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (ConvModule, nn.Linear, LocallyConnected2d))
    ]
    known = {f'{name}.{key}' for name, layer in layers for key in layer.state_dict()}
    strange = [key for key in model.state_dict() if key not in known]
    if strange:
        raise UserError(f'darknet has no layer for {strange[0]}')
    return layers


def _arrays(layer: nn.Module) -> Iterator[Tensor]:
    """The layer's parameters and buffers in the order of the file."""
    if isinstance(layer, ConvModule):
        if layer.with_norm:
            norm = layer.norm
            yield from (norm.bias, norm.weight, norm.running_mean, norm.running_var)
        else:
            yield layer.conv.bias
        yield layer.conv.weight
    else:
        yield from (layer.bias, layer.weight)


@torch.no_grad()
def read_weights(model: nn.Module, path: str) -> list[str]:
    """Fill a model from a ``.weights`` file, to the last byte.

    A file that ends after the backbone, as darknet's ``*.conv.weights``,
    fills the backbone alone.

    Args:
        model: A detector or classifier of :mod:`projects.yolov1`.
        path: The file.

    Returns:
        Names of the layers that were filled.

    Raises:
        UserError: If the file holds more or fewer numbers than the model, or
            numbers that are not finite; the model may then be half filled.
    """
    data = Path(path).read_bytes()
    if len(data) < 16:
        raise UserError(f'{path} is too short for a .weights file')
    major, minor, _ = np.frombuffer(data, '<i4', 3)
    is_long = 10 * major + minor >= 2 and major < 1000 and minor < 1000
    header = 20 if is_long else 16
    if (len(data) - header) % 4:
        raise UserError(f'{path} does not end with a whole number')
    values = np.frombuffer(data, '<f4', offset=header)
    layers = darknet_layers(model)
    sizes = [sum(a.numel() for a in _arrays(layer)) for _, layer in layers]
    backbone = [name.startswith('backbone.') for name, _ in layers]
    if len(values) == sum(sizes[: sum(backbone)]):
        layers = layers[: sum(backbone)]
    elif len(values) != sum(sizes):
        raise UserError(
            f'{path} holds {len(values):,} numbers and this model '
            f'{sum(sizes):,}, {sum(sizes[: sum(backbone)]):,} of them in the '
            'backbone; is it of another variant?'
        )
    if not np.isfinite(values).all():
        raise UserError(f'{path} holds numbers that are not finite')
    start = 0
    for _, layer in layers:
        transposed = isinstance(layer, nn.Linear) and max(major, minor) > 1000
        for array in _arrays(layer):
            part = torch.from_numpy(values[start : start + array.numel()].copy())
            start += array.numel()
            if transposed and array.dim() == 2:
                part = part.view(array.shape[::-1]).t()
            array.copy_(part.reshape(array.shape))
    return [name for name, _ in layers]


@torch.no_grad()
def write_weights(model: nn.Module, path: str, images_seen: int = 0) -> None:
    """Write a model as a ``.weights`` file, in the format of version 0.2.

    Raises:
        UserError: If darknet has no such layer; as of
            :func:`projects.core.files.output_file`.
    """
    layers = darknet_layers(model)
    with output_file(path, TARGET) as file:
        file.write(np.array(VERSION, '<i4').tobytes())
        file.write(np.array([images_seen], '<i8').tobytes())
        for _, layer in layers:
            for array in _arrays(layer):
                file.write(array.cpu().numpy().astype('<f4').tobytes())


@checked(source=PATH, target=PATH, num_classes=optional(whole(1)))
def convert(
    model: str, source: str, target: str, num_classes: int | None = None
) -> None:
    """Convert between a ``.weights`` file and a checkpoint, by their endings.

    Args:
        model: Variant, a name of :func:`projects.list_models`.
        source: File to read.
        target: File to write; one that this function wrote is replaced.
        num_classes: Classes of the head; the variant's own by default.

    Raises:
        UserError: If a file is missing, not to be replaced or of another model.
    """
    if source.endswith('.weights') == target.endswith('.weights'):
        raise UserError(f'one of {source} and {target} must end in .weights')
    if not Path(source).is_file():
        raise UserError(f'there is no file {source}')
    check_outputs([target], TARGET)
    network = create_model(model, num_classes)
    if target.endswith('.weights'):
        state = read_checkpoint(source)['state_dict']
        message = load_weights(network, state, source)
        write_weights(network, target)
    else:
        layers = read_weights(network, source)
        kept = {
            key: value
            for key, value in network.state_dict().items()
            if key.startswith(tuple(f'{layer}.' for layer in layers))
        }
        write_checkpoint(target, dict(state_dict=kept), TARGET)
        message = f'{len(layers)} layers with {len(kept)} weights read from {source}'
    print_log(f'{message}; written to {target}', 'current')
