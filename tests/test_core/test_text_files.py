"""Texts of one's own, and the standard library as a text."""

import os

import pytest

from projects.core.errors import UserError
from projects.core.tasks.language.files import ParallelFiles, TextFiles, TextFolders
from projects.core.tasks.language.source import SourceCorpus, split_of
from projects.registry import DATASETS


@pytest.fixture
def write(tmp_path):
    """Function that writes files below a folder, whose path it returns."""

    def call(**files):
        for name, content in files.items():
            path = tmp_path / name.replace('__', '/').replace('_txt', '.txt')
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                content if isinstance(content, bytes) else content.encode()
            )
        return str(tmp_path)

    return call


def test_a_file_is_a_document(write):
    root = write(train_txt='\ufeffOne.\r\n\r\nTwo.\n', val_txt='Drei.')
    corpus = TextFiles(root, 'train.txt', 'val.txt')
    assert corpus.documents('train') == [('train.txt', 'One.\n\nTwo.\n')]
    assert corpus.documents('val') == [('val.txt', 'Drei.')]
    assert ''.join(corpus.training_texts()) == 'One.\n\nTwo.\n'


def test_a_folder_holds_documents(write, warnings_logged):
    root = write(train__b_txt='b', train__a__z_txt='z', train__c_txt='', train__d='d')
    corpus = TextFiles(root, 'train')
    assert corpus.documents('train') == [('a/z.txt', 'z'), ('b.txt', 'b')]
    (line,) = warnings_logged
    assert line.endswith('1 empty files are left out: c.txt')


def test_wikitext_as_it_comes(write, monkeypatch):
    raw = (
        ' \n = Robert <unk> = \n \n Robert is an English actor . \n \n = = Life = = \n'
    )
    root = write(**{'wiki.train.raw': raw * 9, 'wiki.valid.raw': raw})
    corpus = dict(
        type='projects.TextFiles',
        data_root=root,
        train='wiki.train.raw',
        val='wiki.valid.raw',
    )
    for tokenizer in (dict(kind='bytes'), dict(kind='bpe', vocab_size=280)):
        data = DATASETS.build(
            dict(
                type='projects.StreamDataset',
                corpus=dict(corpus),
                split='val',
                length=16,
                tokenizer=tokenizer,
            )
        )
        labels = [
            t for i in range(len(data)) for t in data[i]['data_samples']['labels']
        ]
        assert data.tokenizer.decode(labels) == raw
    assert os.listdir(f'{root}/tokenizers')


@pytest.mark.parametrize(
    ('files', 'train', 'message'),
    [
        ({}, 'none.txt', 'none.txt cannot be read: No such file'),
        (dict(a_txt=''), 'a.txt', 'a.txt is empty'),
        (dict(a_txt=b'\xef\xbb\xbf'), 'a.txt', 'a.txt is empty'),
        (dict(a__b='x'), 'a', 'a holds no *.txt'),
        (dict(a__b_txt=''), 'a', 'a is empty'),
        (
            dict(a_txt=b'one\ntwo\nth\xe9r\xe9se\n'),
            'a.txt',
            'a.txt, line 3: the byte 0xE9 is no UTF-8; save the file as UTF-8',
        ),
        (dict(a_txt='x'.encode('utf-16')), 'a.txt', 'line 1: the byte 0xFF is no'),
    ],
)
def test_mistakes_in_files(write, files, train, message):
    with pytest.raises(UserError) as error:
        TextFiles(write(**files, rest='x'), train).documents('train')
    assert message in str(error.value)


def test_a_split_that_is_not_named(write):
    corpus = TextFiles(write(a_txt='x'), 'a.txt')
    with pytest.raises(UserError, match=r"no split 'val'; set corpus\.val"):
        corpus.documents('val')
    with pytest.raises(UserError, match="split 'valid': one of 'train', 'val', 'test'"):
        corpus.documents('valid')


def parallel(root):
    return ParallelFiles(root, ('train.de', 'train.en')).pairs('train')


def test_parallel_files(write):
    # U+2028 and a form feed are no ends of a line
    root = write(
        **{'train.de': '\ufeffeins\r\nzwei\u2028b\r\n', 'train.en': 'one\ntwo\x0cb'}
    )
    assert parallel(root) == [('eins', 'one'), ('zwei\u2028b', 'two\x0cb')]


def test_pairs_with_a_blank_line_are_left_out(write, warnings_logged):
    root = write(**{'train.de': 'a\nb\n \nd\n', 'train.en': 'A\n\nC\nD\n'})
    assert parallel(root) == [('a', 'A'), ('d', 'D')]
    (line,) = warnings_logged
    assert line.endswith('2 pairs with a blank line are left out, the first is line 2')


@pytest.mark.parametrize(
    ('de', 'en', 'message'),
    [
        (
            'a\nb\n',
            'A\nB\nC c\nD\n',
            "train.de ends after line 2, where train.en goes on with 'C c'",
        ),
        (
            'a\nb\n',
            'A\n',
            "train.en ends after line 1, where train.de goes on with 'b'",
        ),
        ('', 'A\n', 'train.de is empty'),
        ('\n\n', '\n\n', 'hold blank lines alone'),
        (b'a\n\xff\n', 'A\nB\n', 'train.de, line 2: the byte 0xFF'),
    ],
)
def test_mistakes_in_parallel_files(write, de, en, message):
    with pytest.raises(UserError) as error:
        parallel(write(**{'train.de': de, 'train.en': en}))
    assert message in str(error.value)


def test_lines_that_do_not_pair_are_counted(write):
    root = write(**{'train.de': 'a\n', 'train.en': 'A\nB\nC\n'})
    with pytest.raises(UserError, match=r'train\.de has 1 lines and .*train\.en 3: '):
        parallel(root)


def test_one_file_is_no_pair(write):
    with pytest.raises(UserError, match='a source and a target file, as'):
        ParallelFiles(write(a='x'), 'train.de').pairs('train')


def test_folders_of_classes(write):
    root = write(
        train__good__2_txt='nice',
        train__good__1_txt='fine',
        train__bad__1_txt='poor',
        test__bad__1_txt='worse',
        test__good__1_txt='better',
    )
    corpus = TextFolders(root, test='test')
    assert corpus.classes == ('bad', 'good')
    assert corpus.labelled('train') == [('poor', 0), ('fine', 1), ('nice', 1)]
    assert corpus.labelled('test') == [('worse', 0), ('better', 1)]
    assert TextFolders(root, classes=['good']).labelled('train') == [
        ('fine', 0),
        ('nice', 0),
    ]


@pytest.mark.parametrize(
    ('files', 'kwargs', 'message'),
    [
        (dict(a__1_txt='x'), {}, 'there is no folder'),
        (dict(train='x'), {}, 'there is no folder'),
        (dict(train__1_txt='x'), {}, 'holds no folder of a class'),
        (dict(train__a__1='x'), {}, 'holds no *.txt'),
        (
            dict(train__a__1_txt='x', val__b__1_txt='x'),
            dict(val='val'),
            'the classes are a, but it lacks a and has also b',
        ),
        (dict(train__a__1_txt='x'), dict(classes=['a', 'c']), 'but it lacks c'),
    ],
)
def test_mistakes_in_folders(write, files, kwargs, message):
    corpus = TextFolders(write(**files), **kwargs)
    with pytest.raises(UserError) as error:
        corpus.labelled('val' if 'val' in kwargs else 'train')
    assert message in str(error.value)


def test_the_library_by_modules():
    corpus = SourceCorpus()
    names = {
        split: [n for n, _ in corpus.documents(split)] for split in ('val', 'test')
    }
    texts = dict(corpus.documents('train'))
    assert 'random.py' in texts
    assert 'def randrange(self, start' in texts['random.py']
    size = {s: sum(len(t) for _, t in corpus.documents(s)) for s in (*names, 'train')}
    assert 0.85 < size['train'] / sum(size.values()) < 0.95
    # a package is in one split
    packages = {s: {n.split('/')[0] for n in found} for s, found in names.items()}
    packages['train'] = {n.split('/')[0] for n in texts}
    assert not packages['train'] & packages['val']
    assert not packages['train'] & packages['test']
    assert not packages['val'] & packages['test']
    everything = {*texts, *names['val'], *names['test']}
    assert not any(
        part in name.split('/')
        for name in everything
        for part in ('site-packages', 'test', 'tests', 'idlelib', 'encodings')
    )
    assert not any(name.startswith('_sysconfigdata') for name in everything)
    assert corpus.description.startswith('the standard library of Python 3.')


def test_the_library_has_a_limit():
    whole = SourceCorpus().documents('val')
    some = SourceCorpus(max_bytes=dict(val=20_000)).documents('val')
    assert [n for n, _ in some] == [n for n, _ in whole[: len(some)]]
    assert some[:-1] == whole[: len(some) - 1]
    size = sum(len(text.encode()) for _, text in some)
    assert 19_800 < size <= 20_000
    assert whole[len(some) - 1][1].startswith(some[-1][1])
    assert some[-1][1].endswith('\n')


def test_what_is_no_text_of_the_library_is_left_out(tmp_path):
    train, val = 'random', 'enum'
    assert (split_of(train), split_of(val)) == ('train', 'val')
    (tmp_path / 'random.py').write_bytes(b'# caf\xc3\xa9\n')
    (tmp_path / 'random').mkdir()
    (tmp_path / 'random/latin.py').write_bytes(b'# caf\xe9\n')
    (tmp_path / 'random/empty.py').touch()
    (tmp_path / 'random/notes.txt').write_text('x')
    corpus = SourceCorpus(folder=str(tmp_path))
    assert corpus.documents('train') == [('random.py', '# café\n')]
    with pytest.raises(UserError, match='holds no text of the standard library for'):
        corpus.documents('val')


def test_refused_limits():
    with pytest.raises(
        UserError, match=r'max_bytes\.val: a whole number of at least 1'
    ):
        SourceCorpus(max_bytes=dict(val=0))
    with pytest.raises(UserError, match="split 'validation'"):
        SourceCorpus(max_bytes=dict(validation=5))
