"""Find out why the mAP of a results file is zero, or low.

    python tools/test.py CONFIG CHECKPOINT --out results.json
    python tools/analysis_tools/explain_map.py results.json \\
        data/digits-coco/annotations/val.json

Permuted classes, boxes in another format or frame, images mixed up, scores that are
reversed, and so on, alone or together: each is undone, and the mAP says what it was.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Say what is wrong with detections, by the mAP without it.'
    )
    parser.add_argument('results', help='detections, JSON in COCO results format')
    parser.add_argument('annotations', help='ground truth, JSON in COCO format')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='write the detections after all fixes to this JSON file',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.tasks.detection.explain_map:explain_map', **options)


if __name__ == '__main__':
    main()
