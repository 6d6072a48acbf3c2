"""tools/report.py from the command line."""

import json
import runpy
import sys
from contextlib import suppress
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/report.py'


@pytest.fixture
def call(monkeypatch, capsys):
    """Function that calls the tool: what it prints, and what it says on stderr."""

    def call_(*args):
        monkeypatch.setattr(sys, 'argv', ['report.py', *map(str, args)])
        with suppress(SystemExit):
            runpy.run_path(str(TOOL), run_name='__main__')
        return capsys.readouterr()

    return call_


def test_page_of_a_work_dir(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vis_data = tmp_path / 'run/20260101_120000/vis_data'
    vis_data.mkdir(parents=True)
    lines = [dict(loss=1 / i, iter=i, step=i) for i in (1, 2)]
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (vis_data / 'scalars.json').write_text(text)
    before = sorted(tmp_path.rglob('*'))

    assert call('run', '-o', 'page.html').out == 'page: page.html\n'
    assert '<title>Run run' in Path('page.html').read_text(encoding='utf-8')
    made = {'page.html', '.mmatlas.sha256'}
    assert sorted(p for p in tmp_path.rglob('*') if p.name not in made) == before
    assert call('run').out == 'page: run/report.html\n'


@pytest.mark.parametrize(
    ('args', 'error'),
    [
        (['nowhere'], 'nowhere is not there; give the work dir of a run'),
        (['.'], '. holds no log of tools/train.py'),
        ([' '], "work_dir: a path, not ' '"),
    ],
)
def test_what_is_no_run_is_one_line(call, tmp_path, monkeypatch, args, error):
    monkeypatch.chdir(tmp_path)
    printed = call(*args)
    assert printed.out == ''
    assert printed.err.startswith(f'error: {error}')
    assert printed.err.count('\n') == 1
