"""Work dirs of runs that were never run: their logs written by hand."""

import json

from projects.core.reports.blocks import Bars, Section, Table, Text
from projects.core.reports.evaluation import VALIDATION, Evaluation
from projects.core.reports.record import SCHEMA, Record

FIRST, SECOND, THIRD = '20260101_120000', '20260101_130000', '20260101_140000'
LENGTH = 4  # iterations of an epoch


def train_lines(iterations, scale=1.0, length=LENGTH, **scalars):
    """Lines of a training that logs at these iterations, by epoch."""
    return [
        dict(
            lr=0.1,
            loss=scale * i,
            time=0.5,
            data_time=0.1,
            **scalars,
            epoch=(i - 1) // length + 1,
            iter=i,
            step=i,
        )
        for i in iterations
    ]


def val_line(step, **metrics):
    """The line of a validation."""
    return {**metrics, 'data_time': 0.01, 'time': 0.02, 'step': step}


def write_session(folder, stamp, lines, log='INFO - Epoch(train)  [1][4/4]'):
    """A session as mmengine leaves it; lines may be texts, too."""
    vis_data = folder / stamp / 'vis_data'
    vis_data.mkdir(parents=True)
    (folder / stamp / f'{stamp}.log').write_text(log, encoding='utf-8')
    (vis_data / 'config.py').write_text('model = dict()\n')
    text = ''.join(f'{x if isinstance(x, str) else json.dumps(x)}\n' for x in lines)
    (vis_data / 'scalars.json').write_text(text, encoding='utf-8')
    return vis_data / 'scalars.json'


def record(**fields):
    """A record with all that there can be."""
    values = dict(
        schema=SCHEMA,
        version='1.0',
        config='configs/toy/toy_1xb4-2e_toys.py',
        task='a classifier',
        model='Toy',
        command=['python', 'tools/train.py', 'configs/toy/toy_1xb4-2e_toys.py'],
        cfg_options=["train_cfg.x=a 'b'"],
        seed=3,
        world_size=1,
        batch_size=4,
        unit='epoch',
        length=2,
        epoch_length=LENGTH,
        started='2026-01-01T12:00:00+00:00',
        environment=dict(python='3.11', torch='2.15'),
        code=dict(commit='abc', branch='main', changed=['a.py'], diff_sha256='12'),
        data={'train': dict(type='Toys', size=16, checksum='f00')},
        overrides=[dict(key='optimizer.lr', base='0.1', value='0.2')],
        parameters=61_706,
        trainable=60_000,
        step_flops=2_500_000_000,
        macs=416_520,
        times={'train': dict(data=0.01, forward=0.02, backward=0.07)},
        throughput={'train': 40.0},
        memory={'peak_rss': 512 * 2**20},
        sessions=[
            dict(
                started='2026-01-01T12:00:00+00:00',
                seconds=3723.0,
                first_iter=0,
                last_iter=8,
                end='finished',
            )
        ],
        best={'accuracy/top1': dict(score=91.0, at=1, checkpoint='best.pth')},
    )
    return Record(**{**values, **fields})


def whole_run(folder):
    """A run of two epochs with all that a run leaves; the folder."""
    lines = [
        *train_lines([2, 4]),
        val_line(1, **{'accuracy/top1': 91.0, 'accuracy/top5': 99.0, 'val_loss': 6.0}),
        *train_lines([6, 8]),
        val_line(2, **{'accuracy/top1': 90.5, 'accuracy/top5': 99.5, 'val_loss': 7.0}),
    ]
    write_session(folder, FIRST, lines)
    (folder / 'toy_1xb4-2e_toys.py').write_text(
        'log_processor = dict(window_size=7)\n'
        'optim_wrapper = dict(clip_grad=dict(max_norm=35))\n'
    )
    record().write(str(folder))
    table = Table('classes', 'Classes', ['class', 'F1 (%)'], [['3', 90.0]])
    bars = Bars('counts', 'Counts', ['3'], 'images', {'images': [5]})
    sections = [Section('By class', [table, bars], 'Each class.')]
    sections.append(Section('Words', [Text('words', 'Words', 'some')]))
    evaluation = Evaluation(
        'a classifier',
        {'epoch': 1},
        'Toys, 8 images',
        {'accuracy/top1': 91.0},
        sections,
    )
    evaluation.write(str(folder / VALIDATION))
    return folder
