"""What is installed, by its metadata: nothing is imported."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import projects

PROJECT = 'mmatlas'
# import name: distributions that supply it, ours first
FAMILIES = {
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite', 'mmcv-full'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmpretrain': ('onedl-mmpretrain', 'mmpretrain', 'mmcls'),
}
OPENCV = (
    'opencv-python',
    'opencv-python-headless',
    'opencv-contrib-python',
    'opencv-contrib-python-headless',
)
# of setup.py: for those who work on the project, or together
NOT_OF_USERS = ('tests', 'all')


@dataclass
class Trouble:
    """What is wrong with an environment.

    Args:
        what: In a sentence.
        fix: A command, or what else to do.
        serious: Whether something does not work; else it may not.
    """

    what: str
    fix: str
    serious: bool = True


def version_of(name: str) -> str | None:
    """Version of a distribution; None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def suppliers(family: str) -> list[str]:
    """Distributions that are there of those that supply an import name."""
    return [name for name in FAMILIES[family] if version_of(name)]


def requirements_of(name: str, extra: str = '') -> list:
    """What a distribution asks for here, or for one of its extras.

    Returns:
        list: :class:`packaging.requirements.Requirement`; nothing of one that is not
        installed.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        without = marker is None or marker.evaluate({'extra': ''})
        if (without and not extra) or (
            extra and not without and marker.evaluate({'extra': extra})
        ):
            found.append(requirement)
    return found


def extras() -> dict[str, list[str]]:
    """What is missing of each of the project's extras, by its name."""
    names = metadata.metadata(PROJECT).get_all('Provides-Extra') or []
    return {
        name: [r.name for r in requirements_of(PROJECT, name) if not version_of(r.name)]
        for name in names
        if name not in NOT_OF_USERS
    }


def troubles() -> Iterator[Trouble]:
    """Clashes, what is missing, and versions that do not go together."""
    for family, names in FAMILIES.items():
        found = suppliers(family)
        if len(found) > 1:
            yield Trouble(
                f'{" and ".join(found)} are both installed: each overwrites files of '
                f'the other, {family}',
                f'pip uninstall -y {" ".join(found)} && pip install {names[0]}',
            )
    yield from _of_opencv()
    if version_of(PROJECT) is None:
        yield Trouble(
            f'{PROJECT} is not installed: what it requires is not known',
            'pip install -e . in its checkout',
        )
        return
    yield from _of_requirements()
    if _is_older_than_checkout():
        yield Trouble(
            'setup.py is newer than the installation: it may require more',
            'pip install -e . in the checkout',
            serious=False,
        )


def _of_opencv() -> Iterator[Trouble]:
    versions = {name: version_of(name) for name in OPENCV if version_of(name)}
    if len(versions) > 1:
        which = ', '.join(f'{name} {version}' for name, version in versions.items())
        yield Trouble(
            f'several distributions of OpenCV overwrite files of each other: {which}',
            f'pip uninstall -y {" ".join(versions)} && '
            f'pip install {next(iter(versions))}',
            serious=len(set(versions.values())) > 1,
        )


def _of_requirements() -> Iterator[Trouble]:
    """What the project asks for, and what that asks for in turn."""
    if importlib.util.find_spec('packaging') is None:
        what = 'packaging is missing, which compares versions'
        yield Trouble(what, 'pip install packaging')
        return
    seen, waiting = set(), [PROJECT]
    while waiting:
        name = waiting.pop(0)
        for requirement in requirements_of(name):
            version, wanted = version_of(requirement.name), str(requirement.specifier)
            text = f'{requirement.name}{wanted}'
            if version is None:
                yield Trouble(
                    f'{requirement.name} is missing, which {name} requires',
                    f'pip install "{text}"',
                    serious=name == PROJECT,
                )
                continue
            # a build of one's own is as good as the version that it was made of
            if not requirement.specifier.contains(version, prereleases=True):
                paired = {name, requirement.name} == {'torch', 'torchvision'}
                asking = PROJECT if name == PROJECT else f'{name} {version_of(name)}'
                yield Trouble(
                    f'{requirement.name} {version} is installed, and {asking} '
                    f'requires {wanted}',
                    'pip install --upgrade torch torchvision'
                    if paired
                    else f'pip install "{text}"',
                    serious=paired or name == PROJECT,
                )
            if requirement.name not in seen:
                seen.add(requirement.name)
                waiting.append(requirement.name)


def _is_older_than_checkout() -> bool:
    setup = Path(projects.__file__).parents[1] / 'setup.py'
    try:
        installed = next(
            file.locate()
            for file in metadata.files(PROJECT) or ()
            if file.name in ('METADATA', 'PKG-INFO')
        )
        return setup.stat().st_mtime > Path(installed).stat().st_mtime
    except (OSError, StopIteration, metadata.PackageNotFoundError):
        return False


def missing_extras() -> Iterator[str]:
    """Extras of which a part is missing, each with the line that installs it."""
    try:
        found = extras()
    except metadata.PackageNotFoundError:
        return
    for name, missing in found.items():
        if missing:
            yield f'{name}: pip install {" ".join(missing)}'
