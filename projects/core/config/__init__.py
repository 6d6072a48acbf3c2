"""Finding, reading, checking and explaining configs."""

from projects.core.config.explain import explained
from projects.core.config.find import find_config, find_config_or_model, run_configs
from projects.core.config.load import load_config
from projects.core.config.notices import config_notices
from projects.core.config.overrides import overrides_of
from projects.core.config.unread import unread_keys
from projects.core.config.walk import (
    key_paths,
    optim_wrappers_of,
    set_everywhere,
    test_pipeline_of,
    values_of,
    walk,
)

__all__ = [
    'config_notices',
    'explained',
    'find_config',
    'find_config_or_model',
    'key_paths',
    'load_config',
    'optim_wrappers_of',
    'overrides_of',
    'run_configs',
    'set_everywhere',
    'test_pipeline_of',
    'unread_keys',
    'values_of',
    'walk',
]
