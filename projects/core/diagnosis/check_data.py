"""Python API of ``tools/dataset_tools/check_data.py``: the data doctor."""

import json
import os.path as osp
import textwrap
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from projects.core.config import load_config
from projects.core.datasets.findings import (
    ERROR,
    LEVELS,
    WARNING,
    Examination,
    Finding,
    SplitOfData,
)
from projects.core.diagnosis.contact_sheet import draw_sheet
from projects.core.diagnosis.image_findings import (
    duplicate_findings,
    findings_of_split,
)
from projects.core.diagnosis.image_scan import Scan, scan_images
from projects.core.errors import UserError, listed
from projects.core.files import check_outputs, output_file, write_text
from projects.core.quiet import quiet_libraries
from projects.core.tasks.task import Task, task_of, tasks
from projects.core.values import FLAG, PATH, checked, optional

HEADINGS = {
    ERROR: 'errors, which spoil results or end a run',
    WARNING: 'warnings, which may lower results',
}
WIDTH = 88  # characters


@dataclass
class Diagnosis:
    """What is wrong with some data.

    Args:
        source: Config or path.
        splits: What there is.
        findings: The worst first.
        notes: What was not looked at, and why.
        sheet: Contact sheet of suspects; None where there are none.
    """

    source: str
    splits: list[SplitOfData]
    findings: list[Finding]
    notes: list[str] = field(default_factory=list)
    sheet: str | None = None

    def of_level(self, level: str) -> list[Finding]:
        """The findings of :data:`projects.core.datasets.findings.LEVELS`."""
        return [f for f in self.findings if f.level == level]

    def as_json(self) -> dict[str, Any]:
        """All that was found, with all names."""
        return dict(
            source=self.source,
            status=int(bool(self.of_level(ERROR))),
            splits={part.split: part.facts for part in self.splits},
            notes=self.notes,
            findings=[finding.as_json() for finding in self.findings],
        )

    def __str__(self) -> str:
        lines = [f'data of {self.source}']
        for part in self.splits:
            lines += _wrapped(_facts(part), f'  {part.split:<6}', 8)
            for fact in part.facts.get('model', []):
                lines += _wrapped(fact, ' ' * 8, 8)
        for note in self.notes:
            lines += _wrapped(note, '  note  ', 8)
        for level in LEVELS:
            found = self.of_level(level)
            if found:
                lines += ['', f'{HEADINGS[level]} ({len(found)}):']
            for number, finding in enumerate(found, 1):
                where = f'{finding.split}: ' if finding.split else ''
                text = f'{finding.kind}, {where}{_relative(finding.text)}'
                lines += _wrapped(text, f'{number:3}. ', 5)
                if finding.advice:
                    lines += _wrapped(finding.advice, '     -> ', 8)
        if not self.findings:
            lines += ['', 'nothing found']
        if self.sheet is not None:
            lines += ['', f'pictures of suspects: {self.sheet}']
        # names of files may hold bytes that are no text
        return '\n'.join(lines).encode(errors='backslashreplace').decode()


def _relative(text: str) -> str:
    """A message without the folder that the user is in."""
    return text.replace(f'{osp.abspath(".")}/', '')


def _wrapped(text: str, before: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=before,
        subsequent_indent=' ' * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _facts(part: SplitOfData) -> str:
    """'2,000 images, 6,843 boxes of 10 classes: 7 (722) to 1 (640)'."""
    facts = part.facts
    text = f'{facts["images"]:,} images'
    if 'boxes' in facts:
        text += f', {facts["boxes"]:,} boxes'
    counts = facts.get('classes') or {}
    if counts:
        most, least = max(counts, key=counts.get), min(counts, key=counts.get)
        text += f' of {len(counts)} classes'
        if most != least:
            text += f': {most} ({counts[most]:,}) to {least} ({counts[least]:,})'
    return text


@checked(
    source=PATH,
    images=optional(PATH),
    sheet=PATH,
    json_file=optional(PATH),
    read_images=FLAG,
)
def check_data(
    source: str,
    images: str | None = None,
    sheet: str = 'suspects.png',
    json_file: str | None = None,
    read_images: bool = True,
    cfg_options: list[str] | None = None,
) -> Diagnosis:
    """Look over the data of a config, of an annotation file or of a folder.

    Annotations are looked at as a run does at its start, and beyond; then all images
    are read, by all cores, and compared with each other.

    A finding is an *error* where it spoils results or ends a run: data that a run
    refuses; images that cannot be read, or are of another size or orientation than
    their annotations say; an image, or nearly the same, in training and validation;
    one image in two classes; flawed boxes, by the hundredth or more; a class that is
    measured and never seen. The others are *warnings*, to be looked at.

    Args:
        source: A run config; or a COCO file, a list of VOC's images (below
            ``ImageSets``), VOC's folder, or a folder of class folders, which may
            stand below ``train`` and ``val``.
        images: Folder of a COCO file's images; by default it is looked for beside
            the file.
        sheet: Picture to write, of the suspects, if there are any.
        json_file: File for all that was found, with the names of all images and
            boxes; None for none.
        read_images: Whether images are read; the annotations alone take seconds.
        cfg_options: Settings over those of a config.

    Raises:
        UserError: If there are no such data, or a file cannot be written.
    """
    quiet_libraries()
    for option, path, suffix in (
        ('--sheet', sheet, '.png'),
        ('--json', json_file, '.json'),
    ):
        if path is not None:
            if not path.endswith(suffix):
                raise UserError(f'{option} {path}: name a file that ends in {suffix}')
            check_outputs([path], option)
    task, cfg = _task_and_config(source, images, cfg_options)
    examination = task.examine_data(cfg)
    diagnosis = Diagnosis(source, examination.splits, examination.findings)
    if read_images:
        _look_at_images(examination, diagnosis)
    else:
        diagnosis.notes.append('images were not read, nor looked for duplicates')
    order = {level: i for i, level in enumerate(LEVELS)}
    diagnosis.findings.sort(key=lambda f: (order[f.level], -len(f.names)))
    as_stored = any(part.as_stored for part in examination.splits)
    picture = draw_sheet(diagnosis.findings, as_stored)
    if picture is not None:
        with output_file(sheet, '--sheet') as file:
            file.write(cv2.imencode('.png', picture[..., ::-1])[1])
        diagnosis.sheet = sheet
    if json_file is not None:
        text = json.dumps(diagnosis.as_json(), indent=1)
        write_text(json_file, text, '--json')
    return diagnosis


def _task_and_config(
    source: str, images: str | None, cfg_options: list[str] | None
) -> tuple[Task, Any]:
    """Who knows the data, and a config of them."""
    if not (source.endswith('.py') or osp.exists(source)):
        raise UserError(
            f'there is no file or folder {source}; the name of a config ends in .py'
        )
    if osp.isdir(source) or source.endswith(('.json', '.txt', '.xml')):
        if images is not None and not osp.isdir(images):
            raise UserError(f'there is no folder of images {images}')
        if cfg_options:
            raise UserError(f'--cfg-options: {source} is no config')
        for task in tasks():
            cfg = task.data_at(source, images)
            if cfg is not None:
                return task, cfg
        raise UserError(
            f'{source} is none of: a run config, a COCO annotation file (.json), a '
            'list of images of VOC (ImageSets/Main/train.txt), a folder with '
            'ImageSets, or a folder with a folder of images for each class'
            + (' (which takes no second folder)' if images is not None else '')
        )
    if images is not None:
        raise UserError(
            f'{images}: {source} is a config, which says itself where its images are'
        )
    cfg = load_config(source, cfg_options)
    return task_of(cfg), cfg


def _look_at_images(examination: Examination, diagnosis: Diagnosis) -> None:
    parts = [part for part in examination.splits if part.images]
    if any(part.names and not part.images for part in examination.splits):
        diagnosis.notes.append(
            'images were not read: name their folder after the annotation file'
        )
    if not parts:
        return
    scans = [scan_images(part.images, f'reading {part.split}') for part in parts]
    for part, scan in zip(parts, scans, strict=True):
        diagnosis.findings += findings_of_split(part, scan)
    scan = Scan(*(_joined(columns) for columns in zip(*scans, strict=True)))
    diagnosis.findings += duplicate_findings(parts, scan)
    if not scan.hashed.any() and any(not error for error in scan.errors):
        diagnosis.notes.append(
            'images below 32 pixels were compared for equal pixels alone'
        )


def _joined(columns: tuple) -> Any:
    """Lists or arrays, one after the other."""
    if isinstance(columns[0], list):
        return [value for column in columns for value in column]
    return np.concatenate(columns)


def run(strict: bool = False, **options) -> None:
    """What the tool does: show the diagnosis, and raise where it is bad.

    Args:
        strict: Whether warnings count, too.
        options: Of :func:`check_data`.

    Raises:
        UserError: If there are findings that spoil results.
    """
    diagnosis = check_data(**options)
    print(diagnosis, flush=True)
    bad = diagnosis.findings if strict else diagnosis.of_level(ERROR)
    if bad:
        kinds = listed(dict.fromkeys(f.kind for f in bad), 4)
        num = '1 finding' if len(bad) == 1 else f'{len(bad)} findings'
        raise UserError(f'{num} in the data of {diagnosis.source}: {kinds}')
