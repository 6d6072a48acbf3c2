"""Checkpoints changed at random: read, applied and resumed from, or refused."""

import io
import random
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trust_examples import examples

from projects.core.engine import infer
from projects.core.errors import UserError

# what may stand in the place of an entry
VALUES = st.sampled_from(
    [
        None,
        0,
        -1,
        10**30,
        2.5,
        float('nan'),
        '',
        'x',
        'os.system',
        b'x',
        [],
        [1],
        {},
        {'type': 'os.system', 'command': 'touch ran'},
        (),
        True,
        torch.zeros(0),
        torch.tensor(float('nan')),
        torch.zeros(3, 3),
        "__import__('os').system('touch ran')",
        "model = dict(type=__import__('os').system('touch ran'))",
    ]
)


def entries(node):
    """Places of a checkpoint outside of weights: (container, key)."""
    if isinstance(node, dict):
        places = [(node, key) for key in node]
    elif isinstance(node, list):
        places = [(node, i) for i in range(len(node))]
    else:
        return
    for place in places:
        yield place
        yield from entries(place[0][place[1]])


@pytest.fixture
def apply(lenet, fresh):
    """Function that writes bytes as a checkpoint and labels an image by it."""
    cv2.imwrite('a.png', np.zeros((8, 8), np.uint8))
    before = sorted(p.name for p in Path().iterdir())

    def call(content: bytes) -> None:
        Path('x.pth').write_bytes(content)
        try:
            rows = infer('x.pth', 'a.png', 'out', device='cpu')
            message = ''
        except UserError as error:
            rows, message = [], str(error)
        assert [len(row['predictions']) for row in rows] == ([] if message else [5])
        assert '\n' not in message or 'first that differ' in message
        assert 'weights_only' not in message
        assert not Path('ran').exists()
        assert {p.name for p in Path().iterdir()} <= {*before, 'x.pth', 'out'}
        fresh()

    return call


def test_changed_entries(lenet, apply):
    original = Path(lenet).read_bytes()

    @examples(quick=25, long=700)
    @given(st.integers(0, 10**6), VALUES, st.booleans())
    def check(place, value, delete):
        content = torch.load(io.BytesIO(original), weights_only=False)
        # the optimizer is not read
        content = {k: content[k] for k in ('meta', 'state_dict')}
        places = list(entries(content))
        node, key = places[place % len(places)]
        if delete:
            del node[key]
        else:
            node[key] = value
        file = io.BytesIO()
        torch.save(content, file)
        apply(file.getvalue())

    check()


def test_changed_words_of_the_config(lenet, apply):
    original = Path(lenet).read_bytes()

    @examples(quick=15, long=300)
    @given(
        st.sampled_from(['cfg', 'cfg_json']),
        st.integers(0, 10**6),
        st.one_of(st.text(max_size=9), st.sampled_from(['os.system', ')', '"', '}'])),
    )
    def check(key, place, text):
        content = torch.load(io.BytesIO(original), weights_only=False)
        meta = content['meta']
        if key == 'cfg':
            del meta['cfg_json']
        place %= len(meta[key])
        meta[key] = meta[key][:place] + text + meta[key][place + 5 :]
        file = io.BytesIO()
        torch.save({k: content[k] for k in ('meta', 'state_dict')}, file)
        apply(file.getvalue())

    check()


def test_changed_bytes(lenet, apply):
    original = Path(lenet).read_bytes()
    with zipfile.ZipFile(lenet) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    @examples(quick=25, long=700)
    @given(st.integers(0, 10**9), st.sampled_from(['cut', 'flip', 'zeros', 'inside']))
    def check(seed, how):
        rng, content = random.Random(seed), bytearray(original)
        place = rng.randrange(len(content))
        if how == 'cut':
            del content[place:]
        elif how == 'zeros':
            content[place:] = bytes(len(content) - place)
        elif how == 'flip':
            for _ in range(rng.choice([1, 10, 1000])):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        else:  # with the sums of the archive as they should be
            name = next(n for n in files if n.endswith('data.pkl'))
            pickled = bytearray(files[name])
            for _ in range(rng.choice([1, 3])):
                pickled[rng.randrange(len(pickled))] = rng.randrange(256)
            file = io.BytesIO()
            with zipfile.ZipFile(file, 'w') as archive:
                for other, data in files.items():
                    archive.writestr(other, bytes(pickled) if other == name else data)
            content = file.getvalue()
        apply(bytes(content))

    check()
