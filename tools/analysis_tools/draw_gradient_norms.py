"""Draw how the gradient of an RNN, an LSTM and a GRU fades with the distance in time.

    python tools/analysis_tools/draw_gradient_norms.py
    python tools/analysis_tools/draw_gradient_norms.py \\
        --trained work_dirs/lstm-adding100_1xb50-1500i_adding/iter_1500.pth
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw the norm of the gradient against the distance in time.'
    )
    parser.add_argument(
        '--trained',
        nargs='+',
        default=[],
        metavar='FILE',
        help='checkpoints of configs/rnn/*-adding100_*.py, for a second panel',
    )
    parser.add_argument(
        '--length', type=int, default=100, help='steps of a sequence (default: 100)'
    )
    parser.add_argument(
        '--seeds', type=int, default=10, help='of the new weights (default: 10)'
    )
    parser.add_argument(
        '--out',
        default='gradient_norms.png',
        metavar='FILE',
        help='picture to write (default: gradient_norms.png)',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.rnn.gradient_norms:draw_gradient_norms', **options)


if __name__ == '__main__':
    main()
