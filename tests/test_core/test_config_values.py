"""Each value of a config has a meaning or a message that names its key."""

import pytest

from projects.core.config import load_config
from projects.core.engine import evaluate, train
from projects.core.errors import UserError
from projects.registry import TRANSFORMS

LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
WHOLE, NUMBER = 'a whole number of at least ', 'a number of at least '

# options of which the value has no meaning, the key that is named, and what it may be
VALUES = [
    ('optim_wrapper.optimizer.lr="0.1"', NUMBER + '0'),
    ('optim_wrapper.optimizer.lr=nan', NUMBER + '0'),
    ('optim_wrapper.optimizer.lr=-0.1', NUMBER + '0'),
    ('optim_wrapper.optimizer.lr=1e999', NUMBER + '0'),
    ('optim_wrapper.optimizer.lr=True', NUMBER + '0'),
    ('optim_wrapper.optimizer.weight_decay=-1', NUMBER + '0'),
    ('optim_wrapper.optimizer=None', 'a dict'),
    ('optim_wrapper.accumulative_counts=0', WHOLE + '1'),
    ('optim_wrapper.clip_grad=[]', 'a dict or None'),
    ('optim_wrapper.clip_grad.max_norm=0', 'a number above 0'),
    ('optim_wrapper.paramwise_cfg.norm_decay_mult="0"', 'a number'),
    ('optim_wrapper=[]', 'a dict or None'),
    ('train_dataloader.batch_size=0', WHOLE + '1'),
    ('train_dataloader.batch_size=-1', WHOLE + '1'),
    ('train_dataloader.batch_size="8"', WHOLE + '1'),
    ('train_dataloader.batch_size=2.5', WHOLE + '1'),
    ('train_dataloader.num_workers=-1', 'a whole number from 0 to 256'),
    ('train_dataloader.num_workers=99999', 'a whole number from 0 to 256'),
    ('val_dataloader.batch_size=0', WHOLE + '1'),
    ('test_dataloader.drop_last=maybe', 'True or False'),
    ('train_dataloader.dataset=None', 'a dict'),
    ('train_dataloader.sampler=[]', 'a dict or None'),
    ('train_dataloader.dataset.pipeline=None', 'a list'),
    ('train_cfg.max_epochs=0', WHOLE + '1'),
    ('train_cfg.max_epochs=-1', WHOLE + '1'),
    ('train_cfg.max_epochs="3"', WHOLE + '1'),
    ('train_cfg.max_epochs=None', WHOLE + '1'),
    ('train_cfg.val_interval=0', WHOLE + '1'),
    ('train_cfg.by_epoch=yes', 'True or False'),
    ('param_scheduler=[3]', 'a dict, or a list of that or None'),
    ('param_scheduler.0.end=-5', WHOLE + '1'),
    ('param_scheduler.0.begin=x', WHOLE + '0'),
    ('param_scheduler.0.start_factor=-1', NUMBER + '0'),
    ('default_hooks.checkpoint.interval=0', 'a whole number of at least 1, or -1'),
    ('default_hooks.checkpoint.max_keep_ckpts=-3', 'a whole number of at least 1, or'),
    ('default_hooks.logger.interval=0', WHOLE + '1'),
    ('custom_hooks=3', 'a list or None'),
    ('custom_hooks=[None]', 'a dict'),
    ('randomness.seed=-1', 'a whole number from 0 to 4294967295 or None'),
    ('randomness.seed=99999999999999', 'a whole number from 0 to 4294967295 or None'),
    ('randomness.seed=one', 'a whole number from 0 to 4294967295 or None'),
    ('log_processor.window_size=0', WHOLE + '1'),
    ('auto_scale_lr.base_batch_size=0', WHOLE + '1'),
    ('env_cfg.cudnn_benchmark=1', 'True or False'),
    ('env_cfg.mp_cfg=None', 'a dict'),
    ('load_from=3', 'a text or None'),
    ('resume=3', 'True or False or a text'),
    ('work_dir=a,b', 'a text or None'),
    ('default_scope=[]', 'a text or None'),
    ('compile=fast', 'True or False or a dict'),
    ('model.type=None', 'the name of a type'),
    ('model.head.num_classes=0', WHOLE + '1'),
    ('model.head.num_classes=True', WHOLE + '1'),
    ('model.data_preprocessor.std=[0]', 'a number above 0'),
    ('val_evaluator.topk=0', WHOLE + '1'),
]


@pytest.mark.parametrize(('option', 'meaning'), VALUES)
def test_value_without_a_meaning(option, meaning):
    key = option.partition('=')[0]
    with pytest.raises(UserError) as error:
        load_config(LENET, [option])
    assert str(error.value).startswith(f'{LENET}: {key}')
    assert f': {meaning}' in str(error.value)
    assert ', not ' in str(error.value)


# texts of configs, and what is said of a key that nothing reads
UNREAD = [
    ('env_cfg = dict(foo=1)', 'env_cfg.foo: nothing reads', 'cudnn_benchmark'),
    ('env_cfg = dict(mp_cfg=dict(x=1))', 'env_cfg.mp_cfg.x: ', 'mp_start_method'),
    ('randomness = dict(sed=1)', 'randomness.sed: nothing reads', "mean 'seed'"),
    (
        'auto_scale_lr = dict(base_batchsize=1)',
        'auto_scale_lr.base_batchsize: nothing reads',
        "mean 'base_batch_size'",
    ),
    (
        'train_dataloader = dict(batchsize=1)',
        'train_dataloader.batchsize: nothing reads',
        "mean 'batch_size'",
    ),
    (
        'default_hooks = dict(loger=dict(interval=1))',
        'default_hooks.loger: nothing reads',
        "mean 'logger'",
    ),
    (
        'optim_wrapper = dict(optimizer={}, paramwise_cfg=dict(norm_decay_mul=0))',
        'optim_wrapper.paramwise_cfg.norm_decay_mul: nothing reads',
        "mean 'norm_decay_mult'",
    ),
    (
        'optim_wrapper = dict(optimizer={}, paramwise_cfg=dict(layer_decay_rate=1),\n'
        "    constructor='DefaultOptimWrapperConstructor')",
        'optim_wrapper.paramwise_cfg.layer_decay_rate: nothing reads',
        "but the constructor 'projects.LayerDecayOptimWrapperConstructor'",
    ),
    (
        'optim_wrapper = dict(optimizer={}, paramwise_cfg=dict(layer_decay_rte=1),\n'
        "    constructor='projects.LayerDecayOptimWrapperConstructor')",
        'optim_wrapper.paramwise_cfg.layer_decay_rte: nothing reads',
        "mean 'layer_decay_rate'",
    ),
    (
        'optim_wrapper = dict(g=dict(optimizer={}, paramwise_cfg=dict(bias_lr=0)))',
        'optim_wrapper.g.paramwise_cfg.bias_lr: nothing reads',
        "mean 'bias_lr_mult'",
    ),
]


@pytest.mark.parametrize(('text', 'message', 'known'), UNREAD)
def test_key_that_nothing_reads(tmp_path, text, message, known):
    config = tmp_path / 'config.py'
    config.write_text(text)
    with pytest.raises(UserError) as error:
        load_config(config)
    assert str(error.value).startswith(f'{config}: {message}')
    assert known in str(error.value)


# files that are no config: name, content, and what is said
FILES = [
    ('empty.py', '# nothing', 'empty.py is empty'),
    ('bad.json', '{"model":', 'bad.json cannot be read as a config: JSONDecodeError'),
    ('list.json', '[1]', 'list.json is no config: it holds no settings by name'),
    ('list.yaml', '- 1', 'list.yaml is no config: it holds no settings by name'),
    ('bad.yaml', 'a: [1', 'bad.yaml cannot be read as a config: ParserError'),
    ('binary.py', b'\xff\xd8\xff\xe0', 'binary.py cannot be read as a config: Unicode'),
    # a SyntaxError, or, before Python 3.11.4, a ValueError
    ('null.py', b'a = 1\0', ': source code string cannot contain null bytes'),
    ('tab.py', 'if 1:\n\tx = 1\n        y = 2', 'tab.py, line 3: inconsistent use of'),
    ('raises.py', 'x = 1\nx = x.y', 'raises.py, line 2 cannot be read as a config: At'),
    ('exits.py', 'raise SystemExit(3)', 'exits.py, line 1 cannot be read as a config'),
    ('text.txt', 'model = 3', 'text.txt is no config: the name of one ends in'),
    ('missing.py', "_base_ = 'no.py'", '/no.py cannot be read as a config: FileNotF'),
    ('number.py', '_base_ = 3', 'number.py cannot be read as a config: TypeError'),
    ('circle.py', "_base_ = 'circle.py'", 'its _base_ leads back to itself'),
    ('base.py', "_base_ = 'raises.py'", '/raises.py, line 2 cannot be read as a con'),
    ('imports.py', 'import nothing_there', 'imports.py cannot be read as a config: M'),
    (
        'custom.py',
        "custom_imports = dict(imports='none')",
        'custom.py cannot be read as a config: ImportError: Failed to import none',
    ),
    ('reserved.py', 'filename = 3', 'reserved.py cannot be read as a config: KeyErr'),
    ('model.py', 'model = 3', 'model.py: model: a dict, not 3'),
]


@pytest.mark.parametrize(('name', 'content', 'message'), FILES)
def test_file_that_is_no_config(tmp_path, name, content, message):
    (tmp_path / 'raises.py').write_text('x = 1\nx = x.y')
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        load_config(tmp_path / name)
    assert message in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('path', ['', '.', 'x' * 300 + '.py', '\0.py', None, 3, b'a'])
def test_path_that_is_none(path):
    with pytest.raises(UserError, match=r'^(no )?config|is a folder'):
        load_config(path)


@pytest.mark.parametrize(
    ('name', 'content'),
    [('a.json', '{"model": {"type": "X"}}'), ('a.yaml', 'model:\n  type: X\n')],
)
def test_other_formats_of_configs(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert load_config(tmp_path / name).model.type == 'X'


OPTIONS = [
    ('model', 'expected key=value'),
    ('=1', "the key '' has an empty part"),
    ('a..b=1', "the key 'a..b' has an empty part"),
    ('model.=3', "the key 'model.' has an empty part"),
    ('work_dir=', "there is no value after the '='"),
    ('model=3', "'model' is a dict in the config, not 3"),
    ('model.head=x', "'model.head' is a dict in the config, not 'x'"),
    ('train_cfg.max_epochs.x=3', "'train_cfg.max_epochs' is 20 and has no 'x'"),
    ('param_scheduler.2.end=3', "has 2 entries, 0 to 1, and no '2'"),
    ('param_scheduler.-1.end=3', "has 2 entries, 0 to 1, and no '-1'"),
    ('param_scheduler.last=3', "has 2 entries, 0 to 1, and no 'last'"),
    ('model.head.topk=(1,a', 'the brackets do not pair'),
    ('__class__=3', "there is no '__class__' in the config"),
]


@pytest.mark.parametrize(('option', 'message'), OPTIONS)
def test_option_that_is_none(option, message):
    with pytest.raises(UserError) as error:
        load_config(LENET, [option])
    assert str(error.value).startswith(f'--cfg-options {option.partition("=")[0]}')
    assert message in str(error.value)


@pytest.mark.parametrize('options', ['a=b', [3], [None]])
def test_options_are_a_list_of_texts(options):
    with pytest.raises(UserError, match=r'^cfg_options: a list of texts'):
        load_config(LENET, options)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('[1,2]', [1, 2]),
        ('(1,2)', (1, 2)),
        ('a,b', ['a', 'b']),
        ('[a,b]', ['a', 'b']),
        ('(1,x)', (1, 'x')),
        ('1,2', (1, 2)),
        ("'a,b'", 'a,b'),
        ('a b', 'a b'),
        ('true', True),
        ('{"a": 1}', {'a': 1}),
        ('((', '(('),
    ],
)
def test_values_of_options(text, value):
    assert load_config(LENET, [f'model.backbone.x={text}']).model.backbone.x == value


def test_dict_takes_the_place_of_a_list():
    option = "param_scheduler={'type': 'ConstantLR'}"
    assert load_config(LENET, [option]).param_scheduler == {'type': 'ConstantLR'}


SHORT = [
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'param_scheduler=[]',
    'train_dataloader.num_workers=0',
    'train_dataloader.dataset.indices=8',
    'val_dataloader.dataset.indices=8',
]
# options that fail while a run is built, or at its first step or first validation: the
# key that is named, and words of the reason
FAILING = [
    ('model.head.in_channels=3', 'model.head (MLPClsHead): ', 'cannot be multiplied'),
    ('model.backbone.in_channels=-3', 'model.backbone', 'negative dimension -3'),
    ('model.head.loss=None', 'model.head (MLPClsHead): ', "<class 'NoneType'>"),
    ('model.head.loss.type=no', 'model.head.loss.type: ', "there is no type 'no'"),
    ('model.backbone=None', 'model', 'NoneType'),
    ('model.backbone.init_cfg=3', 'model.backbone (LeNet): ', "'int' object"),
    ('train_cfg=None', 'train_cfg is missing: ', 'go together'),
    ('train_dataloader=None', 'train_dataloader is missing: ', 'go together'),
    ('val_evaluator=None', 'val_evaluator is missing: ', 'go together'),
    ('train_cfg.type=no', 'train_cfg (no): ', 'Only one of `type` or `by_epoch`'),
    ('val_evaluator.type=no', 'val_evaluator.type: ', "there is no type 'no'"),
    ('optim_wrapper.type=no', 'optim_wrapper.type: ', "there is no type 'no'"),
    ('optim_wrapper.constructor=no', 'optim_wrapper.constructor: ', 'there is no type'),
    ('optim_wrapper.optimizer.betas=3', 'optim_wrapper.optimizer (AdamW): ', "'int'"),
    ('optim_wrapper.clip_grad.foo=3', 'optim_wrapper.clip_grad: ', "argument 'foo'"),
    ("param_scheduler=[{'type':'StepLR','gama':1}]", 'param_scheduler.0', 'gamma'),
    ("param_scheduler=[{'type':'MultiStepLR'}]", 'param_scheduler.0 (', 'milestones'),
    ('param_scheduler=[{}]', 'param_scheduler: ', 'contain the key type'),
    ('custom_hooks=[{"type":"EMAHook","momentum":3}]', 'custom_hooks.0 (EMAH', 'range'),
    ('train_dataloader.collate_fn=3', 'train_dataloader: ', 'collate_fn should be'),
    ('train_dataloader.prefetch_factor=3', 'train_dataloader: ', 'prefetch_factor'),
    ('train_dataloader.dataset.split=no', 'train_dataloader.dataset', "split 'no'"),
    ('env_cfg.mp_cfg.mp_start_method=x', 'env_cfg: ', "find context for 'x'"),
    ('log_level=no', 'log_level: ', "KeyError: 'no'"),
    (
        'model.data_preprocessor.num_classes=10 '
        'model.train_cfg={"augments":{"type":"Mixup","alpha":1}}',
        'model.train_cfg.augments (Mixup): ',
        'it needs isinstance(alpha, float)',
    ),
    (
        'model.backbone.init_cfg={"type":"Pretrained","checkpoint":"torchvision://alexnet"}',
        'model.backbone.init_cfg.checkpoint: torchvision://alexnet cannot be fetched: ',
        'by --cfg-options model.backbone.init_cfg=None',
    ),
    (
        'model.init_cfg={"type":"Pretrained","checkpoint":"https://no.invalid/x.pth"}',
        'model.init_cfg.checkpoint: https://no.invalid/x.pth cannot be fetched: ',
        'by --cfg-options model.init_cfg=None',
    ),
    (
        'load_from=https://no.invalid/x.pth',
        'load_from: https://no.invalid/x.pth',
        'by --cfg-options load_from=None',
    ),
]
# a row of each kind in the default run: half a second each
QUICK = {
    'model.head.in_channels=3',
    'train_cfg=None',
    'train_cfg.type=no',
    'optim_wrapper.constructor=no',
    'optim_wrapper.clip_grad.foo=3',
    'param_scheduler=[{}]',
    'train_dataloader.collate_fn=3',
    'train_dataloader.dataset.split=no',
    'log_level=no',
    'model.init_cfg={"type":"Pretrained","checkpoint":"https://no.invalid/x.pth"}',
    'load_from=https://no.invalid/x.pth',
}


@pytest.fixture
def no_network(monkeypatch):
    from urllib.error import URLError

    def refuse(*_, **__):
        raise URLError('no network')

    monkeypatch.setattr('torch.hub.urlopen', refuse)
    monkeypatch.setenv('TORCH_HOME', 'torch')


@pytest.mark.parametrize(
    ('option', 'key', 'reason'),
    [
        pytest.param(*row, marks=[pytest.mark.slow] * (row[0] not in QUICK))
        for row in FAILING
    ],
)
def test_what_fails_before_the_first_step_names_its_key(
    error_of, fresh, no_network, option, key, reason
):
    error = error_of(train, LENET, 'run', cfg_options=[*SHORT, *option.split(' ')])
    file, _, message = error.partition('.py: ')
    assert f'{file}.py'.endswith(LENET)
    assert message.startswith(key)
    assert reason in message
    assert '\n' not in error


@TRANSFORMS.register_module(force=True)
class Stumble:
    """A step of a pipeline that fails after so many samples."""

    def __init__(self, after):
        self.after = after

    def __call__(self, results):
        self.after -= 1
        if self.after < 0:
            raise LookupError('a stone')
        return results


def stumbling(after):
    steps = [{'type': 'projects.Stumble', 'after': after}]
    steps += [{'type': 'Resize', 'scale': 28}, {'type': 'PackInputs'}]
    return [*SHORT, f'train_dataloader.dataset.pipeline={steps}']


@pytest.mark.parametrize('num_workers', [0, 1])
def test_step_of_the_data_that_fails_is_named_also_in_a_worker(
    fresh, error_of, num_workers
):
    options = [*stumbling(0), f'train_dataloader.num_workers={num_workers}']
    error = error_of(train, LENET, 'run', cfg_options=options)
    assert 'train_dataloader.dataset.pipeline.0' in error
    assert 'LookupError: a stone' in error
    assert '\n' not in error


def test_flaw_after_the_first_step_keeps_its_traceback(fresh):
    options = [*stumbling(6), 'train_dataloader.batch_size=4']
    with pytest.raises(LookupError, match='a stone'):
        train(LENET, 'run', cfg_options=options)


def test_debug_shows_the_traceback(fresh, monkeypatch):
    from projects.core.cli import run_tool

    monkeypatch.setenv('MMATLAS_DEBUG', '1')
    with pytest.raises(UserError) as error:
        run_tool(train, LENET, 'run', cfg_options=stumbling(0))
    assert isinstance(error.value.__cause__, LookupError)


def test_test_that_fails_is_explained(lenet, fresh, error_of):
    error = error_of(
        evaluate, LENET, lenet, 'run', cfg_options=['test_evaluator.topk=[]']
    )
    assert 'test_evaluator' in error
    assert '\n' not in error
