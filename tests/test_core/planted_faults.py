"""A model into which faults can be planted, and its run of a few steps."""

import torch
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from projects.core.variants import config_root
from projects.registry import DATASETS, MODELS


class Fault(nn.Module):
    """Something between two layers; ``kind`` says what."""

    def __init__(self, kind=None):
        super().__init__()
        self.kind = kind
        self.scale = nn.Parameter(torch.ones(3))
        self.norm = nn.BatchNorm1d(3, affine=False)

    def forward(self, x):
        x = x * self.scale
        if self.kind == 'log':
            x = x + (x.relu() * 0).log()
        elif self.kind == 'log before norm':
            x = self.norm(x + (x.relu() * 0).log())
        elif self.kind == 'sqrt':
            x = x + (x * 0).sqrt()
        elif self.kind == 'mask':  # a mask, which the softmax heals
            x = x.masked_fill(torch.tensor([True, False, False]), -torch.inf).softmax(1)
        elif self.kind == 'all masked':
            x = x.masked_fill(torch.ones(3, dtype=torch.bool), -torch.inf).softmax(1)
        return x


class ToyLoss(nn.Module):
    def __init__(self, is_nan=False):
        super().__init__()
        self.is_nan = is_nan

    def forward(self, x):
        loss = x.square().mean()
        return loss / (loss.detach() - loss) * 0 if self.is_nan else loss


@MODELS.register_module()
class PlantedNet(BaseModel):
    def __init__(self, fault=None, weight=None, nan_loss=False, half=False):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        self.fault = Fault(fault)
        self.head = nn.Linear(3, 1)
        self.loss = ToyLoss(nan_loss)
        self.half = half
        if weight is not None:
            self.head.weight.data[0, 1] = weight

    def forward(self, points, names=None, mode='tensor'):
        x = self.fault(self.body(points))
        if self.half:
            x = self.head.half()((x * 0 + 6e4).half()) * 2
        else:
            x = self.head(x)
        return dict(loss=self.loss(x))


@DATASETS.register_module()
class PlantedPoints(Dataset):
    """Eight points, one of them infinite if so asked."""

    def __init__(self, infinite=None):
        self.infinite = infinite

    def __len__(self):
        return 8

    def __getitem__(self, index):
        x = torch.tensor([index / 8, 1 - index / 8])
        return dict(points=x / (0 if index == self.infinite else 1))


FAULTY = f"""
_base_ = '{config_root()}/_base_/iter_runtime.py'
default_scope = 'mmengine'
model = dict(type='projects.PlantedNet')
train_dataloader = dict(
    batch_size=4, num_workers=0, collate_fn=dict(type='default_collate'),
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(type='projects.PlantedPoints'))
train_cfg = dict(by_epoch=False, max_iters=3)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
default_hooks = dict(logger=dict(interval=1))
"""
