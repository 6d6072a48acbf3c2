"""What a user of tools/train.py sees, and its options."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from projects.core.engine import train

TOOLS = Path(__file__).parents[2] / 'tools'
# of the libraries; a user can do nothing about them
CHATTER = [
    'Could not import',
    'Line NMS',
    'weights_only',
    'Falling back',
    'FileClient',
    'HardDiskBackend',
    'paramwise_options',
    'UserWarning',
    'FutureWarning',
    'DeprecationWarning',
    'loading annotations',
    'index created',
    'safely load',
]


def log(work_dir):
    return ''.join(file.read_text() for file in sorted(Path(work_dir).glob('*/*.log')))


def test_screen_tells_what_runs_and_where_all_is(trained):
    lines = (trained / 'screen.txt').read_text().splitlines()
    # before them the data set may be made
    first = next(i for i, line in enumerate(lines) if 'training' in line)
    assert re.search(
        r'training \S*tiny.py: SingleStageDetector, 0\.\d\d M parameters, on '
        r'16 images of DigitsCocoDataset, 2 epochs, seed 0, on 1 x \w+$',
        lines[first],
    )
    assert first == 0
    assert lines[1].endswith('log and checkpoints: run')
    assert lines[2].endswith('up to 8: it does not get to its end')
    assert lines[3].endswith('lr 0.004 x 4/16 = 0.001')
    steps = [line for line in lines if 'Epoch(train)' in line]
    assert [re.search(r'\[\d\]\[\d/\d\]', line)[0] for line in steps] == [
        f'[{epoch}][{step}/4]' for epoch in (1, 2) for step in (1, 2, 3, 4)
    ]
    assert all(re.search(r'eta: \d:\d\d:\d\d .* loss: \d', s) for s in steps)
    time, best, pictures, page = lines[-4:]
    assert re.search(r'trained in \d+:\d\d:\d\d$', time)
    score, file = re.search(r'best coco/bbox_mAP (\d\.\d{4}): (\S+)$', best).groups()
    assert (trained.parent / file).is_file()
    assert Path(file).name.startswith('best_coco_bbox_mAP_epoch_')
    scores = re.findall(r'Epoch\(val\).* coco/bbox_mAP: (\d\.\d{4})', '\n'.join(lines))
    assert len(scores) == 2
    assert score == max(scores)
    assert pictures.endswith('pictures of detections: run/pictures/epoch_2.png')
    assert page.endswith('page: run/report.html')


def test_screen_shows_no_page_of_config_and_no_chatter(trained):
    screen = (trained / 'screen.txt').read_text()
    assert not [words for words in CHATTER if words in screen]
    assert 'Config:' not in screen
    assert 'Config:' in log(trained)  # it is in the file


@pytest.mark.parametrize('scaled', [True, False])
def test_learning_rate_follows_the_batch(write_config, scaled):
    config = write_config('\nparam_scheduler = []\n')
    runner = train(
        config,
        'run',
        auto_scale_lr=scaled,
        cfg_options=[
            'optim_wrapper.optimizer.lr=0.01',
            'train_dataloader.batch_size=8',
            'optim_wrapper.accumulative_counts=2',
            'auto_scale_lr.base_batch_size=64',
            'train_cfg.max_epochs=1',
        ],
    )
    assert ('lr 0.01 x 16/64 = 0.0025' in log('run')) == scaled
    lr = 0.0025 if scaled else 0.01
    assert {g['lr'] for g in runner.optim_wrapper.param_groups} == {lr}


def losses(work_dir):
    return re.findall(r' loss: ([\d.]+)', log(work_dir))


def test_seed_decides_all_random_numbers(write_config, fresh):
    for work_dir, seed in (('a', 3), ('b', 3), ('c', 4)):
        train(
            write_config(), work_dir, seed=seed, cfg_options=['train_cfg.max_epochs=1']
        )
        fresh()
    assert len(losses('a')) == 4
    assert losses('a') == losses('b')
    assert not set(losses('a')) & set(losses('c'))


def test_deterministic(write_config):
    train(
        write_config(),
        'run',
        deterministic=True,
        cfg_options=['train_cfg.max_epochs=1'],
    )
    assert torch.are_deterministic_algorithms_enabled()


def test_default_work_dir(write_config):
    train(write_config(name='some_run.py'), cfg_options=['train_cfg.max_epochs=1'])
    assert Path('work_dirs/some_run/epoch_1.pth').is_file()
    assert 'max_epochs=1' in Path('work_dirs/some_run/some_run.py').read_text()


# torch or mmengine would take seconds
WITHOUT = """
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('torch', 'mmengine', 'cv2', 'numpy'):
            raise AssertionError(f'{name} is imported')
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.mark.parametrize(
    'tool',
    [
        'train.py',
        'test.py',
        'infer.py',
        'dataset_tools/make_digits_coco.py',
        'model_converters/darknet.py',
        'model_converters/reparameterize.py',
    ],
)
def test_help_and_usage_import_nothing_heavy(tool):
    def run(*args):
        return subprocess.run(
            [sys.executable, '-c', WITHOUT, str(TOOLS / tool), *args],
            capture_output=True,
            text=True,
            check=False,
        )

    shown = run('--help')
    assert (shown.returncode, shown.stderr) == (0, '')
    assert shown.stdout.startswith('usage: ')
    refused = run('--no-such-option')
    assert refused.returncode == 2
    assert 'Traceback' not in refused.stderr
    assert refused.stderr.startswith('usage: ')


def test_blocker_blocks():
    """Else the test above could not fail."""
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT, str(TOOLS / 'train.py'), 'x.py'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'is imported' in done.stderr
