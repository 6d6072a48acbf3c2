"""Folders of transformers: a file of weights, or several with a list of them."""

import json

import pytest
import torch

from projects.core.errors import UserError
from projects.core.weights import load_weights, read_weights
from projects.registry import MODELS

SIZES = dict(n_embd=16, n_layer=2, n_head=2, vocab_size=50, n_positions=16)


@pytest.fixture(scope='module')
def theirs():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(**SIZES)).eval()


def scores(folder):
    backbone = dict(type='projects.GPT', arch=(16, 2, 2), vocab_size=50, max_length=16)
    model = MODELS.build(dict(type='projects.CausalLanguageModel', backbone=backbone))
    weights = read_weights(str(folder), mapped=True)['state_dict']
    report = load_weights(model, weights, str(folder))
    assert '100.0% of the parameters' in report
    with torch.no_grad():
        return model.eval()(dict(tokens=torch.arange(9)[None]))


@pytest.mark.parametrize(
    ('options', 'num_files'),
    [
        (dict(), 1),
        (dict(safe_serialization=False), 1),
        (dict(max_shard_size='10KB'), 4),
        (dict(max_shard_size='10KB', safe_serialization=False), 4),
    ],
)
def test_a_folder_gives_the_model(theirs, tmp_path, options, num_files):
    theirs.save_pretrained(tmp_path, **options)
    files = [p for p in tmp_path.iterdir() if p.suffix in ('.bin', '.safetensors')]
    assert len(files) >= num_files
    with torch.no_grad():
        expected = theirs(torch.arange(9)[None]).logits
    torch.testing.assert_close(scores(tmp_path), expected, atol=1e-5, rtol=1e-5)


def test_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match=r'holds neither model.safetensors nor pytorch'):
        read_weights(str(tmp_path))


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"weight_map": 3}'])
def test_a_damaged_list(tmp_path, text):
    (tmp_path / 'model.safetensors.index.json').write_text(text)
    with pytest.raises(UserError, match=r'index.json is no list of weights'):
        read_weights(str(tmp_path))


def test_a_file_that_is_missing(theirs, tmp_path):
    theirs.save_pretrained(tmp_path, max_shard_size='10KB')
    lost = sorted(tmp_path.glob('*.safetensors'))[-1]
    lost.unlink()
    with pytest.raises(UserError, match=f'there is no checkpoint .*{lost.name}'):
        read_weights(str(tmp_path))


def test_a_weight_that_is_in_no_file(theirs, tmp_path):
    theirs.save_pretrained(tmp_path, max_shard_size='10KB')
    index = tmp_path / 'model.safetensors.index.json'
    content = json.loads(index.read_text())
    content['weight_map']['one.more'] = next(iter(content['weight_map'].values()))
    index.write_text(json.dumps(content))
    with pytest.raises(UserError, match='names weights that no file of it holds: one'):
        read_weights(str(tmp_path))


def test_no_file_outside_the_folder_is_read(theirs, tmp_path):
    folder = tmp_path / 'inner'
    theirs.save_pretrained(folder)
    (folder / 'model.safetensors').rename(tmp_path / 'model.safetensors')
    places = {'wte.weight': '../model.safetensors'}
    (folder / 'model.safetensors.index.json').write_text(
        json.dumps(dict(weight_map=places))
    )
    with pytest.raises(UserError, match='there is no checkpoint'):
        read_weights(str(folder))
