"""A tiny digits-coco and a run on it that takes a second.

torch and the libraries are imported inside the fixtures: with pytest-xdist this
file is read by the process that distributes the tests, too, which needs none.
"""

import gc
import logging
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

# first: it makes mmcv's operators available before mmdet asks for them
import projects  # noqa: F401

if 'PYTEST_XDIST_WORKER' in os.environ:
    # One process per core: more threads than that wait for each other. Before torch
    # is imported; the subprocesses of tests inherit it.
    os.environ.setdefault('OMP_NUM_THREADS', '1')

ROOT = Path(__file__).resolve().parents[1]
# dropout and jitter: a run that draws other random numbers has other losses
TINY_CONFIG = """
_base_ = ['ROOT/configs/_base_/models/yolov1_mini.py',
          'ROOT/configs/_base_/datasets/digits_coco.py',
          'ROOT/configs/_base_/default_runtime.py']
model = dict(
    bbox_head=dict(
        num_classes=10, grid_size=4,
        predictor=dict(_delete_=True, type='projects.YOLOv1ConnectedPredictor',
                       hidden_channels=32, dropout=0.5)))
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='projects.RandomEdgeJitter', jitter=0.1),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=(
        'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
train_dataloader = dict(batch_size=4, num_workers=0, dataset=dict(
    data_root='DATA', pipeline=train_pipeline))
val_dataloader = dict(batch_size=4, num_workers=0, dataset=dict(
    data_root='DATA', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='DATA/annotations/val.json')
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.004, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0),
    clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', begin=0, end=8, T_max=8, by_epoch=True,
         convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(logger=dict(interval=1))
""".lstrip()


def pytest_xdist_auto_num_workers(config):
    """Workers of ``-n auto``: none for named files, one per core for folders.

    Each worker imports torch and the libraries, which takes longer than most files.
    """
    named = [
        config.invocation_params.dir / arg.partition('::')[0] for arg in config.args
    ]
    return 0 if all(path.is_file() for path in named) else None


@pytest.fixture(scope='session', autouse=True)
def end_workers():
    """Function that ends the workers of all data loaders.

    Found later among the garbage, each of them is waited for five seconds: the
    queue that would tell it to end is gone by then.
    """
    from torch.utils.data import DataLoader

    iterators = weakref.WeakSet()
    get_iterator = DataLoader._get_iterator

    def remember(loader):
        iterator = get_iterator(loader)
        iterators.add(iterator)
        return iterator

    def end():
        for iterator in list(iterators):
            if hasattr(iterator, '_shutdown_workers'):  # it has some
                iterator._shutdown_workers()
        iterators.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataLoader, '_get_iterator', remember)
        yield end


@pytest.fixture
def pages():
    """Asked for by tests of the page that a training makes at its end."""


@pytest.fixture(autouse=True)
def _no_page_unless_asked_for(request, monkeypatch):
    """A page takes longer than most trainings of tests."""
    training = sys.modules.get('projects.core.engine.training')
    if training is not None and 'pages' not in request.fixturenames:
        monkeypatch.setattr(training, '_make_page', lambda runner: None)


@pytest.fixture(autouse=True)
def _no_log_goes_to_the_screen_of_another_test():
    """Of a logger that was made while pytest caught a test's output."""
    mmengine = sys.modules.get('mmengine.logging')
    loggers = mmengine.MMLogger._instance_dict.values() if mmengine else ()
    for handler in (handler for logger in loggers for handler in logger.handlers):
        if getattr(getattr(handler, 'stream', None), 'closed', False):
            handler.stream = sys.stdout


@pytest.fixture(autouse=True)
def _no_workers_are_left(end_workers):
    yield
    end_workers()


@pytest.fixture(scope='session')
def make_once(tmp_path_factory):
    """Function that has a folder filled by the first worker that asks for it.

    All workers read the same files, so that tests must not write to the folder.
    """
    base = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        base = base.parent  # that of the run; each worker has a folder in it

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = base / name, base / f'{name}.done'
        with FileLock(base / f'{name}.lock'):
            if not done.exists():
                folder.mkdir(exist_ok=True)
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope='session')
def digits_coco(make_once):
    """Folder of 16 + 6 images of 64 x 64 pixels."""
    from projects.core.datasets.digits_coco import make_digits_coco

    def fill(folder):
        make_digits_coco(
            folder / 'digits',
            num_train=16,
            num_val=6,
            image_size=64,
            min_size=12,
            max_size=40,
            max_digits=3,
        )

    return make_once('data', fill) / 'digits'


def tiny_config(path, data_root, extra=''):
    """Write a run config, ``extra`` below it; its path as a string."""
    path.write_text(
        TINY_CONFIG.replace('ROOT', str(ROOT)).replace('DATA', str(data_root)) + extra
    )
    return str(path)


@pytest.fixture(scope='session')
def write_tiny():
    """:func:`tiny_config`, for fixtures of any scope."""
    return tiny_config


def clear():
    """Forget MMEngine's loggers, message hubs and scopes.

    It keeps them by the run's name, which is unique to the second alone.
    """
    from mmengine.utils import ManagerMixin

    classes = [ManagerMixin]
    for cls in classes:
        classes += cls.__subclasses__()
        vars(cls).get('_instance_dict', {}).clear()


@pytest.fixture
def fresh(monkeypatch, tmp_path, end_workers):
    """As in a new process, and in a folder of its own."""
    import mmengine.runner.runner
    import torch
    import yapf.yapflib.yapf_api

    monkeypatch.chdir(tmp_path)
    # half a second each: to format a config, to ask gcc for its version
    monkeypatch.setattr(
        yapf.yapflib.yapf_api, 'FormatCode', lambda text, **kwargs: (text, True)
    )
    monkeypatch.setattr(mmengine.runner.runner, 'collect_env', dict)
    # a data loader waits so many seconds for a worker of this process to end
    monkeypatch.setattr(torch.utils.data._utils, 'MP_STATUS_CHECK_INTERVAL', 0.2)

    # MMEngine collects garbage for each data set: not among the objects of torch
    gc.freeze()

    def again():
        end_workers()
        clear()

    clear()
    yield again
    again()
    gc.unfreeze()
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def write_config(tmp_path, digits_coco, fresh):
    """Function that writes a tiny run config and returns its path."""

    def write(extra='', name='tiny.py', data_root=digits_coco):
        return tiny_config(tmp_path / name, data_root, extra)

    return write


@pytest.fixture(scope='session')
def build_on_meta():
    """Function that builds a variant without memory for its weights."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    from projects.core.config.walk import set_everywhere
    from projects.core.variants import config_root
    from projects.registry import MODELS

    def build(name, num_classes=None):
        cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py')
        if num_classes is not None:
            set_everywhere(cfg.model, 'num_classes', num_classes)
        with (
            DefaultScope.overwrite_default_scope(cfg.default_scope),
            torch.device('meta'),
        ):
            return MODELS.build(cfg.model)

    return build


PERIOD = 65_537  # prime: no row of a weight is like another


def repeating(draw):
    """``Tensor.normal_``, or its like, that computes the first numbers alone."""

    def fill(tensor, *args, **kwargs):
        if tensor.numel() <= PERIOD or tensor.is_meta or not tensor.is_contiguous():
            return draw(tensor, *args, **kwargs)
        flat = tensor.view(-1)
        draw(flat[:PERIOD], *args, **kwargs)
        num = PERIOD
        while num < len(flat):
            flat[num : 2 * num] = flat[: len(flat) - num][:num]
            num *= 2
        return tensor

    return fill


@pytest.fixture(scope='module')
def cheap_weights():
    """Initialisers repeat the first 65,537 numbers in each large weight.

    Their mean and deviation are as ever, at a quarter of the time: most of what a
    test of a VGG with its 140 million parameters takes otherwise.
    """
    import torch

    with pytest.MonkeyPatch.context() as patch:
        # trunc_normal_ is the inverse error function of what uniform_ draws
        for name in ('normal_', 'uniform_', 'erfinv_'):
            patch.setattr(torch.Tensor, name, repeating(getattr(torch.Tensor, name)))
        yield


@pytest.fixture(scope='module')
def few_objects():
    """MMEngine collects garbage for each data set: not among the objects of torch,
    which takes half a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def error_of(capsys):
    """Call as the tools do: the message on stderr, given that it fails."""
    from projects.core.cli import run_tool

    def call(function, *args, **kwargs):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run_tool(function, *args, **kwargs)
        assert exit_.value.code == 1
        error = capsys.readouterr().err
        assert error.startswith('error: ')
        assert 'Traceback' not in error
        return error.removeprefix('error: ').rstrip()

    return call


@pytest.fixture
def train_in_two():
    """Function that trains a config in two processes, with half the batch each.

    It takes the config, the work dir, the batch of a process and, where the config
    imports from one, a folder of modules.
    """

    def call(config, work_dir, batch_size, modules=None):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
        env = {k: v for k, v in os.environ.items() if k not in ('PORT', 'RANK')}
        if modules is not None:
            paths = [str(modules), env.get('PYTHONPATH', '')]
            env['PYTHONPATH'] = os.pathsep.join(paths)
        done = subprocess.run(
            [
                'bash',
                str(ROOT / 'tools/dist_train.sh'),
                str(config),
                '2',
                '--work-dir',
                work_dir,
                '--cfg-options',
                f'train_dataloader.batch_size={batch_size}',
            ],
            env={**env, 'PATH': path, 'CUDA_VISIBLE_DEVICES': ''},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    return call


class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture
def warnings_logged():
    """Messages that reach MMEngine's current logger, at WARNING and above."""
    from mmengine.logging import MMLogger

    logger, handler = MMLogger.get_current_instance(), Records()
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    yield handler.messages
    logger.removeHandler(handler)


@pytest.fixture(scope='session')
def trained(make_once, digits_coco):
    """Work dir of ``tools/train.py`` on the tiny config, two epochs.

    What the screen showed is in ``screen.txt``; the config is ``tiny.py``,
    with a hook for the pictures.
    """

    def fill(folder):
        config = tiny_config(
            folder / 'tiny.py',
            digits_coco,
            """
custom_hooks = [*_base_.custom_hooks,
                dict(type='projects.DetectionPicturesHook')]
""",
        )
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools/train.py'), config, '--work-dir', 'run'],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        (folder / 'run/screen.txt').write_text(done.stdout)
        (folder / 'run/tiny.py').write_text(Path(config).read_text())

    return make_once('trained', fill) / 'run'


# learns its 16 images by heart and is evaluated on them: all metrics are above 0
BY_HEART = """
model['bbox_head']['predictor'] = dict(
    _delete_=True, type='projects.YOLOv1ConvPredictor')
train_pipeline.pop(2)
train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=99)
param_scheduler = []
auto_scale_lr = None
for loader in (val_dataloader, test_dataloader):
    loader['dataset']['split'] = 'train'
val_evaluator['ann_file'] = 'DATA/annotations/train.json'
test_evaluator = val_evaluator
"""


@pytest.fixture
def by_heart_text():
    """What makes that of the tiny config; DATA is the folder of the data."""
    return BY_HEART


@pytest.fixture
def by_heart(write_config, digits_coco):
    """Config of the run of ``checkpoint``."""
    return write_config(BY_HEART.replace('DATA', str(digits_coco)))


@pytest.fixture(scope='session')
def checkpoint(make_once, digits_coco):
    """Path of a checkpoint that detects what is in ``digits_coco/train``."""
    from projects.core.engine import train

    def fill(folder):
        config = tiny_config(
            folder / 'tiny.py', digits_coco, BY_HEART.replace('DATA', str(digits_coco))
        )
        clear()
        train(
            config,
            str(folder / 'run'),
            cfg_options=[
                'default_hooks.checkpoint.interval=40',
                'default_hooks.logger.interval=4',
            ],
        )
        clear()

    return str(make_once('by_heart', fill) / 'run/epoch_40.pth')


@pytest.fixture(scope='session')
def lenet(make_once):
    """Path of a classifier's checkpoint that takes 3 for 8 and 8 for 3.

    Their rows of the last layer are exchanged, so that there are mistakes to
    report, whatever the training came to.
    """
    import torch

    from projects.core.engine import train
    from projects.core.variants import config_root

    def fill(folder):
        clear()
        train(
            str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py'),
            str(folder),
            cfg_options=[
                'train_cfg.max_epochs=2',
                'param_scheduler=[]',
                'train_dataloader.num_workers=0',
            ],
        )
        clear()
        saved = torch.load(folder / 'epoch_2.pth', weights_only=False)
        weights = saved['state_dict']
        for name in [name for name in weights if name.startswith('head.')][-2:]:
            weights[name][[3, 8]] = weights[name][[8, 3]]
        torch.save(saved, folder / 'lenet.pth')

    return str(make_once('lenet', fill) / 'lenet.pth')


CHROMIUM = ('chromium', 'chromium-browser', 'google-chrome')
# nothing that asks a network for news
CHROMIUM_FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]


@pytest.fixture(scope='session')
def browser():
    """A headless Chromium of the system, one per worker."""
    found = os.environ.get('CHROMIUM') or next(
        filter(None, map(shutil.which, CHROMIUM)), None
    )
    if found is None:
        pytest.skip(f'no browser: none of {", ".join(CHROMIUM)} on PATH, nor $CHROMIUM')
    api = pytest.importorskip('playwright.sync_api')
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=CHROMIUM_FLAGS
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Function that opens a file in a tab without a network.

    It takes the path, the width of the window in pixels, and options of playwright's
    ``new_context``. What the console had to say, and requests that failed, fail the
    test at its end.
    """
    contexts, problems = [], []

    def open_(path, width=1440, **options):
        context = browser.new_context(
            viewport={'width': width, 'height': 900}, offline=True, **options
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(30_000)  # of a machine that is busy
        tab.on('console', lambda message: problems.append(message.text))
        tab.on('pageerror', lambda error: problems.append(str(error)))
        tab.on('requestfailed', lambda request: problems.append(request.url[:200]))
        tab.goto(Path(path).resolve().as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert problems == []
