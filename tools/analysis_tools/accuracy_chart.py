"""Draw published accuracy against operations, of all architectures.

    python tools/analysis_tools/accuracy_chart.py --out accuracy_chart.png

The figures are those of resources/architectures.json.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw top-1 on ImageNet against multiply-accumulates.'
    )
    parser.add_argument(
        '--table',
        metavar='FILE',
        help="JSON of entries (default: the checkout's resources/architectures.json)",
    )
    parser.add_argument(
        '--out',
        default='accuracy_chart.png',
        metavar='FILE',
        help='picture to write (default: accuracy_chart.png)',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    options = {name: value for name, value in vars(args).items() if value is not None}
    from projects.core.cli import run_tool

    run_tool('projects.core.benchmark.chart:draw_accuracy_chart', **options)


if __name__ == '__main__':
    main()
