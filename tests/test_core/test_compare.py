"""Runs side by side: what is compared, and what must not be."""

import runpy
from pathlib import Path

import pytest
from runs_to_compare import STAMP, write_group, write_run

from projects.core.errors import UserError
from projects.core.reports.blocks import Matrix, Section, Table, Text
from projects.core.reports.compare import compare, sections_of
from projects.core.reports.differences import (
    MISSING,
    differences,
    settings_of,
    table_of_differences,
)
from projects.core.reports.entries import Entry, name_entries, read_entries
from projects.core.reports.evaluation import Evaluation
from projects.core.reports.group import FOLD
from projects.core.reports.overlays import MOST_POINTS, averaged, axis_of
from projects.core.reports.runs import Run


def compared(*paths):
    """Blocks by key, and all notices."""
    entries, notices = read_entries(paths)
    sections, first = sections_of(entries)
    blocks = {block.key: block for section in sections for block in section.blocks}
    return blocks, [*first, *notices]


def column(table, name):
    place = table.columns.index(name)
    return {row[0]: row[place] for row in table.rows}


@pytest.fixture
def two(tmp_path):
    a = write_run(tmp_path / 'net_a', (92.0, 91.0), evaluation=[0.5, 0.75])
    b = write_run(
        tmp_path / 'net_bb',
        (90.0, 95.0),
        evaluation=[0.75, 0.625],
        parameters=3_000_000,
        lr=0.2,
        sessions=[dict(seconds=20.0), dict(seconds=30.0, end='finished')],
    )
    return a, b


def test_the_table_of_two_runs(two):
    blocks, notices = compared(*two)
    table = blocks['runs']
    assert column(table, 'accuracy/top1, best') == {'net_a': 92, 'net_bb': 95}
    assert column(table, 'accuracy/top1, last') == {'net_a': 91, 'net_bb': 95}
    assert column(table, 'parameters (M)') == {'net_a': 0.001, 'net_bb': 3}
    # all sessions of a run together
    assert column(table, 'training (s)') == {'net_a': 10, 'net_bb': 50}
    assert dict(zip(table.columns, table.better, strict=True))['training (s)'] == '-'
    assert column(table, 'status') == {'net_a': 'finished', 'net_bb': 'finished'}
    assert 'prediction (samples/s)' not in table.columns  # neither says
    assert notices == []


def test_curves_are_overlaid(two):
    blocks, _ = compared(*two)
    loss = blocks['train-loss']
    assert loss.x_label == 'epochs'
    assert {s.name: list(s.x) for s in loss.series} == {
        'net_a': [0.5, 1, 1.5, 2],
        'net_bb': [0.5, 1, 1.5, 2],
    }
    assert [s.y for s in blocks['val-accuracy-top1'].series] == [[92, 91], [90, 95]]


def test_classes_and_curves_of_evaluations(two):
    blocks, _ = compared(*two)
    table = blocks['both-classes']
    # the greatest difference first: 0.25, then -0.125
    assert table.rows == [
        ['a', 0.5, 0.75, 0.25, -0.5],
        ['b', 0.75, 0.625, -0.125, 0.25],
    ]
    assert table.columns[4:] == ['errors: difference']  # not the images
    assert 'net_bb less net_a' in table.note
    curves = blocks['both-pr']
    assert {s.name: s.y for s in curves.series} == {
        'net_a': [1, 0.5, 0],
        'net_bb': [1, 0.75, 0],
    }
    bars = blocks['both-top']
    assert bars.series == {'net_a': [0.5, 0.75], 'net_bb': [0.75, 0.625]}
    assert 'both-two' not in blocks  # bars of two series


def test_classes_of_three_runs_are_a_heat_map(two, tmp_path):
    c = write_run(tmp_path / 'net_ccc', evaluation=[0.5, 0.125])
    blocks, _ = compared(*two, c)
    matrix = blocks['both-classes']
    assert isinstance(matrix, Matrix)
    # b spreads by 0.625, a by 0.25
    assert matrix.rows == ['b', 'a']
    assert matrix.values == [[0.75, 0.625, 0.125], [0.5, 0.75, 0.5]]


def test_costs_have_a_front(two):
    blocks, _ = compared(*two)
    points = blocks['cost-parameters']
    assert [(p.name, p.x, p.y) for p in points.points] == [
        ('net_a', 1000, 92),
        ('net_bb', 3_000_000, 95),
    ]
    assert points.front
    assert points.log_x
    assert not points.lower
    assert 'cost-macs' not in blocks  # both have as many


def test_less_is_better_of_a_perplexity(tmp_path):
    paths = [
        write_run(
            tmp_path / name,
            values,
            metric='lm/perplexity',
            parameters=parameters,
            best={},
        )
        for name, values, parameters in (('aaa', (3.0, 5.0), 1), ('bbb', (9.0, 4.0), 2))
    ]
    blocks, _ = compared(*paths)
    assert column(blocks['runs'], 'lm/perplexity, best') == {'aaa': 3, 'bbb': 4}
    assert blocks['runs'].better[1] == '-'
    assert blocks['cost-parameters'].lower


def test_what_differs(two):
    blocks, _ = compared(*two)
    assert blocks['config'].rows == [['optim_wrapper.optimizer.lr', '0.1', '0.2']]
    # model.type, backbone.type and depth, optimizer.type; not the work dir
    assert blocks['config'].note == '4 other entries are equal.'
    for key in ('data', 'code', 'environment'):
        assert isinstance(blocks[key], Text)
        assert 'are equal' in blocks[key].text


def test_one_seed_each_cannot_tell(two):
    blocks, _ = compared(*two)
    assert 'cannot be known from one seed' in blocks['difference'].text
    assert 'pairs' not in blocks


def test_a_group_is_one_entry_with_a_band(tmp_path):
    group = write_group(tmp_path / 'group', [90.0, 94.0])
    one = write_run(tmp_path / 'one')
    blocks, _ = compared(group, one)
    # values 90 and 94: mean 92, standard deviation sqrt(2 * 2^2 / 1) = 2.828
    assert column(blocks['runs'], 'accuracy/top1, best')['group'] == 92
    std = column(blocks['runs'], 'accuracy/top1, std')['group']
    assert std == pytest.approx(8**0.5)
    assert column(blocks['runs'], 'seed') == {'group': '0, 1', 'one': '0'}
    assert column(blocks['runs'], 'status')['group'] == '2 finished'
    band, line = blocks['val-accuracy-top1'].series
    assert band.y == [91, 92]
    assert band.low == pytest.approx([91 - 8**0.5, 92 - 8**0.5], rel=1e-4)
    assert band.high == pytest.approx([91 + 8**0.5, 92 + 8**0.5], rel=1e-4)
    assert line.low is None
    assert 'one seed each: one.' in blocks['difference'].text


def test_members_make_a_group_without_its_file(tmp_path):
    group = write_group(tmp_path / 'group', [90.0] * 11)
    (tmp_path / 'group/group.json').unlink()
    (entry,), _ = read_entries([group])
    assert entry.kind == 'repeat'
    assert [run.record.seed for run in entry.runs] == list(range(11))


def test_a_group_reads_nothing_outside_its_folder(tmp_path):
    write_run(tmp_path / 'stranger')
    group = write_group(tmp_path / 'group', [90.0, 91.0])
    file = tmp_path / 'group/group.json'
    file.write_text(file.read_text().replace('"seed_1"', '"../stranger"'))
    (entry,), _ = read_entries([group])
    assert [run.folder.name for run in entry.runs] == ['seed_0']


@pytest.mark.parametrize(
    ('second', 'verdict'),
    [
        # means 91 and 95, variances 1: t = 4 / sqrt(1/3 + 1/3) = 4.899 at 4 degrees of
        # freedom, two-sided p = 0.0080
        ([94.0, 95.0, 96.0],
         'of 4 in favour of second is larger than chance at 5 % (p = 0.008)'),
        # means 91 and 92: t = 1.225, p = 0.29
        ([91.0, 92.0, 93.0],
         'of 1 in favour of second is not larger than chance at 5 % (p = 0.29)'),
        ([92.0], 'cannot be known from one seed'),
    ],
)  # fmt: skip
def test_two_groups(tmp_path, second, verdict):
    first = write_group(tmp_path / 'first', [90.0, 91.0, 92.0])
    blocks, _ = compared(first, write_group(tmp_path / 'second', second))
    text = blocks['difference'].text
    assert verdict in text
    assert ("Welch's t-test" in text) == (len(second) > 1)
    if len(second) > 1:
        assert 'With 3 seeds each only differences above about' in text


def test_three_groups_are_corrected(tmp_path):
    values = dict(aaa=[90.0, 91, 92], bbb=[94.0, 95, 96], ccc=[90.5, 91.5, 92.5])
    blocks, _ = compared(*(write_group(tmp_path / n, v) for n, v in values.items()))
    table = blocks['pairs']
    # p of the pairs: 0.0080 (difference 4), 0.57 (0.5), 0.0128 (3.5); by Holm the
    # least counts three times, the next twice
    p = column(table, 'p, corrected')
    assert p == {'bbb − aaa': '0.02415', 'ccc − aaa': '0.5734', 'ccc − bbb': '0.02556'}
    assert column(table, 'larger than chance')['ccc − aaa'] == 'no'
    assert 'Holm' in blocks['difference'].text


def test_runs_that_are_not_finished_do_not_count(tmp_path):
    first = write_group(tmp_path / 'first', [90.0, 91.0, 92.0])
    second = write_group(tmp_path / 'second', [94.0, 95.0, 96.0])
    stopped = dict(sessions=[dict(seconds=1.0, end='stopped')])
    write_run(tmp_path / 'first/seed_3', (9.0, 10.0), **stopped)
    (tmp_path / 'first/group.json').unlink()
    blocks, _ = compared(first, second)
    assert column(blocks['groups'], 'values')['first'] == '90, 91, 92, –'
    assert '(p = 0.008)' in blocks['difference'].text
    assert column(blocks['runs'], 'status')['first'] == '3 of 4 finished'


@pytest.mark.parametrize('text', ['{', '{"schema": "other"}'])
def test_a_damaged_group_is_read_by_its_members(tmp_path, text):
    group = write_group(tmp_path / 'group', [90.0, 91.0])
    (tmp_path / 'group/group.json').write_text(text)
    (entry,), notices = read_entries([group])
    assert len(entry.runs) == 2
    assert 'cannot be read as a group' in notices[0]


@pytest.mark.parametrize('folds', ['same', None])  # by the group, or each fold
def test_folds_are_compared_in_pairs(tmp_path, folds):
    first = write_group(tmp_path / 'first', [90.0, 80.0, 70.0], FOLD, folds)
    second = write_group(tmp_path / 'second', [91.0, 82.0, 73.0], FOLD, folds)
    blocks, notices = compared(first, second)
    # differences 1, 2, 3: mean 2, variance 1, K = 3 and test over training data 1/2:
    # t = 2 / sqrt(1/3 + 1/2) = 2.191 at 2 degrees of freedom, p = 0.16
    assert 'the difference of 2 in favour of second is not' in blocks['difference'].text
    assert column(blocks['pairs'], 'p') == {'second − first': '0.1598'}
    assert 'Nadeau and Bengio' in blocks['difference'].text
    assert not any('different data' in notice for notice in notices)


@pytest.mark.parametrize(
    ('scores', 'folds'), [([91.0, 82.0], None), ([91.0, 82.0, 73.0], 'other')]
)
def test_other_folds_are_other_data(tmp_path, scores, folds):
    first = write_group(tmp_path / 'first', [90.0, 80.0, 70.0], FOLD, folds and 'one')
    second = write_group(tmp_path / 'second', scores, FOLD, folds)
    blocks, notices = compared(first, second)
    assert 'validated on different data' in notices[0]
    assert 'difference' not in blocks


def test_metrics_on_different_data_are_not_compared(two, tmp_path):
    other = write_run(tmp_path / 'net_c', checksum='bbbb', evaluation=[0.1, 0.2])
    old = write_run(tmp_path / 'net_old', record=False)
    blocks, notices = compared(*two, other, old)
    assert 'validated on different data' in notices[0]
    assert 'not known: net_old' in notices[0]
    assert 'checksum bbbb' in notices[0]
    assert not any(blocks['runs'].better)
    assert column(blocks['runs'], 'accuracy/top1, best')['net_c'] == 91
    assert not {'difference', 'cost-parameters', 'both-classes', 'both-pr'} & set(
        blocks
    )
    assert 'val-accuracy-top1' not in blocks
    assert column(blocks['data'], 'net_c') == {'val.checksum': 'bbbb'}


def test_other_training_data_are_said(tmp_path):
    paths = [
        write_run(
            tmp_path / name,
            data=dict(
                train=dict(type='Digits', size=9, checksum=name),
                val=dict(type='Digits', size=1, checksum='v'),
            ),
        )
        for name in ('aaa', 'bbb')
    ]
    blocks, notices = compared(*paths)
    assert 'trained on different data' in notices[0]
    assert any(blocks['runs'].better)


def test_a_run_without_a_record(two, tmp_path):
    old = write_run(tmp_path / 'net_old', record=False)
    blocks, notices = compared(two[0], old)
    assert any('not known: net_old' in notice for notice in notices)
    assert any(n.startswith('net_old: run.json is missing') for n in notices)
    assert column(blocks['runs'], 'training (s)') == {'net_a': 10, 'net_old': None}
    assert blocks['code'].note == 'Not recorded: net_old.'


def test_tasks_that_share_nothing(tmp_path):
    a = write_run(tmp_path / 'aaa')
    b = write_run(tmp_path / 'bbb', metric='coco/bbox_mAP')
    blocks, notices = compared(a, b)
    assert 'share no metric' in notices[0]
    assert column(blocks['runs'], 'training (s)') == {'aaa': 10, 'bbb': 10}


def test_one_run_alone_is_a_summary(two):
    blocks, notices = compared(two[0])
    assert column(blocks['runs'], 'accuracy/top1, best') == {'net_a': 92}
    assert 'val-accuracy-top1' in blocks
    assert 'config' not in blocks
    assert notices == []


def test_the_same_folder_twice_is_said(two):
    blocks, notices = compared(two[0], two[1], f'{two[0]}/')
    assert notices == [f'{two[0]}/ was given twice, and is shown once.']
    assert len(blocks['runs'].rows) == 2


def test_patterns(two, tmp_path):
    entries, _ = read_entries([str(tmp_path / 'net_*')])
    assert [entry.name for entry in entries] == ['net_a', 'net_bb']


def test_what_cannot_be_read_is_left_out_and_said(two, tmp_path):
    (tmp_path / 'empty').mkdir()
    _, notices = compared(*two, str(tmp_path / 'empty'), str(tmp_path / 'nowhere'))
    assert len(notices) == 2
    assert all(notice.startswith('Left out: ') for notice in notices)
    with pytest.raises(UserError, match='empty holds no log'):
        read_entries([str(tmp_path / 'empty')])


def test_a_damaged_record_is_said(two, tmp_path):
    (tmp_path / 'net_a/run.json').write_text('{"schema":')
    _, notices = compared(*two)
    assert any('net_a/run.json cannot be read as a run' in n for n in notices)


def test_a_log_that_is_cut_off(two, tmp_path):
    file = tmp_path / 'net_a' / STAMP / 'vis_data/scalars.json'
    file.write_text(file.read_text()[:-20])
    blocks, _ = compared(*two)
    assert column(blocks['runs'], 'accuracy/top1, last') == {'net_a': 92, 'net_bb': 95}


@pytest.mark.parametrize(
    ('folders', 'names'),
    [
        (['w/lenet/seed_0', 'w/resnet/seed_0'], ['lenet', 'resnet']),
        (['w/a/x', 'v/b/x'], ['w/a', 'v/b']),
        (['w/x'], ['x']),
        (['w/lenet_8e_digits', 'w/nin_9e_digits'], ['lenet_8e', 'nin_9e']),
        # '0' and '1' would say nothing
        (['w/seed_0', 'w/seed_1'], ['seed_0', 'seed_1']),
        (['w/x', 'w/x/y'], ['x', 'x/y']),
        (['w/a', 'w/' + 'b' * 50], ['a', 'b' * 17 + '…' + 'b' * 18]),
        (['w/' + c * 20 + 'x' * 40 + c * 20 for c in 'ab'],
         ['a' * 17 + '…' + 'a' * 18, 'b' * 17 + '…' + 'b' * 18]),
        (['w/' + 'a' * 20 + c + 'a' * 20 for c in 'xy'],
         ['a' * 17 + '…' + 'a' * 18, 'a' * 17 + '…' + 'a' * 18 + ' (2)']),
    ],
)  # fmt: skip
def test_names_are_what_differs(folders, names):
    entries = [Entry(f'/{folder}', []) for folder in folders]
    name_entries(entries)
    assert [entry.name for entry in entries] == names


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        (dict(a=1, b=dict(c=2, d=3)), dict(a=1, b=dict(c=4, d=3)), [('b.c', [2, 4])]),
        (dict(a=1), dict(b=2), [('a', [1, MISSING]), ('b', [MISSING, 2])]),
        # of another type: one difference in a model, and each setting elsewhere
        (dict(model=dict(type='A', x=1)), dict(model=dict(type='B', y=2)),
         [('model', ['A(x=1)', 'B(y=2)'])]),
        (dict(opt=dict(type='A', lr=1)), dict(opt=dict(type='B', lr=2)),
         [('opt.type', ['A', 'B']), ('opt.lr', [1, 2])]),
        (dict(p=[dict(type='A', x=1), dict(type='B')]),
         dict(p=[dict(type='A', x=2), dict(type='B')]), [('p.0.x', [1, 2])]),
        (dict(p=[dict(type='m.A')]), dict(p=[dict(type='C'), dict(type='m.A')]),
         [('p', ['A', 'C, A'])]),
        (dict(p=[1, 2]), dict(p=[1, 3]), [('p', [[1, 2], [1, 3]])]),
        (dict(p=[1]), dict(p=None), [('p', [[1], None])]),
    ],
)  # fmt: skip
def test_differences_of_configs(first, second, expected):
    assert list(differences([first, second])) == expected


def test_a_config_is_read_and_never_run(tmp_path):
    file = tmp_path / 'made'
    text = f'import os\nos.mkdir({str(file)!r})\nlr = 1\nx = os.mkdir({str(file)!r})'
    run = Run(tmp_path, 'x', config_text=text)
    assert settings_of(run) == dict(lr=1)
    assert settings_of(Run(tmp_path, 'x', config_text='lr = (')) == {}
    assert not file.exists()


def test_copies_of_an_entry_share_a_row():
    first, second = (dict(size=s, data=dict(size=s, new=s + 1)) for s in (28, 32))
    table = table_of_differences('k', 't', ['a', 'b'], [first, second])
    assert table.rows == [
        ['size (and in 1 more)', '28', '32'],
        ['data.new', '29', '33'],
    ]


def test_many_runs_are_listed_by_value():
    values = [dict(lr=0.1)] * 5 + [dict(lr=0.2), dict(lr=0.3)]
    table = table_of_differences('k', 't', list('abcdefg'), values)
    assert table.rows == [['lr', '0.2: f; 0.3: g; 0.1: the other 5']]


@pytest.mark.parametrize(
    ('fields', 'label', 'ends'),
    [
        ([dict(batch_size=8), dict(batch_size=4)], 'epochs', [2, 2]),
        ([dict(unit='iter'), dict(unit='iter')], 'iterations', [4, 4]),
        ([dict(unit='iter'), dict(batch_size=4)], 'samples seen', [32, 16]),
        ([dict(unit='iter', batch_size=2), dict(unit='iter')], 'samples seen', [8, 32]),
        ([dict(unit='iter'), dict(batch_size=None)], 'iterations', [4, 4]),
    ],
)  # fmt: skip
def test_the_axis_is_what_runs_have_in_common(tmp_path, fields, label, ends):
    paths = [
        write_run(tmp_path / name, **f)
        for name, f in zip(('aaa', 'bbb'), fields, strict=True)
    ]
    entries, _ = read_entries(paths)
    assert axis_of(entries).label == label
    blocks, _ = compared(*paths)
    loss = blocks['train-loss']
    assert [s.x[-1] for s in loss.series] == ends
    assert ('count differently' in loss.note) == (
        len({str(f.get('unit')) for f in fields}) > 1 or label == 'samples seen'
    )


def test_many_runs_have_fewer_points_each(tmp_path):
    losses = [float(i) for i in range(1, 401)]
    paths = [write_run(tmp_path / f'net{i:02}', losses=losses) for i in range(30)]
    blocks, _ = compared(*paths)
    curves = [
        block for key, block in blocks.items() if key.startswith(('train', 'val'))
    ]
    assert sum(len(s.x) for c in curves for s in c.series) <= MOST_POINTS
    line = blocks['train-loss'].series[0]
    assert len(line.x) > 40
    assert line.y[-1] == 400


def test_members_of_a_group_that_goes_on_are_averaged_as_far_as_all_are(tmp_path):
    import numpy as np

    lines = [
        (np.array([1.0, 2, 3]), np.array([1.0, 2, 3])),
        (np.array([1.0, 2]), np.array([3.0, 4])),
    ]
    series = averaged('x', lines, 100)
    assert (series.x, series.y) == ([1, 2], [2, 3])


def test_no_foreign_file_is_replaced(two, tmp_path):
    out = tmp_path / 'mine.html'
    out.write_text('mine')
    with pytest.raises(UserError, match='-o'):
        compare(two, str(out))
    assert out.read_text() == 'mine'


def test_tables_name_each_row_by_its_first_column(two):
    blocks, _ = compared(*two)
    for block in blocks.values():
        if isinstance(block, Table):
            assert all(len(row) == len(block.columns) for row in block.rows)
            assert len(block.better) in (0, len(block.columns))


def test_the_state_of_the_code(tmp_path):
    a = write_run(tmp_path / 'aaa', code=dict(commit='c', changed=[], diff_sha256=None))
    b = write_run(
        tmp_path / 'bbb',
        code=dict(commit='c', changed=['x.py', 'y.py'], diff_sha256='0123456789abcdef'),
    )
    blocks, _ = compared(a, b)
    assert blocks['code'].rows == [
        ['changed files', 'none', 'x.py, y.py'],
        ['their difference (SHA-256)', 'none', '0123456789ab'],
    ]


def test_rows_are_compared_by_the_column_that_most_have(tmp_path):
    # as of a classifier that predicts one class only: no precision of the others
    heads = ['class', 'precision', 'recall']
    paths = []
    for name, rows in (
        ('aaa', [['x', 0.5, 0.25], ['y', 0.5, 0.5]]),
        ('bbb', [['x', None, 0.0], ['y', 0.25, 1.0]]),
    ):
        path = write_run(tmp_path / name)
        table = Table('classes', 'Classes', heads, rows, better=['', '+', '+'])
        section = Section('Classes', [table])
        Evaluation('', {}, '', {}, [section]).write(f'{path}/evaluation')
        paths.append(path)
    blocks, _ = compared(*paths)
    table = blocks['both-classes']
    assert table.title == 'Classes: recall'
    assert table.rows == [['y', 0.5, 1.0, 0.5, -0.25], ['x', 0.25, 0.0, -0.25, None]]


def test_a_run_that_is_not_finished_is_said(two, tmp_path):
    stopped = [dict(seconds=1.0, end='stopped')]
    _, notices = compared(*two, write_run(tmp_path / 'net_c', sessions=stopped))
    assert notices == ['Not finished: net_c (stopped).']


def test_times_of_different_machines_are_not_marked(tmp_path):
    a = write_run(tmp_path / 'aaa')
    b = write_run(
        tmp_path / 'bbb',
        environment=dict(cpu='b'),
        parameters=2000,
        sessions=[dict(seconds=5.0, end='finished')],
    )
    blocks, _ = compared(a, b)
    better = dict(zip(blocks['runs'].columns, blocks['runs'].better, strict=True))
    assert better['training (s)'] == ''
    assert better['parameters (M)'] == '-'
    assert 'same machine' in blocks['cost-seconds'].note
    assert 'same machine' not in blocks['cost-parameters'].note


def test_what_coco_cannot_measure_is_no_metric(tmp_path):
    for name in ('aaa', 'bbb'):
        write_run(tmp_path / name, (-1, -1), metric='coco/bbox_mAP_s', best={})
    entries, _ = read_entries([str(tmp_path / '*')])
    assert entries[0].metrics == []


def test_two_runs_in_a_browser(two, tmp_path, open_page):
    page = compare(two)
    assert page == str(tmp_path / 'compare.html')
    tab = open_page(page)
    assert tab.title() == '2 runs side by side'
    row = tab.locator('tr', has_text='net_bb').first.inner_text()
    assert row.split('\t')[:4] == ['net_bb', '95', '95', '3.000']
    text = tab.inner_text('main')
    assert 'cannot be known from one seed' in text
    legend = tab.get_by_role('group', name='Series of accuracy/top1', exact=True)
    assert legend.inner_text().split() == ['net_a', 'net_bb']


def test_the_tool_says_where_the_page_is(two, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'side.html'
    monkeypatch.setattr('sys.argv', ['compare.py', *two, '-o', str(out)])
    tool = Path(__file__).parents[2] / 'tools/compare.py'
    runpy.run_path(str(tool), run_name='__main__')
    assert capsys.readouterr().out == f'page: {out}\n'
    assert 'net_bb' in out.read_text()
