"""Tests in this folder need a GPU, and are marked so (``pytest -m gpu``)."""

from pathlib import Path

import pytest
import torch


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
    for item in items:  # of all folders
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(skip)
