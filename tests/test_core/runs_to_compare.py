"""Work dirs of runs that were never made, with numbers to reckon with."""

import json
from pathlib import Path

from projects.core.reports.blocks import Bars, Curves, Section, Series, Table
from projects.core.reports.evaluation import VALIDATION, Evaluation
from projects.core.reports.group import FOLD, REPEAT, Group
from projects.core.reports.record import SCHEMA, Record

STAMP = '20260131_120000'
CONFIG = """
model = dict(type='Net', backbone=dict(type='{backbone}', depth=4))
optim_wrapper = dict(optimizer=dict(type='SGD', lr={lr}))
work_dir = '{folder}'
"""


def write_run(
    folder,
    top1=(90.0, 91.0),
    metric='accuracy/top1',
    losses=(2.0, 1.0, 0.5, 0.25),
    record=True,
    evaluation=None,
    backbone='LeNet',
    lr=0.1,
    checksum='aaaa',
    **fields,
):
    """Write a run of two iterations an epoch, a validation after each epoch.

    ``top1`` are the values of ``metric``, ``evaluation`` the values of F1 of the
    classes 'a', 'b', ..., ``fields`` those of the record.
    """
    session = Path(folder) / STAMP
    (session / 'vis_data').mkdir(parents=True)
    lines = []
    for i, loss in enumerate(losses, 1):
        epoch = (i + 1) // 2
        lines.append(dict(loss=loss, lr=lr, epoch=epoch, iter=i, step=i))
        if i % 2 == 0 and epoch <= len(top1):
            lines.append({metric: top1[epoch - 1], 'time': 0.1, 'step': epoch})
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (session / 'vis_data/scalars.json').write_text(text)
    (session / f'{STAMP}.log').write_text(
        ' - INFO - Epoch(train)  [1][2/2]\n - INFO - trained in 1 s\n'
    )
    config = CONFIG.format(backbone=backbone, lr=lr, folder=folder)
    (session / 'vis_data/config.py').write_text(config)
    if record:
        values = dict(
            seed=0,
            batch_size=8,
            unit='epoch',
            epoch_length=2,
            parameters=1000,
            macs=2000,
            sessions=[dict(seconds=10.0, end='finished')],
            data=dict(val=dict(type='Digits', size=10, checksum=checksum)),
            environment=dict(torch='2.15', cpu='a'),
            code=dict(commit='abc'),
            best={metric: dict(score=max(top1), at=1, checkpoint='best.pth')},
        )
        values |= fields
        config = f'configs/net/{Path(folder).name}.py'
        Record(SCHEMA, '1', config, 'a classifier', 'Net', **values).write(str(folder))
    if evaluation is not None:
        names = [chr(ord('a') + i) for i in range(len(evaluation))]
        rows = [
            [name, 5, value, 2 - 2 * value]
            for name, value in zip(names, evaluation, strict=True)
        ]
        x = [0.0, 0.5, 1.0]
        blocks = [
            Table(
                'classes',
                'Classes',
                ['class', 'images', 'F1', 'errors'],
                rows,
                better=['', '', '+', '-'],
            ),
            Curves(
                'pr',
                'PR',
                'recall',
                'precision',
                [
                    Series('a', x, [1.0, 1.0, 1.0]),
                    Series('mean of classes', x, [1.0, evaluation[0], 0.0]),
                ],
            ),
            Bars('top', 'Top', names, 'share', {'F1': evaluation}),
            Bars('two', 'Two', names, 'share', {'a': evaluation, 'b': evaluation}),
        ]
        Evaluation(
            'a classifier', {'epoch': 1}, 'Digits', {}, [Section('Classes', blocks)]
        ).write(str(Path(folder, VALIDATION)))
    return str(folder)


def write_group(folder, values, kind=REPEAT, folds=None, **kwargs):
    """Write a group of runs of these best values of the metric.

    ``folds`` is the checksum of the division of the data.
    """
    prefix = {REPEAT: 'seed', FOLD: 'fold'}[kind]
    members = [f'{prefix}_{i}' for i in range(len(values))]
    for i, value in enumerate(values):
        own = dict(seed=i) if kind == REPEAT else dict(checksum=f'fold{i}')
        write_run(
            Path(folder, members[i]),
            (value - 1, value),
            group=dict(kind=kind, index=i, of=len(values)),
            **{**own, **kwargs},
        )
    seeds = [i if kind == REPEAT else 0 for i in range(len(values))]
    found = None if folds is None else dict(checksum=folds)
    Group(kind, 'configs/net/net.py', members, seeds, 'x', found).write(str(folder))
    return str(folder)
