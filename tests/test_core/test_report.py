"""The sections of a run's page: what is shown are the run's own numbers."""

import json
import logging
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_work_dirs import FIRST, record, train_lines, val_line, whole_run, write_session

from projects.core.errors import UserError
from projects.core.reports.blocks import Curves
from projects.core.reports.curves import families, unit_of
from projects.core.reports.report import facts_of, report, sections_of
from projects.core.reports.runs import read_run
from projects.core.reports.scalars import Series


@pytest.fixture
def whole(tmp_path):
    return read_run(whole_run(tmp_path / 'toy'))


def blocks_of(run):
    return {block.key: block for s in sections_of(run) for block in s.blocks}


def lines(block):
    return {s.name: dict(zip(s.x, s.y, strict=True)) for s in block.series}


def test_what_comes_first(whole):
    facts = dict(facts_of(whole))
    assert facts.pop('Page made').endswith(' UTC')
    assert facts == {
        'Status': 'finished after 2 epochs (8 iterations)',
        'Model': 'Toy, a classifier',
        'Config': 'configs/toy/toy_1xb4-2e_toys.py',
        'Evaluated on': 'Toys, 8 images',
        'Best accuracy/top1': '91 % at epoch 1',
        'Best checkpoint': 'best.pth',
        'Parameters': '61,706',
        'Trained for': '1:02:03 (h:mm:ss)',
        'Seed': '3',
    }


def test_order_of_the_sections(whole):
    assert [section.title for section in sections_of(whole)] == [
        'Results',
        'Curves',
        'By class',
        'Words',
        'Time and cost',
        'Where and how it ran',
        'Config',
        'Run it again',
    ]


def test_metrics_are_those_of_the_log(whole):
    table = blocks_of(whole)['run-metrics']
    assert table.columns == [
        'metric',
        'last',
        'best',
        'best at epoch',
        'better',
        'unit',
    ]
    assert table.rows == [
        ['accuracy/top1', 90.5, 91.0, 1, 'higher', '%'],
        ['accuracy/top5', 99.5, 99.5, 2, 'higher', '%'],
    ]


def test_curves_are_those_of_the_log_over_epochs(whole):
    blocks = blocks_of(whole)
    assert lines(blocks['run-loss']) == {
        'train': {0.5: 2, 1: 4, 1.5: 6, 2: 8},
        'validation': {1: 6.0, 2: 7.0},
    }
    assert [s.dashed for s in blocks['run-loss'].series] == [False, True]
    assert 'the mean of the last 7 iterations' in blocks['run-loss'].note
    assert lines(blocks['run-metric-accuracy-top']) == {
        'accuracy/top1': {1: 91.0, 2: 90.5},
        'accuracy/top5': {1: 99.0, 2: 99.5},
    }
    assert blocks['run-metric-accuracy-top'].y_label == 'value (%)'
    # it is 0.1 throughout
    assert blocks['run-learning-rate'].y_range == (0, 0.2)
    assert blocks['run-loss'].y_range is None
    assert set(lines(blocks['run-time'])) == {'time', 'data_time'}
    assert 'run-loss-terms' not in blocks
    assert all(b.x_label == 'epochs' for b in blocks.values() if isinstance(b, Curves))


def test_the_evaluation_says_what_it_is_of(whole):
    note = 'Of epoch 1, the best by accuracy/top1.'
    by_class, words = sections_of(whole)[2:4]
    assert (by_class.note, words.note) == (f'{note} Each class.', note)


def test_shares_of_time_and_cost(whole):
    blocks = blocks_of(whole)
    shares = {part: share for part, _, share in blocks['run-times'].rows}
    # 10, 20 and 70 of 100 ms
    assert shares == pytest.approx(
        {
            'training: data': 10,
            'training: forward': 20,
            'training: backward': 70,
            'training: all': 100,
        }
    )
    assert blocks['run-cost'].rows == [
        ['parameters', 61_706, ''],
        ['trained parameters', 60_000, ''],
        ['prediction of one input', 416.52, 'kMAC'],
        ['training step of one batch', 2.5, 'GFLOP'],
        ['training rate', 40.0, 'samples/s'],
        ['CPU memory, peak', 512, 'MiB'],
    ]


def test_what_the_config_changes_comes_before_all_of_it(whole):
    keys = [block.key for block in sections_of(whole)[6].blocks]
    assert keys == ['run-overrides', 'run-config']
    assert blocks_of(whole)['run-overrides'].rows == [['optimizer.lr', '0.1', '0.2']]


def test_commands_survive_a_shell(tmp_path):
    folder = whole_run(tmp_path / "a run's")
    text = blocks_of(read_run(folder))['run-commands'].text
    commands = [shlex.split(line, comments=True) for line in text.split('\n')]
    config, options = 'configs/toy/toy_1xb4-2e_toys.py', ["train_cfg.x=a 'b'"]
    tail = ['--cfg-options', *options]
    assert [command for command in commands if command] == [
        ['git', 'checkout', 'abc'],
        ['python', 'tools/train.py', config],  # as it was started
        [
            'python',
            'tools/train.py',
            config,
            '--work-dir',
            f'{folder}_again',
            '--seed',
            '3',
            *tail,
        ],
        [
            'python',
            'tools/train.py',
            config,
            '--work-dir',
            str(folder),
            '--resume',
            *tail,
        ],
        [
            'python',
            'tools/test.py',
            config,
            f'{folder}/best.pth',
            '--work-dir',
            str(folder),
            *tail,
        ],
        ['python', 'tools/report.py', str(folder)],
        ['python', 'tools/compare.py', str(folder), 'OTHER'],
    ]


def test_an_adversarial_run(tmp_path):
    """Several optimizers, no total loss, iterations."""
    write_session(
        tmp_path,
        FIRST,
        [
            {
                'generator.lr': 0.1,
                'generator.base_lr': 0.1,
                'critic.lr': 0.2,
                'loss_generator': -0.5,
                'loss_critic': 1.5,
                'score_real': 2.0,
                'score_fake': 1.0,
                'critic.grad_norm': 3.0,
                'iter': i,
                'step': i,
            }
            for i in (50, 100)
        ],
        'INFO - Iter(train) [ 50/100]',
    )
    blocks = blocks_of(read_run(tmp_path))
    assert [key for key in blocks if key != 'run-config'] == [
        'run-loss-terms',
        'run-learning-rate',
        'run-gradient-norm',
        'run-train-score',
        'run-commands',
    ]
    assert lines(blocks['run-learning-rate']) == {
        'generator.lr': {50: 0.1, 100: 0.1},
        'critic.lr': {50: 0.2, 100: 0.2},
    }
    assert set(lines(blocks['run-train-score'])) == {'score_real', 'score_fake'}
    assert blocks['run-loss-terms'].x_label == 'iterations'


def test_terms_of_the_loss_train_against_validation(tmp_path):
    val = val_line(1, loss_cls=0.5, loss_bbox=0.7, val_loss=1.2, **{'coco/AP': 0.1})
    terms = dict(loss_cls=0.25, loss_bbox=0.5)
    write_session(tmp_path, FIRST, [*train_lines([2, 4], **terms), val])
    blocks = blocks_of(read_run(tmp_path))
    assert lines(blocks['run-loss'])['validation'] == {1: 1.2}
    series = {s.name: s for s in blocks['run-loss-terms'].series}
    assert series['loss_cls (validation)'].y == [0.5]
    assert series['loss_cls (validation)'].dashed
    assert series['loss_cls (validation)'].group == 'loss_cls'
    assert [row[0] for row in blocks['run-metrics'].rows] == ['coco/AP']


@pytest.mark.parametrize(
    ('names', 'charts'),
    [
        (
            'c/bbox_mAP c/bbox_mAP_50 c/bbox_mAP_s c/bbox_AR@1 c/bbox_AR_l',
            [
                'c/bbox_mAP c/bbox_mAP_50 c/bbox_mAP_s',
                'c/bbox_AR@1 c/bbox_AR_l',
            ],
        ),
        ('accuracy/top1 accuracy/top5', ['accuracy/top1 accuracy/top5']),
        (
            'g/precision g/recall g/distance g/distance_floor g/coverage h/recall',
            [
                'g/precision g/recall g/coverage',
                'g/distance g/distance_floor',
                'h/recall',
            ],
        ),
        ('tokens_per_s perplexity', ['tokens_per_s', 'perplexity']),
    ],
)
def test_families_of_metrics(names, charts):
    series = {name: Series([1], [0.5]) for name in names.split()}
    assert [' '.join(family.series) for family in families(series)] == charts


@pytest.mark.parametrize(
    ('name', 'values', 'unit'),
    [
        ('accuracy/top1', [0.0, 97.3], '%'),
        ('accuracy/top1', [0.5, 0.97], '0 to 1'),
        ('coco/bbox_mAP', [-1, 0.5], '0 to 1'),
        ('perplexity', [0.5, 0.6], ''),
        ('inception_score', [3.0, 97.3], ''),
        ('modes', [1, 8], ''),
        ('accuracy', [None], ''),
    ],
)
def test_unit_of_a_metric(name, values, unit):
    assert unit_of(name, Series(list(range(len(values))), values)) == unit


def test_what_cannot_be_measured_is_left_out_of_the_chart(tmp_path):
    metrics = [{'c/mAP': 0.5, 'c/mAP_s': -1, 'c/mAP_l': v} for v in (-1, 0.25)]
    write_session(
        tmp_path,
        FIRST,
        [
            *train_lines([4]),
            val_line(1, **metrics[0]),
            *train_lines([8]),
            val_line(2, **metrics[1]),
        ],
    )
    chart = blocks_of(read_run(tmp_path))['run-metric-c-mAP']
    assert lines(chart) == {'c/mAP': {1: 0.5, 2: 0.5}, 'c/mAP_l': {1: None, 2: 0.25}}
    assert 'Of c/mAP_s there is no value' in chart.note


@pytest.mark.parametrize(
    ('end', 'status', 'notice'),
    [
        ('', 'running at epoch 1 of 2', 'The run goes on: this is how it was at '),
        ('stopped', 'stopped at epoch 1 of 2', 'it was stopped at epoch 1 of 2.'),
    ],
)
def test_a_run_that_has_not_ended(tmp_path, end, status, notice):
    from projects.core.reports.report import _state

    write_session(tmp_path, FIRST, train_lines([2, 4]))
    session = dict(started='2026-01-01T12:00:00Z', first_iter=0, last_iter=4, end=end)
    record(sessions=[session]).write(str(tmp_path))
    run = read_run(tmp_path)
    assert dict(facts_of(run))['Status'] == status
    assert notice in _state(run)[0]
    sessions = blocks_of(run)['run-sessions']
    assert sessions.rows[0][1:] == [
        '2026-01-01 12:00:00 UTC',
        '0.0 s',
        0,
        4,
        end or 'running',
    ]


def test_a_browser_shows_the_numbers_of_the_run(checkpoint, open_page):
    """The page that a training left, against scalars.json and run.json."""
    folder = Path(checkpoint).parent
    page = open_page(folder / 'report.html')
    (file,) = folder.glob('*/vis_data/scalars.json')
    logged = [json.loads(line) for line in file.read_text().splitlines()]
    train = [line for line in logged if 'iter' in line]
    val = [line for line in logged if 'iter' not in line]
    written = json.loads((folder / 'run.json').read_text())

    facts = dict(
        zip(
            page.locator('dt').all_inner_texts(),
            page.locator('dd').all_inner_texts(),
            strict=True,
        )
    )
    assert (
        facts['Status'] == f'finished after 40 epochs ({train[-1]["iter"]} iterations)'
    )
    assert facts['Parameters'] == f'{written["parameters"]:,}'
    assert facts['Seed'] == str(written['seed'])
    assert (folder / facts['Best checkpoint']).is_file()

    rows = page.get_by_role('article', name='Metrics').locator('tbody tr')
    cells = [row.locator('th, td').all_inner_texts() for row in rows.all()]
    last = {name: text for name, text, *_ in cells}
    expected = {k: v for k, v in val[-1].items() if k.startswith('coco/')}
    assert last.keys() == expected.keys()
    assert expected['coco/bbox_mAP'] > 0
    for name, value in expected.items():
        # of -1, which stands for what cannot be measured, there is no number
        shown = -1 if last[name] == '–' else float(last[name])
        assert shown == pytest.approx(value, abs=5.1e-5)

    # the third logged value of the total loss, by keyboard and by pointing at it
    chart = page.get_by_role('article', name='Loss', exact=True).get_by_role('slider')
    chart.scroll_into_view_if_needed()
    chart.locator('svg').wait_for()
    chart.focus()
    for _ in range(3):
        page.keyboard.press('ArrowRight')
    tooltip = page.locator('#tooltip')
    said = tooltip.inner_text()
    line = train[2]
    assert said.startswith(f'epochs {line["iter"] / 4:g}, iteration {line["iter"]}')
    number = said.split('train')[1].split()[0]
    assert float(number) == pytest.approx(line['loss'], rel=1e-5)
    page.keyboard.press('Escape')
    assert not tooltip.is_visible()
    box = chart.bounding_box()
    page.mouse.move(box['x'] + box['width'] * 0.6, box['y'] + box['height'] / 2)
    assert tooltip.inner_text().startswith('epochs ')


def test_a_page_that_cannot_be_made_is_a_warning(tmp_path, monkeypatch, caplog, pages):
    from projects.core.engine.training import _make_page
    from projects.core.reports import page

    def fail(*args):
        raise ZeroDivisionError('some fault')

    folder = whole_run(tmp_path / 'toy')
    runner = SimpleNamespace(work_dir=str(folder), logger=logging.getLogger('run'))
    monkeypatch.setattr(page, 'render', fail)
    _make_page(runner)
    monkeypatch.undo()
    (folder / 'report.html').mkdir()
    _make_page(runner)
    assert [record.levelname for record in caplog.records] == ['WARNING'] * 2
    first, second = caplog.messages
    assert first == 'no page of the run: ZeroDivisionError: some fault'
    assert f'{folder}/report.html is there already and is no file' in second


def test_a_file_of_someone_else_is_not_replaced(tmp_path):
    folder = whole_run(tmp_path / 'toy')
    (folder / 'report.html').write_text('mine')
    with pytest.raises(UserError, match='is there already and was not made'):
        report(str(folder))
    made = report(str(folder), str(tmp_path / 'pages/toy.html'))
    assert made == str(tmp_path / 'pages/toy.html')
    assert (folder / 'report.html').read_text() == 'mine'
    assert report(str(folder), made) == made  # one's own is
