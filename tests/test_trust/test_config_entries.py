"""A config with an entry replaced at random runs or is refused; options likewise."""

import copy
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust_examples import examples

from projects.core.config import load_config, walk
from projects.core.config.checks import check_keys, check_values
from projects.core.config.load import RUNNER_KEYS
from projects.core.config.options import merge_option
from projects.core.engine import train
from projects.core.errors import UserError

LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
CONFIG = load_config(
    LENET,
    [
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.dataset.indices=4',
        'val_dataloader.dataset.indices=4',
    ],
)
PLAIN = json.loads(json.dumps(CONFIG._cfg_dict.to_dict()))  # lists, no tuples
PATHS = [entry.path for entry in walk(PLAIN)]
VALUES = [None, -1, 0, 2.5, float('nan'), '', 'x', [], {}, 10**30, True, [1, 'x']]
VALUES += [{'type': 'x'}, {'x': 1}, '1', [[]], float('inf'), [None]]
# a run of 10**30 epochs is one
ENDLESS = ('train_cfg.max_epochs', 'train_cfg.by_epoch')
FOLDER = Path('run')


def changed(path: str, action: str, value) -> dict:
    """The config with an entry replaced, removed or misspelt."""
    config = copy.deepcopy(PLAIN)
    entry = next(e for e in walk(config) if e.path == path)
    if action == 'replace':
        entry.parent[entry.key] = value
    else:
        old = entry.parent.pop(entry.key)
        if action == 'misspell' and isinstance(entry.key, str):
            entry.parent[entry.key[:-1] + entry.key[-1] * 2] = old
    return config


def end_of(config: dict) -> str:
    """'runs', or the message that a config is refused with."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    Path('config.json').write_text(json.dumps(config))
    try:
        train('config.json', str(FOLDER))
    except UserError as error:
        return str(error)
    return 'runs'


@pytest.mark.filterwarnings('ignore')
def test_config_with_an_entry_changed_runs_or_is_refused(fresh):
    assert end_of(PLAIN) == 'runs'  # else the property says nothing

    @examples(quick=8, long=2000)
    @given(
        path=st.sampled_from(PATHS),
        action=st.sampled_from(['replace', 'replace', 'replace', 'remove', 'misspell']),
        value=st.sampled_from(VALUES),
    )
    def check(path, action, value):
        if not (path.startswith(ENDLESS) and value == 10**30):
            fresh()
            assert end_of(changed(path, action, value))

    check()


KEYS = st.one_of(
    st.sampled_from(PATHS),
    st.builds('{}.{}'.format, st.sampled_from(PATHS), st.text(max_size=3)),
    st.text(max_size=12),
)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.text('()[]{},\'"=: 1a.-', max_size=12),
    st.sampled_from(list(map(repr, VALUES))),
)


@examples(quick=100, long=5000)
@given(key=KEYS, separator=st.sampled_from(['=', '=', '=', '', '==']), text=TEXTS)
def test_option_is_merged_or_refused(key, separator, text):
    cfg, option = copy.deepcopy(CONFIG), f'{key}{separator}{text}'
    try:
        merge_option(cfg, option, RUNNER_KEYS)
        check_values(cfg._cfg_dict, 'config.py')
        check_keys(cfg._cfg_dict, 'config.py')
    except UserError:
        pass
    else:
        assert '=' in option
        assert cfg._cfg_dict.to_dict().keys() >= PLAIN.keys()
