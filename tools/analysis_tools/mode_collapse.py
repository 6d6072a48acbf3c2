"""Measure mode collapse: the same networks on two mixtures with each loss of a GAN.

    python tools/analysis_tools/mode_collapse.py --out work_dirs/mode_collapse

Trains with several seeds, and writes a Markdown table, two pictures and a film. A
second call goes on where the first ended.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Train the same networks on mixtures of Gaussians with each loss; '
        'a table of modes, pictures, a film.'
    )
    parser.add_argument(
        '--out',
        required=True,
        metavar='DIR',
        help='for the runs and what comes of them',
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
        '--data',
        nargs='+',
        default=['ring8', 'grid25'],
        metavar='NAME',
        help='mixtures (default: ring8 grid25)',
    )
    parser.add_argument(
        '--losses',
        nargs='+',
        default=['gan-minmax', 'gan', 'lsgan', 'wgan', 'wgan-gp'],
        metavar='NAME',
        help='losses, by the names of configs/gan/NAME-mlp_* '
        '(default: gan-minmax gan lsgan wgan wgan-gp)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='settings over those of all configs',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.gan.mode_collapse:measure_mode_collapse', **options)


if __name__ == '__main__':
    main()
