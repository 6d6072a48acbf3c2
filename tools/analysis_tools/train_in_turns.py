"""Train configs in turns, with several seeds: a table of scores and of seconds.

    python tools/analysis_tools/train_in_turns.py A.py B.py --out work_dirs/turns

A second call goes on where the first ended.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Train configs in turns, with several seeds; a Markdown table.'
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='run config')
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='for the runs and table.md'
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0, 1, 2],
        metavar='N',
        help='of the runs (default: 0 1 2)',
    )
    parser.add_argument(
        '--metric',
        default='accuracy/top1',
        metavar='NAME',
        help='of the last validation (default: accuracy/top1)',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.benchmark.in_turns:train_in_turns', **options)


if __name__ == '__main__':
    main()
