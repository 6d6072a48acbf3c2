"""Make the page of a run: one HTML file that opens from disk, without a network.

    python tools/report.py work_dirs/lenet5-modern_1xb64-20e_digits

A training makes it at its end; this tool at any time, while it runs as well.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Make the page of a run.')
    parser.add_argument('work_dir', help='work dir of the run')
    parser.add_argument(
        '-o', '--out', metavar='FILE', help='the page (default: WORK_DIR/report.html)'
    )
    return parser.parse_args()


def main(work_dir: str, out: str | None) -> None:
    # after the parsing, for --help not to wait for it
    from projects.core.reports.report import report

    print(f'page: {report(work_dir, out)}')


if __name__ == '__main__':
    args = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool(main, **args)
