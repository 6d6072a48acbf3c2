"""What a long measurement has done so far, on disk as it goes."""

import json
import os
from collections.abc import Iterator
from pathlib import Path


class Journal:
    """Rows of JSON in a file, one that is begun and one that is ended for each.

    Every line is on the disk before the next step, so that a kill loses the row in
    progress alone; who opens the file again goes on after it.

    Args:
        file: Is made where it is missing.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: dict[str, dict] = {}
        self.begun: list[str] = []  # without an end
        if file.is_file():
            for row in self._read():
                self._take(row)

    def _read(self) -> Iterator[dict]:
        for line in self.file.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # the kill cut it off
                continue

    def _take(self, row: dict) -> None:
        if 'begun' in row:
            self.begun.append(row['begun'])
            return
        if 'id' in row:
            self.rows[row['id']] = row
        ended = row.get('id', row.get('dropped'))
        self.begun = [name for name in self.begun if name != ended]

    def _write(self, row: dict) -> None:
        whole = not self.file.is_file() or self.file.read_bytes()[-1:] in (b'', b'\n')
        with self.file.open('a') as file:
            file.write(('' if whole else '\n') + json.dumps(row) + '\n')
            file.flush()
            os.fsync(file.fileno())
        self._take(row)

    def begin(self, name: str) -> None:
        self._write(dict(begun=name))

    def end(self, name: str, **row) -> None:
        self._write(dict(id=name, **row))

    def drop(self, name: str) -> None:
        """It was begun and is to be begun again another time."""
        self._write(dict(dropped=name))

    def __contains__(self, name: str) -> bool:
        return name in self.rows
