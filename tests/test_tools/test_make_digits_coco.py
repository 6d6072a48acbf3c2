import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from projects.core.datasets.digits_coco import make_digits_coco, read_settings

TOOL = Path(__file__).parents[2] / 'tools/dataset_tools/make_digits_coco.py'


@pytest.fixture
def run_tool(monkeypatch):
    """Run the tool in this process, which has paid for the imports."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


def test_tool_makes_the_set_and_sums_it_up(tmp_path, run_tool, capsys):
    run_tool(
        tmp_path / 'set',
        '--num-train',
        4,
        '--num-val',
        2,
        '--image-size',
        64,
        '--min-size',
        10,
        '--max-size',
        40,
        '--max-digits',
        2,
        '--difficulty',
        0.75,
        '--seed',
        3,
    )
    assert read_settings(tmp_path / 'set') == dict(
        num_train=4,
        num_val=2,
        image_size=64,
        min_size=10,
        max_size=40,
        max_digits=2,
        difficulty=0.75,
        seed=3,
        version=1,
    )
    *_, where, train, val = capsys.readouterr().out.splitlines()
    assert where == f'{tmp_path / "set"} holds'
    assert re.fullmatch(
        r'  train: 4 images, \d of them without a digit; '
        r'boxes: \d small, \d medium, 0 large',
        train,
    )
    assert val.startswith('  val: 2 images')


def test_an_error_is_one_line_and_status_1(tmp_path, run_tool, capsys):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(SystemExit) as exit_:
        run_tool(tmp_path)
    assert exit_.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {tmp_path} exists and is no digits-coco set')


def test_help_names_the_defaults_and_imports_nothing_heavy():
    result = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    text = ' '.join(result.stdout.split('options:')[1].split())
    described = dict(re.findall(r'--([a-z-]+) [A-Z_]+ ([^-]+)', text))
    settings = list(inspect.signature(make_digits_coco).parameters.values())
    assert settings.pop(0).name == 'root'
    assert set(described) == {s.name.replace('_', '-') for s in settings}
    for setting in settings:
        help_text = described[setting.name.replace('_', '-')].strip()
        assert help_text.endswith(f', {setting.default}')
    imported = set(re.findall(r'\| +([\w.]+)$', result.stderr, re.MULTILINE))
    assert 'argparse' in imported  # the list is that of this run
    assert not imported & {'torch', 'numpy', 'cv2', 'mmengine', 'sklearn'}
