"""Lay runs side by side, on one page.

python tools/compare.py work_dirs/lenet work_dirs/resnet18
python tools/compare.py work_dirs/lenet_* -o lenets.html

Groups of runs, of ``tools/train.py --repeat`` or ``--folds``, are given by their
folder; whether they differ by more than chance is tested.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Lay runs side by side, on one page.')
    parser.add_argument(
        'runs', nargs='+', metavar='RUN', help='work dir of a run or of a group'
    )
    parser.add_argument(
        '-o',
        '--out',
        metavar='FILE',
        help='HTML file (default: compare.html in the folder that holds the runs)',
    )
    return parser.parse_args()


def main(runs: list[str], out: str | None) -> None:
    # after the parsing, for --help not to wait for it
    from projects.core.reports.compare import compare

    print(f'page: {compare(runs, out)}')


if __name__ == '__main__':
    args = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool(main, **args)
