"""Find a learning rate: train for some steps at growing rates, and see the loss.

    python tools/analysis_tools/find_lr.py \\
        configs/lenet/lenet5-modern_1xb64-20e_digits.py

The proposal lies half the way, on a logarithmic axis, from the rate at which the
smoothed loss falls most steeply to that at which it is least. Nothing is kept of the
training.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='run config')
    parser.add_argument(
        '--steps', type=int, default=150, metavar='N', help='steps (default: 150)'
    )
    parser.add_argument(
        '--range',
        type=float,
        nargs=2,
        default=(1e-6, 10.0),
        metavar=('LOW', 'HIGH'),
        dest='range_',
        help='first and last rate (default: 1e-6 10)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of weights and data (default: 0)'
    )
    parser.add_argument(
        '--out',
        metavar='FILE.png',
        help='picture of the curve, with a JSON file beside it '
        "(default: find_lr/<config's name>.png)",
    )
    parser.add_argument(
        '--device', help='cpu, cuda, ... (default: a GPU if there is one)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings over those of the config',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.insight.find_lr:find_lr', **options)


if __name__ == '__main__':
    main()
