"""The outcome of an evaluation on disk: one JSON, its tables as CSV, its pictures.

The folder of an evaluation:

====================  ==========================================================
``evaluation.json``   all of it, in the schema of :data:`SCHEMA`, below
``<key>.csv``         each :class:`~projects.core.reports.blocks.Table`
``<key>-<n>.png``     each picture of a :class:`~projects.core.reports.blocks.Pictures`
``<key>.png``         after a test, curves, bars, points and matrices as pictures
====================  ==========================================================

``evaluation.json``::

    {"schema": "mmatlas-evaluation-1",
     "task": "a detector",
     "at": {"epoch": 14},            # or {"iter": 500}, {"checkpoint": "best_...pth"}
     "data": "DigitsCocoDataset, 500 images",
     "metrics": {"coco/bbox_mAP": 0.722, ...},
     "sections": [{"title": ..., "note": ..., "blocks": [{"kind": "table", ...}]}]}
"""

import csv
import io
import json
import logging
import os.path as osp
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
from mmengine.logging import print_log

from projects.core.errors import UserError, described
from projects.core.files import output_file, write_text
from projects.core.reports.block_checks import check_block
from projects.core.reports.blocks import (
    Pictures,
    Section,
    Table,
    block_from_json,
    block_to_json,
    plain,
)
from projects.core.values import number, optional

SCHEMA = 'mmatlas-evaluation-1'
FILE = 'evaluation.json'
#: folders in a work dir: of the best validation, of the last test
VALIDATION, TEST = 'evaluation', 'test_evaluation'
_MOST = 1e300


@dataclass
class Evaluation:
    """What an evaluation found.

    Args:
        task: Kind of the model, :attr:`projects.core.tasks.task.Task.name`.
        at: Of which weights: ``epoch``, ``iter`` or ``checkpoint``.
        data: What was evaluated on, in words.
        metrics: By name.
        sections: The task's own.
    """

    task: str
    at: dict[str, Any]
    data: str
    metrics: dict[str, float]
    sections: list[Section] = field(default_factory=list)
    _drawn: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    def write(
        self, folder: str, option: str = '--work-dir', draw: bool = False
    ) -> None:
        """Write ``evaluation.json``, the tables and the pictures.

        Args:
            folder: Where to.
            option: Where the user said so.
            draw: Write the charts as pictures, too. A chart that cannot be drawn is
                a warning.

        Raises:
            UserError: As of :func:`projects.core.files.output_file`.
        """
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Pictures):
                    _write_pictures(folder, block, option)
                if isinstance(block, Table):
                    text = io.StringIO(newline='')
                    csv.writer(text).writerows([block.columns, *block.rows])
                    file = osp.join(folder, f'{block.key}.csv')
                    write_text(file, text.getvalue(), option)
        document = dict(
            schema=SCHEMA,
            task=self.task,
            at=self.at,
            data=self.data,
            metrics=plain(self.metrics),
            sections=[
                dict(
                    title=section.title,
                    note=section.note,
                    blocks=[block_to_json(block) for block in section.blocks],
                )
                for section in self.sections
            ],
        )
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        write_text(osp.join(folder, FILE), text, option)
        if draw:
            self._write_charts(folder, option)

    def _write_charts(self, folder: str, option: str) -> None:
        from projects.core.reports import charts  # and the memory of what draws

        for block in (block for section in self.sections for block in section.blocks):
            if not isinstance(block, charts.CHARTS):
                continue
            try:
                if block.key not in self._drawn:  # for one folder, or another
                    self._drawn[block.key] = charts.png(block)
            except Exception as error:  # of a library that runs JavaScript
                message = f'{block.key} was not drawn: {error!r}'
                print_log(message, logger='current', level=logging.WARNING)
                continue
            with output_file(osp.join(folder, f'{block.key}.png'), option) as file:
                file.write(self._drawn[block.key])


def _write_pictures(folder: str, block: Pictures, option: str) -> None:
    for i, picture in enumerate(block.pictures):
        if picture.image is None:
            continue
        picture.file = f'{block.key}-{i}.png'
        with output_file(osp.join(folder, picture.file), option) as file:
            file.write(cv2.imencode('.png', picture.image)[1])


def read_evaluation(folder: str) -> Evaluation | None:
    """The evaluation in a folder, its pictures by their paths; None if there is none.

    Raises:
        UserError: If it is damaged, or of another schema.
    """
    path = Path(folder, FILE)
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
        if document['schema'] != SCHEMA:
            raise ValueError(f'its schema is {document["schema"]!r}, not {SCHEMA!r}')
        sections = [
            Section(
                section['title'],
                [block_from_json(block) for block in section['blocks']],
                section['note'],
            )
            for section in document['sections']
        ]
        for block in (block for section in sections for block in section.blocks):
            check_block(block)
            if isinstance(block, Pictures):
                for picture in block.pictures:
                    # a name alone: an evaluation reads nothing outside its folder
                    picture.file = str(path.parent / Path(picture.file).name)
        evaluation = Evaluation(
            document['task'],
            document['at'],
            document['data'],
            document['metrics'],
            sections,
        )
        _check(evaluation)
        return evaluation
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(
            f'{path} cannot be read as an evaluation: {described(error)}'
        ) from error


def _check(evaluation: Evaluation) -> None:
    words = [evaluation.task, evaluation.data]
    words += [word for s in evaluation.sections for word in (s.title, s.note)]
    numbers = optional(number(-_MOST, _MOST))
    if not all(isinstance(word, str) for word in words):
        raise ValueError('a name or a note is no text')
    if not (
        isinstance(evaluation.metrics, dict)
        and all(map(numbers.fits, evaluation.metrics.values()))
    ):
        raise ValueError('metrics are no numbers by name')
    if not (
        isinstance(evaluation.at, dict)
        and all(isinstance(v, (str, int, type(None))) for v in evaluation.at.values())
    ):
        raise ValueError("'at' names no place in a run")
