"""Draw what the capsules of a CapsNet hold, and how they were routed.

    python tools/analysis_tools/draw_capsules.py \\
        configs/capsnet/capsnet-mini_1xb32-36e_digits.py \\
        work_dirs/capsnet-mini_1xb32-36e_digits/epoch_36.pth --out capsules
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw reconstructions of test images, the effect of each '
        'dimension of a capsule, and the coupling coefficients of the routing.'
    )
    parser.add_argument('config', help='run config of a CapsNet with a decoder')
    parser.add_argument('checkpoint', help='weights that the config was trained to')
    parser.add_argument(
        '--out',
        default='capsules',
        metavar='FOLDER',
        help='folder to write three pictures to (default: capsules)',
    )
    parser.add_argument(
        '--index',
        type=int,
        default=0,
        metavar='N',
        help='first image of the test set, from 0 (default: 0)',
    )
    parser.add_argument(
        '--num-images',
        type=int,
        default=12,
        metavar='N',
        help='images to reconstruct, at most 50 (default: 12)',
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

    run_tool('projects.capsnet.draw_capsules:draw_capsules', **options)


if __name__ == '__main__':
    main()
