"""Results replace nothing of the user's, and survive a kill at any moment."""

import errno
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from projects.core import files
from projects.core.errors import UserError
from projects.core.files import JOURNAL, check_outputs, output_file, write_text
from projects.core.tasks.drawing import picture_names

MINE = b'of the user'


def make_file(path):
    path.write_bytes(MINE)


def make_link(path):
    make_file(path.with_name('mine'))
    path.symlink_to('mine')


def make_hard_link(path):
    make_file(path.with_name('mine'))
    path.hardlink_to(path.with_name('mine'))


def make_changed(path):
    write_text(str(path), 'result', '--out')
    make_file(path)


def make_renamed(path):
    """Ours, of another name."""
    write_text(str(path.with_name('mine')), 'result', '--out')
    path.with_name('mine').rename(path)


def make_moved(path):
    """Ours, of another folder."""
    write_text(str(path.parent / 'there' / path.name), 'result', '--out')
    (path.parent / 'there' / path.name).rename(path)


def make_link_to_ours(path):
    write_text(str(path.with_name('ours')), 'result', '--out')
    path.symlink_to('ours')


FOREIGN = {  # what stands at the name of a result
    'file': make_file,
    'empty file': Path.touch,
    'link': make_link,
    'hard link': make_hard_link,
    'link to nothing': lambda path: path.symlink_to('nothing'),
    'link to itself': lambda path: path.symlink_to(path.name),
    'link to ours': make_link_to_ours,
    'folder': Path.mkdir,
    'pipe': os.mkfifo,
    'ours, changed': make_changed,
    'ours, renamed': make_renamed,
    'ours, moved': make_moved,
}
NAMES = ['a.json', 'two words.json', 'ü.png', 'line\nbreak\\.csv', '\udcff.txt', '-n']


def content_of(folder):
    """Every name below a folder with what it is."""
    found = {}
    for path in sorted(folder.rglob('*')):
        if path.name == JOURNAL:
            continue
        if path.is_symlink():
            found[path.name] = os.readlink(path)
        else:
            found[path.name] = path.read_bytes() if path.is_file() else path.is_dir()
    return found


@pytest.mark.parametrize('kind', FOREIGN)
def test_what_is_not_ours_stays(tmp_path, kind):
    path = tmp_path / 'a.json'
    FOREIGN[kind](path)
    before = content_of(tmp_path)
    for write in (
        lambda: write_text(str(path), 'new', '--out'),
        lambda: check_outputs([str(path)], '--out'),
    ):
        with pytest.raises(UserError, match=r'a\.json is there already .* with --out'):
            write()
    assert content_of(tmp_path) == before


@pytest.mark.parametrize('name', NAMES)
def test_ours_is_replaced_as_often_as_one_likes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        check_outputs([name], '--out')
        write_text(name, f'result {i}', '--out')
    assert Path(name).read_text() == 'result 2'
    assert {p.name for p in tmp_path.iterdir()} == {name, JOURNAL}
    # in the words of another tool: the last line is of what is there
    Path('last').write_bytes(Path(JOURNAL).read_bytes().splitlines()[-1] + b'\n')
    subprocess.run(['sha256sum', '--check', '--strict', 'last'], check=True)


def test_another_name_of_ours_keeps_its_content(tmp_path):
    write_text(str(tmp_path / 'a.json'), 'old', '--out')
    (tmp_path / 'kept.json').hardlink_to(tmp_path / 'a.json')
    write_text(str(tmp_path / 'a.json'), 'new', '--out')
    assert (tmp_path / 'kept.json').read_text() == 'old'


def test_other_processes_and_later_ones_know_it(tmp_path):
    path = tmp_path / 'a.json'
    if not (child := os.fork()):
        write_text(str(path), 'by another', '--out')
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    write_text(str(path), 'by this one', '--out')
    files._journal.cache_clear()  # as in a new process
    write_text(str(path), 'later', '--out')
    assert path.read_text() == 'later'


def test_many_processes_write_to_one_folder(tmp_path):
    children = []
    for i in range(4):
        if not (child := os.fork()):
            for j in range(20):  # half of the names are those of all
                name = f'{j}' if j % 2 else f'{i} {j}'
                write_text(str(tmp_path / name), f'{i} {j}' * 1000, '--out')
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    names = [p.name for p in tmp_path.iterdir() if p.name != JOURNAL]
    assert len(names) == 4 * 10 + 10
    check_outputs([str(tmp_path / name) for name in names], '--out')
    entries = set((tmp_path / JOURNAL).read_bytes().splitlines())
    for name in names:
        sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert f'{sha256}  {name}'.encode() in entries


MOMENTS = ['open', 'write', 'hash', 'journal', 'after the journal', 'replace', 'end']


def killed_at(moment, path):
    """Write ``new`` in a process that ends at a moment as by SIGKILL."""
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 9 << 8
        return

    def die(*args, **kwargs):
        os._exit(9)

    if moment == 'open':
        files.open = die
    elif moment == 'hash':
        files._sha256 = die
    elif moment == 'journal':
        os.write = die
    elif moment == 'after the journal':
        os.replace = die
    elif moment == 'replace':
        replace = os.replace
        os.replace = lambda *args: (replace(*args), die())
    with output_file(str(path), '--out') as file:
        file.write(b'new' * 1000)
        if moment == 'write':
            file.flush()
            die()
    die()


@pytest.mark.parametrize(
    ('moment', 'before'),
    # of what is there the hash is taken before anything is written
    [(m, b) for m in MOMENTS for b in (None, 'old') if (m, b) != ('hash', 'old')],
)
def test_killed_at(tmp_path, moment, before):
    path = tmp_path / 'a.json'
    if before is not None:
        write_text(str(path), before, '--out')
    killed_at(moment, path)
    left = path.read_text() if path.exists() else None
    assert left in (before, 'new' * 1000)
    assert (left != before) == (moment in ('replace', 'end'))
    others = {p.name for p in tmp_path.iterdir()} - {path.name, JOURNAL}
    assert all(n.startswith('.mmatlas.') and n.endswith('.partial') for n in others)
    write_text(str(path), 'again', '--out')  # the same command once more
    assert path.read_text() == 'again'


def test_torn_line_of_a_full_disk_spoils_no_other(tmp_path):
    path = tmp_path / 'a.json'
    write_text(str(path), 'old', '--out')
    with open(tmp_path / JOURNAL, 'ab') as file:
        file.write(b'0123456789')
    write_text(str(path), 'new', '--out')
    files._journal.cache_clear()
    check_outputs([str(path)], '--out')


def raising(error):
    def function(*args, **kwargs):
        raise error

    return function


@pytest.mark.parametrize('place', ['write', 'os.write', 'os.replace', 'body'])
def test_full_disk(tmp_path, monkeypatch, place):
    path = tmp_path / 'a.json'
    write_text(str(path), 'old', '--out')
    before = content_of(tmp_path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if place.startswith('os.'):
        monkeypatch.setattr(place, raising(full))

    def write():
        with output_file(str(path), '--out') as file:
            file.write(b'new')
            if place == 'write':
                raise full
            if place == 'body':
                raise KeyboardInterrupt

    is_full = place != 'body'
    with pytest.raises(UserError if is_full else KeyboardInterrupt) as error:
        write()
    assert ('No space left on device' in str(error.value)) == is_full
    monkeypatch.undo()
    assert content_of(tmp_path) == before
    check_outputs([str(path)], '--out')


@pytest.mark.parametrize(
    'path',
    [
        'file/a.json',
        'file/new/a.json',
        'nowhere/a.json',
        'x' * 300 + '/a.json',
        'x' * 300,
    ],
)
def test_place_that_cannot_be_written_to(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    Path('file').write_bytes(MINE)
    Path('nowhere').symlink_to('missing')
    for write in (
        lambda: check_outputs([path], '--out'),
        lambda: write_text(path, 'new', '--out'),
    ):
        with pytest.raises(UserError, match=r'cannot be written to: .* with --out'):
            write()
    assert content_of(tmp_path) == {'file': MINE, 'nowhere': 'missing'}


def test_journal_is_not_written_through_a_link(tmp_path):
    make_file(tmp_path / 'mine')
    (tmp_path / JOURNAL).symlink_to('mine')
    with pytest.raises(UserError, match='cannot be written to'):
        write_text(str(tmp_path / 'a.json'), 'new', '--out')
    assert (tmp_path / 'mine').read_bytes() == MINE
    assert {p.name for p in tmp_path.iterdir()} == {'mine', JOURNAL}


def test_checks_leave_nothing_behind(tmp_path):
    check_outputs([str(tmp_path / 'new/folder/a.json')], '--out')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('paths', 'expected'),
    [
        (['a.jpg', 'b.jpg'], ['a.png', 'b.png']),
        (['d/x.jpg', 'd/x.png'], ['x.png', 'x.png.png']),
        (['a/x.jpg', 'b/x.jpg'], ['x.png', 'x.jpg.png']),
        (['a/x.jpg', 'b/x.jpg', 'c/x.jpg'], ['x.png', 'x.jpg.png', 'c_x.jpg.png']),
        (
            ['a/x.j', 'b/x.j', 'c/x.j', 'c_x.j'],
            ['x.png', 'x.j.png', 'c_x.j.png', 'c_x.png'],
        ),
        (['X.jpg', 'x.jpg'], ['X.png', 'x.jpg.png']),
        (['a.b.jpg', '.jpg'], ['a.b.png', '.jpg.png']),
        (['a.jpg', 'a.jpg'], ['a.png']),
        ([], []),
    ],
)
def test_no_two_images_share_a_picture(paths, expected):
    assert list(picture_names(paths).values()) == expected


def test_names_of_pictures_are_short_enough(tmp_path):
    paths = [str(tmp_path / f'{i}{"ü" * 120}.jpg') for i in range(3)]
    names = [*picture_names(paths).values()]
    assert len({*names}) == 3
    for name in names:
        write_text(str(tmp_path / name), '', '--out')
