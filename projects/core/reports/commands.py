"""The command lines that do a run again."""

import os
import os.path as osp
import shlex

from projects.core.reports.blocks import Section, Text
from projects.core.reports.runs import Run


def shown_path(path: str | os.PathLike) -> str:
    """A path as a command takes it here: relative, if it leads nowhere up."""
    relative = osp.relpath(path)
    return str(path) if relative.startswith('..') else relative


def commands_of(run: Run) -> Section:
    """How to train, resume and test it again, and to look at it."""
    record, folder = run.record, shown_path(run.folder)
    lines: list[tuple[str, list[str]]] = []
    if record and record.code.get('commit'):
        lines.append(
            ('the code of this run', ['git', 'checkout', record.code['commit']])
        )
    if record and record.command:
        lines.append(('as it was started', record.command))
    config = run.config_name and shown_path(run.config_name)
    config = (record and record.config) or config or 'CONFIG'
    options = record.cfg_options if record else []
    options = ['--cfg-options', *options] if options else []
    if not run.is_test:
        train = ['python', 'tools/train.py', config, '--work-dir']
        seed = record.seed if record else None
        seed = [] if seed is None else ['--seed', str(seed)]
        again = [*train, f'{folder}_again', *seed, *options]
        lines.append(('train it again, beside this one', again))
        resume = [*train, folder, '--resume', *options]
        lines.append(('go on from its newest checkpoint, if it was stopped', resume))
    checkpoint, what = _checkpoint(run)
    test = ['python', 'tools/test.py', config, checkpoint, '--work-dir', folder]
    lines += [
        (f'evaluate {what}', [*test, *options]),
        ('make this page again', ['python', 'tools/report.py', folder]),
        ('lay it beside another run', ['python', 'tools/compare.py', folder, 'OTHER']),
    ]
    text = '\n\n'.join(f'# {what}\n{shlex.join(words)}' for what, words in lines)
    note = 'From the folder of the project, to which the paths are relative.'
    if record and record.code.get('changed'):
        note += ' The files that were changed since the commit are named under "Code".'
    block = Text('run-commands', 'Command lines', text, verbatim=True, note=note)
    return Section('Run it again', [block])


def _checkpoint(run: Run) -> tuple[str, str]:
    """What is to be tested, and what it is in words."""
    folder = shown_path(run.folder)
    for best in run.best.values():
        if name := best.get('checkpoint'):
            return osp.join(folder, osp.basename(name)), 'its best checkpoint'
    if run.is_test and (tested := run.test.at.get('checkpoint')):
        return str(tested), 'that checkpoint again'
    try:
        text = (run.folder / 'last_checkpoint').read_text(encoding='utf-8')
        name = osp.basename(text.strip())
    except (OSError, ValueError):
        name = ''
    if name:
        return osp.join(folder, name), 'its last checkpoint'
    return 'CHECKPOINT', 'a checkpoint'
