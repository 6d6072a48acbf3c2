"""How a tool ends."""

import subprocess
import sys


def test_a_reader_that_has_seen_enough():
    """As ``| head``: no traceback, at the exit of Python neither."""
    code = """
from projects.core.cli import run_tool

def many():
    for i in range(100_000):
        print(i)

run_tool(many)
"""
    with subprocess.Popen(
        [sys.executable, '-c', code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == '0\n'
        process.stdout.close()
        assert process.stderr.read() == ''
    assert process.returncode == 1
