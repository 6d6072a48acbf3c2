"""Runs read from their work dirs, in whatever state those are."""

import json
import os
import random
import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_work_dirs import (
    FIRST,
    SECOND,
    THIRD,
    record,
    train_lines,
    val_line,
    whole_run,
    write_session,
)

from projects.core.errors import UserError
from projects.core.reports.report import facts_of, sections_of
from projects.core.reports.runs import PATIENCE, read_run


def points(series):
    return dict(zip(series.iterations, series.values, strict=True))


def test_a_whole_run(tmp_path):
    run = read_run(whole_run(tmp_path / 'toy'))
    assert (run.name, run.status, run.unit, run.epoch_length) == (
        'toy',
        'finished',
        'epoch',
        4,
    )
    assert points(run.train['loss']) == {2: 2, 4: 4, 6: 6, 8: 8}
    # the log counts validations in epochs
    assert points(run.val['accuracy/top1']) == {4: 91.0, 8: 90.5}
    assert run.x([4, 6]) == [1, 1.5]
    assert run.evaluation.at == {'epoch': 1}
    assert run.config_text.startswith('log_processor')
    assert run.notices == []


def test_a_resumed_run_is_one_series_and_what_was_done_again_counts_once(tmp_path):
    # killed after 7 iterations, resumed from the checkpoint after 4 and validated
    lines = [*train_lines([2, 4]), val_line(1, acc=0.1), *train_lines([6, 7])]
    write_session(tmp_path, FIRST, lines)
    log = 'INFO - resumed epoch: 1, iter: 4\nEpoch(train)  [2][2/4]'
    lines = [val_line(1, acc=0.2), *train_lines([6, 8], 10), val_line(2, acc=0.3)]
    write_session(tmp_path, SECOND, lines, log)
    write_session(tmp_path, THIRD, [], 'INFO - a test\n')
    run = read_run(tmp_path)
    assert points(run.train['loss']) == {2: 2, 4: 4, 6: 60, 8: 80}
    assert points(run.val['acc']) == {4: 0.2, 8: 0.3}


def test_a_run_begun_afresh_in_the_same_folder_is_that_run_alone(tmp_path):
    write_session(tmp_path, FIRST, [*train_lines([1, 2, 3]), val_line(1, acc=0.1)])
    write_session(tmp_path, SECOND, train_lines([4, 8]))
    run = read_run(tmp_path)
    assert list(points(run.train['loss'])) == [4, 8]
    assert run.val == {}


def test_a_resume_with_half_the_batch_counts_iterations_as_the_run_does(tmp_path):
    write_session(tmp_path, FIRST, [*train_lines([2, 4]), val_line(1, acc=0.1)])
    log = 'INFO - resumed epoch: 1, iter: 4\nEpoch(train)  [2][2/8]'
    lines = [*train_lines([12, 16], length=8), val_line(2, acc=0.2)]
    write_session(tmp_path, SECOND, lines, log)
    run = read_run(tmp_path)
    assert points(run.train['loss']) == {4: 2, 8: 4, 12: 12, 16: 16}
    assert points(run.val['acc']) == {8: 0.1, 16: 0.2}


@pytest.mark.parametrize(
    ('steps', 'places'),
    [([50, 100], [50, 100]), ([0, 0], [50, 100])],
    ids=['iterations', 'epochs, which such a run does not count'],
)
def test_validations_of_a_run_that_counts_iterations(tmp_path, steps, places):
    lines = []
    for step, i in zip(steps, places, strict=True):
        lines += [dict(loss=1.0, iter=i, step=i), val_line(step, ppl=2.0)]
    write_session(tmp_path, FIRST, lines, 'INFO - Iter(train) [ 50/100]')
    run = read_run(tmp_path)
    assert run.unit == 'iter'
    assert run.val['ppl'].iterations == places
    assert run.x(places) == places


def test_validations_that_are_logged_by_iteration_within_epochs(tmp_path):
    lines = [
        *train_lines([2, 4]),
        val_line(4, acc=1),
        *train_lines([8]),
        val_line(8, acc=2),
    ]
    write_session(tmp_path, FIRST, lines)
    assert points(read_run(tmp_path).val['acc']) == {4: 1, 8: 2}


def test_the_epoch_is_known_without_a_text_log(tmp_path):
    # logged at the third iteration of each five
    write_session(tmp_path, FIRST, train_lines([3, 8, 13], length=5), log='')
    assert read_run(tmp_path).epoch_length == 5


def test_what_is_no_number_is_none(tmp_path):
    write_session(
        tmp_path,
        FIRST,
        [
            '{"loss": NaN, "lr": Infinity, "iter": 1, "step": 1}',
            '{"loss": -Infinity, "word": "x", "list": [1], "iter": 2, "step": 1}',
            '{"loss": 1e999, "lr": 0.5, "flag": true, "iter": 3, "step": 3}',
            f'{{"loss": 1{"0" * 400}, "lr": 1, "iter": 4, "step": 4}}',
            '{"loss": 2, "lr": 2, "iter": true, "step": 3}',
            '{"loss": 2, "lr": 2, "iter": 4.5, "step": 3}',
            '[' * 100_000,
            'null',
            '{"loss": 3.5, "lr": 1, "iter": 5, "st',
        ],
    )
    run = read_run(tmp_path)
    assert set(run.train) == {'loss', 'lr'}
    assert run.train['loss'].values == [None] * 4
    assert run.train['lr'].values == [None, 0.5, 1]
    assert run.notices[0] == (
        '5 lines of scalars.json could not be read and are left out.'
    )


def test_the_line_that_is_being_written_is_no_damage(tmp_path):
    file = write_session(tmp_path, FIRST, train_lines([2, 4]))
    file.write_text(file.read_text()[:-9])
    run = read_run(tmp_path)
    assert run.train['loss'].iterations == [2]
    assert not any('could not be read' in notice for notice in run.notices)


@pytest.mark.parametrize(
    ('end', 'log', 'age', 'status'),
    [
        ('finished', '', 10**6, 'finished'),
        ('stopped', '', 0, 'stopped'),
        ('', '', 0, 'running'),
        ('', '', PATIENCE + 99, 'stopped'),
        # an older version's
        (None, 'x - INFO - trained in 0:00:26', 0, 'finished'),
        (None, 'x - WARNING - stopped by SIGTERM; --resume', 0, 'stopped'),
        (None, '', 0, 'running'),
        (None, '', PATIENCE + 99, 'stopped'),
    ],
)
def test_status(tmp_path, end, log, age, status):
    write_session(tmp_path, FIRST, train_lines([2, 4]), f'Epoch(train) [1][2/4]\n{log}')
    if end is not None:
        record(sessions=[dict(end=end)]).write(str(tmp_path))
    then = time.time() - age
    for file in tmp_path.rglob('*'):
        os.utime(file, (then, then))
    assert read_run(tmp_path).status == status


def test_slow_steps_are_waited_for_longer(tmp_path):
    # four iterations of 100 s between two lines: quiet for 15 minutes is no end
    lines = [{**line, 'time': 100} for line in train_lines([4, 8])]
    write_session(tmp_path, FIRST, lines)
    for file in tmp_path.rglob('*'):
        os.utime(file, (time.time() - 900,) * 2)
    assert read_run(tmp_path).status == 'running'


def test_an_older_versions_run_has_its_best_by_the_checkpoints_name(tmp_path):
    lines = [*train_lines([4]), val_line(1, **{'coco/bbox_mAP': 0.25})]
    write_session(tmp_path, FIRST, lines)
    (tmp_path / 'best_coco_bbox_mAP_epoch_1.pth').touch()
    (tmp_path / 'best_other_epoch_1.pth').touch()
    run = read_run(tmp_path)
    assert run.best == {
        'coco/bbox_mAP': dict(
            score=0.25, at=1, checkpoint='best_coco_bbox_mAP_epoch_1.pth'
        )
    }
    assert 'run.json is missing, as in runs of older versions' in run.notices[0]
    assert 'There is no evaluation to show' in run.notices[1]


def test_a_run_that_ended_before_its_first_log(tmp_path):
    write_session(tmp_path, FIRST, [], 'INFO - Epoch')
    run = read_run(tmp_path)
    assert run.train == {}
    assert run.notices[0].startswith('No iteration was logged so far')
    assert ('Status', 'running, nothing logged so far') in facts_of(run)
    assert [s.title for s in sections_of(run)] == ['Config', 'Run it again']


def test_a_folder_that_was_tested_in_only(tmp_path):
    file = tmp_path / FIRST / f'{FIRST}.json'
    write_session(tmp_path, FIRST, [])
    file.write_text('{"coco/bbox_mAP": 0.5, "coco/x": null, "time": 0.1}')
    run = read_run(tmp_path)
    assert run.test.metrics == {'coco/bbox_mAP': 0.5}
    assert facts_of(run)[:1] == [('Status', 'tested')]
    assert ('Test coco/bbox_mAP', '0.5') in facts_of(run)
    sections = sections_of(run)
    assert 'train.py' not in sections[-1].blocks[0].text
    table = sections[0].blocks[0]
    assert table.columns == ['metric', 'test', 'better']
    assert table.rows == [['coco/bbox_mAP', 0.5, 'higher']]


@pytest.mark.parametrize('file', ['run.json', 'evaluation/evaluation.json'])
def test_a_damaged_file_is_a_notice_and_the_rest_is_shown(tmp_path, file):
    whole_run(tmp_path)
    (tmp_path / file).write_text('{"schema"')
    run = read_run(tmp_path)
    assert points(run.train['loss']) == {2: 2, 4: 4, 6: 6, 8: 8}
    (notice,) = run.notices
    assert str(tmp_path / file) in notice
    assert 'cannot be read' in notice


def test_a_folder_of_no_run_says_what_it_is(tmp_path):
    run = whole_run(tmp_path / 'work_dirs/lenet')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/events.out.tfevents.1').touch()
    note = tmp_path / 'note.txt'
    note.touch()
    for path, reason in [
        (tmp_path / 'work_dirs/lent', f"is not there; did you mean '{run}'"),
        (tmp_path / 'nothing/like/it', 'is not there; give the work dir of a run'),
        (tmp_path / 'work_dirs', f'holds work dirs .*name one of them: {run}'),
        (run / FIRST, f'is one session of the run {run}'),
        (run / FIRST / 'vis_data/scalars.json', f'is a file of the run {run}'),
        (note, 'is a file; give the work dir of a run'),
        (tmp_path / 'empty', 'holds no log of tools/train.py.* it holds nothing'),
        (tmp_path / 'other', 'it holds events.out.tfevents.1'),
    ]:
        with pytest.raises(UserError, match=reason) as error:
            read_run(path)
        assert str(error.value).startswith(str(path))
        assert '\n' not in str(error.value)


def test_a_member_of_a_group_is_named_with_its_group(tmp_path):
    whole_run(tmp_path / 'lenet/seed_1')
    (tmp_path / 'lenet/group.json').write_text('{}')
    assert read_run(tmp_path / 'lenet/seed_1').name == 'lenet/seed_1'
    with pytest.raises(UserError, match='holds a group of runs'):
        read_run(tmp_path / 'lenet')


@pytest.fixture(scope='module')
def pristine(tmp_path_factory):
    """A whole run, and the files in it that are read."""
    folder = whole_run(tmp_path_factory.mktemp('pristine') / 'toy')
    files = [
        'run.json',
        'evaluation/evaluation.json',
        'toy_1xb4-2e_toys.py',
        f'{FIRST}/{FIRST}.log',
        f'{FIRST}/vis_data/scalars.json',
    ]
    return folder, files


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_damage_of_a_file_is_a_traceback(pristine, tmp_path, data):
    """Cut at any byte, a byte changed, a value exchanged, or rubbish altogether."""
    source, files = pristine
    folder = tmp_path / 'toy'
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    file = folder / data.draw(st.sampled_from(files))
    content = file.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(['cut', 'change', 'exchange', 'rubbish']))
    if how == 'cut':
        content = content[:place]
    elif how == 'change':
        content = content[:place] + data.draw(st.binary()) + content[place + 1 :]
    elif how == 'exchange' and file.suffix == '.json':
        seed = data.draw(st.integers(0, 10**6))
        lines = content.decode().strip().split('\n')
        if file.name == 'scalars.json':
            content = '\n'.join(exchanged(line, seed) for line in lines).encode()
        else:
            content = exchanged(content, seed).encode()
    else:
        content = data.draw(st.binary())
    file.write_bytes(content)
    try:
        run = read_run(folder)
    except UserError:  # nothing is left that is a run
        return
    assert facts_of(run)
    assert sections_of(run)


ODD = [None, 'x', '', -1, 1.5, 10**400, float('nan'), [], [1], {}, {'x': []}, True]


def exchanged(text, seed):
    """JSON in which one value at any depth is another."""
    draw = random.Random(seed)
    document = json.loads(text)
    places = []

    def walk(value):
        items = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for key, inner in items:
            places.append((value, key))
            walk(inner)

    walk(document)
    parent, key = draw.choice(places)
    parent[key] = draw.choice(ODD)
    return json.dumps(document)
