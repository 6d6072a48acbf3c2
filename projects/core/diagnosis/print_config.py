"""Python API of ``tools/misc/print_config.py``."""

from projects.core.config.load import RUNNER_KEYS
from projects.core.diagnosis.config_explained import explanation
from projects.core.diagnosis.config_layout import literal, whole
from projects.core.diagnosis.config_source import Source, read_source
from projects.core.errors import UserError, one_line
from projects.core.quiet import quiet_libraries
from projects.core.reports.differences import MISSING, PLACES, differences
from projects.core.values import PATH, TEXT, checked, optional

LENGTH = 400  # of a value that differs, at most


@checked(config=PATH, explain=optional(TEXT), diff=optional(PATH))
def print_config(
    config: str,
    explain: str | None = None,
    diff: str | None = None,
    cfg_options: list[str] | None = None,
) -> str:
    """Show a config as it runs, with the file and line of each value.

    Args:
        config: Config, checkpoint of ``tools/train.py`` or work dir of a run.
        explain: Entry to tell all about, as ``--cfg-options`` names it: what set it,
            in turn, and what reads it.
        diff: Config, checkpoint or work dir to compare with.
        cfg_options: Settings over those of the config.

    Returns:
        What is printed.

    Raises:
        UserError: If there is no such config or entry, or a run of it would not start;
            that after all is printed.
    """
    quiet_libraries()
    if explain is not None and diff is not None:
        raise UserError('--explain and --diff: give one of them')
    source = read_source(config, cfg_options)
    if diff is not None:
        text = difference(source, read_source(diff))
    elif explain is not None:
        text = explanation(source, explain)
    else:
        text = whole(source)
    print(text)
    if source.refusals and diff is None:
        raise UserError('a run of this config does not start: ' + source.refusals[0])
    return text


def difference(source: Source, other: Source) -> str:
    """What two configs set otherwise, key by key."""
    values = [
        {k: v for k, v in s.cfg._cfg_dict.to_dict().items() if k in RUNNER_KEYS}
        for s in (source, other)
    ]
    lines = [f'- {source.name}', f'+ {other.name}']
    found = [(path, pair) for path, pair in differences(values) if path not in PLACES]
    for path, pair in found:
        lines += ['', path]
        for sign, value in zip('-+', pair, strict=True):
            text = 'absent' if value is MISSING else literal(value)
            lines.append(f'  {sign} {one_line(text, LENGTH)}')
    lines += ['', f'entries that differ: {len(found)}']
    return '\n'.join(lines)
