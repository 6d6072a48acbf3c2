"""Turn darknet's YOLOv1 weights into a checkpoint, or back.

    python tools/model_converters/darknet.py yolov1_tiny \\
        yolov1-tiny.weights yolov1_tiny.pth

The direction follows the endings, ``.weights`` being darknet's. Variants with
published weights: yolov1_local (darknet's yolov1.weights), yolov1_tiny
(yolov1-tiny.weights) and yolov1_extraction (extraction.conv.weights).
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', help='variant, as of list_models()')
    parser.add_argument('source', help='file to read')
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--num-classes', type=int, help="classes of the head (default: the variant's)"
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.yolov1.darknet:convert', **options)


if __name__ == '__main__':
    main()
