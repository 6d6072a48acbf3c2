"""What ``tools/infer.py`` takes and shows."""

import json
import os.path as osp
from pathlib import Path

from mmengine.logging import print_log

from projects.core.errors import UserError
from projects.core.files import check_outputs, write_text
from projects.core.tasks.task import InferOptions

FILE = 'answers.json'
LONGEST_NAME = 4096  # of a path; a text may be longer


def read_texts(inputs: str, by_line: bool) -> list[str]:
    """The texts that a user gave.

    Args:
        inputs: A text, or a path of a file of texts.
        by_line: Whether each line of a file that is not empty is a text; else the
            file as a whole is one.

    Raises:
        UserError: If the file cannot be read, holds nothing or is no UTF-8.
    """
    path = Path(inputs)
    try:
        is_file = len(inputs) < LONGEST_NAME and path.is_file()
        if len(inputs) < LONGEST_NAME and inputs and path.is_dir():
            raise UserError(f'{inputs} is a folder; give a text or a file of texts')
    except (OSError, ValueError):  # no name of a file at all
        is_file = False
    if not is_file:
        return [inputs]
    try:
        text = path.read_bytes().decode('utf-8-sig')
    except OSError as error:
        raise UserError(f'{inputs} cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b'\n') + 1
        raise UserError(
            f'{inputs}, line {line}: the bytes {error.object[error.start :][:4]!r} '
            'are no UTF-8; save the file as UTF-8'
        ) from error
    texts = [line for line in text.splitlines() if line.strip()] if by_line else [text]
    if not texts or not text.strip():
        raise UserError(f'{inputs} holds no text')
    return texts


def answer(model, tokenizer, meta: dict, inputs: str, options: InferOptions) -> list:
    """Ask a model, show what it says, and write it where there is a folder for it.

    Args:
        model: In eval mode.
        tokenizer: Its own.
        meta: What its data set says of itself.
        inputs: A text or a file of texts.
        options: How.

    Returns:
        What the file holds: a dict for each text.
    """
    texts = read_texts(inputs, model.by_line)
    file = options.out_dir and osp.join(options.out_dir, FILE)
    if file:
        check_outputs([file], '--out-dir')
    rows = []
    for first in range(0, len(texts), options.batch_size):
        batch = texts[first : first + options.batch_size]
        for row in model.answer(batch, tokenizer, meta, **options.writing):
            print_log(model.shown(row), 'current')
            rows.append(row)
    if file:
        write_text(file, json.dumps(rows, ensure_ascii=False, indent=1), '--out-dir')
        print_log(f'{len(rows)} answers: {osp.relpath(file)}', 'current')
    return rows
