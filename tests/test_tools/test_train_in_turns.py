"""Whole trainings in turns."""

from pathlib import Path

import pytest

from projects.core.benchmark import in_turns
from projects.core.benchmark.in_turns import train_in_turns


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """In the place of trainings: their logs; (config, seed) in order."""
    monkeypatch.chdir(tmp_path)
    for name in ('a', 'b'):
        Path(f'{name}.py').write_text('')
    done = []

    def train(config, work_dir, seed):
        name = Path(config).stem
        done.append((name, seed))
        folder = work_dir / '20200101_000000'
        (folder / 'vis_data').mkdir(parents=True)
        duration = '0:01:40' if name == 'a' else f'0:00:{50 + seed}'
        (folder / 'x.log').write_text(f'INFO - trained in {duration}\nbest top1\n')
        (folder / 'vis_data/scalars.json').write_text(
            '{"loss": 1.0}\n{"accuracy/top1": 3.0}\n'
            f'{{"accuracy/top1": {90 + seed}}}\n'
        )

    monkeypatch.setattr(in_turns, '_train', train)
    return done


def test_order_turns_round_and_times_are_compared(runs):
    table = train_in_turns(['a.py', 'b.py'], 'out', seeds=(0, 5))
    assert runs == [('a', 0), ('b', 0), ('b', 5), ('a', 5)]
    assert table.splitlines()[2:] == [
        '| `a` | 90.00, 95.00 | 92.50 | 100, 100 | 100 | 1.00 (1.00-1.00) |',
        '| `b` | 90.00, 95.00 | 92.50 | 50, 55 | 52 | 0.53 (0.50-0.55) |',
    ]
    assert Path('out/table.md').read_text() == table
    train_in_turns(['a.py', 'b.py'], 'out', seeds=(0, 5))
    assert len(runs) == 4  # none twice


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(metric='coco/bbox_mAP'), 'no validation gave coco/bbox_mAP'),
        (dict(seeds=(-1,)), 'seeds'),
        (dict(configs=['a.py', 'c.py']), 'c.py'),
        (dict(configs=['a.py', 'a.py']), 'two configs of one name'),
    ],
)
def test_mistakes(runs, error_of, options, message):
    arguments = dict(configs=['a.py', 'b.py'], out='out') | options
    assert message in error_of(train_in_turns, **arguments)


def test_a_run_that_fails_says_why(write_config, error_of):
    config = write_config('train_cfg["max_epochs"] = -1')
    error = error_of(train_in_turns, [config], 'out', seeds=(0,))
    assert error.startswith('out/tiny/seed_0: ')
    assert 'max_epochs' in error
