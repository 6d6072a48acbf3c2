"""What a test of a model of sequences leaves beside its metrics."""

import json
import os.path as osp
from functools import cached_property

from mmengine.evaluator import BaseMetric

from projects.core.errors import one_line
from projects.core.files import write_text
from projects.core.tasks.language.corpora import DocumentCorpus
from projects.core.tasks.language.model_sections import held_out_text, yardsticks_of
from projects.core.tasks.language.tokenizers import Tokenizer
from projects.registry import METRICS

SHOWN = 5  # mistakes


@METRICS.register_module()
class TextReport(BaseMetric):
    """Keeps what a model made of each sequence.

    Args:
        out: File for all of it, JSON; None for none.
    """

    default_prefix = 'report'

    def __init__(self, out: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.out = out
        self.rows: list[dict] = []

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self.dataset_meta['tokenizer'])

    def process(self, data_batch, data_samples) -> None:
        classes = self.dataset_meta.get('classes')
        for sample in data_samples:
            row = {
                name: value
                for name, value in sample.items()
                if isinstance(value, (str, int, float)) and name != 'num_right'
            }
            if 'tokens' in sample:
                row['prediction'] = self.tokenizer.decode(sample['tokens'])
            if 'gt_label' in sample and classes:
                row['class'] = classes[int(sample['gt_label'])]
                row['prediction'] = classes[int(sample['pred_score'].argmax())]
            self.results.append(row)

    def compute_metrics(self, results: list[dict]) -> dict:
        self.rows = results
        if self.out is not None:
            text = json.dumps(results, ensure_ascii=False, indent=1)
            write_text(self.out, text, '--out')
        return {}


def last_lines(runner, metrics: dict, out: str | None) -> list[str]:
    """The last lines of a test's log."""
    metrics_of_test = runner.test_loop.evaluator.metrics
    report = next((m for m in metrics_of_test if isinstance(m, TextReport)), None)
    if report is None:
        return []
    dataset = runner.test_dataloader.dataset
    lines = [f'data: {dataset.corpus.description}'] * bool(dataset.corpus.description)
    lines += [f'{name} {value:.4f}' for name, value in metrics.items()]
    bits = next((v for k, v in metrics.items() if k.endswith('bits_per_byte')), None)
    if bits is not None and isinstance(dataset.corpus, DocumentCorpus):
        lines.append(
            f'bits per byte of the same {len(held_out_text(dataset)):,} bytes: '
            f'the model {bits:.3f}, '
            + ', '.join(
                f'{name} {value:.3f}' for name, value in yardsticks_of(dataset).items()
            )
        )
    rows = [row for row in report.rows if 'prediction' in row]
    wrong = [row for row in rows if row['prediction'] != _truth(row)]
    for row in wrong[:SHOWN]:
        given = row.get('source', row.get('text', ''))
        lines.append(
            f'wrong: {one_line(given, 80)} -> {one_line(row["prediction"], 60)}, '
            f'right is {one_line(_truth(row), 60)}'
        )
    if len(wrong) > SHOWN:
        lines.append(f'{len(wrong)} of {len(rows)} are wrong')
    if out is not None:
        lines.append(f'predictions: {osp.relpath(out)}')
    return lines


def _truth(row: dict) -> str | None:
    return row.get('reference', row.get('class'))
