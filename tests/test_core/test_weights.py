import pickle

import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from projects.core.errors import UserError
from projects.core.weights import load_weights, read_checkpoint


class Net(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.backbone = nn.Linear(4, 5)  # 25 parameters
        self.head = nn.Linear(5, num_classes)  # 6 per class


class Evil:
    def __reduce__(self):
        return exec, ("open('/tmp/never', 'w')",)


class Sly:
    """Asks for another method than those of a history."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_all_weights_or_none(prefix):
    source, target = Net(), Net()
    state = {prefix + k: v for k, v in source.state_dict().items()}
    assert load_weights(target, state, 'x.pth') == (
        '4 of 4 weights (100.0% of the parameters) loaded from x.pth'
    )
    assert torch.equal(source.head.weight, target.head.weight)

    before = target.backbone.weight.clone()
    state = {**Net(7).state_dict(), 'neck.weight': torch.zeros(2, 2)}
    with pytest.raises(UserError) as error:
        load_weights(target, state, 'y.pth')
    assert str(error.value).splitlines() == [
        'y.pth does not fit this model: 2 of its 4 weights match; the first '
        'that differ (model | file):',
        '  head.weight (3, 5) | (7, 5)',
        '  head.bias (3,) | (7,)',
        '  missing | neck.weight (2, 2)',
        'give the config that this checkpoint was trained with',
    ]
    assert torch.equal(target.backbone.weight, before)


def test_new_head_keeps_its_values_and_is_named():
    source, target = Net(7), Net(3)
    head = target.head.weight.clone()
    report = load_weights(target, source.state_dict(), 'x.pth', allow_new_head=True)
    # 25 of 25 + 18 parameters
    assert report.splitlines() == [
        '2 of 4 weights (58.1% of the parameters) loaded from x.pth',
        '  left out     2  41.9%  head.weight (3, 5): the file has (7, 5)',
        '                         head.bias (3,): the file has (7,)',
    ]
    assert torch.equal(target.backbone.weight, source.backbone.weight)
    assert torch.equal(target.head.weight, head)


def test_few_weights_are_named_one_by_one_and_many_by_their_pattern():
    def net(num_layers, width):
        model = Net()
        model.head = nn.Sequential(*(nn.Linear(5, width) for _ in range(num_layers)))
        return model

    few = load_weights(net(2, 3), net(2, 7).state_dict(), 'x', True)
    assert few.splitlines()[2:] == [
        ' ' * 25 + 'head.0.bias (3,): the file has (7,)',
        ' ' * 25 + 'head.1.weight (3, 5): the file has (7, 5)',
        ' ' * 25 + 'head.1.bias (3,): the file has (7,)',
    ]
    many = load_weights(net(3, 3), net(3, 7).state_dict(), 'x', True)
    assert many.splitlines()[1:] == [
        '  left out     6  68.4%  head.*.weight (3, 5): the file has (7, 5) (3)',
        ' ' * 25 + 'head.*.bias (3,): the file has (7,) (3)',
    ]


def test_new_head_excuses_no_gap_in_the_backbone():
    state = Net(7).state_dict()
    del state['backbone.bias']
    with pytest.raises(UserError, match=r'backbone.bias \(5,\) \| missing'):
        load_weights(Net(), state, 'x.pth', allow_new_head=True)


def test_mere_weights_and_checkpoints(tmp_path):
    state = Net().state_dict()
    for content in (state, dict(state_dict=state, meta=dict(epoch=3))):
        torch.save(content, tmp_path / 'x.pth')
        read = read_checkpoint(str(tmp_path / 'x.pth'))
        assert torch.equal(read['state_dict']['head.bias'], state['head.bias'])
    assert read['meta'] == dict(epoch=3)


def test_histories_are_read(tmp_path):
    history = HistoryBuffer([1.5, 2.5], [1, 1])
    torch.save(dict(state_dict={}, log=history), tmp_path / 'x.pth')
    assert read_checkpoint(str(tmp_path / 'x.pth'))['log'].mean() == 2


@pytest.mark.parametrize(
    ('content', 'reason'),
    [(Evil(), 'it asks for exec. Give a file of'), (Sly(), '__init__')],
)
def test_nothing_is_run(tmp_path, content, reason):
    path = tmp_path / 'x.pth'
    torch.save(dict(state_dict={}, meta=content), path)
    with pytest.raises(UserError, match=reason) as error:
        read_checkpoint(str(path))
    assert str(error.value).startswith(f'{path} is not read, because that would run')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'PK\x03\x04 cut',
        b'no checkpoint at all',
        pickle.dumps(dict(state_dict={}))[:-4],
    ],
)
def test_what_is_no_checkpoint(tmp_path, content):
    path = tmp_path / 'x.pth'
    path.write_bytes(content)
    with pytest.raises(UserError, match=f'^{path} is (damaged or )?no check'):
        read_checkpoint(str(path))


def test_missing_file():
    with pytest.raises(UserError, match=r'^there is no checkpoint no\.pth$'):
        read_checkpoint('no.pth')


def test_surplus_weights_of_a_backbone_are_refused_for_any_head():
    model = nn.Module()
    model.backbone, model.head = nn.Linear(2, 2), nn.Linear(2, 3)
    state = {**model.state_dict(), 'backbone.extra': torch.zeros(4)}
    with pytest.raises(UserError, match=r'missing \| backbone\.extra \(4,\)'):
        load_weights(model, state, 'x.pth', allow_new_head=True)
