"""A printed config says of each value who set it, and who reads it."""

import json

import pytest
import torch
from mmengine.config import Config

from projects.core.config import load_config, run_configs
from projects.core.config.saved import JSON_KEY, config_to_json
from projects.core.diagnosis.config_readers import documentation_of
from projects.core.diagnosis.print_config import print_config
from projects.core.errors import UserError

LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
BASE = """
size = 8
train_pipeline = [dict(type='Resize', scale=size), dict(type='PackInputs')]
train_dataloader = dict(batch_size=4, dataset=dict(
    type='CustomDataset', pipeline=train_pipeline))
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
    paramwise_cfg=dict(norm_decay_mult=0))
custom_hooks = [dict(type='EMAHook', momentum=0.1), dict(type='IterTimerHook')]
default_scope = 'mmpretrain'
"""
CHILD = """
_base_ = './base.py'
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam', lr=0.01))
custom_hooks = [dict(type='EMAHook', momentum=0.2)]
"""


@pytest.fixture(autouse=True)
def configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'child.py').write_text(CHILD)


def explained(key, config='child.py', **options):
    """Lines of ``--explain``, by their heading."""
    text = print_config(config, explain=key, **options)
    first, *parts = text.split('\n\n')
    found = {}
    for part in parts:
        heading, *lines = part.splitlines()
        found[heading] = [' '.join(line.split()) for line in lines]
    return {'value': first, **found}


def test_whole_config_is_python_with_a_source_for_each_value():
    text = print_config('child.py', cfg_options=['train_dataloader.num_workers=3'])
    assert text.startswith(
        '# child.py, as it runs\n#   from base.py\n#   from child.py\n'
    )
    sources = {
        line.partition('=')[0].strip(): line.partition('# ')[2]
        for line in text.splitlines()
    }
    assert sources['batch_size'] == 'child.py:3'
    assert sources['num_workers'] == '--cfg-options'
    assert sources['dataset'] == 'base.py:4'  # and all that is in it
    assert sources['optimizer'] == 'child.py:4'
    assert sources['paramwise_cfg'] == 'base.py:8'
    variables = text.partition('# variables of the configs')[2]
    assert 'size = 8' in variables
    assert 'train_dataloader' not in variables
    values = {}
    exec(text, values)
    cfg = load_config('child.py', ['train_dataloader.num_workers=3'])
    assert all(values[key] == value for key, value in cfg._cfg_dict.to_dict().items())


def test_a_value_that_was_replaced():
    found = explained(
        'train_dataloader.batch_size', cfg_options=['train_dataloader.batch_size=9']
    )
    assert found['value'] == 'train_dataloader.batch_size = 9'
    assert found['set by'] == [
        'base.py:4 train_dataloader.batch_size = 4 (replaced)',
        'child.py:3 train_dataloader.batch_size = 2 (replaced)',
        '--cfg-options train_dataloader.batch_size = 9',
    ]
    assert found['read by'] == [
        'torch.DataLoader takes it as its argument batch_size, by default 1: how many '
        'samples per batch to load'
    ]


def test_a_value_that_came_by_names():
    found = explained('train_dataloader.dataset.pipeline.0.scale')
    assert found['set by'] == [
        'base.py:2 size = 8',
        'base.py:3 train_pipeline.0.scale = size',
        'base.py:5 train_dataloader.dataset.pipeline = train_pipeline',
    ]
    (reader,) = found['read by']
    assert reader.startswith('mmpretrain.Resize takes it as its argument scale') or (
        reader.startswith('mmcv.Resize takes it as its argument scale')
    )
    assert 'Images scales for resizing' in reader


def test_what_delete_and_a_new_list_leave_out():
    (old, new) = explained('optim_wrapper.optimizer')['set by']
    assert old.startswith("base.py:7 optim_wrapper.optimizer = dict(type='SGD'")
    assert old.endswith('(replaced)')
    assert new.endswith('(_delete_: nothing of the base stays)')
    found = explained('custom_hooks.0.momentum')['set by']
    assert found == [
        'child.py:5 custom_hooks.0.momentum = 0.2',
        'child.py:5 custom_hooks is a new list, in place of that of base.py:9',
    ]


@pytest.mark.parametrize(
    ('key', 'reader'),
    [
        (
            'optim_wrapper.paramwise_cfg.norm_decay_mult',
            'mmengine.DefaultOptimWrapperConstructor takes it as its argument '
            'norm_decay_mult: It will be multiplied to the weight decay',
        ),
        (
            'optim_wrapper.optimizer.lr',
            'torch.Adam takes it as its argument lr, by default 0.001: learning rate',
        ),
        (
            'custom_hooks.0',
            'it builds mmpretrain.EMAHook: ',
        ),
        ('custom_hooks.0.type', 'the class that is built: mmpretrain.EMAHook'),
        (
            'custom_hooks.0.momentum',
            'mmpretrain.EMAHook takes it among its other arguments',
        ),
        ('size', 'a variable of the configs: a run does not look for this name'),
        (
            'default_scope',
            'mmengine.Runner takes it as its argument default_scope',
        ),
    ],
)
def test_what_reads_it(key, reader):
    assert explained(key)['read by'][0].startswith(reader)


@pytest.mark.parametrize(
    ('key', 'reader'),
    [
        (
            'train_dataloader.pin_memory',
            'torch.DataLoader takes it as its argument',
        ),
        ('optim_wrapper.optimizer.weight_decay', 'torch.Adam takes it as its argument'),
        ('compile', 'the engine reads compile'),
    ],
)
def test_what_could_be_set(key, reader):
    found = explained(key)
    assert found['value'] == f'{key} is not set'
    assert found['read by'][0].startswith(reader)


def test_a_config_that_imports_its_bases(tmp_path):
    (tmp_path / 'new.py').write_text(
        'from mmengine.config import read_base\n'
        'with read_base():\n    from .base import *\n'
        'train_dataloader.update(batch_size=5)\n'
    )
    assert 'batch_size=5' in print_config('new.py')
    found = explained('train_dataloader.batch_size', 'new.py')
    assert found['set by'] == ['new.py, or a file that it imports']


def test_what_nothing_reads():
    options = ['train_dataloader.dataset.pipeline.0.sclae_x=3']
    (reader,) = explained(
        'train_dataloader.dataset.pipeline.0.sclae_x', cfg_options=options
    )['read by']
    assert reader.startswith('nothing: ')
    assert reader.endswith('Resize has no argument sclae_x')


def test_where_a_variable_went():
    assert explained('train_pipeline')['read by'][-1] == (
        'it was put into train_dataloader.dataset.pipeline'
    )


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        (
            'train_dataloader.batch_sise',
            "there is no 'batch_sise' in 'train_dataloader'; did you mean "
            "'train_dataloader.batch_size'?",
        ),
        ('optim', "there is no 'optim' in child.py"),
        ('custom_hooks.3', "the list 'custom_hooks' has 1 entries, from 0, and no '3'"),
        ('size.x', "'size' is 8 and has no 'x'"),
        ('train_dataloader.zzz', 'there are batch_size, dataset'),
    ],
)
def test_a_key_that_is_not_there(error_of, key, message):
    assert message in error_of(print_config, 'child.py', explain=key)


def test_a_config_that_does_not_start_is_explained_all_the_same(capsys):
    with pytest.raises(UserError, match='does not start: --cfg-options size=3 reaches'):
        print_config('child.py', explain='size', cfg_options=['size=3'])
    assert '--cfg-options  size = 3' in capsys.readouterr().out


def test_what_the_engine_sets():
    found = explained('runner_type', LENET)
    assert found['value'] == "runner_type = 'projects.Runner'"
    assert found['set by'] == ['the engine, which completes the config of a run']
    assert explained('model.head.num_classes', LENET)['read by'] == [
        'projects.MLPClsHead takes it as its argument num_classes, which must be '
        'given: K'
    ]


def test_difference():
    text = print_config('base.py', diff='child.py')
    assert text.startswith('- base.py\n+ child.py\n')
    assert '\ntrain_dataloader.batch_size\n  - 4\n  + 2\n' in text
    assert '\noptim_wrapper.optimizer.momentum\n  - 0.9\n  + absent\n' in text
    assert text.endswith('\nentries that differ: 5')
    assert print_config('base.py', diff='base.py').endswith('entries that differ: 0')


@pytest.fixture
def of_a_run(tmp_path):
    """Function that saves a config as a run does; its checkpoint and work dir."""

    def save(cfg):
        run = tmp_path / 'run'
        (run / '20260101_120000/vis_data').mkdir(parents=True)
        (run / '20260101_120000/20260101_120000.log').write_text('')
        (run / 'run.py').write_text(cfg.pretty_text)
        meta = {JSON_KEY: config_to_json(cfg)}
        torch.save(dict(state_dict={'x': torch.ones(1)}, meta=meta), run / 'a.pth')
        return ['run', 'run/a.pth']

    return save


def test_config_of_a_checkpoint_and_of_a_run(of_a_run, error_of):
    cfg = load_config(LENET, ['train_cfg.max_epochs=3'])
    for saved in of_a_run(cfg):
        text = print_config(saved, diff=LENET)
        assert '\ntrain_cfg.max_epochs\n  - 3\n  + 20\n' in text
        found = explained('train_cfg.max_epochs', saved)
        assert found['set by'] == [f'{saved}, a copy of a config']
        assert found['read by'][0].startswith('mmengine.EpochBasedTrainLoop takes it')
    error = error_of(print_config, 'run/a.pth', cfg_options=['a=1'])
    assert error == '--cfg-options are for configs, and run/a.pth is none'


def test_a_checkpoint_runs_nothing(of_a_run):
    cfg = Config(dict(model=dict(type='projects.LeNet', x=dict(y='os.system'))))
    _, checkpoint = of_a_run(cfg)
    state = torch.load(checkpoint)
    state['meta'][JSON_KEY] = json.dumps(
        dict(model=dict(type='os.system', command='x'))
    )
    torch.save(state, checkpoint)
    with pytest.raises(UserError, match='no registered part'):
        print_config(checkpoint)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.py'], 'no config none.py'),
        (['none.pth'], 'there is no checkpoint none.pth'),
        (['.'], 'holds no log of tools/train.py'),
        (['child.py', 'size', 'base.py'], '--explain and --diff: give one of them'),
        (['child.py', None, 'nowhere'], 'no config nowhere'),
        ([''], 'config: a path'),
    ],
)
def test_what_is_no_config(error_of, arguments, message):
    assert message in error_of(print_config, *arguments)


def test_documentation_of_an_argument():
    class Base:
        """A part.

        Args:
            width (int): In pixels. Not less than 1.
            length: Of a part that is told of
                in two lines; and more.
        """

    class Part(Base):
        """Another part.

        ``depth`` (int, optional): Of it (default: 3)
        """

    assert documentation_of(Part, 'width') == 'In pixels'
    assert documentation_of(Part, 'length') == 'Of a part that is told of in two lines'
    assert documentation_of(Part, 'depth') == 'Of it'
    assert documentation_of(Part, 'height') == ''


@pytest.mark.slow
def test_all_run_configs():
    for path in run_configs():
        text = print_config(str(path))
        exec(text, {})
        assert text.count('#') > 5
