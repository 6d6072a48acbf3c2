"""What of a file ``Runner.load_checkpoint`` and a new head let pass."""

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.runner import Runner as MMEngineRunner
from toy_runs import ToyLanguageModel

from projects.core.engine.runner import Runner
from projects.core.errors import UserError
from projects.core.weights import load_weights


@pytest.fixture
def runner(fresh, tmp_path):
    return Runner(
        ToyLanguageModel(), str(tmp_path / 'run'), experiment_name='toy', cfg=dict()
    )


def save(state, tmp_path):
    torch.save(dict(state_dict=state), tmp_path / 'x.pth')
    return str(tmp_path / 'x.pth')


def test_strict_is_the_default_and_can_be_left(runner, tmp_path):
    state = ToyLanguageModel(num_tokens=9).state_dict()
    state['more'] = torch.zeros(2)
    file = save(state, tmp_path)
    before = runner.model.embedding.weight.clone()
    with pytest.raises(UserError, match='does not fit this model: 4 of its 7'):
        runner.load_checkpoint(file)
    runner.load_checkpoint(file, strict=False)
    assert torch.equal(runner.model.layers[0].weight, state['layers.0.weight'])
    assert torch.equal(runner.model.embedding.weight, before)
    text = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert '4 of 7 weights' in text
    assert 'embedding.weight (8, 6): the file has (9, 6)' in text
    assert 'more (2,)' in text


def test_names_are_revised_as_mmengine_does(runner, tmp_path):
    state = ToyLanguageModel().state_dict()
    old = {f'net.{k}'.replace('layers', 'blocks'): v for k, v in state.items()}
    file = save(old, tmp_path)
    with pytest.raises(UserError, match='does not fit'):
        runner.load_checkpoint(file)
    keys = [(r'^net\.', ''), (r'^blocks\.(\d+)', r'layers.\1')]
    runner.load_checkpoint(file, revise_keys=keys)
    loaded = runner.model.state_dict()
    assert all(torch.equal(loaded[k], state[k]) for k in state)
    torch.nn.init.zeros_(runner.model.embedding.weight)
    MMEngineRunner.load_checkpoint(runner, file, revise_keys=keys)
    assert torch.equal(runner.model.embedding.weight, state['embedding.weight'])


def test_averages_begin_with_a_file_of_other_names(runner, tmp_path):
    """A test with EMAHook evaluates its copy of what was loaded."""
    hook = EMAHook()
    runner.register_hook(hook)
    hook.before_run(runner)
    state = ToyLanguageModel().state_dict()
    runner.load_checkpoint(save({f'module.{k}': v for k, v in state.items()}, tmp_path))
    for weights in (runner.model.state_dict(), hook.ema_model.module.state_dict()):
        assert all(torch.equal(weights[k], state[k]) for k in state)


def test_new_vocabulary_of_a_model_that_names_its_head():
    source, target = ToyLanguageModel(8), ToyLanguageModel(11)
    head = target.decoder['out'].weight.clone()
    report = load_weights(target, source.state_dict(), 'x', allow_new_head=True)
    assert torch.equal(target.decoder['mix'].weight, source.decoder['mix'].weight)
    assert torch.equal(target.decoder['out'].weight, head)
    # 66 + 77 of 227 parameters are of the head
    assert '  left out     3  63.0%  embedding.weight (11, 6)' in report


def test_new_head_of_another_name():
    source, target = ToyLanguageModel(), ToyLanguageModel()
    target.head_prefixes = ('classifier',)
    target.classifier = torch.nn.Linear(6, 2)
    state = source.state_dict()
    state['lm_head.weight'] = torch.zeros(8, 6)  # of the file's own head
    report = load_weights(target, state, 'x', allow_new_head=True)
    assert 'classifier.weight (2, 6): not in the file' in report
    assert 'not used     1         lm_head.weight (8, 6)' in report


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('decoder.mix.bias'), r'decoder\.mix\.bias \(6,\) \| missing'),
        (lambda s: s.update({'layers.1.bias': torch.ones(6)}), r'missing \| layers\.1'),
    ],
)
def test_what_is_not_head_must_be_covered(change, message):
    state = ToyLanguageModel(11).state_dict()
    change(state)
    with pytest.raises(UserError, match=message) as error:
        load_weights(ToyLanguageModel(), state, 'x', allow_new_head=True)
    assert str(error.value).endswith('may differ: embedding, decoder.out')


def test_prefix_is_a_whole_name():
    model = torch.nn.Module()
    model.head_prefixes = ('out',)
    model.out, model.outer = torch.nn.Linear(2, 3), torch.nn.Linear(2, 2)
    state = model.state_dict()
    del state['outer.bias']
    with pytest.raises(UserError, match=r'outer\.bias'):
        load_weights(model, state, 'x', allow_new_head=True)
