from itertools import pairwise

import cv2
import pytest
import torch
from matplotlib import font_manager
from mmengine.config import Config

from projects.core.engine.inference import load_model
from projects.core.errors import UserError
from projects.core.tasks.language.attention_labels import (
    chosen_maps,
    label,
    labels_of,
)
from projects.core.tasks.language.attention_pictures import (
    attention_figure,
    draw_text_attention,
    fonts_for,
    read_texts,
)
from projects.core.tasks.language.models import (
    CausalLanguageModel,
    SequenceClassifier,
)
from projects.core.tasks.language.tokenizers import train_tokenizer
from projects.registry import MODELS

CHARS = train_tokenizer('chars', ['3 mai 2021日'])
MAPS = {
    'encoder 0': torch.rand(2, 3, 3),
    'encoder 1': torch.rand(2, 3, 3),
    'decoder 0': torch.rand(2, 2, 2),
    'decoder to encoder 0': torch.rand(1, 2, 3),
}


@pytest.fixture
def checkpoint(tmp_path):
    """Writes a checkpoint as tools/train.py leaves it."""

    def write(attention='additive', **dataset_meta):
        backbone = dict(
            type='projects.Seq2Seq',
            vocab_size=len(CHARS),
            attention=attention,
            embed_dims=4,
            hidden_dims=6,
            num_layers=1,
        )
        cfg = Config(
            dict(
                default_scope='mmengine',
                model=dict(
                    type='projects.EncoderDecoder',
                    backbone=backbone,
                    search=dict(max_length=5),
                ),
            )
        )
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        file = tmp_path / 'model.pth'
        meta = dict(tokenizer=CHARS.text) | dataset_meta
        torch.save(
            dict(
                state_dict=model.state_dict(),
                meta=dict(cfg=cfg.pretty_text, dataset_meta=meta),
            ),
            file,
        )
        model, _, meta = load_model(str(file))
        return model, meta

    return write


def test_a_translation_is_written_and_drawn(checkpoint, tmp_path):
    out = tmp_path / 'attention.png'
    draw_text_attention(*checkpoint(), '3 mai', out=str(out))
    image = cv2.imread(str(out))
    assert image.shape[0] > 200
    # white is no attention at all, which a softmax never gives
    assert (image == 255).all(-1).mean() < 0.9


def test_rows_are_what_is_written(checkpoint):
    """A query is the step that writes a token; the last one writes the end."""
    model, _ = checkpoint()
    inputs, labels = read_texts(model, CHARS, ['3 mai'])
    assert labels['tokens'] == ['3', '␣', 'm', 'a', 'i', '[SEP]']
    assert inputs['target'][0, 0] == CHARS.bos
    assert labels['target'][0] == '[CLS]'
    assert labels['target'][1:] == labels['written'][:-1]
    assert labels['written'][-1] == '[SEP]'
    (weights,) = model.backbone.attention_maps(inputs).values()
    assert weights.shape == (1, 1, len(labels['written']), 6)
    assert labels_of('encoder 0', labels) == (labels['tokens'], labels['tokens'])
    assert labels_of('decoder 0', labels) == (labels['written'], labels['target'])
    expected = labels['written'], labels['tokens']
    assert labels_of('decoder to encoder 0', labels) == expected


def model_of(cls):
    """One of a kind; what it is made of is not looked at."""
    return cls.__new__(cls)


def test_a_pair_has_types_and_a_language_model_no_end():
    inputs, labels = read_texts(model_of(SequenceClassifier), CHARS, ['3', 'ma'])
    assert labels['tokens'] == ['[CLS]', '3', '[SEP]', 'm', 'a', '[SEP]']
    assert inputs['token_types'].tolist() == [[0, 0, 0, 1, 1, 1]]
    inputs, labels = read_texts(model_of(CausalLanguageModel), CHARS, ['3'])
    assert labels['tokens'] == ['[CLS]', '3']
    assert labels_of('decoder 0', labels) == (labels['tokens'],) * 2
    assert inputs.keys() == {'tokens'}


@pytest.mark.parametrize(
    ('cls', 'number'), [(CausalLanguageModel, 2), (SequenceClassifier, 3)]
)
def test_more_texts_than_a_model_takes_are_refused(cls, number):
    with pytest.raises(UserError, match=f'{number} texts: {cls.__name__} takes one'):
        read_texts(model_of(cls), CHARS, ['3'] * number)


def test_a_token_that_is_part_of_a_character_is_shown_by_its_bytes():
    bytes_ = train_tokenizer('bytes', ())
    shown = [label(bytes_, t) for t in bytes_.encode('a é\n')]
    assert shown == ['a', '␣', 'C3', 'A9', '↵']
    assert label(bytes_, bytes_.mask) == '[MASK]'
    chars = train_tokenizer('chars', ['ä\u200f\u202f'])  # two that have no ink
    shown = [label(chars, t) for t in chars.encode('ä\u200f\u202f')]
    assert shown == ['ä', 'U+200F', 'U+202F']
    wordpiece = train_tokenizer('wordpiece', ['ab abc'], 9)
    assert [label(wordpiece, t) for t in wordpiece.encode('abb')] == ['a', '##b', '##b']


def test_the_last_layer_of_each_kind_is_drawn():
    maps = chosen_maps(MAPS)
    assert [*maps] == [
        'encoder 1, mean of 2 heads',
        'decoder 0, mean of 2 heads',
        'decoder to encoder 0',
    ]
    mean = MAPS['encoder 1'].mean(0)
    torch.testing.assert_close(maps['encoder 1, mean of 2 heads'], mean)


def test_layers_and_heads_by_choice():
    maps = chosen_maps(MAPS, 'encoder 0', [])
    assert [*maps] == ['encoder 0, head 0', 'encoder 0, head 1']
    (chosen,) = chosen_maps(MAPS, ['decoder 0'], [1]).values()
    assert chosen is not None
    assert torch.equal(chosen, MAPS['decoder 0'][1])
    with pytest.raises(UserError, match=r"--layer 'encoder 2': .*did you mean"):
        chosen_maps(MAPS, ['encoder 2'])
    with pytest.raises(UserError, match='--heads 2: decoder 0 has 2 heads, from 0'):
        chosen_maps(MAPS, ['decoder 0'], [2])


def test_the_picture_shows_numbers_and_labels():
    attention = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    figure, missing = attention_figure(
        {'encoder 0': (attention, ['x', 'long token', 'z'], ['[CLS]', 'é'])}
    )
    (axes,) = figure.axes
    assert torch.equal(torch.from_numpy(axes.images[0].get_array().data), attention)
    # from no attention at all to the greatest
    assert axes.images[0].get_clim() == (0, 1)
    assert [t.get_text() for t in axes.get_yticklabels()] == ['x', 'long token', 'z']
    assert [t.get_rotation() for t in axes.get_xticklabels()] == [90, 0]
    assert missing == set()


@pytest.mark.filterwarnings('error')
def test_what_no_font_has_is_shown_by_its_code_point(monkeypatch, tmp_path):
    kept = [
        entry
        for entry in font_manager.fontManager.ttflist
        if entry.name.startswith(('DejaVu', 'Last Resort'))
    ]
    monkeypatch.setattr(font_manager.fontManager, 'ttflist', kept)
    fonts_for.cache_clear()
    try:
        figure, missing = attention_figure(
            {'encoder 0': (torch.eye(3), ['日', 'ы', '日本'], ['ي', '日', 'a'])}
        )
        # a glyph that is not there is a warning of matplotlib's
        figure.savefig(tmp_path / 'figure.png')
    finally:
        fonts_for.cache_clear()
    assert missing == {'日', '本'}
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        'U+65E5',
        'ы',
        'U+65E5U+6…',
    ]
    assert [t.get_text() for t in axes.get_xticklabels()] == ['ي', 'U+65E5', 'a']


def test_labels_of_many_tokens_keep_their_distance():
    names = [f'{i % 10}' for i in range(250)]
    figure, _ = attention_figure({'encoder 0': (torch.rand(250, 250), names, names)})
    (axes,) = figure.axes
    assert (figure.get_size_inches() < 22).all()
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in axes.get_yticklabels()]
    assert 30 < len(boxes) < 250
    assert all(a.y0 > b.y1 - 2 for a, b in pairwise(boxes))


def test_mistakes_are_said(checkpoint, tmp_path, error_of):
    out = str(tmp_path / 'attention.png')

    def error(model, *args, **kwargs):
        return error_of(draw_text_attention, *model, *args, out=out, **kwargs)

    assert 'this Seq2Seq was built without attention' in error(checkpoint(None), '3')
    model = checkpoint()
    assert '2 texts: EncoderDecoder takes one' in error(model, ['3', 'm'])
    assert "--layer 'encoder 0': the model has decoder to" in error(
        model, '3', layers='encoder 0'
    )
    assert 'texts: a text' in error(model, [3])
    assert 'no attention on text' in error(checkpoint(tokenizer=''), '3')
