"""Draw the default boxes that SSD matches to the objects of an image.

    python tools/analysis_tools/draw_default_boxes.py \\
        configs/ssd/ssd-mini_1xb16-22e_digits-coco.py --index 3
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw, level by level, the default boxes that an SSD '
        'config matches to the objects of a training image.'
    )
    parser.add_argument('config', help='run config of a detector with SSDHead')
    parser.add_argument(
        '--index',
        type=int,
        default=0,
        metavar='N',
        help='image of the training set, from 0 (default: 0)',
    )
    parser.add_argument(
        '--out',
        default='matches.png',
        metavar='FILE',
        help='picture to write (default: matches.png)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        metavar='N',
        help='of the augmentation (default: 0)',
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

    run_tool('projects.ssd.draw_matches:draw_matches', **options)


if __name__ == '__main__':
    main()
