"""The GPU campaign, tried on a CPU in a tiny setting."""

import json
import runpy
import sys
import time
from pathlib import Path

import pytest
import torch

from projects.core.benchmark import throughput
from projects.core.benchmark.campaign import (
    IMPORTANT,
    Settings,
    campaign,
    in_order,
    supervise,
)
from projects.core.benchmark.campaign_report import write_report
from projects.core.benchmark.campaign_worker import (
    MODES,
    Worker,
    failure,
    outcomes_of,
    plan,
    row_id,
)
from projects.core.benchmark.journal import Journal
from projects.core.benchmark.references import input_size_of, references_of
from projects.core.errors import UserError
from projects.core.tasks.image_parts import ImageParts
from projects.core.variants import list_models

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/gpu_campaign.py'
CPU = torch.device('cpu')


def settings(out, **changes):
    values = dict(
        out=str(out),
        deadline=time.time() + 1000,
        device='cpu',
        models=('resnet18', 'yolov1_mini'),
        sections=('rates', 'models'),
        tiny=True,
    )
    return Settings(**{**values, **changes})


# ----------------------------------------------------------------- the whole
@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Folder and report of a campaign of two models."""
    out = tmp_path_factory.mktemp('campaign')
    report = campaign(
        str(out),
        models=['lenet5_modern', 'yolov1_mini'],
        device='cpu',
        tiny=True,
        sections=['rates', 'models'],
        isolated=False,
    )
    return out, report


def test_all_rows_are_measured(tiny):
    out, report = tiny
    assert json.loads((out / 'report.json').read_text()) == report
    assert report['failures'] == {}
    assert report['not_measured'] == []
    assert report['machine']['torch'] == torch.__version__
    assert set(report['rates']) == {'float32', 'bfloat16'}
    assert [(r['model'], r['batch_size'], r['mode']) for r in report['rows']] == [
        (model, batch_size, mode)
        for model in ('lenet5_modern', 'yolov1_mini')
        for batch_size, mode in ((1, 'float32'), (2, 'bfloat16, channels-last'))
    ]
    for row in report['rows']:
        ours = row['sides']['ours']
        assert set(ours) == {'forward', 'predict', 'train'}
        for step in ours.values():
            assert step['per_second'] == pytest.approx(
                1000 * row['batch_size'] / step['ms']['median']
            )
        assert ours['train']['peak_bytes'] > ours['predict']['peak_bytes']
    # forward, and backward to weights and maps: some three times the operations
    flops = report['rows'][0]['flops']
    assert 2 < flops['train'] / flops['forward'] < 3


def test_tables_are_markdown(tiny):
    text = (tiny[0] / 'report.md').read_text()
    assert f'torch {torch.__version__}' in text
    lines = text.splitlines()
    at = lines.index('## Float32: training')
    assert lines[at + 2] == (
        '| model | input | batch | inputs/s | share of the matrix rate | peak MiB |'
    )
    assert lines[at + 4].startswith('| `lenet5_modern` | 32 x 32 | 1 | ')
    assert lines[at + 4].endswith(' |')
    tables = [line.count('|') for line in lines[at + 2 : at + 6]]
    assert tables == [7] * 4


def test_it_goes_on_where_it_ended(tiny, monkeypatch):
    monkeypatch.setattr(Worker, 'measured', lambda *args: pytest.fail('measured again'))
    Worker(settings(tiny[0], models=('lenet5_modern', 'yolov1_mini'))).run()


def test_what_the_time_did_not_reach_is_listed(tmp_path):
    over = settings(tmp_path, deadline=time.time() - 1)
    Worker(over).run()
    report = write_report(over)
    assert report['rows'] == []
    assert report['not_measured'] == [
        'rates',
        *(row_id(name, mode) for name, modes in plan(over) for mode in modes),
    ]
    text = (tmp_path / 'report.md').read_text()
    assert '- models/resnet18/batch 1/float32' in text.splitlines()


# ---------------------------------------------------------------------- rows
def test_a_row_that_fails_is_a_row_that_says_so(tmp_path):
    def out_of_memory():
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 TiB')

    def hangs():
        time.sleep(20)

    worker = Worker(settings(tmp_path))
    worker.row('big', 9, out_of_memory)
    worker.row('wrong', 9, lambda: [][0])
    worker.row('slow', 0.2, hangs)
    worker.row('fine', 9, lambda: dict(rates=dict(float32=1.0)))
    assert {
        k: r.get('failure') for k, r in Journal(worker.journal.file).rows.items()
    } == {
        'big': 'out of memory',
        'wrong': 'IndexError: list index out of range',
        'slow': 'more than 0 s',
        'fine': None,
    }


def test_a_lost_gpu_ends_the_process_after_its_row(tmp_path):
    def lost():
        raise RuntimeError('CUDA error: an illegal memory access\nmore')

    worker = Worker(settings(tmp_path))
    with pytest.raises(SystemExit) as exit_:
        worker.row('lost', 9, lost)
    assert exit_.value.code != 0
    row = Journal(worker.journal.file).rows['lost']
    assert row['failure'] == 'CUDA error: an illegal memory access'


def test_journal_survives_a_kill_within_a_line(tmp_path):
    file = tmp_path / 'rows.jsonl'
    journal = Journal(file)
    for name in ('a', 'b', 'c'):
        journal.begin(name)
    journal.end('a', value=1)
    journal.drop('c')
    with file.open('a') as text:
        text.write('{"id": "b", "val')
    again = Journal(file)
    assert again.rows == {'a': dict(id='a', value=1)}
    assert again.begun == ['b']
    again.end('b', value=2)
    assert Journal(file).rows['b']['value'] == 2


WORKER = """
import json, os, sys
file = sys.argv[1]
lines = open(file).read().splitlines() if os.path.exists(file) else []
with open(file, 'a') as text:
    text.write(json.dumps(dict(begun=f'row {len(lines)}')) + chr(10))
    text.flush()
    if len(lines) < 3:
        os._exit(7)
    text.write(json.dumps(dict(id=f'row {len(lines)}')) + chr(10))
"""


def test_a_worker_that_crashes_is_started_again(tmp_path):
    rows = tmp_path / 'rows.jsonl'
    command = [sys.executable, '-c', WORKER, str(rows)]
    supervise(command, rows, time.time() + 60, {}, poll=0.01)
    # begun, ended for it; begun, ended; done
    assert Journal(rows).rows == {
        'row 0': dict(id='row 0', failure='its process ended (7)'),
        'row 2': dict(id='row 2', failure='its process ended (7)'),
        'row 4': dict(id='row 4'),
    }


def test_a_worker_that_hangs_is_ended(tmp_path):
    rows = tmp_path / 'rows.jsonl'
    code = (
        'import sys, time\n'
        'if not open(sys.argv[1], "a").tell():\n'
        '    open(sys.argv[1], "a").write(\'{"begun": "x"}\\n\')\n'
        '    time.sleep(60)'
    )
    command = [sys.executable, '-c', code, str(rows)]
    supervise(command, rows, time.time() + 60, {}, hanging=1, poll=0.01)
    assert Journal(rows).rows['x']['failure'] == 'more than 1 s'


def test_a_worker_without_a_row_is_an_error(tmp_path):
    command = [sys.executable, '-c', 'raise SystemExit(3)']
    with pytest.raises(UserError, match='ended with 3 before its first row'):
        supervise(command, tmp_path / 'rows', time.time() + 60, {}, poll=0.01)


# ------------------------------------------------------------------- numbers
def test_samples_take_turns_and_are_of_one_call():
    now, order = [0.0], []

    def step(name, seconds):
        def call():
            now[0] += seconds
            order.append(name)

        return call

    steps = dict(a=step('a', 1.0), b=step('b', 2.0))
    # 12 s in 3 samples: 4 s each are 4 calls of a and 2 of b
    samples = throughput.time_in_turns(steps, CPU, 12, 3, clock=lambda: now[0])
    assert samples == dict(a=[1.0] * 3, b=[2.0] * 3)
    assert ''.join(order) == 'ab' + 'aaaabb' + 'bbaaaa' + 'aaaabb'


def test_rate_of_matrices_leaves_the_precision_as_it_is():
    before = torch.get_float32_matmul_precision()
    rates = throughput.matrix_rates(CPU, 32, 0.001)
    assert torch.get_float32_matmul_precision() == before
    assert all(rate > 0 for rate in rates.values())


def test_failure_of_a_step_leaves_the_others(tmp_path):
    worker = Worker(settings(tmp_path))
    sides, missing = worker.open('resnet18')
    assert missing == {}
    assert set(sides) == {'ours', 'torchvision', 'timm', 'mmpretrain'}
    del sides['torchvision'], sides['timm']
    # batch norm of one image of 1 x 1 pixels cannot train
    results = throughput.measure(sides, throughput.Mode(1), 0.001, 2, failure)
    for side in sides:
        assert 'Expected more than 1 value' in results[side]['train']['failure']
    assert results['ours']['predict']['per_second'] > 0
    ratio = results['mmpretrain']['forward']['ratio']
    assert ratio['q1'] <= ratio['median'] <= ratio['q3']


# ---------------------------------------------------------------------- plan
def test_the_important_come_first_and_all_come():
    everything = in_order(list_models())
    assert sorted(everything) == list_models()
    rows = [
        row_id(name, mode)
        for name, modes in plan(settings('', models=tuple(everything), tiny=False))
        for mode in modes
    ]
    assert len(rows) == len({*rows})
    eager = {row_id(name, mode) for name in everything for mode in MODES}
    assert eager <= {*rows}
    assert {*IMPORTANT} <= {*list_models()}
    assert {row.split('/')[1] for row in rows[:20]} <= {*IMPORTANT}
    for size in (1, 8, 64):
        for dtype in ('float32', 'bfloat16, channels-last'):
            assert f'models/resnet50/batch {size}/{dtype}' in rows


def test_references_are_found_by_name():
    assert references_of('densenet121') == dict(
        torchvision='torchvision.densenet121',
        timm='timm.densenet121',
        mmpretrain='mmpretrain::densenet/densenet121_4xb256_in1k.py',
    )
    found = references_of('wide_resnet50_2')
    assert found['mmpretrain'].endswith('reference/wide_resnet50_2_mmpretrain.py')
    (mmdet,) = references_of('ssd300_vgg16').values()
    assert mmdet.endswith('ssd/reference/ssd300_vgg16_mmdet.py')
    assert references_of('yolov1_mini') == {}


@pytest.mark.parametrize(
    ('variant', 'size'),
    [
        ('resnet18', (224, 224)),  # not the 32 of its run on digits
        ('ssd300_vgg16', (300, 300)),
        ('ssd300_vgg16_coco91', (300, 300)),  # no run: of what it is made from
        ('lenet5', (28, 28)),
        ('yolov1_local', (448, 448)),
    ],
)
def test_input_sizes_are_those_of_the_run_configs(variant, size):
    class Parts(ImageParts):
        default_input_size = (1, 1)

    assert input_size_of(variant, Parts(None)) == size


def test_outcomes_of_pytest():
    log = """
tests/test_gpu/test_runs.py::test_a PASSED                     [ 10%]
tests/test_gpu/test_runs.py::test_b[nccl] SKIPPED (two GPUs)   [ 20%]
tests/test_gpu/test_runs.py::test_c FAILED                     [ 30%]
FAILED tests/test_gpu/test_runs.py::test_c - assert 1 == 2
"""
    assert outcomes_of(log) == {
        'test_a': 'passed',
        'test_b[nccl]': 'skipped',
        'test_c': 'failed',
    }


# ---------------------------------------------------------------------- tool
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--models', 'resnet17'], 'error: --models resnet17: no such model'),
        (['--minutes', '0'], 'error: minutes: a number above 0, not 0.0'),
    ],
)
def test_mistakes_end_in_one_line(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--out', str(tmp_path), *arguments])
    with pytest.raises(SystemExit):
        runpy.run_path(str(TOOL), run_name='__main__')
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)
