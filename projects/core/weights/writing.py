"""Checkpoints that a tool writes."""

import io

import torch

from projects.core.files import output_file


def write_checkpoint(path: str, checkpoint: dict, option: str) -> None:
    """Write a checkpoint, see :func:`projects.core.files.output_file`."""
    # torch hides the reason of a write that fails
    content = io.BytesIO()
    torch.save(checkpoint, content)
    with output_file(path, option) as file:
        file.write(content.getbuffer())
