"""Detect objects in images, or classify them, with a checkpoint.

    python tools/infer.py CHECKPOINT IMAGE_OR_FOLDER

The checkpoint holds the config.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw detections or classes on images, and write them as JSON.'
    )
    parser.add_argument('checkpoint', help='file that tools/train.py wrote')
    parser.add_argument(
        'inputs', metavar='images', help='an image or a folder of images'
    )
    parser.add_argument(
        '--out-dir',
        metavar='DIR',
        help='pictures and '
        'detections.json or, of a classifier, '
        'predictions.json (default: detections/NAME, '
        'predictions/NAME)',
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of a detection that is drawn '
        '(default: 0.3); a classifier shows its five best '
        'classes',
    )
    parser.add_argument(
        '--batch-size', type=int, default=8, help='images at once (default: 8)'
    )
    parser.add_argument(
        '--device', help='cpu, cuda, cuda:1, ...; a GPU where there is one by default'
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.engine:infer', **options)


if __name__ == '__main__':
    main()
