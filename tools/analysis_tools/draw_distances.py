"""Draw why Jensen-Shannon is a poor guide for a generator, and the earth mover's not.

python tools/analysis_tools/draw_distances.py
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw two distances of distributions, and the gradients that a '
        'generator gets of each, against how far data and samples are apart.'
    )
    parser.add_argument(
        '--steps',
        type=int,
        default=1000,
        help="of the discriminators' training in the last panel (default: 1000)",
    )
    parser.add_argument(
        '--out',
        default='distances.png',
        metavar='FILE',
        help='picture to write (default: distances.png)',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.gan.distances:draw_distances', **options)


if __name__ == '__main__':
    main()
