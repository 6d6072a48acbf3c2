"""The record of a run on disk."""

import json

import pytest

from projects.core.errors import UserError
from projects.core.reports.record import FILE, SCHEMA, Record, read_record

FIRST = dict(
    schema=SCHEMA,
    version='0.1.0',
    config='configs/some.py',
    task='a detector',
    model='SingleStageDetector',
)


def test_what_is_written_is_read(tmp_path):
    record = Record(
        **FIRST,
        command=['python', 'tools/train.py'],
        seed=3,
        times={'train': {'data': 0.1, 'forward': 0.2}},
        sessions=[dict(started='2026-01-31T12:00:00+00:00', end='finished')],
        best={'coco/bbox_mAP': dict(score=0.5, at=7, checkpoint='best.pth')},
    )
    record.write(str(tmp_path))
    assert read_record(str(tmp_path)) == record
    assert record.end == 'finished'


def test_all_but_the_first_five_may_be_missing_and_others_be_there(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({**FIRST, 'of_a_later_version': 1}))
    assert read_record(str(tmp_path)) == Record(**FIRST)
    assert read_record(str(tmp_path / 'elsewhere')) is None


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{"schema": "mmatlas-run-1", "ver', 'Unterminated string'),
        ('[]', 'it holds no fields by name'),
        ('{"schema": "mmatlas-run-0"}', "its schema is 'mmatlas-run-0', not"),
        (json.dumps({**FIRST, 'model': None}), "'model': a text, not None"),
        (json.dumps({**FIRST, 'sessions': [1]}), "'sessions': "),
        (json.dumps({**FIRST, 'command': 'train'}), "'command': a list of texts"),
        (json.dumps({**FIRST, 'times': {'train': {'data': 'x'}}}), "'times': "),
        (json.dumps({k: v for k, v in FIRST.items() if k != 'task'}), "lacks 'task'"),
        ('\x00\xff', 'cannot be read as a run'),
        ('[' * 100_000, 'RecursionError'),
    ],
)
def test_a_damaged_one_is_named_with_the_reason(tmp_path, text, reason):
    (tmp_path / FILE).write_text(text, encoding='latin-1')
    with pytest.raises(UserError, match=reason) as error:
        read_record(str(tmp_path))
    assert str(tmp_path / FILE) in str(error.value)
