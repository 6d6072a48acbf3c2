"""Draw how long a training step takes for texts of different lengths, of a
Transformer and of a recurrent network with attention.

    python tools/analysis_tools/draw_step_times.py --out resources/transformer_steps.png
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw the time of a training step against the length of the '
        'texts, of a Transformer and of a recurrent network with attention.'
    )
    parser.add_argument(
        '--lengths',
        type=int,
        nargs='+',
        default=[8, 16, 32, 64, 128, 256, 512],
        metavar='N',
        help='tokens of source and target (default: 8 to 512)',
    )
    parser.add_argument(
        '--batch-size', type=int, default=4, metavar='N', help='texts (default: 4)'
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=3,
        metavar='N',
        help='timed steps of each length (default: 3)',
    )
    parser.add_argument(
        '--threads', type=int, default=1, metavar='N', help='of the CPU (default: 1)'
    )
    parser.add_argument(
        '--device', default='cpu', choices=['cpu', 'cuda'], help='(default: cpu)'
    )
    parser.add_argument(
        '--out',
        default='steps.png',
        metavar='FILE',
        help='picture to write (default: steps.png)',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.transformer.draw_steps:draw_steps', **options)


if __name__ == '__main__':
    main()
