"""``tools/infer.py`` without a network: what the model is given, and what is drawn."""

from types import SimpleNamespace

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.tasks.images import ImageResults, ImageTask
from projects.core.tasks.task import InferOptions


class Results(ImageResults):
    """The picture is the image; a row is the file's name."""

    name = 'rows'

    def draw(self, image, sample):
        return image

    def rows_of(self, sample, index, file_name):
        return [dict(index=index, file_name=file_name)]

    def summary(self, rows):
        return f'{len(rows)} rows'


class Model(torch.nn.Module):
    """Takes images of any size one by one, and keeps them."""

    def __init__(self, channels=3):
        super().__init__()
        self.backbone = torch.nn.Conv2d(channels, 1, 1)
        self.data_preprocessor = SimpleNamespace(to_rgb=True)
        self.given = []

    def test_step(self, data):
        self.given += data['inputs']
        return [torch.zeros(()) for _ in data['inputs']]


class StubTask(ImageTask):
    def __init__(self, results=None):
        self._results = results or Results()

    def results(self, meta, options):
        return self._results


def infer(inputs, out_dir, channels=3, results=None, **loader):
    """Rows, and (C, H, W) of each image that the model was given."""
    pipeline = [dict(type='LoadImageFromFile', **loader), dict(type='PackInputs')]
    cfg = Config(
        dict(
            channels_last=False,
            fold_batch_norm=False,
            test_dataloader=dict(dataset=dict(pipeline=pipeline)),
        )
    )
    model = Model(channels)
    options = InferOptions('a.pth', str(out_dir), 0.3, 4)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        rows = StubTask(results).infer(model, cfg, {}, str(inputs), options)
    return rows, model.given
