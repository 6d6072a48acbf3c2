"""Python API of ``tools/report.py``: the page of a run.

The page is made of what the work dir holds and knows no task: what a validation
found comes as the sections that the task wrote with it.
"""

import os.path as osp
import time
from datetime import datetime, timezone

from projects.core.files import check_outputs, write_text
from projects.core.metric_names import rule_of
from projects.core.reports.about import config_of, cost_of, in_words, setting_of
from projects.core.reports.blocks import Number, Section, Table
from projects.core.reports.commands import commands_of, shown_path
from projects.core.reports.curves import curves_of, metrics_of, unit_of
from projects.core.reports.evaluation import Evaluation
from projects.core.reports.runs import Run, read_run
from projects.core.reports.scalars import Series
from projects.core.values import PATH, checked, optional

FILE = 'report.html'
BETTER = {'greater': 'higher', 'less': 'lower', None: ''}


@checked(work_dir=PATH, out=optional(PATH))
def report(work_dir: str, out: str | None = None) -> str:
    """Make the page of a run, also of one that goes on: it is only read.

    Args:
        work_dir: Of the run.
        out: File of the page; ``<work_dir>/report.html`` by default.

    Returns:
        The file.

    Raises:
        UserError: If there is no run, or the file would replace what is not the
            tools' own.
    """
    from projects.core.reports.page import render  # and what draws

    run = read_run(work_dir)
    out = out or osp.join(work_dir, FILE)
    check_outputs([out], '-o')
    text = render(
        f'Run {run.name}', facts_of(run), sections_of(run), [*_state(run), *run.notices]
    )
    write_text(out, text, '-o')
    return out


def facts_of(run: Run) -> list[tuple[str, str]]:
    """What a reader wants to know first, by name."""
    record = run.record
    facts = [('Status', _status(run))]
    if record:
        facts.append(('Model', f'{record.model}, {record.task}'))
        facts.append(('Config', record.config))
    elif run.config_name:
        facts.append(('Config', shown_path(run.config_name)))
    data = run.evaluation or run.test
    if data and data.data:
        facts.append(('Evaluated on', data.data))
    for name, best in run.best.items():
        facts.append((f'Best {name}', _best(run, name, best)))
    files = dict.fromkeys(best.get('checkpoint') for best in run.best.values())
    if files := [osp.basename(file) for file in files if file]:
        facts.append(('Best checkpoint', ', '.join(files)))
    if not run.best:
        for name, series in list(metrics_of(run).items())[:2]:
            facts.append((f'Last {name}', _value(name, series, series.last)))
    if run.is_test:
        for name, value in list(run.test.metrics.items())[:2]:
            facts.append((f'Test {name}', _value(name, Series([0], [value]), value)))
    if record and record.parameters is not None:
        facts.append(('Parameters', f'{record.parameters:,}'))
    if record and record.sessions:
        facts.append(('Trained for', in_words(record.seconds)))
    if record and record.seed is not None:
        facts.append(('Seed', str(record.seed)))
    if record and record.group:
        kind, index, of = (record.group.get(k) for k in ('kind', 'index', 'of'))
        facts.append(('Member', f'{kind} {index} of {of} (counted from 0)'))
    facts.append(('Page made', _now()))
    return facts


def sections_of(run: Run) -> list[Section]:
    """All of a page, what says most first."""
    sections = []
    if metrics := _metrics(run):
        sections.append(Section('Results', [metrics]))
    if curves := curves_of(run):
        note = 'Point at a line to read its values.'
        if run.by_epoch:
            note += f' An epoch is {run.epoch_length:,} iterations.'
        sections.append(Section('Curves', curves, note))
    sections += _evaluation(run)
    about = [cost_of(run), setting_of(run), config_of(run), commands_of(run)]
    return [*sections, *filter(None, about)]


def _now() -> str:
    return f'{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC'


def _place(run: Run, iteration: int) -> str:
    """'epoch 3 of 20', or 'iteration 150 of 400'."""
    length = f' of {run.record.length:,}' if run.record and run.record.length else ''
    if run.by_epoch:
        return f'epoch {round(iteration / run.epoch_length, 2):g}{length}'
    return f'iteration {iteration:,}{length}'


def _status(run: Run) -> str:
    if not run.train:
        return 'tested' if run.is_test else f'{run.status}, nothing logged so far'
    if run.status != 'finished':
        return f'{run.status} at {_place(run, run.iteration)}'
    iterations = f'{run.iteration:,} iterations'
    if not run.by_epoch:
        return f'finished after {iterations}'
    return f'finished after {run.iteration / run.epoch_length:g} epochs ({iterations})'


def _state(run: Run) -> list[str]:
    if run.status == 'running':
        return [
            f'The run goes on: this is how it was at {_now()}. '
            f'"python tools/report.py {shown_path(run.folder)}" makes the page anew.'
        ]
    if run.status == 'stopped' and run.train:
        minutes = (time.time() - run.modified) / 60
        ago = f'{minutes:.0f} minutes' if minutes < 120 else f'{minutes / 60:.0f} hours'
        said = run.record and run.record.end
        return [
            f'The run did not come to its end: it {"was stopped" if said else "ended"} '
            f'at {_place(run, run.iteration)}'
            + ('.' if said else f', its last sign of life is {ago} old.')
            + ' --resume goes on, see "Run it again".'
        ]
    return []


def _value(name: str, series: Series | None, value: Number) -> str:
    if value is None:
        return 'not finite'
    unit = unit_of(name, series) if series else ''
    return f'{value:.4f}'.rstrip('0').rstrip('.') + (' %' if unit == '%' else '')


def _best(run: Run, name: str, best: dict) -> str:
    text = _value(name, run.val.get(name), best.get('score'))
    if best.get('at') is not None:
        unit = 'epoch' if run.unit == 'epoch' else 'iteration'
        text += f' at {unit} {best["at"]:,}'
    return text


def _metrics(run: Run) -> Table | None:
    """Each metric at its last, its best and its tested value."""
    metrics = metrics_of(run)
    tested = run.test.metrics if run.test else {}
    names = list(dict.fromkeys([*metrics, *tested]))
    if not names:
        return None
    columns = ['metric']
    if metrics:
        at = 'epoch' if run.by_epoch else 'iteration'
        columns += ['last', 'best', f'best at {at}']
    if tested:
        columns += ['test']
    columns += ['better', 'unit']
    rows = []
    for name in names:
        series = metrics.get(name) or Series([0], [tested.get(name)])
        rule = rule_of(name)
        row: list[str | Number] = [name]
        if metrics:
            best = _extreme(run, series, rule)
            row += [series.last, *best] if name in metrics else [None] * 3
        if tested:
            row.append(tested.get(name))
        unit = unit_of(name, series)
        rows.append([*row, BETTER[rule], '%' if unit == '%' else ''])
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    note = 'Of the validations of the training.' if metrics else ''
    if tested:
        checkpoint = run.test.at.get('checkpoint')
        of = f' of {osp.basename(str(checkpoint))}' if checkpoint else ''
        note += f' "test" is the last test{of}.'
    return Table('run-metrics', 'Metrics', columns, rows, digits=4, note=note.strip())


def _extreme(run: Run, series: Series, rule: str | None) -> tuple[Number, Number]:
    """The best value, and where it was."""
    points = [
        (value, iteration)
        for value, iteration in zip(series.values, series.iterations, strict=True)
        if value is not None
    ]
    if rule is None or not points:
        return None, None
    choose = max if rule == 'greater' else min
    value, iteration = choose(points, key=lambda point: point[0])
    at = run.x([iteration])[0]
    return value, int(at) if at == int(at) else at


def _evaluation(run: Run) -> list[Section]:
    """The task's own sections, each with what they are of."""
    evaluation = run.evaluation or run.test
    if evaluation is None:
        return []
    of = _of(run, evaluation)
    return [
        Section(section.title, section.blocks, f'{of} {section.note}'.strip())
        for section in evaluation.sections
    ]


def _of(run: Run, evaluation: Evaluation) -> str:
    """Which weights an evaluation is of, a sentence."""
    if evaluation is run.test:
        checkpoint = osp.basename(str(evaluation.at.get('checkpoint') or ''))
        return f'Of {checkpoint}, tested alone.' if checkpoint else 'Of a test.'
    unit, at = next(iter(evaluation.at.items()), ('', ''))
    unit = {'iter': 'iteration'}.get(unit, unit)
    best = [name for name, best in run.best.items() if best.get('at') == at]
    what = f'the best by {best[0]}' if best else 'of the validations'
    if not run.best:
        what = 'the last validation'
    so_far = ' so far' if run.status == 'running' else ''
    return f'Of {unit} {at}, {what}{so_far}.'
