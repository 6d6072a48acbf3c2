"""The kinds of files that a graph is written to, each able to run its own."""

import importlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from projects.core.errors import UserError
from projects.core.layers import ScaledDotProductAttention
from projects.core.tasks.task import Exported

PACKAGES = ('onnx', 'onnxruntime', 'onnxscript')
FACTS = 'mmatlas.json'  # the file of them within a .pt2
# what protobuf, and so an ONNX file without files beside it, can hold
MAX_BYTES = 2**31 - 2**24


@contextmanager
def quiet_export() -> Iterator[None]:
    """No word of torch's on its way: what goes wrong is raised."""
    loggers = [logging.getLogger(name) for name in ('torch', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class OnnxFormat:
    """ONNX, by torch's exporter of torch.export programs; run by onnxruntime."""

    suffix = '.onnx'
    runner = 'onnxruntime'

    @staticmethod
    def check(exported: Exported | None = None) -> None:
        """See whether the libraries are there, and whether the weights fit.

        Raises:
            UserError: If not.
        """
        for name in PACKAGES:
            try:
                importlib.import_module(name)
            except ImportError as error:
                raise UserError(
                    f'{name} is not installed: pip install {" ".join(PACKAGES)}'
                ) from error
        if exported is None:
            return
        tensors = exported.graph.state_dict().values()
        num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        if num_bytes > MAX_BYTES:
            raise UserError(
                f'the weights are {num_bytes / 1e9:.1f} GB, an ONNX file holds 2 GB at '
                'most; use --format torch'
            )

    @staticmethod
    def needs(exported: Exported) -> list[str]:
        """What a user has to know before the file is read, a line each."""
        return []

    @staticmethod
    def prepare(graph: torch.nn.Module) -> None:
        """Write attention out: torch's decomposition of the fused one does not
        always fit what comes after it."""
        for module in graph.modules():
            if isinstance(module, ScaledDotProductAttention):
                module.fused = False

    def __init__(self, program: torch.export.ExportedProgram, exported: Exported):
        import onnxruntime

        made = torch.onnx.export(
            program,
            input_names=list(exported.inputs),
            output_names=list(exported.outputs),
            custom_translation_table={
                operator: make() for operator, make in exported.operators.items()
            },
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = made.model_proto
        _name_axes(model.graph, exported)
        model.producer_name, model.doc_string = 'MMAtlas', exported.convention
        facts = dict(
            convention=exported.convention, outputs=exported.outputs, **exported.facts
        )
        for name, value in facts.items():
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            model.metadata_props.add(key=name, value=text)
        self.data = model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what fails is raised
        # threads that wait busily would slow down torch, in the turns between
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self._session = onnxruntime.InferenceSession(
            self.data, options, providers=['CPUExecutionProvider']
        )
        self._names = list(exported.inputs)

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        arrays = (tensor.numpy() for tensor in inputs)
        outs = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        return tuple(map(torch.from_numpy, outs))


class TorchFormat:
    """torch.export's own file."""

    suffix = '.pt2'
    runner = 'torch.export'

    @staticmethod
    def check(exported: Exported | None = None) -> None:
        """Nothing can be missing."""

    @staticmethod
    def needs(exported: Exported) -> list[str]:
        """What a user has to know before the file is read, a line each."""
        if not exported.operators:
            return []
        module = type(exported).__module__
        return [
            f'import {module} before torch.export.load: it has the NMS, or use --raw'
        ]

    @staticmethod
    def prepare(graph: torch.nn.Module) -> None:
        """Nothing has to be changed."""

    def __init__(self, program: torch.export.ExportedProgram, exported: Exported):
        facts = dict(
            convention=exported.convention, outputs=exported.outputs, **exported.facts
        )
        file = io.BytesIO()
        torch.export.save(
            program, file, extra_files={FACTS: json.dumps(facts, default=str)}
        )
        self.data = file.getvalue()
        file.seek(0)
        self._module = torch.export.load(file).module()

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self._module(*inputs)


FORMATS = dict(onnx=OnnxFormat, torch=TorchFormat)


def _name_axes(graph, exported: Exported) -> None:
    """Call axes by names for the reader, where torch has 's77'."""
    names = {}
    for value, axes in zip(graph.input, exported.inputs.values(), strict=True):
        for axis, name in zip(value.type.tensor_type.shape.dim, axes, strict=True):
            if axis.dim_param and name is not None:
                names[axis.dim_param] = name
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in names:
                axis.dim_param = names[axis.dim_param]
