"""The state of the code, as git knows it."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import projects

GIT_SECONDS = 5  # then a run starts without the state of the code


def code_state(config: str | None) -> dict[str, Any]:
    """The git checkout of this project; where there is none, that of the config.

    Args:
        config: Its file.

    Returns:
        dict: ``commit``, ``branch`` (None where none is checked out), ``changed``
        (files that differ from the commit or are new, as paths below the checkout) and
        ``diff_sha256`` (of ``git diff HEAD``, None where that is empty); nothing
        without git, or outside of a checkout.
    """
    folders = [Path(projects.__file__).parent]
    folders += [Path(config).resolve().parent] if config else []
    for folder in folders:
        try:
            # an environment inside another project's checkout is none of its code
            if folder.is_dir() and _git(folder, 'check-ignore', '.', codes=(0, 1))[0]:
                return _state(folder)
        except (OSError, subprocess.SubprocessError):
            continue
    return {}


def _state(folder: Path) -> dict[str, Any]:
    status = _git(folder, 'status', '--porcelain=v2', '--branch', '-z')[1]
    commit = branch = None
    changed, entries = [], iter(os.fsdecode(status).split('\0'))
    for entry in entries:
        kind, _, rest = entry.partition(' ')
        if rest.startswith('branch.oid ') and '(initial)' not in rest:
            commit = rest.partition(' ')[2]
        elif rest.startswith('branch.head ') and '(detached)' not in rest:
            branch = rest.partition(' ')[2]
        elif kind in ('1', 'u', '?', '2'):
            # fields before the path, as in git-status(1)
            changed.append(rest.split(' ', {'1': 7, '2': 8, 'u': 9, '?': 0}[kind])[-1])
            if kind == '2':
                next(entries, None)  # the name that it had
    diff = b''
    if commit:
        # --full-index: of a binary file the hash stands for it
        options = ('--full-index', '--no-color', '--no-ext-diff', '--no-textconv')
        diff = _git(folder, '-c', 'diff.noprefix=false', 'diff', *options, 'HEAD')[1]
    return dict(
        commit=commit,
        branch=branch,
        changed=sorted(changed),
        diff_sha256=hashlib.sha256(diff).hexdigest() if diff else None,
    )


def _git(folder: Path, *args: str, codes: tuple[int, ...] = (0,)) -> tuple[int, bytes]:
    """Status and output of git.

    Raises:
        OSError: If there is no git.
        subprocess.SubprocessError: If it takes too long, or its status is another.
    """
    done = subprocess.run(
        ['git', '-C', str(folder), *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=GIT_SECONDS,
        # it asks for nothing, and locks nothing that another git wants
        env={**os.environ, 'GIT_OPTIONAL_LOCKS': '0', 'GIT_TERMINAL_PROMPT': '0'},
        check=False,
    )
    if done.returncode not in codes:
        raise subprocess.CalledProcessError(done.returncode, 'git')
    return done.returncode, done.stdout


def without_home(text: str) -> str:
    """A text in which the user's home folder is '~'."""
    home = str(Path.home()).rstrip(os.sep)
    return text.replace(home + os.sep, '~' + os.sep) if home else text
