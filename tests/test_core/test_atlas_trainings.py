"""The trainings of tools/atlas.py: who is trained, taken up, or fails."""

import json
from pathlib import Path

import pytest
from runs_to_compare import write_run

from projects.core.benchmark import atlas as module
from projects.core.benchmark.atlas import atlas, chosen, is_finished
from projects.core.errors import UserError
from projects.core.variants import config_root

# tools/train.py of a second: LeNet fails, the others write a run
TOOL = """
import json, sys
sys.path[:0] = [{root!r}, {tests!r}]
from runs_to_compare import write_run
config, work_dir = sys.argv[1], sys.argv[3]
with open('calls.txt', 'a') as calls:
    calls.write(json.dumps(sys.argv[1:]) + '\\n')
if 'lenet' in config:
    print('loading')
    sys.exit('error: no space left')
write_run(work_dir)
"""


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Function that gives the calls of a stand-in for tools/train.py so far."""
    tests = Path(__file__).parent
    paths = dict(root=str(tests.parents[1]), tests=str(tests))
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text(TOOL.format(**paths))
    monkeypatch.setattr(module, 'config_root', lambda: tmp_path / 'configs')
    monkeypatch.chdir(tmp_path)
    Path('calls.txt').touch()

    def calls():
        file = Path('calls.txt')
        return list(
            map(json.loads, file.read_text().splitlines() if file.exists() else '')
        )

    return calls


def names(configs):
    return [path.stem for path in chosen(configs)]


def test_all_on_digits_by_default():
    found = names([])
    assert len(found) > 30
    assert all(name.endswith(('_digits', '_digits-coco')) for name in found)
    assert any('ssd' in name for name in found)


def test_patterns_names_and_files_mean_each_config_once():
    lenet = config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py'
    assert names([str(lenet), 'lenet5*_digits', lenet.stem]) == [
        'lenet5-modern_1xb64-20e_digits',
        'lenet5_1xb64-40e_digits',
        'lenet5-scratch_1xb64-20e_digits',
    ]


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('resnet19*', r"no config has a name like 'resnet19\*'"),
        (
            'lenet5-modrn_1xb64-20e_digits',
            'did you mean lenet5-modern_1xb64-20e_digits',
        ),
        ('nonsense', "give a file, or a pattern such as 'resnet"),
        ('no/such.py', r'no config no/such\.py'),
    ],
)
def test_what_means_no_config(name, message):
    with pytest.raises(UserError, match=message):
        chosen([name])


def test_the_missing_are_trained_and_failures_stop_no_other(tool, tmp_path):
    finished = tmp_path / 'runs/vgg11_1xb64-20e_digits'
    write_run(finished)
    page = atlas(['vgg11_*_digits', 'lenet5_*_digits', 'nin_*_digits'], 'runs')
    assert [Path(call[0]).stem for call in tool()] == [
        'lenet5_1xb64-40e_digits',
        'nin_1xb64-40e_digits',
    ]
    assert tool()[1][1:] == ['--work-dir', 'runs/nin_1xb64-40e_digits']
    text = Path(page).read_text()
    assert page == 'runs/atlas.html'
    assert '2 of 3 configs' in text
    assert 'no space left' in text
    # what failed is tried again, the others are there
    atlas(['vgg11_*_digits', 'lenet5_*_digits', 'nin_*_digits'], 'runs')
    assert len(tool()) == 3


def test_a_stopped_run_goes_on(tool, tmp_path):
    folder = tmp_path / 'runs/nin_1xb64-40e_digits'
    write_run(folder, sessions=[dict(seconds=1.0, end='stopped')])
    (folder / 'epoch_1.pth').touch()
    assert not is_finished(str(folder))
    atlas(['nin_*_digits'], 'runs')
    assert tool()[0][-1] == '--resume'


def test_nothing_is_trained_where_that_is_said(tool):
    with pytest.raises(UserError, match='none of the 1 configs has a run'):
        atlas(['nin_*_digits'], 'runs', train=False)
    assert tool() == []
    assert not Path('runs').exists()


def test_a_page_over_a_foreign_file_is_refused_before_the_training(tool):
    Path('mine.html').write_text('mine')
    with pytest.raises(UserError, match=r'mine\.html .* not made by this tool'):
        atlas(['nin_*_digits'], 'runs', out='mine.html')
    assert tool() == []
