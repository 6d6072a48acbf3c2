"""The tables of a COCO file, as JSON holds them."""

import json
import reprlib
from collections.abc import Callable
from typing import Any

from projects.core.datasets.files import read_text
from projects.core.errors import UserError, listed

TABLES = ('images', 'annotations', 'categories')


def read_tables(
    path: str, split: str, read_mask: Callable[[Any], Any] | None = None
) -> tuple[dict, list[str]]:
    """Content of a file that holds a list of each of ``TABLES``.

    Args:
        split: Of 'test', annotations may be missing.
        read_mask: Function whose result is kept in place of a segmentation, as these
            take most of the memory.

    Returns:
        The content, and notices of keys that stand there twice.

    Raises:
        UserError: If it is no such file.
    """
    data, notices = load_json(path, read_mask)
    keys = set(TABLES)
    if split == 'test' and isinstance(data, dict) and 'annotations' not in data:
        keys.discard('annotations')  # published test sets keep theirs to themselves
    found = data if isinstance(data, dict) else {}
    missing = sorted(key for key in keys if not isinstance(found.get(key), list))
    if missing:
        raise UserError(
            f'{path} is not an annotation file in COCO format: '
            f'{listed(missing)} missing, {_content(data, missing)}. It must hold '
            'lists of images, annotations and categories'
        )
    return data, notices


def load_json(
    path: str, read_mask: Callable[[Any], Any] | None = None
) -> tuple[object, list[str]]:
    """Content of a JSON file, and notices of keys that stand there twice.

    Args:
        read_mask: Function whose result is kept in place of each ``segmentation``.

    Raises:
        UserError: If it cannot be read.
    """
    text = read_text(path)
    repeated = set()

    def unique(pairs: list[tuple[str, object]]) -> dict:
        row = dict(pairs)
        if len(row) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.update(key for key in row if keys.count(key) > 1)
        if read_mask is not None and 'segmentation' in row:
            row['segmentation'] = read_mask(row['segmentation'])
        return row

    try:
        data = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise UserError(f'{path} is empty; make or copy it again') from error
        raise UserError(
            f'{path} is not valid JSON: line {error.lineno}, column '
            f'{error.colno}: {error.msg}. It may be cut short or edited by '
            'hand; make or copy it again'
            + (
                f' (it begins with {reprlib.repr(text[:80])})'
                if not text[: error.pos].strip()
                else ''
            )
        ) from error
    except RecursionError as error:
        raise UserError(
            f'{path} is no annotation file: its brackets are nested too deeply to be '
            'read'
        ) from error
    except ValueError as error:  # Python's limit on the digits of a number
        raise UserError(f'{path} cannot be read: {error}') from error
    return data, [
        f'{path}: the key {key!r} stands more than once in an object; the last one '
        'counts, what the others hold is lost'
        for key in sorted(repeated)
    ]


def _content(data, missing: list[str]) -> str:
    if isinstance(data, dict) and data:
        wrong = [key for key in missing if key in data]
        if wrong:
            return f'{wrong[0]!r} holds a {type(data[wrong[0]]).__name__}, not a list'
        return f'its keys are {listed(reprlib.repr(key)[1:-1] for key in data)}'
    hint = ''
    if isinstance(data, list) and data and isinstance(data[0], dict):
        if {'bbox', 'score'} & data[0].keys():
            hint = ' of detections (the results format, which holds no ground truth)'
    return f'it holds a {type(data).__name__}{hint}'
