"""A model that a file fills takes no memory, and no initialisation, before."""

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from projects import create_model
from projects.core.weights import build_for, load_weights, read_weights
from projects.core.weights.memory import give_memory, parameters_without_memory
from projects.registry import MODELS

MINI = ['model.backbone.arch=(16, 2, 2)', 'model.backbone.vocab_size=32']


class Tabled(nn.Module):
    """A linear layer and two tables, one of which no file has."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2, bias=False)
        self.linear.weight.tag = 'mine'
        self.register_buffer('saved', torch.arange(2.0))
        self.register_buffer('made', torch.arange(3.0), persistent=False)
        self.plain = torch.arange(4.0)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(3, 2)
        self.output = nn.Linear(2, 3, bias=False)
        self.output.weight = self.embedding.weight
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)


class Curious(nn.Module):
    """Looks at its weight while it is built."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2, bias=False)
        self.largest = self.linear.weight.max().item()


class Derived(nn.Module):
    """Has a buffer that is computed from a weight."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2, bias=False)
        self.register_buffer('twice', 2 * self.linear.weight.detach(), False)


@pytest.fixture(params=['pth', 'legacy.pth', 'safetensors'])
def file(request, tmp_path):
    """Weights of a small GPT, and the file that holds them."""
    torch.manual_seed(1)
    state = create_model('gpt_mini', cfg_options=MINI).state_dict()
    path = str(tmp_path / f'weights.{request.param}')
    if request.param == 'safetensors':
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save(
            state, path, _use_new_zipfile_serialization='legacy' not in request.param
        )
    return path, state


def test_a_file_fills_a_model_that_was_never_initialised(file, monkeypatch):
    path, state = file
    drawn = []
    normal_ = torch.Tensor.normal_

    def counted(self, *args, **kwargs):
        drawn.append(self.device.type)
        return normal_(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, 'normal_', counted)
    model = create_model('gpt_mini', pretrained=path, cfg_options=MINI)
    assert set(drawn) == {'meta'}
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    for name, weight in loaded.items():
        assert torch.equal(weight, state[name])
        assert weight.is_contiguous()
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())
    assert model.is_init
    assert model.backbone.is_init
    # nothing of it is the file's
    with open(path, 'r+b') as stream:
        stream.write(bytes(1000))
    assert all(torch.equal(w, state[k]) for k, w in model.state_dict().items())
    model(dict(tokens=torch.tensor([[1, 2]]))).sum().backward()
    assert model.backbone.wte.weight.grad.abs().max() > 0


def test_half_precision_becomes_the_model_s(tmp_path):
    state = create_model('gpt_mini', cfg_options=MINI).half().state_dict()
    path = str(tmp_path / 'half.pth')
    torch.save(state, path)
    model = create_model('gpt_mini', pretrained=path, cfg_options=MINI)
    for name, weight in model.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, state[name].float())


def test_weights_from_the_file_are_read_when_used(file):
    """Of a format that can: not in the memory of the process."""
    path, state = file
    weights = read_weights(path, mapped=True)['state_dict']
    assert all(torch.equal(weights[name], state[name]) for name in state)


def test_tables_are_those_of_the_model():
    source = Tabled()
    source.saved += 5
    model = build_for(source.state_dict(), Tabled)
    assert model.linear.weight.is_meta
    load_weights(model, source.state_dict(), 'x.pth')
    assert torch.equal(model.linear.weight, source.linear.weight)
    assert model.linear.weight.tag == 'mine'
    assert model.saved.tolist() == [5, 6]
    assert model.made.tolist() == [0, 1, 2]
    assert model.plain.tolist() == [0, 1, 2, 3]


def test_what_the_file_lacks_is_built_as_ever():
    state = Tabled().state_dict()
    assert build_for({k: v for k, v in state.items() if k != 'saved'}, Tabled) is None
    assert build_for({**state, 'linear.weight': torch.ones(3, 2)}, Tabled) is None
    assert build_for({'module.' + k: v for k, v in state.items()}, Tabled) is not None


@pytest.mark.parametrize('kind', [Curious, Derived])
def test_a_model_that_needs_its_numbers_is_built_as_ever(kind):
    assert build_for(kind().state_dict(), kind) is None
    assert not kind().linear.weight.is_meta  # nothing is left behind


def test_shared_and_frozen_parameters_stay_so():
    source = Tied()
    model = build_for(source.state_dict(), Tied)
    load_weights(model, source.state_dict(), 'x.pth')
    assert model.output.weight is model.embedding.weight
    assert torch.equal(model.output.weight, source.output.weight)
    assert not model.frozen.requires_grad
    assert len(list(model.parameters())) == 2


def test_tables_of_an_image_model_are_in_no_file():
    """Position indices of windows, and the colours of the preprocessor."""
    cfg = dict(
        type='projects.ImageClassifier',
        data_preprocessor=dict(mean=[100.0] * 3, std=[50.0] * 3),
        backbone=dict(
            type='projects.SwinTransformer',
            arch=(8, (1, 1), (2, 2)),
            window_size=4,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=2, in_channels=16),
    )

    def build():
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return MODELS.build(cfg)

    source = build().eval()
    model = build_for(source.state_dict(), build)
    load_weights(model, source.state_dict(), 'swin.pth')
    for name, table in source.named_buffers():
        assert torch.equal(dict(model.named_buffers())[name], table)
    assert any('index' in name for name, _ in source.named_buffers())
    assert model.data_preprocessor.mean.flatten().tolist() == [100.0] * 3
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), source(images))


def test_give_memory_leaves_numbers_alone():
    model = nn.Linear(2, 2)
    weight = model.weight.clone()
    give_memory(model)
    assert torch.equal(model.weight, weight)
    with parameters_without_memory():
        model = nn.Linear(2, 2)
    assert [p.is_meta for p in model.parameters()] == [True, True]
    give_memory(model)
    assert [p.is_meta for p in model.parameters()] == [False, False]
