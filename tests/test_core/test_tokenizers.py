"""Tokenizers: round trips, what is learnt of what, files of others."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.core.errors import UserError
from projects.core.tasks.language.corpora import PairCorpus
from projects.core.tasks.language.datasets import make_tokenizer
from projects.core.tasks.language.tokenizers import (
    SPECIAL,
    Tokenizer,
    pieces_of,
    read_tokenizer,
    train_tokenizer,
)

TEXTS = ['the cat sat on the mat\n', 'the dog, the cats; café  déjà\tvu [SEP]']
TOKENIZERS = dict(
    bytes=train_tokenizer('bytes', ()),
    bpe=train_tokenizer('bpe', TEXTS, 300),
)
UNICODE = st.text(max_size=40) | st.text('the cas[SEP]MK\n\t é', max_size=40)


class Words(PairCorpus):
    description = 'words'

    def __init__(self, data_root, words=('abba', 'cab')):
        self.data_root = str(data_root)
        self.words = words

    def pairs(self, split):
        return [(w, w) for w in (self.words if split == 'train' else ['zebra'])]


@pytest.mark.parametrize('kind', TOKENIZERS)
@settings(max_examples=100, deadline=None)
@given(text=UNICODE)
def test_bytes_hold_any_text(kind, text):
    tokenizer = TOKENIZERS[kind]
    (tokens,) = tokenizer.encode_all([text])
    assert tokenizer.decode(tokens) == text
    assert not tokenizer.special & set(tokens)
    assert tokenizer.byte_lengths[tokens].sum() == len(text.encode())
    assert np.array_equal(tokenizer.encode_long(text), tokens)


@settings(max_examples=100, deadline=None)
@given(text=UNICODE)
def test_characters_hold_any_text_of_theirs(text):
    tokenizer = train_tokenizer('chars', [text])
    assert len(tokenizer) == len(SPECIAL) + len(set(text))
    (tokens,) = tokenizer.encode_all([text])
    assert len(tokens) == len(text)
    assert tokenizer.decode(tokens) == text
    assert tokenizer.byte_lengths[tokens].sum() == len(text.encode())
    # as the library does it
    assert (
        tokenizer._tokenizer.encode(text.replace('[', '')).ids
        == (tokenizer.encode_all([text.replace('[', '')])[0])
    )


@settings(max_examples=200, deadline=None)
@given(
    text=st.text('ab =,\n', max_size=60) | st.text(max_size=60),
    size=st.integers(1, 20),
)
def test_pieces_change_no_token(text, size):
    pieces = list(pieces_of(text, size))
    assert ''.join(pieces) == text
    whole, *parts = TOKENIZERS['bpe'].encode_all([text, *pieces])
    assert [token for part in parts for token in part] == whole


def test_a_long_text_is_cut():
    text = ' \n = Title = \n \n A line of text .\n' * 20
    assert len(list(pieces_of(text, 100))) > 5


def test_unknown_characters_are_one_token():
    tokenizer = train_tokenizer('chars', ['abc'])
    assert tokenizer.encode('aéb') == [5, tokenizer.unk, 6]
    assert tokenizer.decode([5, tokenizer.unk, 6]) == 'ab'
    assert tokenizer.byte_lengths[tokenizer.unk] == 1
    assert [tokenizer.token(i) for i in (0, 1, 5)] == ['[PAD]', '[UNK]', 'a']
    assert tokenizer.token(99) == '<99>'


def test_most_frequent_characters_are_kept():
    tokenizer = train_tokenizer('chars', ['aaabbc', 'cd'], 8)
    assert [tokenizer.token(i) for i in range(8)] == [*SPECIAL, 'a', 'b', 'c']


def test_tokens_of_special_meaning():
    for kind in ('bytes', 'chars', 'bpe', 'wordpiece'):
        size = dict(bpe=300, wordpiece=60).get(kind)
        tokenizer = train_tokenizer(kind, TEXTS, size)
        roles = (tokenizer.pad, tokenizer.unk, tokenizer.bos, tokenizer.eos)
        assert (*roles, tokenizer.mask) == (0, 1, 2, 3, 4)
        assert tokenizer.special == set(range(5))
        # of who asks, not of a corpus
        assert tokenizer.mask in tokenizer.encode('a[MASK]')
        assert tokenizer.mask not in tokenizer.encode_all(['a[MASK]'])[0]
        assert Tokenizer(tokenizer.text) == tokenizer


def test_a_damaged_file_name_is_a_text():
    for tokenizer in TOKENIZERS.values():
        assert tokenizer.decode(tokenizer.encode('a\udce9b')) == 'a?b'


def test_wordpiece_knows_parts_of_words():
    tokenizer = train_tokenizer('wordpiece', ['walk walked walking talk talked'], 40)
    names = [tokenizer.token(i) for i in tokenizer.encode('Talking')]
    assert names[0][0] == 't'
    assert all(name.startswith('##') for name in names[1:])
    assert tokenizer.decode(tokenizer.encode('Talking walked')) == 'talking walked'
    assert tokenizer.byte_lengths[tokenizer.encode('talking')].sum() == 7


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(kind='byte'), "one of 'bytes', 'chars', 'bpe', 'wordpiece', not 'byte'"),
        (dict(kind='bpe'), 'vocab_size: bpe needs the number of tokens'),
        (dict(kind='wordpiece'), 'vocab_size: wordpiece needs'),
        (dict(kind='bpe', vocab_size=260), 'a whole number of at least 261, not 260'),
        (dict(kind='bpe', vocab_size='2k'), "not '2k'"),
        (dict(kind='chars', vocab_size=5), 'at least 6, not 5'),
        (dict(kind='bytes', vocab_size=300), 'bytes are 261 tokens; leave it out'),
        (dict(knd='bpe'), "nothing reads the key 'knd'"),
        (dict(file='none.json'), 'there is no tokenizer none.json'),
    ],
)
def test_mistakes_in_the_settings(tmp_path, settings, message):
    with pytest.raises(UserError) as error:
        make_tokenizer(settings, Words(tmp_path))
    assert message in str(error.value)


def test_learnt_of_the_training_texts_alone_and_once(tmp_path, monkeypatch):
    tokenizer = make_tokenizer(dict(kind='chars'), Words(tmp_path))
    assert tokenizer.encode('zebra') == [tokenizer.unk] * 2 + [
        tokenizer.encode('b')[0],
        tokenizer.unk,
        tokenizer.encode('a')[0],
    ]
    (file,) = tmp_path.glob('tokenizers/*.json')
    assert file.name.startswith('chars-')
    monkeypatch.setattr('projects.core.tasks.language.datasets.train_tokenizer', None)
    assert make_tokenizer(dict(kind='chars'), Words(tmp_path)) == tokenizer
    monkeypatch.undo()
    # other texts, other settings: other files
    make_tokenizer(dict(kind='chars'), Words(tmp_path, ('abba', 'cabs')))
    make_tokenizer(dict(kind='chars', vocab_size=6), Words(tmp_path))
    assert len(list(tmp_path.glob('tokenizers/*.json'))) == 3
    make_tokenizer({}, Words(tmp_path))  # bytes: nothing to save
    assert len(list(tmp_path.glob('tokenizers/*.json'))) == 3


def test_a_damaged_file_is_named(tmp_path):
    make_tokenizer(dict(kind='chars'), Words(tmp_path))
    (file,) = tmp_path.glob('tokenizers/*.json')
    for content in (file.read_bytes()[:90], b'{}', b'\xff\xfe', b'[]'):
        file.write_bytes(content)
        with pytest.raises(UserError) as error:
            make_tokenizer(dict(kind='chars'), Words(tmp_path))
        assert str(error.value).startswith(str(file))
        assert str(error.value).endswith('; delete it, and it is learnt anew')


def test_published_files_ask_for_no_padding():
    settings = json.loads(TOKENIZERS['bpe'].text)
    settings['truncation'] = dict(
        direction='Right', max_length=4, strategy='LongestFirst', stride=0
    )
    settings['padding'] = dict(
        strategy=dict(Fixed=9),
        direction='Right',
        pad_to_multiple_of=None,
        pad_id=0,
        pad_type_id=0,
        pad_token='[PAD]',
    )
    tokenizer = Tokenizer(json.dumps(settings))
    expected = TOKENIZERS['bpe'].encode_all(['xyz', 'the cat sat on the mat'])
    assert tokenizer.encode_all(['xyz', 'the cat sat on the mat']) == expected


def test_gpt2s_files(tmp_path):
    from transformers import GPT2TokenizerFast

    settings = json.loads(train_tokenizer('bpe', TEXTS, 300).text)
    tokens = [t for t in settings['model']['vocab'] if t not in SPECIAL]
    vocab = {token: i for i, token in enumerate([*tokens, '<|endoftext|>'])}
    merges = '\n'.join(' '.join(pair) for pair in settings['model']['merges'])
    (tmp_path / 'vocab.json').write_text(json.dumps(vocab))
    (tmp_path / 'merges.txt').write_text(f'#version: 0.2\n{merges}\n')
    theirs = GPT2TokenizerFast(
        str(tmp_path / 'vocab.json'), str(tmp_path / 'merges.txt')
    )
    for place in (tmp_path, tmp_path / 'vocab.json'):
        ours = read_tokenizer(str(place))
        assert len(ours) == len(theirs) == len(vocab)
        assert ours.bos == ours.eos == vocab['<|endoftext|>']
        assert ours.special == {vocab['<|endoftext|>']}
        for text in (*TEXTS, ' the  cat\n\n sat', 'Ünï©ode 日本', ''):
            assert ours.encode(text) == theirs(text)['input_ids']
            assert ours.decode(ours.encode(text)) == text
    (tmp_path / 'merges.txt').unlink()
    with pytest.raises(UserError, match=r'vocab\.json'):
        read_tokenizer(str(tmp_path))


def test_berts_file(tmp_path):
    from transformers import BertTokenizerFast

    words = ['the', 'cat', 'sat', '##s', 'on', ',', 'cafe', '##r', '日']
    (tmp_path / 'vocab.txt').write_text('\n'.join([*SPECIAL, *words]), 'utf-8')
    theirs = BertTokenizerFast(str(tmp_path / 'vocab.txt'))
    ours = read_tokenizer(str(tmp_path))
    assert len(ours) == len(theirs)
    assert (ours.bos, ours.eos) == (theirs.cls_token_id, theirs.sep_token_id)
    for text in ('The CATS, on', 'café 日日 caférs unknown', 'a [MASK] sat', ''):
        expected = theirs(text, add_special_tokens=False)['input_ids']
        assert ours.encode(text) == expected
    assert ours.decode(ours.encode('The cats')) == 'the cats'


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('vocab.json', '{"a": 0', 'vocab.json'),
        ('tokenizer.json', '{"a": 0}', 'is no tokenizer'),
        ('notes.md', 'x', 'holds no tokenizer'),
    ],
)
def test_mistakes_in_published_files(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as error:
        read_tokenizer(str(tmp_path))
    assert message in str(error.value)
