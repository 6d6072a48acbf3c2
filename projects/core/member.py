"""A process of its own for one training of a group, see
:mod:`projects.core.engine.repeats`.

    python -m projects.core.member JSON
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from projects.core.cli import ERROR_FILE, run_tool
from projects.core.errors import UserError
from projects.core.launch import FORWARDED, end_with_parent


class Members:
    """Runs processes one after the other, and passes signals on to them.

    Args:
        received: Numbers of the signals that came, in order.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._process: subprocess.Popen | None = None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Pass signals on, where this is the main thread.

        Raises:
            KeyboardInterrupt: After Ctrl-C, at the end.
            SystemExit: After another signal, with the status of a shell.
        """
        try:
            previous = {n: signal.signal(n, self._forward) for n in FORWARDED}
        except ValueError:  # not the main thread
            previous = {}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _forward(self, number: int, _) -> None:
        self.received.append(number)
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def run(self, name: str, options: dict, variables: dict[str, str]) -> None:
        """Train in a fresh interpreter.

        Args:
            name: Of the member, for messages.
            options: Arguments of :func:`projects.core.engine.train`.
            variables: Of its environment, beside those of this process.

        Raises:
            UserError: If the training fails by one, or something has killed it.
            KeyboardInterrupt: If Ctrl-C ended it.
            SystemExit: If another signal did, or a flaw of the program.
        """
        given = json.dumps(dict(options=options, path=sys.path))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, 'error')
            self.stop_if_asked()
            sys.stdout.flush()
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'projects.core.member', given],
                env={**os.environ, **variables, ERROR_FILE: str(file)},
                start_new_session=True,  # Ctrl-C comes once, by this process
                preexec_fn=end_with_parent,
            )
            if self.received:  # just before there was a process
                self._process.send_signal(self.received[0])
            status = self._process.wait()
            text = json.loads(file.read_text())['text'] if file.is_file() else ''
        if status == 0:
            return
        self.stop_if_asked()
        if text == 'interrupted':
            raise KeyboardInterrupt
        if text.startswith('error: '):
            raise UserError(f'{name}: {text.removeprefix("error: ")}')
        if status < 0:
            number = signal.Signals(-status)
            if number == signal.SIGTERM:
                raise SystemExit(128 + number)
            reason = ', as the system does where memory runs out'
            raise UserError(
                f'{name} was ended by {number.name}'
                f'{reason * (number == signal.SIGKILL)}; --resume goes on'
            )
        if text:
            sys.stderr.write(f'{name}: {text}\n')
        raise SystemExit(status)

    def stop_if_asked(self) -> None:
        """End as a signal that came asks.

        Raises:
            KeyboardInterrupt: After Ctrl-C.
            SystemExit: After another one.
        """
        if self.received:
            if self.received[0] == signal.SIGINT:
                raise KeyboardInterrupt
            raise SystemExit(128 + self.received[0])


def main() -> None:
    given = json.loads(sys.argv[1])
    sys.path[:] = given['path']
    run_tool('projects.core.engine:train', **given['options'])


if __name__ == '__main__':
    main()
