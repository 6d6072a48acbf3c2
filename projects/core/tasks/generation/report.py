"""What a test of a generative model leaves beside its metrics."""

import os.path as osp

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from projects.core.files import output_file
from projects.core.tasks.drawing import write_picture
from projects.core.tasks.generation.pictures import Kept, on_cpu
from projects.core.tasks.task import TestOptions
from projects.registry import METRICS

SAMPLES, DATA = 'samples.png', 'data.png'
FILES = (SAMPLES, DATA)


@METRICS.register_module()
class SamplesReport(BaseMetric):
    """Keeps samples, for a file and for pictures.

    Args:
        out: ``.npz`` for all of them: ``samples`` (N, H, W, C) uint8, or (N, 2) of
            points, and ``labels`` (N,) where there are classes; of a translator
            ``fake_a`` and ``fake_b``. None for none.
        show_dir: Folder for pictures; None for none.
    """

    default_prefix = 'report'

    def __init__(
        self, out: str | None = None, show_dir: str | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.out, self.show_dir = out, show_dir

    def process(self, data_batch, data_samples) -> None:
        if self.out is None and self.show_dir is None:
            self.results.append({})  # mmengine warns of none
            return
        for row in data_samples:
            wanted = {
                name: value
                for name, value in row.items()
                if self.show_dir is not None or not name.startswith('real')
            }
            self.results.append(on_cpu(wanted))

    def compute_metrics(self, results: list[dict]) -> dict:
        if self.out is not None and results:
            with output_file(self.out, '--out') as file:
                np.savez_compressed(file, **arrays_of(results))
        if self.show_dir is not None and results:
            asked = 'label' in results[0] and results[0].get('conditional')
            labels = {row['label'] for row in results} if asked else ()
            for name, kind in ((SAMPLES, 'fake'), (DATA, 'real')):
                kept = Kept(len(labels) or None)
                kept.add(
                    [{**row, 'fake': row[kind]} for row in results]
                    if 'fake' in results[0]
                    else results
                )
                write_picture(
                    osp.join(self.show_dir, name), kept.picture(), '--show-dir'
                )
        return {}


def arrays_of(results: list[dict]) -> dict[str, np.ndarray]:
    """Samples as arrays, images with their channels last."""
    arrays = {}
    for name in ('fake', 'fake_a', 'fake_b'):
        if name in results[0]:
            stacked = torch.stack([row[name] for row in results])
            if stacked.dim() == 4:
                stacked = stacked.permute(0, 2, 3, 1)
            arrays['samples' if name == 'fake' else name] = stacked.numpy()
    if results[0].get('label') is not None:
        arrays['labels'] = np.array([row['label'] for row in results])
    return arrays


def last_lines(runner, metrics: dict, options: TestOptions) -> list[str]:
    """The last lines of a test's log."""
    lines = []
    for metric in runner.test_loop.evaluator.metrics:
        if hasattr(metric, 'lines'):  # in the metric's own words
            lines += metric.lines(metrics)
    if options.out is not None:
        lines.append(f'samples: {options.out}')
    if options.show_dir is not None:
        lines.append(f'pictures: {options.show_dir}')
    return lines
