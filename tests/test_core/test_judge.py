"""The judge of samples: what it sees, and how it is trained once."""

import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.config import find_config, load_config
from projects.core.errors import UserError
from projects.core.tasks.generation import judge_training
from projects.core.tasks.generation.judge import (
    ClassifierJudge,
    InceptionJudge,
    build_classifier,
    build_judge,
    check_judge,
    input_size,
)
from projects.core.tasks.generation.judge_training import trained_judge
from projects.registry import DATASETS

LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
# stands for a training: what it leaves, and in what surroundings it ran
TRAINING = """
import json, os, sys
from pathlib import Path
config, folder = sys.argv[1:]
Path(folder, 'judge.pth').write_text('weights')
report = dict(metrics={'accuracy/top1': 97.5}, env=dict(os.environ))
Path(folder, 'judge.json').write_text(json.dumps(report))
"""


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """File with weights of a LeNet of digits that learned nothing."""
    torch.manual_seed(0)
    model = build_classifier(load_config(LENET))
    path = tmp_path_factory.mktemp('judge') / 'lenet.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def judge(weights):
    return build_judge(dict(config=LENET, checkpoint=weights))


def images(num=3, channels=1, size=28):
    g = torch.Generator().manual_seed(0)
    shape = (num, channels, size, size)
    return torch.randint(0, 256, shape, generator=g).to(torch.uint8)


# ------------------------------------------------------------------- verdicts
def test_features_are_what_the_last_layer_takes(judge):
    verdict = judge(images())
    assert verdict.features.shape == (3, 84)
    assert verdict.logits.shape == (3, 10)
    layer = judge.model.head.classifier[-1]
    assert torch.equal(verdict.logits, layer(verdict.features))
    assert judge.name == 'lenet5-modern_1xb64-20e_digits'
    assert judge.accuracy is None


def test_logits_are_those_of_the_classifier(judge):
    x = images()
    data = judge.model.data_preprocessor(dict(inputs=x), False)
    expected = judge.model(data['inputs'], mode='tensor')
    torch.testing.assert_close(judge(x).logits, expected)
    torch.testing.assert_close(judge(x.float()).logits, expected)


def test_images_of_any_size_are_judged(judge):
    small = images(size=7).float()
    x, large = (  # smooth: noise is another at another size
        torch.nn.functional.interpolate(small, (s, s), mode='bicubic').clamp(0, 255)
        for s in (28, 56)
    )
    verdict = judge(large)
    assert verdict.features.shape == (3, 84)
    own = judge(x).features
    near = (verdict.features - own).norm(dim=1)
    far = (own - own.roll(1, 0)).norm(dim=1)
    assert (near < 0.2 * far).all()


def test_coloured_judges_take_grey_images(tmp_path):
    model = dict(
        type='projects.ImageClassifier',
        data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6], to_rgb=True),
        backbone=dict(type='projects.LeNet', in_channels=3),
        head=dict(
            type='projects.MLPClsHead', num_classes=4, in_channels=16, pool_size=5
        ),
    )
    cfg = Config(dict(model=model, default_scope='mmpretrain'))
    path = tmp_path / 'x.pth'
    torch.save(build_classifier(cfg).state_dict(), path)
    judge = ClassifierJudge(cfg, 'coloured', str(path))
    assert input_size(cfg) is None
    x = images()
    grey = judge(x.expand(-1, 3, -1, -1))
    assert torch.equal(judge(x).logits, grey.logits)
    # RGB as they are, although the classifier's own images come as BGR
    x = images(channels=3)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([1, 2, 3], [4, 5, 6]))
    expected = judge.model((x - mean) / std, mode='tensor')
    torch.testing.assert_close(judge(x).logits, expected)


def test_building_a_judge_leaves_no_trace(weights):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    scope = DefaultScope.get_current_instance()
    build_judge(dict(config=LENET, checkpoint=weights))
    assert torch.equal(torch.get_rng_state(), state)
    assert DefaultScope.get_current_instance() is scope


@pytest.mark.parametrize(
    ('pipeline', 'size'),
    [
        ([dict(type='Resize', scale=(32, 24)), dict(type='PackInputs')], (24, 32)),
        (
            [
                dict(type='ResizeEdge', scale=256),
                dict(type='CenterCrop', crop_size=224),
                dict(type='PackInputs'),
            ],
            (224, 224),
        ),
        ([dict(type='PackInputs')], None),
    ],
)
def test_input_size(pipeline, size):
    cfg = dict(test_dataloader=dict(dataset=dict(pipeline=pipeline)))
    assert input_size(Config(cfg)) == size


# ----------------------------------------------------------------- bad input
def test_other_images_are_refused(judge):
    with pytest.raises(UserError, match='takes 1 channels, and the samples have 3'):
        judge(images(channels=3))
    with pytest.raises(UserError, match=r'samples of shape \(2,\) are no images'):
        judge(torch.zeros(5, 2))


@pytest.mark.parametrize('model', ["dict(type='projects.GAN')", 'dict()'])
def test_only_a_classifier_is_a_judge(tmp_path, model):
    config, root = tmp_path / 'x.py', tmp_path / 'judges'
    config.write_text(f'model = {model}\n')
    with pytest.raises(UserError, match='no image classifier; name a config of one'):
        build_judge(dict(config=str(config), root=str(root)))
    assert not root.exists()


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), tmp_path / 'x.pth')
    with pytest.raises(UserError, match='does not fit this model'):
        build_judge(dict(config=LENET, checkpoint=str(tmp_path / 'x.pth')))
    with pytest.raises(UserError, match='there is no checkpoint'):
        check_judge(dict(config=LENET, checkpoint=str(tmp_path / 'y.pth')))


def test_the_inception_network_needs_its_package(monkeypatch, tmp_path):
    for module in ('torch_fidelity', 'torch_fidelity.feature_extractor_inceptionv3'):
        monkeypatch.setitem(sys.modules, module, None)
    match = 'inception.pth needs torch-fidelity: pip install torch-fidelity'
    with pytest.raises(UserError, match=match):
        InceptionJudge('inception.pth')
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(UserError, match=match):
        check_judge(dict(inception='inception.pth'))


def test_the_file_of_the_inception_network_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: 'there')
    path = str(tmp_path / 'inception.pth')
    with pytest.raises(UserError, match=f'no checkpoint {path}; it is at https://'):
        check_judge(dict(inception=path))


def test_the_inception_network(tmp_path, monkeypatch):
    extractor = pytest.importorskip('torch_fidelity.feature_extractor_inceptionv3')
    monkeypatch.setattr(extractor, 'load_state_dict_from_url', lambda *a, **k: {})
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Module, 'load_state_dict', lambda *a, **k: None)
        network = extractor.FeatureExtractorInceptionV3('x', ['2048'])
    path = str(tmp_path / 'inception.pth')
    torch.save(network.state_dict(), path)
    judge = build_judge(dict(inception=path))
    verdict = judge(images(2))
    assert verdict.features.shape == (2, 2048)
    assert verdict.logits.shape == (2, 1008)
    expected = network(images(2).expand(-1, 3, -1, -1))[0]
    torch.testing.assert_close(verdict.features, expected)
    torch.save(dict(a=torch.zeros(1)), path)
    with pytest.raises(UserError, match='no weights of the Inception network'):
        build_judge(dict(inception=path))


# --------------------------------------------------------------- the training
@pytest.fixture
def log_lines(monkeypatch):
    lines = []
    monkeypatch.setattr(
        judge_training, 'print_log', lambda line, logger: lines.append(line)
    )
    return lines


@pytest.fixture
def quick(monkeypatch, log_lines):
    monkeypatch.setattr(judge_training, '_TRAINING', TRAINING)
    return log_lines


@pytest.fixture(scope='module')
def cfg():
    return load_config(LENET)


def test_a_judge_is_trained_once(tmp_path, quick, cfg):
    root = tmp_path / 'judges'
    made = trained_judge(LENET, cfg, root)
    assert made.accuracy == 97.5
    assert made.checkpoint.read_text() == 'weights'
    assert made.checkpoint.parents[1] == root / 'lenet5-modern_1xb64-20e_digits'
    assert [line.partition(' judge')[0] for line in quick] == [
        'training the',
        'trained the',
    ]
    assert 'right on 97.50 % of the held-out images' in quick[1]
    written = made.checkpoint.stat().st_mtime_ns
    again = trained_judge(LENET, cfg, root)
    assert again == made
    assert again.checkpoint.stat().st_mtime_ns == written
    assert len(quick) == 2


def test_another_config_has_a_judge_of_its_own(tmp_path, quick, cfg):
    first = trained_judge(LENET, cfg, tmp_path)
    other = load_config(LENET, ['model.head.dropouts=(0,0,0.25)'])
    second = trained_judge(LENET, other, tmp_path)
    assert first.checkpoint != second.checkpoint
    assert first.checkpoint.is_file()
    assert first.checkpoint.parents[1] == second.checkpoint.parents[1]


def test_it_is_a_process_of_its_own(tmp_path, quick, cfg, monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'TORCHELASTIC_RUN_ID'):
        monkeypatch.setenv(name, '1')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    made = trained_judge(LENET, cfg, tmp_path)
    report = json.loads((made.checkpoint.parent / 'judge.json').read_text())
    names = report['env'].keys()
    assert not names & {'RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'TORCHELASTIC_RUN_ID'}
    assert names & {'OMP_NUM_THREADS'}
    project = Path(judge_training.__file__).parents[4]
    assert report['env']['PYTHONPATH'].split(os.pathsep)[0] == str(project)


def test_a_training_that_fails_leaves_nothing(tmp_path, quick, cfg, monkeypatch):
    fail = "import sys; sys.exit('error: no room\\nerror: the disk is full')"
    monkeypatch.setattr(judge_training, '_TRAINING', fail)
    with pytest.raises(UserError, match='failed: the disk is full; tools/train'):
        trained_judge(LENET, cfg, tmp_path)
    left = [p.name for p in tmp_path.rglob('*') if p.is_file()]
    assert all(name.endswith('.lock') for name in left)
    monkeypatch.setattr(judge_training, '_TRAINING', TRAINING)
    assert trained_judge(LENET, cfg, tmp_path).accuracy == 97.5


def test_a_test_without_accuracy_is_refused(tmp_path, quick, cfg, monkeypatch):
    other = TRAINING.replace('accuracy/top1', 'loss')
    monkeypatch.setattr(judge_training, '_TRAINING', other)
    with pytest.raises(UserError, match='gives no accuracy/top1'):
        trained_judge(LENET, cfg, tmp_path)
    assert not list(tmp_path.rglob('judge.pth'))


def test_a_damaged_report_is_named(tmp_path, quick, cfg):
    made = trained_judge(LENET, cfg, tmp_path)
    (made.checkpoint.parent / 'judge.json').write_text('{')
    with pytest.raises(UserError, match=r'damaged .* remove .*, and it is trained'):
        trained_judge(LENET, cfg, tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path, quick, cfg):
    (tmp_path / 'judges').write_text('a file')
    with pytest.raises(UserError, match=r"cannot be written.*root='FOLDER'"):
        trained_judge(LENET, cfg, tmp_path / 'judges')


def train_when_told(root, training, start, queue):
    """Ask for the judge as one of several processes; its log lines to a queue."""
    judge_training.print_log = lambda line, logger: queue.put(line)
    judge_training._TRAINING = training
    cfg = Config(dict(a=1))
    start.wait(600)
    trained_judge(LENET, cfg, root)


def test_of_several_processes_one_trains(tmp_path):
    context = multiprocessing.get_context('fork')
    start, queue = context.Event(), context.Queue()
    training = 'import time; time.sleep(0.5)' + TRAINING
    makers = [
        context.Process(target=train_when_told, args=(tmp_path, training, start, queue))
        for _ in range(3)
    ]
    for maker in makers:
        maker.start()
    start.set()
    for maker in makers:
        maker.join(600)
    assert [maker.exitcode for maker in makers] == [0, 0, 0]
    lines = [queue.get(timeout=60) for _ in range(2)]
    assert [line.split()[0] for line in lines] == ['training', 'trained']
    assert queue.empty()
    assert len(list(tmp_path.rglob('judge.pth'))) == 1


def test_the_training_ends_with_who_asked_for_it(tmp_path):
    # as the real one begins, before the imports of what trains
    head, separator, _ = judge_training._TRAINING.partition('run_tool(make')
    assert separator
    training = head + "Path(sys.argv[2], 'begun').touch(); time.sleep(600)"
    context = multiprocessing.get_context('fork')
    start, queue = context.Event(), context.Queue()
    start.set()
    maker = context.Process(
        target=train_when_told, args=(tmp_path, training, start, queue)
    )
    maker.start()
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob('begun')) and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f'/proc/{maker.pid}/task/{maker.pid}/children').read_text().split()
    os.kill(maker.pid, signal.SIGKILL)
    maker.join(60)
    assert len(children) == 1
    while Path(f'/proc/{children[0]}/stat').exists() and time.monotonic() < deadline:
        if Path(f'/proc/{children[0]}/stat').read_text().split()[2] == 'Z':
            break
        time.sleep(0.05)
    else:
        assert time.monotonic() < deadline
    # and the lock is free
    folder = next(tmp_path.rglob('.*.part'))
    name = folder.name.removesuffix('.part')
    with FileLock(folder.with_name(f'{name}.lock'), timeout=5):
        pass


@pytest.mark.slow
def test_the_real_thing(tmp_path, monkeypatch, caplog):
    """Two trainings of an epoch give the same judge, which knows some digits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'short.py').write_text(
        f'_base_ = {str(find_config(LENET))!r}\n'
        'train_cfg = dict(max_epochs=1, val_interval=1)\n'
        'train_dataloader = dict(num_workers=0, persistent_workers=False)\n'
    )
    with caplog.at_level(logging.INFO):
        first, second = (
            build_judge(dict(config='short.py', root=root)) for root in ('a', 'b')
        )
    assert first.accuracy == second.accuracy > 30
    weights = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        data = DATASETS.build(
            dict(
                type='projects.DigitsDataset',
                split='val',
                pipeline=first.cfg.test_pipeline,
                test_mode=True,
            )
        )
        rows = [data[i] for i in range(len(data))]
    seen = first(torch.stack([row['inputs'] for row in rows])).logits.argmax(1)
    labels = torch.tensor([int(row['data_samples'].gt_label) for row in rows])
    assert 100 * (seen == labels).double().mean() == pytest.approx(first.accuracy)
