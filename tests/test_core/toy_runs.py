"""Models, data and configs of runs that take a second: a language, two players."""

import random

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from projects.core.variants import config_root
from projects.registry import DATASETS, METRICS, MODELS


@DATASETS.register_module()
class ToyTexts(Dataset):
    """Four tokens of a cyclic alphabet of eight, two replaced by lot."""

    def __init__(self, size=20, noisy=True):
        self.size, self.noisy = size, noisy

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        tokens = (torch.arange(4) + index) % 8
        if self.noisy:  # by each of the generators that transforms use
            tokens[np.random.randint(4)] = random.randrange(8)
            tokens[torch.randint(4, ())] = np.random.randint(8)
        return dict(tokens=tokens)


@DATASETS.register_module()
class ToyStream(IterableDataset):
    """A data set without a length."""

    def __iter__(self):
        while True:
            yield dict(tokens=torch.arange(4))


@MODELS.register_module()
class ToyLanguageModel(BaseModel):
    """Next-token model with dropout; no ``backbone``."""

    head_prefixes = ('embedding', 'decoder.out')

    def __init__(self, num_tokens=8, num_layers=1):
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, 6)
        self.dropout = nn.Dropout(0.3)
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(num_layers))
        self.decoder = nn.ModuleDict(
            dict(mix=nn.Linear(6, 6), out=nn.Linear(6, num_tokens))
        )

    def forward(self, tokens, mode='tensor'):
        x = self.dropout(self.embedding(tokens))
        for layer in self.layers:
            x = layer(x).relu()
        logits = self.decoder['out'](self.decoder['mix'](x))
        losses = nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction='none'
        ).view(len(tokens), -1)
        return dict(loss=losses.mean()) if mode == 'loss' else list(losses.mean(1))


@METRICS.register_module()
class ToyPerplexity(BaseMetric):
    """Exponential of the mean loss, under a name of one's choice."""

    def __init__(self, name='perplexity'):
        super().__init__()
        self.name = name

    def process(self, data_batch, data_samples):
        self.results += [loss.item() for loss in data_samples]

    def compute_metrics(self, results):
        return {self.name: float(np.exp(np.mean(results)))}


@DATASETS.register_module()
class ToyPoints(Dataset):
    """Eight points of a line, (8, 2)."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(points=torch.tensor([index / 8, 1 - index / 8]))


@MODELS.register_module()
class ToyGAN(BaseModel):
    """Two players of a linear layer or two, each with its own optimizer.

    The latent of a point is the point in reverse, so that no lot is drawn.
    """

    def __init__(self, overflow_at=None):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        self.discriminator = nn.Linear(2, 1)
        self.overflow_at, self.steps = overflow_at, 0

    def forward(self, points, mode='tensor'):
        return self.generator(points.flip(1))

    def train_step(self, data, optim_wrapper):
        points = self.data_preprocessor(data, True)['points']
        softplus = nn.functional.softplus
        fake = self.generator(points.flip(1))
        loss_d = softplus(-self.discriminator(points)).mean()
        loss_d = loss_d + softplus(self.discriminator(fake.detach())).mean()
        optim_wrapper['discriminator'].update_params(loss_d)
        self.discriminator.requires_grad_(False)
        loss_g = softplus(-self.discriminator(fake)).mean()
        optim_wrapper['generator'].update_params(loss_g)
        self.discriminator.requires_grad_(True)
        self.steps += 1
        if self.steps == self.overflow_at:
            loss_g = loss_g * float('inf')
        return dict(loss_d=loss_d, loss_g=loss_g)


LANGUAGE = f"""
_base_ = '{config_root()}/_base_/iter_runtime.py'
default_scope = 'mmengine'
model = dict(type='projects.ToyLanguageModel')
train_dataloader = dict(
    batch_size=3, num_workers=0, collate_fn=dict(type='default_collate'),
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='projects.ToyTexts'))
val_dataloader = dict(
    batch_size=5, num_workers=0, collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='projects.ToyTexts', noisy=False))
val_evaluator = dict(type='projects.ToyPerplexity')
train_cfg = dict(by_epoch=False, max_iters=20, val_interval=4)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=4))
"""
PLAYERS = f"""
_base_ = '{config_root()}/_base_/iter_runtime.py'
default_scope = 'mmengine'
model = dict(type='projects.ToyGAN')
train_dataloader = dict(
    batch_size=4, num_workers=0, collate_fn=dict(type='default_collate'),
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(type='projects.ToyPoints'))
train_cfg = dict(by_epoch=False, max_iters=3)
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generator=dict(optimizer=dict(type='SGD', lr=0.1)),
    discriminator=dict(optimizer=dict(type='Adam', lr=0.02)))
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=-1))
"""
