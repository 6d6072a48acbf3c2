"""Known messages of the libraries are dropped, all others are not."""

import subprocess
import sys

import pytest
import torch
from mmengine.logging import logger as mmengine_logger
from mmengine.logging import print_log
from mmengine.optim import OneCycleLR
from mmengine.runner import load_checkpoint, save_checkpoint

from projects.core.quiet import KNOWN_MESSAGES, quiet_libraries

# of interest to a user, so it stays
LOADING = 'Loads checkpoint by local backend from path: {}\n'


def run(code):
    """stdout and stderr of ``code`` in a fresh process."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        timeout=600,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def checkpoint(tmp_path):
    """One that mmengine cannot load as mere weights."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    # its state holds a method of the scheduler
    scheduler = OneCycleLR(optimizer, eta_max=0.1, total_steps=9)
    path = tmp_path / 'epoch_1.pth'
    save_checkpoint(
        dict(state_dict=model.state_dict(), param_schedulers=[scheduler.state_dict()]),
        str(path),
    )
    return str(path)


@pytest.fixture
def quiet(monkeypatch):
    # so that it is undone
    monkeypatch.setattr(mmengine_logger, 'print', print, raising=False)
    quiet_libraries()


def test_loading_a_checkpoint_is_noisy_by_itself(checkpoint, capsys, monkeypatch):
    monkeypatch.delattr(mmengine_logger, 'print', raising=False)
    load_checkpoint(torch.nn.Linear(2, 2), checkpoint)
    assert KNOWN_MESSAGES[1] in capsys.readouterr().out


@pytest.mark.usefixtures('quiet')
def test_loading_a_checkpoint_says_only_which(checkpoint, capsys):
    load_checkpoint(torch.nn.Linear(2, 2), checkpoint)
    out, err = capsys.readouterr()
    assert out == LOADING.format(checkpoint)
    assert err == ''


@pytest.mark.usefixtures('quiet')
def test_other_messages_are_printed(capsys):
    print_log('Could not import COCO.')
    print_log(f'Beware: {KNOWN_MESSAGES[0]}')  # only where it begins with it
    for message in KNOWN_MESSAGES:
        print_log(message + ' more')
    assert capsys.readouterr().out == (
        f'Could not import COCO.\nBeware: {KNOWN_MESSAGES[0]}\n'
    )
    print(KNOWN_MESSAGES[0])  # one's own print is not touched
    assert capsys.readouterr().out == KNOWN_MESSAGES[0] + '\n'


@pytest.mark.slow
def test_importing_mmdet_is_noisy_by_itself():
    out, _ = run('import projects, mmdet.datasets')
    # once for the data sets and once for the transforms
    assert [line.startswith(KNOWN_MESSAGES[0]) for line in out.splitlines()] == [
        True
    ] * 2


def test_libraries_and_a_detector_say_nothing(checkpoint):
    out, err = run(f"""
import sys
import projects
from projects.core.quiet import quiet_libraries
assert 'torch' not in sys.modules
quiet_libraries()
quiet_libraries()
import mmdet.apis, mmdet.datasets, mmdet.models, mmpretrain.models, torch
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope
with DefaultScope.overwrite_default_scope('mmdet'):
    model = MODELS.build(dict(
        type='RetinaNet', backbone=dict(type='ResNet', depth=18),
        neck=dict(type='FPN', in_channels=[64, 128, 256, 512],
                  out_channels=8, num_outs=5),
        bbox_head=dict(type='RetinaHead', num_classes=3, in_channels=8,
                       feat_channels=8)))
from mmengine.runner import load_checkpoint
load_checkpoint(torch.nn.Linear(2, 2), {checkpoint!r})
""")
    assert out == LOADING.format(checkpoint)
    assert err == ''


@pytest.mark.slow
def test_a_missing_extra_is_no_warning():
    hidden = "import sys; sys.modules['faster_coco_eval'] = None; "
    imports = 'import projects, mmdet.evaluation'
    _, err = run(hidden + imports)
    assert 'faster_coco_eval is not installed' in err
    quiet = (
        'import projects; from projects.core.quiet import '
        'quiet_libraries; quiet_libraries(); '
    )
    assert run(hidden + quiet + imports) == ('', '')
