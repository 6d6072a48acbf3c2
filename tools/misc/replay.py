"""Repeat the step in which a loss was not finite, and say where it arises.

python tools/misc/replay.py work_dirs/resnet18_1xb64-20e_digits/nonfinite_loss.pth

A training that a loss which is not finite has ended leaves that file. Nothing in it is
run.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Name the module in which the first number arises that is not '
        'finite, in the forward or the backward pass.'
    )
    parser.add_argument('file', help='nonfinite_loss.pth of a work dir')
    parser.add_argument(
        '--device', help='cpu, cuda, ... (default: that of the run, where it is here)'
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.diagnosis.replay:replay', **options)


if __name__ == '__main__':
    main()
