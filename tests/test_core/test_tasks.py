"""Every task is asked the same questions; the engine knows none by name."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from torch import nn

from projects import create_model
from projects.core.config import load_config, run_configs
from projects.core.errors import UserError
from projects.core.tasks.task import (
    InferOptions,
    Task,
    TestOptions,
    task_of,
    task_of_class,
    tasks,
)

# a small variant of each kind, and a run of it
EXAMPLES = {
    'a detector': ('yolov1_mini', 'yolov1/yolov1-mini_1xb16-15e_digits-coco.py'),
    'an image classifier': (
        'lenet5_modern',
        'lenet/lenet5-modern_1xb64-20e_digits.py',
    ),
    'a model of sequences': ('gpt_mini', 'rnn/lstm-256_1xb16-2500i_source.py'),
    'a generative model': ('dcgan_mini', 'gan/wgan-gp-mnist_1xb50-200k_mnist.py'),
}
OF_IMAGES = {'a detector', 'an image classifier'}


@pytest.fixture(params=tasks(), ids=lambda task: task.name)
def task(request):
    return request.param


@pytest.fixture
def variant(task):
    return EXAMPLES[task.name][0]


@pytest.fixture
def run(task):
    return load_config(EXAMPLES[task.name][1])


def options(**given):
    return TestOptions(
        **dict(dict(config='c.py', out=None, show_dir=None, scratch=''), **given)
    )


def test_every_task_has_its_example():
    assert {task.name for task in tasks()} == EXAMPLES.keys()


def test_it_says_what_it_is(task):
    assert task.name.startswith(('a ', 'an '))
    assert task.model_bases
    assert task.unit
    assert task.metrics


def test_a_config_belongs_to_it(task, run):
    assert task_of(run) is task
    assert [other for other in tasks() if task_of(run) is other] == [task]


@pytest.mark.parametrize('path', sorted(run_configs()), ids=lambda path: path.stem)
def test_every_run_of_ours_has_a_task(path):
    task = task_of(load_config(str(path)))
    # of numbers, which no tool but training and test knows
    assert type(task) is Task if 'adding' in path.stem else task in tasks()


def test_model_of_no_kind_has_none():
    assert type(task_of(Config(dict(model=dict(type='ToyModel'))))) is Task
    assert type(task_of(Config({}))) is Task
    assert type(task_of_class(nn.Linear)) is Task


def test_preparing_twice_is_preparing_once(task, run):
    task.prepare(run)
    once = run.pretty_text
    task.prepare(run)
    assert run.pretty_text == once


def test_no_data_have_no_flaw(task):
    assert task.check_data(Config({})) == []


def test_missing_data_are_named(task, run, tmp_path):
    scope = run.default_scope
    if task.name == 'a generative model':
        run.train_dataloader.dataset.data_root = str(tmp_path / 'nowhere')
        with pytest.raises(UserError, match='nowhere'):
            task.check_data(run)
        return
    if task.name == 'a model of sequences':
        corpus = dict(type='projects.TextFiles', data_root=str(tmp_path / 'nowhere'))
        run.train_dataloader.dataset.corpus = dict(corpus, train='a.txt')
        task.prepare(run)
        with pytest.raises(UserError, match='nowhere'):
            task.check_data(run)
        return
    kind = dict(mmdet='CocoDataset', mmpretrain='ImageNet')[scope]
    loader = dict(
        dataset=dict(
            type=kind,
            data_root=str(tmp_path / 'nowhere'),
            ann_file='a.json' if scope == 'mmdet' else '',
            split='' if scope == 'mmpretrain' else None,
            data_prefix=dict(img='b') if scope == 'mmdet' else 'b',
        )
    )
    cfg = Config(dict(default_scope=scope, train_dataloader=loader))
    with pytest.raises(UserError, match='nowhere'):
        task.check_data(cfg)


def test_data_have_names(task):
    images = [SimpleNamespace(img_path='a.jpg'), SimpleNamespace()]
    of_texts = task.name == 'a model of sequences'
    samples = dict(text=['a.jpg', 'unnamed']) if of_texts else images
    assert task.names_of(dict(data_samples=samples)) == ['a.jpg', 'unnamed']
    assert task.names_of({}) == []


def test_a_model_is_trained_in_part(task, variant):
    if task.name not in OF_IMAGES:
        with pytest.raises(UserError, match=f'{task.name} cannot be trained in part'):
            create_model(variant, trainable_stages=1)
        return
    model = create_model(variant, trainable_stages=1)
    frozen = [p.requires_grad for p in model.backbone.parameters()]
    assert True in frozen
    assert False in frozen


def test_a_test_writes_one_kind_of_file(task, run):
    suffix = '.npz' if task.name == 'a generative model' else '.json'
    with pytest.raises(UserError, match=rf'--out results.txt: .* ends in {suffix}'):
        task.prepare_test(run, options(out='results.txt'))


def test_a_test_that_is_asked_for_nothing_more(task, run, tmp_path):
    run.work_dir = str(tmp_path)
    before = len(run.get('custom_hooks', []))
    task.prepare_test(run, options())
    assert len(run.get('custom_hooks', [])) == before  # no pictures
    runner = SimpleNamespace(
        test_loop=SimpleNamespace(evaluator=SimpleNamespace(metrics=[]))
    )
    assert task.close_test(runner, {}, options()) == []


def test_absent_input_is_refused(task, variant, run):
    if task.name not in OF_IMAGES:
        pytest.skip('whatever is no file is a text, or not needed at all')
    model = create_model(variant)
    meta = dict(dataset_meta=dict(classes=('a', 'b')))
    with pytest.raises(UserError, match='there is no image or folder nowhere'):
        task.infer(model, run, meta, 'nowhere', InferOptions('f.pth', None, 0.3, 1))


def test_a_step_comes_apart(task, variant):
    assert task.parts_of(nn.Identity()) is None
    assert task.parts_of(create_model(variant)) is not None


class TestModelOfNoKind:
    """What the engine gets to hear of a model that belongs to no task."""

    task = Task()

    def test_it_trains_and_is_tested(self):
        cfg = Config(dict(model=dict(type='ToyModel')))
        self.task.prepare(cfg)
        self.task.prepare_test(cfg, options())
        assert cfg._cfg_dict == dict(model=dict(type='ToyModel'))
        assert self.task.check_data(cfg) == []
        assert self.task.close_test(None, {}, options()) == []
        assert self.task.training_results(None) == []
        assert self.task.names_of({}) == []
        assert self.task.parts_of(nn.Identity()) is None

    @pytest.mark.parametrize('option', [dict(out='a.json'), dict(show_dir='b')])
    def test_there_is_nothing_to_write(self, option):
        with pytest.raises(UserError, match=r'c\.py holds a model of no known kind'):
            self.task.prepare_test(Config({}), options(**option))

    def test_it_cannot_be_applied(self):
        with pytest.raises(UserError, match=r'f\.pth holds a Identity, a model of'):
            self.task.infer(
                nn.Identity(), None, {}, 'x', InferOptions('f.pth', None, 0.3, 1)
            )

    def test_it_is_not_trained_in_part(self):
        with pytest.raises(UserError, match='cannot be trained in part'):
            self.task.train_in_part({}, 1)


OUTSIDE = """
from projects.core.tasks.task import Task

class Counting(Task):
    name = 'a counter'
    model_bases = ('Counter',)

TASK = Counting()
"""
USER = """
from mmengine.config import Config
from mmengine.model import BaseModel
from projects.core.tasks.task import task_of, tasks
from projects.registry import MODELS

@MODELS.register_module()
class MyCounter(type('Counter', (BaseModel,), {})):
    pass

print(task_of(Config(dict(model=dict(type='projects.MyCounter')))).name)
print(tasks()[-1].name)
"""


def test_task_from_outside_joins(tmp_path):
    (tmp_path / 'counting.py').write_text(OUTSIDE)
    info = tmp_path / 'counting-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Name: counting\nVersion: 1.0\n')
    (info / 'entry_points.txt').write_text(
        '[mmatlas.tasks]\ncounting = counting:TASK\n'
    )
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n{USER}',
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ['a counter', 'a counter']
