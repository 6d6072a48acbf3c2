"""Checkpoints of strangers: nothing in them is run, and what they are is said."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

import projects.core.weights.loading
from projects.core.config.saved import (
    JSON_KEY,
    config_to_json,
    registered_types_only,
    saved_config,
)
from projects.core.engine import infer, train
from projects.core.errors import UserError
from projects.core.weights import load_weights, read_checkpoint
from projects.registry import MODELS, TRANSFORMS

MODEL = "model = dict(type='projects.ImageClassifier')\n"
BUILT = dict(model=dict(type='projects.ImageClassifier'))


# as text of a config, or as what its JSON holds
@pytest.mark.parametrize(
    ('config', 'message'),
    [
        # code that is not needed is left out
        ("import os\nos.system('touch ran')\n" + MODEL, None),
        ("custom_imports = dict(imports=['ran'])\n" + MODEL, None),
        ("_base_ = 'ran.py'\n" + MODEL, None),
        ("work_dir = __import__('os').system('touch ran')\n" + MODEL, None),
        ("if open('ran', 'w'):\n    pass\n" + MODEL, None),
        ("optim_wrapper = dict(optimizer=dict(type='os.system'))\n" + MODEL, None),
        ('for _ in iter(int, 1):\n    pass\n' + MODEL, None),
        # and refused where something is built of it
        ("model = __import__('os').system('touch ran')", 'model in line 1 is no data'),
        ("model = dict(type='a', x=open('ran', 'w'))", "the code \"open('ran', 'w')\""),
        ("model = dict(**dict(type='os.system'))", 'model in line 1 is no data'),
        ('model = [i for i in (1, )]', 'model in line 1 is no data'),
        ("model = (lambda: open('ran', 'w'))()", 'is no data'),
        ("model = f'{1}'", 'is no data'),
        ('x = 1\nmodel = x', 'model in line 2 is no data'),
        ("model = dict(type='os.system', command='touch ran')", "is 'os.system'"),
        ("model = dict(type='ran.Foo')", "model.type is 'ran.Foo'"),
        ("model = dict(type='antigravity.x')", "model.type is 'antigravity.x'"),
        ("model = dict(type=os.system, command='touch ran')", "is 'os.system'"),
        ('model = dict(type=1)', 'model.type is 1'),
        ("model = dict(type='x', _scope_='ran')", "model._scope_ is 'ran'"),
        ("default_scope = 'ran'\n" + MODEL, "default_scope is 'ran'"),
        ("model = dict(type='x', y=[dict(type='os.system')])", 'model.y.0.type is'),
        (
            f'{MODEL}test_dataloader = dict(dataset=dict(pipeline=[dict('
            "type='os.system', command='touch ran')]))",
            'test_dataloader.dataset.pipeline.0.type is',
        ),
        ('', "it has no 'model'"),
        ("model = 'x'", "it has no 'model'"),
        ('model = dict(', 'cannot be read'),
        ('\0', 'cannot be read'),
        ('model = ' + '(' * 5000, 'cannot be read'),
        ('model = ' + '-' * 100_000 + '1', 'cannot be read'),
        ([], 'it is no dict'),
        (dict(model=dict(type='os.system')), "model.type is 'os.system'"),
        (dict(model=[dict(type='x')]), "it has no 'model'"),
        (dict(BUILT, filename='x'), 'cannot be read'),
        (dict(BUILT, default_scope=['x']), "default_scope is ['x']"),
        (dict(BUILT, custom_imports=dict(imports=['ran'])), None),
        (7, 'holds no config'),
        (None, 'holds no config'),
    ],
)
def test_a_config_is_data(tmp_path, monkeypatch, config, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path('ran.py').write_text("open('ran', 'w')")
    if isinstance(config, (dict, list)):
        meta = {JSON_KEY: json.dumps(config)}
    else:
        meta = dict(cfg=config)
    if message is None:
        assert saved_config(meta, 'x.pth').model.type == 'projects.ImageClassifier'
    else:
        with pytest.raises(UserError) as error:
            saved_config(meta, 'x.pth')
        assert message in str(error.value)
        assert '\n' not in str(error.value)
        assert len(str(error.value)) < 300
    assert not Path('ran').exists()


def test_deep_json_is_refused():
    with pytest.raises(UserError, match=r'nested too deeply|no dict'):
        saved_config({JSON_KEY: '[' * 100_000}, 'x.pth')


def test_a_config_comes_back_as_it_was(monkeypatch):
    monkeypatch.setenv('SECRET', 'told')
    content = dict(
        model=dict(
            type='projects.X',
            scales=((1, 2), [3.5, (4,)]),
            none=None,
            odd={'a-b': True, 'c': float('inf')},
            text="it's {{$SECRET:x}}",
            negative=-1e-5,
        ),
        default_scope='mmdet',
    )
    cfg = Config(content)
    assert saved_config({JSON_KEY: config_to_json(cfg)}, 'x').to_dict() == content
    # as the checkpoints of MMEngine have it
    assert saved_config(dict(cfg=cfg.pretty_text), 'x').to_dict() == content


def test_classes_are_written_by_their_registered_names():
    from mmengine.model import Sequential

    cfg = Config(dict(model=dict(type=Sequential)))
    assert saved_config(dict(cfg=cfg.pretty_text), 'x').model.type == (
        'mmengine.Sequential'
    )
    assert saved_config({JSON_KEY: config_to_json(cfg)}, 'x').model.type == (
        'mmengine.Sequential'
    )


@pytest.mark.parametrize('registry', [MODELS, TRANSFORMS])
@pytest.mark.parametrize('type_', ['os.system', 'print', 'subprocess.Popen', 'mmdet.x'])
def test_only_what_is_registered_is_found(registry, type_):
    with registered_types_only(), pytest.raises((RuntimeError, UserError)):
        registry.get(type_)


# what users download or rename by mistake, and what it is called
@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'the file is empty'),
        (b'Not found', "it is a text that begins with 'Not found'"),
        ('é' * 900, "it is a text that begins with 'é"),
        (b'a' * 10 + 600 * 'é'.encode(), 'it is a text'),
        (b'<!DOCTYPE html><html>', 'it is a web page'),
        (b'\n  <html lang="en">', 'it is a web page'),
        (b'<?xml version="1.0"?><Error>', 'it is an XML file'),
        (
            b'version https://git-lfs.github.com/spec/v1\noid sha256:0',
            'it is a pointer of Git LFS',
        ),
        (cv2.imencode('.png', np.zeros((4, 4)))[1].tobytes(), 'it is an image'),
        (cv2.imencode('.jpg', np.zeros((4, 4)))[1].tobytes(), 'it is an image'),
        (cv2.imencode('.bmp', np.zeros((4, 4)))[1].tobytes(), 'it is an image'),
        (cv2.imencode('.webp', np.zeros((4, 4)))[1].tobytes(), 'it is an image'),
        (b'\x1f\x8b\x08' + bytes(20), 'it is a gzip archive'),
        (bytes(2000), 'it begins with zeros'),
        (dict(file='x'), 'it is a zip archive of other things'),
    ],
)
@pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
def test_what_is_no_checkpoint_is_called_what_it_is(tmp_path, content, message, name):
    path = tmp_path / name
    if isinstance(content, dict):
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('a.txt', 'x')
    elif isinstance(content, str):
        path.write_text(content, encoding='utf-8')
    else:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_checkpoint(str(path))
    assert f'{path} is no checkpoint: {message}' in str(error.value)
    assert 'unpickle' not in str(error.value)
    assert 'weights_only' not in str(error.value)


def test_a_folder_and_a_file_without_rights(tmp_path):
    with pytest.raises(UserError, match='is a folder; give a checkpoint in it'):
        read_checkpoint(str(tmp_path))
    file = tmp_path / 'x.pth'
    torch.save(dict(a=torch.zeros(1)), file)
    file.chmod(0)
    if not os.access(file, os.R_OK):  # not as root
        with pytest.raises(UserError, match='cannot be read: Permission denied'):
            read_checkpoint(str(file))


def test_bytes_that_break_off_are_called_damaged(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save(dict(state_dict=dict(a=torch.rand(1000))), path)
    whole = path.read_bytes()
    for length in (4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match='is damaged or no checkpoint') as error:
            read_checkpoint(str(path))
        assert 'unpickle' not in str(error.value)
    path.write_bytes(pickle.dumps(dict(a=1))[:-2])
    with pytest.raises(UserError, match='is damaged or no checkpoint'):
        read_checkpoint(str(path))


@pytest.mark.parametrize(
    'weight',
    [
        torch.zeros(2, 3).to_sparse(),
        torch.quantize_per_tensor(torch.zeros(2, 3), 1, 0, torch.qint8),
        torch.zeros(2, 3, device='meta'),
        torch.zeros(2, 3, dtype=torch.complex64),
    ],
)
def test_weights_of_odd_forms(weight):
    with pytest.raises(UserError, match='of a form that this model cannot take'):
        load_weights(torch.nn.Linear(3, 2, bias=False), dict(weight=weight), 'x.pth')


def test_weights_that_are_not_finite_are_named(monkeypatch):
    said = []
    monkeypatch.setattr(
        projects.core.weights.loading,
        'print_log',
        lambda text, *args: said.append(text),
    )
    layer = torch.nn.Linear(3, 2)
    weights = {k: v.clone() for k, v in layer.state_dict().items()}
    weights['bias'][1] = float('nan')
    load_weights(layer, weights, 'x.pth')
    assert said == [
        'x.pth: 1 of 2 weights hold values that are not finite (bias); what the model '
        'gives means nothing'
    ]


META = 'is no list of names', 'does not say what it was trained on'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda meta: meta.update(dataset_meta=dict(classes=3)), META[0]),
        (lambda meta: meta.update(dataset_meta=dict(classes=[1, 2])), META[0]),
        (lambda meta: meta.update(dataset_meta=dict(classes='cat')), META[0]),
        (lambda meta: meta.update(dataset_meta=[]), META[1]),
        (lambda meta: meta.pop('dataset_meta'), META[1]),
        (lambda meta: meta.update(dataset_meta=dict(classes=['one'])), None),
        (lambda meta: meta.update(dataset_meta=dict()), None),
        (lambda meta: meta.pop(JSON_KEY), None),  # as MMEngine's
        (lambda meta: [meta.pop(k) for k in (JSON_KEY, 'cfg')], 'holds no config'),
    ],
)
def test_infer_with_odd_meta_data(lenet, fresh, error_of, change, message):
    content = torch.load(lenet, weights_only=False)
    change(content['meta'])
    torch.save(content, 'odd.pth')
    cv2.imwrite('a.png', np.zeros((8, 8), np.uint8))
    if message is None:
        (row,) = infer('odd.pth', 'a.png', 'out')
        assert len(row['predictions']) == 5
    else:
        assert message in error_of(infer, 'odd.pth', 'a.png', 'out')


def test_every_checkpoint_carries_its_config_as_json(lenet):
    meta = torch.load(lenet, weights_only=False)['meta']
    assert json.loads(meta[JSON_KEY])['model']['type'] == 'projects.ImageClassifier'


def test_a_resume_runs_no_config_of_the_file(write_config, fresh):
    train(write_config(), 'run', cfg_options=['train_cfg.max_epochs=1'])
    content = torch.load('run/epoch_1.pth', weights_only=False)
    content['meta']['config'] = "open('ran', 'w')\nmodel = dict(type='x')"
    torch.save(content, 'run/epoch_1.pth')
    fresh()
    train(write_config(), 'run', resume=True)
    assert not Path('ran').exists()
